"""A broker that speaks MQTT 5, as a `Source` (`gateway.mqtt.reconnecting`).

Stopping to take in (`pause`) needs no packet: nothing is acknowledged while the ledger stands still, so the broker stops
at Receive Maximum by itself, and the socket goes on being read, so that keep-alive is served and QoS 0 is shed
and counted by the inbox instead of lost somewhere in a TCP buffer. What bounds a broker that does not care for
Receive Maximum is described in `gateway.mqtt.connection`.
"""

from __future__ import annotations

import asyncio

import mqtt5
import structlog

from gateway.mqtt.connection import Connection
from gateway.mqtt.endpoint import Endpoint, tls_context
from gateway.mqtt.reconnecting import ReconnectingSource
from gateway.mqtt.source import Inbox
from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)


class Mqtt5Source(ReconnectingSource[Connection]):
    """Implements `gateway.mqtt.source.Source` for MQTT 5."""

    VERSION = "5"
    OTHER = "3.1.1"
    FORGOTTEN = "turn on its persistence, and give it a session expiry of at least ours"

    @staticmethod
    def _most_pending(receive_maximum: int) -> int:
        # Messages of a connection that broke may still wait when the broker delivers them again: twice the window.
        return 2 * receive_maximum + 1

    def _new_connection(self, inbox: Inbox) -> Connection:
        return Connection(
            health=self.health,
            inbox=inbox,
            pending=self._pending,
            number=self._number,
            connect=self._connect_packet(),
            max_packet=self._settings.max_packet_size,
            max_payload=self._max_payload,
        )

    async def _reach(self, connection: Connection, endpoint: Endpoint) -> None:
        context = tls_context(self._settings) if endpoint.tls else None
        async with asyncio.timeout(self._settings.connect_timeout / 1000):
            await asyncio.get_running_loop().create_connection(lambda: connection, endpoint.host, endpoint.port, ssl=context)

    def _begin(self, connection: Connection, connack: mqtt5.ConnAckPacket) -> str:
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

    async def _serve(self, connection: Connection) -> None:
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
