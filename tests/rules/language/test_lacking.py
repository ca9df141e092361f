"""Alerts that cannot end where readings of a parameter never come (Kleene)."""

from __future__ import annotations

import pytest
from hypothesis import given

from rules.language.compiling import compile_condition
from rules.language.condition import read_condition
from rules.language.lacking import answers, never_ends
from rules.language.nodes import Node
from tests.rules.language.trees import CONDITIONS, VOCABULARY, Station, cities


def node(text: str) -> Node:
    return read_condition(text, VOCABULARY).node


@pytest.mark.parametrize(
    ("when", "clear", "endless"),
    [
        ("pm25 > 100 or o3 > 180", None, True),
        ("pm25 > 100 or o3 > 180", "pm25 < 80", False),
        ("pm25 > 100 or o3 > 180", "pm25 < 80 and o3 < 150", True),
        ("not (pm25 < 100 and max(o3, 8h) < 180)", None, True),
        ("pm25 > 100 and o3 > 180", None, False),  # it cannot begin either
        ("pm25 > 100 or pm10 > 180", None, False),
        ("pm25 > 100 or age(o3) > 1h or flag(o3) == 4", None, True),
        ("pm25 > 100 or any_of(stations, o3 > 180)", None, False),  # other stations have it
        ("pm25 > 100 or station('cau-rong').o3 > 180", None, False),
        ("pm25 + o3 > 180", None, False),
        ("pm25 > 100 or hour in (22, 23)", None, False),
    ],
)
def test_what_lacks_ozone(when: str, clear: str | None, endless: bool) -> None:
    assert never_ends(node(when), None if clear is None else node(clear), {"o3"}) is endless


@given(CONDITIONS, cities())
def test_what_a_condition_says_is_among_its_answers(tree: Node, view: Station) -> None:
    """Whatever the values: nothing of `pm25` at this station."""
    for kept in (view.values, view.flags, view.ages):
        kept.pop("pm25", None)
    for key in [key for key in view.windows if key[0].parameter == "pm25"]:
        del view.windows[key]
    said = compile_condition(tree, VOCABULARY.limits).evaluate(view)
    assert said in answers(tree, {"pm25"})


def test_long_conditions_take_no_longer_than_their_length() -> None:
    assert answers(node(" or ".join(["pm25 > 1", "pm10 > 2"] * 60)), {"o3"}) == {True, False, None}
