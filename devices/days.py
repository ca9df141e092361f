"""Days of a series, made of its closed hours (semantics C4): what `<medium>_1d` is written from.

    settle    hours that nothing revises any more leave the closed ones and join the day that they belong to
    day       that day, with those of its hours that are still closed ones

A day's mean is the mean of its hourly means, each hour that counts (75 % of its readings, domain.md 1.4) with the same weight, as
for the 24-hour means that limits and daily indices are about: an hour with twice the readings weighs no more. A day without any
such hour has the mean of the readings that are there. Directions are averaged as vectors, amounts (rain) are summed. A day is
complete from 75 % of its hours; hours that sparse devices never have are not due.

One day is kept, in 69 bytes: the first hour of the next one is settled `devices.hours.LATE_HOURS` after its end, when the day before
is final. Hours join in their order and are added up in the same order when the day is asked for: the same numbers, whenever
that is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import atan2, degrees, hypot, inf
from typing import NamedTuple

from devices.hours import COMPLETE, HOUR_MS, Hour, HourState, Kind, closed_hours, take, worse

_DAY = struct.Struct("<qIIIddddddB")


class Day(NamedTuple):
    """One day of one series. `low` and `high` are meaningless while `used` is 0."""

    first: int
    """Its first hour."""
    hours: int = 0
    """Hours that count."""
    used: int = 0
    """Usable readings, of all hours."""
    seen: int = 0
    total: float = 0.0
    """Their sum; of a direction the sum of its sines …"""
    other: float = 0.0
    """… and of its cosines."""
    means: float = 0.0
    """Sum of the means of the hours that count; of a direction of the means of its sines …"""
    others: float = 0.0
    """… and of its cosines."""
    low: float = inf
    high: float = -inf
    worst: int = 1

    def mean(self, kind: Kind) -> float | None:
        """Mean (of a direction: 0 … 360), or the sum of amounts; None without a usable reading, or of opposite directions."""
        if not self.used:
            return None
        if kind == "sum":
            return self.total
        sines, cosines, count = (self.means, self.others, self.hours) if self.hours else (self.total, self.other, self.used)
        if kind == "circular":
            if hypot(sines, cosines) < 1e-9 * count:
                return None
            angle = degrees(atan2(sines, cosines)) % 360.0
            return 0.0 if angle == 360.0 else angle
        return sines / count

    def completeness(self, hours: int, interval_ms: int) -> float:
        """Hours that count over those due, 0 … 1, for a day of so many hours (23 to 25)."""
        return min(1.0, self.hours / max(1, hours * HOUR_MS // max(HOUR_MS, interval_ms)))


def settle(state: HourState, before: int, interval_ms: int, first_of: Callable[[int], int]) -> None:
    """Closed hours before hour `before` join their day. `first_of` gives the first hour of the day that an hour is in."""
    over = take(state, before)
    if not over:
        return
    found = _known(state, first_of(over[0].hour))
    for hour in over:
        first = first_of(hour.hour)
        found = _with(found if first == found.first else Day(first), hour, interval_ms)
    state.day = _DAY.pack(*found)


def day(state: HourState, first: int, last: int, interval_ms: int) -> Day | None:
    """The day of these hours, as far as it is known; None if nothing was measured in it, or if it is over for long."""
    found = _known(state, first)
    for hour in closed_hours(state):
        if first <= hour.hour <= last:
            found = _with(found, hour, interval_ms)
    return found if found.seen else None


def _known(state: HourState, first: int) -> Day:
    if state.day:
        fields = _DAY.unpack(state.day)
        if fields[0] == first:
            return Day(*fields)
    return Day(first)


def _with(day: Day, hour: Hour, interval_ms: int) -> Day:
    _, used, seen, total, other, low, high, worst = hour
    first, hours, all_used, all_seen, all_total, all_other, means, others, lowest, highest, worst_of_all = day
    if used:
        all_total, all_other = all_total + total, all_other + other
        lowest, highest = min(low, lowest), max(high, highest)
        if hour.completeness(interval_ms) >= COMPLETE:
            hours, means, others = hours + 1, means + total / used, others + other / used
    worst_of_all = worst if worst == worst_of_all else worse(worst_of_all, worst)
    return Day(first, hours, all_used + used, all_seen + seen, all_total, all_other, means, others, lowest, highest, worst_of_all)
