"""What is older than the journal comes from the history, for new windows that begin before it (semantics E6).

The journal is pruned behind the slowest required history: what it has no more, the history has. One query a station, the stations in
the order of their ids, so that what was filled when time ran out is whole. What comes of it is journalled with the configuration.

Derived parameters (`pm25_24h`) are asked for as far as the whole window reaches: a scratch core that begins with the journal cannot
know the hours before. The history keeps them under the begin of their hour, rules see them at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol

from devices.hours import HOUR_MS
from devices.loader import derived_table
from gateway.errors import DeliveryError
from gateway.history.base import StoredReading
from gateway.hydrate import Gap, Hydrating

WITHIN_S = 5.0
"""Filling from the history delays a start or a reload by no more than this (real seconds); what is not filled by then fills with time."""


class Asked(Protocol):
    """What is needed of a history (`gateway.history.base.History`)."""

    name: str

    def query(self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        """Readings with since < time <= until. Raises DeliveryError."""
        ...


class Filled(NamedTuple):
    """What came of it."""

    stations: int = 0
    of: int = 0
    """Stations that lacked a window."""
    trouble: str = ""
    """Why it stopped before all were asked for; empty if it did not."""


async def fill(work: Hydrating, history: Asked | None, now_ms: int, within_s: float = WITHIN_S) -> Filled:
    """Fill from the history what the journal is too young for. Never raises for the history's sake."""
    gap = work.gap
    if gap is None or history is None:
        return Filled()
    filled, of = 0, len(gap.parameters)
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        for station, parameters in gap.parameters.items():
            async with asyncio.timeout_at(deadline):
                rows = await _readings(history, station, parameters, gap, now_ms)
            if rows:
                await asyncio.to_thread(work.fill, station, rows)  # some ms, and never cut off in the middle
                filled += 1
    except TimeoutError:
        return Filled(filled, of, f"the history {history.name} took more than {within_s:g} s")
    except DeliveryError as error:
        return Filled(filled, of, error.reason)
    return Filled(filled, of)


async def _readings(history: Asked, station: str, parameters: tuple[str, ...], gap: Gap, now_ms: int) -> list[StoredReading]:
    derived = derived_table()
    measured = [name for name in parameters if name not in derived]
    hourly = [name for name in parameters if name in derived and derived[name].of == "hour"]
    found: list[StoredReading] = []
    for names, until_ms, shift_ms in ((measured, gap.until_ms, 0), (hourly, now_ms - HOUR_MS, HOUR_MS)):
        since_ms = gap.since_ms - shift_ms
        if not names or until_ms <= since_ms:
            continue
        async with aclosing(history.query(station=station, parameters=names, since_ms=since_ms, until_ms=until_ms)) as rows:  # type: ignore[type-var]  # histories answer with generators
            found.extend([row._replace(time_ms=row.time_ms + shift_ms) async for row in rows])
    return found
