"""Attenuated signal: a series that hardly moves any more, though it is not quite flat (`ioos_qc.qartod.attenuated_signal_test`).

Over the window (now - period, now] the standard deviation (of the population) or the range is taken; below `suspect` it is
suspect, below `fail` it fails; not evaluated (2) with fewer than `least` values. Missing values are left out of the standard
deviation; a range is not evaluated while one is in its window. ioos_qc can also take one value for the whole series: a stream
has no such thing.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal, NamedTuple

import msgspec

from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

LONGEST = 10_000
"""Values in a window, at most."""


class Attenuated(NamedTuple):
    """Settings; thresholds in the parameter's unit."""

    suspect: float
    fail: float
    period_ms: int
    least: int = 1
    kind: Literal["std", "range"] = "std"


class AttenuatedState(msgspec.Struct, array_like=True):
    """What lies in the window: (time, value), oldest first; None is a missing value."""

    window: list[tuple[int, float | None]] = []


def step(state: AttenuatedState, time_ms: int, value: float | None, test: Attenuated) -> int:
    """Take in the next value: its verdict. The window never holds more than `LONGEST` values; the oldest go first."""
    window = state.window
    window.append((time_ms, value))
    gone = 0
    while window[gone][0] <= time_ms - test.period_ms:
        gone += 1
    gone = max(gone, len(window) - LONGEST)
    if gone:
        del window[:gone]
    if value is None:
        return MISSING
    known = [number for _, number in window if number is not None]
    if len(known) < test.least or (test.kind == "range" and len(known) < len(window)):
        return NOT_EVALUATED
    if test.kind == "range":
        moves = max(known) - min(known)
    else:
        mean = sum(known) / len(known)
        moves = sqrt(sum((number - mean) ** 2 for number in known) / len(known))
    if moves < test.fail:
        return FAIL
    return SUSPECT if moves < test.suspect else GOOD
