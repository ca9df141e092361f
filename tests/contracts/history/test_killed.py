"""kill -9 of InfluxDB in the middle of writing: with what a lane does (the same call again) all is there, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from devices.reading import Line, Value
from gateway.errors import Retryable
from gateway.history.base import History
from tests.contracts.history.backends import InfluxDB16, expected
from tests.tools.history_servers import Influxd

T0 = 1_763_856_000_000
BATCHES = 60


def _batch(number: int) -> list[Line]:
    return [
        Line("air", f"s{n % 50}", "d", "a", T0 + (number * 200 + n) * 1000, (Value("pm25", float(number), 1), Value("t", 20.5, 2)))
        for n in range(200)
    ]


async def _lane(history: History, done: asyncio.Queue[int]) -> int:
    """Write all batches in order, each until it is taken; returns how often that failed."""
    failures = 0
    for number in range(BATCHES):
        while True:
            try:
                assert await history.write(_batch(number), number + 1) == []
                break
            except Retryable as error:
                if error.red:
                    raise
                failures += 1
                await asyncio.sleep(0.02)  # a lane's back-off
        done.put_nowait(number)
    return failures


@pytest.mark.slow
async def test_kill_9_of_influxd_while_writing(make_influxd: Callable[..., Influxd]) -> None:
    server = make_influxd().start()
    server.create("db")
    backend = InfluxDB16(server, "db")
    history = backend.history()
    done: asyncio.Queue[int] = asyncio.Queue()
    lane = asyncio.create_task(_lane(history, done))
    for progress in (5, 20, 40):
        while await asyncio.wait_for(done.get(), 60) < progress:
            pass
        server.kill()
        await asyncio.to_thread(server.start)
    assert await asyncio.wait_for(lane, 120) > 0, "no write met the dead server: the test tested nothing"
    assert await backend.stored(history) == expected(line for number in range(BATCHES) for line in _batch(number))
    await history.close()
