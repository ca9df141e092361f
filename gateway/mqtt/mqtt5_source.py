"""A broker that speaks MQTT 5, as a `Source`: keep one persistent session, reconnect for ever.

Stopping to take in (`pause`) needs no packet: nothing is acknowledged while the ledger stands still, so the broker stops
at Receive Maximum by itself, and the socket goes on being read, so that keep-alive is served and QoS 0 is shed
and counted by the inbox instead of lost somewhere in a TCP buffer. What bounds a broker that does not care for
Receive Maximum is described in `gateway.mqtt.connection`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import mqtt5
import structlog

from gateway.errors import EnvgwError
from gateway.mqtt.connection import BROKER_CLOSED, Connection
from gateway.mqtt.endpoint import Backoff, connect_failure, parse_url, tls_context
from gateway.mqtt.pending import MAX_PENDING_BYTES, PendingCount
from gateway.mqtt.session import client_id, twin_hint, wanted_filters
from gateway.mqtt.source import Delivery, Inbox, SourceHealth
from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)


class Mqtt5Source:
    """Implements `gateway.mqtt.source.Source` for MQTT 5."""

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
        """`max_payload` is `limits.max_payload` in bytes (see `gateway.mqtt.wire` about larger ones).

        `previous_filters` are those that this client id subscribed to when it last ran: the ones not wanted any more are
        taken back. `expect_session` says that the broker ought to know us. `remember` is called with the filters that
        the session may hold, whenever that changes: keep them for the next start. `rng` draws the jitter.
        """
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
        # Messages of a connection that broke may still wait when the broker delivers them again: twice the window.
        self._pending = PendingCount(self.health, 2 * settings.receive_maximum + 1, MAX_PENDING_BYTES)
        self._room = asyncio.Event()
        self._connection: Connection | None = None
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
        """PUBACK these, in this order, in one write. Every delivery must come here once, those of old connections too:
        they are not sent, only counted."""
        self._pending.acknowledged(deliveries)
        if self._connection is not None:
            self._connection.acknowledge(deliveries)
        if not self._pending.full():
            self._room.set()

    def pause(self) -> None:
        """Nothing to do: see the module's docstring."""

    def resume(self) -> None:
        """Nothing to do: see the module's docstring."""

    async def _one_connection(self, inbox: Inbox) -> str:
        """From connecting to the end of the connection; why it ended."""
        while self._pending.full():
            self.health.reason = f"waits to connect: {self._pending.count} messages are not committed yet"
            self._room.clear()
            await self._room.wait()
        self._number += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        connection = Connection(
            health=self.health,
            inbox=inbox,
            pending=self._pending,
            number=self._number,
            connect=self._connect_packet(),
            max_packet=self._settings.max_packet_size,
            max_payload=self._max_payload,
        )
        try:
            refusal = await self._open(connection)
            if refusal:
                return refusal
            try:
                # No time limit: the SUBACK may be behind a backlog that waits for its commit; keep-alive watches over it.
                refused = await connection.subscribed
            except ConnectionError:
                pass
            else:
                self._known = list(self._filters)
                self._remember(self._known)
                self.health.reason = "; ".join(refused)
                log.info("subscribed", broker=self.name, topics=list(self._filters), refused=refused)
            await connection.closed.wait()
        finally:
            self._connection = None
            self.health.connected = self.health.drained = False
            inbox.link(self.name, False)
            await connection.finish()
        reason = f"{connection.why} (broker {self.name!r})"
        silent = connection.why == BROKER_CLOSED and loop.time() - began < Backoff.STABLE_S
        return reason + twin_hint(self._client_id) if silent else reason

    async def _open(self, connection: Connection) -> str:
        """TCP, TLS, CONNECT, CONNACK, SUBSCRIBE. Returns why it cannot be, or ""."""
        endpoint = None
        try:
            endpoint = parse_url(self._settings.url)
            context = tls_context(self._settings) if endpoint.tls else None
            async with asyncio.timeout(self._settings.connect_timeout / 1000):
                await asyncio.get_running_loop().create_connection(lambda: connection, endpoint.host, endpoint.port, ssl=context)
        except EnvgwError as error:
            return f"broker {self.name!r}: {error}"
        except OSError as error:
            assert endpoint is not None
            return connect_failure(self._settings, endpoint, error)
        self._connection = connection
        try:
            async with asyncio.timeout(self._settings.connect_timeout / 1000):
                connack = await connection.connack
        except TimeoutError:
            return f"{endpoint} of broker {self.name!r} took the connection but does not answer CONNECT: is it an MQTT port?"
        except ConnectionError:
            return (
                f"{endpoint} of broker {self.name!r} closed the connection instead of answering CONNECT ({connection.why}): "
                "check user name and password, TLS or plain, and whether it speaks MQTT 5 (else write protocol: 3.1.1)"
            )
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            return _refused(self._settings, connack)
        self._session(connack.session_present)
        gone = [pattern for pattern in self._known if pattern not in self._filters]
        self._remember(list(self._filters) + gone)
        if gone and connack.session_present:
            connection.unsubscribe(gone)
            log.info("unsubscribed from topics that are not configured any more", broker=self.name, topics=gone)
        connection.subscribe([_filter(pattern, qos) for pattern, qos in self._filters.items()])
        return ""

    def _session(self, present: bool) -> None:
        self.health.connected = True
        self.health.session_present = present
        self.health.reason = "subscribing"
        if not present and self._expect_session:
            self.health.sessions_lost += 1
            log.error(
                "the broker had forgotten our session: messages that it had not delivered yet are lost",
                broker=self.name,
                client_id=self._client_id,
                advice="turn on its persistence, and give it a session expiry of at least ours",
            )
        self._expect_session = True

    def _connect_packet(self) -> mqtt5.ConnectPacket:
        settings = self._settings
        return mqtt5.ConnectPacket(
            self._client_id,
            username=settings.username,
            password=settings.password.get_secret_value().encode() if settings.password is not None else None,
            clean_start=False,
            keep_alive=min(65_535, -(-settings.keep_alive // 1000)),
            session_expiry_interval=min(0xFFFF_FFFF, -(-settings.session_expiry // 1000)),
            receive_max=settings.receive_maximum,
            max_packet_size=settings.max_packet_size,
            topic_alias_max=0,
        )


def _filter(pattern: str, qos: int) -> mqtt5.TopicFilter:
    # Retain as published must be off: a sensor that publishes with RETAIN=1 would never show a sign of life (B2).
    return mqtt5.TopicFilter(
        pattern,
        max_qos=mqtt5.QoS(qos),
        retain_as_published=False,
        retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
    )


_LOGIN = "check username and password, and that the broker's access list knows them"
_CONNACK_ADVICE: dict[int, str] = {
    int(mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD): _LOGIN,
    int(mqtt5.ConnAckReasonCode.NOT_AUTHORIZED): _LOGIN,
    int(mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID): "set client_id to one that the broker accepts",
    int(mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION): "write protocol: 3.1.1",
    int(mqtt5.ConnAckReasonCode.BANNED): "ask whoever runs the broker",
    int(mqtt5.ConnAckReasonCode.USE_ANOTHER_SERVER): "correct url",
    int(mqtt5.ConnAckReasonCode.SERVER_MOVED): "correct url",
}


def _refused(settings: BrokerSection, connack: mqtt5.ConnAckPacket) -> str:
    what = connack.reason_code.name.replace("_", " ").lower()
    detail = f", {connack.reason_str}" if connack.reason_str else ""
    server = f" (it names {connack.server_reference})" if connack.server_reference else ""
    who = f" user {settings.username!r}" if settings.username else ""
    advice = _CONNACK_ADVICE.get(int(connack.reason_code), "see the log of the broker")
    return f"broker {settings.name!r} refuses{who}: {what}{detail}{server}; {advice}"
