"""Conversions against published values; every shipped canonical unit is known; impossible ones name both units."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from devices.units import UnitError, conversion, molar_volume, normal, parse_unit, stated_conversions

CATALOGUE = catalogue()


def convert(value: float, unit: str, parameter: str, **more: object) -> float:
    factor, offset = conversion(unit, CATALOGUE[parameter], **more)  # type: ignore[arg-type]
    return value * factor + offset


@pytest.mark.parametrize(
    ("value", "unit", "parameter", "expected"),
    [
        (12.3, "µg/m³", "pm25", 12.3),
        (12.3, "μg/m3", "pm25", 12.3),  # Greek mu, not the micro sign
        (12.3, "ug/m3", "pm25", 12.3),
        (0.5, "mg/m3", "co", 500),
        (32, "°F", "air_temp", 0),
        (212, "F", "air_temp", 100),
        (-40, "[degF]", "air_temp", -40),
        (298.15, "K", "air_temp", 25),
        (25, "℃", "water_temp", 25),
        (101325, "Pa", "pressure", 1013.25),
        (101.325, "kPa", "pressure", 1013.25),
        (1013.25, "mbar", "pressure", 1013.25),
        (29.92, "inHg", "pressure", 1013.2076),
        (760, "mmHg", "pressure", 1013.25),
        (36, "km/h", "wind_speed", 10),
        (10, "mph", "wind_speed", 4.4704),
        (10, "kn", "wind_speed", 5.14444),
        (1, "in", "rain", 25.4),
        (3, "L/m2", "rain", 3),
        (250, "cm", "level", 2.5),
        (10, "ft", "level", 3.048),
        (1.5, "mS/cm", "ec", 1500),
        (1.5, "dS/m", "ec", 1500),
        (1500, "µS/cm", "ec", 1500),
        (7, "mg/l", "do", 7),
        (7000, "ug/L", "do", 7),
        (5, "mg/L", "chla", 5000),
        (12, "FNU", "turbidity", 12),
        (1000, "L/s", "flow", 1),
        (100, "cfs", "flow", 2.8316846592),
        (3700, "mV", "battery_voltage", 3.7),
        (-97, "dBm", "rssi", -97),
        (0.78, "1", "rh", 78),
        (60, "dB(A)", "laeq", 60),
        (math.pi, "rad", "wind_dir", 180),
        (2, "h", "uptime", 7200),
    ],
)
def test_usual_units_become_canonical(value: float, unit: str, parameter: str, expected: float) -> None:
    assert convert(value, unit, parameter) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("gas", "expected"),
    [("o3", 1.9619), ("no2", 1.8804), ("no", 1.2265), ("so2", 2.6186), ("co", 1.1449), ("h2s", 1.3930), ("nh3", 0.6961), ("c6h6", 3.1928)],
)
def test_gases_ppb_to_mass_at_25_degrees(gas: str, expected: float) -> None:
    """Factors M / Vm, 25 °C and 101 325 Pa, as tabled in the domain reference (four decimals)."""
    assert convert(1, "ppb", gas) == pytest.approx(expected, abs=5e-5)
    assert convert(1, "ppm", gas) == pytest.approx(expected * 1000, abs=5e-2)


def test_molar_volumes() -> None:
    assert molar_volume(0) == pytest.approx(22.414, abs=5e-4)
    assert molar_volume(20) == pytest.approx(24.055, abs=5e-4)
    assert molar_volume(25) == pytest.approx(24.465, abs=5e-4)


def test_gas_mass_at_another_temperature_is_brought_to_25_degrees() -> None:
    """1 ppb of ozone is 2.1414 µg/m³ at 0 °C and 1.9619 at 25 °C."""
    assert convert(2.1414, "ug/m3", "o3", at_celsius=0) == pytest.approx(1.9619, abs=1e-4)
    assert convert(1.0, "mg/m3", "co2") == pytest.approx(molar_volume(25) / 44.0095, rel=1e-9)


def test_nutrients_by_basis() -> None:
    assert convert(1.288, "mg/L", "nh4_n", basis="NH4") == pytest.approx(1)
    assert convert(4.427, "mg/L", "no3_n", basis="NO3") == pytest.approx(1)
    assert convert(3.066, "mg/L", "po4_p", basis="PO4") == pytest.approx(1)
    assert CATALOGUE["no2_n"].bases["NO2"] == pytest.approx(46.0055 / 14.0067, abs=5e-4)


@pytest.mark.parametrize(
    ("unit", "parameter", "both"),
    [
        ("ppb", "pm25", ("ppb", "ug/m3")),
        ("°C", "pressure", ("°C", "hPa")),
        ("mg/m3", "tvoc", ("mg/m3", "[ppb]")),
        ("mm/h", "rain", ("mm/h",)),
        ("ppm", "tds", ("ppm", "mg/L")),
        ("ugg/m3", "pm25", ("ugg/m3", "ug/m3")),
    ],
)
def test_impossible_conversions_name_both_units(unit: str, parameter: str, both: tuple[str, ...]) -> None:
    with pytest.raises(UnitError) as caught:
        convert(1, unit, parameter)
    assert all(name in str(caught.value) for name in both)


def test_particles_have_no_reference_temperature() -> None:
    with pytest.raises(UnitError, match="pm25"):
        convert(1, "ug/m3", "pm25", at_celsius=0)
    with pytest.raises(UnitError, match="at_celsius"):
        convert(1, "ppb", "o3", at_celsius=0)
    with pytest.raises(UnitError, match="NH4"):
        convert(1, "mg/L", "no3_n", basis="NH4")


def test_every_canonical_unit_converts_to_itself_exactly() -> None:
    for parameter in CATALOGUE.values():
        assert conversion(parameter.unit, parameter) == (1.0, 0.0), parameter.id
        if parameter.display:
            assert conversion(parameter.display, parameter) == (1.0, 0.0), parameter.id


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_a_unit_error(text: str) -> None:
    with contextlib.suppress(UnitError):
        assert parse_unit(text).factor > 0


def test_what_a_message_that_names_its_unit_may_say() -> None:
    said = stated_conversions(catalogue()["air_temp"])
    assert said["K"] == conversion("K", catalogue()["air_temp"])
    assert said["degF"] == said["°F"] == conversion("°F", catalogue()["air_temp"])
    assert said["m"] is None
    assert "furlong" not in said
    assert stated_conversions(catalogue()["rh"])["/"] == (100.0, 0.0)
    assert stated_conversions(catalogue()["nh4_n"], "NH4")["mg/L"] == conversion("mg/L", catalogue()["nh4_n"], basis="NH4")
    assert normal("µg / m³") == "ug/m3"
