"""What a condition speaks of."""

from __future__ import annotations

import pytest

from rules.language.nodes import Reading, Window
from rules.language.view import WindowKey
from rules.operands import elsewhere, is_raw, lead_of, limit_of, operands, windows_of
from rules.windows import parts_of
from tests.tools.ruled import CONDITIONS, RuledStation, rule

LIMITS = CONDITIONS.vocabulary.limits


def test_operands_are_shown_as_they_are_written_each_once() -> None:
    condition = CONDITIONS("avg(pm25,  1h) > 2 * pm25 and pm25 > 5 and any_of(stations, no2 > 1)")
    assert [item.text for item in operands(condition, LIMITS)] == ["avg(pm25,  1h)", "pm25", "any_of(stations, no2 > 1)"]
    station = RuledStation(rule(warning={"when": "pm25 > 1"}))
    station.reading(0, 7.0)
    assert operands(CONDITIONS("pm25 > 1"), LIMITS)[0].look(station) == 7.0


@pytest.mark.parametrize(
    ("text", "limit"), [("pm25 > 100", 100.0), ("100 < pm25", 100.0), ("pm25 > 50 + no2", None), ("pm25 > 1 and no2 > 2", None)]
)
def test_the_limit_of_a_plain_comparison(text: str, limit: float | None) -> None:
    assert limit_of(CONDITIONS(text)) == limit


def test_the_operand_that_is_named_first() -> None:
    assert isinstance(lead_of(CONDITIONS("not (avg(pm25, 1h) < 5)")), Window)
    assert isinstance(lead_of(CONDITIONS("station('x').pm25 > no2")), Reading)
    assert lead_of(CONDITIONS("any_of(stations, pm25 > 1)")) is None


def test_D3_only_readings_themselves_are_raw() -> None:
    vocabulary = CONDITIONS.vocabulary
    assert is_raw(CONDITIONS("pm25 > 5"), vocabulary)
    assert is_raw(CONDITIONS("any_of(stations, pm25 > 5)"), vocabulary)
    assert not is_raw(CONDITIONS("avg(pm25, 1h) > 5 or age(pm25) > 1h"), vocabulary)


def test_windows_with_all_that_is_asked_of_them() -> None:
    found = windows_of([CONDITIONS("avg(pm25, 1h) > 5 and max(pm25, 1h) > 9"), CONDITIONS("any_of(stations, rate(no2, 1h) > 1)")])
    assert found == {WindowKey("no2", 3_600_000): parts_of(["rate"]), WindowKey("pm25", 3_600_000): parts_of(["avg", "max"])}


def test_what_is_asked_of_each_of_some_stations() -> None:
    (one,) = elsewhere(CONDITIONS("count_of(area, pm25 > 5) >= 3 and median_of(area, pm25) > 1"), LIMITS)
    assert one.selector.own_area
