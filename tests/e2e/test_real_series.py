"""Real series through everything: file → `envgw simulate --replay` → mosquitto → gateway → InfluxDB 1.6 and DuckDB at once.

Every row of the file must be in both histories, with the flag that is due to it, and nothing else. Which values are due is worked out
here from the file with the csv module: none of our reading code has a part in it. The flags are those of `envgw quality`, which judges
each series as a whole: the gateway must come to the same message by message, revisions included.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
import yaml

from gateway.commands.quality import verdicts
from gateway.commands.source import of_file
from gateway.series.device_type import device_type_for, registry_for
from gateway.series.maps import load_map
from tests.tools.commands import envgw
from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import ROOT, Site, running

DATA = ROOT / "tests" / "data" / "series"
PPB_TO_UG = 46.0055 / (8.314462618 * 298.15 / 101.325)
"""Molar mass of NO2 over the volume of a mole at 25 °C and 1 atm, in litres."""

Row = tuple[datetime, dict[str, float | None]]
Key = tuple[int, str]
"""(ms since the epoch, parameter)."""


def number(text: str, *missing: str, factor: float = 1.0) -> float | None:
    return None if text in ("", *missing) or float(text) in {float(code) for code in missing if code != "NULL"} else float(text) * factor


def hanoi(cells: dict[str, str]) -> Row:
    local = datetime.strptime(cells["Date (LT)"], "%Y-%m-%d %I:%M %p")
    return local.replace(tzinfo=timezone(timedelta(hours=7))), {"pm25": number(cells["Raw Conc."], "-999")}


def uci(cells: dict[str, str]) -> Row:
    local = datetime.strptime(f"{cells['Date']} {cells['Time']}", "%Y-%m-%d %H:%M:%S")
    return local.replace(tzinfo=timezone(timedelta(hours=1))), {
        "co": number(cells["CO(GT)"], "-200", factor=1000),
        "c6h6": number(cells["C6H6(GT)"], "-200"),
        "nox": number(cells["NOx(GT)"], "-200", factor=PPB_TO_UG),
        "no2": number(cells["NO2(GT)"], "-200"),
        "air_temp": number(cells["T"], "-200"),
        "rh": number(cells["RH"], "-200"),
    }


def dust(cells: dict[str, str]) -> Row:
    return datetime.fromisoformat(cells["timestamp"]).replace(tzinfo=UTC), {"pm10": number(cells["P1"]), "pm25": number(cells["P2"])}


def river(cells: dict[str, str]) -> Row:
    columns = {"temp": "water_temp", "cond": "ec", "ph": "ph", "do": "do", "turb": "turbidity", "stage": "level"}
    values = {name: number(cells[column], "-9999", "NULL", factor=0.01 if column == "stage" else 1.0) for column, name in columns.items()}
    return datetime.fromisoformat(cells["datetime"]).replace(tzinfo=timezone(timedelta(hours=-7))), values


@dataclass(frozen=True)
class Series:
    """One file, and how it is read here."""

    file: str
    map: str
    station: str
    medium: str
    read: Callable[[dict[str, str]], Row]
    rows: int
    missing: int
    """Values that must be flagged 9: counted once with other tools, so that nobody mistakes an empty file for a good one."""
    delimiter: str = ","

    def lines(self) -> list[Row]:
        with (DATA / self.file).open(encoding="utf-8-sig", newline="") as file:
            return [self.read(cells) for cells in csv.DictReader(file, delimiter=self.delimiter)]

    def expected(self) -> dict[Key, tuple[float | None, int]]:
        """(time, parameter) → (value, flag); of two rows for one time the last."""
        flags = flags_of(self)
        return {
            (at, name): (value, flags[at, name])
            for when, values in self.lines()
            for at in (round(when.timestamp() * 1000),)
            for name, value in values.items()
        }

    def said_again(self) -> tuple[int, int]:
        """(rows that repeat a time with other values, rows that repeat one unchanged)."""
        seen: dict[datetime, dict[str, float | None]] = {}
        revisions = duplicates = 0
        for when, values in self.lines():
            if when in seen:
                revisions += seen[when] != values
                duplicates += seen[when] == values
            seen[when] = values
        return revisions, duplicates


@cache
def flags_of(series: Series) -> dict[Key, int]:
    """(time, parameter) → flag in the end, as `envgw quality` has it: the gateway must come to the same, message by message."""
    (source,) = of_file(DATA / series.file, series.map).sources
    times = source.columns.times
    return {(times[at], name): flag for name, judged in verdicts(source).items() for at, flag in enumerate(judged.flags)}


ALL = [
    Series("hanoi-2016-whole.csv", "airnow", "us-embassy-hanoi", "air", hanoi, 8784, 402),
    Series("uci-air-2004-whole.csv", "uci-air", "uci-italy", "air", uci, 9357, 6062),
    Series("sensorcommunity-15092-july.csv", "sensorcommunity", "sc-15092", "air", dust, 4000, 0, ";"),
    Series("lro-franklin-2014-summer.csv", "lro", "logan-river", "water", river, 3000, 5),
]
EACH = pytest.mark.parametrize("series", ALL, ids=[series.map for series in ALL])


@dataclass(frozen=True)
class City:
    """The gateway after all series went through it."""

    site: Site
    influx: Influxd
    database: str
    sent: dict[str, dict[str, Any]]
    """What `envgw simulate --json` said, by map."""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, shared_influxd: Influxd) -> Iterator[City]:
    """All four at once through one gateway: 25,000 messages take some seconds, starting servers four times takes longer."""
    folder = tmp_path_factory.mktemp("series")
    database = "series"
    shared_influxd.create(database)
    broker = Mosquitto(folder / "mosquitto").start()
    stations: list[dict[str, Any]] = []
    (folder / "types").mkdir()
    for series in ALL:
        series_map = load_map(series.map)
        (folder / "types" / f"{series.map}.yaml").write_text(yaml.safe_dump(device_type_for(series_map), allow_unicode=True))
        stations += registry_for(series_map, [series.station], since="1990-01-01")["stations"]
    site = Site(
        folder / "site", broker.url, stations=stations, rules=[], types=[str(folder / "types")], time={"accept_past": "unlimited"},
        subscriptions=[{"topic": f"series/{series.map}/+", "type": f"series-{series.map}"} for series in ALL],
        history=[
            {"name": "local", "kind": "duckdb"},
            {"name": "influx", "kind": "influxdb", "api": "v1", "url": shared_influxd.url, "bucket": database},
        ],
    )  # fmt: skip
    try:
        with running(site):
            site.until_connected()
            sent = {}
            for series in ALL:
                told = envgw(
                    "simulate", "--broker", broker.url, "--replay", DATA / series.file, "--map", series.map, "--speed", "max", "--json"
                )
                sent[series.map] = json.loads(told.stdout)
            site.until_delivered(sum(item["published"] for item in sent.values()), timeout_s=120)
            yield City(site, shared_influxd, database, sent)
    finally:
        broker.kill()
        shared_influxd.query(f'DROP DATABASE "{database}"')


def close(found: dict[Key, tuple[float | None, int]], expected: dict[Key, tuple[float | None, int]]) -> None:
    """The same rows, flags and values (to 6 digits: units are converted here and there in floating point)."""
    assert len(found) == len(expected)
    assert found.keys() == expected.keys()
    wrong = {
        key: (found[key], expected[key])
        for key in expected
        if found[key][1] != expected[key][1]
        or (found[key][0] is None) != (expected[key][0] is None)
        or (found[key][0] or 0.0) != pytest.approx(expected[key][0] or 0.0, rel=1e-6)
    }
    assert not wrong, dict(list(wrong.items())[:5])


@EACH
def test_the_file_is_what_we_think(series: Series) -> None:
    assert len(series.lines()) == series.rows
    assert sum(flag == 9 for _, flag in series.expected().values()) == series.missing


@EACH
def test_every_row_was_published(city: City, series: Series) -> None:
    assert (city.sent[series.map]["published"], city.sent[series.map]["rows"]) == (series.rows, series.rows)
    assert city.sent[series.map]["skipped"] == 0


@EACH
def test_every_row_is_in_duckdb_and_none_is_added(city: City, series: Series) -> None:
    rows = city.site.rows(station=series.station)
    assert {row["medium"] for row in rows} == {series.medium}, "readings only: summaries and indices are no readings"
    found = {(round(datetime.fromisoformat(row["time"]).timestamp() * 1000), row["parameter"]): (row["value"], row["flag"]) for row in rows}
    assert len(found) == len(rows), "each once"
    close(found, series.expected())


@EACH
def test_every_row_is_in_influxdb_and_none_is_added(city: City, series: Series) -> None:
    query = f"SELECT * FROM {series.medium} WHERE station = '{series.station}'"
    (answer,) = city.influx.query(query, db=city.database)
    found: dict[Key, tuple[float | None, int]] = {}
    names = [column.removesuffix("_qc") for column in answer["columns"] if column.endswith("_qc")]
    for cells in answer["values"]:
        row = dict(zip(answer["columns"], cells, strict=True))
        for name in names:
            if row[f"{name}_qc"] is not None:
                found[row["time"], name] = (row.get(name), row[f"{name}_qc"])
            else:
                assert row.get(name) is None, "a value without a flag"
    close(found, series.expected())


def test_a_time_that_stands_twice_is_one_revision(city: City) -> None:
    """Hanoi, 13 March 2016: the rows of the one hour differ, the second one counts."""
    hanoi_file = ALL[0]
    assert hanoi_file.said_again() == (1, 0)
    status = city.site.status()
    revisions, duplicates = (sum(counts) for counts in zip(*(series.said_again() for series in ALL), strict=True))
    assert (status["revisions"], status["duplicate"]) == (revisions, duplicates)
    assert status["rejected"] == {}
    assert status["received"] == sum(series.rows for series in ALL)
    when = datetime(2016, 3, 13, 3, tzinfo=timezone(timedelta(hours=7)))
    both = [values["pm25"] for at, values in hanoi_file.lines() if at == when]
    assert len(both) == 2
    assert both[0] != both[1]
    found = city.site.get("/api/v1/readings", station="us-embassy-hanoi", since="2016-03-12T19:59:00Z", until="2016-03-12T20:00:00Z")
    (row,) = [json.loads(line) for line in found.text.splitlines()]
    assert row["value"] == both[1]


def test_the_year_as_csv_from_the_command_line(city: City) -> None:
    text = city.site.cli(
        "query", "--station", "us-embassy-hanoi", "--parameter", "pm25", "--since", "2015-12-31T00:00Z", "--until", "2017-01-02T00:00Z",
        "--format", "csv",
    )  # fmt: skip
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["medium"] == "air"]
    assert len(rows) == len(ALL[0].expected())
    assert sum(row["flag"] == "9" for row in rows) == ALL[0].missing
