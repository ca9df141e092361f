"""Which conditions are an interval of one operand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language.condition import read_condition
from rules.language.intervals import calculate, constant, interval_of
from rules.language.nodes import Comparison, Node, Not, Number, Reading
from rules.language.parser import parse
from rules.language.writing import text_of
from tests.rules.language.trees import VOCABULARY, City, Station, numbers, reference

ABOVE, BELOW = math.nextafter(50, math.inf), math.nextafter(50, -math.inf)


@pytest.mark.parametrize(
    ("text", "operand", "low", "high"),
    [
        ("pm25 > 50", "pm25", ABOVE, math.inf),
        ("pm25 >= 50", "pm25", 50, math.inf),
        ("pm25 < 50", "pm25", -math.inf, BELOW),
        ("50 >= pm25", "pm25", -math.inf, 50),
        ("pm25 == 50", "pm25", 50, 50),
        ("pm25 > 2 * (20 + 5)", "pm25", ABOVE, math.inf),
        ("pm25 > min(50, 60)", "pm25", ABOVE, math.inf),
        ("pm25 > abs(-50)", "pm25", ABOVE, math.inf),
        ("pm25 > 0.05 mg/m3", "pm25", ABOVE, math.inf),
        ("avg(pm25, 1h) > 50", "avg(pm25, 1h)", ABOVE, math.inf),
        ("pm25 > 50 and pm25 < 60", "pm25", ABOVE, math.nextafter(60, -math.inf)),
        ("pm25 > 50 and pm25 < 60 and pm25 >= 55", "pm25", 55, math.nextafter(60, -math.inf)),
        ("not pm25 <= 50", "pm25", ABOVE, math.inf),
        ("not pm25 > 50", "pm25", -math.inf, 50),
        ("not (not pm25 > 50)", "pm25", ABOVE, math.inf),
    ],
)
def test_bands(text: str, operand: str, low: float, high: float) -> None:
    band = read_condition(text, VOCABULARY).band
    assert band is not None
    assert (text_of(band.operand), band.low, band.high) == (operand, low, high)


@pytest.mark.parametrize(
    "text",
    [
        "pm25 != 50",
        "pm25 > 50 or pm25 < 10",
        "pm25 > 50 and pm10 < 60",
        "not pm25 == 50",
        "pm25 > limit('QCVN 05:2023', pm25, '24h')",
        "pm25 * 2 > 50",
        "age(pm25) > 1h",
        "hour > 5",
        "station('cau-rong').pm25 > 50",
        "avg(station('cau-rong').pm25, 1h) > 50",
        "median_of(area, pm25) > 50",
        "station.medium == 'air'",
    ],
)
def test_what_is_no_band(text: str) -> None:
    assert read_condition(text, VOCABULARY).band is None


@given(
    st.sampled_from(("<", "<=", ">", ">=", "==")),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False),
    st.booleans(),
)
def test_within_is_true(operator: str, limit: float, value: float, negated: bool) -> None:
    comparison = Comparison(operator, Reading("x"), Number(limit))  # type: ignore[arg-type]
    node: Node = Not(comparison) if negated else comparison
    interval = interval_of(node)
    if interval is None:
        assert negated
        assert (operator == "==") or abs(limit) > 1e308
    else:
        truth = reference(comparison, Station("a", City(), values={"x": value}))
        assert (interval.low <= value <= interval.high) is (truth is not negated)


@given(numbers(st.builds(Number, st.floats(-1e200, 1e200))))
def test_constants_fold_to_what_they_are(node: Node) -> None:
    assert constant(node) == reference(node, None)


def test_what_is_no_constant() -> None:
    assert constant(parse("pm25 + 1")) is None
    assert constant(parse("1 / 0")) is None
    assert constant(parse("max(1, pm25)")) is None
    assert calculate("*", 1e308, 10.0) is None
    assert calculate("/", 1.0, 0.0) is None
