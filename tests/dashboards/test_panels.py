"""The grid, and the parts of panels that Grafana reads by name."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from hypothesis import given
from hypothesis import strategies as st

from dashboards import panels
from devices import loader


def plain(panel: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(panel.build(), cls=JSONEncoder))
    return found


@given(st.lists(st.tuples(st.integers(1, panels.COLUMNS), st.integers(1, 20), st.sampled_from(["", "line", "below"])), max_size=40))
def test_nothing_overlaps_and_ids_count_up(sizes: list[tuple[int, int, str]]) -> None:
    grid, taken, last = panels.Grid(), set[tuple[int, int]](), 0
    for number, (width, height, how) in enumerate(sizes, 1):
        if how == "line":
            grid.new_line()
        below = how == "below" and width <= last
        found, at = grid.place(width, height, below=below)
        last = width
        assert (found, at.w, at.h) == (number, width, height)
        cells = {(x, y) for x in range(at.x, at.x + width) for y in range(at.y, at.y + height)}
        assert max(x for x, _ in cells) < panels.COLUMNS
        assert not cells & taken
        taken |= cells


def test_units_are_written_as_people_write_them() -> None:
    catalogue = loader.catalogue()
    assert panels.unit(catalogue["pm25"]) == "suffix: µg/m³"
    assert panels.unit(catalogue["ph"]) in ("short", "suffix: pH")


def test_limits_are_dashed_lines_and_categories_bands() -> None:
    steps = [(None, "transparent"), (45.0, "red")]
    for areas, mode in ((False, "dashed"), (True, "area")):
        defaults = plain(panels.lines(steps, areas=areas))["fieldConfig"]["defaults"]
        assert defaults["thresholds"]["steps"] == [{"value": None, "color": "transparent"}, {"value": 45.0, "color": "red"}]
        assert defaults["custom"]["thresholdsStyle"]["mode"] == mode
    assert "thresholds" not in plain(panels.lines())["fieldConfig"]["defaults"]


def test_a_column_is_told_how_to_look_and_where_to_lead() -> None:
    panel = panels.table()
    panels.column(panel, "Station", link="/d/envgw-air-station-en", width=120)
    panels.column(panel, "VN_AQI", steps=[(None, "green")], decimals=0, more=panels.COLOURED)
    first, second = plain(panel)["fieldConfig"]["overrides"]
    assert first["matcher"] == {"id": "byName", "options": "Station"}
    (link,) = first["properties"][0]["value"]
    assert link["url"].startswith("/d/envgw-air-station-en?var-station=${__value.raw}&")
    assert "${__url_time_range}" in link["url"]
    assert {"id": "custom.displayMode", "value": "color-background"} in second["properties"]


def test_steps_that_are_done_with_answers() -> None:
    assert panels.only("state", "resolved", include=False)[1]["type"] == "exclude"
    assert panels.grouped(["rule"], {"episode": ["count"]})[1]["fields"]["rule"]["operation"] == "groupby"
    options = panels.arranged({"station": "Trạm", "value": "value"}, drop=["Time"])[1]
    assert options["renameByName"] == {"station": "Trạm"}
    assert options["indexByName"] == {"station": 0, "value": 1}
    assert options["excludeByName"] == {"Time": True}


def test_every_kind_is_one_that_grafana_knows() -> None:
    kinds = [
        panels.lines(), panels.bars(), panels.table(), panels.number(), panels.gauges([(None, "green")]), panels.states([]),
        panels.cells([(None, "green")], interval="1h"), panels.prose("# Text"),
    ]  # fmt: skip
    types = [plain(kind)["type"] for kind in kinds]
    assert types == ["timeseries", "timeseries", "table", "stat", "bargauge", "state-timeline", "status-history", "text"]
