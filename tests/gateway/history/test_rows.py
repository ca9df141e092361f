"""How a row of an answer looks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.history.base import Notes, StoredReading, notes_of
from gateway.history.rows import COLUMNS, cells, extra_columns, reading_of, row_of

DERIVED = frozenset(("vn_aqi", "pm25_1h"))
_texts = st.text(max_size=8)


@st.composite
def readings(draw: st.DrawFn) -> StoredReading:
    """As a history gives them: whole numbers where they are counted."""
    value = draw(st.none() | st.floats(allow_nan=False, allow_infinity=False))
    whole, number = st.integers(0, 1000).map(float), st.floats(-1e9, 1e9, allow_nan=False)
    texts = {"category": _texts, "dominant": _texts, "why": _texts}
    numbers = {"min": number, "max": number, "complete": number, "count": whole, "worst": whole, "final": st.sampled_from([0.0, 1.0])}
    notes: Notes = notes_of(draw(st.fixed_dictionaries({}, optional=texts | numbers)), value)
    time_ms = draw(st.integers(0, 4_000_000_000_000))
    return StoredReading(time_ms, *draw(st.tuples(*[_texts] * 5)), value, draw(st.sampled_from([1, 2, 3, 4, 9])), notes)


@given(readings())
def test_a_row_is_read_back_as_the_reading_that_it_was(reading: StoredReading) -> None:
    """This is what `envgw query` does with the API's lines."""
    assert reading_of(json.loads(json.dumps(row_of(reading, "ug/m3")))) == reading


def test_counts_are_whole_numbers_and_final_is_a_truth() -> None:
    said = (("count", 60.0), ("complete", 1.0), ("worst", 3.0), ("final", 1.0))
    row = row_of(StoredReading(0, "s", "d", "a", "air_1h", "pm25", 1.0, 1, said), "")
    assert json.dumps([row[name] for name in ("count", "complete", "worst", "final")]) == "[60, 1.0, 3, true]"


@pytest.mark.parametrize(
    ("resolution", "parameters", "extra"),
    [
        ("raw", None, ""),
        ("raw", ["pm25"], ""),
        ("raw", ["pm25", "vn_aqi"], "category dominant why final"),
        ("1h", None, "min max count complete worst final"),
        ("1d", ["pm25_1h", "pm25"], "category dominant why min max count complete worst final"),
    ],
)
def test_the_columns_hang_on_the_question_alone(resolution: str, parameters: list[str] | None, extra: str) -> None:
    assert extra_columns(resolution, parameters, DERIVED) == tuple(extra.split())  # type: ignore[arg-type]


def test_what_a_row_does_not_say_is_an_empty_cell() -> None:
    row = row_of(StoredReading(0, "s", "d", "a", "index", "vn_aqi", None, 9, (("why", "no-pm"),)), "1")
    assert cells(row, (*COLUMNS[5:], "category", "why")) == ["vn_aqi", None, "1", 9, None, "no-pm"]
