"""*Alerts* on a day of the demo: how many, how soon acknowledged, which rules, what flaps."""

from __future__ import annotations

import pytest

from dashboards import alerts
from tests.dashboards import demo_day
from tests.dashboards.asking import filled, query_of
from tests.dashboards.showing import number, shown
from tests.tools.history_servers import Influxd

BOARD = f"{alerts.NAME}.en.json"


def steps() -> list[dict[str, object]]:
    return [dict(line.notes) | {"station": line.station} for line in demo_day.lines() if line.medium == "alert"]


def test_the_numbers(database: tuple[Influxd, str]) -> None:
    assert number(database, BOARD, "Open") == 1
    assert number(database, BOARD, "Episodes") == len({step["episode"] for step in steps()})
    (acknowledged,) = [float(str(step["open_s"])) for step in steps() if step["reason"] == "acknowledged"]
    assert acknowledged > 600, "the smoke had lasted ten minutes before the alert was out"
    assert number(database, BOARD, "Time to acknowledge (mean)") == pytest.approx(acknowledged)
    assert number(database, BOARD, "Time to acknowledge (longest)") == pytest.approx(acknowledged)
    over = [float(str(step["open_s"])) for step in steps() if step["state"] == "resolved"]
    assert number(database, BOARD, "Open for (mean)") == pytest.approx(sum(over) / len(over))
    assert number(database, BOARD, "Open for (longest)") == pytest.approx(max(over))


def test_the_most_frequent_rules(database: tuple[Influxd, str]) -> None:
    found = {row["Rule"]: row["Episodes"] for row in shown(database, BOARD, "Most frequent rules")}
    episodes = {(step["rule"], step["episode"]) for step in steps()}
    assert found == {rule: sum(1 for name, _ in episodes if name == rule) for rule, _ in episodes}
    assert found["device-silent"] > found["pm25-smoke"]


def test_what_flaps_has_the_most_changes(database: tuple[Influxd, str]) -> None:
    rows = shown(database, BOARD, "Flapping")
    worst = max(rows, key=lambda row: row["Changes"])
    assert (worst["Station"], worst["Rule"]) == ("cam-le-01", "device-silent")
    assert worst["Changes"] == sum(1 for step in steps() if (step["station"], step["rule"]) == ("cam-le-01", "device-silent"))


def test_who_acknowledged_after_how_long(database: tuple[Influxd, str]) -> None:
    (row,) = shown(database, BOARD, "Acknowledged")
    assert (row["Station"], row["Rule"]) == ("hai-chau-01", "pm25-smoke")
    assert list(row) == ["Time", "Station", "Rule", "Acknowledged after"]


def test_changes_are_counted_by_state(database: tuple[Influxd, str]) -> None:
    server, name = database
    (one,) = server.query(filled(BOARD, query_of(BOARD, "Changes over time")), db=name)
    sums = {column: sum(row[at] for row in one["values"]) for at, column in enumerate(one["columns"]) if at}
    states = [step["state"] for step in steps()]
    assert sums == {"firing": states.count("firing"), "data stopped": states.count("unknown"), "resolved": states.count("resolved")}
