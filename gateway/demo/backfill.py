"""The demo's past: the simulated hours before its start, as messages that the gateway takes in without a broker."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.inputs import Message
from gateway.demo.city import HISTORY_MS, DemoCity


def backfill(city: DemoCity, start_ms: int, *, source: str = "demo", length_ms: int = HISTORY_MS) -> Iterator[Message]:
    """Messages of (start_ms - length_ms, start_ms], each received at the moment it was sent, in that order.

    About 10,000 for 24 hours. The same city gives the same bytes: taken in twice they are duplicates, never new readings.
    """
    for time_ms, topic, payload in city.messages(start_ms - length_ms, start_ms):
        yield Message(received_ms=time_ms, source=source, topic=topic, payload=payload, qos=1)
