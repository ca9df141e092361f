"""What all dashboards have in common: links that carry variables and time, variables, annotations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboards.board import WARDS, path, uid
from dashboards.stored import PROVISIONED_UID
from dashboards.words import LANGUAGES
from tests.dashboards.asking import BOARDS


def test_uids() -> None:
    assert [uid("city-now", language) for language in LANGUAGES] == ["envgw-city-now-vi", "envgw-city-now-en"]
    assert path("alerts", "vi") == "/d/envgw-alerts-vi"


@pytest.mark.parametrize("name", BOARDS)
def test_links_carry_variables_and_time(name: str) -> None:
    board = BOARDS[name]
    language = name.split(".")[1]
    others, other = board["links"]
    assert (others["type"], others["tags"]) == ("dashboards", ["envgw", language])
    assert set(board["tags"]) >= {"envgw", language}, "the links of the others find it by these"
    assert other["url"] == board["uid"].join(["/d/", ""]).removesuffix(language) + ("en" if language == "vi" else "vi")
    assert all(link["includeVars"] and link["keepTime"] for link in board["links"])


def links(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in ([item] if key == "url" and isinstance(item, str) else links(item))]
    return [found for item in value for found in links(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", BOARDS)
def test_links_lead_to_dashboards_that_exist(name: str) -> None:
    uids = {board["uid"] for board in BOARDS.values()}
    targets = {re.match(r"/d/([a-z0-9-]+)", url)[1] for url in links(BOARDS[name]) if url.startswith("/d/")}  # type: ignore[index]
    assert targets
    assert targets <= uids


@pytest.mark.parametrize("name", BOARDS)
def test_the_schema_is_one_that_grafana_9_4_has(name: str) -> None:
    assert BOARDS[name]["schemaVersion"] == 37


def test_wards_are_the_first_part_of_areas() -> None:
    pattern = re.compile(WARDS.strip("/").replace(r"\/", "/"))
    assert [pattern.search(area)[1] for area in ("hai-chau/bach-dang", "-")] == ["hai-chau", "-"]  # type: ignore[index]


def test_every_parameter_can_be_chosen_and_commas_do_not_split_names() -> None:
    (variable,) = [one for one in BOARDS["quality.vi.json"]["templating"]["list"] if one["name"] == "parameter"]
    options = re.findall(r"(?:\\,|[^,])+", variable["query"])  # how Grafana splits them
    pairs = [re.fullmatch(r"\s*(.+)\s:\s(.+)\s*", option).groups() for option in options]  # type: ignore[union-attr]
    assert ("Bụi PM2\\,5", "pm25") in pairs


def test_the_provisioned_source_is_chosen_first() -> None:
    assert all(board["templating"]["list"][0]["current"]["value"] == PROVISIONED_UID for board in BOARDS.values())


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board["annotations"]["list"]])
def test_annotations_are_read_by_old_and_new_grafana(name: str) -> None:
    for note in BOARDS[name]["annotations"]["list"]:
        assert note["query"] == note["target"]["query"]
        assert note["target"]["fromAnnotations"]
        assert note["target"]["textColumn"] == "rule"
        assert note["target"]["resultFormat"] == "table", "Grafana 9's server refuses a question that does not say it"
