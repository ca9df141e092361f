"""Hourly means as readings come: what indices, hourly and daily summaries and their revisions are made of (semantics C4).

    add     one reading into the hour it belongs to: the open one, or one of the last `LATE_HOURS` that are closed
    amend   a reading that is there already got another flag (a spike verdict, a confirmation)
    close   the hour is over: it joins the closed ones, which late readings may still revise, and the ring of means

An hour is `(start, end]`; hour number h ends at `(h + 1) * 3,600,000 ms + phase`, where the phase is that of the city's
zone (0 for whole-hour zones). Only readings flagged 1 or 2 count (invariant 7). A mean is there from 75 % of the readings
due (domain.md 1.4: 45 minutes of an hour). Directions are averaged as vectors, amounts (rain) are summed.

The newest usable reading of an hour is kept aside, `pending` in the open hour and in `asides` once it is closed, because the next
reading may make it a spike, and its sender may correct it: then it leaves the hour with its sum and its extremes. Any other value
that leaves takes its sum with it, but the extremes stay as bounds (no test of ours does that: `devices.qc.judge` goes back to
the newest good reading only). A correction of an older reading is not counted again: what it replaces is not known any more.

State is a few packed bytes a series. What `devices.days` has put into its day leaves the closed hours.
"""

from __future__ import annotations

import struct
from math import atan2, cos, degrees, hypot, inf, isnan, nan, radians, sin
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from devices import asides
from devices.asides import Aside

HOUR_MS = 3_600_000
LATE_HOURS = 7
"""Closed hours that readings may still revise: the lateness of 6 h (semantics C4), and the hour it begins in."""
CLOSED_HOURS = LATE_HOURS + 3
"""Closed hours that are kept where nobody makes days of them."""
COMPLETE = 0.75
"""Part of the due readings from which a mean counts (domain.md 1.4)."""

Kind: TypeAlias = Literal["mean", "sum", "circular"]

NEVER = -(1 << 62)
"""No hour, no time."""
_HOUR = struct.Struct("<qIIddddB")
_NUMBER = struct.Struct("<q")
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

    hour: int = NEVER
    """The open hour."""
    start: int = 0
    end: int = -1
    """Its bounds, ms."""
    last: int = NEVER
    """Event time of the newest reading of the open hour."""
    pending: float = nan
    """The newest usable reading, which is not counted yet."""
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
    """The last closed hours, oldest first, each packed as an `Hour`, without what is aside of it."""
    ring: bytes = b""
    """Means of the last hours (`devices.ring`)."""
    newest: int = NEVER
    """The hour of the ring's last mean."""
    asides: bytes = b""
    """The newest usable reading of each closed hour."""
    day: bytes = b""
    """The day so far, without the hours that are still in `closed` (`devices.days`)."""
    bad_ms: int = NEVER
    """Event time of the newest reading that was not usable when it came: if it is `last`, `pending` is of an earlier one."""


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
    state: HourState, time_ms: int, value: float | None, flag: int, kind: Kind, phase_ms: int = 0, first_open: int = NEVER,
    *, corrects: bool = False,
) -> int | None:  # fmt: skip
    """One reading. Returns the hour that it revised, if it belongs to a closed one; None for the open hour.

    `first_open` is the first hour that is not over for the station: earlier ones are closed, even if this series had nothing
    in them. A reading of a later hour closes the open one. One that is older than the hours kept is left out. `corrects`: the
    reading was there already, with another value.
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
    return _add_slowly(state, time_ms, value, flag, kind, phase_ms, first_open, corrects)


def _add_slowly(
    state: HourState, time_ms: int, value: float | None, flag: int, kind: Kind, phase_ms: int, first_open: int, corrects: bool
) -> int | None:
    hour = hour_of(time_ms, phase_ms)
    if corrects and ((state.end >= 0 and hour == state.hour) or _closed(state, hour) is not None):
        return _correct(state, hour, time_ms, value, flag, kind, phase_ms)
    if hour > state.hour and hour >= first_open:
        close(state, hour - 1, kind)
        _open(state, hour, phase_ms)
    usable = flag <= 2 and value is not None
    if hour == state.hour and state.end >= 0:
        state.worst = worse(state.worst, flag)
        if not usable or value is None:
            state.bad += 1
            if time_ms > state.last:
                state.last = state.bad_ms = time_ms
        elif time_ms > state.last:
            _count_pending(state, kind)
            state.pending, state.last = value, time_ms
        else:
            _count(state, value, kind)
        return None
    if hour < max(first_open, state.hour) - LATE_HOURS:
        return None
    found = _closed(state, hour) or _inserted(state, hour)
    if found is None:
        return None
    position, old = found
    new = old._replace(seen=old.seen + 1, worst=worse(old.worst, flag))
    _rewrite(state, position, _counted(new, value, kind) if usable and value is not None else new)
    return hour


def amend(state: HourState, time_ms: int, value: float, was: int, now: int, kind: Kind, phase_ms: int = 0) -> int | None:
    """A reading that was added with flag `was` has flag `now`. Returns the closed hour that this revised, if any."""
    if (was <= 2) == (now <= 2):
        return None
    hour = hour_of(time_ms, phase_ms)
    if hour == state.hour and state.end >= 0:
        state.worst = worse(state.worst, now)
        if now <= 2:
            state.bad -= 1
            if time_ms == state.last:
                _count_pending(state, kind)
                state.pending, state.bad_ms = value, NEVER
            else:
                _count(state, value, kind)
            return None
        state.bad += 1
        if time_ms == state.last:
            state.bad_ms = time_ms
        if state.pending == value:
            state.pending = nan
        else:
            _uncount(state, value, kind)
        return None
    found = _closed(state, hour)
    if found is None:
        return None
    position, old = found
    new = old._replace(worst=worse(old.worst, now))
    aside = asides.find(state.asides, hour)
    if now <= 2:
        new = _counted(new, value, kind)
    elif aside is not None and aside.value == value:
        state.asides = asides.replaced(state.asides, hour, None)
    else:
        parts = _parts(value, kind)
        new = new._replace(used=old.used - 1, total=old.total - parts[0], other=old.other - parts[1])
    _rewrite(state, position, new)
    return hour


def _correct(state: HourState, hour: int, time_ms: int, value: float | None, flag: int, kind: Kind, phase_ms: int) -> int | None:
    """The reading of this instant has another value: exact for the newest one of an hour, which is aside."""
    usable = flag <= 2 and value is not None
    if state.end >= 0 and hour == state.hour:
        state.worst = worse(state.worst, flag)
        if time_ms != state.last:
            return None
        if state.bad_ms == time_ms:
            _count_pending(state, kind)
            state.bad -= 1
        state.pending, state.bad_ms = (value, NEVER) if usable and value is not None else (nan, time_ms)
        state.bad += not usable
        return None
    aside, found = asides.find(state.asides, hour), _closed(state, hour)
    since_ms = time_ms - (hour_end(hour, phase_ms) - HOUR_MS)
    if found is None or aside is None or aside.since_ms != since_ms:
        return None
    new = Aside(hour, since_ms, value) if usable and value is not None else None
    state.asides = asides.replaced(state.asides, hour, new)
    _rewrite(state, found[0], found[1]._replace(worst=worse(found[1].worst, flag)))
    return hour


def close(state: HourState, upto: int, kind: Kind) -> bool:
    """Close the open hour if it is `upto` or earlier. Returns whether it was: its `Hour` is then to be had by `closed_hour`."""
    if state.hour > upto or state.end < 0:
        return False
    if kind == "circular" or state.last < state.start:  # (after a clock jump it is not known when the newest one was)
        _count_pending(state, kind)
    seen = state.count + state.bad
    if state.pending == state.pending:
        seen += 1
        since_ms = asides.SOMEWHEN if state.bad_ms == state.last else state.last - state.start
        state.asides = asides.appended(state.asides, Aside(state.hour, since_ms, state.pending), CLOSED_HOURS)
        state.pending = nan
    packed = _HOUR.pack(state.hour, state.count, seen, state.total, state.other, state.low, state.high, state.worst)
    state.closed = (state.closed + packed)[-CLOSED_HOURS * _HOUR.size :]
    state.end, state.last = -1, NEVER
    return True


def closed_hour(state: HourState, hour: int) -> Hour | None:
    """One of the closed hours that are kept."""
    found = _closed(state, hour)
    return None if found is None else _whole(state, found[1])


def has_closed(state: HourState, hour: int) -> bool:
    """Whether one of the closed hours that are kept is this one."""
    return asides.place(state.closed, _NUMBER.pack(hour), _HOUR.size) >= 0


def closed_hours(state: HourState) -> list[Hour]:
    """All of them, oldest first."""
    return [_whole(state, Hour(*fields)) for fields in _HOUR.iter_unpack(state.closed)]


def take(state: HourState, before: int) -> list[Hour]:
    """The closed hours before hour `before`, oldest first. They are kept elsewhere from now on, and revised no more."""
    found: list[Hour] = []
    closed = state.closed
    while closed and _NUMBER.unpack_from(closed)[0] < before:
        found.append(_whole(state, Hour(*_HOUR.unpack_from(closed))))
        closed = closed[_HOUR.size :]
    if found:
        state.closed, state.asides = closed, asides.since(state.asides, before)
    return found


def put(state: HourState, hour: Hour) -> None:
    """An hour that was made elsewhere (from a history), newer than all that are there."""
    state.closed += _HOUR.pack(*hour)
    state.hour = hour.hour


def open_hour(state: HourState, kind: Kind) -> Hour | None:
    """The open hour so far, its newest reading included."""
    if state.end < 0:
        return None
    aside = not isnan(state.pending)
    seen = state.count + state.bad + aside
    so_far = Hour(state.hour, state.count, seen, state.total, state.other, state.low, state.high, state.worst)
    return _counted(so_far, state.pending, kind) if aside else so_far


def worse(one: int, other: int) -> int:
    """The worse of two flags."""
    return one if _SEVERITY[one] >= _SEVERITY[other] else other


def shift(state: HourState) -> None:
    """The clock was stepped: what is open is closed as it is. Hours are named by event time and stay."""
    state.last = NEVER


def _open(state: HourState, hour: int, phase_ms: int) -> None:
    state.hour, state.end = hour, hour_end(hour, phase_ms)
    state.start = state.last = state.end - HOUR_MS
    state.pending, state.count, state.bad, state.total, state.other = nan, 0, 0, 0.0, 0.0
    state.low, state.high, state.worst = inf, -inf, 1


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
    number, used, seen, sines, cosines, low, high, worst = hour
    return Hour(
        number, used + 1, seen, sines + total, cosines + other, value if value < low else low, value if value > high else high, worst
    )


def _closed(state: HourState, hour: int) -> tuple[int, Hour] | None:
    """(position in bytes, the hour)."""
    position = asides.place(state.closed, _NUMBER.pack(hour), _HOUR.size)
    return None if position < 0 else (position, Hour(*_HOUR.unpack_from(state.closed, position)))


def _whole(state: HourState, hour: Hour) -> Hour:
    aside = asides.find(state.asides, hour.hour)
    return hour if aside is None else _counted(hour, aside.value, "mean")


def _inserted(state: HourState, hour: int) -> tuple[int, Hour] | None:
    """A closed hour of which the series had nothing so far; None if it is older than all that can be kept."""
    position = 0
    while position < len(state.closed) and _NUMBER.unpack_from(state.closed, position)[0] < hour:
        position += _HOUR.size
    empty = Hour(hour, 0, 0, 0.0, 0.0, inf, -inf, 1)
    state.closed = state.closed[:position] + _HOUR.pack(*empty) + state.closed[position:]
    surplus = len(state.closed) - CLOSED_HOURS * _HOUR.size
    if surplus > 0:
        state.closed = state.closed[surplus:]
        return _closed(state, hour)
    return position, empty


def _rewrite(state: HourState, position: int, hour: Hour) -> None:
    state.closed = state.closed[:position] + _HOUR.pack(*hour) + state.closed[position + _HOUR.size :]
