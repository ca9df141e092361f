"""When time alone can change what a condition says: the whole minutes at which it must be looked at without a reading.

    age(pm25)                     each minute: it grows
    minute, time in a sum         each minute
    hour                          each full hour of the city's zone
    time >= 22:00                 22:00, the minute after, and midnight
    weekday, day, month           midnight
    limit('QCVN 05:2023', …)      the days on which another number comes into force

What a window holds, and whether a value has run out, is not asked here: that is looked at with readings and timers, for rules with
`limit(…)` as for those with the number itself (docs/decisions/0026).
Which moments a condition has says `rules.language.reach.moments_of`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

_MINUTE_MS = 60_000
_DAY_MINUTES = 24 * 60


class Moments(NamedTuple):
    """`always`: each whole minute. Else minutes of the local day, and instants (ms since the epoch) in rising order."""

    always: bool = False
    minutes: frozenset[int] = frozenset()
    instants: tuple[int, ...] = ()

    def next_ms(self, after_ms: int, zone: tzinfo) -> int | None:
        """The first of them that is later than `after_ms`, but for those of `always`; None if there is none."""
        found = next((at_ms for at_ms in self.instants if at_ms > after_ms), None)
        if self.minutes:
            daily = _next_daily(self.minutes, after_ms, zone)
            found = daily if found is None else min(found, daily)
        return found


NEVER = Moments()
"""Time alone changes nothing."""


def joined(parts: Iterable[Moments]) -> Moments:
    """Of several conditions."""
    found = list(parts)
    return Moments(
        any(part.always for part in found),
        frozenset[int]().union(*(part.minutes for part in found)),
        tuple(sorted({at_ms for part in found for at_ms in part.instants})),
    )


def _next_daily(minutes: frozenset[int], after_ms: int, zone: tzinfo) -> int:
    """The next instant at which the local clock shows one of these minutes, or is put forward or back."""
    day = datetime.fromtimestamp(after_ms // 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for ahead in range(3):
        found = min((at_ms for at_ms in _on(day + timedelta(days=ahead), minutes, zone) if at_ms > after_ms), default=None)
        if found is not None:
            return found
    raise AssertionError("a day has a midnight")


def _on(day: datetime, minutes: frozenset[int], zone: tzinfo) -> Iterable[int]:
    """The instants of one local day. If its clock is put forward or back then, each full quarter of an hour: that is when it is done."""
    start, end = (_at(day + timedelta(days=days), zone) for days in (0, 1))
    yield start  # where the minutes begin anew, even if the clock never shows 00:00
    if end - start == _DAY_MINUTES * _MINUTE_MS:
        yield from (start + minute * _MINUTE_MS for minute in minutes)
        return
    yield from range(start, end, 15 * _MINUTE_MS)
    for minute in minutes:
        local = day + timedelta(minutes=minute)
        yield from (_at(local, zone, fold=0), _at(local, zone, fold=1))


def _at(local: datetime, zone: tzinfo, *, fold: int = 0) -> int:
    return int(local.replace(tzinfo=zone, fold=fold).timestamp()) * 1000
