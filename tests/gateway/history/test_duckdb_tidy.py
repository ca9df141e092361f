"""Tidying the embedded history: nothing that is asked notices it, except that old readings go when they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.reading import Line, Value
from gateway.history import duckdb_tidy
from gateway.history.base import StoredReading
from gateway.history.duckdb_query import Readings
from gateway.history.duckdb_store import DuckStore
from gateway.history.duckdb_tidy import DAY_MS, seal

T0 = 1_763_856_000_000  # 2025-11-23T00:00:00Z
HOUR_MS = 3_600_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    store = _open(tmp_path)
    yield store
    store.close()


def _open(folder: Path) -> DuckStore:
    return DuckStore(folder / "history.duckdb", memory_limit=2**26, threads=1)


def minutes(count: int, *, start: int = 0, stations: int = 10, value: float = 1.0) -> list[Line]:
    return [
        Line("air", f"s{n:02}", f"d{n:02}", "a", T0 + (start + at) * 60_000, (Value("pm25", value + at, 1), Value("no2", value, 2)))
        for at in range(count)
        for n in range(stations)
    ]


def answer(store: DuckStore, resolution: Any = "raw", parameters: list[str] | None = None) -> list[StoredReading]:
    """What `query` would give."""
    question = Readings(None, parameters, -(2**50), 2**50, resolution)
    question.begin(store.connection)
    found: list[StoredReading] = []
    while (statement := question.next()) is not None:
        found += question.feed(store.connection.execute(*statement).fetchall())
    return [*found, *question.rest()]


def rows(store: DuckStore, table: str) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def test_what_came_as_it_came_is_laid_down_by_series_and_time(store: DuckStore) -> None:
    store.append(minutes(60), 1)
    before = answer(store)
    store.compact()
    steps = []
    while copied := seal(store.connection, seal_rows=1000, step_rows=300):
        steps.append(copied)
        assert answer(store) == before, "while rows are in both places, each counts once"
    assert steps == [300, 300, 300, 300, 900, 300], "bounded steps; the last ones delete what was copied"
    assert (rows(store, "reading"), rows(store, "reading_sorted")) == (0, 1200)
    found = store.connection.execute("SELECT series, time_ms FROM reading_sorted ORDER BY rowid").fetchall()
    assert found == sorted(found)
    store.append(minutes(10, start=60), 2)
    store.compact()
    assert seal(store.connection, seal_rows=1000) == 0, "too little for a run"
    assert len(answer(store)) == 1400


def test_the_next_run_begins_where_the_last_one_ended(store: DuckStore) -> None:
    for run in range(3):
        store.append(minutes(60, start=60 * run), run + 1)
        store.compact()
        while seal(store.connection, seal_rows=1000, step_rows=5000):
            pass
        assert (rows(store, "reading"), rows(store, "reading_sorted")) == (0, 1200 * (run + 1))
    assert [row.time_ms for row in answer(store)] == [T0 + at * 60_000 for _ in range(20) for at in range(180)]


def test_only_what_compact_has_looked_at_is_sorted(store: DuckStore) -> None:
    store.append(minutes(60), 1)
    assert seal(store.connection, seal_rows=1) == 0


def test_of_a_large_import_a_run_is_a_part(store: DuckStore) -> None:
    store.append(minutes(200), 1)
    store.compact()
    assert seal(store.connection, seal_rows=1000, step_rows=100_000) == 1000
    assert seal(store.connection, seal_rows=1000, step_rows=100) == 300, "nor is it deleted at once"
    assert (rows(store, "reading"), rows(store, "reading_sorted"), rows(store, "reading_all")) == (3700, 1000, 4700)
    assert len(answer(store)) == 4000


def test_a_later_revision_of_a_sorted_value_replaces_it(store: DuckStore) -> None:
    store.append(minutes(60), 1)
    store.compact()
    assert seal(store.connection, seal_rows=1000, step_rows=600) == 600
    store.append(minutes(60, value=50.0), 2)  # half of what it replaces is in both places
    expected = answer(store)
    assert {row.value for row in expected if row.parameter == "no2"} == {50.0}
    assert store.compact() == 1200 + 600
    while seal(store.connection, seal_rows=1000, step_rows=600):
        pass
    assert answer(store) == expected
    assert rows(store, "reading_all") == 1200


def test_a_step_that_was_cut_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _open(tmp_path)
    store.append(minutes(60), 1)
    store.compact()
    before = answer(store)
    seal(store.connection, seal_rows=1000, step_rows=500)
    real = duckdb_tidy._sort

    def cut_off(*arguments: Any) -> int:
        real(*arguments)
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(duckdb_tidy, "_sort", cut_off)
    with pytest.raises(duckdb.IOException):
        store.compact()
    store.close()
    monkeypatch.setattr(duckdb_tidy, "_sort", real)
    again = _open(tmp_path)
    assert rows(again, "reading_sorted") == 480
    assert [seal(again.connection, seal_rows=1000) for _ in range(4)] == [480, 240, 1200, 0]
    assert answer(again) == before
    assert again.append(minutes(1, start=100), 2) == []
    again.close()


def test_notes_and_summaries_are_tidied_too(store: DuckStore) -> None:
    def hours(value: float, count: int = 50) -> list[Line]:
        notes = (("pm25_max", value), ("final", value))
        return [Line("air_1h", "s", "d", "a", T0 + at * HOUR_MS, (Value("pm25", value, 1),), notes) for at in range(count)]

    store.append(hours(1.0), 1)
    store.append(hours(2.0), 2)
    assert store.compact() == 150
    while seal(store.connection, seal_rows=50, step_rows=30):
        pass
    assert [rows(store, name) for name in ("summary", "note", "summary_sorted", "note_sorted")] == [0, 0, 50, 100]
    assert {(row.value, row.notes) for row in answer(store, "1h")} == {(2.0, (("max", 2.0), ("final", 2.0)))}


def test_readings_expire_a_day_at_a_time_and_what_was_made_of_them_stays(store: DuckStore) -> None:
    def day(number: int) -> list[Line]:
        at = T0 + number * DAY_MS
        hour = Line("air_1h", "s", "d", "a", at, (Value("pm25", 1.0, 1),), (("final", 1.0),))
        index = Line("index", "s", "s", "a", at, (Value("vn_aqi", 9.0, 1),))
        alert = Line("alert", "s", "d", "a", at, (), (("state", "firing"),))
        raw = [Line("air", "s", "d", "a", at + n * HOUR_MS, (Value("pm25", float(n), 1),)) for n in range(24)]
        return [*raw, hour, index, alert, Line("device", "s", "d", "a", at, (Value("battery", 3.7, 1),))]

    for number in range(5):
        store.append(day(number), number + 1)
        if number == 1:
            store.compact()
            while seal(store.connection, seal_rows=10):
                pass
    kept = [answer(store, "1h"), answer(store, "raw", ["vn_aqi"]), rows(store, "note_all")]
    assert store.expire(T0 + HOUR_MS) == 0, "the day is not over"
    assert store.expire(T0 + 2 * DAY_MS + 5 * HOUR_MS) == 25, "one day a call"
    assert min(row.time_ms for row in answer(store)) == T0 + DAY_MS
    assert [store.expire(T0 + 2 * DAY_MS + 5 * HOUR_MS) for _ in range(3)] == [25, 0, 0]
    left = [row for row in answer(store) if row.medium == "air"]
    assert [row.time_ms for row in left] == [T0 + day * DAY_MS + hour * HOUR_MS for day in (2, 3, 4) for hour in range(24)]
    assert [answer(store, "1h"), answer(store, "raw", ["vn_aqi"]), rows(store, "note_all")] == kept


def test_a_large_day_expires_step_by_step(store: DuckStore) -> None:
    store.append([*minutes(60), *minutes(60, start=1440)], 1)
    steps = []
    while deleted := duckdb_tidy.expire(store.connection, T0 + DAY_MS, most_rows=500):
        steps.append(deleted)
        assert len(answer(store)) == 2400 - sum(steps)
    assert max(steps) <= 500 + 60
    assert sum(steps) == 1200
    assert min(row.time_ms for row in answer(store)) == T0 + DAY_MS


# ---------------------------------------------------------------------- any order of writing and tidying

WRITES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.one_of(st.none(), st.floats(-100, 100)), st.sampled_from(["air", "air_1h"])),
    min_size=1,
    max_size=8,
)
DOINGS = st.lists(st.one_of(WRITES, st.sampled_from(["compact", "seal", "reopen", "expire"])), min_size=1, max_size=25)


@pytest.mark.slow  # two seconds
@settings(max_examples=20)
@given(doings=DOINGS, step_rows=st.integers(1, 6), seal_rows=st.integers(1, 10), most_rows=st.integers(1, 8))
def test_tidying_changes_no_answer(doings: list[Any], step_rows: int, seal_rows: int, most_rows: int) -> None:
    """Against a dictionary: of every series and time the last value; without raw readings of days that have expired."""
    model: dict[tuple[str, str, int], float | None] = {}
    expired, upto = 0, 0
    with TemporaryDirectory() as folder:
        store = _open(Path(folder))
        for doing in doings:
            if isinstance(doing, list):
                upto += 1
                batch = [
                    Line(medium, f"s{n}", "d", "", T0 + day * DAY_MS, (Value("pm25", value, 9 if value is None else 1),), (("final", 1.0),))
                    for n, day, value, medium in doing
                    if medium == "air_1h" or day >= expired
                ]
                store.append(batch, upto)
                model |= {(line.medium, line.station, line.time_ms): line.values[0].value for line in batch}
            elif doing == "compact":
                duckdb_tidy.compact(store.connection, most_rows)
            elif doing == "seal":
                seal(store.connection, seal_rows=seal_rows, step_rows=step_rows)
            elif doing == "reopen":
                store.close()
                store = _open(Path(folder))
            else:
                expired += 1
                while store.expire(T0 + expired * DAY_MS + 7):
                    pass
                model = {key: value for key, value in model.items() if key[0] == "air_1h" or key[2] >= T0 + expired * DAY_MS}
            for medium, resolution in (("air", "raw"), ("air_1h", "1h")):
                found = [(row.station, row.time_ms, row.value) for row in answer(store, resolution)]
                assert found == [(*key[1:], model[key]) for key in sorted(model) if key[0] == medium]
        store.close()
