"""Multi-variate: one variable changes fast while a related one does not. Suspect, never fail.

QARTOD's rule (manuals for dissolved oxygen and for temperature and salinity; not in ioos_qc): if the rate of change of variable
1 exceeds its threshold while that of variable 2 stays below its own, variable 1 is suspect. Where either cannot be told it is
not evaluated.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.quality import GOOD, MISSING, NOT_EVALUATED, SUSPECT


class Multivariate(NamedTuple):
    """Settings: `other` is the related parameter; thresholds per second, each in its own unit."""

    other: str
    rate: float
    other_rate: float


class MultivariateState(msgspec.Struct, array_like=True, gc=False):
    """Both values before."""

    time_ms: int = 0
    value: float | None = None
    other: float | None = None


def step(state: MultivariateState, time_ms: int, value: float | None, other: float | None, test: Multivariate) -> int:
    """Take in both values of one instant: the verdict of the first."""
    seconds = (time_ms - state.time_ms) / 1000
    was, other_was = state.value, state.other
    state.time_ms, state.value, state.other = time_ms, value, other
    if value is None:
        return MISSING
    if was is None or other is None or other_was is None or seconds <= 0:
        return NOT_EVALUATED
    fast = abs(value - was) / seconds > test.rate
    return SUSPECT if fast and abs(other - other_was) / seconds <= test.other_rate else GOOD
