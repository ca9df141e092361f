"""What `envgw query` prints, in each format."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from devices.reading import Line, Value
from devices.times import iso
from gateway.errors import EnvgwError, Retryable
from gateway.history.base import StoredReading
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.factory import make_history
from gateway.history.influxdb import InfluxHistory
from gateway.history.query import query_offline, write_answer
from gateway.history.rows import COLUMNS, row_of
from gateway.settings import HistorySection

T0 = 1_763_856_000_000
UNITS = {"pm25": "ug/m3"}
ROWS = [
    StoredReading(T0, "Cầu Rồng", "sds,1", "", "air", "pm25", 12.5, 1),
    StoredReading(T0 + 250, "Cầu Rồng", 'the "second"', "hải châu", "air", "no2", None, 9),
]


async def _stream(rows: list[StoredReading], *, then: Exception | None = None) -> AsyncIterator[StoredReading]:
    for row in rows:
        yield row
    if then is not None:
        raise then


async def answer(form: str, rows: list[StoredReading] = ROWS, extra: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    written = await write_answer(_stream(rows), form, out, lambda parameter: UNITS.get(parameter, ""), extra)  # type: ignore[arg-type]
    assert written == len(rows)
    return out.getvalue()


def test_iso() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(T0 + 7) == "2025-11-23T00:00:00.007Z"
    assert iso(-1) == "1969-12-31T23:59:59.999Z"


async def test_json_lines() -> None:
    first, second = (json.loads(line) for line in (await answer("json")).splitlines())
    assert tuple(first) == COLUMNS
    assert first == {
        "time": "2025-11-23T00:00:00.000Z", "station": "Cầu Rồng", "device": "sds,1", "area": "", "medium": "air",
        "parameter": "pm25", "value": 12.5, "unit": "ug/m3", "flag": 1,
    }  # fmt: skip
    assert second["value"] is None
    assert second["flag"] == 9


async def test_csv_reads_back() -> None:
    found = list(csv.DictReader(io.StringIO((await answer("csv")).decode())))
    assert found == [
        {name: "" if cell is None else str(cell) for name, cell in row_of(row, UNITS.get(row.parameter, "")).items()} for row in ROWS
    ]


async def test_table_lines_up() -> None:
    head, first, second = (await answer("table")).decode().splitlines()
    assert head.split() == list(COLUMNS)
    assert first.split() == ["2025-11-23T00:00:00.000Z", "Cầu", "Rồng", "sds,1", "air", "pm25", "12.5", "ug/m3", "1"]
    assert first.index("Cầu") == head.index("station")
    assert " - " in second


async def test_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(await answer("parquet"))
    found = duckdb.sql(f"SELECT epoch_ms(time), * EXCLUDE (time) FROM '{tmp_path}/a.parquet'").fetchall()
    assert found == [
        (T0, "Cầu Rồng", "sds,1", "", "air", "pm25", 12.5, "ug/m3", 1),
        (T0 + 250, "Cầu Rồng", 'the "second"', "hải châu", "air", "no2", None, "", 9),
    ]


EXTRA = ("category", "min", "max", "count", "final")
SAID = [
    StoredReading(T0, "s", "d", "a", "air_1h", "pm25", 5.0, 1, (("min", 1.25), ("max", 9.0), ("count", 60.0), ("final", 1.0))),
    StoredReading(T0, "s", "s", "a", "index", "vn_aqi", 90.0, 1, (("category", "moderate"),)),
]


async def test_what_is_said_of_a_reading_has_columns_of_its_own(tmp_path: Path) -> None:
    hour, index = (json.loads(line) for line in (await answer("json", SAID, EXTRA)).splitlines())
    assert list(hour)[len(COLUMNS) :] == ["min", "max", "count", "final"]
    assert list(index)[len(COLUMNS) :] == ["category"]
    head, *rows = csv.reader(io.StringIO((await answer("csv", SAID, EXTRA)).decode()))
    assert head == [*COLUMNS, *EXTRA]
    assert [row[len(COLUMNS) :] for row in rows] == [["", "1.25", "9.0", "60", "True"], ["moderate", "", "", "", ""]]
    head_line, first, second = (await answer("table", SAID, EXTRA)).decode().splitlines()
    assert head_line.split() == [*COLUMNS, *EXTRA]
    assert first.split()[-5:] == ["-", "1.25", "9", "60", "True"]
    assert second.split()[-5:] == ["moderate", "-", "-", "-", "-"]
    (tmp_path / "a.parquet").write_bytes(await answer("parquet", SAID, EXTRA))
    found = duckdb.sql(f"SELECT {', '.join(EXTRA)} FROM '{tmp_path}/a.parquet'").fetchall()
    assert found == [(None, 1.25, 9.0, 60, True), ("moderate", None, None, None, None)]


@pytest.mark.parametrize(("form", "lines"), [("json", 0), ("csv", 1), ("table", 1)])
async def test_nothing_found(form: str, lines: int) -> None:
    assert len((await answer(form, [])).splitlines()) == lines


async def test_nothing_found_in_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(await answer("parquet", []))
    assert duckdb.sql(f"SELECT * FROM '{tmp_path}/a.parquet'").fetchall() == []


async def test_what_came_before_a_failure_is_written() -> None:
    out = io.BytesIO()
    with pytest.raises(Retryable, match="gone"):
        await write_answer(_stream(ROWS, then=Retryable("gone")), "json", out, lambda _: "")
    assert len(out.getvalue().splitlines()) == 2


@pytest.mark.parametrize("form", ["json", "csv", "table"])
async def test_rows_are_written_as_they_come(form: str) -> None:
    """Constant memory: by the time the last row is asked for, all but the last gathered thousand are out."""
    out = io.BytesIO()
    before_the_last = -1

    async def rows() -> AsyncIterator[StoredReading]:
        nonlocal before_the_last
        for _ in range(20_000):
            yield ROWS[0]
        before_the_last = out.getvalue().count(b"\n")

    await write_answer(rows(), form, out, lambda _: "")  # type: ignore[arg-type]
    assert before_the_last >= 19_000


async def _offline(section: HistorySection, folder: Path) -> list[StoredReading]:
    return [row async for row in query_offline(section, folder, station=None, parameters=None, since_ms=0, until_ms=2 * T0)]


async def test_offline_reads_the_file_of_a_gateway_that_is_not_running(tmp_path: Path) -> None:
    section = HistorySection(name="local", kind="duckdb", path=Path("sub/h.duckdb"))
    with pytest.raises(EnvgwError, match="there is no history at"):
        await _offline(section, tmp_path)
    history = DuckDBHistory(section, tmp_path)
    await history.write([Line("air", "s", "d", "a", T0, (Value("pm25", 1.0, 1),))], 1)
    await history.close()
    assert await _offline(section, tmp_path) == [StoredReading(T0, "s", "d", "a", "air", "pm25", 1.0, 1)]


@pytest.mark.slow
async def test_whoever_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """The question ends before its history is closed; else asyncio prints that a connection was closed under it."""
    section = HistorySection(name="local", kind="duckdb")
    history = DuckDBHistory(section, tmp_path)
    await history.write([Line("air", "s", "d", "a", T0 + n, (Value("pm25", 1.0, 1),)) for n in range(5000)], 1)
    await history.close()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    rows = query_offline(section, tmp_path, station=None, parameters=None, since_ms=0, until_ms=2 * T0)
    async with aclosing(cast(AsyncGenerator[StoredReading], rows)):
        async for _ in rows:
            break
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not complaints


_GATEWAY = """
import asyncio, sys
from pathlib import Path
from typing import Any, cast
from tests.gateway.history.test_duckdb_history import SECTION, line
from gateway.history.duckdb_history import DuckDBHistory

history = DuckDBHistory(SECTION, Path(sys.argv[1]))
asyncio.run(history.write([line(1)], 1))
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_offline_while_a_gateway_runs_and_after_it_was_killed(tmp_path: Path) -> None:
    """While it runs only its API can answer; a killed one leaves its log, and what is in the log is found too."""
    section = HistorySection(name="local", kind="duckdb")
    gateway = subprocess.Popen([sys.executable, "-c", _GATEWAY, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"written\n"
        with pytest.raises(EnvgwError, match=r"in use by another process.*ask its API"):
            asyncio.run(_offline(section, tmp_path))
        gateway.kill()
    assert (tmp_path / "history.duckdb.wal").stat().st_size > 0
    assert len(asyncio.run(_offline(section, tmp_path))) == 1


def test_the_factory(tmp_path: Path) -> None:
    assert isinstance(make_history(HistorySection(name="a", kind="duckdb"), tmp_path), DuckDBHistory)
    assert isinstance(make_history(HistorySection(name="a", kind="influxdb", url="http://localhost:8086"), tmp_path), InfluxHistory)
    assert not list(tmp_path.iterdir())
