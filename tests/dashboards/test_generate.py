"""What is committed is what the code makes; and Grafana's own types understand it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import generate, stored
from dashboards.generate import generated
from dashboards.lint import queried

FILES = generated()
PROMETHEUS = generated(generate.PROMETHEUS_BOARDS)
ALL = FILES | PROMETHEUS
PROVISIONING = Path(__file__).parents[2] / "deploy" / "grafana" / "provisioning"


@pytest.mark.parametrize("name", ALL)
def test_committed_json_is_current(name: str) -> None:
    path = (stored.FOLDER if name in FILES else stored.PROMETHEUS_FOLDER) / name
    assert path.exists(), f"{path} is missing: make dashboards"
    assert path.read_text("utf-8") == ALL[name], f"{path} is stale: make dashboards"


def test_no_other_json_is_committed() -> None:
    assert sorted(path.name for path in stored.FOLDER.rglob("*.json")) == sorted(FILES), "Grafana's provisioning reads all of it"
    assert sorted(path.name for path in stored.PROMETHEUS_FOLDER.glob("*.json")) == sorted(PROMETHEUS)


@pytest.mark.slow
def test_writing_twice_changes_nothing_and_what_is_gone_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(path.name for path in generate.write(tmp_path)) == sorted(FILES)
    assert generate.write(tmp_path) == []
    (tmp_path / "my-own.json").write_text("{}")
    (tmp_path / "city-now.fr.json").write_text("{}")
    assert [path.name for path in generate.write(tmp_path)] == ["city-now.fr.json"]
    assert (tmp_path / "my-own.json").exists()


def test_uids_are_fixed_and_titles_unique() -> None:
    """Links, provisioning and people's bookmarks hang on them."""
    found = [json.loads(text) for text in ALL.values()]
    assert [board["uid"] for board in found] == ["envgw-" + name.removesuffix(".json").replace(".", "-") for name in ALL]
    assert len({board["title"] for board in found}) == len(found)


@pytest.mark.parametrize("name", ALL)
def test_grafanas_types_understand_it_and_lose_nothing(name: str) -> None:
    """Read with the types of Grafana's published schema and written again, it is what it was."""
    board = json.loads(ALL[name])
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    for one in again["annotations"]["list"], board["annotations"]["list"]:
        for note in one:  # the schema knows only the common part of an annotation: the InfluxDB plug-in adds its query
            for key in ("target", "query", "textColumn", "tagsColumn", "hide", "builtIn"):
                note.pop(key, None)
    assert _sorted(again) == _sorted(board)


def _sorted(value: Any) -> Any:
    return json.dumps(value, sort_keys=True, indent=1).splitlines()


def test_a_fault_of_ours_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsound(language: Any) -> dict[str, Any]:
        board: dict[str, Any] = json.loads(FILES[f"city-now.{language}.json"])
        queried(board)[0]["description"] = ""
        return board

    monkeypatch.setitem(generate.BOARDS, "city-now", unsound)
    with pytest.raises(generate.Unsound, match="does not say what it shows"):
        generate.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_data_source_is_the_provisioned_one() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "envgw.yaml").read_text("utf-8"))["datasources"]
    assert (source["uid"], source["name"], source["type"]) == (stored.PROVISIONED_UID, stored.PROVISIONED_NAME, "influxdb")
    assert source["jsonData"].get("version", "InfluxQL") == "InfluxQL"
    for text in FILES.values():
        variable = json.loads(text)["templating"]["list"][0]
        assert (variable["name"], variable["query"], variable["current"]["value"]) == ("datasource", "influxdb", source["uid"])
