"""`envgw rules backtest` over the configured history: what it says is what the gateway said when it measured."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.reading import Line
from devices.times import iso
from gateway import coreconfig
from gateway.commands.backtest import over_history
from gateway.config import load
from gateway.core import Core
from gateway.core.inputs import Config, Input, Link, Message, Start, Tick
from gateway.core.outcomes import Transition
from gateway.errors import EnvgwError
from gateway.history.factory import make_history
from gateway.trial.score import Alarm, alarms
from tests.tools.commands import envgw
from tests.tools.history_servers import Influxd
from tests.tools.mosquitto import free_port
from tests.tools.site import Site, air_stations, running
from tests.tools.town import AT_WILL

HOUR = 3_600_000
NOW = 1_767_225_600_000
"""2026-01-01T00:00Z."""
STEP = 600_000

RULES = [
    {
        "id": "smoke",
        "name": {"en": "Smoke"},
        "levels": {
            "warning": {"when": "avg(pm25, 2h) > 90", "for": "20m", "clear": "avg(pm25, 2h) < 70"},
            "critical": {"when": "pm25 > 230"},
        },
    },
    {"id": "daily", "name": {"en": "Day"}, "levels": {"info": {"when": "pm25_24h > limit('QCVN 05:2023', pm25, '24h') + 35"}}},
    {"id": "many", "name": {"en": "Many"}, "group": "all", "levels": {"warning": {"when": "count_of(stations, pm25 > 120) >= 2"}}},
    {"id": "wet", "name": {"en": "Wet"}, "levels": {"info": {"when": "rh > 90 and pm25 > 60", "for": "30m"}}},
]


DUCKDB = [{"name": "local", "kind": "duckdb"}]
STATIONS = [{**station, "quality": AT_WILL} for station in air_stations(3, interval="10m")]


def write_config(folder: Path, history: list[dict[str, Any]], **more: Any) -> Path:
    """Three stations, rules in the main file itself; no gateway answers at its address."""
    config = {
        "gateway": {"data_dir": str(folder / "data")},
        "brokers": [{"name": "city", "url": "mqtt://127.0.0.1:1", "subscriptions": [{"topic": "sensors/air/+", "type": "air-node"}]}],
        "history": history,
        "stations": STATIONS,
        "rules": RULES,
        "api": {"port": free_port()},
        **more,
    }
    path = folder / "envgw.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return path


def messages(days: float = 4) -> list[Message]:
    """Three nodes that wander, agree now and then, and fall silent for a while."""
    rng = random.Random(7)
    level = [60.0, 60.0, 60.0]
    found = []
    for step in range(round(days * 24 * HOUR / STEP)):
        common = 90.0 if step % 200 > 160 else 0.0
        for n in range(3):
            level[n] = max(5.0, level[n] + (60 - level[n]) * 0.05 + rng.gauss(0, 18))
            at_ms = NOW + step * STEP + n * 1_000
            if n == 1 and 250 < step < 290:
                continue
            body: dict[str, Any] = {
                "device": f"an-{n + 1:04}",
                "time": at_ms,
                "pm25": round(level[n] + common, 1),
                "humidity": 80 + step % 20,
                "battery": 90,
            }
            if n == 2 and step == 300:
                body["pm25"] = 99_999
            found.append(
                Message(at_ms, "city", f"sensors/air/an-{n + 1:04}", json.dumps(body).encode(), 1, False, False, 1 + len(found) % 60_000)
            )
    return found


Measured = tuple[list[Transition], list[Line], set[str], int]


def measured(config: Path) -> Measured:
    """What the gateway made of it while it happened: transitions, what the histories got, episodes told, and the last instant."""
    core = coreconfig.build(load(config))
    gateway = Core((core.digest, core.interpreter))
    transitions: list[Transition] = []
    lines: list[Line] = []
    told: set[str] = set()

    def step(item: Input) -> None:
        out = gateway.step([item])
        transitions.extend(out.transitions)
        lines.extend(out.lines)
        told.update(intent.transition.episode for intent in out.intents if not intent.quiet)

    for first in (Start(NOW, "test"), Config(NOW, core.digest, core.text), Link(NOW, "city", True)):
        step(first)
    sent = messages()
    for item in sent:
        while (due := gateway.next_due_ms()) < item.received_ms:
            step(Tick(due))
            if gateway.next_due_ms() <= due:
                break
        step(item)
    return transitions, lines, told, sent[-1].received_ms


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measured(write_config(tmp_path_factory.mktemp("gateway"), DUCKDB))


def fill(config: Path, lines: list[Line]) -> None:
    """Into the configured history, as its lane does it."""
    settings = load(config).settings

    async def write() -> None:
        history = make_history(settings.history[0], settings.gateway.data_dir)
        for at in range(0, len(lines), 1_000):
            assert await history.write(lines[at : at + 1_000], at + 1) == []
        await history.close()

    settings.gateway.data_dir.mkdir(exist_ok=True)
    asyncio.run(write())


def same(found: list[Alarm]) -> list[tuple[Any, ...]]:
    return [(alarm.episode, alarm.fired_ms, alarm.ended_ms, alarm.steps, alarm.told) for alarm in found]


@pytest.mark.slow
def test_over_duckdb_it_says_what_the_gateway_said(tmp_path: Path, gateway: Measured) -> None:
    config = write_config(tmp_path, DUCKDB)
    transitions, lines, told, last = gateway
    fill(config, lines)
    loaded = load(config)
    found, recording = over_history(loaded.settings, coreconfig.build(loaded), iso(NOW - 1), iso(last), (), None, ())
    wanted = alarms(transitions, told)
    assert {alarm.rule for alarm in wanted} == {"smoke", "daily", "many", "wet"}
    assert same(found.new.alarms) == same(wanted)
    assert (recording.skipped, found.stations) == (0, 3)
    assert found.readings == sum(
        1 for line in lines if line.medium in ("air", "device") for value in line.values if value.value is not None
    )


@pytest.mark.slow
def test_through_the_command_a_part_of_it_is_warmed_up_by_what_was_before(tmp_path: Path, gateway: Measured) -> None:
    config = write_config(tmp_path, DUCKDB)
    transitions, lines, told, last = gateway
    fill(config, lines)
    since = NOW + 60 * HOUR
    asked = ("--since", iso(since), "--until", iso(last), "--config", config, "--json")
    found = json.loads(envgw("rules", "backtest", *asked).stdout)
    wanted = alarms(transitions, told, since)
    assert len(wanted) >= 4
    assert sum(alarm.before for alarm in wanted) == sum(row["open_before"] for row in found["rules"]) > 0
    # What was open has its true begin only if the 48 hours before hold that; from `since` on everything is as it was.
    steps = [(alarm.rule, alarm.where, [(iso(at_ms), name) for at_ms, name, _ in alarm.steps]) for alarm in wanted]
    assert sorted(
        (row["rule"], row["where"], [(step["time"], step["severity"]) for step in row["steps"]]) for row in found["alerts"]
    ) == sorted(steps)
    assert found["since"] == iso(since)


@pytest.mark.slow
def test_through_a_running_gateway_it_is_the_same(tmp_path: Path, gateway: Measured) -> None:
    """Which has the DuckDB file open: only its API can answer."""
    site = Site(tmp_path / "site", "mqtt://127.0.0.1:1", stations=STATIONS, rules=RULES)
    transitions, lines, told, last = gateway
    fill(site.config, lines)
    with running(site):
        loaded = load(site.config)
        found, recording = over_history(loaded.settings, coreconfig.build(loaded), iso(NOW - 1), iso(last), (), None, ())
        listed = site.cli("rules", "backtest", "--since", iso(NOW - 1), "--until", iso(last), "--station", "st-0002")
    assert same(found.new.alarms) == same(alarms(transitions, told))
    assert recording.skipped == 0
    assert "1 stations" in listed
    assert "st-0002" in listed
    assert "st-0001" not in listed


@pytest.mark.slow
def test_what_it_refuses(tmp_path: Path, gateway: Measured) -> None:
    config = write_config(tmp_path, DUCKDB)
    fill(config, gateway[1][:10])
    loaded = load(config)
    given = loaded.settings, coreconfig.build(loaded)
    with pytest.raises(EnvgwError, match="exchange them"):
        over_history(*given, "2026-02-01T00:00Z", "2026-01-01T00:00Z", (), None, ())
    with pytest.raises(EnvgwError, match="is not a time"):
        over_history(*given, "soon", "now", (), None, ())
    with pytest.raises(EnvgwError, match="holds no reading"):
        over_history(*given, "2025-01-01T00:00Z", "2025-02-01T00:00Z", (), None, ())
    without = load(write_config(tmp_path, DUCKDB, rules=[]))
    with pytest.raises(EnvgwError, match="--rules"):
        over_history(without.settings, coreconfig.build(without), "2026-01-01T00:00Z", "now", (), None, ())


def test_over_a_real_influxdb(tmp_path: Path, gateway: Measured, influx_database: tuple[Influxd, str]) -> None:
    server, database = influx_database
    config = write_config(tmp_path, [{"name": "influx", "kind": "influxdb", "api": "v1", "url": server.url, "bucket": database}])
    transitions, lines, told, last = gateway
    fill(config, lines)
    loaded = load(config)
    found, _ = over_history(loaded.settings, coreconfig.build(loaded), iso(NOW - 1), iso(last), (), None, ())
    assert same(found.new.alarms) == same(alarms(transitions, told))
