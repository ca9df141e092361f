"""The whole gateway on the stream, beside subscribers that only count; and its own ceiling, without a broker's CPU beside it."""

from __future__ import annotations

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
"""Messages a second of the quiet measurement."""
_WARM_UP = 4000
"""Messages before the measurement: every device has spoken by then."""

Subscriber = Callable[[int, int], AbstractContextManager["subprocess.Popen[str]"]]
COUNTERS: dict[str, Subscriber] = {
    "`paho-mqtt`, MQTT 5": subscribers.paho5,
    "`paho-mqtt`, MQTT 3.1.1": subscribers.paho311,
    "`mosquitto_sub`": subscribers.mosquitto_sub,
}


def measure(plant: Plant, table: Table, *, count: int, rounds: int) -> float:
    """Everything in turns, so that all meet the same machine. Returns the gateway's messages/s at full load."""
    speed = _beside(plant, table, "full load", count, rounds, 0.0)
    _beside(plant, table, "2,000/s", max(3 * HALF_LOAD, count // 8), rounds, HALF_LOAD)
    ceiling = [_ceiling(plant, count) for _ in range(rounds)]
    table.add(
        "gateway fed by the replaying server (no mosquitto)",
        f"{middle([cpu for cpu, _ in ceiling]):.1f} µs CPU a message, {middle([fast for _, fast in ceiling]):,.0f} messages/s",
    )
    return speed


def _beside(plant: Plant, table: Table, load: str, count: int, rounds: int, rate: float) -> float:
    ours: list[float] = []
    speeds: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in COUNTERS}
    for _ in range(rounds):
        cpu, speed = _gateway(plant, count, rate)
        ours.append(cpu)
        speeds.append(speed)
        for name, subscriber in COUNTERS.items():
            theirs[name].append(_counting(plant, subscriber, count, rate))
    table.add(f"gateway, {load}", f"{middle(ours):.1f} µs CPU a message, {middle(speeds):,.0f} messages/s")
    for name, found in theirs.items():
        ratio = middle([a / b for a, b in zip(ours, found, strict=True)])
        judged = name.endswith("MQTT 5") and not rate
        budget = ("≤ 0.40, aim 0.27", ratio <= 0.4) if judged else ("", None)
        table.add(f"÷ a counting {name}, {load}", f"{ratio:.2f} (it takes {middle(found):.1f} µs)", *budget)
    return middle(speeds)


def _gateway(plant: Plant, count: int, rate: float) -> tuple[float, float]:
    """(µs CPU a message, messages/s until the last one is in InfluxDB)."""
    with plant.broker() as broker, plant.gateway(broker.url) as site:
        with stream.publisher(broker.port, _WARM_UP) as publishing:
            publishing.go()
            until_stored(site, _WARM_UP)
        with stream.publisher(broker.port, count, rate=rate) as publishing:
            before, began = cpu_s(site.pid), time.perf_counter()
            publishing.go()
            until_stored(site, _WARM_UP + count)
            took, used = time.perf_counter() - began, cpu_s(site.pid) - before
        if site.terminate() != 0:
            raise RuntimeError(f"the gateway did not stop in order:\n{site.tail()}")
    return used / count * 1e6, count / took


def _counting(plant: Plant, subscriber: Subscriber, count: int, rate: float) -> float:
    """µs CPU a message of a subscriber that does nothing with them."""
    with plant.broker() as broker, stream.publisher(broker.port, count, rate=rate) as publishing, subscriber(broker.port, count) as process:
        before = cpu_s(process.pid)
        publishing.go()
        subscribers.ended(process)
        return (cpu_s(process.pid) - before) / count * 1e6


def _ceiling(plant: Plant, count: int) -> tuple[float, float]:
    """The same from our replaying server, until the last reading is in InfluxDB."""
    with _replaying(_WARM_UP + count) as (port, release):
        site = plant.site(f"mqtt://127.0.0.1:{port}")
        try:
            site.start()
            until_stored(site, _WARM_UP)
            before, began = cpu_s(site.pid), time.perf_counter()
            release()
            until_stored(site, _WARM_UP + count)
            return (cpu_s(site.pid) - before) / count * 1e6, count / (time.perf_counter() - began)
        finally:
            site.close()


@contextmanager
def _replaying(count: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Our replaying server as a process: its port, and what makes it send more than the messages of the warm-up."""
    command = [sys.executable, "-m", "tests.bench.whole", str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline()), process.stdin.close
    finally:
        process.kill()
        process.wait()


async def _replay(count: int) -> None:
    import asyncio

    from tests.tools.replay_server import ReplayServer

    async with ReplayServer(stream.messages(count), first=_WARM_UP) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.release()
        await server.done.wait()
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_replay(int(sys.argv[1])))
