"""`retention` of `influxdb` histories: when it is done, and that nothing suffers when it cannot be."""

from __future__ import annotations

import asyncio
import time

import pytest

from devices.reading import Line, Value
from gateway import retention
from gateway.history.influxdb import InfluxHistory
from gateway.retention import Retention
from gateway.settings import HistorySection
from tests.tools.influx27_standin import Influx27StandIn
from tests.tools.mosquitto import free_port

DAY_MS = 86_400_000
NOW = int(time.time() * 1000)


def section(url: str, **more: object) -> HistorySection:
    return HistorySection.model_validate({"name": "city", "kind": "influxdb", "url": url, "token": "right-token", "org": "city"} | more)


class Enough(Exception):
    """The test has seen what it wanted."""


class Naps:
    """Stands for `asyncio.sleep`; ends the task after so many."""

    def __init__(self, count: int) -> None:
        self.slept: list[float] = []
        self._count = count

    async def __call__(self, seconds: float) -> None:
        if len(self.slept) == self._count:
            raise Enough
        self.slept.append(seconds)


async def test_old_readings_go_soon_after_the_start_and_then_hourly(influx27: Influx27StandIn) -> None:
    history = InfluxHistory(section(influx27.url))
    await history.write([Line("air", "s", "d", "a", NOW - days * DAY_MS, (Value("pm25", 1.0, 1),)) for days in (1, 40)], 1)
    await history.close()
    naps = Naps(3)
    with pytest.raises(Enough):
        await Retention([section(influx27.url, retention="30d")], lambda: NOW, sleep=naps).run()
    assert [key[2] for key in influx27.points] == [NOW - DAY_MS]
    assert naps.slept == [retention.FIRST_S, retention.EVERY_S, retention.EVERY_S]


async def test_a_day_goes_when_it_is_over_as_a_whole(influx27: Influx27StandIn) -> None:
    midnight = (NOW - 30 * DAY_MS) // DAY_MS * DAY_MS
    history = InfluxHistory(section(influx27.url))
    times = [midnight - DAY_MS, midnight - 1, midnight, midnight + 1]
    await history.write([Line("air", "s", "d", "a", time_ms, (Value("pm25", 1.0, 1),)) for time_ms in times], 1)
    await history.close()
    asked_at = iter([midnight + 30 * DAY_MS - 1, midnight + 30 * DAY_MS, midnight + 31 * DAY_MS - 1, midnight + 31 * DAY_MS])
    left = []

    async def nap(_: float) -> None:
        left.append(sorted(key[2] for key in influx27.points))
        if len(left) == 5:
            raise Enough

    with pytest.raises(Enough):
        await Retention([section(influx27.url, retention="30d")], lambda: next(asked_at), sleep=nap).run()
    assert left == [times, times, times[2:], times[2:], []]


async def test_a_dead_history_is_tried_again_and_keeps_nobody_else_waiting(influx27: Influx27StandIn) -> None:
    history = InfluxHistory(section(influx27.url))
    await history.write([Line("air", "s", "d", "a", NOW - 40 * DAY_MS, (Value("pm25", 1.0, 1),))], 1)
    await history.close()
    sections = [section(f"http://127.0.0.1:{free_port()}", name="dead", retention="30d"), section(influx27.url, retention="30d")]
    naps = Naps(2)
    with pytest.raises(Enough):
        await Retention(sections, lambda: NOW, sleep=naps).run()
    assert influx27.points == {}


async def test_without_retention_there_is_nothing_to_do() -> None:
    sections = [section("http://127.0.0.1:1"), HistorySection(name="local", kind="duckdb", retention=30 * DAY_MS // 1000)]
    await asyncio.wait_for(Retention(sections, lambda: NOW).run(), 5)


def test_a_number_without_unit_that_was_meant_as_days_is_refused() -> None:
    with pytest.raises(ValueError, match="90d"):
        section("http://127.0.0.1:1", retention=90)
