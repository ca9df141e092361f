"""`envgw history rebuild`: against a running gateway with a DuckDB history, and what it asks for part by part."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gateway.commands.rebuild import rebuilt
from tests.tools.commands import envgw
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import publish_all
from tests.tools.site import Site, running

HOUR = 3_600_000
MIN = 60_000


class Api:
    """Answers part by part."""

    def __init__(self, *parts: dict[str, Any]) -> None:
        self.parts, self.asked = list(parts), list[dict[str, Any]]()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/api/v1/rebuild"
        self.asked.append(body)
        return self.parts.pop(0)


def part(since: str, until: str, following: str | None) -> dict[str, Any]:
    return {"station": "a", "since": since, "until": until, "hours": 744, "lines": 1500, "next": following}


def test_parts_are_asked_for_until_there_are_no_more() -> None:
    january, february, march = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-20T00:00:00Z"
    api = Api(part(january, february, february), part(february, march, None), part(march, march, None))
    told: list[float] = []
    rows = list(rebuilt(api, ["a", "b"], "-60d", "now", lambda _, done: told.append(done)))  # type: ignore[arg-type]
    assert [row["hours"] for row in rows] == [744, 744, 744]
    assert [(asked["station"], asked["since"]) for asked in api.asked] == [("a", "-60d"), ("a", february), ("b", "-60d")]
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.slow
def test_issue_7_an_archive_gets_its_summaries_and_nobody_is_paged(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site = Site(tmp_path / "site", mosquitto.url, time={"accept_past": "30d"})
    midnight = int(time.time() * 1000) // (24 * HOUR) * 24 * HOUR - 3 * 24 * HOUR - 7 * HOUR
    said_of = [{"device": "an-0001", "time": midnight + 1 + n * MIN, "pm25": 130 + n % 3, "no2": 20 + n % 2} for n in range(36 * 60)]
    with running(site):
        site.until_connected()
        publish_all(mosquitto.port, [("sensors/air/an-0001", json.dumps(said).encode()) for said in said_of])
        site.until(lambda s: s["stored"] == len(said_of) and not any(s["pending"].values()))
        alerts = site.get("/api/v1/alerts", state="all").json()
        done = envgw("history", "rebuild", "--since", "-5d", "--station", "st-0001", "--json", "--config", site.config)
        (row,) = [json.loads(line) for line in done.stdout.splitlines()]
        assert row["hours"] >= 24 * 4
        assert row["next"] is None
        assert b"1 stations" in done.stderr
        site.until(lambda s: not any(s["pending"].values()))
        assert site.get("/api/v1/alerts", state="all").json() == alerts
    once = summaries(site)
    means = [(value, flag) for medium, parameter, _, value, flag in once if (medium, parameter) == ("air_1h", "pm25")]
    assert means == [(131.0, 1)] * 36
    days = [(at - midnight, value, flag) for medium, parameter, at, value, flag in once if (medium, parameter) == ("air_1d", "pm25")]
    assert days == [(0, 131.0, 1), (24 * HOUR, 131.0, 2)]
    daily = [(value, flag) for _, parameter, _, value, flag in once if parameter == "vn_aqi_day"]
    assert [found for found in daily if found[0] is not None] == [(186.0, 1)], "80 µg/m³ is 150, 150 is 200"
    assert {flag for value, flag in daily if value is None} == {9}, "of the other days it is said that there is none"
    with running(site):
        site.until_connected()
        envgw("history", "rebuild", "--since", "-5d", "--config", site.config)
        site.until(lambda s: not any(s["pending"].values()))
        said = envgw("history", "rebuild", "--since", "-5d", "--station", "nowhere", "--config", site.config, expect=1)
        assert b"nowhere" in said.stderr
    assert summaries(site) == once, "harmless when repeated"


def summaries(site: Site) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(site.data / "history.duckdb")) as history:
        return history.execute(
            "SELECT medium, parameter, epoch_ms(time), round(value, 6), flag FROM readings "
            "WHERE medium IN ('air_1h', 'air_1d', 'index') ORDER BY 3, 1, 2"
        ).fetchall()
