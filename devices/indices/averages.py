"""Means of hourly means, with the hours that they need.

Decision 1459/QĐ-TCMT sets no quota; 75 % (45 minutes of an hour, 6 of 8 hours, 18 of 24) is usual and is this product's default.
A maximum of a day needs 75 % of its hours too: the largest of three night hours is not the day's maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, fsum

from devices.indices.rounding import settled

COMPLETENESS = 0.75
_UNTHINKABLE = 1e9
"""No concentration in µg/m³ or mg/L is that large. Such numbers, infinities and NaN are no data."""


def needed(hours: int) -> int:
    """How many of so many hours must have a value: 6 of 8, 18 of 24."""
    return ceil(hours * COMPLETENESS)


def usable(hours: Iterable[float | None]) -> list[float | None]:
    """The same hours, with None for what is no number."""
    return [hour if hour is not None and -_UNTHINKABLE < hour < _UNTHINKABLE else None for hour in hours]


def mean(hours: Sequence[float | None], of: int) -> float | None:
    """Mean of the last `of` hours (newest last), None where fewer than 75 % of them have a value."""
    recent = hours[-of:]
    if of == 1:
        newest = recent[0] if recent else None
        return settled(newest) if newest is not None and -_UNTHINKABLE < newest < _UNTHINKABLE else None
    try:  # nearly always all hours are there
        total = fsum(recent)  # type: ignore[arg-type]
        if len(recent) >= needed(of) and min(recent) > -_UNTHINKABLE and max(recent) < _UNTHINKABLE and total == total:  # type: ignore[type-var,operator]
            return settled(total / len(recent))
    except (TypeError, ValueError, OverflowError):  # None, infinities of both signs, too large
        pass
    present = [hour for hour in recent if hour is not None and -_UNTHINKABLE < hour < _UNTHINKABLE]
    return settled(fsum(present) / len(present)) if len(present) >= needed(of) else None


def trailing(hours: Sequence[float | None], before: Sequence[float | None], of: int) -> list[float | None]:
    """The trailing mean at each of `hours`: of itself and the `of - 1` hours before it, which begin in `before`.

    Decision 1459, section 1.3: 24 eight-hour means a day; that at 01:00 reaches back to 18:00 of the evening before.
    """
    lead = [None] * (of - 1) + list(before)
    row = lead[-(of - 1) :] + list(hours)
    return [mean(row[at : at + of], of) for at in range(len(hours))]


def largest(hours: Sequence[float | None], of: int = 24) -> float | None:
    """The largest of a day's values, None where fewer than 75 % of `of` hours have one."""
    present = [hour for hour in hours if hour is not None and -_UNTHINKABLE < hour < _UNTHINKABLE]
    return max(present) if len(present) >= needed(of) else None
