"""What is particular to 3.1.1: no limits that the broker keeps for us, and paho's own weak spots."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.mqtt.paho_client import CappedBytes
from gateway.mqtt.paho_source import PahoSource
from tests.gateway.mqtt.support import broker, numbered, publish, publish_bytes, rng, running, until
from tests.tools.mosquitto import Mosquitto


def source(url: str, *topics: str, max_payload: int = 256 * 1024, **options: object) -> PahoSource:
    return PahoSource(broker(url, *topics, protocol="3.1.1", **options), gateway_id="test", rng=rng(), max_payload=max_payload)


@contextlib.asynccontextmanager
async def scripted(*bursts: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A 3.1.1 server that grants everything and then sends its n-th burst on the n-th connection; (url, what it got)."""
    got: list[bytes] = []
    remaining = list(bursts)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        burst = remaining.pop(0) if remaining else b""
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while True:
                kind, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                got.append(bytes([kind]) + body)
                if kind >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind >> 4 == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x01" + burst)
                elif kind >> 4 == 12:
                    writer.write(b"\xd0\x00")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", got
    finally:
        server.close()


def acknowledged(got: list[bytes]) -> list[int]:
    return [int.from_bytes(packet[1:3], "big") for packet in got if packet[0] >> 4 == 4]


@pytest.mark.server
async def test_oversized_is_cut_and_acknowledged(mosquitto: Mosquitto) -> None:
    city = source(mosquitto.url, max_packet_size="20KB", max_payload=1000)
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        await publish(mosquitto.port, [("air/1", b"x" * 5_000_000), ("air/1", b"y" * 500), ("air/1", b"z" * 10_000)])
        await until(lambda: len(consumer.messages) == 3)
        await until(lambda: city.health.unacknowledged == 0)
        assert city.health.reconnects == 0
    assert sorted(len(payload) for payload in consumer.payloads) == [500, 1001, 10_000]
    assert city.health.oversized == 1


@pytest.mark.server
async def test_B3_qos0_is_shed_and_counted(mosquitto: Mosquitto) -> None:
    city = PahoSource(broker(mosquitto.url, qos=0, protocol="3.1.1"), gateway_id="test")
    async with running(city, qos0_limit=100, max_batch=50) as consumer:
        await until(lambda: city.health.drained)
        consumer.take.clear()
        await publish(mosquitto.port, numbered(1000))
        await until(lambda: consumer.inbox.shed_total.get("city", 0) >= 800)
        consumer.take.set()
        await until(lambda: len(consumer.messages) + consumer.shed == 1000)


async def test_what_paho_refuses_is_delivered_as_illegal_and_acknowledged() -> None:
    frames = [
        publish_bytes("", b"1", 5, properties=b""),
        publish_bytes(b"\xff", b"2", 6, properties=b""),
        publish_bytes("a", b"3", 7, properties=b""),
    ]
    async with scripted(b"".join(frames)) as (url, got):
        city = source(url)
        async with running(city) as consumer:
            await until(lambda: len(acknowledged(got)) == 3)
            assert acknowledged(got) == [5, 6, 7]
            assert (city.health.malformed, city.health.reconnects) == (2, 0)
            await until(lambda: city.health.drained)
        assert [(m.topic[:1], m.payload) for m in consumer.messages] == [("\x00", b"1"), ("\x00", b"2"), ("a", b"3")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "garbage",
    [b"\x36\x05\x00\x01a\x00\x01", b"\x00\x00", b"\x30\xff\xff\xff\xff\xff\x01", b"\x20\x00", b"\x90\x00", b"\xf0\x03abc", b"\x30\x01a"],
)
async def test_garbage_reconnects_after_what_came_before(garbage: bytes) -> None:
    good = publish_bytes("a", b"1", 7, properties=b"")
    async with scripted(good + garbage, good) as (url, _):
        city = source(url)
        async with running(city) as consumer:
            await until(lambda: consumer.payloads == [b"1", b"1"])
            await until(lambda: city.health.drained)
            assert city.health.reconnects == 1


async def test_refused_topic_is_named() -> None:
    async with scripted() as (url, _):
        city = source(url, "air/#")
        async with running(city):
            await until(lambda: city.health.drained)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1000)
        writer.write(b"\x90\x04" + subscribe[2:4] + b"\x80\x01")
        with contextlib.suppress(OSError):
            await reader.read(1000)

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    city = source(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", "secret/#", "air/#")
    async with running(city):
        await until(lambda: "'secret/#' refused" in city.health.reason)
        assert "air/#" not in city.health.reason
        assert city.health.connected
    server.close()


def test_capped_bytes_forget_the_rest() -> None:
    capped = CappedBytes(b"abc")
    capped.cap = 5
    capped += b"defg"
    capped += b"h"
    assert bytes(capped) == b"abcde"
    assert isinstance(capped, CappedBytes)
