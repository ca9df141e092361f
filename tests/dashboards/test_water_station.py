"""*Water station* on a day of the demo: classes of the law, an index that cannot be computed and says why, the flood."""

from __future__ import annotations

from dashboards import water_station
from dashboards.scales import SURFACE_WATER
from tests.dashboards.asking import BOARDS, filled, query_of
from tests.dashboards.showing import number, panel_of, shown
from tests.tools.history_servers import Influxd

BOARD = "water-station.en.json"


def test_an_index_that_is_not_there_says_why(database: tuple[Influxd, str]) -> None:
    """The demo's probes measure too few nutrients for VN_WQI: no number, and never a good one."""
    rows = shown(database, BOARD, "VN_WQI: category and cause")
    assert rows
    assert {row["Why there is none"] for row in rows} == {"too-few-nutrients"}
    assert number(database, BOARD, "VN_WQI now") is None
    first = panel_of(BOARD, "VN_WQI now")["fieldConfig"]["defaults"]["thresholds"]["steps"][0]
    assert first == {"color": "gray", "value": None}


def test_classes_of_the_law_are_lines() -> None:
    steps = panel_of(BOARD, "pH")["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]
    assert {step["color"] for step in steps} == set(SURFACE_WATER.values())
    assert "class A ≥ 6.5" in panel_of(BOARD, "pH")["description"]
    assert "No limit is published" in panel_of(BOARD, panel_titles()[0])["description"]


def panel_titles() -> list[str]:
    from devices import loader

    return [loader.catalogue()[name].name["en"] for name in water_station.PARAMETERS]


def test_the_flood_is_an_open_alert_and_an_annotation(database: tuple[Influxd, str]) -> None:
    (row,) = shown(database, BOARD, "Open alerts")
    assert (row["Rule"], row["State"]) == ("river-level", "firing")
    server, name = database
    firing = BOARDS[BOARD]["annotations"]["list"][0]
    (one,) = server.query(filled(BOARD, firing["target"]["query"]), db=name)
    assert [values[1] for values in one["values"]] == ["river-level"]


def test_each_gauge_is_a_line_of_its_own(database: tuple[Influxd, str]) -> None:
    server, name = database
    found = server.query(filled(BOARD, query_of(BOARD, panel_titles()[0])), db=name)
    assert {one["tags"]["device"] for one in found} == {"lg-03"}
