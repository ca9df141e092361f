"""MQTT 5 bytes into deliveries: whatever one socket read brought, parsed in one go.

`mqtt5` reads single packets fast (0.4 µs), but it needs a fence around it, because it has no size limit, answers a
partial packet with IndexError, a malformed one with ValueError, and text that is not UTF-8 with a Rust panic, which
is no `Exception`. So the frames are cut here (fixed header, MQTT 5.0 section 2.1.1), each complete frame is
given to `mqtt5` alone once `gateway.mqtt.texts` has seen that its texts are UTF-8, and what comes out depends on the
bytes only, never on how TCP cut them.

A message must not be able to stop the gateway, not even one that the broker sends again at every reconnect:

* a PUBLISH that `mqtt5` refuses but whose topic, packet id and payload can be told is delivered all the same
  (`malformed` is counted). If topic or payload could not be read for certain, the topic starts with NUL, which no
  legal topic does: the core rejects it as `unknown-topic`, it is kept, acknowledged and accounted;
* a PUBLISH larger than `max_packet` is not held in memory: the first `max_payload + 1` bytes of its payload are
  delivered, so that the core rejects it as `too-large` (or takes it, if it is not), the rest is read and discarded;
* anything else that is not MQTT raises `Malformed`, after what came before it was delivered.
"""

from __future__ import annotations

from collections.abc import Callable

import mqtt5

from gateway.core.inputs import Message
from gateway.mqtt.source import Delivery
from gateway.mqtt.texts import PUBLISH, refusal

ILLEGAL = "\x00"
"""Put before the topic of a message that is not what its sender meant: a legal topic has no NUL (MQTT 5.0, 1.5.4)."""
_HEAD_ROOM = 5 + 2 + 65_535 + 2 + 4 + 65_536
"""Fixed header, longest topic, packet id, property length, and properties as long as anybody sends them."""
_FLAGS = tuple(((bits >> 1) & 3, bool(bits & 1), bool(bits & 8)) for bits in range(16))
_make: Callable[[type[Delivery], tuple[Message, int]], Delivery] = tuple.__new__
_read = mqtt5.read


class Malformed(Exception):
    """The other side does not speak MQTT 5: close, and connect again. `reason` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reader:
    """The reading half of one connection. Not to be used again after `Malformed`."""

    __slots__ = (
        "_big",
        "_big_left",
        "_connection",
        "_max_packet",
        "_max_payload",
        "_need",
        "_partial",
        "_source",
        "delivered",
        "malformed",
        "oversized",
        "qos2",
    )

    def __init__(self, source: str, connection: int, *, max_packet: int, max_payload: int) -> None:
        """`max_packet` bytes a packet and `max_payload` bytes a payload; see the module's docstring for beyond."""
        self._source = source
        self._connection = connection
        self._max_packet = max_packet
        self._max_payload = max_payload
        self._partial = bytearray()
        self._need = 0
        self._big = bytearray()
        self._big_left = 0
        self.delivered = 0
        """Messages delivered that have to be acknowledged (QoS 1 and 2)."""
        self.malformed = 0
        """Malformed messages that were delivered all the same (one that raised `Malformed` is not in it)."""
        self.oversized = 0
        self.qos2 = False
        """A QoS 2 message was seen (we never ask for them): acknowledgements must look at each message."""

    def feed(self, data: bytes, now_ms: int, out: list[Delivery], control: Callable[[mqtt5.Packet], None]) -> None:
        """Append what `data` completes to `out`, and call `control` with every packet that is no PUBLISH, in order.

        Raises `Malformed`; what was complete before the offending packet is in `out` by then.
        """
        if self._big_left:
            data = self._feed_big(data, now_ms, out)
        if self._need:
            self._partial += data
            if len(self._partial) < self._need:
                return
            data = bytes(self._partial)
            self._partial = bytearray()
            self._need = 0
        source, connection, limit = self._source, self._connection, self._max_packet
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end:
            if end - position < 2:
                self._keep(data, position, 2)
                return
            length = data[position + 1]
            if length < 128:
                stop = position + 2 + length
            else:
                start, length = _long_length(data, position, end)
                if not start:
                    self._keep(data, position, end - position + 1)
                    return
                stop = start + length
            if stop - position > limit:
                data = self._start_big(data, position, stop - position, now_ms, out)
                view, position, end = memoryview(data), 0, len(data)
                continue
            if stop > end:
                self._keep(data, position, stop - position)
                return
            head = data[position]
            try:
                if (why := refusal(data, head, stop - length, stop)) is not None:
                    raise ValueError(why)
                packet, _ = _read(view[position:stop])
            except BaseException as error:
                if not _is_refusal(error):
                    raise
                self._lenient(data[position:stop], str(error), now_ms, out)
                position = stop
                continue
            position = stop
            if head >> 4 != PUBLISH:
                control(packet)
                continue
            qos, retain, dup = _FLAGS[head & 15]
            if qos:
                self.delivered += 1
                if qos == 2:
                    self.qos2 = True
            message = Message(now_ms, source, packet.topic, packet.payload, qos, retain, dup, packet.packet_id)  # type: ignore[union-attr]
            out.append(_make(Delivery, (message, connection)))

    def _keep(self, data: bytes, position: int, need: int) -> None:
        """Hold the incomplete packet at `position` until it has `need` bytes."""
        self._partial = bytearray(memoryview(data)[position:])
        self._need = need

    def _lenient(self, frame: bytes, why: str, now_ms: int, out: list[Delivery]) -> None:
        """Deliver a complete frame that `mqtt5` refused, if it is a PUBLISH with a readable head."""
        if frame[0] >> 4 != PUBLISH:
            raise Malformed(f"packet of type {frame[0] >> 4} is malformed: {why}")
        message = lenient_publish(frame, now_ms, self._source)
        if message is None:
            raise Malformed(f"PUBLISH is malformed: {why}")
        self.malformed += 1
        self._deliver(message, out)

    def _start_big(self, data: bytes, position: int, total: int, now_ms: int, out: list[Delivery]) -> bytes:
        """A packet above the limit begins at `position`; returns what follows it (empty if it goes on)."""
        if data[position] >> 4 != PUBLISH:
            raise Malformed(f"packet of type {data[position] >> 4} announces {total} bytes, more than {self._max_packet}")
        self._big = bytearray()
        self._big_left = total
        return self._feed_big(data[position:], now_ms, out)

    def _feed_big(self, data: bytes, now_ms: int, out: list[Delivery]) -> bytes:
        here = min(len(data), self._big_left)
        room = _HEAD_ROOM + self._max_payload + 1 - len(self._big)
        if room > 0:
            self._big += memoryview(data)[: min(here, room)]
        self._big_left -= here
        if self._big_left:
            return b""
        frame, self._big = bytes(self._big), bytearray()
        self.oversized += 1
        message = lenient_publish(frame, now_ms, self._source, max_payload=self._max_payload)
        if message is None:
            raise Malformed("an oversized PUBLISH is malformed")
        self._deliver(message, out)
        return data[here:]

    def _deliver(self, message: Message, out: list[Delivery]) -> None:
        if message.qos:
            self.delivered += 1
            if message.qos == 2:
                self.qos2 = True
        out.append(Delivery(message, self._connection))


def _long_length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """(where the packet's body starts, its length) for a length of two to four bytes; (0, 0) if not all there yet."""
    length, shift = 0, 0
    for at in range(position + 1, min(end, position + 5)):
        byte = data[at]
        length |= (byte & 127) << shift
        if byte < 128:
            return at + 1, length
        shift += 7
    if end - position >= 5:
        raise Malformed("the length of a packet has more than four bytes")
    return 0, 0


def _is_refusal(error: BaseException) -> bool:
    """Whether `mqtt5` says with this that the packet is bad. A panic cannot be caught by its class: it has no name to import. None is
    known that gets here; one that does must not end the gateway."""
    return isinstance(error, (ValueError, IndexError)) or type(error).__name__ == "PanicException"


def lenient_publish(frame: bytes, now_ms: int, source: str, *, max_payload: int | None = None) -> Message | None:
    """What can be told of a PUBLISH (MQTT 5.0 section 3.3) by hand; None if not even topic and packet id can.

    `frame` may be the beginning only. The topic starts with NUL if topic or properties cannot be read for certain.
    With `max_payload` the payload is cut to one byte more.
    """
    qos, retain, dup = _FLAGS[frame[0] & 15]
    if qos == 3:
        return None
    at = 2 if frame[1] < 128 else _long_length(frame, 0, len(frame))[0]
    if len(frame) < at + 2:
        return None
    topic_start = at + 2
    topic_end = topic_start + int.from_bytes(frame[at:topic_start], "big")
    at = topic_end + (2 if qos else 0)
    if len(frame) < at:
        return None
    packet_id = int.from_bytes(frame[topic_end:at], "big") if qos else None
    certain = True
    try:
        topic = frame[topic_start:topic_end].decode()
    except UnicodeDecodeError:
        topic = frame[topic_start:topic_end].decode(errors="replace")
        certain = False
    body = _after_properties(frame, at)
    if body is None:
        certain, body = False, at
    payload = frame[body:] if max_payload is None else frame[body : body + max_payload + 1]
    return Message(now_ms, source, topic if certain else ILLEGAL + topic, payload, qos, retain, dup, packet_id)


def _after_properties(frame: bytes, at: int) -> int | None:
    """Where the payload starts, behind the properties that begin at `at` with their length."""
    length, shift = 0, 0
    for here in range(at, min(len(frame), at + 4)):
        length |= (frame[here] & 127) << shift
        if frame[here] < 128:
            end = here + 1 + length
            return end if end <= len(frame) else None
        shift += 7
    return None
