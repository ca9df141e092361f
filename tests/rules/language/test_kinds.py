"""Kinds, and literals that become the unit of what they meet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from devices.units import UnitError
from rules.language.kinds import DURATION, FREE, PLAIN, Kind, converted, is_unit, kind_of_literal, kind_of_parameter
from rules.language.nodes import Duration, Number
from rules.language.vocabulary import ParameterInfo

KINDS = {name: kind_of_parameter(ParameterInfo.measured(parameter)) for name, parameter in catalogue().items()}


def test_as_people_say_it() -> None:
    assert str(FREE) == str(PLAIN) == str(KINDS["uvi"]) == "a number without a unit"
    assert str(KINDS["pm25"]) == "in µg/m³"
    assert str(replace(KINDS["level"], per_hour=True)) == "in m/h"
    assert str(DURATION) == "a duration"
    assert str(Kind(sort="weekday")) == "a weekday"


@given(st.sampled_from(sorted(KINDS)), st.floats(-1e6, 1e6), st.booleans())
def test_what_is_in_the_canonical_unit_stays_as_it_is(name: str, value: float, per_hour: bool) -> None:
    target = replace(KINDS[name], per_hour=per_hour)
    unit = target.whole_unit
    literal = Number(value, unit)
    assert converted(literal, target, alone=True) == literal
    assert not unit or kind_of_literal(unit).literal


def test_a_difference_has_no_zero_point() -> None:
    temperature = KINDS["air_temp"]
    assert converted(Number(50.0, "°F"), temperature, alone=True) == Number(pytest.approx(10.0), "Cel")  # type: ignore[arg-type]
    assert converted(Number(9.0, "°F"), replace(temperature, difference=True), alone=False) == Number(5.0, "Cel")
    with pytest.raises(UnitError, match="may be a temperature or a difference"):
        converted(Number(9.0, "°F"), temperature, alone=False)


def test_durations_and_seconds() -> None:
    assert converted(Duration(90_000), KINDS["uptime"], alone=True) == Number(90.0, "s")
    assert converted(Number(1.5, "min"), DURATION, alone=True) == Duration(90_000)
    assert converted(Duration(90_000), DURATION, alone=True) == Duration(90_000)


def test_units_of_literals() -> None:
    assert is_unit("µg/m³")
    assert not is_unit("m/hour-ish")
    assert kind_of_literal("cm/h").unit == "cm/h"
    for wrong in ("cm/kg", "foo", "foo/h", "/h"):
        with pytest.raises(UnitError):
            kind_of_literal(wrong)
