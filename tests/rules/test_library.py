"""The shipped rules: their tests pass, every one is tested, and says what it is, what to do and where its numbers come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway import coreconfig
from gateway.config import yamlfile
from gateway.config.yamlfile import Problem
from gateway.coreconfig import CoreConfig
from gateway.trial import timelines
from gateway.trial.ruletest import run_file
from rules.loader import library

FOLDER = Path(__file__).parents[2] / "rules" / "library"
FILES = sorted(FOLDER.glob("*.yaml"))
TESTS = sorted((FOLDER / "tests").glob("*.yaml"))


def no_configuration() -> CoreConfig:
    raise AssertionError("the library's tests bring their own stations")


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_timelines_go_as_expected(path: Path) -> None:
    for result in run_file(path, no_configuration):
        assert result.ok, f"{result.file}:{result.line}: {result.name}\n" + "\n".join(result.diff)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_accepted_as_it_is(path: Path) -> None:
    problems: list[Problem] = []
    assert coreconfig.read_rules([yamlfile.read(path)], None, problems)
    assert problems == []


def fired() -> set[tuple[str, str]]:
    """(rule, severity) that some timeline expects to fire."""
    models = [timelines.read(path).model for path in TESTS]
    return {(item.rule, item.severity or "") for model in models for test in model.tests for item in test.expect if item.state == "firing"}


@pytest.mark.parametrize("name", library())
def test_every_level_of_every_rule_fires_in_a_timeline(name: str) -> None:
    found = {severity for rule, severity in fired() if rule == name}
    assert found == set(library()[name]["levels"])


@pytest.mark.parametrize("name", library())
def test_every_rule_speaks_both_languages_and_names_its_source(name: str) -> None:
    rule: dict[str, Any] = library()[name]
    for key in ("name", "advice"):
        assert set(rule[key]) == {"vi", "en"}
        assert all(len(text) > 3 for text in rule[key].values())
    assert len(rule["source"]) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_rule_has_a_note_on_false_alarms(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in re.findall(r"^  - id: (\S+)", text, re.M):
        before = text[: text.index(f"  - id: {name}\n")].splitlines()
        note = [line for line in before[::-1][:9] if line.startswith("  #")]
        assert any("Backtest" in line for line in note), name
