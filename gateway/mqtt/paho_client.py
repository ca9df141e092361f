"""paho-mqtt's client, driven from our event loop, and the few places where it needs help.

paho is used without its thread and without its loop: one connection is one `Client`, whose socket the event loop
watches. What is changed, in one subclass (checked against paho-mqtt 2.2; the tests notice when it no longer fits):

* a PUBLISH that paho refuses as malformed is delivered by `lenient` all the same, because the broker would send it
  again at every reconnect (iotcore forwards empty topics, which paho takes for the end of the connection);
* a packet above the limit is not kept in memory beyond what is needed to account for it;
* PINGREQ is sent when we say so, and PINGRESP is told (the probe for a drained backlog, `gateway.mqtt.drain`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.core.inputs import Message
from gateway.mqtt.wire import ILLEGAL


class CappedBytes(bytearray):
    """Bytes that forget what comes behind the first `cap`."""

    cap: int

    def __iadd__(self, more: Any) -> CappedBytes:  # type: ignore[misc]
        room = self.cap - len(self)
        if room > 0:
            super().__iadd__(more[:room])
        return self


class Client(paho.Client):
    """A 3.1.1 client with a persistent session and acknowledgements of our own."""

    def __init__(
        self, client_id: str, *, on_malformed: Callable[[int, bytes], None], on_pong: Callable[[], None], max_packet: int, keep: int
    ) -> None:
        """`on_malformed` gets flags and body of a PUBLISH that paho refused. Packets above `max_packet` bytes are cut to `keep`."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._on_malformed = on_malformed
        self._on_pong = on_pong
        self._max_packet = max_packet
        self._keep = keep

    def ping(self) -> None:
        """Send a PINGREQ."""
        if self._sock is not None:
            self._send_pingreq()

    def drop(self) -> None:
        """Close the socket whatever is not written yet."""
        self._sock_close()

    def cut_large(self) -> None:
        """Call after each read: the packet that is coming in is capped if it announced too much."""
        if self._in_packet["remaining_length"] > self._max_packet and not isinstance(self._in_packet["packet"], CappedBytes):
            capped = CappedBytes(self._in_packet["packet"][: self._keep])
            capped.cap = self._keep
            self._in_packet["packet"] = capped

    def announced(self) -> int:
        """Length of the packet that is being handled."""
        return int(self._in_packet["remaining_length"])

    def _handle_publish(self) -> MQTTErrorCode:
        try:
            return super()._handle_publish()
        except (MQTTException, struct.error, ValueError, OverflowError):
            self._on_malformed(self._in_packet["command"] & 15, bytes(self._in_packet["packet"]))
            return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pingresp(self) -> MQTTErrorCode:
        result = super()._handle_pingresp()
        self._on_pong()
        return result


def lenient(flags: int, body: bytes, now_ms: int, source: str, max_payload: int) -> Message | None:
    """What can be told of a 3.1.1 PUBLISH (section 3.3) by hand; the topic is marked illegal. None if nothing can."""
    qos, retain, dup = (flags >> 1) & 3, bool(flags & 1), bool(flags & 8)
    if qos == 3 or len(body) < 2:
        return None
    end = 2 + int.from_bytes(body[:2], "big")
    start = end + (2 if qos else 0)
    if len(body) < start:
        return None
    packet_id = int.from_bytes(body[end:start], "big") if qos else None
    return Message(
        now_ms, source, ILLEGAL + body[2:end].decode(errors="replace"), body[start : start + max_payload + 1], qos, retain, dup, packet_id
    )
