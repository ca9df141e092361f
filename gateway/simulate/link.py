"""Publishing batches of messages with aiomqtt: pipelined, in order per device, through broken connections.

aiomqtt's `publish` waits for its PUBACK; so each message is a task of its own, a window of them under way at a time (paho
sends them in the order in which they were started). When the connection breaks, what was not acknowledged is sent again
after reconnecting, which is what QoS 1 asks of a client: a message may then arrive twice, never not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from urllib.parse import urlsplit

import aiomqtt

from gateway.errors import EnvgwError
from gateway.simulate.fleet import Outgoing
from gateway.simulate.options import BrokerOptions

_ACK_TIMEOUT_S = 30.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
# aiomqtt warns above ten calls under way; hundreds are the point here.
_QUIET = logging.getLogger("envgw.simulate.mqtt")
_QUIET.setLevel(logging.CRITICAL)


class BrokerUnreachableError(EnvgwError):
    """The broker does not answer, or refuses us: the text says which and what to look at."""


class Link:
    """One connection to a broker. Use as an async context manager."""

    def __init__(self, options: BrokerOptions, number: int = 0) -> None:
        """`number` tells the connections of one simulation apart."""
        url = urlsplit(options.url)
        if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
            raise BrokerUnreachableError(f"{options.url!r} is not a broker address: write mqtt://host:1883, or mqtts://host:8883 for TLS")
        self._options = options
        self._host = url.hostname
        self._tls = url.scheme == "mqtts"
        self._port = url.port or (8883 if self._tls else 1883)
        self._identifier = f"{options.client_id}-{number}" if options.client_id and number else options.client_id
        self._client: aiomqtt.Client | None = None
        self._watch: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[None], Outgoing] = {}
        self._room = asyncio.Event()
        self._room_at = 0
        self.published = 0
        """Acknowledged by the broker (QoS 0: sent)."""
        self.reconnects = 0
        self.republished = 0

    async def __aenter__(self) -> Link:
        await self._connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._under_way:
            task.cancel()
        await self._disconnect()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Send all, in order; waits only while `inflight` messages are unacknowledged. `drain` waits for the rest.

        Raises `BrokerUnreachableError` when the broker stays away for `give_up_after_s`.
        """
        if self._lost():
            await self._start_again()
        for message in messages:
            if len(self._under_way) >= self._options.inflight:
                # Down to half, not to nothing: a broker with Nagle's algorithm holds the last PUBACKs back for 40 ms
                # while we send nothing (measured with mosquitto: 1,800 messages/s instead of 7,000).
                await self._make_room(self._options.inflight // 2)
            self._send(message)

    async def drain(self) -> None:
        """Wait until everything sent is acknowledged (QoS 0: handed to the network)."""
        await self._make_room(0)

    def _lost(self) -> bool:
        return self._watch is None or self._watch.done()

    def _send(self, message: Outgoing) -> None:
        assert self._client is not None
        publish = self._client.publish(message.topic, message.payload, self._options.qos, timeout=math.inf)
        task = asyncio.create_task(publish)
        self._under_way[task] = message
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            return  # stays under way: sent again after reconnecting
        if self._under_way.pop(task, None) is not None:
            self.published += 1
        if len(self._under_way) <= self._room_at:
            self._room.set()

    async def _make_room(self, most: int) -> None:
        while len(self._under_way) > most:
            self._room_at = most
            self._room.clear()
            room = asyncio.create_task(self._room.wait())
            assert self._watch is not None
            await asyncio.wait((room, self._watch), timeout=_ACK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            room.cancel()
            if len(self._under_way) > most:
                await self._start_again()

    async def _start_again(self) -> None:
        """Reconnect, and send what was not acknowledged again, in its order."""
        for task in self._under_way:
            task.cancel()
        for error in await asyncio.gather(*self._under_way, return_exceptions=True):
            if error is not None and not isinstance(error, (aiomqtt.MqttError, asyncio.CancelledError)):
                raise error
        unacknowledged = list(self._under_way.values())
        self._under_way.clear()
        await self._disconnect()
        await self._reconnect()
        self.reconnects += 1
        self.republished += len(unacknowledged)
        for message in unacknowledged:
            self._send(message)

    async def _connect(self) -> None:
        options = self._options
        client = aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._identifier,
            username=options.username,
            password=options.password.get_secret_value() if options.password else None,
            protocol=aiomqtt.ProtocolVersion.V5 if options.protocol == "5" else aiomqtt.ProtocolVersion.V311,
            tls_context=self._tls_context() if self._tls else None,
            max_inflight_messages=options.inflight,
            max_queued_outgoing_messages=0,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
            logger=_QUIET,
        )
        client.pending_calls_threshold = options.inflight
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            raise BrokerUnreachableError(
                f"no connection to the broker at {self._host}:{self._port} (MQTT {options.protocol}): {error}. "
                "Is it running there, and are user and password right?"
            ) from error
        self._client = client
        self._watch = asyncio.create_task(self._until_lost(client), name="simulate-watch")

    async def _until_lost(self, client: aiomqtt.Client) -> None:
        """Ends when the connection does: the message iterator is aiomqtt's way of saying so. Nothing is subscribed."""
        with contextlib.suppress(aiomqtt.MqttError):
            async for _ in client.messages:
                continue

    async def _reconnect(self) -> None:
        deadline = time.monotonic() + self._options.give_up_after_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await self._connect()
            except BrokerUnreachableError:
                if time.monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    def _tls_context(self) -> ssl.SSLContext:
        options = self._options
        try:
            context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
            if options.cert_file:
                context.load_cert_chain(options.cert_file, options.key_file)
        except (OSError, ssl.SSLError) as error:
            raise BrokerUnreachableError(f"the certificates for {self._host}:{self._port} cannot be used: {error}") from error
        return context
