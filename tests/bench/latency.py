"""From a publish to the webhook that it causes, idle, under load, and while a history catches up: one threshold rule that fires, on
disk before it is sent."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import mqtt5

from gateway.ledger import LedgerReader
from tests.bench import stream
from tests.bench.measure import Table, percentile
from tests.bench.plant import Plant, until_committed
from tests.tools.site import SMOKE, Site

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_PATIENCE_S = 20.0


def measure(plant: Plant, table: Table, *, samples: int, commit_ms: float, full_speed: float) -> None:
    """`commit_ms` is one commit as measured beside it, `full_speed` the gateway's messages/s at full load."""
    idle, busy = asyncio.run(_measure(plant, samples, full_speed / 2))
    p50, p99 = percentile(idle, 50), percentile(idle, 99)
    table.add("publish → webhook, idle, p50", f"{p50:.1f} ms", f"≤ one commit ({commit_ms:.1f}) + 3 ms", p50 <= commit_ms + 3)
    table.add("publish → webhook, idle, p99", f"{p99:.1f} ms", f"≤ one commit ({commit_ms:.1f}) + 15 ms", p99 <= commit_ms + 15)
    p50, p99 = percentile(busy, 50), percentile(busy, 99)
    table.add(
        f"publish → webhook, {full_speed / 2:,.0f} messages/s beside it", f"{p50:.1f} ms p50, {p99:.1f} ms p99", "p99 ≤ 100 ms", p99 <= 100
    )


def beside_backlog(plant: Plant, table: Table, *, count: int) -> None:
    """Alerts while InfluxDB, which was away for `count` messages of five readings, gets them; what it took in that time."""
    idle, beside, took = asyncio.run(_beside_backlog(plant, count))
    p50, p99 = percentile(beside, 50), percentile(beside, 99)
    table.add(
        f"publish → webhook while a backlog of {5 * count:,} readings drains into InfluxDB (idle before: "
        f"{percentile(idle, 50):.1f} ms p50, {percentile(idle, 99):.1f} ms p99)",
        f"{p50:.1f} ms p50, {p99:.1f} ms p99 of {len(beside)}; drained in {took:.1f} s",
        "p99 ≤ 100 ms",
        p99 <= 100,
    )


async def _measure(plant: Plant, samples: int, rate: float) -> tuple[list[float], list[float]]:
    async with _alarming(plant, 2 * samples) as (port, _, one):
        idle = [await one() for _ in range(samples)]
        with stream.publisher(port, int(rate * (samples * 0.06 + 4)), rate=rate) as publishing:
            publishing.go()
            await asyncio.sleep(1.0)  # into its stride
            busy = [await one() for _ in range(samples)]
    return idle, busy


async def _beside_backlog(plant: Plant, count: int) -> tuple[list[float], list[float], float]:
    async with _alarming(plant, 1000) as (port, site, one):
        idle = [await one() for _ in range(100)]
        plant.influx.freeze()
        try:
            with stream.publisher(port, count) as publishing:
                publishing.go()
                await asyncio.to_thread(publishing.seconds)
            await asyncio.to_thread(until_committed, site, count)
        finally:
            plant.influx.thaw()
        began, beside = time.perf_counter(), []
        with LedgerReader(site.data / "ledger.db") as ledger:
            while any(lane.backlog_lines > 100 for lane in ledger.lane_states()):  # the alarms themselves are always some
                beside.append(await one())
        took = time.perf_counter() - began
    return idle, beside, took


@asynccontextmanager
async def _alarming(plant: Plant, alarms: int) -> AsyncIterator[tuple[int, Site, Callable[[], Awaitable[float]]]]:
    """A gateway that waits for the stream, and beside it a sensor: (the broker's port, the gateway, raise one alarm and time it).

    Stations above the stream's raise the alarms, so that its readings do not clear them: so there are at most so many.
    """
    told = _Told()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Hook(told), "127.0.0.1", 0)
    hook = server.sockets[0].getsockname()[1]
    numbers = itertools.count(stream.DEVICES + 1)
    with plant.broker() as broker:
        site = plant.site(
            broker.url,
            stations=stream.DEVICES + alarms + 2,
            rules=[SMOKE],
            receivers=[{"name": "hook", "kind": "webhook", "url": f"http://127.0.0.1:{hook}/hook"}],
        )
        try:
            await asyncio.to_thread(site.start)
            await asyncio.to_thread(site.until_connected)
            _, sensor = await loop.create_connection(_Sensor, "127.0.0.1", broker.port)
            await sensor.connected
            for _ in range(2):  # the first alert opens the connection
                await _one(told, sensor, next(numbers))
            yield broker.port, site, lambda: _one(told, sensor, next(numbers))
        finally:
            site.close()
            server.close()


async def _one(told: _Told, sensor: _Sensor, number: int) -> float:
    """Milliseconds from handing the message to the socket to the webhook request being complete here."""
    await asyncio.sleep(random.uniform(0.03, 0.07))
    device, station = f"an-{number:04}", f"st-{number:04}"
    arrived = told.expect(station)
    began = time.perf_counter()
    sensor.publish(f"sensors/air/{device}", json.dumps({"device": device, "time": int(time.time() * 1000), "pm25": 150.5}).encode())
    async with asyncio.timeout(_PATIENCE_S):
        return (await arrived - began) * 1e3


class _Told:
    """Who waits for which station's alert."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[float]] = {}

    def expect(self, station: str) -> asyncio.Future[float]:
        self._waiting[station] = future = asyncio.get_running_loop().create_future()
        return future

    def heard(self, body: bytes, at: float) -> None:
        station = json.loads(body)["commonLabels"]["station"]
        future = self._waiting.pop(station, None)
        if future is not None:
            future.set_result(at)


class _Hook(asyncio.Protocol):
    """The smallest HTTP server that takes webhooks."""

    def __init__(self, told: _Told) -> None:
        self._told = told
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + size:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
            assert self._transport is not None
            self._transport.write(_ANSWER)
            self._told.heard(body, at)


class _Sensor(asyncio.Protocol):
    """A publisher that costs next to nothing."""

    def __init__(self) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(mqtt5.ConnectPacket(client_id="bench-sensor", clean_start=True, keep_alive=0).write())

    def data_received(self, data: bytes) -> None:
        if not self.connected.done():
            self.connected.set_result(None)

    def publish(self, topic: str, payload: bytes) -> None:
        self._number = self._number % 65_535 + 1
        assert self._transport is not None
        self._transport.write(mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=self._number).write())
