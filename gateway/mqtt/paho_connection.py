"""One MQTT 3.1.1 connection: paho's client (`gateway.mqtt.paho_client`) with its socket in our event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from gateway.core.inputs import Message
from gateway.mqtt.keepalive import KeepAlive
from gateway.mqtt.paho_client import Client, lenient
from gateway.mqtt.pending import PendingCount
from gateway.mqtt.source import BROKER_CLOSED, Delivery, Inbox, SourceHealth
from gateway.settings import BrokerSection

_PACKETS_A_READ = 200
_FILTERS_A_PACKET = 100
CLOSE_S = 1.0
_HEAD_ROOM = 2 + 65_535 + 2


class PahoConnection:
    """See the module's docstring. `connack` can be awaited, and the event `closed`."""

    def __init__(
        self,
        *,
        settings: BrokerSection,
        client_id: str,
        health: SourceHealth,
        inbox: Inbox,
        pending: PendingCount,
        number: int,
        max_payload: int,
        on_subscribed: Callable[[dict[str, str]], bool],
    ) -> None:
        """`on_subscribed` gets filter → why it was not granted as asked, and says whether anything can come at all."""
        self._settings = settings
        self._health = health
        self._inbox = inbox
        self._pending = pending
        self._max_payload = max_payload
        self._on_subscribed = on_subscribed
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._client = Client(
            client_id,
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
        self._gone = asyncio.Event()
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
        self.closed = asyncio.Event()

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
        """Take back and ask for filters; then `on_subscribed` is called."""
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
        """DISCONNECT in order, behind the acknowledgements that are not sent yet; the session stays."""
        self.why = self.why or "stopped"
        if self._fd is not None:
            self._client.disconnect()
            self._flush()
        if self._fd is not None:
            self._loop.call_later(CLOSE_S, self._force)
        self._end()

    async def finish(self) -> None:
        """`close`, and wait (at most `CLOSE_S`) until all is written: an acknowledgement lost here is a message sent again."""
        self.close()
        if self._fd is not None:
            await self._gone.wait()

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
                    self._now, self._health.name, topic, bytes(payload), message.qos, bool(message.retain), bool(message.dup), packet_id
                ),
                self._number,
            )
        )

    def _malformed(self, flags: int, body: bytes) -> None:
        message = lenient(flags, body, self._now, self._health.name, self._max_payload)
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
            self.why = BROKER_CLOSED if text in ("Unspecified error", "Normal disconnection") else f"the connection ended: {text.lower()}"
        self._end()

    def _socket_closing(self, client: Any, userdata: Any, sock: Any) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            self._writing = False
        self._gone.set()

    # small things

    def _force(self) -> None:
        if self._fd is not None:
            self._client.drop()

    def _all_subscribed(self) -> None:
        if self._on_subscribed(self._refused):
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
        self.closed.set()


def _body(topic: bytes, packet_id: int | None, payload: bytes | bytearray) -> bytes:
    return len(topic).to_bytes(2, "big") + topic + (b"" if packet_id is None else packet_id.to_bytes(2, "big")) + bytes(payload)
