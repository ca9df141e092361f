"""Values of one instant that cannot all be right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from devices.qc.consistency import CHECKS, PARAMETERS, oxygen_saturation, verdicts

SERIES = Path(__file__).parents[2] / "data/series"


@pytest.mark.parametrize(
    ("values", "check", "expected"),
    [
        ({"pm1": 10, "pm25": 20, "pm10": 30}, "dust", {"pm1": 1, "pm25": 1, "pm10": 1}),
        ({"pm1": 10, "pm25": 50, "pm10": 30}, "dust", {"pm1": 1, "pm25": 3, "pm10": 3}),
        ({"pm25": 110, "pm10": 100}, "dust", {"pm25": 1, "pm10": 1}),
        ({"pm25": 50, "pm10": None}, "dust", {}),
        ({"no": 30.0061, "no2": 46.0055, "nox": 92.011}, "nox", {"no": 1, "no2": 1, "nox": 1}),
        ({"no": 30.0, "no2": 46.0, "nox": 30.0}, "nox", {"no": 3, "no2": 3, "nox": 3}),
        ({"do": 8.26, "water_temp": 25.0, "do_sat": 100.0}, "oxygen", {"do": 1, "water_temp": 1, "do_sat": 1}),
        ({"do": 8.26, "water_temp": 25.0, "do_sat": 60.0}, "oxygen", {"do": 3, "water_temp": 1, "do_sat": 3}),
        ({"do": 20.0, "water_temp": 25.0}, "oxygen", {"do": 3, "water_temp": 1}),
        ({"dew_point": 20.0, "air_temp": 19.8}, "dew_point", {"dew_point": 1, "air_temp": 1}),
        ({"dew_point": 25.0, "air_temp": 19.8}, "dew_point", {"dew_point": 3, "air_temp": 3}),
        ({"ec": 53_000.0, "salinity": 35.0}, "salinity", {"ec": 1, "salinity": 1}),
        ({"ec": 500.0, "salinity": 35.0}, "salinity", {"ec": 3, "salinity": 3}),
    ],
)
def test_a_check(values: dict[str, float | None], check: str, expected: dict[str, int]) -> None:
    assert verdicts(values, (check,)) == expected


def test_oxygen_saturation_is_that_of_the_tables() -> None:
    """Benson and Krause 1984, 1 atm, as USGS TM 2011.03 tabulates it."""
    assert [round(oxygen_saturation(celsius), 2) for celsius in (0, 20, 25)] == [14.62, 9.09, 8.26]
    assert round(oxygen_saturation(25, 35), 2) == pytest.approx(6.75, abs=0.03)


def test_every_check_says_whom_it_speaks_about() -> None:
    assert set(CHECKS) == set(PARAMETERS)


def test_a_real_dust_sensor_is_consistent() -> None:
    with (SERIES / "sensorcommunity-15092-july.csv").open() as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    flags = [verdicts({"pm10": float(row["P1"]), "pm25": float(row["P2"])}, ("dust",))["pm25"] for row in rows]
    assert flags.count(3) / len(flags) < 0.001
