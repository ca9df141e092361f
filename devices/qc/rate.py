"""Rate of change: |x[n] - x[n-1]| over the seconds between them (`ioos_qc.qartod.rate_of_change_test`).

The first reading, and one after a missing one, have nothing to be compared with and are good (1), as in `ioos_qc`. Unlike there,
milliseconds count (`ioos_qc` cuts the time between two readings down to whole seconds: domain.md 0.6). Two different values at one
instant are an infinite rate.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import msgspec

from devices.qc.circular import difference
from devices.qc.stream import NEVER, Verdicts, graded, late, present
from devices.quality import GOOD, MISSING


class RateState(msgspec.Struct, array_like=True, gc=False):
    """The newest reading."""

    time_ms: int = NEVER
    value: float | None = None


class Rate(NamedTuple):
    """Settings: thresholds in the parameter's unit **per second**. The catalogue's hourly rates are not for raw samples (D1)."""

    suspect: float
    fail: float | None = None
    circular: bool = False

    def start(self) -> RateState:
        return RateState()

    def push(self, state: RateState, time_ms: int, value: float | None) -> Verdicts:
        if time_ms < state.time_ms:
            return late(time_ms, value)
        rate = self.advance(state, time_ms, value)
        if state.value is None:
            return ((time_ms, MISSING),)
        return ((time_ms, GOOD if rate is None else graded(rate, self.suspect, self.fail)),)

    def finish(self, state: RateState) -> Verdicts:
        return ()

    def advance(self, state: RateState, time_ms: int, value: float | None) -> float | None:
        """Take a reading in. Returns its rate, None where there is none."""
        value, last, seconds = present(value), state.value, (time_ms - state.time_ms) / 1000.0
        state.time_ms, state.value = time_ms, value
        if value is None or last is None:
            return None
        change = abs(difference(value, last) if self.circular else value - last)
        if seconds == 0:
            return inf if change else 0.0
        return change / seconds
