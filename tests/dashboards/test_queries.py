"""Every question of every dashboard, as a page asks it when it is opened, is put to a real InfluxDB that holds a day of the demo, and must
be answered with rows.

A question counts as answered if its stated columns are there and hold something. What Grafana does before it sends a question
(variables, time range, interval) is done here in the same way.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboards.lint import queried
from tests.dashboards.asking import BOARDS, filled, stated
from tests.tools.history_servers import Influxd

TARGETS = [
    pytest.param(name, panel["title"], target["query"], id=f"{name.removesuffix('.json')}-{panel['id']}{target['refId']}")
    for name, board in BOARDS.items()
    for panel in queried(board)
    for target in panel["targets"]
]
NOTES = [
    pytest.param(name, note["target"]["query"], id=f"{name}-{at}")
    for name, board in BOARDS.items()
    for at, note in enumerate(board["annotations"]["list"])
]
VARIABLES = [
    pytest.param(name, variable, id=f"{name}-{variable['name']}")
    for name, board in BOARDS.items()
    for variable in board["templating"]["list"]
    if variable["type"] == "query"
]


@pytest.mark.parametrize(("board", "title", "query"), TARGETS)
def test_every_question_is_answered_with_the_stated_columns(database: tuple[Influxd, str], board: str, title: str, query: str) -> None:
    server, name = database
    series = server.query(filled(board, query), db=name)
    assert series, title
    for one in series:
        assert stated(query) in (["*"], [column for column in one["columns"] if column != "time"])
    values = [value for one in series for row in one["values"] for value in row[1:]]
    assert any(value is not None for value in values), title


@pytest.mark.parametrize(("board", "title", "query"), [case for case in TARGETS if "${station" in case.values[2]])
def test_another_station_answers_nothing(database: tuple[Influxd, str], board: str, title: str, query: str) -> None:
    """The choice of station reaches every question: an absent one has no values."""
    server, name = database
    series = server.query(filled(board, query, station="nowhere"), db=name)
    assert all(value in (None, 0) for one in series for row in one["values"] for value in row[1:]), title


@pytest.mark.parametrize(("board", "title", "query"), [case for case in TARGETS if "${area" in case.values[2]])
def test_another_ward_answers_nothing(database: tuple[Influxd, str], board: str, title: str, query: str) -> None:
    server, name = database
    series = server.query(filled(board, query, area="nowhere"), db=name)
    assert all(value in (None, 0) for one in series for row in one["values"] for value in row[1:]), title


@pytest.mark.parametrize(("board", "query"), NOTES)
def test_annotations_find_the_alerts(database: tuple[Influxd, str], board: str, query: str) -> None:
    server, name = database
    river = {"station": "cu-de-01" if "resolved" in query else "thu-bon-01"}  # the flood is not over at the end of the day
    (one,) = server.query(filled(board, query, **(river if board.startswith("water") else {})), db=name)
    assert one["columns"] == ["time", "rule", "station", "severity", "state", "reason"]
    assert one["values"]


@pytest.mark.parametrize(("board", "variable"), VARIABLES)
def test_variables_find_something_to_choose(database: tuple[Influxd, str], board: str, variable: dict[str, Any]) -> None:
    server, name = database
    found = {row[1] for one in server.query(filled(board, variable["query"]), db=name) for row in one["values"]}
    pattern = re.compile(variable["regex"].strip("/").replace(r"\/", "/") or "(.*)")
    assert {match[1] for value in found if (match := pattern.search(value))}


@pytest.mark.parametrize("name", sorted({name.split(".")[0] for name in BOARDS}))
def test_both_languages_ask_the_same_questions(name: str) -> None:
    """They differ in words only: the names of columns."""
    asked = [
        [re.sub(r' AS "[^"]*"', "", target["query"]) for panel in queried(BOARDS[f"{name}.{language}.json"]) for target in panel["targets"]]
        for language in ("vi", "en")
    ]
    assert asked[0] == asked[1]
