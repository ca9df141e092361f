"""Warm-up: readings soon after power-on, or after a gap so long that the sensor was off, are suspect (3).

Laser counters and electrochemical cells need from half a minute to hours; the device type says how long. Power-on is seen by the
device's `uptime` (seconds since restart), by what its message says, or guessed from a gap. That a gateway sees
a device for the first time says nothing: it may have run for years.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.qc.stream import NEVER, Verdicts, late, present
from devices.quality import GOOD, MISSING, SUSPECT


class WarmUpState(msgspec.Struct, array_like=True, gc=False):
    """When the device spoke last, and until when it warms up."""

    time_ms: int = NEVER
    until_ms: int = NEVER


class WarmUp(NamedTuple):
    """Settings, in ms."""

    duration_ms: int
    gap_ms: int | None = None
    """A longer silence counts as power-off; None: it does not."""

    def start(self) -> WarmUpState:
        return WarmUpState()

    def push(
        self, state: WarmUpState, time_ms: int, value: float | None, uptime_s: float | None = None, powered_on: bool = False
    ) -> Verdicts:
        """One reading; `powered_on`: its message says that the device has just started."""
        if time_ms < state.time_ms:
            return late(time_ms, value)
        uptime_s = present(uptime_s)
        if powered_on:
            state.until_ms = time_ms + self.duration_ms
        elif uptime_s is not None:
            state.until_ms = time_ms - int(uptime_s * 1000) + self.duration_ms
        elif self.gap_ms is not None and state.time_ms != NEVER and time_ms - state.time_ms > self.gap_ms:
            state.until_ms = time_ms + self.duration_ms
        state.time_ms = time_ms
        if present(value) is None:
            return ((time_ms, MISSING),)
        return ((time_ms, SUSPECT if time_ms < state.until_ms else GOOD),)

    def finish(self, state: WarmUpState) -> Verdicts:
        return ()
