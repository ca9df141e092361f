"""Multi-variate: one variable leaps while a related one rests (QARTOD manuals, suggested test; not in `ioos_qc`).

If the rate of change of the first variable is over its threshold and that of the related one is not, the first is suspect (3),
never failed: dissolved oxygen without temperature, say. Where a rate is unknown (first reading, gap) nothing is evaluated (2).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.qc.rate import Rate, RateState
from devices.qc.stream import Verdicts, late, present
from devices.quality import GOOD, MISSING, NOT_EVALUATED, SUSPECT


class MultiVariateState(msgspec.Struct, array_like=True):
    """The newest reading of either variable."""

    first: RateState
    related: RateState


class MultiVariate(NamedTuple):
    """Settings: thresholds in units per second."""

    first: Rate
    related: Rate

    def start(self) -> MultiVariateState:
        return MultiVariateState(self.first.start(), self.related.start())

    def push(self, state: MultiVariateState, time_ms: int, value: float | None, related: float | None) -> Verdicts:
        """The two values of one instant."""
        if time_ms < state.first.time_ms:
            return late(time_ms, value)
        rate = self.first.advance(state.first, time_ms, value)
        other = self.related.advance(state.related, time_ms, related)
        if present(value) is None:
            return ((time_ms, MISSING),)
        if rate is None or other is None:
            return ((time_ms, NOT_EVALUATED),)
        return ((time_ms, SUSPECT if rate > self.first.suspect and not other > self.related.suspect else GOOD),)

    def finish(self, state: MultiVariateState) -> Verdicts:
        return ()
