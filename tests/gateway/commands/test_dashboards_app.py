"""`envgw dashboards build` and `push`: what they print, where they take things from, and what they refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dashboards import stored
from gateway.cli import app
from gateway.errors import EnvgwError
from tests.tools.grafana_standin import GrafanaStandIn

CONFIG = """
history:
  - {name: local, kind: duckdb}
  - {name: city, kind: influxdb, url: "http://influxdb:8086", api: v1, bucket: city}
"""


def envgw(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["dashboards", *arguments], env=environment)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "envgw.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.mark.slow
def test_build_writes_what_is_shipped(tmp_path: Path) -> None:
    done = envgw("build", "--to", str(tmp_path / "json"))
    assert done.exit_code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "json").iterdir()} == {
        path.name: path.read_bytes() for path in stored.FOLDER.glob("*.json")
    }
    assert "all dashboards are current" in envgw("build", "--to", str(tmp_path / "json")).output
    assert json.loads(envgw("build", "--to", str(tmp_path / "json"), "--json").output) == []


def test_build_without_the_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dashboards.generate")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dashboards.generate", None)
    done = envgw("build")
    assert isinstance(done.exception, EnvgwError)
    assert "pip install 'envgw[dashboards]'" in str(done.exception)


def test_push_takes_the_source_from_the_configuration_and_the_token_from_a_file(tmp_path: Path, config: str) -> None:
    (tmp_path / "token").write_text("glsa_right\n")
    (tmp_path / "password").write_text("read only\n")
    arguments = ["--token-file", str(tmp_path / "token"), "--influx-user", "grafana", "--config", config]
    with GrafanaStandIn() as grafana:
        done = envgw("push", *arguments, "--influx-password-file", str(tmp_path / "password"), "--language", "vi", GRAFANA_URL=grafana.url)
        assert done.exit_code == 0, done.output
        made = grafana.sources["envgw-influxql"]
        assert (made["url"], made["database"], made["secureJsonData"]) == ("http://influxdb:8086", "city", {"password": "read only"})
        assert all(uid.endswith("-vi") for uid in grafana.dashboards)
        assert "created    data source envgw" in done.output
        again = envgw(
            "push", "--token-file", str(tmp_path / "token"), "--language", "vi", "--config", config, "--json", GRAFANA_URL=grafana.url
        )
        assert {json.loads(line)["done"] for line in again.output.splitlines()} == {"unchanged"}


def test_push_uploads_alerts_of_the_ledger(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    alert: dict[str, Any] = {
        "episode": "smoke/hai-chau-01/1773427280913", "rule": "smoke", "severity": "warning", "state": "resolved", "station": "hai-chau-01",
        "device": "an-01", "names": {"vi": "Khói"}, "since": "2026-03-13T18:41:20.913Z", "time": "2026-03-13T20:00:00Z",
    }  # fmt: skip
    asked: list[Any] = []

    def fetch(settings: Any, state: str, station: Any, since_ms: int, limit: int) -> list[dict[str, Any]]:
        asked.append((state, since_ms))
        return [alert, {**alert, "episode": "smoke/hai-chau-01/2", "state": "firing"}]

    monkeypatch.setattr("gateway.commands.alerts.fetch", fetch)
    with GrafanaStandIn() as grafana:
        done = envgw(
            "push", "--url", grafana.url, "--config", config, "--database", "city", "--alerts-since", "2026-03-01T00:00:00Z",
            GRAFANA_TOKEN="glsa_right",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
    over, is_open = grafana.annotations
    assert (over["time"], over["timeEnd"], over["text"]) == (1773427280913, 1773432000000, "Khói: hai-chau-01")
    assert is_open["timeEnd"] == is_open["time"]
    assert {"envgw", "rule:smoke", "station:hai-chau-01"} <= set(over["tags"])
    assert asked == [("all", 1772323200000)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "GRAFANA_TOKEN"),
        (["--language", "fr"], "--language is vi or en"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], said: str, config: str) -> None:
    done = envgw("push", "--config", config, *arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_history_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "envgw.yaml").write_text("gateway: {id: x}\n")
    done = envgw("push", "--config", str(tmp_path / "envgw.yaml"), "--influx-user", "grafana", GRAFANA_TOKEN="t")
    assert done.exit_code == 2
    assert "--influx-url" in done.output


def test_an_empty_folder_is_exit_1(tmp_path: Path, config: str) -> None:
    done = envgw("push", "--config", config, "--from", str(tmp_path / "nowhere"), GRAFANA_TOKEN="t")
    assert isinstance(done.exception, EnvgwError)
    assert "envgw dashboards build --to" in str(done.exception)
