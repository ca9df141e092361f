"""The wall clock is stepped by three days or an hour back, while the gateway runs and while it is down (semantics A1, A6, C2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import coreconfig
from gateway.app import Gateway
from gateway.clock import Clock
from gateway.config import load
from gateway.core.inputs import ClockJump, Link, Message, Start
from gateway.core.outcomes import Transition
from tests.tools.mosquitto import Mosquitto
from tests.tools.publisher import air, publish_all
from tests.tools.site import Site, air_stations

MIN_S = 60.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

SMOKE_FOR = {
    "id": "smoke",
    "name": {"en": "Smoke"},
    "where": {"medium": "air"},
    "levels": {"warning": {"when": "pm25 > 100", "for": "15m", "clear": "pm25 < 80"}},
}


class Time:
    """Both clocks of the machine, in our hands: `step` is a wrong or corrected clock, `go_by` is time."""

    def __init__(self) -> None:
        self._wall = 0.0
        self._steady = 0.0
        self.clock = Clock(wall=lambda: time.time() + self._wall, monotonic=lambda: time.monotonic() + self._steady)

    def step(self, seconds: float) -> None:
        self._wall += seconds

    def go_by(self, seconds: float) -> None:
        self._wall += seconds
        self._steady += seconds


@asynccontextmanager
async def gateway_of(site: Site, now: Time) -> AsyncIterator[Gateway]:
    loaded = load(site.config)
    gateway = Gateway(loaded.settings, coreconfig.build(loaded), clock=now.clock)
    await gateway.start()
    try:
        await until(lambda: all(source.health.connected and source.health.drained for source in gateway.sources), "connected")
        yield gateway
    finally:
        await gateway.stop()


async def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        await asyncio.sleep(0.02)


async def publish(gateway: Gateway, broker: Mosquitto, *messages: tuple[str, bytes]) -> None:
    """And wait until they are stored: then everything that was due before them has happened."""
    wanted = gateway.ledger.ledger.totals().stored + len(messages)
    await asyncio.to_thread(publish_all, broker.port, messages)
    await until(lambda: gateway.ledger.ledger.totals().stored == wanted, f"{wanted} messages stored")


def inputs(gateway: Gateway, kind: type) -> list[Any]:
    """The journal's inputs of one kind."""
    return [item for _, batch in gateway.ledger.ledger.journal() for item in batch if type(item) is kind]


def transitions(gateway: Gateway) -> list[Transition]:
    return [item for episode in gateway.ledger.ledger.episodes(None, None, 1000) for item in episode.history]


def alarms(gateway: Gateway) -> set[str]:
    """Rules that said anything, but for the clock's own alarm."""
    return {item.rule for item in transitions(gateway)} - {"clock-jump"}


async def times(gateway: Gateway, station: str) -> list[int]:
    """Times of a station's readings in the history, in order of time."""
    await until(lambda: not any(lane.backlog_lines for lane in gateway.ledger.ledger.lane_states()), "the history has it")
    history = gateway.query_history()
    assert history is not None
    return [row.time_ms async for row in history.query(station=station, parameters=None, since_ms=0, until_ms=1 << 50)]


def make_site(tmp_path: Path, broker: Mosquitto) -> Site:
    return Site(
        tmp_path / "site", broker.url, rules=[SMOKE_FOR], stations=air_stations(3, interval="10m"), api={"enabled": False}, receivers=[]
    )


async def everybody(gateway: Gateway, broker: Mosquitto, now: Time) -> list[int]:
    """Node 2 tells its time (returned), node 3 does not, three times in a breath."""
    at_ms = now.clock.now_ms()
    await publish(gateway, broker, air(2, at_ms=at_ms, pm25=20.5), *(air(3, pm25=10 + n / 10) for n in range(3)))
    return [at_ms]


def check_receipt(gateway: Gateway) -> None:
    """Receipt times never decrease along the journal but across a jump."""
    last = 0
    for _, batch in gateway.ledger.ledger.journal():
        for item in batch:
            at = item.received_ms if isinstance(item, Message) else item.now_ms
            assert at >= last or isinstance(item, ClockJump)
            last = at


@pytest.mark.parametrize("delta_s", [3 * DAY_S, -HOUR_S], ids=["+3 days", "-1 h"])
async def test_a6_a_step_while_it_runs(tmp_path: Path, mosquitto: Mosquitto, delta_s: float) -> None:
    now = Time()
    async with gateway_of(make_site(tmp_path, mosquitto), now) as gateway:
        began_ms = now.clock.now_ms()
        await publish(gateway, mosquitto, air(1, pm25=150.5))
        told = await everybody(gateway, mosquitto, now)
        now.go_by(5 * MIN_S)
        now.step(delta_s)
        await until(lambda: inputs(gateway, ClockJump), "the step is journalled")
        (jump,) = inputs(gateway, ClockJump)
        assert abs(jump.delta_ms - delta_s * 1000) < 2000
        jumped_ms = jump.now_ms

        now.go_by(7 * MIN_S)
        told += await everybody(gateway, mosquitto, now)
        assert alarms(gateway) == set()
        now.go_by(1 * MIN_S)  # 13 of the 15 minutes, and what the machine needed
        told += await everybody(gateway, mosquitto, now)
        assert alarms(gateway) == set()
        now.go_by(3 * MIN_S)
        await until(lambda: "smoke" in alarms(gateway), "the alert fires")

        assert alarms(gateway) == {"smoke"}
        (fired,) = [item for item in transitions(gateway) if item.rule == "smoke"]
        assert fired.state == "firing"
        assert abs(fired.started_ms - (began_ms + int(delta_s * 1000))) < 30_000
        assert 15 * 60_000 <= fired.processed_ms - fired.started_ms < 18 * 60_000
        assert [item.state for item in transitions(gateway) if item.rule == "clock-jump"] == ["firing", "resolved"]
        assert len(inputs(gateway, ClockJump)) == 1
        check_receipt(gateway)

        assert await times(gateway, "st-0002") == sorted(told)
        stamps = await times(gateway, "st-0003")
        assert len(set(stamps)) == len(stamps) == 9  # none overwrites another (C2)
        after = sorted(stamps)[3:] if delta_s > 0 else sorted(stamps)[:6]
        assert jumped_ms <= after[0] < after[-1] <= now.clock.now_ms()
        before = sorted(set(stamps) - set(after))
        assert began_ms <= before[0] < before[-1] < began_ms + 60_000


async def test_a6_an_hour_back_while_it_is_down(tmp_path: Path, mosquitto: Mosquitto) -> None:
    site, now = make_site(tmp_path, mosquitto), Time()
    async with gateway_of(site, now) as gateway:
        await publish(gateway, mosquitto, air(1, pm25=150.5))
        now.go_by(5 * MIN_S)
        told = await everybody(gateway, mosquitto, now)
    now.step(-HOUR_S)
    async with gateway_of(site, now) as gateway:
        (jump,) = inputs(gateway, ClockJump)
        assert -HOUR_S * 1000 <= jump.delta_ms < -HOUR_S * 1000 + 60_000  # what went by while it was down is not known
        now.go_by(8 * MIN_S)
        told += await everybody(gateway, mosquitto, now)
        assert alarms(gateway) == set()
        now.go_by(3 * MIN_S)
        await until(lambda: "smoke" in alarms(gateway), "the alert fires")
        assert alarms(gateway) == {"smoke"}
        (fired,) = [item for item in transitions(gateway) if item.rule == "smoke"]
        assert 15 * 60_000 <= fired.processed_ms - fired.started_ms < 18 * 60_000
        check_receipt(gateway)
        assert await times(gateway, "st-0002") == sorted(told)
        stamps = await times(gateway, "st-0003")
        assert len(set(stamps)) == len(stamps) == 6
        assert max(sorted(stamps)[:3]) <= now.clock.now_ms()


async def test_a6_three_days_ahead_while_it_is_down(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """That cannot be told from three days off: silence clocks stood still, so nobody is accused of silence."""
    site, now = make_site(tmp_path, mosquitto), Time()
    async with gateway_of(site, now) as gateway:
        await publish(gateway, mosquitto, air(1, pm25=20.5))
        told = await everybody(gateway, mosquitto, now)
    now.step(3 * DAY_S)
    async with gateway_of(site, now) as gateway:
        assert inputs(gateway, ClockJump) == []
        starts = inputs(gateway, Start)
        assert len(starts) == 2
        assert starts[1].now_ms - starts[0].now_ms >= 3 * DAY_S * 1000
        await until(lambda: len([link for link in inputs(gateway, Link) if link.up]) == 2, "the broker is connected again")
        now.go_by(20 * MIN_S)
        told += await everybody(gateway, mosquitto, now)
        assert transitions(gateway) == []
        now.go_by(15 * MIN_S)  # node 1 was not heard for 35 minutes of a running link: now it is overdue
        await until(lambda: transitions(gateway), "the alert fires")
        assert [(item.rule, item.device) for item in transitions(gateway)] == [("device-silent", "an-0001")]
        assert await times(gateway, "st-0002") == sorted(told)
        stamps = await times(gateway, "st-0003")
        assert stamps == sorted(set(stamps))


async def test_a6_small_corrections_are_no_step(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Two seconds back, as NTP may do: receipt waits for the clock, nothing is journalled, nothing overwritten."""
    now = Time()
    async with gateway_of(make_site(tmp_path, mosquitto), now) as gateway:
        await everybody(gateway, mosquitto, now)
        now.step(-2.0)
        await everybody(gateway, mosquitto, now)
        now.step(+2.0)
        await everybody(gateway, mosquitto, now)
        assert inputs(gateway, ClockJump) == []
        assert transitions(gateway) == []
        check_receipt(gateway)
        stamps = await times(gateway, "st-0003")
        assert len(stamps) == 9
        assert stamps == sorted(set(stamps))
