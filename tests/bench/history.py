"""The embedded history when it is large: questions to a file of many days, and how long writing waits for tidying.

The files are filled by SQL, in the order in which sealing leaves rows, because a month of readings would take an hour to write as a
lane writes them. What is asked goes the whole way of `envgw query`, up to readings in Python.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from devices.reading import Line, Value
from gateway.history.base import Resolution
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.duckdb_tidy import SEAL_ROWS
from gateway.settings import HistorySection
from tests.bench.measure import Table, percentile
from tests.bench.plant import Plant

T0 = 1_763_856_000_000
DAY_MS = 86_400_000
PARAMETERS = 5
SECTION = HistorySection(name="local", kind="duckdb")


class Size(NamedTuple):
    """A history: stations, each with a reading a minute of five parameters, for so many days; hours of a year beside it."""

    stations: int
    days: int

    @property
    def values(self) -> int:
        return self.stations * self.days * 1440 * PARAMETERS


class Answer(NamedTuple):
    """CPU in ms until the first row and until the last, and how many there were."""

    first_ms: float
    whole_ms: float
    rows: int

    def __str__(self) -> str:
        return f"first row {self.first_ms:.0f} ms, all {self.rows:,} rows {self.whole_ms:.0f} ms CPU"


def measure(plant: Plant, table: Table, *, sizes: list[Size]) -> None:
    """Questions at each size, then the waits."""
    for size in sizes:
        asyncio.run(_questions(plant.new_folder("history", make=True), table, size))
    asyncio.run(_waits(plant.new_folder("history", make=True), table, 1000))


async def _questions(folder: Path, table: Table, size: Size) -> None:
    history = DuckDBHistory(SECTION, folder)
    await history.write([], 1)
    fill(history, size)
    end = T0 + size.days * DAY_MS
    what = f"DuckDB, {size.stations} stations × {size.days} days ({size.values / 1e6:.0f} M values)"
    asked: list[tuple[str, str | None, list[str] | None, int, Resolution, float]] = [
        ("one station, a day", "s7", None, end - DAY_MS, "raw", 200),
        ("one station, one parameter, all days", "s7", ["p1"], 0, "raw", 200),
        ("one station, all days", "s7", None, 0, "raw", 200),
        ("one station, one parameter, a year of hours", "s7", ["p1"], 0, "1h", 200),
        ("one station, a year of hours", "s7", None, 0, "1h", 200),
        ("all stations, one parameter, a day", None, ["p1"], end - DAY_MS, "raw", 1000),
        ("all stations, a day of hours", None, None, T0 + 364 * DAY_MS, "1h", 1000),
    ]
    for name, station, parameters, since_ms, resolution, budget_ms in asked:
        found = min([await ask(history, station, parameters, since_ms, resolution) for _ in range(3)], key=lambda one: one.whole_ms)
        table.add(f"{what}: {name}", str(found), f"≤ {budget_ms:.0f} ms", found.whole_ms <= budget_ms)
    await history.close()


async def ask(history: DuckDBHistory, station: str | None, parameters: list[str] | None, since_ms: int, resolution: Resolution) -> Answer:
    began = time.process_time()
    first, rows = 0.0, 0
    async for _ in history.query(
        station=station, parameters=parameters, since_ms=since_ms, until_ms=T0 + 365 * DAY_MS, resolution=resolution
    ):
        first = first or time.process_time() - began
        rows += 1
    return Answer(first * 1e3, (time.process_time() - began) * 1e3, rows)


def fill(history: DuckDBHistory, size: Size, *, sealed: bool = True) -> None:
    """`sealed`: in runs of a day of 1,000 stations, sorted; else as it came, and no hours."""
    store = history._store
    assert store is not None
    connection, series = store.connection, size.stations * PARAMETERS
    connection.execute("SET memory_limit = '2GB'")  # of filling alone
    media = ("air", "air_1h")
    for number, medium in enumerate(media):
        connection.execute(
            f"INSERT INTO series SELECT {number * series} + i + 1, '{medium}', 's' || (i // {PARAMETERS}), 'd' || (i // {PARAMETERS}), "
            f"'a', 'p' || (i % {PARAMETERS}) FROM range({series}) t(i)"
        )
    days = max(1, 1000 // size.stations)
    for first in range(0, size.days, days):
        minutes = min(days, size.days - first) * 1440
        connection.execute(
            f"INSERT INTO reading{'_sorted' if sealed else ''} SELECT 1 + s, {T0 + first * DAY_MS} + m * 60000, "
            f"round(20 + 10 * sin(m / 200.0 + s) + random() * 3, 1), 1, 1 + ({first * 1440} + m) * {size.stations} + s // {PARAMETERS} "
            f"FROM range({series}) a(s), range({minutes}) b(m) ORDER BY {'s, m' if sealed else 'm, s'}"
        )
    revision = size.days * 1440 * size.stations
    if sealed:
        at = f"{1 + series} + s, {T0} + h * 3600000::BIGINT"
        for hours in _runs(series):
            said = f"SELECT {at}, round(20 + random() * 9, 2), 1, 1 FROM range({series}) a(s), range({hours.start}, {hours.stop}) b(h)"
            connection.execute(f"INSERT INTO summary_sorted {said} ORDER BY s, h")
        names = ("complete", "count", "max", "min", "worst")
        for hours in _runs(series * len(names)):
            told = f"range({series}) a(s), range({hours.start}, {hours.stop}) b(h), (SELECT unnest({list(names)}) AS name) c"
            connection.execute(f"INSERT INTO note_sorted SELECT {at}, name, round(random() * 60), NULL, 1 FROM {told} ORDER BY s, h, name")
        connection.execute("UPDATE tidy SET sealed = ?", [revision])
    connection.execute("UPDATE about SET revision = ?, compacted = ?", [revision, revision])
    connection.execute("CHECKPOINT")
    connection.execute(f"SET memory_limit = '{SECTION.memory_limit}B'")
    store._revision = revision
    store._load_series()


def _runs(rows_an_hour: int) -> Iterator[range]:
    """The hours of a year, run by run as tidying sorts them."""
    hours = SEAL_ROWS // rows_an_hour
    for first in range(0, 8760, hours):
        yield range(first, min(first + hours, 8760))


async def _waits(folder: Path, table: Table, stations: int) -> None:
    """A day of readings waits to be sorted while further ones come in; each write is begun right after a step of tidying was."""
    history = DuckDBHistory(SECTION, folder)
    await history.write([], 1)
    fill(history, Size(stations, 1), sealed=False)
    batches = _batches(stations)
    alone, beside = [], []
    for upto in range(2, 32):
        alone.append(await _write(history, next(batches), upto))
    used, upto = 0.0, 32
    while await history._in_writer(lambda: _unsorted(history)):
        began = time.process_time()
        tidying = asyncio.create_task(history.compact())
        await asyncio.sleep(0)
        beside.append(await _write(history, next(batches), upto))
        await tidying
        used += time.process_time() - began
        upto += 1
    table.add("DuckDB: a write of 500 lines, alone", f"{percentile(alone, 50):.0f} ms p50, {max(alone):.0f} ms at most (wall)")
    table.add(
        f"DuckDB: the same behind a step of tidying ({len(beside)} steps sort a day of {stations} stations)",
        f"{percentile(beside, 50):.0f} ms p50, {max(beside):.0f} ms at most (wall)",
        "≤ 1,000 ms",
        max(beside) <= 1000,
    )
    table.add("DuckDB: tidying, with the writes beside it", f"{used / Size(stations, 1).values * 1e6:.2f} µs CPU a value")
    await history.close()


def _unsorted(history: DuckDBHistory) -> bool:
    store = history._store
    assert store is not None
    asked = f"SELECT (SELECT sealed = 0 FROM tidy WHERE name = 'reading') OR EXISTS (FROM reading WHERE time_ms < {T0 + DAY_MS})"
    return bool(store.connection.execute(asked).fetchall()[0][0])


async def _write(history: DuckDBHistory, lines: list[Line], upto: int) -> float:
    began = time.perf_counter()
    if refused := await history.write(lines, upto):
        raise RuntimeError(f"DuckDB refused {refused[0]}")
    return (time.perf_counter() - began) * 1e3


def _batches(stations: int) -> Iterator[list[Line]]:
    at = 0
    while True:
        at += 1
        values = tuple(Value(f"p{number}", 20.0 + at % 7, 1) for number in range(PARAMETERS))
        for half in range(0, stations, 500):
            yield [Line("air", f"s{n}", f"d{n}", "a", T0 + DAY_MS + at * 60_000, values) for n in range(half, half + 500)]
