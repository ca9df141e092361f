"""A broker that speaks MQTT 3.1.1, as a `Source`, on paho-mqtt (`gateway.mqtt.paho_client`).

The differences to MQTT 5, and what is made of them:

* no Receive Maximum: when `receive_maximum` messages wait, the socket is not read any more (keep-alive goes on, see
  `gateway.mqtt.keepalive`), so TCP holds the broker back, and the broker's own `max_inflight_messages` bounds
  what it loses sight of. QoS 0 waits in the broker's socket buffer then: the broker may drop it, unseen by us;
* no Maximum Packet Size: a larger packet is cut while it comes in and delivered with `max_payload + 1` bytes, so that the
  core rejects it as too-large. (Closing the connection on it would bring it back at every reconnect.)
* no Retain Handling: a SUBSCRIBE sends all retained messages again, so topics that the session has already are not
  subscribed to again;
* no reason when the broker closes, and no expiry of the session: the broker's settings decide.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import EnvgwError
from gateway.inputs import Message
from gateway.mqtt.endpoint import Backoff, connect_failure, parse_url, tls_context
from gateway.mqtt.keepalive import KeepAlive
from gateway.mqtt.paho_client import Client, lenient
from gateway.mqtt.pending import MAX_PENDING_BYTES, PendingCount
from gateway.mqtt.session import client_id, twin_hint, wanted_filters
from gateway.mqtt.source import Delivery, Inbox, SourceHealth
from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)

_PACKETS_A_READ = 200
_FILTERS_A_PACKET = 100
_BROKER_CLOSED = "the broker closed the connection"
_HEAD_ROOM = 2 + 65_535 + 2
_REFUSED: dict[int, str] = {
    132: "it does not speak MQTT 3.1.1; write protocol: 5",
    133: "it does not accept our client id; set client_id",
    134: "user name or password is wrong; check username and password",
    135: "we are not authorized; check username and password, and that the broker's access list knows them",
    136: "it is not available; see its log",
}


class PahoSource:
    """Implements `gateway.mqtt.source.Source` for MQTT 3.1.1."""

    def __init__(
        self,
        settings: BrokerSection,
        *,
        gateway_id: str,
        max_payload: int = 256 * 1024,
        previous_filters: Sequence[str] = (),
        expect_session: bool = False,
        remember: Callable[[Sequence[str]], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Arguments as those of `Mqtt5Source`."""
        self.name = settings.name
        self.health = SourceHealth(settings.name)
        self._settings = settings
        self._client_id = client_id(settings, gateway_id)
        self._max_payload = max_payload
        self._filters = wanted_filters(settings)
        self._known = list(previous_filters)
        self._expect_session = expect_session
        self._remember = remember or (lambda filters: None)
        self._backoff = Backoff(settings.backoff_max / 1000, rng or random.Random())
        self._pending = PendingCount(self.health, settings.receive_maximum, MAX_PENDING_BYTES)
        self._connection: _Connection | None = None
        self._room = asyncio.Event()
        self._number = 0

    async def run(self, inbox: Inbox) -> None:
        """Connect, subscribe, deliver, reconnect; returns only when cancelled, after a DISCONNECT in order."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason = await self._one_connection(inbox)
            self._backoff.lasted(loop.time() - began)
            pause = self._backoff.next_s()
            self.health.reason = reason
            log.warning("broker connection ended", broker=self.name, reason=reason, next_try_s=round(pause, 2))
            await asyncio.sleep(pause)
            self.health.reconnects += 1

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """PUBACK these, in this order. Every delivery must come here once, those of old connections too: they are
        not sent, only counted."""
        self._pending.acknowledged(deliveries)
        if self._connection is not None:
            self._connection.acknowledge(deliveries)
        if not self._pending.full():
            self._room.set()

    def pause(self) -> None:
        """Nothing to do: without acknowledgements the socket is soon not read any more (see the module's docstring)."""

    def resume(self) -> None:
        """Nothing to do."""

    async def _one_connection(self, inbox: Inbox) -> str:
        while self._pending.full():
            self.health.reason = f"waits to connect: {self._pending.count} messages are not committed yet"
            self._room.clear()
            await self._room.wait()
        loop = asyncio.get_running_loop()
        self._number += 1
        began = loop.time()
        connection = _Connection(self, inbox, self._number)
        try:
            refusal = await self._open(connection)
            if refusal:
                return refusal
            await connection.closed
        finally:
            self._connection = None
            connection.close()
            self.health.connected = self.health.drained = False
            inbox.link(self.name, False)
        reason = f"{connection.why} (broker {self.name!r})"
        silent = connection.why == _BROKER_CLOSED and loop.time() - began < Backoff.STABLE_S
        return reason + twin_hint(self._client_id) if silent else reason

    async def _open(self, connection: _Connection) -> str:
        settings, endpoint = self._settings, None
        try:
            endpoint = parse_url(settings.url)
            await connection.open(endpoint.host, endpoint.port, tls_context(settings) if endpoint.tls else None)
        except EnvgwError as error:
            return f"broker {self.name!r}: {error}"
        except OSError as error:
            assert endpoint is not None
            return connect_failure(settings, endpoint, error)
        self._connection = connection
        try:
            async with asyncio.timeout(settings.connect_timeout / 1000):
                present, reason = await connection.connack
        except TimeoutError:
            return f"{endpoint} of broker {self.name!r} took the connection but does not answer CONNECT: is it an MQTT port?"
        except ConnectionError:
            return (
                f"{endpoint} of broker {self.name!r} closed the connection instead of answering CONNECT ({connection.why}): "
                "check user name and password, TLS or plain, and whether it speaks MQTT 3.1.1 (else write protocol: 5)"
            )
        if reason.is_failure:
            who = f" user {settings.username!r}" if settings.username else ""
            return f"broker {self.name!r} refuses{who}: {_REFUSED.get(reason.value, str(reason).lower())}"
        self._start_session(connection, present)
        return ""

    def _start_session(self, connection: _Connection, present: bool) -> None:
        self.health.connected = True
        self.health.session_present = present
        self.health.reason = "subscribing"
        if not present and self._expect_session:
            self.health.sessions_lost += 1
            log.error(
                "the broker had forgotten our session: messages that it had not delivered yet are lost",
                broker=self.name,
                client_id=self._client_id,
                advice="turn on its persistence",
            )
        self._expect_session = True
        held = self._known if present else []
        gone = [pattern for pattern in held if pattern not in self._filters]
        new = {pattern: qos for pattern, qos in self._filters.items() if pattern not in held}
        self._remember(list(self._filters) + gone)
        connection.subscribe(new, gone)

    def subscribed(self, refused: dict[str, str]) -> None:
        """The broker has answered: called by the connection, with filter → why it was not granted as asked."""
        self._known = [pattern for pattern in self._filters if pattern not in refused]
        self._remember(self._known)
        self.health.reason = "; ".join(refused.values())
        log.info("subscribed", broker=self.name, topics=self._known, refused=list(refused.values()))


class _Connection:
    """One connection: paho's client, its socket in our event loop."""

    def __init__(self, source: PahoSource, inbox: Inbox, number: int) -> None:
        self._source = source
        self._health = source.health
        self._inbox = inbox
        self._pending = source._pending
        self._settings = source._settings
        self._max_payload = source._max_payload
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._client = Client(
            source._client_id,
            on_malformed=self._malformed,
            on_pong=self._pong,
            max_packet=self._settings.max_packet_size,
            keep=_HEAD_ROOM + self._max_payload + 1,
        )
        if self._settings.username is not None:
            password = self._settings.password
            self._client.username_pw_set(self._settings.username, None if password is None else password.get_secret_value())
        self._client.connect_timeout = self._settings.connect_timeout / 1000
        self._client.on_message = self._message
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._suback
        self._client.on_disconnect = self._disconnected
        self._client.on_socket_close = self._socket_closing
        self._fd: int | None = None
        self._writing = False
        self._held = False
        self._out: list[Delivery] = []
        self._now = 0
        self._events = 0
        self._delivered = 0
        self._acknowledged = 0
        self._subscribing: dict[int, list[tuple[str, int]]] = {}
        self._refused: dict[str, str] = {}
        self._keep_alive = KeepAlive(
            -(-self._settings.keep_alive // 1000),
            send=self._ping,
            delivered=lambda: self._delivered,
            acknowledged=lambda: self._acknowledged,
            on_drained=self._drained,
            on_dead=self._fail,
        )
        self.why = ""
        self.connack: asyncio.Future[tuple[bool, ReasonCode]] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """TCP, TLS and CONNECT; paho does them blocking, so in a thread. Raises OSError."""
        if tls is not None:
            self._client.tls_set_context(tls)
        keep_alive = min(65_535, -(-self._settings.keep_alive // 1000))
        self._client.connect_async(host, port, keepalive=keep_alive)
        opening = self._loop.run_in_executor(None, self._client.reconnect)
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(lambda done: done.cancelled() or done.exception() or self._client.disconnect())
            raise
        sock = self._client.socket()
        if sock is None:
            raise ConnectionResetError("the connection was closed at once")
        self._fd = sock.fileno()
        self._loop.add_reader(self._fd, self._readable)
        self._flush()

    def subscribe(self, wanted: dict[str, int], gone: list[str]) -> None:
        """Take back and ask for filters; then `PahoSource.subscribed` is called."""
        if gone:
            self._client.unsubscribe(gone)
        pairs = list(wanted.items())
        for start in range(0, len(pairs), _FILTERS_A_PACKET):
            part = pairs[start : start + _FILTERS_A_PACKET]
            _, packet_id = self._client.subscribe(part)
            if packet_id is not None:
                self._subscribing[packet_id] = part
        self._flush()
        if not self._subscribing:
            self._all_subscribed()

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Acknowledge those of this connection, in order."""
        number, client = self._number, self._client
        for message, owner in deliveries:
            if owner == number and message.packet_id is not None:
                client.ack(message.packet_id, message.qos)
                self._acknowledged += 1
        self._flush()
        if self._held and not self._pending.full():
            self._release()

    def close(self) -> None:
        """DISCONNECT in order; the session stays."""
        self.why = self.why or "stopped"
        if self._fd is not None:
            self._client.disconnect()
        self._end()

    # the event loop calls these

    def _readable(self) -> None:
        client = self._client
        self._now = self._inbox.now_ms()
        try:
            for _ in range(_PACKETS_A_READ):
                before = self._events
                if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
                client.cut_large()
                if before == self._events and not self._in_tls_buffer():
                    break
        except Exception as error:  # noqa: BLE001 - whatever bytes do to paho, it is this connection that ends
            self._health.malformed += 1
            self._hand_over()
            self._fail(f"the broker sent what is not MQTT 3.1.1 ({type(error).__name__}: {error})")
            return
        self._hand_over()
        self._keep_alive.heard()
        self._flush()
        if self._fd is None:
            return
        if not self._held and self._pending.full():
            self._hold()
        elif self._in_tls_buffer():
            self._loop.call_soon(self._readable_again)

    def _readable_again(self) -> None:
        if self._fd is not None and not self._held:
            self._readable()

    def _writable(self) -> None:
        self._client.loop_write()
        self._flush()

    def _flush(self) -> None:
        """Write what paho has queued; watch the socket while it takes no more."""
        if self._fd is not None and self._client.want_write():
            self._client.loop_write()
        wanted = self._fd is not None and self._client.want_write()
        if wanted and not self._writing and self._fd is not None:
            self._loop.add_writer(self._fd, self._writable)
        elif self._writing and not wanted and self._fd is not None:
            self._loop.remove_writer(self._fd)
        self._writing = wanted

    def _in_tls_buffer(self) -> bool:
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _hand_over(self) -> None:
        out, self._out = self._out, []
        if not out:
            return
        self._inbox.put(out)
        count = len([1 for delivery in out if delivery[0].qos])
        self._pending.add(count, sum(len(delivery[0].payload) for delivery in out) + 64 * count)
        self._delivered += count

    # paho calls these

    def _message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        raw: bytes = message._topic
        payload = message.payload
        if self._client.announced() > self._settings.max_packet_size:
            self._health.oversized += 1
            payload = payload[: self._max_payload + 1]
        packet_id = message.mid if message.qos else None
        try:
            topic = raw.decode()
        except UnicodeDecodeError:
            self._malformed((message.dup << 3) | (message.qos << 1) | message.retain, _body(raw, packet_id, payload))
            return
        self._events += 1
        self._out.append(
            Delivery(
                Message(
                    self._now, self._source.name, topic, bytes(payload), message.qos, bool(message.retain), bool(message.dup), packet_id
                ),
                self._number,
            )
        )

    def _malformed(self, flags: int, body: bytes) -> None:
        message = lenient(flags, body, self._now, self._source.name, self._max_payload)
        if message is None:
            raise ValueError("a PUBLISH without topic or packet id")
        self._events += 1
        self._health.malformed += 1
        self._out.append(Delivery(message, self._number))

    def _connected(self, client: Any, userdata: Any, flags: paho.ConnectFlags, reason: ReasonCode, properties: Any) -> None:
        self._events += 1
        if not self.connack.done():
            self.connack.set_result((bool(flags.session_present), reason))
            if not reason.is_failure:
                self._keep_alive.start()

    def _suback(self, client: Any, userdata: Any, packet_id: int, codes: list[ReasonCode], properties: Any) -> None:
        self._events += 1
        for (pattern, qos), code in zip(self._subscribing.pop(packet_id, []), codes, strict=False):
            if code.is_failure:
                self._refused[pattern] = (
                    f"topic {pattern!r} refused: let our user read it in the broker's access list, or correct it; the other topics go on"
                )
            elif code.value < qos:
                self._refused[pattern] = f"topic {pattern!r} granted at QoS {code.value} only: it cannot be held back, and may be shed"
        if not self._subscribing:
            self._all_subscribed()

    def _pong(self) -> None:
        self._events += 1
        self._hand_over()  # what came before it counts
        self._keep_alive.pong()

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if not self.why:
            text = str(reason)
            self.why = _BROKER_CLOSED if text in ("Unspecified error", "Normal disconnection") else f"the connection ended: {text.lower()}"
        self._end()

    def _socket_closing(self, client: Any, userdata: Any, sock: Any) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            self._writing = False

    # small things

    def _all_subscribed(self) -> None:
        self._source.subscribed(self._refused)
        if len(self._refused) < len(self._source._filters):
            self._keep_alive.watch_backlog()

    def _ping(self) -> None:
        self._client.ping()
        self._flush()

    def _drained(self) -> None:
        self._health.drained = True
        self._inbox.link(self._health.name, True)

    def _hold(self) -> None:
        if self._fd is not None:
            self._held = True
            self._loop.remove_reader(self._fd)
            self._keep_alive.hold()

    def _release(self) -> None:
        self._held = False
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._readable)
            self._loop.call_soon(self._readable_again)  # TLS may hold decrypted bytes that the selector cannot see
            self._keep_alive.release()

    def _fail(self, why: str) -> None:
        self.why = self.why or why
        self.close()

    def _end(self) -> None:
        self._keep_alive.stop()
        if not self.connack.done():
            self.connack.set_exception(ConnectionError(self.why))
            self.connack.exception()  # it may be that nobody waits for it
        if not self.closed.done():
            self.closed.set_result(None)


def _body(topic: bytes, packet_id: int | None, payload: bytes | bytearray) -> bytes:
    return len(topic).to_bytes(2, "big") + topic + (b"" if packet_id is None else packet_id.to_bytes(2, "big")) + bytes(payload)
