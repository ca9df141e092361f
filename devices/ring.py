"""The last hourly means of a series, newest last: what NowCast, 8-hour and 24-hour means and daily maxima are made of."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import nan

from devices.hours import NEVER, HourState

RING_HOURS = 48
"""Hourly means kept: a day, the 7 hours before it that its first 8-hour mean needs, and the lateness."""

_MEAN = struct.Struct("<d")
_NOTHING = _MEAN.pack(nan)
_RING = struct.Struct(f"<{RING_HOURS}d")
_EMPTY = (nan,) * RING_HOURS


def keep_mean(state: HourState, hour: int, mean: float | None) -> None:
    """Put an hour's mean into the ring (None: too little of it is there); hours between it and the last one are empty."""
    if state.newest == NEVER:
        state.ring, state.newest = _NOTHING * RING_HOURS, hour
    ahead = hour - state.newest
    if ahead > 0:
        state.ring = (state.ring + _NOTHING * min(ahead, RING_HOURS))[-RING_HOURS * _MEAN.size :]
        state.newest = hour
    at = (RING_HOURS - 1 + hour - state.newest) * _MEAN.size
    if at >= 0:
        state.ring = state.ring[:at] + (_NOTHING if mean is None else _MEAN.pack(mean)) + state.ring[at + _MEAN.size :]


def means(state: HourState, upto: int, hours: int = RING_HOURS) -> Sequence[float]:
    """The last `hours` hourly means up to and with hour `upto`, newest last; NaN where there is none."""
    if state.newest == NEVER:
        return _EMPTY[-hours:]
    known = _RING.unpack(state.ring)
    if upto != state.newest:
        behind = upto - state.newest
        known = known + _EMPTY[: min(behind, RING_HOURS)] if behind > 0 else _EMPTY[: min(-behind, RING_HOURS)] + known[:behind]
    return known[-hours:]


def mean_of(state: HourState, hour: int) -> float | None:
    """The mean of one hour, None if there is none."""
    (mean,) = means(state, hour, 1)
    return None if mean != mean else mean
