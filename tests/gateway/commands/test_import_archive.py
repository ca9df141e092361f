"""`envgw import` as it is typed: into the ledger of a gateway that does not run, and what it says."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from devices.reading import Line
from gateway.commands import import_archive
from gateway.commands.client import Busy, NotRunning
from gateway.commands.import_archive import Running
from gateway.core.inputs import Imported
from gateway.imports.rows import Group, Part
from gateway.ledger import Ledger, LedgerReader
from tests.gateway.commands.place import Place
from tests.tools.mosquitto import free_port

DATA = Path(__file__).parents[2] / "data" / "series"
HANOI = DATA / "hanoi-2019-whole.csv"
MAP = """\
map: probe
medium: air
interval: 1m
time: {columns: [at], format: iso, zone: UTC}
station: {column: where, as_is: true}
columns:
  - {column: PM, parameter: pm25, unit: ug/m3}
"""
ROWS = "at,where,PM\n2024-01-01T00:00,bach-dang,10\n2024-01-01T00:01,bach-dang,oops\n2024-01-01T00:02,other,12\n"


def place(tmp_path: Path) -> Place:
    found = Place(tmp_path, api={"port": free_port()}, ledger={"reserve": "1MB", "low_water": "1MB"})
    found.write("probe.yaml", MAP)
    found.write("old.csv", ROWS)
    return found


def stored(where: Place) -> list[Line]:
    with LedgerReader(where.folder / "data" / "ledger.db") as ledger:
        return [line for _, lines in ledger.read_lines(0, 1_000_000) for line in lines]


def test_it_waits_in_the_ledger_for_the_gateway(tmp_path: Path) -> None:
    where = place(tmp_path)
    done = where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang", "--json")
    report = json.loads(done.stdout)
    assert (report["rows"], report["stored"], report["written"]) == (1921, 1921, True)
    assert "does not run" in report["through"]
    lines = stored(where)
    assert len(lines) == 1921
    assert {(line.station, line.device, line.area, line.medium) for line in lines} == {
        ("bach-dang", "airnow", "hai-chau/binh-hien", "air"),
    }  # fmt: skip
    with LedgerReader(where.folder / "data" / "ledger.db") as ledger:
        noted = [item for _, items in ledger.journal() for item in items]
        assert {type(item) for item in noted} == {Imported}
        assert {item.origin for item in noted if isinstance(item, Imported)} == {HANOI.name}
        assert 2 <= len(noted) <= 10, "in parts of a bounded size"
        assert ledger.totals().received == 0


def test_no_time_goes_by_in_the_ledger(tmp_path: Path) -> None:
    """Redelivered messages are looked for in the two hours before its last input, however long it stood still (semantics B1a)."""
    where = place(tmp_path)
    where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang")
    with LedgerReader(where.folder / "data" / "ledger.db") as ledger:
        first = ledger.last_received_ms()
    where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang")
    with LedgerReader(where.folder / "data" / "ledger.db") as ledger:
        assert ledger.last_received_ms() == first


def test_the_same_again_is_the_same_again(tmp_path: Path) -> None:
    where = place(tmp_path)
    for _ in range(2):
        where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang")
    lines = stored(where)
    assert lines[:1921] == lines[1921:]


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    where = place(tmp_path)
    out = where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang", "--dry-run").stdout
    assert "1921 values would be stored" in out
    assert "pm25" in out
    assert "history rebuild" not in out
    assert not (where.folder / "data").exists()


def test_what_is_refused_is_told_and_listed(tmp_path: Path) -> None:
    where, listed = place(tmp_path), tmp_path / "refused.csv"
    done = where.run("import", "csv", str(tmp_path / "old.csv"), "--map", str(tmp_path / "probe.yaml"), "--refused", str(listed))
    assert f"{tmp_path}/old.csv:3: unreadable-value: column 'PM': 'oops' is not a number" in done.stderr
    assert f"{tmp_path}/old.csv:4: unknown-station: no station 'other' in the registry" in done.stderr
    assert "1 refused: unreadable-value" in done.stdout
    (hint,) = [line for line in done.stdout.splitlines() if "history rebuild" in line]
    times = "--since 2024-01-01T00:00:00Z --until 2024-01-01T00:01:00Z"
    assert hint.endswith(f": envgw history rebuild {times} --station bach-dang"), "no years and stations that have nothing of it"
    with listed.open() as file:
        assert [(row["line"], row["reason"]) for row in csv.DictReader(file)] == [("3", "unreadable-value"), ("4", "unknown-station")]
    assert len(stored(where)) == 1


def test_many_refused_lines_are_not_all_told(tmp_path: Path) -> None:
    where = place(tmp_path)
    where.write("old.csv", "at,where,PM\n" + "2024-01-01T00:00,other,10\n" * 500)
    done = where.run("import", "csv", str(tmp_path / "old.csv"), "--map", str(tmp_path / "probe.yaml"), expect=1)
    assert done.stderr.count("unknown-station") == 11
    assert "--refused FILE lists them all" in done.stderr
    assert "500 refused: unknown-station" in done.stdout


def test_rows_of_several_stations_are_not_taken_for_one(tmp_path: Path) -> None:
    where = place(tmp_path)
    arguments = ("import", "csv", str(tmp_path / "old.csv"), "--map", str(tmp_path / "probe.yaml"), "--station", "bach-dang")
    done = where.run(*arguments, expect=1)
    assert "2 stations: bach-dang (2 rows), other (1 rows)" in str(done.exception)
    assert not (where.folder / "data").exists()
    where.run(*arguments, "--only", "other")
    (line,) = stored(where)
    assert line.values[0].value == 12.0


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("parameter: pm25", "parameter: pm52", 7, "did you mean 'pm25'"),
        ("unit: ug/m3", "unit: furlong", 7, "furlong"),
        ("interval: 1m", "interval: soon", 3, "90s, 10m, 2h"),
        ("zone: UTC", "zone: Hanoi", 4, "zone 'Hanoi'"),
        ("medium: air", "medium: [air", 3, ""),
    ],
)
def test_a_wrong_map_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    where = place(tmp_path)
    path = where.write("probe.yaml", MAP.replace(old, new))
    done = where.run("import", "csv", str(tmp_path / "old.csv"), "--map", str(path), expect=1)
    assert str(done.exception).startswith(f"{path}:{line}: "), done.exception
    assert said in str(done.exception)


def test_what_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    where = place(tmp_path)
    where.run("import", "csv", str(tmp_path / "none.csv"), "--map", "airnow", expect=2)
    where.run("import", "xml", str(HANOI), "--map", "airnow", expect=2)
    assert "no map is called" in str(where.run("import", "csv", str(HANOI), "--map", "airnov", expect=1).exception)
    assert "USGS" in str(where.run("import", "csv", str(HANOI), "--map", "usgs-iv", expect=1).exception)
    assert "no station" in str(where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "x", expect=1).exception)


def test_a_gateway_without_api_keeps_its_ledger_to_itself(tmp_path: Path) -> None:
    where = place(tmp_path)
    ledger = Ledger(tmp_path / "data" / "ledger.db")
    try:
        done = where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang", expect=1)
        assert "in use" in str(done.exception) or "runs" in str(done.exception), done.exception
    finally:
        ledger.close()


class Api:
    """A gateway that is busy a few times."""

    def __init__(self, busy: int) -> None:
        self.busy, self.posted = busy, 0

    def get(self, path: str) -> Any:
        return {"time": "2026-11-25T20:00:00.000Z"}

    def post(self, path: str, body: Any) -> Any:
        assert (path, body["origin"]) == ("/api/v1/import", "x.csv")
        self.posted += 1
        if self.posted <= self.busy:
            raise Busy("60000 lines wait for history 'city'", 2.0)
        return {"lines": 1}


def test_an_import_waits_for_a_history_that_is_behind() -> None:
    said: list[str] = []
    slept: list[float] = []
    api = Api(busy=3)
    to = Running(api, said.append, slept.append)  # type: ignore[arg-type]
    to.put(Part("x.csv", [Group("a", "d", [(5, {"pm25": (1.0, 1)})])]))
    assert (api.posted, slept) == (4, [2.0, 2.0, 2.0])
    assert said == ["waiting: 60000 lines wait for history 'city'"]


def test_a_failure_half_way_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = place(tmp_path)
    parts = 0

    class Breaking(import_archive.Nowhere):
        def put(self, part: Part) -> None:
            nonlocal parts
            parts += 1
            if parts == 2:
                raise NotRunning("no gateway answers")

    monkeypatch.setattr(import_archive, "Nowhere", Breaking)
    done = where.run("import", "csv", str(HANOI), "--map", "airnow", "--station", "bach-dang", "--dry-run", expect=1)
    assert "stopped after 1 parts" in done.stderr
    assert "harmless" in done.stderr
