"""Everything that speaks in the demo: the simulated stations, and a real series moved to today.

The messages of any span of time are a function of that span (and of the scenario's start), so the 24 hours before the
start, the demo itself and a demo that resumes tomorrow are one and the same city.
"""

from __future__ import annotations

import asyncio
import heapq
from bisect import bisect_right
from collections.abc import Iterator
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path

import orjson

from devices.times import format_instant
from gateway.clock import Clock
from gateway.series.maps import load_map
from gateway.series.read import SeriesRow, read_series
from gateway.simulate.city import DAY, HOUR
from gateway.simulate.fleet import Outgoing, registry_fleet
from gateway.simulate.options import BrokerOptions, SimulateOptions, Summary
from gateway.simulate.publisher import on_clock, publish_batches
from gateway.simulate.scenario import load_scenario

SEED = 2026
SERIES_DEVICE = "hn-01"
SERIES_TOPIC = "sensors/air/hn-01"
_SERIES_START_MS = 1_570_467_600_000  # 8 October 2019, 00:00 in Hanoi
_SERIES_LENGTH_MS = 84 * DAY
"""Twelve weeks: repeated whole, so that hour of day and day of week stay what they were."""


def demo_file(name: str) -> Path:
    """A file of the demo (`stations.yaml`, `rules.yaml`, `scenario.yaml`, `envgw.yaml`, the series)."""
    found: Traversable = resources.files("gateway").joinpath("demo", name)
    return Path(str(found))


class RealSeries:
    """The Hanoi hours of 2019, repeated every twelve weeks, as an air node would send them."""

    def __init__(self, path: Path | None = None) -> None:
        rows = read_series(path or demo_file("hanoi-pm25-2019.csv"), load_map("airnow"))
        self._rows: list[tuple[int, SeriesRow]] = sorted(
            (row.time_ms - _SERIES_START_MS, row) for row in rows if 0 < row.time_ms - _SERIES_START_MS <= _SERIES_LENGTH_MS
        )
        self._offsets = [offset for offset, _ in self._rows]

    def messages(self, since_ms: int, until_ms: int) -> Iterator[Outgoing]:
        """The hours labelled within (since_ms, until_ms], a missing value as null."""
        at_ms = since_ms
        while at_ms < until_ms:
            turn_ms = at_ms - (at_ms - _SERIES_START_MS) % _SERIES_LENGTH_MS
            for offset, row in self._rows[bisect_right(self._offsets, at_ms - turn_ms) :]:
                if turn_ms + offset > until_ms:
                    return
                time_ms = turn_ms + offset
                body = {"device": SERIES_DEVICE, "time": format_instant(time_ms), "pm25": row.values["pm25"]}
                yield Outgoing(time_ms, SERIES_TOPIC, orjson.dumps(body))
            at_ms = turn_ms + _SERIES_LENGTH_MS


class DemoCity:
    """The demo's 12 stations and the real series. `start_ms` is when the scenario (smoke at 80 minutes …) starts."""

    def __init__(self, *, start_ms: int, seed: int = SEED, scenario: Path | None = None) -> None:
        whole = registry_fleet(
            demo_file("stations.yaml"), scenario=load_scenario(scenario or demo_file("scenario.yaml")), seed=seed, start_ms=start_ms
        )
        whole.devices = [device for device in whole.devices if device.id != SERIES_DEVICE]
        self.fleet = whole
        self.series = RealSeries()

    def messages(self, since_ms: int, until_ms: int) -> Iterator[Outgoing]:
        """Everything that is sent in (since_ms, until_ms], in order of time."""
        return heapq.merge(
            self.fleet.messages(since_ms, until_ms), self.series.messages(since_ms, until_ms), key=lambda message: message.time_ms
        )


async def run_city(city: DemoCity, *, broker: BrokerOptions, clock: Clock, since_ms: int, stop: asyncio.Event) -> Summary:
    """Publish what the city says on the demo's clock, from just after `since_ms` until `stop` is set."""
    summary = Summary(faults=city.fleet.faults)
    await publish_batches(on_clock(city, clock, stop, since_ms=since_ms), SimulateOptions(broker=broker), summary, stop)
    return summary


HISTORY_MS = 24 * HOUR
"""How much of the city's past the demo imports before it starts."""
