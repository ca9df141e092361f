"""Rate of change: how fast a value differs from the one before it (`ioos_qc.qartod.rate_of_change_test`).

    rate = |x - last| / (whole seconds between them); above a threshold: suspect, fail

The first value and one after a missing value are good. Within one whole second the change counts as that of one second (ioos_qc
divides by zero there, and its masked arrays give back the change itself).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.quality import FAIL, GOOD, MISSING, SUSPECT


class Rate(NamedTuple):
    """Thresholds in the parameter's unit per second."""

    suspect: float
    fail: float | None = None


class RateState(msgspec.Struct, array_like=True, gc=False):
    """The value before; None: missing, or there was none."""

    last_ms: int = 0
    last: float | None = None


def verdict(change: float, elapsed_ms: int, test: Rate) -> int:
    """Of a change over a time. Times are cut to whole seconds, as ioos_qc does."""
    rate = abs(change / (int(elapsed_ms / 1000) or 1))
    if test.fail is not None and rate > test.fail:
        return FAIL
    return SUSPECT if rate > test.suspect else GOOD


def step(state: RateState, time_ms: int, value: float | None, test: Rate) -> int:
    """Take in the next value: its verdict."""
    if value is None:
        found = MISSING
    elif state.last is None:
        found = GOOD
    else:
        found = verdict(value - state.last, time_ms - state.last_ms, test)
    state.last_ms, state.last = time_ms, value
    return found
