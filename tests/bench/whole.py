"""The whole gateway on the stream, beside subscribers that only count; and its own ceiling, without a broker's CPU beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.bench import stream, subscribers
from tests.bench.measure import Table, cpu_s, middle
from tests.bench.plant import Plant, until_stored
from tests.tools.site import ROOT

HALF_LOAD = 2000
"""Messages a second."""


def measure(plant: Plant, table: Table, *, count: int, rounds: int) -> float:
    """Everything in turns, so that all meet the same machine. Returns the gateway's messages/s at full load."""
    full: dict[str, list[float]] = {"gateway": [], "paho": [], "mosquitto_sub": []}
    slow: dict[str, list[float]] = {"gateway": [], "paho": []}
    speeds: list[float] = []
    half = max(HALF_LOAD * 3, count // 8)
    for _ in range(rounds):
        cpu, speed = _gateway(plant, count)
        full["gateway"].append(cpu)
        speeds.append(speed)
        full["paho"].append(_counting(plant, subscribers.paho, count))
        full["mosquitto_sub"].append(_counting(plant, subscribers.mosquitto_sub, count))
        slow["gateway"].append(_gateway(plant, half, rate=HALF_LOAD)[0])
        slow["paho"].append(_counting(plant, subscribers.paho, half, rate=HALF_LOAD))
    paho = middle(full["paho"])
    ours = middle(full["gateway"])
    ratio = middle([a / b for a, b in zip(full["gateway"], full["paho"], strict=True)])
    table.add("counting `paho-mqtt` subscriber, full load", f"{paho:.1f} µs CPU a message")
    table.add("counting `mosquitto_sub`, full load", f"{middle(full['mosquitto_sub']):.1f} µs CPU a message")
    table.add("gateway, full load", f"{ours:.1f} µs CPU a message, {middle(speeds):,.0f} messages/s")
    table.add("gateway ÷ paho, full load", f"{ratio:.2f}", "≤ 0.40, aim 0.27", ratio <= 0.4)
    table.add("counting `paho-mqtt` subscriber, 2,000/s", f"{middle(slow['paho']):.1f} µs CPU a message")
    table.add("gateway, 2,000/s", f"{middle(slow['gateway']):.1f} µs CPU a message")
    quiet = middle([a / b for a, b in zip(slow["gateway"], slow["paho"], strict=True)])
    table.add("gateway ÷ paho, 2,000/s", f"{quiet:.2f}")
    ceiling = [_ceiling(plant, count) for _ in range(rounds)]
    table.add(
        "gateway fed by the replaying server, without mosquitto",
        f"{middle([cpu for cpu, _ in ceiling]):.1f} µs CPU a message, {middle([speed for _, speed in ceiling]):,.0f} messages/s",
    )
    return middle(speeds)


def _gateway(plant: Plant, count: int, *, rate: float = 0.0) -> tuple[float, float]:
    """(µs CPU a message, messages/s until the last one is in InfluxDB)."""
    with plant.broker() as broker, plant.gateway(broker.url) as site, stream.publisher(broker.port, count, rate=rate) as publishing:
        before = cpu_s(site.pid)
        began = time.perf_counter()
        publishing.go()
        until_stored(site, count)
        took = time.perf_counter() - began
        used = cpu_s(site.pid) - before
        if site.terminate() != 0:
            raise RuntimeError(f"the gateway did not stop in order:\n{site.tail()}")
    return used / count * 1e6, count / took


def _counting(
    plant: Plant, subscriber: Callable[[int, int], AbstractContextManager[subprocess.Popen[str]]], count: int, *, rate: float = 0.0
) -> float:
    """µs CPU a message of a subscriber that does nothing with them."""
    with plant.broker() as broker, stream.publisher(broker.port, count, rate=rate) as publishing, subscriber(broker.port, count) as process:
        before = cpu_s(process.pid)
        publishing.go()
        subscribers.ended(process)
        return (cpu_s(process.pid) - before) / count * 1e6


def _ceiling(plant: Plant, count: int) -> tuple[float, float]:
    with _replaying(count) as port:
        site = plant.site(f"mqtt://127.0.0.1:{port}")
        try:
            site.start()
            before, began = cpu_s(site.pid), time.perf_counter()
            with_start = _stored(site.data / "ledger.db")
            until_stored(site, count)
            took = time.perf_counter() - began
            return (cpu_s(site.pid) - before) / (count - with_start) * 1e6, (count - with_start) / took
        finally:
            site.close()


def _stored(path: object) -> int:
    from pathlib import Path

    from gateway.ledger import LedgerReader

    with LedgerReader(Path(str(path))) as ledger:
        return ledger.totals().stored


@contextmanager
def _replaying(count: int) -> Iterator[int]:
    """Our replaying server with the stream, as a process; its port."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.whole", str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.kill()
        process.wait()


async def _replay(count: int) -> None:
    import asyncio

    from tests.tools.replay_server import ReplayServer

    async with ReplayServer(stream.messages(count)) as server:
        print(json.dumps({"port": server.port}), flush=True)
        await server.done.wait()
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_replay(int(sys.argv[1])))
