"""Where messages come from: the interface that both MQTT shells keep, and the inbox that joins them.

    broker A ── Mqtt5Source ─┐
    broker B ── PahoSource  ─┴─▶ Inbox ──batches()──▶ pipeline ──acknowledge()──▶ back to each source

A source never acknowledges by itself. What it delivers waits in the inbox; the pipeline takes all that is there,
steps the core, commits, and only then acknowledges, in arrival order per connection (semantics A4). Back-pressure
is the MQTT Receive Maximum: the broker may not have more than that many unacknowledged messages under way, which
bounds the inbox; QoS 0 cannot be held back and is shed, counted, above `qos0_limit` (semantics B3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.core.inputs import Message

BROKER_CLOSED = "the broker closed the connection"
"""Why a connection ended of which nothing better is known."""


class Delivery(NamedTuple):
    """A message with what is needed to acknowledge it. `connection` grows with each (re)connect of its source."""

    message: Message
    connection: int


@dataclass(slots=True)
class SourceHealth:
    """What `/readyz` says about one broker connection."""

    name: str
    connected: bool = False
    drained: bool = False
    """Connected, subscribed, and since then the socket was idle once (semantics E5)."""
    reason: str = "not connected yet"
    """Why it is not connected, in words that say what to do; empty when all is well."""
    session_present: bool | None = None
    sessions_lost: int = 0
    """How often a broker had forgotten our persistent session (messages between may be lost: reported)."""
    reconnects: int = 0
    unacknowledged: int = 0
    malformed: int = 0
    """Packets that were not MQTT. A PUBLISH of which enough can be told is delivered all the same (the core rejects it if
    its topic is illegal); with any other the connection is closed and opened again."""
    oversized: int = 0
    """Packets above `max_packet_size` that the broker sent all the same: delivered cut, for the core to reject."""


class Source(Protocol):
    """One broker connection. `run` returns only when cancelled; every error inside is a reconnect with back-off."""

    name: str
    health: SourceHealth

    async def run(self, inbox: Inbox) -> None:
        """Connect, subscribe, deliver into `inbox`, reconnect for ever (capped, jittered back-off)."""
        ...

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Send the acknowledgements of these deliveries, in this order. Those of an old connection are dropped.

        Every delivery must come back here exactly once and in the order of the inbox, QoS 0 and old connections
        included: the source counts by it how much is still waiting, and stops reading above its bound.
        """
        ...

    def pause(self) -> None:
        """Stop taking in (ledger cannot commit). Keep-alive goes on being served.

        Not acknowledging is what holds the broker back; QoS 0 is shed by the inbox meanwhile.
        """
        ...

    def resume(self) -> None:
        """Take in again."""
        ...


class Inbox(Protocol):
    """What a source puts its deliveries into. Called from the event loop only."""

    def put(self, deliveries: list[Delivery]) -> None:
        """Queue what one socket read brought, in order. QoS 0 messages above the limit are shed and counted."""
        ...

    def link(self, source: str, up: bool) -> None:
        """The source became up (connected and drained) or down: journalled as `inputs.Link`."""
        ...

    def now_ms(self) -> int:
        """Receipt time for a message that is being read now (never decreasing)."""
        ...
