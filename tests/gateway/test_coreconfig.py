"""Types, registry, topics and rules checked as a whole, wherever they are written; each problem with file and line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gateway import coreconfig
from gateway.config import ConfigError, load

MAIN = """\
    gateway: {id: test}
    brokers:
      - name: city
        url: mqtt://127.0.0.1:1883
        subscriptions: [{topic: "sensors/air/+", type: air-node}]
    stations:
      - id: st-1
        name: {vi: "Trạm", en: "Station"}
        lat: 16.06
        lon: 108.22
        area: hai-chau
        medium: air
        devices:
          - {id: an-1, type: air-node, topics: ["sensors/air/an-1"], from: 2026-01-01}
    rules:
      - id: smoke
        name: {en: Smoke}
        levels:
          warning: {when: "pm25 > 100", for: 10m}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "envgw.yaml"
    path.write_text(dedent(text))
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        coreconfig.build(load(path, environ={}))
    return [str(problem) for problem in caught.value.problems]


def test_one_file_may_contain_everything(tmp_path: Path) -> None:
    core = coreconfig.build(load(write(tmp_path, MAIN), environ={}))
    assert list(core.interpreter.registry.stations) == ["st-1"]
    assert [rule["id"] for rule in core.plain["rules"]] == ["smoke"]


def test_written_here_and_in_files_together(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("rules: [{id: acid, name: {en: Acid}, levels: {warning: {when: 'ph < 5'}}}]")
    core = coreconfig.build(load(write(tmp_path, MAIN.replace("rules:\n", "rules:\n      - more.yaml\n")), environ={}))
    assert [rule["id"] for rule in core.plain["rules"]] == ["smoke", "acid"]


def test_what_is_wrong_in_the_main_file_has_its_line(tmp_path: Path) -> None:
    text = MAIN.replace("pm25 > 100", "pm52 > 100").replace("type: air-node, topics", "type: air-nod, topics")
    found = problems(write(tmp_path, text))
    assert any(line.startswith(f"{tmp_path}/envgw.yaml:19:") and "did you mean 'pm25'" in line for line in found), found
    found = problems(write(tmp_path, MAIN.replace("type: air-node, topics", "type: air-nod, topics")))
    assert any(line.startswith(f"{tmp_path}/envgw.yaml:14:") and "air-node" in line for line in found), found


def test_an_unknown_key_of_a_rule_is_named_with_what_was_meant(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, MAIN.replace("for: 10m", "fro: 10m")))
    assert "`fro`" in line
    assert "`for`" in line


def test_what_is_wrong_in_the_quality_of_a_station_has_its_line(tmp_path: Path) -> None:
    quality = """\
        quality:
          parameters:
            pm25:
              flat_line: {suspect: 9h, fail: 1h}
            pm26: {step: off}
"""
    text = MAIN.replace("        devices:\n", quality + "        devices:\n")
    (line,) = problems(write(tmp_path, text))
    assert line.startswith(f"{tmp_path}/envgw.yaml:16:")
    assert "`suspect` must be the shorter time" in line
    (line,) = problems(write(tmp_path, text.replace("9h", "1h")))
    assert line.startswith(f"{tmp_path}/envgw.yaml:17:")
    assert "did you mean 'pm25'" in line


def test_an_unknown_type_of_a_subscription_has_its_line(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, MAIN.replace("type: air-node}]", "type: air-nodde}]")))
    assert line.startswith(f"{tmp_path}/envgw.yaml:5:")
    assert "did you mean 'air-node'" in line


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    one = coreconfig.build(load(write(tmp_path, MAIN), environ={}))
    two = coreconfig.build(load(write(tmp_path, MAIN.replace("gateway: {id: test}", "gateway: {id: other}  # a comment")), environ={}))
    three = coreconfig.build(load(write(tmp_path, MAIN.replace("> 100", "> 101")), environ={}))
    assert one.digest == two.digest
    assert one.digest != three.digest
