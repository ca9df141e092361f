"""The canonical text: read back it is the same tree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.language.nodes import Node, Number, Selector
from rules.language.parser import parse
from rules.language.reach import walk
from rules.language.writing import duration_text, number_text, selector_text, text_of
from tests.rules.language.trees import CONDITIONS, LITERALS, numbers

UNITS = (
    "",
    "ppb",
    "µg/m³",
    "mg/m3",
    "°C",
    "%",
    "cm/h",
    "dB(A)",
    "[NTU]",
    "{MPN}/dL",
    "MPN/100 mL",
    "m",
    "in",
    "mgL-1",
    "m3/s",
    "[in_i'Hg]",
)
QUANTITIES = numbers(st.builds(Number, LITERALS, st.sampled_from(UNITS)))


@given(CONDITIONS | QUANTITIES)
def test_a_tree_written_and_read_is_the_same_tree(tree: Any) -> None:
    assume(not any('"' in str(getattr(node, "value", "")) and "'" in str(getattr(node, "value", "")) for node in walk(tree)))
    assert parse(text_of(tree), longest=100_000) == tree


@pytest.mark.slow
@given(CONDITIONS)
def test_writing_again_changes_nothing(tree: Node) -> None:
    text = text_of(tree)
    assert text_of(parse(text, longest=100_000)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("pm25>50 and(no2>3)", "pm25 > 50 and no2 > 3"),
        ("(a>1 or b>1)and c>1", "(a > 1 or b > 1) and c > 1"),
        ("a - (b - c) > (a * b) * c", "a - (b - c) > a * b * c"),
        ("a / (b * c) > -(5) - -5", "a / (b * c) > -(5) - -5"),
        ("not (x in (1,2))", "x not in (1, 2)"),
        ("avg( pm25 ,60m,complete = 0.750 )>1", "avg(pm25, 1h, complete=0.75) > 1"),
        ("age(pm25) > 90s and age(o3) > 36h", "age(pm25) > 90s and age(o3) > 36h"),
        ("time>=6:30 and weekday in(sat,sun)", "time >= 06:30 and weekday in (sat, sun)"),
        ('station.site == "river"', "station.site == 'river'"),
        ("limit('A',pm25,'24h','B')>1", "limit('A', pm25, '24h', 'B') > 1"),
        ("o3>200ppb", "o3 > 200 ppb"),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert text_of(parse(text)) == canonical


def test_durations_and_numbers() -> None:
    assert [duration_text(ms) for ms in (0, 1, 1500, 90_000, 3_600_000, 604_800_000)] == ["0ms", "1ms", "1500ms", "90s", "1h", "7d"]
    assert [number_text(value) for value in (50, 0.1, -3.0, 1e22)] == ["50", "0.1", "-3", "1e+22"]


def test_selectors() -> None:
    assert selector_text(Selector(own_area=True, medium="air")) == "area and medium('air')"
    assert selector_text(Selector(area="x/*", tag="t", stations=("a", "b"))) == "area('x/*') and tag('t') and stations('a', 'b')"
