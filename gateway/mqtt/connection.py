"""One MQTT 5 connection: CONNECT to close, as an `asyncio.Protocol` (also under uvloop).

What it takes in goes to the inbox as it comes; what it sends are CONNECT, SUBSCRIBE, UNSUBSCRIBE, acknowledgements
when told to, and keep-alives. The life of the session (reconnect, back-off, what to subscribe) is `mqtt5_source`'s.

**Holding.** The broker's respect for Receive Maximum is what bounds the inbox. Should more wait all the same (a broker
that ignores it, messages delivered again over a new connection while the ledger stands still, very large payloads),
the socket is no longer read: TCP then holds the broker back. PINGREQs go on, so that the broker keeps us; that
no PINGRESP is read meanwhile is not held against it.
"""

from __future__ import annotations

import asyncio
from struct import pack
from typing import Protocol, cast

import mqtt5

from gateway.mqtt.keepalive import KeepAlive
from gateway.mqtt.source import BROKER_CLOSED, Delivery, Inbox, SourceHealth
from gateway.mqtt.wire import Malformed, Reader

_PUBACK = 0x4002_0000
_PUBREC = 0x5002_0000
_FILTERS_A_PACKET = 100
CLOSE_S = 1.0


class Pending(Protocol):
    """What the source knows about deliveries of all its connections that are not acknowledged yet."""

    def add(self, count: int, size: int) -> None:
        """`count` messages in `size` bytes were delivered."""
        ...

    def full(self) -> bool:
        """Whether the socket must not be read for now."""
        ...


class Connection(asyncio.Protocol):
    """See the module's docstring. Awaitables: `connack`, `subscribed`, and the event `closed`."""

    def __init__(
        self,
        *,
        health: SourceHealth,
        inbox: Inbox,
        pending: Pending,
        number: int,
        connect: mqtt5.ConnectPacket,
        max_packet: int,
        max_payload: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._health = health
        self._inbox = inbox
        self._pending = pending
        self.number = number
        self._connect = connect
        self._reader = Reader(health.name, number, max_packet=max_packet, max_payload=max_payload)
        self._transport: asyncio.Transport | None = None
        self._acknowledged = 0
        self._keep_alive = KeepAlive(
            float(connect.keep_alive),
            send=lambda: self._write(_PINGREQ),
            delivered=lambda: self._reader.delivered,
            acknowledged=lambda: self._acknowledged,
            on_drained=self._drained,
            on_dead=self._dead,
        )
        self._held = False
        self._failed = False
        self._next_id = 0
        self._subscribing: dict[int, list[mqtt5.TopicFilter]] = {}
        self._refused: list[str] = []
        self._granted = 0
        self._seen_malformed = 0
        self._seen_oversized = 0
        self.why = ""
        """Why the connection ended, if we know."""
        self.connack: asyncio.Future[mqtt5.ConnAckPacket] = loop.create_future()
        self.subscribed: asyncio.Future[list[str]] = loop.create_future()
        """What was not granted as asked, in words, one a topic; empty if all is well."""
        self.closed = asyncio.Event()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._connect.write())

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return
        reader, out = self._reader, list[Delivery]()
        delivered = reader.delivered
        malformed = None
        try:
            reader.feed(data, self._inbox.now_ms(), out, self._control)
        except Malformed as error:
            malformed = error
        if out:
            self._inbox.put(out)
            self._pending.add(reader.delivered - delivered, len(data))
        if reader.malformed != self._seen_malformed or reader.oversized != self._seen_oversized:
            self._health.malformed += reader.malformed - self._seen_malformed
            self._health.oversized += reader.oversized - self._seen_oversized
            self._seen_malformed, self._seen_oversized = reader.malformed, reader.oversized
        self._keep_alive.heard()
        if malformed is not None:
            self._health.malformed += 1
            self.fail(f"the broker sent what is not MQTT 5 ({malformed.reason})", mqtt5.DisconnectReasonCode.MALFORMED_PACKET)
        elif not self._held and self._pending.full():
            self._hold()

    def eof_received(self) -> None:
        self.why = self.why or BROKER_CLOSED

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self.why:
            self.why = f"the connection broke: {exc}"
        self.why = self.why or BROKER_CLOSED
        self._keep_alive.stop()
        for future in (self.connack, self.subscribed):
            if not future.done():
                future.set_exception(ConnectionError(self.why))
                future.exception()  # it may be that nobody waits for this one
        self.closed.set()

    # the source calls these

    def subscribe(self, filters: list[mqtt5.TopicFilter]) -> None:
        """Ask for these filters; `subscribed` says what became of it."""
        for start in range(0, len(filters), _FILTERS_A_PACKET):
            part = filters[start : start + _FILTERS_A_PACKET]
            self._next_id += 1
            self._subscribing[self._next_id] = part
            self._write(mqtt5.SubscribePacket(self._next_id, part).write())

    def unsubscribe(self, filters: list[str]) -> None:
        """Take back filters that the configuration does not name any more."""
        for start in range(0, len(filters), _FILTERS_A_PACKET):
            self._next_id += 1
            self._write(mqtt5.UnsubscribePacket(self._next_id, filters[start : start + _FILTERS_A_PACKET]).write())

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """One write for the acknowledgements of all of these that belong to this connection, in their order."""
        number = self.number
        if self._reader.qos2:
            ids = [
                (_PUBACK if delivery[0].qos == 1 else _PUBREC) | (delivery[0].packet_id or 0)
                for delivery in deliveries
                if delivery[1] == number and delivery[0].qos
            ]
        else:
            ids = [_PUBACK | packet_id for message, owner in deliveries if owner == number and (packet_id := message.packet_id) is not None]
        if ids:
            self._acknowledged += len(ids)
            self._write(pack(f">{len(ids)}I", *ids))
        if self._held and not self._pending.full():
            self._release()

    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their acknowledgement."""
        return self._reader.delivered - self._acknowledged

    def fail(self, why: str, code: mqtt5.DisconnectReasonCode = mqtt5.DisconnectReasonCode.UNSPECIFIED_ERROR) -> None:
        """End this connection because of a fault: tell the broker the code, keep the session."""
        self.why = self.why or why
        self._failed = True
        self._write(mqtt5.DisconnectPacket(reason_code=code).write())
        self._abort()

    async def finish(self) -> None:
        """End this connection in order, keep the session, and wait (at most `CLOSE_S`) until all is written: an
        acknowledgement lost here is a message sent again."""
        self.why = self.why or "stopped"
        self._write(mqtt5.DisconnectPacket().write())
        if self._transport is not None:
            self._abort()
            await self.closed.wait()

    # packets that are no PUBLISH, in order

    def _control(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PingRespPacket():
                self._keep_alive.pong()
            case mqtt5.ConnAckPacket() if not self.connack.done():
                if packet.server_keep_alive is not None:
                    self._keep_alive.interval_s = float(packet.server_keep_alive)
                self.connack.set_result(packet)
                if packet.reason_code == mqtt5.ConnAckReasonCode.SUCCESS:
                    self._keep_alive.start()
            case mqtt5.SubAckPacket() if packet.packet_id in self._subscribing:
                self._suback(packet)
            case mqtt5.UnsubAckPacket() | mqtt5.PubCompPacket():
                pass
            case mqtt5.PubRelPacket():
                self._write(mqtt5.PubCompPacket(packet.packet_id).write())
            case mqtt5.DisconnectPacket():
                self.why = self.why or _disconnected(packet)
                self._abort()
            case _:
                raise Malformed(f"{type(packet).__name__} where none is due")

    def _suback(self, packet: mqtt5.SubAckPacket) -> None:
        filters = self._subscribing.pop(packet.packet_id)
        if len(packet.reason_codes) != len(filters):
            raise Malformed("SUBACK has another number of reason codes than SUBSCRIBE has topics")
        for wanted, code in zip(filters, packet.reason_codes, strict=True):
            if int(code) >= 128:
                advice = _ADVICE.get(int(code), "see the log of the broker")
                self._refused.append(f"topic {wanted.pattern!r} refused ({_words(code.name)}): {advice}; the other topics go on")
                continue
            self._granted += 1
            if int(code) < int(wanted.max_qos):
                self._refused.append(f"topic {wanted.pattern!r} granted at QoS {int(code)} only: it cannot be held back, and may be shed")
        if not self._subscribing and not self.subscribed.done():
            self.subscribed.set_result(self._refused)
            if self._granted:
                self._keep_alive.watch_backlog()

    # small things

    def _hold(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._held = True
            self._transport.pause_reading()
            self._keep_alive.hold()

    def _release(self) -> None:
        self._held = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._keep_alive.release()

    def _drained(self) -> None:
        self._health.drained = True
        self._inbox.link(self._health.name, True)

    def _dead(self, why: str) -> None:
        self.fail(why, mqtt5.DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.close()
            # A broker that does not read our DISCONNECT must not hold up the reconnect.
            self._loop.call_later(CLOSE_S, self._transport.abort)


_PINGREQ = mqtt5.PingReqPacket().write()
# The codes of mqtt5 look like IntEnums in its stubs, but they are neither hashable nor ordered.
_ADVICE: dict[int, str] = {
    int(mqtt5.SubAckReasonCode.NOT_AUTHORIZED): "let our user read it in the broker's access list",
    int(mqtt5.SubAckReasonCode.TOPIC_FILTER_INVALID): "correct the filter",
    int(mqtt5.SubAckReasonCode.QUOTA_EXCEEDED): "raise the broker's quota for our client",
    int(mqtt5.SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED): "this broker has no $share: write the plain filter",
    int(mqtt5.SubAckReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED): "this broker has no wildcards: name each topic",
}


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


def _disconnected(packet: mqtt5.DisconnectPacket) -> str:
    what = f"the broker disconnected us: {_words(packet.reason_code.name)}"
    if packet.reason_str:
        what += f" ({packet.reason_str})"
    if packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
        what += "; another client uses our client id: run one gateway per id, or set gateway.id"
    return what
