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
from collections.abc import Callable, Sequence

import structlog

from gateway.errors import EnvgwError
from gateway.mqtt.endpoint import Backoff, connect_failure, parse_url, tls_context
from gateway.mqtt.paho_connection import BROKER_CLOSED, PahoConnection
from gateway.mqtt.pending import MAX_PENDING_BYTES, PendingCount
from gateway.mqtt.session import client_id, twin_hint, wanted_filters
from gateway.mqtt.source import Delivery, Inbox, SourceHealth
from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)

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
        self._connection: PahoConnection | None = None
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
        connection = PahoConnection(
            settings=self._settings,
            client_id=self._client_id,
            health=self.health,
            inbox=inbox,
            pending=self._pending,
            number=self._number,
            max_payload=self._max_payload,
            on_subscribed=self._subscribed,
        )
        try:
            refusal = await self._open(connection)
            if refusal:
                return refusal
            await connection.closed.wait()
        finally:
            self._connection = None
            self.health.connected = self.health.drained = False
            inbox.link(self.name, False)
            await connection.finish()
        reason = f"{connection.why} (broker {self.name!r})"
        silent = connection.why == BROKER_CLOSED and loop.time() - began < Backoff.STABLE_S
        return reason + twin_hint(self._client_id) if silent else reason

    async def _open(self, connection: PahoConnection) -> str:
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

    def _start_session(self, connection: PahoConnection, present: bool) -> None:
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

    def _subscribed(self, refused: dict[str, str]) -> bool:
        self._known = [pattern for pattern in self._filters if pattern not in refused]
        self._remember(self._known)
        self.health.reason = "; ".join(refused.values())
        log.info("subscribed", broker=self.name, topics=self._known, refused=list(refused.values()))
        return len(refused) < len(self._filters)
