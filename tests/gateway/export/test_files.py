"""What an export leaves on disk: whole files under their names, a manifest that holds, and months that need not be made twice."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gateway.errors import EnvgwError, Retryable
from gateway.export import manifest
from gateway.export.files import Order, beside, csv_file, parquet_file, parquet_folder
from gateway.export.stretches import Stretch
from gateway.history.base import StoredReading
from gateway.history.parquet import metadata
from gateway.history.query import COLUMNS
from tests.gateway.export.test_stretches import Held, ms

NOW = ms("2024-05-20T12:00:00")
ABOUT = {"source": "City of Da Nang", "licence": "CC-BY-4.0", "gateway": {"id": "test", "version": "1", "configuration": "abc"}}
EVER = Stretch(-1, NOW)
UNITS = {"pm25": "ug/m3"}


def order(held: Held, whole: Stretch = EVER, **more: Any) -> Order:
    asked = {"format": "parquet", "stations": [], "parameters": [], "area": None}
    return Order(
        ask=held.ask, whole=whole, asked=more.pop("asked", asked), about=ABOUT, unit_of=lambda name: UNITS.get(name, ""), now_ms=NOW, **more
    )


def spring() -> Held:
    """Every six hours from 1 March to the present, one of them missing and one suspect."""
    held = Held(list(range(ms("2024-03-01"), NOW, 6 * 3_600_000)))
    held.rows[3] = held.rows[3]._replace(value=None, flag=9)
    held.rows[200] = held.rows[200]._replace(flag=3)
    return held


def names_in(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def rows_of(glob: Path) -> list[tuple[Any, ...]]:
    return duckdb.sql(f"SELECT epoch_ms(time), * EXCLUDE (time) FROM '{glob}' ORDER BY 1").fetchall()


def expected(held: Held) -> list[tuple[Any, ...]]:
    return [(*row[:7], "ug/m3", row.flag) for row in held.rows]


async def test_csv_has_units_and_flags_and_a_manifest_beside(tmp_path: Path) -> None:
    held, path = spring(), tmp_path / "out.csv"
    found = await csv_file(order(held), path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["time"] == "2024-03-01T00:00:00.000Z"
    assert (rows[3]["value"], rows[3]["flag"]) == ("", "9")
    assert len(rows) == len(held.rows) == found["rows"]
    assert json.loads(beside(path).read_text()) == found
    assert names_in(tmp_path) == ["out.csv", "out.csv.manifest.json"]


async def test_the_manifest_says_what_it_is_and_how_to_check_it(tmp_path: Path) -> None:
    held, path = spring(), tmp_path / "out.csv"
    found = await csv_file(order(held), path)
    assert found["complete"]
    assert (found["source"], found["licence"], found["gateway"]["configuration"]) == ("City of Da Nang", "CC-BY-4.0", "abc")
    assert found["period"] == {
        "after": None, "until": "2024-05-20T12:00:00.000Z", "first": "2024-03-01T00:00:00.000Z", "last": "2024-05-20T06:00:00.000Z",
    }  # fmt: skip
    (entry,) = found["files"]
    assert manifest.is_whole(path, entry)
    assert {flag: item["rows"] for flag, item in found["flags"].items()} == {
        "1": len(held.rows) - 2, "2": 0, "3": 1, "4": 0, "9": 1,
    }  # fmt: skip
    (parameter,) = found["parameters"]
    assert (parameter["id"], parameter["unit"]) == ("pm25", "ug/m3")
    assert parameter["uri"] == "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/6001"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not manifest.is_whole(path, entry)


async def test_one_parquet_file_says_itself_what_it_is(tmp_path: Path) -> None:
    held, path = spring(), tmp_path / "out.parquet"
    await parquet_file(order(held), path)
    assert rows_of(path) == expected(held)
    told = metadata(path)
    assert told["licence"] == "CC-BY-4.0"
    assert [item["unit"] for item in told["parameters"]] == ["ug/m3"]


async def test_a_folder_gets_a_file_a_month(tmp_path: Path) -> None:
    held = spring()
    found = await parquet_folder(order(held), tmp_path)
    names = ["readings-2024-03.parquet", "readings-2024-04.parquet", "readings-2024-05.parquet"]
    assert [entry["name"] for entry in found["files"]] == names
    assert names_in(tmp_path) == ["manifest.json", *names]
    assert rows_of(tmp_path / "*.parquet") == expected(held)
    assert found["files"][0]["covers"] == {"after": "2024-02-29T23:59:59.999Z", "until": "2024-03-31T23:59:59.999Z"}
    assert found["files"][2]["covers"]["until"] == "2024-05-20T12:00:00.000Z"
    assert all(manifest.is_whole(tmp_path / entry["name"], entry) for entry in found["files"])


async def test_an_interrupted_export_goes_on_where_it_was(tmp_path: Path) -> None:
    held = spring()
    broken = Held([row.time_ms for row in held.rows])

    async def until_may(since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        if until_ms > ms("2024-05-02"):
            raise Retryable("the history is gone")
        async for row in held.ask(since_ms, until_ms):
            yield row

    broken.ask = until_may  # type: ignore[method-assign]
    with pytest.raises(EnvgwError, match="gone"):
        await parquet_folder(order(broken), tmp_path)
    kept = json.loads((tmp_path / "manifest.json").read_text())
    assert not kept["complete"]
    assert [entry["name"] for entry in kept["files"]] == ["readings-2024-03.parquet", "readings-2024-04.parquet"]
    assert not [name for name in names_in(tmp_path) if name.startswith(".")], "nothing half done is left"
    before = (tmp_path / "readings-2024-03.parquet").stat().st_mtime_ns

    held.asked.clear()
    found = await parquet_folder(order(held), tmp_path)
    assert found["complete"]
    assert found["rows"] == len(held.rows)
    assert rows_of(tmp_path / "*.parquet") == expected(held)
    assert (tmp_path / "readings-2024-03.parquet").stat().st_mtime_ns == before
    assert not [stretch for stretch in held.asked if ms("2024-03-01") <= stretch.since_ms < ms("2024-04-30")]


async def test_next_month_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    held = spring()
    await parquet_folder(order(held), tmp_path)
    later = Held([*(row.time_ms for row in held.rows), ms("2024-05-25"), ms("2024-06-02")])
    found = await parquet_folder(order(later, Stretch(-1, ms("2024-06-03"))), tmp_path)
    assert [entry["rows"] for entry in found["files"]] == [124, 120, 79, 1]
    assert len(rows_of(tmp_path / "*.parquet")) == len(later.rows)
    assert not [asked for asked in later.asked if asked.until_ms >= ms("2024-03-01") and asked.since_ms < ms("2024-04-30")]


async def test_a_damaged_month_is_made_again_and_again_makes_all_again(tmp_path: Path) -> None:
    held = spring()
    await parquet_folder(order(held), tmp_path)
    (tmp_path / "readings-2024-04.parquet").write_bytes(b"no parquet")
    await parquet_folder(order(held), tmp_path)
    assert rows_of(tmp_path / "*.parquet") == expected(held)
    held.rows[10] = held.rows[10]._replace(value=99.0)
    await parquet_folder(order(held), tmp_path)
    assert rows_of(tmp_path / "*.parquet") != expected(held), "a month that is done is not asked for again"
    await parquet_folder(order(held), tmp_path, again=True)
    assert rows_of(tmp_path / "*.parquet") == expected(held)


async def test_what_the_history_has_forgotten_stays_in_the_folder(tmp_path: Path) -> None:
    """Raw readings may be kept for a year only: then the export is all there is of them."""
    held = spring()
    await parquet_folder(order(held), tmp_path)
    young = Held([row.time_ms for row in held.rows if row.time_ms >= ms("2024-05-01")])
    found = await parquet_folder(order(young), tmp_path, again=True)
    assert len(found["files"]) == 3
    assert found["rows"] == len(held.rows)


async def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    await parquet_folder(order(spring()), tmp_path)
    other = {"format": "parquet", "stations": ["b"], "parameters": [], "area": None}
    with pytest.raises(EnvgwError, match="something else"):
        await parquet_folder(order(spring(), asked=other), tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(EnvgwError, match="cannot be read"):
        await parquet_folder(order(spring()), tmp_path)


@pytest.mark.parametrize("write", [csv_file, parquet_file])
async def test_a_file_that_fails_leaves_what_was_there(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "out"
    path.write_text("yesterday's")
    with pytest.raises(EnvgwError, match="gone"):
        await write(order(Held([ms("2024-05-01") + n for n in range(3000)], gone_after=2500)), path)
    assert path.read_text() == "yesterday's"
    assert names_in(tmp_path) == ["out"]


async def test_only_what_is_wanted(tmp_path: Path) -> None:
    held = spring()
    found = await parquet_folder(order(held, keep=lambda row: row.time_ms >= ms("2024-05-01")), tmp_path)
    assert [entry["name"] for entry in found["files"]] == ["readings-2024-05.parquet"]


async def test_nothing_found(tmp_path: Path) -> None:
    found = await parquet_folder(order(Held([])), tmp_path)
    assert (found["rows"], found["files"], found["complete"]) == (0, [], True)
