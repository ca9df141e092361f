"""Every question of *City now* is put to a real InfluxDB that holds a small city, and must be answered with rows."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards import city_now
from dashboards.__main__ import generated
from dashboards.words import LANGUAGES
from devices import loader
from devices.reading import Flag, Line, Value
from gateway.history.line_protocol import Encoder
from tests.tools.history_servers import Influxd

NOW_MS = 1_773_453_600_000
HOUR_MS = 3_600_000
STATIONS = {
    "hai-chau-01": ("air", "hai-chau/bach-dang"),
    "thanh-khe-01": ("air", ""),
    "song-han-01": ("water", "hai-chau/cau-rong"),
}


def city() -> Iterator[Line]:
    """Three stations, one hour, a line a minute with every parameter of their medium; every flag occurs."""
    catalogue = loader.catalogue()
    flags = [Flag.GOOD, Flag.NOT_EVALUATED, Flag.SUSPECT, Flag.FAIL, Flag.MISSING]
    for station, (medium, area) in STATIONS.items():
        for minute in range(60):
            flag = flags[minute % len(flags)]
            value = None if flag is Flag.MISSING else float(minute)
            for measured in (medium, "device"):
                values = tuple(Value(parameter.id, value, int(flag)) for parameter in catalogue.values() if parameter.medium == measured)
                yield Line(measured, station, f"{station}-dev", area, NOW_MS - minute * 60_000, values)


def alert(state: str, time_ms: int) -> Line:
    """What the core hands to the histories when an alert changes (`Core.record`)."""
    notes = {"rule": "pm25-smoke", "kind": "threshold", "severity": "warning", "state": state, "reason": "condition", "parameter": "pm25"}
    return Line("alert", "hai-chau-01", "an-01", "hai-chau/bach-dang", time_ms, (), (*notes.items(), ("value", 120.5)))


@pytest.fixture(scope="module")
def database(shared_influxd: Influxd) -> Iterator[tuple[Influxd, str]]:
    name = "city_now"
    shared_influxd.create(name)
    _, texts, refused = Encoder().encode([*city(), alert("firing", NOW_MS - HOUR_MS // 2), alert("resolved", NOW_MS - 60_000)])
    assert refused == []
    request = urllib.request.Request(f"{shared_influxd.url}/write?db={name}&precision=ms", data="\n".join(texts).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204
    yield shared_influxd, name
    shared_influxd.query(f'DROP DATABASE "{name}"')


def escaped(value: str) -> str:
    """As Grafana's `:regex` format escapes a value."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda match: "\\" + match[0], value)


def filled(query: str, *, station: str = ".*", area: str = ".*", parameter: str = "pm25") -> str:
    """The query as Grafana sends it."""
    for variable, value in (
        ("$timeFilter", f"time >= {NOW_MS - HOUR_MS}ms and time <= {NOW_MS}ms"),
        ("$__interval", "5m"),
        ("${station:regex}", station),
        ("${area:regex}", area),
        ("${parameter}", parameter),
    ):
        query = query.replace(variable, value)
    assert "$_" not in query
    assert "${" not in query
    return query


BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in generated().items()}
TARGETS = [
    pytest.param(panel["title"], target["query"], id=f"{name.removesuffix('.json')}-{panel['id']}{target['refId']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel.get("targets", [])
]


@pytest.mark.parametrize(("title", "query"), TARGETS)
def test_every_question_is_answered_with_rows(database: tuple[Influxd, str], title: str, query: str) -> None:
    server, name = database
    series = server.query(filled(query), db=name)
    assert sum(len(one["values"]) for one in series) > 0, title


@pytest.mark.parametrize(("title", "query"), TARGETS[: len(TARGETS) // len(LANGUAGES)])
def test_another_station_answers_nothing(database: tuple[Influxd, str], title: str, query: str) -> None:
    """The choice of station reaches every question: an absent one has no values."""
    server, name = database
    series = server.query(filled(query, station="nowhere"), db=name)
    assert all(row[1] in (None, 0) for one in series for row in one["values"]), title


def test_a_ward_has_all_its_places_and_no_other(database: tuple[Influxd, str]) -> None:
    server, name = database
    query = filled(query_of("Air: newest value per station", "A"), area=escaped("hai-chau"))
    assert {one["tags"]["station"] for one in server.query(query, db=name)} == {"hai-chau-01"}
    query = filled(query_of("Air: newest value per station", "A"), area=f"({escaped('hai-chau')}|{escaped('-')})")
    assert {one["tags"]["station"] for one in server.query(query, db=name)} == {"hai-chau-01", "thanh-khe-01"}


def test_newest_is_the_newest_usable_value(database: tuple[Influxd, str]) -> None:
    """Minutes 0 and 1 ago are good and not evaluated: 0 ago wins; with only suspect, failed and missing ones there is none."""
    server, name = database
    (one,) = server.query(filled(query_of("Air: newest value per station", "A"), station="hai-chau-01"), db=name)
    assert one["values"] == [[NOW_MS, 0.0]]
    query = filled(query_of("Air: newest value per station", "A"), station="hai-chau-01").replace(
        f"<= {NOW_MS}ms", f"<= {NOW_MS - 2 * 60_000}ms"
    )
    (one,) = server.query(query, db=name)
    assert one["values"] == [[NOW_MS - 5 * 60_000, 5.0]]


def test_alerts_stand_newest_first_with_all_that_is_shown(database: tuple[Influxd, str]) -> None:
    server, name = database
    (one,) = server.query(filled(query_of("What happened to alerts", "A")), db=name)
    assert one["columns"] == ["time", "station", "state", "severity", "rule", "parameter", "value", "reason"]
    assert one["values"] == [
        [NOW_MS - 60_000, "hai-chau-01", "resolved", "warning", "pm25-smoke", "pm25", 120.5, "condition"],
        [NOW_MS - HOUR_MS // 2, "hai-chau-01", "firing", "warning", "pm25-smoke", "pm25", 120.5, "condition"],
    ]


def test_flags_are_counted(database: tuple[Influxd, str]) -> None:
    server, name = database
    for ref in "ABCDE":
        (one,) = server.query(filled(query_of("Share of quality flags: ${parameter:text}", ref), station="hai-chau-01"), db=name)
        assert sum(row[1] for row in one["values"]) == 12


def test_the_variables_find_stations_and_areas(database: tuple[Influxd, str]) -> None:
    server, name = database
    variables = {variable["name"]: variable for variable in BOARDS["city-now.en.json"]["templating"]["list"]}

    def values(variable: str, **chosen: str) -> set[str]:
        query = filled(variables[variable]["query"], **chosen)
        return {row[1] for one in server.query(query, db=name) for row in one["values"]}

    assert values("station") == set(STATIONS)
    assert values("station", area="hai-chau") == {"hai-chau-01", "song-han-01"}
    assert values("area") == {"hai-chau/bach-dang", "hai-chau/cau-rong", "-"}
    pattern = variables["area"]["regex"].strip("/").replace(r"\/", "/")
    assert {re.search(pattern, area)[1] for area in values("area")} == {"hai-chau", "-"}  # type: ignore[index]


def query_of(title: str, ref: str) -> str:
    (found,) = [
        target["query"]
        for panel in BOARDS["city-now.en.json"]["panels"]
        if panel["title"] == title
        for target in panel["targets"]
        if target["refId"] == ref
    ]
    return str(found)


def test_both_languages_ask_the_same_questions() -> None:
    """They differ in words only: the names of columns."""
    asked = [
        [
            re.sub(r'AS "[^"]*"', "", target["query"])
            for panel in BOARDS[f"city-now.{language}.json"]["panels"]
            for target in panel.get("targets", [])
        ]
        for language in LANGUAGES
    ]
    assert asked[0] == asked[1]
    assert len(asked[0]) > 20


def test_every_parameter_can_be_chosen() -> None:
    (variable,) = [one for one in BOARDS["city-now.vi.json"]["templating"]["list"] if one["name"] == "parameter"]
    options = re.findall(r"(?:\\,|[^,])+", variable["query"])  # how Grafana splits them
    ids = [re.fullmatch(r"\s*(.+)\s:\s(.+)\s*", option)[2] for option in options]  # type: ignore[index]
    assert ids == [parameter.id for parameter in loader.catalogue().values() if parameter.medium != "device"]


def test_uids_are_fixed() -> None:
    """Links, provisioning and people's bookmarks hang on them."""
    assert [city_now.uid(language) for language in LANGUAGES] == ["envgw-city-now-vi", "envgw-city-now-en"]
