"""Days made of closed hours (semantics C4), against making everything at the end."""

from __future__ import annotations

from math import isclose

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.days import Day, day, settle
from devices.hours import HOUR_MS, LATE_HOURS, HourState, Kind, add, amend, close, closed_hours

MIN = 60_000
H0 = 480_000
"""Midnight's hour."""
T0 = H0 * HOUR_MS


def midnight(hour: int) -> int:
    return H0 + (hour - H0) // 24 * 24


def run(readings: list[tuple[int, float, int]], hours: int, *, kind: Kind = "mean", interval_ms: int = 10 * MIN) -> HourState:
    """Readings as they come, hours closed and settled as a station does it."""
    state, first = HourState(), H0
    for at, value, flag in readings:
        hour = (at - 1) // HOUR_MS
        add(state, at, value, flag, kind, 0, first)
        while first < hour:
            first += 1
            close(state, first - 1, kind)
            settle(state, first - LATE_HOURS, interval_ms, midnight)
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=HourState)
    while first < H0 + hours:
        first += 1
        close(state, first - 1, kind)
        settle(state, first - LATE_HOURS, interval_ms, midnight)
    return state


def every(minutes: int, hours: int, value: float = 10.0, *, start: int = 0) -> list[tuple[int, float, int]]:
    return [(T0 + start * HOUR_MS + 1 + n * minutes * MIN, value, 1) for n in range(hours * 60 // minutes)]


@given(
    st.lists(
        st.tuples(st.integers(0, 30 * 6 - 1), st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([1, 2, 3, 4])),
        unique_by=lambda item: item[0],
        max_size=120,
    ).map(sorted)
)
def test_a_day_is_what_its_readings_say(items: list[tuple[int, float, int]]) -> None:
    readings = [(T0 + 1 + slot * 10 * MIN, value, flag) for slot, value, flag in items]
    state = run(readings, 30)
    found = day(state, H0, H0 + 23, 10 * MIN)
    mine = [(at, value, flag) for at, value, flag in readings if at <= T0 + 24 * HOUR_MS]
    if not mine:
        assert found is None
        return
    assert found is not None
    used = [value for _, value, flag in mine if flag <= 2]
    by_hour = [[value for at, value, flag in mine if (at - 1) // HOUR_MS == hour and flag <= 2] for hour in range(H0, H0 + 24)]
    means = [sum(of) / len(of) for of in by_hour if len(of) >= 4.5]
    assert (found.seen, found.used, found.hours) == (len(mine), len(used), len(means))
    if used:
        assert (found.low, found.high) == (min(used), max(used))
        mean = found.mean("mean")
        assert mean is not None
        assert isclose(mean, sum(means) / len(means) if means else sum(used) / len(used), rel_tol=1e-9, abs_tol=1e-3)
    else:
        assert found.mean("mean") is None


def test_C4_the_same_numbers_whether_hours_are_settled_or_not() -> None:
    readings = [(at, 0.1 * (n % 7), 1) for n, (at, _, _) in enumerate(every(10, 24))]
    soon, later = run(readings, 24), run(readings, 24 + LATE_HOURS)
    assert day(soon, H0, H0 + 23, 10 * MIN) == day(later, H0, H0 + 23, 10 * MIN)
    assert closed_hours(later) == []


def test_one_day_is_kept_until_the_next_one_begins_to_settle() -> None:
    for hours, there in ((24 + LATE_HOURS, True), (24 + LATE_HOURS + 1, False)):
        state = run(every(10, hours), hours)
        assert (day(state, H0, H0 + 23, 10 * MIN) is not None) is there
        assert len(state.day) == 69


def test_an_hour_with_more_readings_weighs_no_more() -> None:
    readings = [*every(10, 1, 10.0), *every(1, 1, 40.0, start=1)]
    found = day(run(readings, 24), H0, H0 + 23, 10 * MIN)
    assert found is not None
    assert found.mean("mean") == 25.0
    assert (found.used, found.hours) == (66, 2)


def test_an_hour_that_does_not_count_gives_its_readings_but_not_its_mean() -> None:
    readings = [*every(10, 2, 10.0), (T0 + 2 * HOUR_MS + 1, 100.0, 1)]
    found = day(run(readings, 24), H0, H0 + 23, 10 * MIN)
    assert found is not None
    assert (found.mean("mean"), found.high, found.used) == (10.0, 100.0, 13)


def test_amounts_are_summed_and_directions_averaged_as_vectors() -> None:
    rain = day(run(every(10, 24, 0.5), 24, kind="sum"), H0, H0 + 23, 10 * MIN)
    assert rain is not None
    assert rain.mean("sum") == pytest.approx(72.0)
    winds = [*every(10, 3, 350.0), *every(10, 3, 10.0, start=3)]
    wind = day(run(winds, 24, kind="circular"), H0, H0 + 23, 10 * MIN)
    assert wind is not None
    mean = wind.mean("circular")
    assert mean is not None
    assert min(mean, 360 - mean) < 1e-9
    assert Day(H0, 2, 2, 2, 0.0, 0.0, 0.0, 0.0).mean("circular") is None


def test_completeness_is_of_the_hours_due() -> None:
    assert Day(H0, 18).completeness(24, MIN) == 0.75
    assert Day(H0, 24).completeness(25, MIN) == 0.96
    assert Day(H0, 8).completeness(24, 3 * HOUR_MS) == 1.0, "a device that measures every three hours has eight of them"


def test_C4_a_late_reading_and_a_flag_taken_back_reach_the_day() -> None:
    state = run(every(10, 24), 24)
    add(state, T0 + 20 * HOUR_MS + 5 * MIN, 70.0, 1, "mean", 0, H0 + 24)
    late = day(state, H0, H0 + 23, 10 * MIN)
    assert late is not None
    assert (late.used, late.high) == (145, 70.0)
    amend(state, T0 + 24 * HOUR_MS - 10 * MIN + 1, 10.0, 1, 3, "mean")
    without = day(state, H0, H0 + 23, 10 * MIN)
    assert without is not None
    assert (without.used, without.seen, without.worst) == (144, 145, 3)
