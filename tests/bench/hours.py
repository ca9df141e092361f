"""The turn of an hour: what closing one costs a station, and what readings that arrive meanwhile notice of it.

1,000 stations with five pollutants, whose hourly means reach back a day. Alone: CPU of the first message of an hour less that of any
other one, from memory. Latency: messages arrive at a steady rate; what has arrived is one batch, which is stepped and committed to a
real ledger; from a message's arrival to the end of its commit, before and across the turn, on a clock of CPU time and 1 ms a commit.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.app import COLLECT_AFTER
from gateway.core import Core
from gateway.core.inputs import Input, Message
from gateway.ledger import Ledger
from gateway.settings import LedgerSection
from tests.bench.measure import Table, percentile
from tests.bench.plant import Plant
from tests.tools import town

HOUR_MS = 3_600_000
_QUARTER_MS = HOUR_MS // 4
_DISK_S = 0.001
"""What the disk takes for a commit, as measured on a calm machine (`parts`)."""
_DAY = 26
"""Hours before the one that is measured: the rings are full."""


class Latency(NamedTuple):
    """Milliseconds from arrival to commit, of each message."""

    before: list[float]
    across: list[float]


def measure(plant: Plant, table: Table, *, stations: int, rates: Sequence[float]) -> None:
    """Adds the rows."""
    core = _lived(stations)
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)  # as the gateway does when it has started
    try:
        _rows(plant, table, core, stations, rates)
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


def _rows(plant: Plant, table: Table, core: Core, stations: int, rates: Sequence[float]) -> None:
    ms = _alone(core, stations)
    table.add("the turn of an hour, of one station: summaries, indices, derived parameters", f"{ms:.3f} ms CPU", "0.1 ms", ms <= 0.1)
    for number, rate in enumerate(rates):
        found = latency(core, plant.new_folder("ledger"), stations, rate, _DAY + 3 + 2 * number)
        table.add(
            f"arrival → commit at {rate:,.0f} messages/s, p99 before the turn / across it, all {stations:,} stations closing their hour",
            f"{percentile(found.before, 99):.1f} / {percentile(found.across, 99):.1f} ms (longest {max(found.across):.0f} ms)",
        )


def _lived(stations: int) -> Core:
    data = town.plain(air=stations, water=0, rules=[])
    for station in data["stations"]:
        station["devices"][0]["interval"] = "15m"
    core = town.started(data)
    for hour in range(_DAY):
        for quarter in range(4):
            core.step(_round(stations, hour, quarter))
    return core


def _round(stations: int, hour: int, quarter: int) -> list[Message]:
    """One message of each station."""
    at = town.NOW + hour * HOUR_MS + quarter * _QUARTER_MS
    return [_message(number, at + number, hour * 4 + quarter) for number in range(stations)]


def _message(number: int, at: int, step: int) -> Message:
    body = {
        "device": f"an-{number}",
        "time": at,
        "pm25": 30 + (step + number) % 5,
        "pm10": 50 + (step + number) % 7,
        "no2": 20 + step % 3,
        "o3": 60 + step % 4,
        "co": 900 + step % 9,
    }
    return Message(at, town.BROKER, f"sensors/air/an-{number}", json.dumps(body).encode(), 1, False, False, 1)


def _alone(core: Core, stations: int) -> float:
    """Milliseconds of CPU: the best of three hours."""
    turns, others = [], []
    for hour in range(_DAY, _DAY + 3):
        for quarter in range(4):
            batch = _round(stations, hour, quarter)
            began = time.process_time()
            core.step(batch)
            (others if quarter else turns).append((time.process_time() - began) / stations * 1e3)
    return min(turns) - min(others)


def latency(core: Core, folder: Path, stations: int, rate: float, hour: int) -> Latency:
    """Every station speaks once before the end of this hour and once after it, evenly spaced."""
    for quarter in range(3):
        core.step(_round(stations, hour, quarter))
    before, across = _round(stations, hour, 3), _round(stations, hour + 1, 0)
    ledger = Ledger(folder / "ledger.db", LedgerSection(low_water=1 << 20, reserve=1 << 20))
    try:
        return Latency(_arriving(core, ledger, before, rate), _arriving(core, ledger, across, rate))
    finally:
        ledger.close()


def _arriving(core: Core, ledger: Ledger, messages: list[Message], rate: float) -> list[float]:
    """The clock is this process's CPU time, and `_DISK_S` more for each commit: other programs on the machine do not count."""
    found: list[float] = []
    now, taken = 0.0, 0
    while taken < len(messages):
        now = max(now, taken / rate)  # nobody waits: the next one is waited for
        due = min(len(messages), max(taken, int(now * rate)) + 1)
        batch: list[Input] = list(messages[taken:due])
        began = time.process_time()
        ledger.commit(batch, core.step(batch))
        now += time.process_time() - began + _DISK_S
        found += [(now - number / rate) * 1e3 for number in range(taken, due)]
        taken = due
    return found
