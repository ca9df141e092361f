"""*Air station* on a day of the demo: limits of the law, categories, flags, comparison."""

from __future__ import annotations

from datetime import date

import pytest

from dashboards import air_station, station
from dashboards.lint import queried
from devices.indices.limits import limit
from tests.dashboards import demo_day
from tests.dashboards.asking import BOARDS, filled, query_of
from tests.dashboards.showing import number, panel_of, shown
from tests.tools.history_servers import Influxd

BOARD = "air-station.en.json"
DAY = limit("pm25", "24h", date(2026, 3, 14))


def test_limits_are_lines_and_are_named() -> None:
    panel = panel_of(BOARD, "PM2.5")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:] == [{"color": "red", "value": DAY.value}]
    assert f"{DAY.standard_name}: 24 h ≤ {DAY.value:g} µg/m³" in panel["description"]
    steps = panel_of(BOARD, "Nitrogen dioxide")["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps[1:]] == [(100, "red"), (200, "orange")]


def test_the_means_that_limits_are_about_are_drawn(database: tuple[Influxd, str]) -> None:
    server, name = database
    raw, derived = [target["query"] for target in panel_of(BOARD, "PM2.5")["targets"]]
    (one,) = server.query(filled(BOARD, derived), db=name)
    assert one["columns"] == ["time", "PM2.5, 1-hour mean", "PM2.5, 24-hour mean"]
    assert len(one["values"]) >= 24
    assert len(server.query(filled(BOARD, raw), db=name)) == 1, "a series for each device"


def test_the_smoke_shows_in_the_index(database: tuple[Influxd, str]) -> None:
    rows = shown(database, BOARD, "VN_AQI: category and cause")
    assert {row["Category"] for row in rows} >= {"hazardous", "good"} or {row["Category"] for row in rows} >= {"very_unhealthy"}
    assert all((row["VN_AQI"] is None) == bool(row["Why there is none"]) for row in rows)
    assert number(database, BOARD, "VN_AQI now") >= 0


def test_the_broken_sensor_shows_in_the_flags(database: tuple[Influxd, str]) -> None:
    server, name = database
    found = server.query(filled(BOARD, query_of(BOARD, "Quality flags"), station="cam-le-01"), db=name)
    (one,) = [one for one in found if one["tags"]["device"] == "an-09"]
    at = one["columns"].index("PM2.5")
    assert {row[at] for row in one["values"] if row[at] is not None} == {4}


@pytest.mark.parametrize(("title", "shift"), [("this period", None), ("a week before", station.WEEK), ("a year before", station.YEAR)])
def test_the_past_is_asked_for_by_moving_the_time(title: str, shift: str | None) -> None:
    panel = panel_of(BOARD, "${parameter:text}: " + title)
    assert panel.get("timeShift") == shift


def test_the_table_of_limits_is_that_of_the_law() -> None:
    (panel,) = [panel for panel in BOARDS[BOARD]["panels"] if panel["title"] == "Limits"]
    assert f"| PM2.5 | 24 h ≤ {DAY.value:g}; year ≤ 25 µg/m³ |" in panel["options"]["content"]
    assert "QCVN 05:2023/BTNMT" in panel["options"]["content"]
    assert "≤ 50" not in next(line for line in panel["options"]["content"].splitlines() if "| PM2.5 |" in line), "not in force any more"


def test_one_station_at_a_time() -> None:
    (variable,) = [one for one in BOARDS[BOARD]["templating"]["list"] if one["name"] == "station"]
    assert not variable["multi"]
    assert not variable["includeAll"]
    assert len(queried(BOARDS[BOARD])) > len(air_station.POLLUTANTS)
    assert demo_day.GATEWAY not in str(variable["query"])
