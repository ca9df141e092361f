"""The embedded history: its cursor, its revisions, its file, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import pytest_asyncio
from msgspec.structs import replace

from devices.reading import Line, Value
from gateway.errors import EnvgwError, Retryable
from gateway.history import duckdb_schema, duckdb_store
from gateway.history.base import Resolution
from gateway.history.duckdb_history import DuckDBHistory
from gateway.history.duckdb_schema import Locked
from gateway.history.duckdb_store import DuckStore
from gateway.settings import HistorySection

T0 = 1_763_856_000_000
SECTION = HistorySection(name="local", kind="duckdb")


def line(number: int, value: float = 1.0, *, device: str = "d", parameter: str = "pm25") -> Line:
    return Line("air", "s", device, "a", T0 + number, (Value(parameter, value, 1),))


def raw(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        rows: list[tuple[object, ...]] = connection.execute(sql).fetchall()
        return rows


@pytest_asyncio.fixture
async def history(tmp_path: Path) -> AsyncIterator[DuckDBHistory]:
    history = DuckDBHistory(SECTION, tmp_path)
    yield history
    await history.close()


async def values(
    history: DuckDBHistory, parameters: list[str] | None = None, resolution: Resolution = "raw"
) -> list[tuple[int, float | None]]:
    found = history.query(station=None, parameters=parameters, since_ms=0, until_ms=2 * T0, resolution=resolution)
    return [(r.time_ms - T0, r.value) async for r in found]


async def test_a_batch_that_is_there_already_is_not_written_again(tmp_path: Path, history: DuckDBHistory) -> None:
    await history.write([line(1), line(2)], 10)
    await history.write([line(1, 5.0), line(2, 5.0)], 10)
    await history.write([line(3)], 9)
    assert await history.position() == 10
    await history.close()
    assert raw(tmp_path / "history.duckdb", "SELECT time_ms, value FROM reading ORDER BY ALL") == [(T0 + 1, 1.0), (T0 + 2, 1.0)]


async def test_B6_a_repeated_batch_names_its_refused_lines_again(history: DuckDBHistory) -> None:
    """A crash between this commit and the lane's: the list of what was refused is made only then."""
    batch = [line(1), line(2, float("nan")), line(3, device="")]
    refused = await history.write(batch, 5)
    assert [refusal.line for refusal in refused] == batch[1:]
    assert [refusal.reason for refusal in await history.write(batch, 5)] == [refusal.reason for refusal in refused]
    await history.write([line(9, device="never seen")], 4)
    await history.write([line(4, device="new")], 6)
    assert await values(history) == [(1, 1.0), (4, 1.0)]


async def test_the_cursor_survives_and_a_new_ledger_can_rewind_it(tmp_path: Path) -> None:
    first = DuckDBHistory(SECTION, tmp_path)
    await first.write([line(1, 1.0)], 500)
    await first.close()
    second = DuckDBHistory(SECTION, tmp_path)
    assert await second.position() == 500
    await second.rewind(0)
    await second.write([line(1, 2.0), line(2)], 1)
    assert await values(second) == [(1, 2.0), (2, 1.0)], "what is written after a rewind is the newer revision"
    assert await second.position() == 1
    await second.close()


async def test_a_query_sees_a_snapshot(history: DuckDBHistory) -> None:
    await history.write([line(n) for n in range(5000)], 1)
    rows = history.query(station=None, parameters=None, since_ms=0, until_ms=2 * T0)
    assert (await anext(rows)).value == 1.0
    await history.write([line(n, 2.0) for n in range(5000)], 2)
    assert {row.value async for row in rows} == {1.0}
    assert {value for _, value in await values(history)} == {2.0}


async def test_compact_deletes_what_was_replaced_and_changes_no_answer(tmp_path: Path, history: DuckDBHistory) -> None:
    for upto in range(1, 11):
        await history.write([line(n, float(upto)) for n in range(upto * 10)], upto)
    before = await values(history)
    deleted, steps = 0, 0
    while steps < 20:
        steps += 1
        deleted += await history.compact(most_rows=60)
    assert deleted == 550 - 100
    assert await history.compact() == 0
    assert await values(history) == before
    await history.write([line(0, 77.0)], 11)
    assert await history.compact() == 1
    assert await values(history) == [(0, 77.0), *before[1:]]
    await history.close()
    assert raw(tmp_path / "history.duckdb", "SELECT count(*) FROM reading") == [(100,)]


async def test_compact_while_a_query_reads(history: DuckDBHistory) -> None:
    for upto in (1, 2):
        await history.write([line(n, float(upto)) for n in range(5000)], upto)
    rows = history.query(station=None, parameters=None, since_ms=0, until_ms=2 * T0)
    await anext(rows)
    assert await history.compact() == 5000
    assert len([row async for row in rows]) == 4999
    assert len(await values(history)) == 5000


async def test_analysts_have_a_view_of_the_newest(tmp_path: Path, history: DuckDBHistory) -> None:
    await history.write([line(1, 1.0)], 1)
    await history.write([line(1, 2.0)], 2)
    await history.close()
    found = raw(tmp_path / "history.duckdb", "SELECT epoch_ms(time), station, parameter, value, flag FROM readings")
    assert found == [(T0 + 1, "s", "pm25", 2.0, 1)]


async def test_analysts_have_a_view_of_what_is_said(tmp_path: Path, history: DuckDBHistory) -> None:
    for count in (10.0, 60.0):
        hour = Line("air_1h", "s", "d", "a", T0, (Value("pm25", 1.0, 1),), (("pm25_count", count), ("final", 0.0)))
        alert = Line("alert", "s", "d", "a", T0, (), (("state", "firing"),))
        await history.write([hour, alert], int(count))
    await history.close()
    found = raw(tmp_path / "history.duckdb", "SELECT medium, parameter, name, number, text FROM notes ORDER BY ALL")
    assert found == [("air_1h", "", "final", 0.0, None), ("air_1h", "pm25", "count", 60.0, None), ("alert", "", "state", None, "firing")]


@pytest.mark.parametrize("notes", [(("pm25_min", float("nan")),), (("why", "\udc80"),), (("", 1.0),), (("pm25_max", None),)])
async def test_B6_a_line_with_an_impossible_note_is_refused_whole(history: DuckDBHistory, notes: Any) -> None:
    good = Line("air_1h", "s", "d", "a", T0, (Value("pm25", 1.0, 1),))
    bad = Line("air_1h", "s", "d", "a", T0 + 1, (Value("pm25", 2.0, 1),), (("pm25_count", 5.0), *notes))
    assert [refusal.line for refusal in await history.write([bad, good], 1)] == [bad]
    assert await values(history, resolution="1h") == [(0, 1.0)]
    assert [point async for point in history.notes(medium="air_1h", station=None, since_ms=0, until_ms=2 * T0)] == []


async def test_a_reading_without_a_name_is_refused_though_its_line_says_something(history: DuckDBHistory) -> None:
    """What is said of a line belongs to the series with the empty parameter: no reading may get in there."""
    await history.write([Line("index", "s", "s", "a", T0, (), (("final", 1.0),))], 1)
    nameless = Line("index", "s", "s", "a", T0, (Value("", 1.0, 1),))
    assert [refusal.reason for refusal in await history.write([nameless], 2)] == ["parameter is empty"]


@pytest.mark.slow
async def test_more_series_than_are_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_store, "_MOST_SERIES", 20)
    for run in range(3):
        history = DuckDBHistory(SECTION, tmp_path)
        for part in range(3):
            batch = [line(run, device=f"d{n}", parameter=f"p{m}") for n in range(30) for m in range(2)]
            said = [replace(one, values=(), notes=(("state", "firing"),)) for one in batch[::2]]
            assert await history.write([*batch, *said], run * 3 + part + 1) == []
        assert len(await values(history)) == 60 * (run + 1)
        await history.close()
    assert raw(tmp_path / "history.duckdb", "SELECT count(*), count(DISTINCT id), max(id) FROM series") == [(90, 90, 90)]


async def test_a_file_in_use_is_red_and_named(tmp_path: Path, history: DuckDBHistory) -> None:
    await history.write([line(1)], 1)
    code = (
        "import asyncio, sys; from pathlib import Path; from gateway.settings import HistorySection\n"
        "from gateway.history.duckdb_history import DuckDBHistory\n"
        "print(asyncio.run(DuckDBHistory(HistorySection(name='x', kind='duckdb'), Path(sys.argv[1])).check()))"
    )
    other = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "history.duckdb is in use by another process" in other.stdout
    assert f"PID {os.getpid()}" in other.stdout


_FIRST_SCHEMA = f"""
CREATE TABLE about (schema_version INTEGER NOT NULL, upto BIGINT NOT NULL, revision BIGINT NOT NULL, compacted BIGINT NOT NULL);
INSERT INTO about VALUES (1, 7, 9, 8);
CREATE TABLE series (id INTEGER NOT NULL, medium VARCHAR NOT NULL, station VARCHAR NOT NULL, device VARCHAR NOT NULL,
    area VARCHAR NOT NULL, parameter VARCHAR NOT NULL);
INSERT INTO series VALUES (1, 'air', 's', 'd', 'a', 'pm25'), (2, 'air_1h', 's', 'd', 'a', 'pm25'), (3, 'index', 's', 's', 'a', 'vn_aqi');
CREATE TABLE reading (series INTEGER NOT NULL, time_ms BIGINT NOT NULL, value DOUBLE, flag UTINYINT NOT NULL, revision BIGINT NOT NULL);
INSERT INTO reading VALUES (1, {T0}, 1.5, 1, 7), (2, {T0}, 2.5, 1, 8), (3, {T0}, 42, 1, 8), (3, {T0}, 43, 1, 9), (1, {T0 + 1}, NULL, 9, 9);
CREATE VIEW readings AS SELECT epoch_ms(time_ms) AS time, station, device, area, medium, parameter, value, flag
    FROM reading JOIN series ON series.id = reading.series
    QUALIFY row_number() OVER (PARTITION BY station, device, medium, parameter, time_ms ORDER BY revision DESC) = 1;
"""


@pytest.mark.slow
@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_of_the_first_schema_is_brought_up_to_date_without_loss(tmp_path: Path, read_only: bool) -> None:
    """Whoever opens it: also `envgw query` without a gateway, which changes nothing else."""
    with duckdb.connect(str(tmp_path / "history.duckdb")) as connection:
        connection.execute(_FIRST_SCHEMA)
    history = DuckDBHistory(SECTION, tmp_path, read_only=read_only)
    assert await values(history) == [(0, 1.5), (1, None)]
    assert await values(history, parameters=["vn_aqi"]) == [(0, 43.0)]
    assert await values(history, resolution="1h") == [(0, 2.5)]
    assert await history.position() == 7
    if not read_only:
        await history.write([line(0, 3.5)], 8)
        assert await values(history) == [(0, 3.5), (1, None)], "revisions go on where they were"
        await history.compact()
        assert await values(history, parameters=["vn_aqi"]) == [(0, 43.0)]
    await history.close()
    assert raw(tmp_path / "history.duckdb", "SELECT count(*) FROM readings") == [(4,)]


async def test_a_file_whose_update_was_cut_off_is_the_old_one_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect(str(tmp_path / "history.duckdb")) as connection:
        connection.execute(_FIRST_SCHEMA)
    steps = duckdb_schema._STEPS
    monkeypatch.setattr(duckdb_schema, "_STEPS", (steps[0], steps[1].replace("UPDATE about", "SELECT broken FROM nowhere; UPDATE about")))
    broken = DuckDBHistory(SECTION, tmp_path)
    assert "is not a history that envgw can use" in await broken.check()
    await broken.close()
    monkeypatch.setattr(duckdb_schema, "_STEPS", steps)
    history = DuckDBHistory(SECTION, tmp_path)
    assert await values(history, parameters=["vn_aqi"]) == [(0, 43.0)]
    await history.close()


def test_a_file_of_a_newer_envgw(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    DuckStore(path, memory_limit=2**26, threads=1).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE about SET schema_version = 99")
    with pytest.raises(EnvgwError, match="newer envgw"):
        DuckStore(path, memory_limit=2**26, threads=1)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "history.duckdb").write_bytes(b"not a database" * 1000)
    history = DuckDBHistory(SECTION, tmp_path)
    assert "cannot be opened" in await history.check()
    with pytest.raises(Retryable) as caught:
        await history.write([line(1)], 1)
    assert caught.value.red
    await history.close()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = DuckDBHistory(SECTION, tmp_path / "file" / "below")
    assert "cannot be opened" in await history.check()
    await history.close()


def test_a_read_only_store_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(EnvgwError, match="there is no history"):
        DuckStore(tmp_path / "history.duckdb", memory_limit=2**26, threads=1, read_only=True)
    assert not list(tmp_path.iterdir())


def test_locked_is_an_error_for_operators() -> None:
    assert issubclass(Locked, EnvgwError)


_FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.gateway.history.test_duckdb_history import SECTION, line
from gateway.errors import Retryable
from gateway.history.duckdb_history import DuckDBHistory

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    history = DuckDBHistory(SECTION, Path(sys.argv[1]))
    await history.write([line(n) for n in range(1000)], 1)
    size = (Path(sys.argv[1]) / "history.duckdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, resource.RLIM_INFINITY))
    upto, failed = 2, 0
    while not failed and upto < 400:
        try:
            await history.write([line(upto * 1000 + n, n / 7) for n in range(1000)], upto)
            upto += 1
        except Retryable as error:
            failed += 1
    assert failed, "the limit was never reached"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for again in range(upto, upto + 3):
        await history.write([line(again * 1000 + n, n / 7) for n in range(1000)], again)
    rows = [r.time_ms async for r in history.query(station=None, parameters=None, since_ms=0, until_ms=2**50)]
    await history.close()
    print(len(rows), len(set(rows)), 1000 * (upto + 2))

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_full_disk_is_waited_out_without_loss(tmp_path: Path) -> None:
    """No space (here: a limit on file size) is `Retryable`; when there is room again the same batch goes in, once."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows, different, wanted = map(int, done.stdout.split())
    assert rows == different == wanted


_WRITER = """
import asyncio, sys
from pathlib import Path
from tests.gateway.history.test_duckdb_history import SECTION, line
from gateway.history.duckdb_history import DuckDBHistory

async def main():
    history = DuckDBHistory(SECTION, Path(sys.argv[1]))
    upto = await history.position()
    while True:
        upto += 1
        await history.write([line(upto * 100 + n, float(upto)) for n in range(100)], upto)
        print(upto, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_9_while_writing_leaves_each_batch_whole_and_once(tmp_path: Path) -> None:
    """Six lives of one writer, each killed at another moment: what it said was written is there, and nothing twice."""
    said = 0
    for life in range(6):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(3 + 7 * life):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = max([said, *(int(text) for text in writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        writer.stdout.close()
    store = DuckStore(tmp_path / "history.duckdb", memory_limit=2**26, threads=1)
    assert said <= store.upto <= said + 1, "the cursor may only be ahead of what was said by the batch under way"
    rows = store.connection.execute("SELECT count(*), count(DISTINCT time_ms), min(time_ms), max(time_ms) FROM reading").fetchall()
    assert rows == [(store.upto * 100, store.upto * 100, T0 + 100, T0 + store.upto * 100 + 99)]
    store.close()


def test_the_limits_are_set(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "h.duckdb", memory_limit=48 * 2**20, threads=3)
    rows = dict(
        store.connection.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('memory_limit', 'threads', 'autoinstall_known_extensions')"
        ).fetchall()
    )
    store.close()
    assert rows == {"memory_limit": "48.0 MiB", "threads": "3", "autoinstall_known_extensions": "false"}


_LARGE = """
import asyncio, re, sys
from pathlib import Path
from tests.gateway.history.test_duckdb_history import SECTION, T0
from gateway.history.duckdb_history import DuckDBHistory

async def main():
    path = Path(sys.argv[1])
    history = DuckDBHistory(SECTION, path)
    await history.check()
    connection = history._store.connection
    connection.execute("INSERT INTO series SELECT i, 'air', 's' || (i % 100), 'd', 'a', 'p' || (i // 100) FROM range(500) t(i)")
    connection.execute(f"INSERT INTO reading SELECT i % 500, {T0} + i // 500, i / 7, 1, 1 FROM range(3000000) t(i)")
    rows = 0
    async for row in history.query(station=None, parameters=None, since_ms=0, until_ms=2**50):
        rows += 1
    await history.close()
    # Not getrusage: its peak begins with that of the process that started this one.
    print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_large_answer_is_sorted_on_disk_within_the_memory_limit(tmp_path: Path) -> None:
    """Three million rows are 150 MB to sort; the process stays far below (64 MB for DuckDB, the rest is Python)."""
    done = subprocess.run([sys.executable, "-c", _LARGE, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows, peak_mb = map(int, done.stdout.split())
    assert rows == 3_000_000
    assert peak_mb < 250
