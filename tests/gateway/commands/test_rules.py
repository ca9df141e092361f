"""`envgw rules check` and `diff`: everything that is wrong at once, and what an edited file would do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devices.reading import Line, Value
from gateway import coreconfig
from gateway.commands.rules import check, diff, difference
from gateway.config import load
from gateway.core.outcomes import Outcomes
from gateway.history.factory import make_history
from gateway.ledger import Ledger
from gateway.rulefiles import with_rules
from gateway.settings import LedgerSection, Settings
from tests.tools.town import MIN, NOW, air
from tests.tools.town import first as first_inputs

BAD = """
rules:
  - id: a
    name: {en: A}
    levels:
      warning: {when: "pm52 > 50"}
      critical: {wen: "pm25 > 3"}
      criticl: {when: "pm25 > 3"}
  - {use: pm25-smok}
  - id: b
    name: {en: B}
    levels: {warning: {when: "pm25 > 3", clear: "pm25 < 5"}}
"""
GOOD = """
rules:
  - id: smoke
    name: {en: Smoke}
    levels: {warning: {when: "pm25 > 50", immediate: true}}
  - {use: pm25-smoke, mode: shadow, levels: {critical: off}}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_everything_that_is_wrong_is_told_at_once_with_line_and_column(tmp_path: Path) -> None:
    problems = check(None, [written(tmp_path / "bad.yaml", BAD), tmp_path / "absent.yaml"]).problems
    assert [(Path(item.file).name, item.line, item.column) for item in problems] == [
        ("absent.yaml", 0, 0), ("bad.yaml", 6, 24), ("bad.yaml", 7, 7), ("bad.yaml", 7, 18), ("bad.yaml", 8, 7), ("bad.yaml", 9, 6),
        ("bad.yaml", 12, 50),
    ]  # fmt: skip
    assert "did you mean 'pm25'" in problems[1].message
    assert problems[4].message == "unknown key `criticl`: write 'info', 'warning' or 'critical', did you mean `critical`?"
    assert "did you mean 'pm25-smoke'" in problems[5].message


def test_good_rules_are_counted_and_the_library_is_followed(tmp_path: Path) -> None:
    assert check(None, [written(tmp_path / "good.yaml", GOOD)]) == (2, [], [])


def test_a_diff_without_a_ledger_compares_with_the_configuration(tmp_path: Path) -> None:
    written(tmp_path / "rules.yaml", GOOD)
    loaded = load(written(tmp_path / "envgw.yaml", "rules: [rules.yaml]\n"))
    new = written(
        tmp_path / "new.yaml", GOOD.replace("> 50", "> 60").replace("  - {use: pm25-smoke, mode: shadow, levels: {critical: off}}\n", "")
    )
    edited = coreconfig.build(with_rules(loaded, [new]))
    found = diff(loaded.settings, edited, coreconfig.build(loaded))
    assert (found["added"], found["removed"]) == ([], ["pm25-smoke"])
    assert found["changed"] == [
        {"rule": "smoke", "fields": [{"field": "levels.warning.when", "old": "pm25 > 50", "new": "pm25 > 60"}], "keeps_episodes": True}
    ]
    assert "~ smoke: its open alerts go on" in difference(found)


STATIONS = """
stations:
  - id: st-0
    name: {vi: A, en: A}
    lat: 16.06
    lon: 108.22
    area: hai-chau
    medium: air
    devices: [{id: an-0, type: air-node, topics: [sensors/air/an-0], from: "2020-01-01", interval: 60s}]
"""


async def _archive(settings: Settings, at_ms: int) -> None:
    """One reading that is older than the journal."""
    history = make_history(settings.history[0], settings.gateway.data_dir)
    await history.write([Line("air", "st-0", "an-0", "hai-chau", at_ms, (Value("pm25", 5.0, 1),))], 1)
    await history.close()


@pytest.mark.slow
def test_a_diff_beside_a_ledger_names_the_alerts_that_would_end_and_the_windows(tmp_path: Path) -> None:
    written(tmp_path / "rules.yaml", GOOD)
    written(tmp_path / "stations.yaml", STATIONS)
    loaded = load(
        written(
            tmp_path / "envgw.yaml",
            "gateway: {data_dir: data}\nstations: [stations.yaml]\nrules: [rules.yaml]\n"
            "brokers: [{name: city, url: 'mqtt://127.0.0.1', subscriptions: [{topic: sensors/air/+, type: air-node}]}]\n",
        )
    )
    old = coreconfig.build(loaded)
    from gateway.core import Core

    core = Core()
    path = loaded.settings.gateway.data_dir / loaded.settings.ledger.file
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(path, LedgerSection())
    inputs = [*first_inputs(dict(old.plain)), air(0, NOW + MIN, pm25=90.0), air(0, NOW + 2 * MIN, pm25=90.0)]
    out: Outcomes = core.step(inputs)
    ledger.commit(inputs, out)
    ledger.close()
    (episode,) = [item.episode for item in out.transitions if item.rule == "smoke"]

    gone = written(tmp_path / "gone.yaml", GOOD.replace("id: smoke", "id: other").replace("pm25 > 50", "avg(pm25, 2h) > 50"))
    found = diff(loaded.settings, coreconfig.build(with_rules(loaded, [gone])), old)
    assert [item["episode"] for item in found["ended"]] == [episode]
    assert found["kept"] == []
    assert [(item["window"], item["covered_s"]) for item in found["windows"]] == [("pm25/7200000", 120)]  # there is no history yet
    asyncio.run(_archive(loaded.settings, NOW - 90 * MIN))
    found = diff(loaded.settings, coreconfig.build(with_rules(loaded, [gone])), old)
    assert [(item["window"], item["covered_s"]) for item in found["windows"]] == [("pm25/7200000", 92 * 60)]
    kept = written(tmp_path / "kept.yaml", GOOD.replace("> 50", "> 60"))
    found = diff(loaded.settings, coreconfig.build(with_rules(loaded, [kept])), old)
    assert [item["episode"] for item in found["kept"]] == [episode]
    assert found["ended"] == []
