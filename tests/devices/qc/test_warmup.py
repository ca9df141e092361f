"""Readings soon after power-on."""

from __future__ import annotations

from devices.qc.warmup import WarmUp
from tests.devices.qc.series import T0, flags

MINUTE = 60_000
TEST = WarmUp(duration_ms=5 * MINUTE, gap_ms=30 * MINUTE)


def test_the_first_sight_of_a_device_is_no_power_on() -> None:
    assert flags(TEST, [(T0, 1.0), (T0 + MINUTE, 1.0)]) == [1, 1]


def test_after_a_long_gap() -> None:
    late = T0 + 31 * MINUTE
    assert flags(TEST, [(T0, 1.0), (late, 1.0), (late + 4 * MINUTE, None), (late + 5 * MINUTE - 1, 1.0), (late + 5 * MINUTE, 1.0)]) == [
        1, 3, 9, 3, 1
    ]  # fmt: skip
    assert flags(TEST, [(T0, 1.0), (T0 + 30 * MINUTE, 1.0)]) == [1, 1]
    assert flags(WarmUp(5 * MINUTE), [(T0, 1.0), (late, 1.0)]) == [1, 1]


def test_by_uptime_a_silent_device_that_ran_on_is_warm() -> None:
    rows = [(T0, 1.0, 9000.0), (T0 + 60 * MINUTE, 1.0, 12_600.0), (T0 + 61 * MINUTE, 1.0, 10.0), (T0 + 66 * MINUTE, 1.0, 310.0)]
    assert flags(TEST, rows) == [1, 1, 3, 1]


def test_by_what_the_message_says() -> None:
    assert flags(TEST, [(T0, 1.0, None, True), (T0 + MINUTE, 1.0), (T0 + 5 * MINUTE, 1.0)]) == [3, 3, 1]
