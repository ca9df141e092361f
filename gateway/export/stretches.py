"""A long period in stretches that a history can answer one after the other, and the readings of each.

A history sorts what it is asked for (station, device, parameter, time), so a question about years costs memory, disk and minutes
before the first row comes. Asked stretch by stretch it never does. How long a stretch is follows from how much the last one
held; stretches that hold something never cross the end of a month (UTC), because that is where a file ends.

                1970 ── a year at a time while nothing is found ──▶ first reading ── days to a month, about 500,000 readings each ──▶
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.errors import EnvgwError
from gateway.history.base import StoredReading

DAY_MS = 86_400_000
_YEAR_MS = 366 * DAY_MS
_MONTH_MS = 31 * DAY_MS
_AIM = 500_000
"""Readings that one question should bring."""
_TOGETHER = 1_000
"""Readings handed on at once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ask = Callable[[int, int], AsyncIterator[StoredReading]]
"""(since, until) in ms → the readings with since < time <= until."""


class Stretch(NamedTuple):
    """since < time <= until, in ms."""

    since_ms: int
    until_ms: int


def month_of(time_ms: int) -> str:
    """`2026-11`, in UTC."""
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m}"


def month_around(time_ms: int) -> Stretch:
    """The whole month (UTC) of an instant: its first millisecond belongs to it, that of the next month does not."""
    first = (_EPOCH + timedelta(milliseconds=time_ms)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return Stretch(_ms(first) - 1, _ms(following) - 1)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


async def readings(
    ask: Ask, whole: Stretch, *, skip: Sequence[Stretch] = (), passed: Callable[[int], None] = lambda until_ms: None
) -> AsyncGenerator[list[StoredReading]]:
    """Lists of readings; one list lies within one month, and months come in order. `skip`: stretches that need not be asked for.

    `passed` is called with the instant up to which everything has been given. Raises what `ask` raises; a question that fails
    before its first answer is first asked again about less.
    """
    at, width = whole.since_ms, DAY_MS if whole.since_ms > 0 else _YEAR_MS
    while at < whole.until_ms:
        known = next((stretch for stretch in skip if stretch.since_ms <= at < stretch.until_ms), None)
        if known is not None:
            at = known.until_ms
            continue
        ends = [whole.until_ms, at + width, *(stretch.since_ms for stretch in skip if stretch.since_ms > at)]
        month_end = month_around(at + 1).until_ms
        end = min(*ends, month_end) if width <= _MONTH_MS else min(ends)
        found = 0
        try:
            async with aclosing(together(ask(at, end))) as lists:
                async for batch in lists:
                    if end > month_end:
                        break  # only what is empty may be longer than a month: ask again, for less
                    found += len(batch)
                    yield batch
                else:
                    passed(end)
                    at, width = end, _next_width(end - at if found else width, found)
                    continue
        except EnvgwError:
            if found or end - at <= DAY_MS:
                raise
            width = max(DAY_MS, (end - at) // 4)
            continue
        width = DAY_MS


def _next_width(width: int, found: int) -> int:
    """After a stretch of this width that held so many readings."""
    if not found:
        return min(width * 2, _YEAR_MS)
    return min(max(DAY_MS, width * min(8, _AIM // found)), _MONTH_MS)


async def together(rows: AsyncIterator[StoredReading]) -> AsyncGenerator[list[StoredReading]]:
    """Readings in lists of up to `_TOGETHER`; closes `rows`."""
    batch: list[StoredReading] = []
    try:
        async for row in rows:
            batch.append(row)
            if len(batch) == _TOGETHER:
                yield batch
                batch = []
        if batch:
            yield batch
    finally:
        close = getattr(rows, "aclose", None)
        if close is not None:
            await close()
