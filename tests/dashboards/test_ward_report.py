"""*Ward report* of the demo's day: days by category, days above the limit, means, alerts; printable."""

from __future__ import annotations

from datetime import date

from dashboards import ward_report
from devices.indices.limits import limit
from tests.dashboards.asking import BOARDS
from tests.dashboards.showing import shown
from tests.tools.history_servers import Influxd

BOARD = f"{ward_report.NAME}.en.json"


def test_days_by_category(database: tuple[Influxd, str]) -> None:
    rows = {row["Station"]: row for row in shown(database, BOARD, "VN_AQI: days by category")}
    assert len(rows) >= 9
    assert all(sum(value for name, value in row.items() if name != "Station") == 1 for row in rows.values()), "one day, one category"


def test_days_above_the_limit_are_those_of_the_law(database: tuple[Influxd, str]) -> None:
    rows = shown(database, BOARD, "Days above the 24-hour limit")
    names = [name for name in rows[0] if " > " in name]
    day = limit("pm25", "24h", date(2026, 3, 14))
    assert f"PM2.5 > {day.value:g}" in names
    means = {row["Device"]: row["PM2.5 (µg/m³), mean"] for row in shown(database, BOARD, "Air: means of the month")}
    above = {row["Device"]: row[f"PM2.5 > {day.value:g}"] for row in rows}
    known = {device: mean for device, mean in means.items() if mean is not None}
    assert len(known) >= 9
    assert {device: above[device] for device in known} == {device: int(mean > day.value) for device, mean in known.items()}
    assert all(row["Days with data"] == 1 for row in rows)


def test_alerts_of_the_month(database: tuple[Influxd, str]) -> None:
    rows = {(row["Station"], row["Rule"]): row for row in shown(database, BOARD, "Alerts of the month")}
    silent = rows["cam-le-01", "device-silent"]
    assert silent["Episodes"] > 3
    assert silent["In all"] >= silent["Longest"] > 0


def test_it_is_a_whole_month_and_stands_still() -> None:
    board = BOARDS[BOARD]
    assert (board["time"]["from"], board["time"]["to"]) == ("now-1M/M", "now-1M/M")
    assert not board.get("refresh")
    text = board["panels"][0]["options"]["content"]
    assert "${area:text}" in text
    assert "kiosk" in text
