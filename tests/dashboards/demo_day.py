"""A day of the demo as the histories get it: the simulated city, taken in by the core without broker, ledger or clock.

From one city midnight to an hour after the next: smoke, silent sensors, a broken one, daily indices. What only a running gateway
writes (its own accounting) and what the demo's sensors do not say (a clock that is wrong, an acknowledgement) is added here.
"""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Iterator
from functools import cache

from devices.reading import Line, Value
from gateway import coreconfig
from gateway.config import load
from gateway.core import Core
from gateway.core.inputs import Command, Config, Input, Link, Start
from gateway.demo.backfill import backfill
from gateway.demo.city import DemoCity, demo_file
from gateway.history.line_protocol import Encoder
from tests.tools.history_servers import Influxd

HOUR_MS = 3_600_000
START_MS = 1_773_421_200_000
"""14 March 2026, 00:00 in Da Nang."""
LENGTH_MS = 25 * HOUR_MS
END_MS = START_MS + LENGTH_MS
GATEWAY = "demo"
BATCH = 250


@cache
def lines() -> tuple[Line, ...]:
    """Everything that the core hands to the histories on that day, in order."""
    config = coreconfig.build(load(demo_file("envgw.yaml"), environ={}))
    core, found = Core(), list[Line]()

    def step(inputs: list[Input]) -> None:
        found.extend(core.step(inputs).lines)

    messages = list(backfill(DemoCity(start_ms=START_MS), END_MS, length_ms=LENGTH_MS))
    first = messages[0].received_ms - 1
    step([Start(first, "test"), Config(first, config.digest, config.text), Link(first, "demo", True)])
    acknowledged = False
    for at in range(0, len(messages), BATCH):
        batch = messages[at : at + BATCH]
        step([*batch])
        firing = [dict(line.notes)["episode"] for line in found if line.medium == "alert" and dict(line.notes)["rule"] == "pm25-smoke"]
        if firing and not acknowledged:
            step([Command(batch[-1].received_ms, "acknowledge", str(firing[0]), "operator", "")])
            acknowledged = True
    return tuple(found)


def added() -> Iterator[Line]:
    """What the demo's day lacks: the gateway's accounting once a minute, what a device says about its clock, summaries of the day."""
    yield from _days()
    for minute in range(LENGTH_MS // 60_000):
        at, received = START_MS + minute * 60_000, minute * 7.0
        refused = float(minute // 10)
        notes = {
            "received": received,
            "stored": received - refused,
            "rejected": refused,
            "rejected_not-json": refused,
            "duplicate": 0.0,
            "shed": 0.0,
            "alerts_firing": 1.0,
            "health": 0.0,
            "memory_mb": 92.0 + math.sin(minute / 60),
            "commit_ms": 2.5,
        }
        yield Line("gateway", GATEWAY, "-", "", at, (), tuple(notes.items()))
        for lane in ("local", "influxdb"):
            yield Line("gateway", GATEWAY, lane, "", at, (), (("pending", float(minute % 3)),))
        if minute % 10 == 0:
            yield Line("device", "cam-le-01", "an-09", "cam-le/khue-trung", at + 1, (Value("clock_skew", 4000.0, 1),))


def _days() -> Iterator[Line]:
    """`<medium>_1d` of the whole day, from its hours: the same fields, stamped with the day's start."""
    hours: dict[tuple[str, str, str, str], dict[str, list[tuple[float, float]]]] = {}
    for line in lines():
        if line.medium.endswith("_1h") and line.values and START_MS <= line.time_ms < START_MS + 24 * HOUR_MS:
            complete = {name.removesuffix("_complete"): float(part) for name, part in line.notes if name.endswith("_complete")}
            place = hours.setdefault((line.medium.replace("_1h", "_1d"), line.station, line.device, line.area), {})
            for value in line.values:
                if value.value is not None:
                    place.setdefault(value.parameter, []).append((value.value, complete[value.parameter]))
    for (medium, station, device, area), parameters in hours.items():
        values, notes = [], list[tuple[str, str | float]]()
        for name, of_hours in parameters.items():
            means = [mean for mean, _ in of_hours]
            values.append(Value(name, sum(means) / len(means), 1))
            notes += [(f"{name}_min", min(means)), (f"{name}_max", max(means)), (f"{name}_count", 30.0 * len(means))]
            notes += [(f"{name}_complete", sum(part for _, part in of_hours) / 24), (f"{name}_worst", 1.0)]
        yield Line(medium, station, device, area, START_MS, tuple(values), (*notes, ("final", 1.0)))


def write(server: Influxd, database: str) -> None:
    """The whole day into an empty database."""
    server.create(database)
    _, texts, refused = Encoder().encode([*lines(), *added()])
    assert refused == []
    for at in range(0, len(texts), 5000):
        body = "\n".join(texts[at : at + 5000]).encode()
        request = urllib.request.Request(f"{server.url}/write?db={database}&precision=ms", data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 204
