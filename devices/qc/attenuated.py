"""Attenuated signal: a series that hardly moves (`ioos_qc.qartod.attenuated_signal_test` with a period).

Population standard deviation, or range, of the readings in (t - period, t]: below `fail` 4, below `suspect` 3, else 1. Fewer than
`min_obs` values: not evaluated (2). A range with a missing value among them is not evaluated either; a deviation leaves it out.
With `min_obs` 1 the first reading has no spread at all and fails, as in `ioos_qc`: ask for more. Each verdict looks at the whole
period again, so that no rounding error is carried along: microseconds for an hour of minutes.
"""

from __future__ import annotations

from math import fsum, sqrt
from typing import Literal, NamedTuple

import msgspec

from devices.qc.stream import Verdicts, late, present
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

MOST = 4096
"""Readings kept at most: of a longer period the newest ones judge."""


class AttenuatedState(msgspec.Struct, array_like=True):
    """The readings of the period, oldest first."""

    times_ms: list[int] = []
    values: list[float | None] = []


class Attenuated(NamedTuple):
    """Settings: thresholds in the parameter's unit. Not for directions."""

    period_ms: int
    suspect: float
    fail: float
    min_obs: int = 2
    check: Literal["std", "range"] = "std"

    def start(self) -> AttenuatedState:
        return AttenuatedState()

    def push(self, state: AttenuatedState, time_ms: int, value: float | None) -> Verdicts:
        times, values = state.times_ms, state.values
        if times and time_ms < times[-1]:
            return late(time_ms, value)
        value = present(value)
        times.append(time_ms)
        values.append(value)
        old = max(0, len(times) - MOST)
        while times[old] <= time_ms - self.period_ms:
            old += 1
        if old:
            del times[:old], values[:old]
        return ((time_ms, MISSING if value is None else self._flag(values)),)

    def finish(self, state: AttenuatedState) -> Verdicts:
        return ()

    def _flag(self, values: list[float | None]) -> int:
        found = [value for value in values if value is not None]
        if len(found) < max(1, self.min_obs) or (self.check == "range" and len(found) < len(values)):
            return NOT_EVALUATED
        spread = _deviation(found) if self.check == "std" else max(found) - min(found)
        return FAIL if spread < self.fail else SUSPECT if spread < self.suspect else GOOD


def _deviation(values: list[float]) -> float:
    """Population standard deviation; exactly 0 when all are equal."""
    first = values[0]
    shifted = [value - first for value in values]
    mean = fsum(shifted) / len(shifted)
    return sqrt(fsum([(value - mean) ** 2 for value in shifted]) / len(shifted))
