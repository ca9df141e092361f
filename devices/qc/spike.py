"""Spike: one reading that both its neighbours disown (`ioos_qc.qartod.spike_test`).

    average       |x[n-1] - (x[n-2] + x[n]) / 2| is over the threshold. A lone spike also raises its neighbours, by half of it.
    differential  the smaller of |x[n-1] - x[n-2]| and |x[n] - x[n-1]|, if one goes up and the other down. A step is no spike.

The verdict on n-1 is there when n comes; the first and the newest reading, and those beside a missing one, are not evaluated (2).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from devices.qc.circular import difference
from devices.qc.stream import NEVER, Verdicts, graded, late, present
from devices.quality import MISSING, NOT_EVALUATED


class SpikeState(msgspec.Struct, array_like=True, gc=False):
    """The two newest readings."""

    time_ms: int = NEVER
    """Of the newest."""
    before: float | None = None
    """The value before it: None if it is missing, or if the newest is the first."""
    value: float | None = None


class Spike(NamedTuple):
    """Settings: thresholds in the parameter's unit; None or 0 is none."""

    suspect: float | None = None
    fail: float | None = None
    method: Literal["average", "differential"] = "differential"
    circular: bool = False

    def start(self) -> SpikeState:
        return SpikeState()

    def push(self, state: SpikeState, time_ms: int, value: float | None) -> Verdicts:
        if time_ms < state.time_ms:
            return late(time_ms, value)
        value = present(value)
        verdicts = () if state.time_ms == NEVER else ((state.time_ms, self.flag(state.before, state.value, value)),)
        state.time_ms, state.before, state.value = time_ms, state.value, value
        return verdicts

    def finish(self, state: SpikeState) -> Verdicts:
        return () if state.time_ms == NEVER else ((state.time_ms, MISSING if state.value is None else NOT_EVALUATED),)

    def flag(self, before: float | None, value: float | None, after: float | None) -> int:
        """The verdict on the middle one of three readings; None: missing, or there is none."""
        if value is None:
            return MISSING
        if before is None or after is None:
            return NOT_EVALUATED
        return graded(self._height(before, value, after), self.suspect or None, self.fail or None)

    def _height(self, before: float, value: float, after: float) -> float:
        if self.method == "average":
            if self.circular:
                return abs(difference(value, before + difference(after, before) / 2))
            return abs(value - (before + after) / 2)
        first = difference(value, before) if self.circular else value - before
        second = difference(after, value) if self.circular else after - value
        return min(abs(first), abs(second)) if first * second < 0 else 0.0
