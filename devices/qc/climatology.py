"""Climatology: spans that depend on the date, the season or the hour (`ioos_qc.qartod.climatology_test`).

Of the members whose time (and depth) span holds a reading the last one judges it: outside its `fail` span 4, else outside its
`values` span 3, else 1. No member: not evaluated (2). Unlike `ioos_qc`, a missing value is 9 with every period (there it becomes
1 with month, day of year and hour: domain.md 0.6).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

from devices.parameters import Span
from devices.qc.stream import Verdicts, present
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

Period = Literal["month", "week", "dayofyear", "hour", "quarter"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Member(NamedTuple):
    """One line of a climatology. All spans include both ends."""

    times: Span
    """With a period the numbers of months (1-12), ISO weeks (1-53), days (1-366), hours (0-23), quarters (1-4); else ms."""
    values: Span
    """Usual values; outside them suspect."""
    fail: Span | None = None
    period: Period | None = None
    depths: Span | None = None
    """m, positive down. A member with depths judges only readings that have one."""


class Climatology(NamedTuple):
    """Settings."""

    members: tuple[Member, ...]
    zone: tzinfo = UTC
    """In whose months and hours the members are meant."""

    def start(self) -> None:
        """No state: each value stands for itself."""

    def push(self, state: None, time_ms: int, value: float | None, depth: float | None = None) -> Verdicts:
        return ((time_ms, self.flag(time_ms, value, depth)),)

    def finish(self, state: None) -> Verdicts:
        return ()

    def flag(self, time_ms: int, value: float | None, depth: float | None = None) -> int:
        """The verdict on one reading."""
        value = present(value)
        if value is None:
            return MISSING
        at = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(self.zone)
        for member in reversed(self.members):
            when = time_ms if member.period is None else _number(at, member.period)
            if member.times[0] <= when <= member.times[1] and _at_depth(member.depths, present(depth)):
                if member.fail is not None and not member.fail[0] <= value <= member.fail[1]:
                    return FAIL
                return GOOD if member.values[0] <= value <= member.values[1] else SUSPECT
        return NOT_EVALUATED


def _number(at: datetime, period: Period) -> int:
    if period == "month":
        return at.month
    if period == "hour":
        return at.hour
    if period == "dayofyear":
        return at.timetuple().tm_yday
    if period == "quarter":
        return (at.month + 2) // 3
    return at.isocalendar().week


def _at_depth(depths: Span | None, depth: float | None) -> bool:
    return depths is None or (depth is not None and depths[0] <= depth <= depths[1])
