"""What the MQTT tests share: a consumer that plays the pipeline, a publisher, and waiting on a condition."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiomqtt
import mqtt5

from gateway.clock import Clock
from gateway.core.inputs import Link, Message, Shed
from gateway.mqtt.inbox import Item, SharedInbox
from gateway.mqtt.source import Delivery, Source
from gateway.settings import BrokerSection


async def until(condition: Callable[[], Any], what: str | Callable[[], str] = "", timeout_s: float = 15.0) -> None:
    """Poll until the condition holds; fail the test at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {(what() if callable(what) else what) or condition}")
        await asyncio.sleep(0.005)


def broker(url: str, *topics: str, qos: int = 1, **options: Any) -> BrokerSection:
    """Settings of one broker with quick time-outs."""
    subscriptions = [{"topic": topic, "type": "any", "qos": qos} for topic in topics or ("#",)]
    return BrokerSection.model_validate(
        {"name": "city", "url": url, "subscriptions": subscriptions, "connect_timeout": "3s", "backoff_max": "200ms", **options}
    )


class Consumer:
    """Plays the pipeline: takes batches, keeps them, acknowledges unless told to wait."""

    def __init__(self, source: Source, **inbox: Any) -> None:
        self.source = source
        self.inbox = SharedInbox(Clock(), **inbox)
        self.items: list[Item] = []
        self.batches = 0
        self.acknowledge = True
        self.held: list[Delivery] = []
        self.take = asyncio.Event()
        self.take.set()

    @property
    def messages(self) -> list[Message]:
        return [item.message for item in self.items if isinstance(item, Delivery)]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    @property
    def links(self) -> list[bool]:
        return [item.up for item in self.items if isinstance(item, Link)]

    @property
    def shed(self) -> int:
        return sum(item.count for item in self.items if isinstance(item, Shed))

    def release(self) -> None:
        """Acknowledge what was held back, and all that comes from now on."""
        self.acknowledge = True
        held, self.held = self.held, []
        self.source.acknowledge(held)

    async def consume(self) -> None:
        async for batch in self.inbox.batches():
            await self.take.wait()
            self.batches += 1
            self.items.extend(batch)
            deliveries = [item for item in batch if isinstance(item, Delivery)]
            if not self.acknowledge:
                self.held.extend(deliveries)
            elif deliveries:
                self.source.acknowledge(deliveries)


@contextlib.asynccontextmanager
async def running(source: Source, **inbox: Any) -> AsyncIterator[Consumer]:
    """The source and its consumer, running."""
    consumer = Consumer(source, **inbox)
    tasks = [asyncio.create_task(source.run(consumer.inbox)), asyncio.create_task(consumer.consume())]
    try:
        yield consumer
        for task in tasks:
            if task.done():
                task.result()  # neither may ever end by itself: show why
                raise AssertionError("a source's run() or batches() ended by itself")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def publish(port: int, messages: Sequence[tuple[str, bytes]], *, qos: int = 1, retain: bool = False, **options: Any) -> None:
    """Publish with an independent client, and wait for the broker's acknowledgements."""
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=1000, **options) as client:
        await asyncio.gather(*(client.publish(topic, payload, qos=qos, retain=retain, timeout=30) for topic, payload in messages))


def numbered(count: int, topic: str = "air/1", start: int = 0) -> list[tuple[str, bytes]]:
    return [(topic, b"%06d" % number) for number in range(start, start + count)]


def rng() -> random.Random:
    return random.Random(1)


class FakeBroker:
    """A server of ours that plays a script: for bytes that no real broker sends.

    `script(connection_number, packet)` returns the bytes to answer each packet with. Default answers are sane.
    """

    def __init__(self, answer: Callable[[int, mqtt5.Packet], bytes | None] | None = None) -> None:
        self._answer = answer
        self.received: list[tuple[int, mqtt5.Packet]] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def of(self, kind: type) -> list[Any]:
        return [packet for _, packet in self.received if isinstance(packet, kind)]

    def acknowledged(self) -> list[int]:
        return [packet.packet_id for packet in self.of(mqtt5.PubAckPacket)]

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)

    async def __aenter__(self) -> FakeBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.writers.append(writer)
        buffer = b""
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                buffer += data
                while buffer:
                    try:
                        packet, size = mqtt5.read(memoryview(buffer))
                    except IndexError:
                        break
                    buffer = buffer[size:]
                    self.received.append((number, packet))
                    answer = self._answer(number, packet) if self._answer is not None else None
                    writer.write(self.sane(packet) if answer is None else answer)
        writer.close()

    @staticmethod
    def sane(packet: mqtt5.Packet) -> bytes:
        match packet:
            case mqtt5.ConnectPacket():
                return mqtt5.ConnAckPacket(session_present=False).write()
            case mqtt5.SubscribePacket():
                codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE for _ in packet.topic_filters]
                return mqtt5.SubAckPacket(packet.packet_id, codes).write()
            case mqtt5.UnsubscribePacket():
                return mqtt5.UnsubAckPacket(packet.packet_id, [mqtt5.UnsubAckReasonCode.SUCCESS for _ in packet.patterns]).write()
            case mqtt5.PingReqPacket():
                return mqtt5.PingRespPacket().write()
            case _:
                return b""


def publish_bytes(topic: str | bytes, payload: bytes, packet_id: int = 1, qos: int = 1, properties: bytes = b"\x00") -> bytes:
    """A PUBLISH written by hand: `mqtt5` would refuse what these tests need (empty and broken topics, bad properties)."""
    raw = topic.encode() if isinstance(topic, str) else topic
    body = len(raw).to_bytes(2, "big") + raw + (packet_id.to_bytes(2, "big") if qos else b"") + properties + payload
    return bytes([0x30 | qos << 1]) + variable_length(len(body)) + body


def variable_length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)
