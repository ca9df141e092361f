"""The last hourly means of a series, newest last: what NowCast, 8-hour and 24-hour means and daily maxima are made of."""

from __future__ import annotations

import struct
from math import nan

from devices.hours import NEVER, HourState

RING_HOURS = 48
"""Hourly means kept: a day, the 7 hours before it that its first 8-hour mean needs, and the lateness."""

_MEAN = struct.Struct("<d")
_NOTHING = _MEAN.pack(nan)
_RING = struct.Struct(f"<{RING_HOURS}d")


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


def means(state: HourState, upto: int, hours: int = RING_HOURS) -> list[float | None]:
    """The last `hours` hourly means up to and with hour `upto`, newest last."""
    if state.newest == NEVER:
        return [None] * hours
    known: list[float | None] = [None if mean != mean else mean for mean in _RING.unpack(state.ring)]
    behind = upto - state.newest
    if behind > 0:
        known += [None] * min(behind, hours)
    elif behind < 0:
        known = known[:behind]
    nothing: list[float | None] = [None] * max(0, hours - len(known))
    return nothing + known[-hours:]
