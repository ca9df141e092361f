"""Hourly means as readings come (semantics C4), against grouping everything at the end."""

from __future__ import annotations

from math import cos, isclose, radians, sin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.hours import (
    CLOSED_HOURS,
    HOUR_MS,
    LATE_HOURS,
    Hour,
    HourState,
    add,
    amend,
    close,
    closed_hour,
    due,
    hour_end,
    hour_of,
    open_hour,
    shift,
)

T0 = 480_000 * HOUR_MS


def _exact(readings: list[tuple[int, float, int]], hour: int) -> tuple[int, float, float, float]:
    values = [value for at, value, flag in readings if hour_of(at) == hour and flag <= 2]
    return len(values), sum(values), min(values, default=0.0), max(values, default=0.0)


def test_C4_an_hour_is_open_at_its_start_and_closed_at_its_end() -> None:
    assert hour_of(T0) == 479_999
    assert hour_of(T0 + 1) == 480_000
    assert hour_of(T0 + HOUR_MS) == 480_000
    assert hour_end(480_000) == T0 + HOUR_MS


def test_hours_of_a_zone_with_half_an_hour() -> None:
    half = 1_800_000
    assert hour_end(hour_of(T0 + 1, half), half) == T0 + half


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * 60 - 1), st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([1, 2, 3, 4])),
        unique_by=lambda item: item[0],
        max_size=60,
    )
)
def test_any_order_of_three_hours_gives_the_same_hours(items: list[tuple[int, float, int]]) -> None:
    readings = [(T0 + 1 + minute * 60_000, value, flag) for minute, value, flag in items]
    state = HourState()
    for at, value, flag in readings:
        add(state, at, value, flag, "mean")
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=HourState)
    close(state, hour_of(T0) + 10, "mean")
    for hour in range(480_000, 480_003):
        found = closed_hour(state, hour)
        used, total, low, high = _exact(readings, hour)
        if found is None:
            assert not [1 for at, _, _ in readings if hour_of(at) == hour]
            continue
        assert found.used == used
        assert found.seen == sum(hour_of(at) == hour for at, _, _ in readings)
        if used:
            assert isclose(found.total, total, abs_tol=1e-3)
            assert (found.low, found.high) == (low, high)


@given(st.lists(st.floats(0, 359.9), min_size=1, max_size=20))
def test_directions_are_averaged_as_vectors(angles: list[float]) -> None:
    state = HourState()
    for minute, angle in enumerate(angles):
        add(state, T0 + 1 + minute * 60_000, angle, 1, "circular")
    hour = open_hour(state, "circular")
    assert hour is not None
    mean = hour.mean("circular")
    x, y = sum(cos(radians(a)) for a in angles), sum(sin(radians(a)) for a in angles)
    if mean is None:
        assert abs(x) + abs(y) < 1e-6
    else:
        assert isclose(x * sin(radians(mean)), y * cos(radians(mean)), abs_tol=1e-6)


def test_north_winds_have_no_south_mean() -> None:
    assert Hour(0, 2, 2, sin(radians(350)) + sin(radians(10)), cos(radians(350)) + cos(radians(10)), 10, 350, 1).mean(
        "circular"
    ) == pytest.approx(0.0, abs=1e-9)


def test_amounts_are_summed() -> None:
    state = HourState()
    for minute in range(30):
        add(state, T0 + 1 + minute * 120_000, 0.2, 1, "sum")
    hour = open_hour(state, "sum")
    assert hour is not None
    assert hour.mean("sum") == pytest.approx(6.0)


def test_D4_a_spike_leaves_no_trace_in_the_hour() -> None:
    state = HourState()
    for minute, value in enumerate([10.0, 11.0, 900.0]):
        add(state, T0 + 1 + minute * 60_000, value, 1, "mean")
    assert amend(state, T0 + 1 + 120_000, 900.0, 1, 3, "mean") is None
    add(state, T0 + 1 + 180_000, 12.0, 1, "mean")
    hour = open_hour(state, "mean")
    assert hour is not None
    assert (hour.used, hour.total, hour.low, hour.high, hour.worst) == (3, 33.0, 10.0, 12.0, 3)


def test_D2_a_confirmation_brings_a_value_back() -> None:
    state = HourState()
    add(state, T0 + 1, 10.0, 1, "mean")
    add(state, T0 + 60_001, 90.0, 3, "mean")
    amend(state, T0 + 60_001, 90.0, 3, 1, "mean")
    hour = open_hour(state, "mean")
    assert hour is not None
    assert (hour.used, hour.total, hour.high) == (2, 100.0, 90.0)


def test_C4_a_late_reading_revises_the_hour_it_belongs_to() -> None:
    state = HourState()
    add(state, T0 + 1, 10.0, 1, "mean")
    assert close(state, 480_000, "mean")
    assert add(state, T0 + 2, 30.0, 1, "mean") == 480_000
    found = closed_hour(state, 480_000)
    assert found is not None
    assert found.mean("mean") == 20.0


def test_C4_an_hour_in_which_nothing_came_can_still_be_filled() -> None:
    state = HourState()
    add(state, T0 + 1, 10.0, 1, "mean")
    close(state, 480_000, "mean")
    add(state, T0 + 5 * HOUR_MS, 10.0, 1, "mean", 0, 480_004)
    assert add(state, T0 + 2 * HOUR_MS, 7.0, 1, "mean", 0, 480_004) == 480_001
    found = closed_hour(state, 480_001)
    assert found is not None
    assert found.mean("mean") == 7.0


def test_what_is_too_late_is_left_out_and_what_is_kept_is_bounded() -> None:
    state = HourState()
    for hour in range(30):
        add(state, T0 + hour * HOUR_MS + 1, 1.0, 1, "mean")
    assert len(state.closed) // 49 <= CLOSED_HOURS
    assert add(state, T0 + 10 * HOUR_MS, 5.0, 1, "mean") is None


def test_completeness_is_of_the_readings_due() -> None:
    assert due(60_000) == 60
    assert due(3 * HOUR_MS) == 1
    assert Hour(0, 45, 60, 0, 0, 0, 0, 1).completeness(60_000) == 0.75
    assert Hour(0, 90, 90, 0, 0, 0, 0, 1).completeness(60_000) == 1.0


def _closed(*values: tuple[int, float, int]) -> HourState:
    """Hour 480,000, with readings (minute, value, flag), closed."""
    state = HourState()
    for minute, value, flag in values:
        add(state, T0 + 1 + minute * 60_000, value, flag, "mean")
    close(state, 480_000, "mean")
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=HourState)


def test_D4_a_spike_at_the_end_of_an_hour_leaves_no_trace_once_it_is_closed() -> None:
    state = _closed((57, 10.0, 1), (58, 12.0, 1), (59, 900.0, 1))
    assert amend(state, T0 + 1 + 59 * 60_000, 900.0, 1, 3, "mean") == 480_000
    found = closed_hour(state, 480_000)
    assert found is not None
    assert found[1:] == (2, 3, 22.0, 0.0, 10.0, 12.0, 3)


def test_any_other_value_that_leaves_a_closed_hour_leaves_its_extremes_as_bounds() -> None:
    state = _closed((57, 10.0, 1), (58, 900.0, 1), (59, 12.0, 1))
    assert amend(state, T0 + 1 + 58 * 60_000, 900.0, 1, 3, "mean") == 480_000
    found = closed_hour(state, 480_000)
    assert found is not None
    assert (found.used, found.total, found.low, found.high) == (2, 22.0, 10.0, 900.0)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    ("value", "flag", "used", "total", "high"), [(14.0, 1, 3, 36.0, 14.0), (14.0, 4, 2, 22.0, 12.0), (None, 9, 2, 22.0, 12.0)]
)
def test_B1_a_correction_of_the_newest_reading_of_an_hour_replaces_it(
    closed: bool, value: float | None, flag: int, used: int, total: float, high: float
) -> None:
    state = _closed() if not closed else _closed((57, 10.0, 1), (58, 12.0, 1), (59, 900.0, 1))
    if not closed:
        for minute, number in ((57, 10.0), (58, 12.0), (59, 900.0)):
            add(state, T0 + 1 + minute * 60_000, number, 1, "mean")
    revised = add(state, T0 + 1 + 59 * 60_000, value, flag, "mean", corrects=True)
    assert revised == (480_000 if closed else None)
    found = closed_hour(state, 480_000) if closed else open_hour(state, "mean")
    assert found is not None
    assert (found.used, found.seen, found.total, found.high) == (used, 3, total, high)


def test_a_correction_of_a_reading_that_did_not_count_brings_it_in() -> None:
    state = HourState()
    add(state, T0 + 1, 10.0, 1, "mean")
    add(state, T0 + 60_001, None, 9, "mean")
    add(state, T0 + 60_001, 20.0, 1, "mean", corrects=True)
    found = open_hour(state, "mean")
    assert found is not None
    assert (found.used, found.seen, found.total) == (2, 2, 30.0)


@pytest.mark.parametrize("closed", [False, True])
def test_a_correction_of_an_older_reading_is_not_counted_again(closed: bool) -> None:
    state = HourState()
    for minute in (57, 58, 59):
        add(state, T0 + 1 + minute * 60_000, 10.0, 1, "mean")
    if closed:
        close(state, 480_000, "mean")
    assert add(state, T0 + 1 + 57 * 60_000, 40.0, 1, "mean", corrects=True) is None
    found = closed_hour(state, 480_000) if closed else open_hour(state, "mean")
    assert found is not None
    assert (found.used, found.total) == (3, 30.0)


def test_A1_an_hour_in_which_the_clock_was_stepped_closes_with_all_its_readings() -> None:
    state = HourState()
    for minute in (57, 58, 59):
        add(state, T0 + 1 + minute * 60_000, 10.0, 1, "mean")
    shift(state)
    close(state, 480_000, "mean")
    found = closed_hour(state, 480_000)
    assert found is not None
    assert (found.used, found.seen, found.total) == (3, 3, 30.0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["next", "next", "next", "amend", "correct", "late"]), st.integers(-50, 50), st.sampled_from([1, 1, 2, 3, 4, 9])
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_what_takes_out_the_newest_usable_reading_or_corrects_the_newest_leaves_nothing_of_it(
    steps: list[tuple[str, int, int]], closed: bool
) -> None:
    state, known = HourState(), {}
    newest = T0 + 30 * 60_000
    for number, (what, level, flag) in enumerate(steps):
        value = None if flag == 9 else float(level)
        if what == "next":
            newest += 1_000
            known[newest] = value, flag
            add(state, newest, value, flag, "mean")
        elif what == "late" and known:
            known[T0 + 1 + number] = value, flag
            add(state, T0 + 1 + number, value, flag, "mean")
        elif what == "correct" and newest in known:
            known[newest] = value, flag
            add(state, newest, value, flag, "mean", corrects=True)
        elif what == "amend":
            usable = [at for at, (_, its) in known.items() if its <= 2 and at > T0 + 30 * 60_000]
            # What is aside may have been counted by a correction: `devices.qc.judge` never takes that one out.
            if usable and max(usable) == newest and (spike := known[newest][0]) is not None:
                amend(state, newest, spike, known[newest][1], 3, "mean")
                known[newest] = spike, 3
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=HourState)
    if closed:
        close(state, 480_000, "mean")
    found = closed_hour(state, 480_000) if closed else open_hour(state, "mean")
    if not known:
        assert found is None
        return
    assert found is not None
    values = [value for value, flag in known.values() if flag <= 2 and value is not None]
    assert (found.used, found.seen, found.total) == (len(values), len(known), sum(values))
    if values:
        assert (found.low, found.high) == (min(values), max(values))


def test_D4_a_spike_before_a_doubted_reading_leaves_no_trace_either() -> None:
    state = HourState()
    for minute, value, flag in ((0, 10.0, 1), (1, 900.0, 1), (2, 11.0, 3)):
        add(state, T0 + 1 + minute * 60_000, value, flag, "mean")
    amend(state, T0 + 60_001, 900.0, 1, 3, "mean")
    hour = open_hour(state, "mean")
    assert hour is not None
    assert (hour.used, hour.seen, hour.total, hour.high) == (1, 3, 10.0, 10.0)


def test_C4_hours_that_nobody_took_are_not_revised_after_the_lateness_either() -> None:
    state = HourState()
    for hour in range(20):
        add(state, T0 + hour * HOUR_MS + 1, 1.0, 1, "mean")
    newest = 480_019
    assert closed_hour(state, newest - LATE_HOURS - 1) is not None
    assert add(state, T0 + (19 - LATE_HOURS - 1) * HOUR_MS + 2, 5.0, 1, "mean") is None
    assert add(state, T0 + (19 - LATE_HOURS) * HOUR_MS + 2, 5.0, 1, "mean") == newest - LATE_HOURS
