"""Health in parts, and the accounting of a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import coreconfig
from gateway.app import Gateway
from gateway.clock import Clock
from gateway.config import load
from gateway.health import GREEN, RED, YELLOW, HealthPart, overall
from gateway.standing import SESSION_LOST_SHOWN_MS, SHED_SHOWN_MS

NOW = 1_795_000_000_000


class HandClock(Clock):
    """A clock that is moved by hand."""

    hand_ms = NOW

    def now_ms(self) -> int:
        return self.hand_ms


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One that is made and does not run: with a broker that nobody answers for, and no API."""
    config = tmp_path / "envgw.yaml"
    config.write_text(
        "brokers: [{name: city, url: 'mqtt://127.0.0.1:1', subscriptions: [{topic: 'sensors/air/+', type: air-node}]}]\n"
        "api: {enabled: false}\n"
        "gateway: {data_dir: data}\n"
    )
    loaded = load(config, environ={})
    made = Gateway(loaded.settings, coreconfig.build(loaded), clock=HandClock())
    yield made
    await made.stop()


def part(gateway: Gateway, name: str) -> HealthPart | None:
    return next((part for part in gateway.standing.parts() if part.name == name), None)


async def test_a_broker_that_is_not_there_is_red_and_one_that_speaks_is_green(gateway: Gateway) -> None:
    (source,) = gateway.sources
    found = part(gateway, "source city")
    assert found is not None
    assert (found.colour, found.reason) == (RED, "not connected yet")
    source.health.connected, source.health.reason = True, ""
    assert part(gateway, "source city") == HealthPart("source city", GREEN)
    source.health.reason = "its certificate ends in 3 days"
    assert part(gateway, "source city") == HealthPart("source city", YELLOW, "its certificate ends in 3 days")


async def test_a_lost_session_is_shown_for_an_hour_and_a_second_one_for_another(gateway: Gateway) -> None:
    (source,) = gateway.sources
    assert part(gateway, "session city") is None
    source.health.sessions_lost = 1
    assert part(gateway, "session city") is not None
    gateway.clock.hand_ms = NOW + SESSION_LOST_SHOWN_MS  # type: ignore[attr-defined]
    assert part(gateway, "session city") is None
    source.health.sessions_lost = 2
    found = part(gateway, "session city")
    assert found is not None
    assert "forgot our session 2 times" in found.reason


async def test_shed_messages_are_red_for_a_minute(gateway: Gateway) -> None:
    gateway.inbox.shed_total, gateway.inbox.shed_at_ms = {"city": 7}, NOW
    found = part(gateway, "inbox")
    assert found is not None
    assert (found.colour, found.reason[:25]) == (RED, "7 QoS 0 messages were shed"[:25])
    gateway.clock.hand_ms = NOW + SHED_SHOWN_MS  # type: ignore[attr-defined]
    assert part(gateway, "inbox") is None


async def test_a_ledger_that_cannot_commit_is_red_and_so_is_the_whole(gateway: Gateway) -> None:
    assert part(gateway, "ledger") == HealthPart("ledger", GREEN)
    gateway.pipeline.trouble = "the disk is full"
    assert part(gateway, "ledger") == HealthPart("ledger", RED, "the disk is full")
    assert overall(gateway.standing.parts()) is RED


async def test_files_that_cannot_be_read_again_are_yellow(gateway: Gateway) -> None:
    gateway.reloader.trouble = "rules.yaml:3: unknown field"
    assert part(gateway, "configuration") == HealthPart("configuration", YELLOW, "rules.yaml:3: unknown field")


async def test_the_accounting_of_an_empty_gateway_adds_up(gateway: Gateway) -> None:
    status = await gateway.standing.status()
    assert status["received"] == status["stored"] == status["duplicate"] == status["shed"] == 0
    assert status["rejected"] == {}
    assert status["alerts"] == {"firing": 0, "unknown": 0}
    assert status["health"] == "red"
