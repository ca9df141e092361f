"""Old data in and out: an archive goes into the running gateway and pages nobody; what is exported goes into another city as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.e2e.test_watching import Events
from tests.tools.site import Site, air_stations, running

DATA = Path(__file__).parents[1] / "data" / "series"
HANOI = DATA / "hanoi-2019-whole.csv"
NOBODY = "mqtt://127.0.0.1:1"
"""A broker that is not there: nothing but the archive comes in."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def settled(site: Site) -> dict[str, Any]:
    return site.until(lambda status: not any(status["pending"].values()))


@pytest.mark.slow
def test_an_archive_goes_into_the_running_gateway_and_from_there_elsewhere(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", NOBODY, stations=air_stations(2), gateway={"id": "test", "data_dir": "data", "licence": "CC0-1.0"})
    with running(site):
        events = Events(site)
        report = json.loads(site.cli("import", "csv", str(HANOI), "--map", "airnow", "--station", "st-0001", "--json"))
        assert (report["through"], report["stored"]) == ("the running gateway", 1921)
        status = settled(site)
        # The city has a rule that fires at once above 100 µg/m³, and Hanoi's October had many such hours.
        assert any(float(row["Raw Conc."]) > 100 for row in rows(HANOI))
        assert (status["received"], status["stored"], status["revisions"], status["alerts"]["firing"]) == (0, 0, 0, 0)
        assert site.get("/api/v1/alerts", state="all").json() == []
        assert [station["latest"] for station in site.get("/api/v1/stations").json()] == [[], []]
        assert [event for event in events.got if event[0] in ("reading", "alert")] == []
        found = site.rows(station="st-0001")
        assert len(found) == 1921
        assert {row["device"] for row in found} == {"airnow"}
        flags = {flag: sum(row["flag"] == int(flag) for row in found) for flag in report["flags"]["pm25"]}
        assert flags == report["flags"]["pm25"]

        site.cli("import", "csv", str(HANOI), "--map", "airnow", "--station", "st-0001")
        settled(site)
        assert site.rows(station="st-0001") == found, "the same points again"
        out = tmp_path / "months"
        assert "licence: CC0-1.0" in site.cli("export", "--output", str(out))
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["history"]["asked"] == "the running gateway"
        assert [entry["name"][9:16] for entry in manifest["files"]] == ["2019-10", "2019-11", "2019-12"]
        site.terminate()
        site.start()
        assert site.rows(station="st-0001") == found, "a restart steps the journal again, the import in it"

    other = Site(tmp_path / "other", NOBODY, stations=air_stations(2))
    for entry in manifest["files"]:
        other.cli("import", "parquet", str(out / entry["name"]), "--map", "envgw")
    with running(other):
        settled(other)
        again = other.rows(station="st-0001")
    assert [{**row, "flag": 0} for row in again] == [{**row, "flag": 0} for row in found]
    # A month is judged from its own beginning: a reading or two at each seam may be judged otherwise.
    assert sum(one["flag"] != two["flag"] for one, two in zip(again, found, strict=True)) <= 6


def _resident_mb(pid: int, what: str = "VmHWM") -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) // 1024


@pytest.mark.slow
def test_the_api_streams_a_million_readings_in_constant_memory(tmp_path: Path) -> None:
    """Of the gateway, however fast or slowly they are read; the history's sorting has its own limit of 64 MB."""
    site = Site(tmp_path / "site", NOBODY, stations=air_stations(2))
    site.cli("import", "csv", str(HANOI), "--map", "airnow", "--station", "st-0001")
    with running(site):
        settled(site)
        site.terminate()
    with duckdb.connect(str(site.data / "history.duckdb")) as connection:
        connection.execute("INSERT INTO reading SELECT 1, 1600000000000 + 60000 * i, i % 50, 1, 10000 + i FROM range(1000000) a(i)")
    with running(site):
        period = {"since": "2019-01-01T00:00Z", "until": "2026-01-01T00:00Z"}
        site.get("/api/v1/readings", since="2019-10-01T00:00Z", until="2020-01-01T00:00Z")
        before = _resident_mb(site.pid)
        url = f"http://127.0.0.1:{site.port}/api/v1/readings"
        with httpx.stream("GET", url, params={**period, "format": "csv"}, trust_env=False, timeout=60) as slow:
            chunks = slow.iter_bytes()
            head = next(chunks)
            assert head.startswith(b"time,station,device,area,medium,parameter,value,unit,flag")
            # While this client sleeps on its answer another one reads all of it.
            with httpx.stream("GET", url, params=period, trust_env=False, timeout=60) as quick:
                rows = sum(chunk.count(b"\n") for chunk in quick.iter_bytes())
            assert rows == 1_000_000 + 1921
            assert head.count(b"\n") + sum(chunk.count(b"\n") for chunk in chunks) == rows + 1
        assert _resident_mb(site.pid) - before < 120, "two answers, each with the history's 64 MB at most"
