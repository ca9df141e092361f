"""Timing: gap, order and clock of a device's messages. The verdict is on the message's time, not on its values.

    gap        more than `gap_ms` after the one before (`ioos_qc.qartod.time_gap_test`)                              4
    duplicate  the same time again                                                                                   3
    late       earlier than the newest                                                                               3
    ahead      later than its receipt by more than `ahead_ms` (`impossible_date_test` allows nothing)                4
    stale      older than its receipt by more than `age_ms` (`data_reception_test`)                                  4

Do not roll these flags up into those of the values: a reading after a gap is as good as any. Unlike `ioos_qc`, which gives the first
time the flag of the second, the first is good: nothing is known of what was before.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from devices.qc.stream import NEVER
from devices.quality import FAIL, GOOD, SUSPECT


class TimingState(msgspec.Struct, array_like=True, gc=False):
    """The newest time."""

    time_ms: int = NEVER


class TimingVerdict(NamedTuple):
    """`found` is None when the flag is 1."""

    time_ms: int
    flag: int
    found: Literal["gap", "duplicate", "late", "ahead", "stale"] | None = None


class Timing(NamedTuple):
    """Settings, in ms; None is no test."""

    gap_ms: int
    ahead_ms: int | None = None
    age_ms: int | None = None

    def start(self) -> TimingState:
        return TimingState()

    def push(self, state: TimingState, time_ms: int, received_ms: int | None = None) -> TimingVerdict:
        """One message. The clock is judged when the time of receipt is known."""
        if received_ms is not None:
            if self.ahead_ms is not None and time_ms - received_ms > self.ahead_ms:
                return TimingVerdict(time_ms, FAIL, "ahead")  # and it is not remembered: all that follow would be late
            if self.age_ms is not None and received_ms - time_ms > self.age_ms:
                state.time_ms = max(state.time_ms, time_ms)
                return TimingVerdict(time_ms, FAIL, "stale")
        last = state.time_ms
        if time_ms < last:
            return TimingVerdict(time_ms, SUSPECT, "late")
        state.time_ms = time_ms
        if time_ms == last:
            return TimingVerdict(time_ms, SUSPECT, "duplicate")
        if last != NEVER and time_ms - last > self.gap_ms:
            return TimingVerdict(time_ms, FAIL, "gap")
        return TimingVerdict(time_ms, GOOD)
