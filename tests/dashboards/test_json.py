"""What every dashboard must keep to, and that the committed JSON is what the code makes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dashboards import __main__ as command
from dashboards import words
from dashboards.panels import COLUMNS
from dashboards.words import Text

FILES = sorted(command.generated())
BOARDS = {name: json.loads(text) for name, text in command.generated().items()}

KNOWN_SINCE_9_4 = {"row", "timeseries", "table", "stat", "bargauge", "text"}
TRANSFORMATIONS_SINCE_9_4 = {"filterFieldsByName", "joinByField", "organize", "sortBy", "merge", "reduce"}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("name", FILES)
def test_committed_json_is_current(name: str) -> None:
    assert (command.FOLDER / name).read_text("utf-8") == command.generated()[name], f"dashboards/json/{name} is stale: make dashboards"


def test_no_other_json_is_committed() -> None:
    assert sorted(path.name for path in command.FOLDER.glob("*.json")) == FILES


def test_uids_and_titles_are_unique() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panel_ids_are_unique(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_do_not_overlap_and_stay_on_the_grid(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= COLUMNS
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken.get((x, y))}"
                taken[x, y] = panel["title"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_panel_explains_itself(board: dict[str, Any]) -> None:
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], panel
        assert len(panel["description"]) > 40, panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_data_source_is_named(board: dict[str, Any]) -> None:
    """Only the one chosen on the page, so that the dashboard can be imported anywhere."""

    def sources(value: Any) -> list[Any]:
        if isinstance(value, list):
            return [source for item in value for source in sources(item)]
        if isinstance(value, dict):
            own = [value["datasource"]] if value.get("datasource") else []
            return own + [source for key, item in value.items() if key != "datasource" for source in sources(item)]
        return []

    found = sources(board)
    assert len(found) > 20
    assert all(source == {"type": "influxdb", "uid": "${datasource}"} for source in found)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_only_what_grafana_9_4_and_12_share(board: dict[str, Any]) -> None:
    assert {panel["type"] for panel in board["panels"]} <= KNOWN_SINCE_9_4
    used = {transformation["id"] for panel in panels(board) for transformation in panel.get("transformations", [])}
    assert used <= TRANSFORMATIONS_SINCE_9_4


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_variable_used_is_defined(board: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)", json.dumps(board)))
    assert used == defined


def test_every_text_has_both_languages() -> None:
    texts = [value for value in vars(words).values() if isinstance(value, Text)] + list(words.FLAG_NAMES.values())
    assert len(texts) > 20
    assert all(text.vi and text.en for text in texts)


def test_writing_twice_changes_nothing(tmp_path: Any) -> None:
    assert sorted(path.name for path in command.main(tmp_path)) == FILES
    assert command.main(tmp_path) == []
