"""The linter finds what is wrong, and nothing in what is committed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboards import stored
from dashboards.lint import problems, queried

BOARDS = stored.read() | stored.read(stored.PROMETHEUS_FOLDER)


@pytest.mark.parametrize("name", BOARDS)
def test_committed_dashboards_are_sound(name: str) -> None:
    assert problems(BOARDS[name]) == []


Spoil = Callable[[dict[str, Any]], Any]


def _panel(board: dict[str, Any]) -> dict[str, Any]:
    return queried(board)[0]


FAULTS: dict[str, tuple[Spoil, str]] = {
    "uid": (lambda board: board.update(uid="City now"), "the uid must be"),
    "id": (lambda board: board.update(id=7), "Grafana's own"),
    "same id": (lambda board: board["panels"][1].update(id=board["panels"][0]["id"]), "two panels have the id"),
    "same title": (lambda board: board["panels"][1].update(title=board["panels"][0]["title"]), "two panels are called"),
    "off the grid": (lambda board: _panel(board)["gridPos"].update(w=25), "leaves the grid"),
    "overlap": (lambda board: _panel(board)["gridPos"].update(h=99), "lies over"),
    "no title": (lambda board: _panel(board).update(title=""), "has no title"),
    "no description": (lambda board: _panel(board).update(description="Shows it."), "does not say what it shows"),
    "no unit": (lambda board: _panel(board)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "no text without data": (lambda board: _panel(board)["fieldConfig"]["defaults"].pop("noValue"), "without data"),
    "no query": (lambda board: _panel(board).update(targets=[]), "asks nothing"),
    "same ref": (lambda board: _panel(board)["targets"].append(dict(_panel(board)["targets"][0])), "two queries of one name"),
    "named source": (lambda board: _panel(board)["datasource"].update(uid="P951FEA4DE68E13C5"), "is named"),
    "source of a query": (lambda board: _panel(board)["targets"][0].update(datasource="InfluxDB"), "is named"),
    "unknown variable": (lambda board: _panel(board)["targets"][0].update(query="SELECT $__interval, ${wards}"), "'wards' is used"),
    "nothing chosen": (lambda board: board["templating"]["list"][1].pop("current"), "has no value to begin with"),
    "unused variable": (lambda board: board["templating"]["list"].append({"name": "host", "type": "query"}), "'host' is defined"),
    "panel of 12 only": (lambda board: _panel(board).update(type="canvas"), "of type canvas"),
    "panel of 8 only": (lambda board: _panel(board).update(type="graph"), "of type graph"),
    "green silence": (
        lambda board: _panel(board)["fieldConfig"]["defaults"].update(thresholds={"steps": [{"value": None, "color": "green"}]}),
        "what has no value must look like it",
    ),
    "green silence of a column": (
        lambda board: _panel(board)["fieldConfig"]["overrides"].append(
            {"properties": [{"id": "thresholds", "value": {"steps": [{"value": None, "color": "#00E400"}]}}]}
        ),
        "a scale begins with #00E400",
    ),
    "transformation": (lambda board: _panel(board).update(transformations=[{"id": "transpose"}]), "transformation transpose"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault: str) -> None:
    board = copy.deepcopy(BOARDS["city-now.en.json"])
    spoil, said = FAULTS[fault]
    spoil(board)
    assert any(said in problem for problem in problems(board)), problems(board)


def test_texts_differ_between_the_languages() -> None:
    """Nothing was forgotten in translation: no two descriptions are the same."""
    for name in sorted({name.split(".")[0] for name in BOARDS}):
        both = [BOARDS[f"{name}.{language}.json"] for language in ("vi", "en")]
        for vi, en in zip(*(board["panels"] for board in both), strict=True):
            assert vi["type"] == "row" or vi["description"] != en["description"], vi["title"]
    assert json.dumps(BOARDS["city-now.vi.json"], ensure_ascii=False).count("Trạm") > 0
