"""`envgw doctor` and `envgw history setup`, as a user sees them. (What is found at a history: tests/gateway/history/test_*_upkeep.py.)"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import doctor
from gateway.findings import Finding, State, all_right
from tests.gateway.commands.place import Place
from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import free_port


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def broker(port: int, **more: Any) -> dict[str, Any]:
    subscriptions = [{"topic": "sensors/air/+", "type": "air-node"}]
    return {"name": "city", "url": f"mqtt://127.0.0.1:{port}", "subscriptions": subscriptions, **more}


def place(folder: Path, **sections: Any) -> Place:
    return Place(folder, **({"api": {"port": free_port()}} | sections))


def found(place: Place, *arguments: str, expect: int = 0) -> dict[tuple[str, str], dict[str, str]]:
    document = json.loads(place.run(*arguments, "--json", expect=expect).stdout)
    assert document["ok"] is (expect == 0)
    assert all(each["do"] or each["state"] in ("ok", "done") for each in document["findings"]), document
    return {(each["part"], each["check"]): each for each in document["findings"]}


def test_everything_is_looked_at(tmp_path: Path, listener: int) -> None:
    site = place(tmp_path, brokers=[broker(listener)])
    seen = found(site, "doctor")
    assert {key[0] for key in seen} == {"config", "ledger", "gateway", "broker city", "history local"}
    assert seen["gateway", "health"]["state"] == "warning", "a gateway that does not run is no fault yet"
    text = site.run("doctor").stdout
    assert "ok       broker city" in text
    assert "→ start it: envgw run" in text


def test_one_topic_and_one_name(tmp_path: Path, listener: int) -> None:
    site = place(tmp_path, brokers=[broker(listener), broker(free_port(), name="docks")])
    assert {key[0] for key in found(site, "doctor", "history")} == {"history local"}
    assert {key[0] for key in found(site, "doctor", "brokers", "city")} == {"broker city"}
    assert set(found(site, "doctor", "ledger")) == {("ledger", "file"), ("ledger", "space")}
    assert "no history 'nope' is configured; there is: local" in str(site.run("doctor", "history", "nope", expect=1).exception)
    site.run("doctor", "ledger", "city", expect=2)
    site.run("doctor", "nonsense", expect=2)


def test_a_wrong_configuration_is_told_with_its_place(tmp_path: Path) -> None:
    site = place(tmp_path)
    site.registry.write_text("stations: 5\n")
    (problem,) = found(site, "doctor", expect=1).values()
    assert "stations.yaml:1" in problem["says"]


def test_a_broker_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    port = free_port()
    seen = found(place(tmp_path, brokers=[broker(port)]), "doctor", "brokers", expect=1)
    assert f"127.0.0.1:{port}" in seen["broker city", "connection"]["says"]


def test_a_broker_that_speaks_no_tls_is_wrong(tmp_path: Path, listener: int) -> None:
    odd = broker(listener, url=f"mqtts://127.0.0.1:{listener}", connect_timeout="300ms")
    seen = found(place(tmp_path, brokers=[odd, broker(listener, name="b", url="http://x")]), "doctor", "brokers", expect=1)
    assert {each["state"] for each in seen.values()} == {"wrong"}


@pytest.mark.parametrize(("free", "state", "code"), [(10**6, "wrong", 1), (10**9, "warning", 0), (10**13, "ok", 0)])
def test_room_for_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str, code: int) -> None:
    monkeypatch.setattr(doctor, "free_bytes", lambda _: free)
    assert found(place(tmp_path), "doctor", "ledger", expect=code)["ledger", "space"]["state"] == state


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # tests may run as root, who may everything
    assert found(place(tmp_path), "doctor", "ledger", expect=1)["ledger", "folder"]["state"] == "wrong"


def test_the_running_gateways_own_complaints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        {"name": "ledger", "colour": "green", "reason": ""},
        {"name": "history city", "colour": "yellow", "reason": "it is slow"},
        {"name": "source city", "colour": "red", "reason": "not connected"},
    ]
    monkeypatch.setattr(doctor.Api, "get", lambda *_, **__: {"parts": parts})
    seen = found(place(tmp_path), "doctor", "gateway", expect=1)
    assert {key[1]: each["state"] for key, each in seen.items()} == {"history city": "warning", "source city": "wrong"}
    del parts[1:]
    assert found(place(tmp_path), "doctor", "gateway")["gateway", "health"]["says"] == "runs, health is green"


def test_a_port_on_which_somebody_else_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.Api, "get", lambda *_, **__: {"hello": "world"})
    assert found(place(tmp_path), "doctor", "gateway", expect=1)["gateway", "health"]["state"] == "wrong"


def test_setup_of_several_histories_goes_on_after_one_that_is_wrong(tmp_path: Path, influx_database: tuple[Influxd, str]) -> None:
    influxd, database = influx_database
    influxd.query(f'DROP DATABASE "{database}"')
    histories = [
        {"name": "bad", "kind": "influxdb", "url": "https://127.0.0.1:1", "ca_file": "nope.pem"},
        {"name": "dead", "kind": "influxdb", "url": f"http://127.0.0.1:{free_port()}"},
        {"name": "city", "kind": "influxdb", "url": influxd.url, "api": "v1", "bucket": database},
        {"name": "local", "kind": "duckdb"},
    ]
    (tmp_path / "nope.pem").write_text("no certificate")
    site = place(tmp_path, history=histories)
    seen = found(site, "history", "setup", expect=1)
    assert seen["history bad", "settings"]["state"] == "wrong"
    assert seen["history dead", "setup"]["state"] == "wrong"
    assert seen["history city", "database"]["state"] == "done"
    assert seen["history local", "file"]["state"] == "done"
    assert (tmp_path / "data" / "history.duckdb").exists()
    assert set(found(site, "history", "setup", "city")) == {("history city", each) for each in ("database", "retention", "write", "read")}
    assert found(site, "doctor", "history", "city")["history city", "read"]["state"] == "ok"
    assert ("history bad", "settings") in found(site, "doctor", "history", expect=1)


def test_only_what_is_wrong_ends_with_1() -> None:
    assert all_right([Finding("p", "c", state, "", "") for state in State if state is not State.WRONG])
    assert not all_right([Finding("p", "c", State.OK, ""), Finding("p", "c", State.WRONG, "")])
