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

import structlog
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt.endpoint import Endpoint, tls_context
from gateway.mqtt.paho_connection import PahoConnection
from gateway.mqtt.reconnecting import ReconnectingSource
from gateway.mqtt.source import Inbox

log = structlog.get_logger(__name__)

_REFUSED: dict[int, str] = {
    132: "it does not speak MQTT 3.1.1; write protocol: 5",
    133: "it does not accept our client id; set client_id",
    134: "user name or password is wrong; check username and password",
    135: "we are not authorized; check username and password, and that the broker's access list knows them",
    136: "it is not available; see its log",
}


class PahoSource(ReconnectingSource[PahoConnection]):
    """Implements `gateway.mqtt.source.Source` for MQTT 3.1.1."""

    VERSION = "3.1.1"
    OTHER = "5"
    FORGOTTEN = "turn on its persistence"

    @staticmethod
    def _most_pending(receive_maximum: int) -> int:
        return receive_maximum

    def _new_connection(self, inbox: Inbox) -> PahoConnection:
        return PahoConnection(
            settings=self._settings,
            client_id=self._client_id,
            health=self.health,
            inbox=inbox,
            pending=self._pending,
            number=self._number,
            max_payload=self._max_payload,
            on_subscribed=self._subscribed,
        )

    async def _reach(self, connection: PahoConnection, endpoint: Endpoint) -> None:
        await connection.open(endpoint.host, endpoint.port, tls_context(self._settings) if endpoint.tls else None)

    def _begin(self, connection: PahoConnection, connack: tuple[bool, ReasonCode]) -> str:
        present, reason = connack
        if reason.is_failure:
            who = f" user {self._settings.username!r}" if self._settings.username else ""
            return f"broker {self.name!r} refuses{who}: {_REFUSED.get(reason.value, str(reason).lower())}"
        self._session(present)
        held = self._known if present else []
        gone = [pattern for pattern in held if pattern not in self._filters]
        new = {pattern: qos for pattern, qos in self._filters.items() if pattern not in held}
        self._remember(list(self._filters) + gone)
        connection.subscribe(new, gone)
        return ""

    async def _serve(self, connection: PahoConnection) -> None:
        await connection.closed.wait()

    def _subscribed(self, refused: dict[str, str]) -> bool:
        self._known = [pattern for pattern in self._filters if pattern not in refused]
        self._remember(self._known)
        self.health.reason = "; ".join(refused.values())
        log.info("subscribed", broker=self.name, topics=self._known, refused=list(refused.values()))
        return len(refused) < len(self._filters)
