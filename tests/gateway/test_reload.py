"""Hot reload: all or nothing, and a bad file leaves the old rules running (issue 6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest

from gateway import coreconfig, reload
from gateway.app import Gateway
from gateway.config import load
from gateway.core.inputs import Message
from gateway.health import YELLOW, HealthPart
from gateway.reload import Reader, seen

pytestmark = pytest.mark.slow

MAIN = """\
    gateway: {id: test, data_dir: data}
    api: {enabled: false}
    brokers:
      - {name: city, url: "mqtt://127.0.0.1:1", subscriptions: [{topic: "sensors/air/+", type: air-node}]}
    stations:
      - id: st-1
        name: {vi: "Trạm", en: "Station"}
        lat: 16.06
        lon: 108.22
        area: hai-chau
        medium: air
        devices: [{id: an-1, type: air-node, topics: ["sensors/air/an-1"], from: 2020-01-01}]
    rules: [rules.yaml]
"""
RULE = "rules: [{id: smoke, name: {en: Smoke}, levels: {warning: {when: 'pm25 > 100', immediate: true}}}]"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "envgw.yaml").write_text(dedent(MAIN))
    (tmp_path / "rules.yaml").write_text(RULE)
    loaded = load(tmp_path / "envgw.yaml", environ={})
    found = Gateway(loaded.settings, coreconfig.build(loaded), reader=Reader(loaded))
    await found.start()
    yield found
    await found.stop()


def trouble(gateway: Gateway) -> list[HealthPart]:
    return [part for part in gateway.standing.parts() if part.name == "configuration"]


async def test_a_changed_rule_is_in_force_after_the_reload_and_in_the_journal(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.config.digest
    assert (await gateway.reloader.reload())["changed"] is False
    (tmp_path / "rules.yaml").write_text(RULE.replace("> 100", "> 50"))
    found = await gateway.reloader.reload()
    assert (found["changed"], found["problems"]) == (True, [])
    assert gateway.core.state.config == gateway.config.digest == found["digest"] != before
    assert gateway.core.rulebook.rule("smoke").levels[0].limit == 50
    assert gateway.ledger.ledger.config_text(found["digest"]) == gateway.config.text


async def test_a_bad_file_leaves_the_old_rules_running_and_health_yellow_until_it_is_mended(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULE.replace("pm25 > 100", "pm52 > 100").replace("en: Smoke", "xx: Smoke"))
    found = await gateway.reloader.reload()
    assert found["changed"] is False
    assert any("rules.yaml:1" in line for line in found["problems"])
    (part,) = trouble(gateway)
    assert part.colour == YELLOW
    assert "rules.yaml:1" in part.reason
    assert gateway.core.rulebook.rule("smoke").levels[0].limit == 100
    (tmp_path / "rules.yaml").write_text(RULE)
    assert (await gateway.reloader.reload())["problems"] == []
    assert trouble(gateway) == []


@pytest.mark.slow
async def test_a_changed_file_is_noticed_by_itself(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0.02)
    (tmp_path / "rules.yaml").write_text(RULE.replace("> 100", "> 50  "))
    async with asyncio.timeout(30):
        while gateway.core.rulebook.rule("smoke").levels[0].limit != 50:
            await asyncio.sleep(0.01)


async def test_sighup_reloads(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULE.replace("> 100", "> 50"))
    gateway.request_reload()
    async with asyncio.timeout(30):
        while gateway.core.rulebook.rule("smoke").levels[0].limit != 50:
            await asyncio.sleep(0.01)


async def test_a_new_window_is_filled_and_that_is_said(gateway: Gateway, tmp_path: Path) -> None:
    now = gateway.inbox.now_ms()
    message = Message(now, "city", "sensors/air/an-1", b'{"device": "an-1", "pm25": 7}', 1)
    await gateway.inbox.submit(message)
    (tmp_path / "rules.yaml").write_text(RULE.replace("pm25 > 100", "avg(pm25, 1h) > 50"))
    found = await gateway.reloader.reload()
    assert [(item["window"], item["stations"], item["length_s"]) for item in found["windows"]] == [("pm25/3600000", 1, 3600.0)]
    assert gateway.core.stations["st-1"].windows["pm25/3600000"].total == 7.0


async def test_names_in_texts_are_those_of_the_new_registry(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "envgw.yaml").write_text(dedent(MAIN).replace('en: "Station"', 'en: "Bridge"'))
    await gateway.reloader.reload()
    assert gateway.describer.station("st-1", "en") == "Bridge"


def test_what_changes_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    missing = seen([path])
    path.write_text("a")
    one = seen([path])
    path.write_text("ab")
    assert len({missing, one, seen([path])}) == 3
