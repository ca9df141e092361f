"""The gateway's parts alone, in this process: the core from memory, one commit, the two history lanes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from devices.reading import Line
from gateway.core import Core
from gateway.core.inputs import Input, Message
from gateway.core.outcomes import Outcomes
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.influxdb import InfluxHistory
from gateway.ledger import Ledger
from gateway.settings import HistorySection, LedgerSection
from tests.bench import rules, stream
from tests.bench.measure import Table, middle, percentile
from tests.bench.plant import Plant
from tests.tools import town

_BATCH = 500
_PARAMETERS = len(stream.PARAMETERS)


def measure(plant: Plant, table: Table, *, count: int, rounds: int) -> float:
    """Returns the median time of a commit of one message, in ms."""
    outcomes: list[tuple[Sequence[Input], Outcomes]] = []
    times = [_core(count, outcomes if first else None) for first in [True] + [False] * (rounds - 1)]
    table.add(
        "core alone: `core.step`, 5 parameters, 20 rules, batches of 500",
        f"{middle(times):.1f} µs CPU a message",
        "≤ 16, aim 10",
        middle(times) <= 16,
    )
    rules.measure(table, list(_batches(count)))
    commits = _commits(plant.new_folder("ledger"), outcomes[0])
    table.add("one commit of the ledger, one message", f"{percentile(commits, 50):.2f} ms p50, {percentile(commits, 99):.2f} ms p99")
    table.add("commit of 500 messages", f"{_bulk(plant.new_folder('ledger'), outcomes):.1f} µs CPU a message")
    lines = [step.lines for _, step in outcomes]
    duck = asyncio.run(_duckdb(plant.new_folder("duckdb", make=True), lines))
    table.add("DuckDB lane: append, commit, checkpoints included", f"{duck:.2f} µs CPU a value", "≤ 2", duck <= 2)
    table.add("InfluxDB lane: encode and send", f"{asyncio.run(_influx(plant, lines)):.1f} µs CPU a message")
    return percentile(commits, 50)


def _started(stations: int) -> Core:
    return rules.started(stream.rules(20), stations)


def _batches(count: int) -> Iterator[list[Input]]:
    now = int(time.time() * 1000)
    taken: list[Input] = []
    for number, (topic, payload) in enumerate(stream.messages(count, last_ms=now)):
        taken.append(Message(now, town.BROKER, topic, payload, 1, False, False, number % 65_535 + 1))
        if len(taken) == _BATCH:
            yield taken
            taken = []


def _core(count: int, keep: list[tuple[Sequence[Input], Outcomes]] | None) -> float:
    """Median over the batches, after every device has spoken twice."""
    core = _started(stream.DEVICES)
    found = []
    batches = list(_batches(count))
    gc.collect()
    gc.freeze()
    for number, batch in enumerate(batches):
        began = time.process_time()
        out = core.step(batch)
        took = time.process_time() - began
        if out.stored != len(batch):
            raise RuntimeError(f"the core refused: {out.rejections[:1]}")
        if number * _BATCH >= 2 * stream.DEVICES:
            found.append(took / len(batch) * 1e6)
        if keep is not None:
            keep.append((batch, out))
    gc.unfreeze()
    return middle(found)


def _commits(folder: Path, step: tuple[Sequence[Input], Outcomes]) -> list[float]:
    """Milliseconds of commits of one message each, a moment apart, as they come when little happens."""
    inputs, outcomes = step
    one = Outcomes(lines=outcomes.lines[:1], journal=[0], received=1, stored=1)
    found = []
    ledger = Ledger(folder / "ledger.db", LedgerSection(low_water=1 << 20, reserve=1 << 20))
    try:
        for _ in range(200):
            began = time.perf_counter()
            ledger.commit(inputs[:1], one)
            found.append((time.perf_counter() - began) * 1e3)
            time.sleep(0.01)
    finally:
        ledger.close()
    return found


def _bulk(folder: Path, steps: list[tuple[Sequence[Input], Outcomes]]) -> float:
    ledger = Ledger(folder / "ledger.db", LedgerSection(low_water=1 << 20, reserve=1 << 20))
    try:
        began = time.process_time()
        for inputs, outcomes in steps:
            ledger.commit(inputs, outcomes)
        return (time.process_time() - began) / sum(len(inputs) for inputs, _ in steps) * 1e6
    finally:
        ledger.close()


async def _duckdb(folder: Path, batches: list[list[Line]]) -> float:
    history = DuckDBHistory(HistorySection(name="local", kind="duckdb"), folder)
    await history.write(batches[0], 1)  # opens the file
    began = time.process_time()
    for number, lines in enumerate(_joined(batches[1:]), 2):
        await history.write(lines, number)
    used = time.process_time() - began
    await history.close()
    return used / sum(len(lines) for lines in batches[1:]) / _PARAMETERS * 1e6


async def _influx(plant: Plant, batches: list[list[Line]]) -> float:
    plant.influx.create("lane")
    history = InfluxHistory(HistorySection(name="influx", kind="influxdb", api="v1", url=plant.influx.url, bucket="lane"))
    await history.write(batches[0], 1)
    began = time.process_time()
    for number, lines in enumerate(_joined(batches[1:]), 2):
        if refused := await history.write(lines, number):
            raise RuntimeError(f"InfluxDB refused {refused[0]}")
    used = time.process_time() - began
    await history.close()
    return used / sum(len(lines) for lines in batches[1:]) * 1e6


def _joined(batches: list[list[Line]]) -> Iterator[list[Line]]:
    """As a lane joins them: up to 5,000 lines a write."""
    for start in range(0, len(batches), 10):
        yield [line for batch in batches[start : start + 10] for line in batch]
