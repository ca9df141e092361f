"""`envgw export` as it is typed, on the history of a gateway that does not run."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from devices.reading import Line, Value
from gateway.commands.export import EVER, Wanted, period
from gateway.errors import EnvgwError
from gateway.history import duckdb_schema, duckdb_store
from gateway.history.duckdb_history import DuckDBHistory
from gateway.settings import HistorySection
from tests.gateway.commands.place import Place
from tests.gateway.export.test_files import rows_of
from tests.gateway.export.test_stretches import ms
from tests.tools.mosquitto import free_port
from tests.tools.site import ENVGW, ROOT

T0 = ms("2024-05-01T00:00")
AROUND = ("--since", "2024-04-30T00:00Z", "--until", "2024-05-05T00:00Z")
"""Without it fifty years are looked through."""


def filled(tmp_path: Path, **gateway: str) -> Place:
    """Three days of two stations, twice an hour."""
    place = Place(tmp_path, gateway={"data_dir": "data", **gateway}, api={"port": free_port()})
    history = DuckDBHistory(HistorySection(name="local", kind="duckdb"), tmp_path / "data")
    values = (Value("pm25", 12.5, 1), Value("no2", None, 9))
    lines = [
        Line("air", station, f"{station}-d", area, T0 + n * 1_800_000, values)
        for station, area in (("bach-dang", "hai-chau/binh-hien"), ("son-tra", "son-tra"))
        for n in range(144)
    ]

    async def write() -> None:
        await history.write(lines, 1)
        await history.close()

    asyncio.run(write())
    return place


@pytest.mark.slow  # looks through fifty years
def test_everything_that_there_is(tmp_path: Path) -> None:
    place = filled(tmp_path, licence="CC-BY-4.0", source="City of Da Nang")
    out = place.run("export", "--output", str(tmp_path / "out")).stdout
    assert "576 readings of 2 parameters" in out
    assert "licence: CC-BY-4.0" in out
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["source"], manifest["history"]["name"], manifest["history"]["asked"]) == (
        "City of Da Nang",
        "local",
        "the history itself",
    )
    assert len(manifest["gateway"]["configuration"]) == 32
    rows = rows_of(tmp_path / "out" / "*.parquet")
    assert len(rows) == 576
    assert rows[0][6:] in ((12.5, "ug/m3", 1), (None, "ug/m3", 9))


@pytest.mark.slow
def test_the_history_is_opened_once_whatever_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening it takes longer than most of the questions by which fifty years are looked through."""
    opened: list[Path] = []

    def counted(path: Path, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(path)
        return duckdb_schema.opened(path, **options)

    place = filled(tmp_path)
    monkeypatch.setattr(duckdb_store, "opened", counted)
    place.run("export", "--output", str(tmp_path / "out"), "--since", "2000-01-01T00:00Z")
    assert opened == [tmp_path / "data" / "history.duckdb"]


def test_licence_and_source_that_nobody_stated(tmp_path: Path) -> None:
    found = json.loads(filled(tmp_path).run("export", "--output", str(tmp_path / "out"), "--json", *AROUND).stdout)
    assert (found["licence"], found["source"]) == ("not stated", "not stated")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("--station", "son-tra", *AROUND), 288),
        (("--station", "son-tra", "--station", "bach-dang", "--parameter", "no2", *AROUND), 288),
        (("--area", "hai-chau", *AROUND), 288),
        (("--area", "hai", *AROUND), 0),
        (("--since", "2024-05-02T00:00Z", "--until", "2024-05-02T12:00+00:00"), 96),
    ],
)
def test_what_is_asked_for(tmp_path: Path, options: tuple[str, ...], rows: int) -> None:
    path = tmp_path / "out" / "readings.csv"
    filled(tmp_path).run("export", "--format", "csv", "--output", str(path), *options)
    with path.open() as file:
        assert len(list(csv.DictReader(file))) == rows
    assert json.loads((tmp_path / "out" / "readings.csv.manifest.json").read_text())["rows"] == rows


def test_a_map(tmp_path: Path) -> None:
    path = tmp_path / "map.geojson"
    filled(tmp_path).run("export", "--format", "geojson", *AROUND, "--output", str(path))
    first, second = json.loads(path.read_text())["features"]
    assert (first["id"], first["geometry"]["coordinates"]) == ("bach-dang", [108.2208, 16.0678])
    assert (second["id"], second["geometry"]) == ("son-tra", None)


def test_what_is_refused(tmp_path: Path) -> None:
    place = filled(tmp_path)
    out = str(tmp_path / "out")
    assert "did you mean 'pm25'" in str(place.run("export", "--output", out, "--parameter", "pm52", expect=1).exception)
    assert "no time zone" in str(place.run("export", "--output", out, "--since", "2024-05-01T00:00", expect=1).exception)
    assert "is a folder" in str(place.run("export", "--output", str(tmp_path), "--format", "csv", expect=1).exception)
    assert "exchange them" in str(
        place.run("export", "--output", out, "--since", "2024-05-02T00:00Z", "--until", "2024-05-01T00:00Z", expect=1).exception
    )
    place.run("export", expect=2)


def test_what_period_is_meant() -> None:
    now = ms("2024-05-20T00:00")
    assert period(Wanted("parquet", Path("x")), now) == EVER._replace(until_ms=now)
    assert period(Wanted("geojson", Path("x")), now).since_ms == now - 86_400_000
    with pytest.raises(EnvgwError, match="exchange"):
        period(Wanted("csv", Path("x"), since="now"), now)


_MEASURED = """
import resource, subprocess, sys
done = subprocess.run([*sys.argv[1:]], stdout=subprocess.DEVNULL)
assert done.returncode == 0
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def _peak_mb(place: Place, *arguments: str) -> int:
    """Most memory that the command held."""
    command = [*ENVGW, *arguments, "--config", str(place.folder / "envgw.yaml")]
    environment = {**{key: value for key, value in os.environ.items() if not key.startswith("ENVGW_")}, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", _MEASURED, *command], capture_output=True, text=True, env=environment, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_million_readings_take_no_more_memory_than_a_few(tmp_path: Path, form: str) -> None:
    """DuckDB may take 64 MB for sorting and 64 MB for writing, beside 100 MB of libraries. A million rows held would be 300 MB more."""
    place = filled(tmp_path)
    with duckdb.connect(str(tmp_path / "data" / "history.duckdb")) as connection:
        connection.execute(f"INSERT INTO reading SELECT s, {T0} + 60000 * i, i % 50, 1, 1000 + i FROM range(250000) a(i), range(1, 5) b(s)")
    peaks = {
        "export": _peak_mb(place, "export", "--format", form, "--output", str(tmp_path / f"out.{form}")),
        "query": _peak_mb(place, "query", "--since", "2000-01-01T00:00Z", "--until", "2030-01-01T00:00Z", "--format", form),
    }
    assert max(peaks.values()) < 260, peaks
    assert json.loads((tmp_path / f"out.{form}.manifest.json").read_text())["rows"] >= 1_000_000
