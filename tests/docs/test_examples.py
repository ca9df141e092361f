"""The commented example is accepted as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load
from gateway.coreconfig import build

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "envgw.yaml"
ENVIRON = {"MQTT_PASSWORD": "x", "INFLUX_TOKEN": "y"}


def test_the_example_is_accepted() -> None:
    loaded = load(EXAMPLE, environ=ENVIRON)
    core = build(loaded)
    assert len(core.plain["stations"]) == 3
    assert len(core.plain["rules"]) == 3


def test_the_example_has_no_working_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLE, environ={})
    assert [problem.message.split(":")[0] for problem in caught.value.problems] == [
        "the environment variable MQTT_PASSWORD is not set",
        "the environment variable INFLUX_TOKEN is not set",
    ]


def test_a_mistake_in_a_named_file_is_placed_in_it(tmp_path: Path) -> None:
    for name in ("envgw.yaml", "stations.yaml", "rules.yaml"):
        (tmp_path / name).write_text((EXAMPLE.parent / name).read_text("utf-8").replace("type: met-node, topics", "type: met-nod, topics"))
    line = next(n for n, text in enumerate((tmp_path / "stations.yaml").read_text().splitlines(), 1) if "met-nod," in text)
    with pytest.raises(ConfigError) as caught:
        build(load(tmp_path / "envgw.yaml", environ=ENVIRON))
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line) == ("stations.yaml", line)
    assert "met-node" in problem.message
