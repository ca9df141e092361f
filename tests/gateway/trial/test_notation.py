"""Series as people write them: every part, what is wrong, and that anything readable can be written back and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trial.notation import LONGEST, Item, parse_series


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("20", [20.0]),
        ("20x3", [20.0, 20.0, 20.0]),
        ("50+35x3", [50.0, 85.0, 120.0]),
        ("7-0.5x4", [7.0, 6.5, 6.0, 5.5]),
        ("-2+1x3", [-2.0, -1.0, 0.0]),
        ("1 _ 2 _x2", [1.0, "_", 2.0, "_", "_"]),
        ("null nullx2", [None, None, None]),
        ("0.1+0.1x3", [0.1, 0.2, 0.3]),
        ("5x0 1", [1.0]),
    ],
)
def test_what_can_be_written(text: str, values: list[Item]) -> None:
    assert parse_series(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("20*3", r"'20\*3' is no part"),
        ("20+3", "needs the number of values"),
        ("1x", "no part"),
        ("nan", "no part"),
        (f"1x{LONGEST + 1}", "longer"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_series(text)


@given(st.lists(st.one_of(st.just("_"), st.none(), st.integers(-1000, 1000).map(float)), min_size=1, max_size=50))
def test_any_series_can_be_written_value_by_value(values: list[Item]) -> None:
    assert parse_series(" ".join("null" if value is None else str(value) for value in values)) == values


@given(st.text(alphabet="0123456789x+-_. enul", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        values = parse_series(text)
    except ValueError:
        return
    assert all(value is None or value == "_" or isinstance(value, float) for value in values)
