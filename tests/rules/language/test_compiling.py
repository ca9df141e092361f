"""Compiled conditions: what they give, for known and unknown values, and what they say they depend on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language.compiling import compile_condition, evaluator
from rules.language.condition import read_condition
from rules.language.nodes import And, Comparison, Node, Not, Number, Or, Reading, Selector
from rules.language.view import WindowKey
from rules.language.vocabulary import NoLimits
from tests.rules.language.trees import CONDITIONS, VOCABULARY, City, Station, both, cities, numbers, opposite, reference


@given(CONDITIONS, cities())
def test_a_condition_is_what_the_slow_interpreter_says(node: Node, view: Station) -> None:
    answer = compile_condition(node, VOCABULARY.limits).evaluate(view)
    assert answer is reference(node, view)


@given(numbers(), cities())
def test_a_number_is_what_the_slow_interpreter_says(node: Node, view: Station) -> None:
    assert evaluator(node, VOCABULARY.limits)(view) == reference(node, view)


@given(CONDITIONS, cities())
def test_only_what_it_depends_on_can_change_it(node: Node, view: Station) -> None:
    compiled = compile_condition(node, VOCABULARY.limits)
    before = compiled.evaluate(view)
    for other in view.city.views.values():
        own = other is view
        seen = compiled.parameters | compiled.foreign_parameters if own else compiled.foreign_parameters
        windows = compiled.windows | compiled.foreign_windows if own else compiled.foreign_windows
        for kept in (other.values, other.flags, other.ages):
            for parameter in set(kept) - seen:
                del kept[parameter]
        for key in [key for key in other.windows if key[0] not in windows]:
            del other.windows[key]
        if not compiled.timed:
            other.local, other.at_ms = (1, 1, 1, 1), 0
    assert compiled.evaluate(view) is before


@given(CONDITIONS, cities())
def test_a_band_is_true_exactly_within(node: Node, view: Station) -> None:
    compiled = compile_condition(node, VOCABULARY.limits)
    if compiled.band is not None:
        value = evaluator(compiled.band.operand, VOCABULARY.limits)(view)
        within = None if value is None else compiled.band.low <= float(value) <= compiled.band.high
        assert compiled.evaluate(view) is within


TRUTHS = (True, False, None)


@pytest.mark.parametrize("one", TRUTHS)
@pytest.mark.parametrize("other", TRUTHS)
def test_e1_kleene(one: bool | None, other: bool | None) -> None:
    values = {name: {True: 1.0, False: 0.0}[truth] for name, truth in (("pm25", one), ("o3", other)) if truth is not None}
    view = Station("a", City(), values=values)
    x, y = (Comparison("==", Reading(name), Number(1.0)) for name in ("pm25", "o3"))

    def now(node: Node) -> object:
        return compile_condition(node, NoLimits()).evaluate(view)

    assert now(And((x, y))) is both(one, other)
    assert now(Or((x, y))) is opposite(both(opposite(one), opposite(other)))
    assert now(Not(x)) is opposite(one)


def area(*values: float | None) -> Station:
    """Stations s0, s1 … of one area; None is unknown."""
    city = City()
    for index, value in enumerate(values):
        known = {} if value is None else {"pm25": value}
        city.views[f"s{index}"] = Station(f"s{index}", city, values=known, fields={"area": "x"})
    return city.views["s0"]


@pytest.mark.parametrize(
    ("text", "values", "answer"),
    [
        ("any_of(area, pm25 > 50)", (60, None), True),
        ("any_of(area, pm25 > 50)", (40, None), None),
        ("any_of(area, pm25 > 50)", (40, 40), False),
        ("all_of(area, pm25 > 50)", (60, None), None),
        ("all_of(area, pm25 > 50)", (40, None), False),
        ("count_of(area, pm25 > 50) >= 3", (60, 60, 60, None), True),
        ("count_of(area, pm25 > 50) >= 3", (60, 60, 40, None), None),
        ("count_of(area, pm25 > 50) >= 3", (60, 40, 40, None), False),
        ("count_of(area, pm25 > 50) == 1", (60, 60, None), False),
        ("count_of(area, pm25 > 50) == 1", (60, 40, None), None),
        ("2 > count_of(area, pm25 > 50)", (60, 40, 40), True),
        ("count_of(area, pm25 > 50) / 4 > 0.5", (60, 60, 60, None), None),
        ("count_of(area, pm25 > 50) / 4 > 0.5", (60, 60, 60, 0), True),
        ("median_of(area, pm25) > 50", (60, 70, None), True),
        ("median_of(area, pm25) > 50", (60, None, None), None),
        ("avg_of(area, pm25) == 50", (60, 40), True),
        ("min_of(area, pm25) == 40 and max_of(area, pm25) == 60", (60, 40), True),
        ("any_of(stations('cau-rong'), pm25 > 50)", (60,), None),
        ("all_of(stations('cau-rong'), pm25 > 50)", (60,), None),
        ("count_of(stations('cau-rong'), pm25 > 50) == 0", (60,), None),
        ("pm25 / (pm25 - 60) > 1", (60,), None),
        ("pm25 * 1e308 > 1", (60,), None),
        ("station('cau-rong').pm25 > 1", (60,), None),
    ],
)
def test_e1_across_stations(text: str, values: tuple[float | None, ...], answer: bool | None) -> None:
    view = area(*values)
    assert read_condition(text, VOCABULARY).evaluate(view) is answer


def test_a_converted_literal_is_compared_in_the_canonical_unit() -> None:
    compiled = read_condition("o3 > 200 ppb", VOCABULARY)
    view = Station("a", City())
    for value, answer in ((392.3, False), (392.4, True)):
        view.values["o3"] = value
        assert compiled.evaluate(view) is answer


def test_a_limit_goes_by_the_date_of_the_reading() -> None:
    compiled = read_condition("avg(pm25, 24h) > limit('QCVN 05:2023', pm25, '24h')", VOCABULARY)
    assert compiled.timed
    assert compiled.band is None
    view = Station("a", City(), windows={(WindowKey("pm25", 86_400_000), "avg"): 40.0})
    assert compiled.evaluate(view) is False
    view.at_ms = 1_900_000_000_000
    assert compiled.evaluate(view) is True


def test_what_it_depends_on() -> None:
    text = "avg(pm25, 1h) > 50 and any_of(area, max(o3, 8h) > 1) and station('cau-rong').level > 2 and age(pm10) < 1h"
    compiled = read_condition(text, VOCABULARY)
    assert compiled.parameters == {"pm25", "pm10"}
    assert compiled.windows == {WindowKey("pm25", 3_600_000)}
    assert compiled.foreign == (Selector(own_area=True), Selector(stations=("cau-rong",)))
    assert compiled.foreign_parameters == {"o3", "level"}
    assert compiled.foreign_windows == {WindowKey("o3", 8 * 3_600_000)}
    assert compiled.timed
    assert compiled.text == text


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(allow_nan=False))
def test_the_shape_that_most_rules_have(limit: float, value: float) -> None:
    compiled = compile_condition(Comparison(">", Reading("pm25"), Number(limit)), NoLimits())
    assert compiled.evaluate(Station("a", City(), values={"pm25": value})) is (value > limit)
