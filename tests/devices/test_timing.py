"""Whose time counts (semantics C1, C2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.timing import DeviceClock, Stamp, Window, shift, stamp

MIN = 60_000
HOUR = 60 * MIN
DAY = 24 * HOUR
NOW = 1_800_000_000_000
WINDOW = Window(2 * MIN, 7 * DAY)


def judge(clock: DeviceClock, device_ms: int | None, received_ms: int = NOW, window: Window = WINDOW, delay_ms: int = 0) -> Stamp:
    return stamp(clock, device_ms, received_ms, MIN, delay_ms, window)


def test_C1_device_time_inside_the_window_is_used() -> None:
    for offset in (-2 * MIN, 0, 7 * DAY):
        result = judge(DeviceClock(), NOW - offset)
        assert (result.event_ms, result.rules_ms) == (NOW - offset, NOW - offset)


def test_C1_outside_the_window_receipt_stamps_the_history_and_rules_see_nothing() -> None:
    for offset in (-2 * MIN - 1, 7 * DAY + 1, -40 * 365 * DAY):
        clock = DeviceClock()
        result = judge(clock, NOW - offset)
        assert (result.event_ms, result.rules_ms) == (NOW, None)
        assert clock.refused == 1


def test_C1_archives_may_be_as_old_as_they_like() -> None:
    assert judge(DeviceClock(), 0, window=Window(2 * MIN, None)).event_ms == 0


def test_C1_three_messages_with_the_same_large_offset_are_a_clock_fault() -> None:
    clock = DeviceClock()
    results = [judge(clock, NOW + n * MIN + 7 * HOUR, NOW + n * MIN) for n in range(4)]
    assert [result.fault_began for result in results] == [False, False, True, False]
    assert [result.rules_ms for result in results] == [None, None, NOW + 2 * MIN, NOW + 3 * MIN]


def test_C1_a_fault_inside_the_window_keeps_device_time_for_the_history_only() -> None:
    clock = DeviceClock()
    for n in range(3):
        result = judge(clock, NOW + n * MIN - HOUR, NOW + n * MIN)
    assert result.fault_began
    assert result.event_ms == NOW + 2 * MIN - HOUR
    assert result.rules_ms == NOW + 2 * MIN


def test_C1_a_backlog_is_not_a_clock_fault() -> None:
    clock = DeviceClock()
    for n in range(50):
        result = judge(clock, NOW - DAY + n * MIN, NOW + n * 10)
    assert not clock.fault
    assert result.rules_ms == NOW - DAY + 49 * MIN


def test_C1_the_delay_that_the_type_declares_is_not_a_fault() -> None:
    clock = DeviceClock()
    for n in range(5):
        judge(clock, NOW + n * MIN - HOUR, NOW + n * MIN, delay_ms=HOUR)
    assert not clock.fault


def test_C1_a_mended_clock_ends_the_fault() -> None:
    clock = DeviceClock()
    for n in range(3):
        judge(clock, NOW + n * MIN + 7 * HOUR, NOW + n * MIN)
    result = judge(clock, NOW + 3 * MIN, NOW + 3 * MIN)
    assert result.fault_ended
    assert result.rules_ms == NOW + 3 * MIN


@given(st.lists(st.integers(0, 3), max_size=50))
def test_C2_receipt_stamps_strictly_increase(gaps: list[int]) -> None:
    clock, now, last = DeviceClock(), NOW, 0
    for gap in gaps:
        now += gap
        event = judge(clock, None, now).event_ms
        assert event > last
        assert event >= now
        last = event


def test_A1_a_clock_jump_moves_the_stamps() -> None:
    clock = DeviceClock()
    judge(clock, None, NOW)
    shift(clock, -HOUR)
    assert judge(clock, None, NOW - HOUR + 1000).event_ms == NOW - HOUR + 1000


@given(st.lists(st.tuples(st.integers(0, 10**13), st.one_of(st.none(), st.integers(-(2**62), 2**62))), max_size=30))
def test_any_times_are_judged(steps: list[tuple[int, int | None]]) -> None:
    clock = DeviceClock()
    for received_ms, device_ms in steps:
        result = judge(clock, device_ms, received_ms)
        assert result.event_ms >= 0 or device_ms is not None
