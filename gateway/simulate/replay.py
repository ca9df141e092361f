"""A real series as a device would have sent it: one message a row, in the file's units, with its own time.

Topic `series/<map>/<station>`, payload `{"time": epoch ms, "<parameter>": value or null, …}`. The device type that
decodes it is built from the same map (`gateway.series.device_type`), so units are converted by the gateway's own code.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import orjson

from gateway.clock import Clock
from gateway.series.maps import SeriesError, SeriesMap, load_map
from gateway.series.read import SeriesRow, read_series
from gateway.simulate.fleet import Outgoing
from gateway.simulate.options import SimulateOptions, Summary

_BATCH = 500
_PROBLEMS_KEPT = 10


def topic_of(series_map: SeriesMap, station: str) -> str:
    """Where a row of this station is published."""
    return f"series/{series_map.map}/{station}"


def message_of(series_map: SeriesMap, row: SeriesRow, shift_ms: int = 0) -> Outgoing:
    """A row as the message that is published for it."""
    time_ms = row.time_ms + shift_ms
    return Outgoing(time_ms, topic_of(series_map, row.station), orjson.dumps({"time": time_ms, **row.values}))


async def replay_batches(options: SimulateOptions, clock: Clock, stop: asyncio.Event, summary: Summary) -> AsyncIterator[list[Outgoing]]:
    """The rows of `options.replay` at `options.speed`, in the file's order.

    Lines that cannot be read are counted in `summary.skipped` and left out; the first ten stand in `summary.problems`.
    """
    assert options.replay is not None
    assert options.map is not None
    series_map = load_map(options.map)

    def report(problem: SeriesError) -> None:
        summary.skipped += 1
        if len(summary.problems) < _PROBLEMS_KEPT:
            summary.problems.append(str(problem))

    rows = read_series(options.replay, series_map, on_problem=report)
    messages = _messages(series_map, rows, clock.now_ms() if options.shift_to_now else None, summary)
    if options.speed == "max":
        async for batch in _as_fast_as_it_goes(messages, stop):
            yield batch
        return
    async for batch in _at_pace(messages, options.speed, stop):
        yield batch


def _messages(series_map: SeriesMap, rows: Iterator[SeriesRow], first_at_ms: int | None, summary: Summary) -> Iterator[Outgoing]:
    shift_ms = 0
    for row in rows:
        if summary.rows == 0 and first_at_ms is not None:
            shift_ms = first_at_ms - row.time_ms
        summary.rows += 1
        yield message_of(series_map, row, shift_ms)


async def _as_fast_as_it_goes(messages: Iterator[Outgoing], stop: asyncio.Event) -> AsyncIterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    for message in messages:
        batch.append(message)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
        if stop.is_set():
            return
    if batch:
        yield batch


async def _at_pace(messages: Iterator[Outgoing], speed: float, stop: asyncio.Event) -> AsyncIterator[list[Outgoing]]:
    began = time.monotonic()
    first_ms: int | None = None
    batch: list[Outgoing] = []
    for message in messages:
        if first_ms is None:
            first_ms = message.time_ms
        wait_s = (message.time_ms - first_ms) / 1000 / speed - (time.monotonic() - began)
        if wait_s > 0.005 or len(batch) >= _BATCH:
            if batch:
                yield batch
                batch = []
            wait_s = (message.time_ms - first_ms) / 1000 / speed - (time.monotonic() - began)
            if wait_s > 0:
                try:
                    await asyncio.wait_for(stop.wait(), wait_s)
                except TimeoutError:
                    pass
        if stop.is_set():
            return
        batch.append(message)
    if batch:
        yield batch
