"""What tables and numbers show after Grafana's steps, on every dashboard: no step or override names a column that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.lint import queried
from dashboards.shared import CLOCKS, SILENT
from rules.builtin import BUILTINS
from tests.dashboards.asking import BOARDS
from tests.dashboards.showing import number, panel_of, shown
from tests.tools.history_servers import Influxd

TABLES = [
    pytest.param(name, panel, id=f"{name}-{panel['id']}")
    for name, board in BOARDS.items()
    for panel in queried(board)
    if panel["type"] in ("table", "stat") and len(panel["targets"]) == 1 and panel["targets"][0]["resultFormat"] == "table"
]


@pytest.mark.parametrize(("board", "panel"), TABLES)
def test_every_column_that_is_dressed_is_there(database: tuple[Influxd, str], board: str, panel: dict[str, Any]) -> None:
    rows = shown(database, board, panel["title"])
    if not rows:
        assert panel["fieldConfig"]["defaults"]["noValue"], "nothing to show is said"
        return
    dressed = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    assert dressed <= set(rows[0])
    sorted_by = {one["displayName"] for one in panel["options"].get("sortBy", [])}
    assert sorted_by <= set(rows[0])


def test_open_alerts_are_those_that_are_not_over(database: tuple[Influxd, str]) -> None:
    """At the end of the demo's day the river is high, and nothing else is open."""
    (row,) = shown(database, "city-now.en.json", "Open alerts")
    assert (row["Station"], row["Rule"], row["State"], row["Parameter"]) == ("thu-bon-01", "river-level", "firing", "level")
    assert row["Since"] == row["Changed"]


def test_the_numbers_count_what_the_table_lists(database: tuple[Influxd, str]) -> None:
    assert number(database, "city-now.en.json", "Alerts that are open") == 1
    assert number(database, "city-now.en.json", "Silent devices") is None, "0: no device is silent at the end of the day"
    assert number(database, "city-now.en.json", "Alerts that are open", station="hai-chau-01") is None


def test_built_in_alerts_are_called_what_the_rules_call_them() -> None:
    for pattern in (SILENT, CLOCKS):
        assert set(pattern.strip("^$()").split("|")) <= set(BUILTINS)


def test_the_station_leads_to_its_dashboard() -> None:
    panel = panel_of("city-now.vi.json", "Không khí xấu nhất")
    (override,) = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == "Trạm"]
    (link,) = override["properties"][0]["value"]
    assert link["url"].startswith("/d/envgw-air-station-vi?var-station=${__value.raw}")
