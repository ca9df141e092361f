"""From the configuration to running sources."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.mqtt.inbox import Item
from gateway.mqtt.mqtt5_source import Mqtt5Source
from gateway.mqtt.session import SessionMemory, client_id
from gateway.mqtt.source import Delivery, Source
from gateway.settings import BrokerSection, Settings

if TYPE_CHECKING:
    from gateway.mqtt.paho_source import PahoSource

SESSIONS_FILE = "mqtt-sessions.json"


def make_source(
    settings: BrokerSection,
    *,
    gateway_id: str,
    max_payload: int,
    memory: SessionMemory | None = None,
    rng: random.Random | None = None,
) -> Source:
    """The source of one broker. With `memory` a lost session and topics no longer wanted are noticed across restarts."""
    client = client_id(settings, gateway_id)
    known = memory.known(settings, client) if memory is not None else None
    return _kind(settings)(
        settings,
        gateway_id=gateway_id,
        max_payload=max_payload,
        previous_filters=known or (),
        expect_session=known is not None,
        remember=memory.remember(settings, client) if memory is not None else None,
        rng=rng,
    )


def _kind(settings: BrokerSection) -> type[Mqtt5Source] | type[PahoSource]:
    if settings.protocol == "5":
        return Mqtt5Source
    from gateway.mqtt.paho_source import PahoSource  # paho takes 0.07 s to import: only who needs it waits for it

    return PahoSource


def make_sources(settings: Settings, *, data_dir: Path) -> dict[str, Source]:
    """All configured brokers' sources by name; `data_dir` keeps the memory of their sessions."""
    memory = SessionMemory(data_dir / SESSIONS_FILE)
    return {
        broker.name: make_source(broker, gateway_id=settings.gateway.id, max_payload=settings.limits.max_payload, memory=memory)
        for broker in settings.brokers
    }


def acknowledge_all(sources: Mapping[str, Source], items: Iterable[Item]) -> None:
    """After the commit: give each source its deliveries of this batch back, in their order."""
    by_source: dict[str, list[Delivery]] = {}
    for item in items:
        if isinstance(item, Delivery):
            by_source.setdefault(item[0].source, []).append(item)
    for name, deliveries in by_source.items():
        source = sources.get(name)
        if source is not None:
            source.acknowledge(deliveries)
