"""Carries out `retention` of `influxdb` histories: raw readings of days that are over are deleted there (docs/decisions/0021).

A whole day at a time, for each deletion makes the server rewrite what it keeps of that time. DuckDB does it in its own file. What a
server cannot do now it is asked again an hour later: nothing waits for it, and the history's lane, which meets the same trouble, tells
of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.errors import DeliveryError
from gateway.history.durations import DAY_MS
from gateway.history.influx_upkeep import InfluxUpkeep
from gateway.settings import HistorySection

log = structlog.get_logger("retention")

FIRST_S = 120.0
"""The first time so long after the start: lanes that have a backlog come first (real seconds)."""

EVERY_S = 3600.0
"""How often it is looked whether another day is over, or what failed can be done now (real seconds)."""


class Retention:
    """`run` returns only when cancelled, or at once if no history asks for it."""

    def __init__(
        self, sections: Sequence[HistorySection], now_ms: Callable[[], int], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._sections = [section for section in sections if section.kind == "influxdb" and section.retention is not None]
        self._now_ms = now_ms
        self._sleep = sleep

    async def run(self) -> None:
        """For ever: each history in turn."""
        pause_s = FIRST_S
        while self._sections:
            await self._sleep(pause_s)
            for section in self._sections:
                await self._one(section)
            pause_s = EVERY_S

    async def _one(self, section: HistorySection) -> None:
        assert section.retention is not None
        upkeep = InfluxUpkeep(section)
        try:
            until_ms = self._now_ms() - section.retention
            requests = await upkeep.forget(until_ms - until_ms % DAY_MS)
        except DeliveryError as error:
            log.warning("old readings could not be deleted; it is tried again in an hour", history=section.name, reason=error.reason)
        else:
            if requests:
                log.info("old readings deleted", history=section.name, requests=requests)
        finally:
            await upkeep.close()
