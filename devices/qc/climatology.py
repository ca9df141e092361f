"""Climatology: what is usual at this time of the year or day (`ioos_qc.qartod.climatology_test`).

Members say: when (a span of dates, or of a period: month 1-12, week 1-53, day of the year 1-366, hour 0-23, …; both ends
included), what is usual there (`usual`; outside it suspect), optionally what is possible (`possible`; outside it fail), and
optionally a depth span. The last member that holds decides; none: not evaluated (2).

Differs from ioos_qc on purpose: a missing value is missing (9); there it comes back good where a member has a period of month,
day of the year or hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Literal, NamedTuple

from devices.parameters import Span
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

Period = Literal["year", "quarter", "month", "week", "weekofyear", "dayofyear", "dayofweek", "hour"]

PERIODS: dict[str, Callable[[datetime], int]] = {
    "year": lambda at: at.year,
    "quarter": lambda at: (at.month + 2) // 3,
    "month": lambda at: at.month,
    "week": lambda at: at.isocalendar().week,
    "weekofyear": lambda at: at.isocalendar().week,
    "dayofyear": lambda at: at.timetuple().tm_yday,
    "dayofweek": lambda at: at.weekday(),
    "hour": lambda at: at.hour,
}


class Member(NamedTuple):
    """One entry. `when` is in the period's numbers, or in ms since the epoch where there is no period."""

    when: tuple[float, float]
    usual: Span
    possible: Span | None = None
    depth: Span | None = None
    period: Period | None = None


def verdict(time_ms: int, value: float | None, members: Sequence[Member], zone: tzinfo, depth: float | None = None) -> int:
    """Of one value at one time; `zone` is where months and hours are counted."""
    if value is None:
        return MISSING
    found = NOT_EVALUATED
    at = datetime.fromtimestamp(time_ms / 1000, zone)
    for member in members:
        now = time_ms if member.period is None else PERIODS[member.period](at)
        if not member.when[0] <= now <= member.when[1]:
            continue
        if member.depth is not None and (depth is None or not member.depth[0] <= depth <= member.depth[1]):
            continue
        if member.possible is not None and not member.possible[0] <= value <= member.possible[1]:
            found = FAIL
        elif not member.usual[0] <= value <= member.usual[1]:
            found = SUSPECT
        else:
            found = GOOD
    return found
