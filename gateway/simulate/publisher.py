"""Running a simulation: messages at their pace, spread over connections, until the end asked for.

    synthetic or registry fleet ─ at a rate, or each device at its own interval ─┐
                                                                                 ├─▶ batches ─▶ Link(s) ─▶ broker
    series file through a map ─ at its own pace × speed, or as fast as it goes ──┘

All three are one generator of batches, so stopping, counting and reconnecting exist once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import count, islice
from typing import Protocol

from gateway.clock import Clock
from gateway.simulate.fleet import Fleet, Outgoing, registry_fleet, synthetic_fleet
from gateway.simulate.link import Link
from gateway.simulate.noise import key
from gateway.simulate.options import SimulateOptions, Summary
from gateway.simulate.replay import replay_batches
from gateway.simulate.scenario import Scenario, ScenarioError, load_scenario

_BEAT_S = 0.01
"""How often a rate or a schedule is looked at: batches are what became due since."""
_LARGEST_BATCH = 1000


async def simulate(options: SimulateOptions, *, stop: asyncio.Event | None = None, clock: Clock | None = None) -> Summary:
    """Publish what `options` say. Returns when done or when `stop` is set (the batch under way is finished first).

    Raises `EnvgwError` (its text is for the operator) for a scenario, map, series or broker that cannot be used.
    """
    stop = stop or asyncio.Event()
    summary = Summary()
    _check(options)
    batches = _batches(options, clock or Clock(), stop, summary)
    await publish_batches(batches, options, summary, stop)
    return summary


async def publish_batches(
    batches: AsyncIterator[Sequence[Outgoing]], options: SimulateOptions, summary: Summary, stop: asyncio.Event
) -> None:
    """Publish batches until they end, `count` or `seconds` is reached, or `stop` is set; counts into `summary`."""
    began = time.monotonic()
    devices: set[str] = set()
    left = options.count
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(Link(options.broker, number)) for number in range(options.broker.connections)]
        stack.enter_context(_Deadline(options.seconds, stop))
        try:
            async for batch in batches:
                messages = list(batch if left is None else islice(batch, left))
                await _publish(links, messages)
                _count(summary, messages, devices)
                if left is not None:
                    left -= len(messages)
                if left == 0 or stop.is_set():
                    break
            for link in links:
                await link.drain()
        finally:
            summary.published = sum(link.published for link in links)
            summary.seconds = time.monotonic() - began
            summary.devices = len(devices)
            summary.reconnects = sum(link.reconnects for link in links)
            summary.republished = sum(link.republished for link in links)


class _Deadline:
    """Sets `stop` after some real seconds, so that nobody sleeps past the end."""

    def __init__(self, seconds: float | None, stop: asyncio.Event) -> None:
        self._seconds = seconds
        self._stop = stop
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> _Deadline:
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._stop.set)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


async def _publish(links: list[Link], messages: list[Outgoing]) -> None:
    if len(links) == 1:
        await links[0].publish(messages)
        return
    shares: list[list[Outgoing]] = [[] for _ in links]
    for message in messages:
        shares[key(0, message.topic) % len(links)].append(message)
    async with asyncio.TaskGroup() as group:
        for link, share in zip(links, shares, strict=True):
            if share:
                group.create_task(link.publish(share))


def _count(summary: Summary, messages: list[Outgoing], devices: set[str]) -> None:
    for message in messages:
        summary.payload_bytes += len(message.payload)
        devices.add(message.topic)
    if messages:
        summary.first_ms = messages[0].time_ms if summary.first_ms is None else summary.first_ms
        summary.last_ms = messages[-1].time_ms


def _check(options: SimulateOptions) -> None:
    if options.replay is not None and options.map is None:
        raise ScenarioError(f"--replay {options.replay} needs --map: the name of a map, or a map file")
    if options.rate is not None and options.rate <= 0:
        raise ScenarioError(f"--rate must be above 0 messages a second, not {options.rate}")
    if options.speed != "max" and options.speed <= 0:
        raise ScenarioError(f"--speed must be above 0, or max, not {options.speed}")


def _batches(options: SimulateOptions, clock: Clock, stop: asyncio.Event, summary: Summary) -> AsyncIterator[Sequence[Outgoing]]:
    if options.replay is not None:
        return replay_batches(options, clock, stop, summary)
    start_ms = clock.now_ms() if options.start_ms is None else options.start_ms
    scenario = load_scenario(options.scenario) if options.scenario else Scenario()
    if options.registry is not None:
        fleet = registry_fleet(options.registry, scenario=scenario, seed=options.seed, start_ms=start_ms)
    else:
        fleet = synthetic_fleet(
            options.stations,
            scenario=scenario,
            seed=options.seed,
            start_ms=start_ms,
            interval_ms=options.interval_ms,
            device_type=options.device_type,
        )
    summary.faults = fleet.faults
    if options.rate is not None:
        return at_rate(fleet, options.rate, start_ms, stop, most=options.count)
    if options.start_ms is not None:
        clock = Clock(start_ms=options.start_ms, speed=clock.speed)
    return on_clock(fleet, clock, stop, since_ms=start_ms, most=options.count)


class City(Protocol):
    """Whatever says things as time goes by: a fleet, or the demo's city."""

    def messages(self, since_ms: int, until_ms: int) -> Iterator[Outgoing]:
        """Everything that is sent in (since_ms, until_ms], in order."""
        ...


async def on_clock(
    city: City, clock: Clock, stop: asyncio.Event, *, since_ms: int, most: int | None = None
) -> AsyncIterator[list[Outgoing]]:
    """What is due on the clock, each device at its own interval, from just after `since_ms` until `stop` or `most` messages.

    (`most` is looked at here, so that nothing is made, and none of its faults counted, that is not published.)
    """
    done_ms = since_ms
    made = 0
    while not stop.is_set():
        now_ms = clock.now_ms()
        batch: list[Outgoing] = []
        for message in city.messages(done_ms, now_ms):
            batch.append(message)
            made += 1
            if made == most:
                yield batch
                return
            if len(batch) >= _LARGEST_BATCH:
                yield batch
                batch = []
        done_ms = max(done_ms, now_ms)
        if batch:
            yield batch
        await _beat(stop)


async def at_rate(
    fleet: Fleet, rate: float, start_ms: int, stop: asyncio.Event, *, most: int | None = None
) -> AsyncIterator[list[Outgoing]]:
    """`rate` messages a second, the devices in turn. When the broker is slower, the simulator falls behind and says so by its rate.

    Message n carries the time `start_ms + n / rate`, so a device never repeats one, and a fixed start gives fixed bytes.
    """
    spoken = _turns(fleet, rate, start_ms)
    began = time.monotonic()
    sent = 0
    while not stop.is_set() and sent != most:
        due = min(int((time.monotonic() - began) * rate) - sent, _LARGEST_BATCH)
        if most is not None:
            due = min(due, most - sent)  # nothing is made, and none of its faults counted, that is not published
        if due > 0:
            yield list(islice(spoken, due))
            sent += due
        if due < _LARGEST_BATCH:
            await _beat(stop)


def _turns(fleet: Fleet, rate: float, start_ms: int) -> Iterator[Outgoing]:
    for round_number in count():
        for position, device in enumerate(fleet.devices):
            number = round_number * len(fleet.devices) + position
            # A device that spoke more than once a millisecond would repeat a time: then time runs ahead of the rate.
            yield from fleet.speak(device, start_ms + max(int(number * 1000.0 / rate), round_number))


async def _beat(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), _BEAT_S)
    except TimeoutError:
        return
