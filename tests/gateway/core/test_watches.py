"""When windows are folded, and which rules a reading leaves at rest, is nowhere to be seen: only in what it costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import Core
from gateway.core.inputs import ClockJump, Input, Message
from tests.gateway.core.test_core_rules import rule, run, town
from tests.gateway.core.test_core_rules_properties import STEPS, Steps, merge, script
from tests.tools.town import MIN, NOW, air, first, plain

STATISTICS = ("avg", "min", "max", "median", "p95", "first", "last", "sum", "count", "stddev", "rate", "delta")
WINDOWS = [rule(f"{name}(pm25, 10m) > 300", name=name) for name in ("avg", "max", "median", "rate")]
LIMITS = {"sum": 500, "count": 5, "stddev": 40, "rate": 900, "delta": 60}

READINGS = st.lists(
    st.tuples(st.sampled_from([1, 5_000, 60_000, 60_000, 200_000, 900_000]), st.sampled_from([10.0, 99.9, 100.0, 100.1, 130.0, 400.0])),
    max_size=60,
)


def both(statistic: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One rule twice: compared with a constant, and written so that it is evaluated at each reading."""
    window, limit = f"{statistic}(pm25, 10m)", LIMITS.get(statistic, 100)
    plainly = rule(f"{window} > {limit}", clear=f"{window} < {limit * 0.9}")
    return plainly, rule(f"{window} - {limit} > 0", clear=f"{window} - {limit * 0.9} < 0")


def told(inputs: list[Input], wanted: dict[str, Any]) -> list[tuple[str, str, str, int, int]]:
    """What a core of its own says, for a loud rule makes every reading be looked at."""
    core = Core()
    core.step(first(plain(water=0, rules=[wanted])))
    found = [item for one in inputs for item in core.step([one]).transitions if item.rule == "r"]
    return [(item.station, item.state, item.reason, item.started_ms, item.event_ms) for item in found]


@pytest.mark.slow
@pytest.mark.parametrize("statistic", STATISTICS)
@given(drawn=STEPS)
def test_a_rule_that_is_not_looked_at_would_have_done_nothing(statistic: str, drawn: Steps) -> None:
    """Each statistic, compared and calculated with, through readings, late ones, revisions, silence, and jumps of the clock."""
    inputs = script([step for step in drawn if step[0] != "edit"])[len(first()) :]
    plainly, loudly = both(statistic)
    assert told(inputs, plainly) == told(inputs, loudly)


@given(READINGS, st.sampled_from(STATISTICS))
@example([(1, 10.0), (200_000, 130.0), (200_000, 130.0), (200_000, 99.9)], "avg")  # what leaves moves the mean
def test_nor_at_any_reporting_interval(steps: list[tuple[int, float]], statistic: str) -> None:
    inputs: list[Input] = []
    now = NOW
    for gap, value in steps:
        now += gap
        inputs.append(air(0, now, pm25=value))
    plainly, loudly = both(statistic)
    assert told(inputs, plainly) == told(inputs, loudly)


@given(STEPS, st.sets(st.integers(0, 80)))
def test_when_windows_are_folded_is_nowhere_in_the_state(drawn: Steps, looks: set[int]) -> None:
    """A snapshot, or somebody who asks for an explanation, may come at any time."""
    inputs = script(drawn, WINDOWS)
    once, often = Core(), Core()
    one, many = [], []
    for number, item in enumerate(inputs):
        one.append(once.step([item]))
        many.append(often.step([item]))
        if number in looks:
            often.export()
    assert merge(one) == merge(many)
    assert once.export() == often.export()


def test_a_quiet_reading_is_not_folded_until_somebody_looks() -> None:
    core = town(rule("avg(pm25, 1h) > 100"), air=1)
    run(core, *(air(0, NOW + n * 1000, pm25=50 + n) for n in range(30)))
    window = core.stations["st-0"].windows["pm25/3600000"]
    assert window.count < 30
    core.export()
    assert window.count == 30


def test_a_window_is_looked_at_until_a_reading_outside_has_left_it() -> None:
    core = town(rule("avg(pm25, 10m) > 100"), air=1)
    run(core, air(0, NOW, pm25=300), *(air(0, NOW + n * MIN, pm25=10) for n in range(1, 8)))
    watch = core.watching.watches["st-0"]["pm25"]
    assert NOW + 10 * MIN < watch.wild_ms < NOW + 12 * MIN
    run(core, air(0, NOW + 12 * MIN, pm25=10), air(0, NOW + 13 * MIN, pm25=10))
    assert watch.taken < len(watch.state.recent)


def messages(*readings: tuple[int, int, float]) -> list[Message]:
    """(receipt, time of the device, value) in minutes from `NOW`."""
    return [air(0, NOW + received * MIN + 7, device_ms=NOW + at * MIN, pm25=value) for received, at, value in readings]


def window_of(core: Core, name: str = "pm25/3600000") -> tuple[int, float]:
    core.export()
    window = core.stations["st-0"].windows[name]
    return window.count, window.total


def test_B1_a_revision_older_than_the_lateness_counts_once_in_windows() -> None:
    core = town(rule("sum(pm25, 1h) > 1000"), air=1)
    run(core, *messages(*((n, n, 10.0) for n in range(40))))
    run(core, *messages((40, 5, 70.0)))
    assert window_of(core) == (40, 40 * 10.0 + 60.0)


def test_B1_so_it_does_where_nothing_late_is_asked_for() -> None:
    core = town(rule("sum(pm25, 1h) > 1000", lateness="0s"), air=1)
    run(core, *messages(*((n, n, 10.0) for n in range(40))))
    run(core, *messages((40, 39, 30.0), (41, 20, 30.0)))
    assert window_of(core) == (40, 440.0)


def test_B1_a_bucket_of_several_readings_stays_as_it_is() -> None:
    """Which instants it holds is not known, nor what the value was: the revision is in the history only."""
    core = town(rule("sum(pm25, 1h) > 1000"), air=1)
    run(core, *(air(0, NOW + n * 10_000, pm25=10) for n in range(200)))
    run(core, air(0, NOW + 2_000_007, device_ms=NOW + 50_000, pm25=70))
    assert window_of(core) == (200, 2000.0)


def test_B1_a_revision_of_what_a_window_was_filled_with_counts_once() -> None:
    """The recent readings begin with the rule, its window holds what was there before (semantics E6)."""
    inputs: list[Input] = [*messages(*((n, n, 10.0) for n in range(8)))]
    filled = town(rule("sum(pm25, 1h) > 1000"), air=1)
    run(filled, *inputs)
    core = Core()
    core.step(first(plain(air=1, water=0, rules=[rule("sum(pm25, 1h) > 1000")])))
    core.stations["st-0"].windows["pm25/3600000"] = filled.stations["st-0"].windows["pm25/3600000"]
    filled.export()
    run(core, *messages((8, 8, 10.0), (9, 4, 30.0)))
    assert window_of(core) == (9, 110.0)


def test_late_readings_that_come_first_are_all_taken_in() -> None:
    core = town(rule("sum(pm25, 1h) > 1000"), air=1)
    run(core, *messages((10, 10, 1.0), (10, 9, 2.0), (10, 8, 3.0), (10, 7, 4.0), (10, 9, 20.0)))
    assert window_of(core) == (4, 28.0)


def test_a_revised_reading_of_any_quality_counts_once() -> None:
    core = town(rule("sum(pm25, 1h) > 100000", quality="any"), air=1)
    run(core, *messages((0, 0, 9999.0), (1, 1, 10.0), (1, 1, 9000.0)))
    assert window_of(core, "pm25/3600000/any") == (2, 18_999.0)


def test_a_revised_reading_of_any_quality_does_not_confirm() -> None:
    core = town(rule("pm25 > 5000", quality="any"), air=1)
    assert run(core, *messages((0, 0, 9999.0), (0, 0, 9000.0))).transitions == []


def test_A1_a_window_is_looked_at_again_after_the_clock_was_stepped() -> None:
    core = town(rule("avg(pm25, 10m) > 100"), air=1)
    run(core, air(0, NOW, pm25=50), air(0, NOW + MIN, pm25=60), ClockJump(NOW + 61 * MIN, 60 * MIN))
    core.export()
    assert core.stations["st-0"].windows["pm25/600000"].times[-1] == NOW + 61 * MIN
    assert core.watching.watches["st-0"]["pm25"].wild_ms > NOW + 100 * MIN
