"""What both sources know of the session that a broker keeps for us, and where that is remembered over a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)


def client_id(settings: BrokerSection, gateway_id: str) -> str:
    """The MQTT client id, on which the session hangs."""
    return settings.client_id or f"envgw-{gateway_id}-{settings.name}"


def wanted_filters(settings: BrokerSection) -> dict[str, int]:
    """Topic filter → QoS, each filter once (with the higher QoS), in the order of the configuration."""
    filters: dict[str, int] = {}
    for subscription in settings.subscriptions:
        filters[subscription.topic] = max(subscription.qos, filters.get(subscription.topic, 0))
    return filters


def twin_hint(client: str) -> str:
    """Added to the reason when an accepted connection is closed soon and without a word.

    mosquitto 2.0.11 says nothing when another client with our id takes the session over (measured).
    """
    return f"; if this repeats, another client uses our client id {client!r}: run one gateway per id, or set gateway.id"


class Remembered(msgspec.Struct, frozen=True):
    """What the broker may hold for this client id."""

    url: str
    client_id: str
    filters: list[str]


class SessionMemory:
    """A small JSON file: broker name → `Remembered`. Losing it costs nothing but the notice of a lost session and the
    unsubscribing of topics that were taken out of the configuration while the gateway was not running."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Remembered] = {}
        try:
            self._known = msgspec.json.decode(path.read_bytes(), type=dict[str, Remembered])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("cannot read what was known of the brokers' sessions; going on without", file=str(path), error=str(error))

    def known(self, settings: BrokerSection, client: str) -> list[str] | None:
        """The filters that the session of this client id at this broker may hold; None if there was never one."""
        entry = self._known.get(settings.name)
        if entry is None or entry.client_id != client or entry.url != settings.url:
            return None
        return list(entry.filters)

    def remember(self, settings: BrokerSection, client: str) -> Callable[[Sequence[str]], None]:
        """The callback for a source."""

        def note(filters: Sequence[str]) -> None:
            entry = Remembered(settings.url, client, list(filters))
            if self._known.get(settings.name) == entry:
                return
            self._known[settings.name] = entry
            try:
                fresh = self._path.with_suffix(".new")
                fresh.write_bytes(msgspec.json.encode(self._known))
                os.replace(fresh, self._path)
            except OSError as error:  # a full disk must not keep us from reading the broker
                log.warning("cannot note what the broker's session holds; going on", file=str(self._path), error=str(error))

        return note
