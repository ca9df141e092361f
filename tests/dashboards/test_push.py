"""Pushing to a stand-in for Grafana (`tests/tools/grafana_standin.py`): everything arrives, twice changes nothing, errors are clear."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dashboards import push, stored
from dashboards.push import Episode, PushError, Result, Source
from tests.tools.grafana_standin import GrafanaStandIn
from tests.tools.mosquitto import free_port

BOARDS = stored.read()
SOURCE = Source(url="http://influxdb:8086", database="envgw", user="grafana")
EPISODES = [
    Episode("pm25-smoke/hai-chau-01/1", "Smoke: hai-chau-01", ("rule:pm25-smoke", "severity:warning"), 1_000, None),
    Episode("low-oxygen/cu-de-01/2", "Low oxygen: cu-de-01", ("rule:low-oxygen",), 2_000, 5_000),
]


@pytest.fixture
def grafana() -> Iterator[GrafanaStandIn]:
    with GrafanaStandIn() as stand_in:
        yield stand_in


def pushed(
    grafana: GrafanaStandIn, source: Source | None = SOURCE, folder: str = "envgw", episodes: list[Episode] = EPISODES
) -> list[Result]:
    return list(push.push(push.connect(grafana.url, grafana.token), BOARDS, folder=folder, source=source, episodes=episodes))


def test_everything_arrives(grafana: GrafanaStandIn) -> None:
    results = pushed(grafana)
    assert {result.done for result in results} == {"created"}
    assert [result.what for result in results[:3]] == ["folder", "data source", "dashboard"]
    assert set(grafana.dashboards) == {board["uid"] for board in BOARDS.values()}
    for board in BOARDS.values():
        stored_one = grafana.dashboards[board["uid"]]
        assert {key: value for key, value in stored_one["dashboard"].items() if key not in ("id", "version")} == board
        assert stored_one["meta"]["folderUid"] == "envgw"
    assert grafana.sources["envgw-influxql"]["jsonData"]["dbName"] == "envgw"
    assert [(one["time"], one["timeEnd"]) for one in grafana.annotations] == [(1_000, 1_000), (2_000, 5_000)]
    assert "episode:pm25-smoke/hai-chau-01/1" in grafana.annotations[0]["tags"]


@pytest.mark.slow
def test_twice_changes_nothing(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.writes.clear()
    assert {result.done for result in pushed(grafana)} == {"unchanged"}
    assert grafana.writes == []


def test_what_differs_is_put_right(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    uid = BOARDS["city-now.vi.json"]["uid"]
    grafana.dashboards[uid]["dashboard"]["title"] = "changed on the page"
    grafana.dashboards[BOARDS["city-now.en.json"]["uid"]]["meta"]["folderUid"] = "elsewhere"
    grafana.sources["envgw-influxql"]["url"] = "http://old:8086"
    grafana.writes.clear()
    over = [EPISODES[0]._replace(end_ms=9_000), EPISODES[1]]
    updated = [result for result in pushed(grafana, folder="Da Nang", episodes=over) if result.done != "unchanged"]
    assert [result.what for result in updated] == ["folder", "data source", "dashboard", "dashboard", "annotation"]
    assert {result.done for result in updated} == {"updated"}
    assert grafana.folders["envgw"]["title"] == "Da Nang"
    assert grafana.dashboards[uid]["dashboard"]["version"] == 2
    assert grafana.annotations[0]["timeEnd"] == 9_000
    assert len(grafana.annotations) == 2


def test_a_password_is_written_each_time_and_a_token_is_a_header(grafana: GrafanaStandIn) -> None:
    secret = Source(url="http://influxdb:8086", database="envgw", user="grafana", password="new")
    pushed(grafana, secret)
    assert [result.done for result in pushed(grafana, secret) if result.what == "data source"] == ["updated"]
    assert grafana.sources["envgw-influxql"]["secureJsonData"] == {"password": "new"}
    pushed(grafana, Source(url="http://influxdb:8086", database="envgw", token="read-only"))
    made = grafana.sources["envgw-influxql"]
    assert made["jsonData"]["httpHeaderName1"] == "Authorization"
    assert made["secureJsonData"] == {"httpHeaderValue1": "Token read-only"}


def test_a_data_source_that_is_there_may_stay(grafana: GrafanaStandIn) -> None:
    with pytest.raises(PushError, match="--influx-url"):
        pushed(grafana, None)
    pushed(grafana)
    assert [result.done for result in pushed(grafana, None) if result.what == "data source"] == ["unchanged"]


def test_an_editor_may_push_what_is_no_data_source() -> None:
    with GrafanaStandIn(role="Editor") as grafana:
        results = pushed(grafana, None)
        assert [result.done for result in results if result.what == "data source"] == ["unseen"]
        assert len(grafana.dashboards) == len(BOARDS)


def test_a_provisioned_data_source_holds(grafana: GrafanaStandIn) -> None:
    grafana.sources["envgw-influxql"] = {"name": "envgw", "uid": "envgw-influxql", "readOnly": True}
    assert [result.done for result in pushed(grafana) if result.what == "data source"] == ["unchanged"]


def test_provisioned_dashboards_are_not_fought_over(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.provisioned.add(BOARDS["city-now.en.json"]["uid"])
    with pytest.raises(PushError, match=r"reads '.*' from files"):
        pushed(grafana)


@pytest.mark.parametrize(
    ("token", "role", "said"),
    [
        ("glsa_wrong", "Admin", r"does not know this token \(401\)"),
        ("glsa_right", "Viewer", r"cannot write the folder: this token may not \(403"),
        ("glsa_right", "Editor", r"cannot read the data source: .* data sources Admin"),
    ],
)
def test_rights_that_lack_are_named(token: str, role: str, said: str) -> None:
    with GrafanaStandIn(role=role) as grafana, pytest.raises(PushError, match=said):
        list(push.push(push.connect(grafana.url, token), BOARDS, folder="envgw", source=SOURCE))


def test_who_does_not_answer_is_named() -> None:
    with pytest.raises(PushError, match="Grafana does not answer"):
        list(push.push(push.connect(f"http://127.0.0.1:{free_port()}", "t"), BOARDS, folder="envgw", source=SOURCE))


def test_an_address_needs_its_scheme() -> None:
    with pytest.raises(PushError, match="http:// or https://"):
        push.connect("localhost:3000", "t")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grafana_client", None)
    with pytest.raises(PushError, match=r"pip install -e '.\[grafana\]'"):
        push.connect("http://localhost:3000", "t")
