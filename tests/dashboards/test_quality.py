"""*Data quality* on a day of the demo: the broken sensor, the silent hours, the wrong clock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboards import quality
from tests.dashboards import demo_day
from tests.dashboards.asking import filled, query_of
from tests.dashboards.showing import panel_of, shown
from tests.tools.history_servers import Influxd

BOARD = f"{quality.NAME}.en.json"


def test_flags_by_station(database: tuple[Influxd, str]) -> None:
    rows = {row["Device"]: row for row in shown(database, BOARD, "Flags by station: ${parameter:text}")}
    assert rows["an-09"]["fail"] > 600, "stuck at 1200 all day"
    assert rows["an-01"]["fail"] == 0
    assert rows["an-01"]["good"] > 600
    flags = [value.flag for line in demo_day.lines() if line.device == "an-07" for value in line.values if value.parameter == "pm25"]
    counted = rows["an-07"]["suspect"] + rows["an-07"]["fail"]
    assert 0 < counted <= len(flags)


def test_which_test_doubts(database: tuple[Influxd, str]) -> None:
    rows = {row["Device"]: row for row in shown(database, BOARD, "Which test doubts: ${parameter:text}")}
    assert rows["an-09"]["out of range"] == rows["an-09"]["All values"] > 600
    assert rows["an-07"]["step"] > 0, "a spike of nine times the value"
    assert all(row[name] == 0 for device, row in rows.items() for name in ("out of range",) if device != "an-09")


@pytest.mark.slow
def test_the_tests_are_those_that_the_core_names() -> None:
    named = {name.partition("_by_")[2] for line in demo_day.lines() for name, _ in line.notes if "_by_" in name}
    assert len(named) >= 2
    assert named <= set(quality.TESTS)


def test_every_test_has_its_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "quality.md").read_text(encoding="utf-8")
    page = page.partition("Limits are of neighbouring readings")[0]
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(quality.TESTS)


def test_silent_hours_are_incomplete(database: tuple[Influxd, str]) -> None:
    """The sensor at Lien Chieu is away for two hours in the middle of its smoke."""
    server, name = database
    query = filled(BOARD, query_of(BOARD, "Completeness by hour: ${parameter:text}"), station="lien-chieu-01")
    (one,) = server.query(query.replace("time(10m)", "time(1h)"), db=name)
    parts = {(row[0] - demo_day.START_MS) // demo_day.HOUR_MS: row[1] for row in one["values"]}
    assert parts[10] > 0.9
    assert parts[14] is None or parts[14] < 0.1
    assert parts[20] > 0.9


def test_a_wrong_clock_and_a_battery_are_seen(database: tuple[Influxd, str]) -> None:
    rows = {row["Device"]: row for row in shown(database, BOARD, "State of the devices")}
    assert rows["an-09"]["Device clock minus receipt (s)"] == 4000.0
    assert rows["an-01"]["Battery charge (%)"] > 0
    overrides = {
        one["matcher"]["options"]: one["properties"] for one in panel_of(BOARD, "State of the devices")["fieldConfig"]["overrides"]
    }
    (steps,) = [said["value"]["steps"] for said in overrides["Device clock minus receipt (s)"] if said["id"] == "thresholds"]
    assert [step["color"] for step in steps if step["value"] is not None and step["value"] <= 4000][-1] == "red"


def test_who_was_heard_when(database: tuple[Influxd, str]) -> None:
    rows = shown(database, BOARD, "Last heard")
    assert list(rows[0]) == ["Station", "Device", "Time"]
    assert {row["Device"] for row in rows} >= {"an-01", "wp-01", "lg-03", "mn-02", "hn-01"}
    assert all(row["Time"] > demo_day.END_MS - 2 * demo_day.HOUR_MS for row in rows)


def test_silence_is_listed_while_it_lasts(database: tuple[Influxd, str]) -> None:
    assert shown(database, BOARD, "Silent now") == [], "all are back at the end of the day"
