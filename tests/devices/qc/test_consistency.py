"""Values of one message that cannot all be right."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.consistency import consistency, oxygen_solubility, practical_salinity

NAMES = ("pm1", "pm25", "pm10", "tsp", "nox", "no", "no2", "do", "do_sat", "water_temp", "salinity", "dew_point", "air_temp", "ec")


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        ({"pm1": 10, "pm25": 15, "pm10": 20, "tsp": 30}, {"pm1": 1, "pm25": 1, "pm10": 1, "tsp": 1}),
        ({"pm25": 110, "pm10": 100}, {"pm25": 1, "pm10": 1}),
        ({"pm25": 110.5, "pm10": 100}, {"pm25": 3, "pm10": 3}),
        ({"pm25": 1, "pm10": 0}, {"pm25": 1, "pm10": 1}),
        ({"pm1": 90, "pm25": 15, "pm10": 20}, {"pm1": 3, "pm25": 3, "pm10": 1}),
        ({"pm1": 90, "pm10": 20}, {"pm1": 3, "pm10": 3}),
        ({"pm25": 90, "pm10": None}, {}),
        ({"pm25": 90, "pm10": nan}, {}),
        ({"no": 30, "no2": 20, "nox": 66}, {"nox": 1, "no": 1, "no2": 1}),
        ({"no": 30, "no2": 20, "nox": 50}, {"nox": 3, "no": 3, "no2": 3}),  # added up without the masses
        ({"no": 30, "no2": 20}, {}),
        ({"dew_point": 25.4, "air_temp": 25}, {"dew_point": 1, "air_temp": 1}),
        ({"dew_point": 26, "air_temp": 25}, {"dew_point": 3, "air_temp": 3}),
        ({"do": 8.26, "do_sat": 100, "water_temp": 25}, {"do": 1, "do_sat": 1, "water_temp": 1}),
        ({"do": 8.26, "do_sat": 123, "water_temp": 25}, {"do": 1, "do_sat": 1, "water_temp": 1}),  # sea water it may be
        ({"do": 8.26, "do_sat": 100, "water_temp": 25, "salinity": 35}, {"do": 3, "do_sat": 3, "water_temp": 3, "salinity": 3}),
        ({"do": 8.26, "do_sat": 60, "water_temp": 25}, {"do": 3, "do_sat": 3, "water_temp": 3}),
        ({"do": 8.26, "do_sat": 60, "water_temp": -273.15}, {}),
        ({"ec": 53_087, "salinity": 35}, {"ec": 1, "salinity": 1}),
        ({"ec": 53_087, "salinity": 20}, {"ec": 3, "salinity": 3}),
        ({"ec": 62_500, "salinity": 35, "water_temp": 33.5}, {"ec": 1, "salinity": 1}),  # as measured
        ({"ec": 53_087, "salinity": 35, "water_temp": 33.5}, {"ec": 1, "salinity": 1}),  # as at 25 °C
        ({"ec": 300, "salinity": 0.1}, {"ec": 1, "salinity": 1}),
        ({"pm25": 30, "rh": 70}, {}),
        ({}, {}),
    ],
)
def test_flags(values: dict[str, float | None], flags: dict[str, int]) -> None:
    assert consistency(values) == flags


@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats(), max_size=len(NAMES)))
def test_never_fails_whatever_the_values(values: dict[str, float | None]) -> None:
    flags = consistency(values)
    assert flags.keys() <= values.keys()
    assert set(flags.values()) <= {1, 3}


@pytest.mark.parametrize(("temp", "salinity", "expected"), [(0, 0, 14.621), (20, 0, 9.092), (25, 0, 8.263), (30, 0, 7.559)])
def test_oxygen_as_tabulated(temp: float, salinity: float, expected: float) -> None:
    """Standard Methods 4500-O, table of solubility at 101.325 kPa."""
    assert oxygen_solubility(temp, salinity) == pytest.approx(expected, abs=0.001)


def test_salt_water_holds_less_oxygen() -> None:
    """Garcia and Gordon (1992): 206.3 µmol/kg at 25 °C and 35, that is 6.756 mg/L; the two fits agree to half a percent."""
    assert oxygen_solubility(25, 35) == pytest.approx(6.756, rel=0.005)


def test_salinity_by_definition() -> None:
    """PSS-78: 35 is the conductivity 42.914 mS/cm at 15 °C (IPTS-68)."""
    assert practical_salinity(42_914, 15 / 1.00024) == pytest.approx(35, abs=1e-6)
    assert practical_salinity(53_087, 25) == pytest.approx(35, abs=0.05)
    assert practical_salinity(0, 25) == pytest.approx(0, abs=0.02)
