"""`envgw rules test`: what a test file can say, what it finds, and what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError
from gateway.coreconfig import CoreConfig
from gateway.trial.ruletest import Result, run_file
from gateway.trial.timelines import span_ms, span_text

RULES = """
rules:
  - id: smoke
    name: {en: Smoke}
    where: {medium: air}
    levels:
      warning: {when: "pm25 > 50", for: 10m, clear: "pm25 < 40"}
      critical: {when: "pm25 > 150", for: 5m}
"""

GOOD = """
rules: [rules.yaml]
stations:
  a: {area: hai-chau}
tests:
  - name: comes, gets worse, falls silent, goes
    interval: 5m
    series: {a.pm25: "20x2 60x4 200x3 60 _x6 20x3"}
    expect:
      - {at: 20m, rule: smoke, station: a, state: firing, severity: warning, reason: condition, value: 60}
      - {at: 35m, rule: smoke, state: firing, severity: critical, reason: escalated}
      - {at: 45m, rule: smoke, state: firing, severity: warning, reason: de-escalated}
      - {at: 1h, rule: smoke, state: unknown, reason: data-stopped}
      - {at: 1h20m, rule: smoke, state: resolved, reason: cleared}
"""


def no_configuration() -> CoreConfig:
    raise AssertionError("a file with rules and stations of its own needs no configuration")


def results(folder: Path, text: str, rules: str = RULES) -> list[Result]:
    (folder / "rules.yaml").write_text(rules, "utf-8")
    (folder / "tests.yaml").write_text(text, "utf-8")
    return run_file(folder / "tests.yaml", no_configuration)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        results(folder, text)
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def test_a_whole_story_through_the_production_core(tmp_path: Path) -> None:
    (found,) = results(tmp_path, GOOD)
    assert (found.ok, found.diff, found.line) == (True, [], 6)


def test_a_wrong_expectation_is_shown_with_what_happened_instead(tmp_path: Path) -> None:
    (found,) = results(tmp_path, GOOD.replace("at: 20m", "at: 10m"))
    assert not found.ok
    assert [line[:2] for line in found.diff] == ["- ", "+ ", "  ", "  ", "  ", "  "]


def test_a_forgotten_transition_is_a_failure(tmp_path: Path) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if "de-escalated" not in line)
    (found,) = results(tmp_path, text)
    assert [line for line in found.diff if line.startswith("+ ")] == [found.diff[2]]


def test_built_in_alerts_count_where_one_is_named(tmp_path: Path) -> None:
    text = GOOD + "      - {at: 1h, rule: device-silent, station: a, state: firing, reason: data-stopped}\n"
    (found,) = results(tmp_path, text)
    assert [line[:2].strip() + line.split()[1] for line in found.diff if not line.startswith("  ")] == ["+1h20m"]  # it spoke again


def test_timers_run_in_virtual_time_to_the_end_that_is_given(tmp_path: Path) -> None:
    text = GOOD.split("tests:")[0] + (
        "tests:\n"
        '  - {name: short, interval: 5m, until: 14m, series: {a.pm25: "20 60"}, expect: []}\n'
        '  - {name: long, interval: 5m, until: 15m, series: {a.pm25: "20 60"}, expect: [{at: 15m, rule: smoke, state: firing}]}\n'
    )
    assert [found.ok for found in results(tmp_path, text)] == [True, True]


def test_values_are_judged_where_the_file_asks_for_it(tmp_path: Path) -> None:
    stuck = 'tests:\n  - {name: stuck, interval: 1h, series: {a.pm25: "60x30"}, expect: [{at: 0, rule: flat, state: firing}]}\n'
    rules = 'rules: [{id: flat, name: {en: Flat}, levels: {info: {when: "flag(pm25) in (3, 4)", immediate: true}}, quality: any}]'
    head = "rules: [rules.yaml]\nstations: {a: {}}\n"
    raw, judged = results(tmp_path, head + stuck, rules)[0], results(tmp_path, head + "judged: true\n" + stuck, rules)[0]
    assert [line[:2] for line in raw.diff] == ["- "]
    assert [line[:2] for line in judged.diff] == ["- ", "+ "]


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD.replace("a.pm25", "b.pm52")) == [
        "8: unknown parameter 'pm52'; did you mean 'pm25'?",
        "8: no station 'b' under `stations`",
    ]
    assert problems(tmp_path, GOOD.replace("20x2", "20*2"))[0].startswith("8: '20*2' is no part of a series")
    assert problems(tmp_path, GOOD.replace("rule: smoke, station", "rule: smoek, station")) == [
        "10: no rule 'smoek'; did you mean 'smoke'?"
    ]
    assert problems(tmp_path, GOOD.replace("at: 20m", "at: soon"))[0].startswith("10: ")
    assert "there is no such file" in problems(tmp_path, GOOD.replace("rules.yaml", "rulse.yaml"))[0]


@pytest.mark.parametrize(("text", "ms"), [("0", 0), ("25m", 1_500_000), ("1h30m", 5_400_000), ("2d1s", 172_801_000), ("250ms", 250)])
def test_spans_of_time(text: str, ms: int) -> None:
    assert (span_ms(text), span_text(ms)) == (ms, text)
