"""What the sources of both protocols have in common: one persistent session, kept by connections one after the other.

A source of one protocol adds how its connection is made (`_new_connection`), reached (`_reach`), begun (`_begin`) and
waited for (`_serve`).
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import structlog

from gateway.errors import EnvgwError
from gateway.mqtt.endpoint import Backoff, Endpoint, connect_failure, parse_url
from gateway.mqtt.pending import MAX_PENDING_BYTES, PendingCount
from gateway.mqtt.session import client_id, twin_hint, wanted_filters
from gateway.mqtt.source import BROKER_CLOSED, Delivery, Inbox, SourceHealth
from gateway.settings import BrokerSection

log = structlog.get_logger(__name__)


class OneConnection(Protocol):
    """A connection as long as it lasts."""

    connack: asyncio.Future[Any]
    closed: asyncio.Event
    why: str
    """Why it is closed."""

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Send the acknowledgements of those of these deliveries that came through it, in this order."""
        ...

    async def finish(self) -> None:
        """Close it in order, if it is open."""
        ...


C = TypeVar("C", bound=OneConnection)


class ReconnectingSource(ABC, Generic[C]):
    """Implements `gateway.mqtt.source.Source` but for the protocol."""

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
        self._pending = PendingCount(self.health, self._most_pending(settings.receive_maximum), MAX_PENDING_BYTES)
        self._room = asyncio.Event()
        self._connection: C | None = None
        self._number = 0

    # ------------------------------------------------------------------ of one protocol

    VERSION: ClassVar[str]
    """Of MQTT, as it is written under `protocol:` …"""
    OTHER: ClassVar[str]
    """… and what to write for a broker that does not speak it."""
    FORGOTTEN: ClassVar[str]
    """What to do about a broker that forgets sessions."""

    @staticmethod
    @abstractmethod
    def _most_pending(receive_maximum: int) -> int:
        """How many messages may wait for their commit."""

    @abstractmethod
    def _new_connection(self, inbox: Inbox) -> C:
        """A connection that is not open yet; `self._number` is its number."""

    @abstractmethod
    async def _reach(self, connection: C, endpoint: Endpoint) -> None:
        """TCP, TLS, CONNECT. Raises EnvgwError or OSError."""

    @abstractmethod
    def _begin(self, connection: C, connack: Any) -> str:
        """The broker has answered: SUBSCRIBE. Returns why it cannot be, or ""."""

    @abstractmethod
    async def _serve(self, connection: C) -> None:
        """Until it is closed."""

    # ------------------------------------------------------------------ a source

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
        """Nothing to do: without acknowledgements the broker stops by itself (see the modules of the protocols)."""

    def resume(self) -> None:
        """Nothing to do."""

    async def _one_connection(self, inbox: Inbox) -> str:
        """From connecting to the end of the connection; why it ended."""
        while self._pending.full():
            self.health.reason = f"waits to connect: {self._pending.count} messages are not committed yet"
            self._room.clear()
            await self._room.wait()
        self._number += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        connection = self._new_connection(inbox)
        try:
            refusal = await self._opened(connection)
            if refusal:
                return refusal
            await self._serve(connection)
        finally:
            self._connection = None
            self.health.connected = self.health.drained = False
            inbox.link(self.name, False)
            await connection.finish()
        reason = f"{connection.why} (broker {self.name!r})"
        silent = connection.why == BROKER_CLOSED and loop.time() - began < Backoff.STABLE_S
        return reason + twin_hint(self._client_id) if silent else reason

    async def _opened(self, connection: C) -> str:
        """From TCP to SUBSCRIBE. Returns why it cannot be, or ""."""
        settings, endpoint = self._settings, None
        try:
            endpoint = parse_url(settings.url)
            await self._reach(connection, endpoint)
        except EnvgwError as error:
            return f"broker {self.name!r}: {error}"
        except OSError as error:
            assert endpoint is not None
            return connect_failure(settings, endpoint, error)
        self._connection = connection
        try:
            async with asyncio.timeout(settings.connect_timeout / 1000):
                connack = await connection.connack
        except TimeoutError:
            return f"{endpoint} of broker {self.name!r} took the connection but does not answer CONNECT: is it an MQTT port?"
        except ConnectionError:
            return (
                f"{endpoint} of broker {self.name!r} closed the connection instead of answering CONNECT ({connection.why}): "
                f"check user name and password, TLS or plain, and whether it speaks MQTT {self.VERSION} (else write protocol: {self.OTHER})"
            )
        return self._begin(connection, connack)

    def _session(self, present: bool) -> None:
        """The broker knows us, or not (any more)."""
        self.health.connected = True
        self.health.session_present = present
        self.health.reason = "subscribing"
        if not present and self._expect_session:
            self.health.sessions_lost += 1
            log.error(
                "the broker had forgotten our session: messages that it had not delivered yet are lost",
                broker=self.name,
                client_id=self._client_id,
                advice=self.FORGOTTEN,
            )
        self._expect_session = True
