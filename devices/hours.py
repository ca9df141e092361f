"""Hourly means as readings come: what indices, hourly and daily summaries and their revisions are made of (semantics C4).

    add     one reading into the hour it belongs to: the open one, or one of the last `LATE_HOURS` that are closed
    amend   a reading that is there already got another flag (a spike verdict, a confirmation)
    close   the hour is over: it joins the closed ones, which late readings may still revise, and the ring of means

An hour is `(start, end]`; hour number h ends at `(h + 1) * 3,600,000 ms + phase`, where the phase is that of the city's
zone (0 for whole-hour zones). Only readings flagged 1 or 2 count (invariant 7). A mean is there from 75 % of the readings
due (domain.md 1.4: 45 minutes of an hour). Directions are averaged as vectors, amounts (rain) are summed.

The newest reading is kept aside (`pending`) until the next one comes or the hour closes, because only then is its spike
verdict known: so an hour's extremes never have to forget a value that was a spike. State is a few packed bytes a series.
"""

from __future__ import annotations

import struct
from math import atan2, cos, degrees, hypot, inf, isnan, nan, radians, sin
from typing import Literal, NamedTuple, TypeAlias

import msgspec

HOUR_MS = 3_600_000
LATE_HOURS = 7
"""Closed hours that readings may still revise: the lateness of 6 h (semantics C4), and the hour it begins in."""
RING_HOURS = 48
"""Hourly means kept: a day, the 7 hours before it that its first 8-hour mean needs, and the lateness."""
COMPLETE = 0.75
"""Part of the due readings from which a mean counts (domain.md 1.4)."""

Kind: TypeAlias = Literal["mean", "sum", "circular"]

_NEVER = -(1 << 62)
_HOUR = struct.Struct("<qIIddddB")
_MEAN = struct.Struct("<d")
_NOTHING = _MEAN.pack(nan)
_RING = struct.Struct(f"<{RING_HOURS}d")
_SEVERITY = (0, 1, 2, 4, 5, 0, 0, 0, 0, 3)
"""By flag: good < not evaluated < missing < suspect < fail."""


class Hour(NamedTuple):
    """One hour of one series. `low` and `high` are meaningless while `used` is 0."""

    hour: int
    used: int
    """Usable readings (flag 1 or 2)."""
    seen: int
    """All readings."""
    total: float
    """Their sum; of a direction the sum of its sines …"""
    other: float
    """… and of its cosines."""
    low: float
    high: float
    worst: int
    """The worst flag of all readings."""

    def mean(self, kind: Kind) -> float | None:
        """Mean (of a direction: 0 … 360), or the sum of amounts; None without a usable reading, or of opposite directions."""
        if not self.used:
            return None
        if kind == "sum":
            return self.total
        if kind == "circular":
            if hypot(self.total, self.other) < 1e-9 * self.used:
                return None
            angle = degrees(atan2(self.total, self.other)) % 360.0
            return 0.0 if angle == 360.0 else angle  # a tiny negative angle rounds up to a full turn
        return self.total / self.used

    def completeness(self, interval_ms: int) -> float:
        """Usable readings over those due, 0 … 1."""
        return min(1.0, self.used / due(interval_ms))


class HourState(msgspec.Struct, array_like=True, gc=False):
    """One parameter of one device."""

    hour: int = _NEVER
    """The open hour."""
    start: int = 0
    end: int = -1
    """Its bounds, ms."""
    last: int = _NEVER
    """Event time of the newest reading of the open hour."""
    pending: float = nan
    """That reading, while it is usable and not counted yet."""
    count: int = 0
    """Usable readings that are counted."""
    bad: int = 0
    """The others."""
    total: float = 0.0
    other: float = 0.0
    low: float = inf
    high: float = -inf
    worst: int = 1
    closed: bytes = b""
    """The last closed hours, oldest first, each packed as an `Hour`."""
    ring: bytes = b""
    """Means of the last `RING_HOURS` hours (only of series that keep them), newest last; NaN where there is none."""
    newest: int = _NEVER
    """The hour of the ring's last mean."""


def due(interval_ms: int) -> int:
    """How many readings an hour of a device with this reporting interval has."""
    return max(1, HOUR_MS // max(1, interval_ms))


def hour_of(time_ms: int, phase_ms: int = 0) -> int:
    """The number of the hour that a time belongs to: hours are (start, end]."""
    return (time_ms - phase_ms - 1) // HOUR_MS


def hour_end(hour: int, phase_ms: int = 0) -> int:
    """ms since the epoch."""
    return (hour + 1) * HOUR_MS + phase_ms


def add(
    state: HourState, time_ms: int, value: float | None, flag: int, kind: Kind, phase_ms: int = 0, first_open: int = _NEVER
) -> int | None:
    """One reading. Returns the hour that it revised, if it belongs to a closed one; None for the open hour.

    `first_open` is the first hour that is not over for the station: earlier ones are closed, even if this series had nothing
    in them. A reading of a later hour closes the open one. One that is older than the hours kept is left out.
    """
    if state.last < time_ms <= state.end and flag <= 2 and kind != "circular":
        pending = state.pending
        if pending == pending:
            state.count += 1
            state.total += pending
            if pending < state.low:
                state.low = pending
            if pending > state.high:
                state.high = pending
        state.pending = value  # type: ignore[assignment]  # a usable reading has a value
        state.last = time_ms
        if flag == 2 and state.worst < 2:
            state.worst = 2
        return None
    return _add_slowly(state, time_ms, value, flag, kind, phase_ms, first_open)


def _add_slowly(state: HourState, time_ms: int, value: float | None, flag: int, kind: Kind, phase_ms: int, first_open: int) -> int | None:
    hour = hour_of(time_ms, phase_ms)
    if hour > state.hour and hour >= first_open:
        close(state, hour - 1, kind)
        _open(state, hour, phase_ms)
    usable = flag <= 2 and value is not None
    if hour == state.hour and state.end >= 0:
        state.worst = _worse(state.worst, flag)
        if not usable or value is None:
            state.bad += 1
            if time_ms > state.last:
                _count_pending(state, kind)
                state.last = time_ms
        elif time_ms > state.last:
            _count_pending(state, kind)
            state.pending, state.last = value, time_ms
        else:
            _count(state, value, kind)
        return None
    found = _closed(state, hour) or _inserted(state, hour, max(first_open, state.hour))
    if found is None:
        return None
    position, old = found
    new = old._replace(seen=old.seen + 1, worst=_worse(old.worst, flag))
    _rewrite(state, position, _counted(new, value, kind) if usable and value is not None else new)
    return hour


def amend(state: HourState, time_ms: int, value: float, was: int, now: int, kind: Kind, phase_ms: int = 0) -> int | None:
    """A reading that was added with flag `was` has flag `now`. Returns the closed hour that this revised, if any.

    Taking a value out of a closed hour leaves its extremes as they are: they may be those of the value.
    """
    if (was <= 2) == (now <= 2):
        return None
    hour = hour_of(time_ms, phase_ms)
    if hour == state.hour and state.end >= 0:
        state.worst = _worse(state.worst, now)
        if now <= 2:
            _count(state, value, kind)
            state.bad -= 1
        else:
            state.bad += 1
            if time_ms == state.last and state.pending == value:
                state.pending = nan
            else:
                _uncount(state, value, kind)
        return None
    found = _closed(state, hour)
    if found is None:
        return None
    position, old = found
    if now <= 2:
        _rewrite(state, position, _counted(old, value, kind))
    else:
        parts = _parts(value, kind)
        new = old._replace(used=old.used - 1, total=old.total - parts[0], other=old.other - parts[1], worst=_worse(old.worst, now))
        _rewrite(state, position, new)
    return hour


def close(state: HourState, upto: int, kind: Kind) -> bool:
    """Close the open hour if it is `upto` or earlier. Returns whether it was: its `Hour` is then to be had by `closed_hour`."""
    if state.hour > upto or state.end < 0:
        return False
    _count_pending(state, kind)
    packed = _HOUR.pack(state.hour, state.count, state.count + state.bad, state.total, state.other, state.low, state.high, state.worst)
    state.closed = (state.closed + packed)[-(LATE_HOURS + 1) * _HOUR.size :]
    state.end, state.last = -1, _NEVER
    return True


def closed_hour(state: HourState, hour: int) -> Hour | None:
    """One of the closed hours that are kept."""
    found = _closed(state, hour)
    return None if found is None else found[1]


def open_hour(state: HourState, kind: Kind) -> Hour | None:
    """The open hour so far, its newest reading included."""
    if state.end < 0:
        return None
    so_far = Hour(state.hour, state.count, state.count + state.bad, state.total, state.other, state.low, state.high, state.worst)
    return so_far if isnan(state.pending) else _counted(so_far, state.pending, kind)


def keep_mean(state: HourState, hour: int, mean: float | None) -> None:
    """Put an hour's mean into the ring (None: too little of it is there); hours between it and the last one are empty."""
    if state.newest == _NEVER:
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
    if state.newest == _NEVER:
        return [None] * hours
    known: list[float | None] = [None if mean != mean else mean for mean in _RING.unpack(state.ring)]
    behind = upto - state.newest
    if behind > 0:
        known += [None] * min(behind, hours)
    elif behind < 0:
        known = known[:behind]
    nothing: list[float | None] = [None] * max(0, hours - len(known))
    return nothing + known[-hours:]


def shift(state: HourState) -> None:
    """The clock was stepped: what is open is closed as it is. Hours are named by event time and stay."""
    state.last = _NEVER


def _open(state: HourState, hour: int, phase_ms: int) -> None:
    state.hour, state.end = hour, hour_end(hour, phase_ms)
    state.start = state.last = state.end - HOUR_MS
    state.pending, state.count, state.bad, state.total, state.other = nan, 0, 0, 0.0, 0.0
    state.low, state.high, state.worst = inf, -inf, 1


def _worse(one: int, other: int) -> int:
    return one if _SEVERITY[one] >= _SEVERITY[other] else other


def _parts(value: float, kind: Kind) -> tuple[float, float]:
    return (sin(radians(value)), cos(radians(value))) if kind == "circular" else (value, 0.0)


def _count_pending(state: HourState, kind: Kind) -> None:
    if not isnan(state.pending):
        _count(state, state.pending, kind)
        state.pending = nan


def _count(state: HourState, value: float, kind: Kind) -> None:
    total, other = _parts(value, kind)
    state.count += 1
    state.total += total
    state.other += other
    state.low, state.high = min(state.low, value), max(state.high, value)


def _uncount(state: HourState, value: float, kind: Kind) -> None:
    total, other = _parts(value, kind)
    state.count -= 1
    state.total -= total
    state.other -= other


def _counted(hour: Hour, value: float, kind: Kind) -> Hour:
    total, other = _parts(value, kind)
    return hour._replace(
        used=hour.used + 1,
        seen=max(hour.seen, hour.used + 1),
        total=hour.total + total,
        other=hour.other + other,
        low=min(hour.low, value),
        high=max(hour.high, value),
    )


def _closed(state: HourState, hour: int) -> tuple[int, Hour] | None:
    """(position in bytes, the hour)."""
    for position in range(len(state.closed) - _HOUR.size, -1, -_HOUR.size):
        fields = _HOUR.unpack_from(state.closed, position)
        if fields[0] == hour:
            return position, Hour(*fields)
    return None


def _inserted(state: HourState, hour: int, newest: int) -> tuple[int, Hour] | None:
    """A closed hour of which the series had nothing so far; None if it is too old to be kept."""
    if hour < newest - LATE_HOURS:
        return None
    position = 0
    while position < len(state.closed) and _HOUR.unpack_from(state.closed, position)[0] < hour:
        position += _HOUR.size
    empty = Hour(hour, 0, 0, 0.0, 0.0, inf, -inf, 1)
    state.closed = state.closed[:position] + _HOUR.pack(*empty) + state.closed[position:]
    surplus = len(state.closed) - (LATE_HOURS + 1) * _HOUR.size
    if surplus > 0:
        state.closed = state.closed[surplus:]
        return _closed(state, hour)
    return position, empty


def _rewrite(state: HourState, position: int, hour: Hour) -> None:
    state.closed = state.closed[:position] + _HOUR.pack(*hour) + state.closed[position + _HOUR.size :]
