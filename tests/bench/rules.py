"""What rules cost (issue 6): a message, loading, and a tick, all in this process from memory.

The cost of a message is the difference between cores that take in the same batches in turn, with and without the rules: the machine
may be as busy as it likes.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Sequence
from typing import Any

from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import Config, Input, Link, Message, Start, Tick
from gateway.trial import backtest, places
from gateway.trial.recording import Recording
from gateway.trial.run import Given
from tests.bench import stream
from tests.bench.measure import Table, middle
from tests.tools import town

_HOURS = 3_600_000
_FEW = 100
_FULL = 190
"""Readings a minute apart that fill a window of three hours."""


def measure(table: Table, batches: Sequence[list[Input]]) -> None:
    """Adds one row for each budget."""
    none, plain, windows, many = alternate(batches, [started(rules) for rules in ([], stream.rules(20), windowed(20), own(1000))])
    table.add("20 rules × 1,000 stations, on top of the core", f"{plain - none:.1f} µs CPU a message", "≤ 4", plain - none <= 4)
    table.add("… of which 5 look at means of 1 to 3 h", f"{windows - none:.1f} µs CPU a message", "≤ 4", windows - none <= 4)
    count = sum(len(batch) for batch in batches)
    slow_none, slow_windows = alternate(minutes(count), [started(rules, _FEW) for rules in ([], windowed(20))], skip=_FULL * _FEW)
    table.add("… and so they do, readings a minute apart", f"{slow_windows - slow_none:.1f} µs CPU a message")
    table.add("1,000 rules, one of each station's own", f"{many - none:.1f} µs CPU a message", "≤ 4", many - none <= 4)
    began = time.process_time()
    core = started(windowed(1000))
    seconds = time.process_time() - began
    began = time.process_time()
    core.rulebook.load(windowed(1000))
    table.add(
        "load 1,000 rules × 1,000 stations",
        f"{seconds:.1f} s CPU, of which {time.process_time() - began:.1f} s rules",
        "≤ 5 s",
        seconds <= 5,
    )
    for what, when in (("one windowed rule", "avg(pm25, 3h) > 60"), ("`limit()`", "pm25_24h > limit('QCVN 05:2023', pm25, '24h')")):
        seconds = backtest_year(when)
        table.add(f"a backtest of a year of hours of 20 stations, {what}", f"{seconds:.1f} s CPU", "≤ 10 s", seconds <= 10)
    ms = idle_tick(core, 100_000)
    table.add("a tick with nothing due, 100,000 timers", f"{ms:.4f} ms", "≤ 1 ms", ms <= 1)
    table.add("a minute with 20 rules on clock and limits × 1,000 stations", f"{a_minute(started(on_the_clock(20))):.4f} ms")


def windowed(count: int) -> list[dict[str, Any]]:
    """As `stream.rules`, but every fourth looks at a mean of one to three hours."""
    rules = stream.rules(count)
    for number, rule in enumerate(rules[::4]):
        for level in rule["levels"].values():
            for key in {"when", "clear"} & level.keys():
                parameter, rest = level[key].split(" ", 1)
                level[key] = f"avg({parameter}, {1 + number % 3}h) {rest}"
    return rules


def on_the_clock(count: int) -> list[dict[str, Any]]:
    """Rules of which half ask for the hour, half for a limit in place of a number."""
    rules = stream.rules(count)
    for number, rule in enumerate(rules):
        text = "pm25 > 200 and hour >= 6" if number % 2 else "pm25 > 4 * limit('QCVN 05:2023', pm25, '24h')"
        rule["levels"] = {"warning": {"when": text, "for": "10m"}}
    return rules


def own(count: int) -> list[dict[str, Any]]:
    """Rules that watch one station each."""
    return [{**rule, "where": {"station": [f"st-{number}"]}} for number, rule in enumerate(stream.rules(count))]


def started(rules: list[dict[str, Any]], stations: int = stream.DEVICES) -> Core:
    """A core with these rules whose broker is up."""
    plain = town.plain(air=stations, water=0, rules=rules)
    for number, station in enumerate(plain["stations"]):
        station["devices"][0] |= {"id": f"an-{number + 1:04}", "topics": [f"sensors/air/an-{number + 1:04}"]}
    text = config_text(plain)
    core = Core()
    now = int(time.time() * 1000) - _HOURS
    core.step([Start(now, "bench"), Config(now, config_digest(text), text), Link(now, town.BROKER, True)])
    return core


def minutes(count: int) -> list[list[Input]]:
    """Messages of few stations, a minute apart: as many of each as fill windows, and `count` after those."""
    total = _FULL * _FEW + count
    now = int(time.time() * 1000)
    first = now - 60_000 * (total // _FEW)
    taken: list[Input] = []
    for number, (topic, payload) in enumerate(stream.messages(total, _FEW, last_ms=now, every_ms=60_000)):
        received_ms = first + 60_000 * (number // _FEW + 1)
        taken.append(Message(received_ms, town.BROKER, topic, payload, 1, False, False, number % 65_535 + 1))
    return [taken[at : at + 500] for at in range(0, total, 500)]


def a_minute(core: Core) -> float:
    """ms of a tick at a whole minute within an hour, when nothing happens."""
    times = []
    for number in range(30):
        tick = Tick(core.state.last_received_ms + 60_000 * (number + 1))
        began = time.perf_counter()
        core.step([tick])
        times.append((time.perf_counter() - began) * 1e3)
    return middle(times)


def alternate(batches: Sequence[list[Input]], cores: Sequence[Core], *, skip: int = 2 * stream.DEVICES) -> list[float]:
    """Median µs a message of each core, after the first `skip` messages (by default every device has spoken twice)."""
    found: list[list[float]] = [[] for _ in cores]
    gc.collect()
    gc.freeze()
    taken = 0
    for batch in batches:
        for core, times in zip(cores, found, strict=True):
            began = time.process_time()
            core.step(batch)
            if taken >= skip:
                times.append((time.process_time() - began) / len(batch) * 1e6)
        taken += len(batch)
    gc.unfreeze()
    return [middle(times) for times in found]


def backtest_year(when: str, hours: int = 1_500) -> float:
    """CPU seconds of a year of 20 stations, from so many hours of it (what an hour costs does not depend on those before)."""
    rng, names, begin_ms = random.Random(5), [f"st-{number}" for number in range(20)], 1_767_200_400_000
    level = dict.fromkeys(names, 45.0)
    given = []
    for hour in range(hours):
        for name in names:
            level[name] = max(2.0, level[name] + (45 - level[name]) * 0.02 + rng.gauss(0, 8))
            at_ms = begin_ms + hour * _HOURS
            given.append(Given(at_ms, at_ms, name, {"pm25": round(level[name], 1)}))
    entries = [places.station(name, "1h", {"medium": "air"}, ("pm25",), judged=True) for name in names]
    plain = places.configuration(entries, places.types(), (), "Asia/Ho_Chi_Minh")
    recording = Recording(plain, given, _HOURS, {}, 0, {name: name for name in names})
    rule = {"id": "r", "name": {"en": "r"}, "levels": {"warning": {"when": when}}}
    times = []
    for _ in range(3):
        began = time.process_time()
        backtest.run(recording, [rule], None, backtest.Labels(), lambda what, part: None)
        times.append(time.process_time() - began)
    return min(times) * 8_760 / hours


def idle_tick(core: Core, timers: int) -> float:
    """ms of a tick with so many timers pending, none of them due."""
    far = core.state.last_received_ms + 1000 * _HOURS
    for number in range(timers):
        core.schedule(far + number, "s", f"st-{number}")
    tick = Tick(core.state.last_received_ms + 1)
    times = []
    for _ in range(100):
        began = time.perf_counter()
        core.step([tick])
        times.append((time.perf_counter() - began) * 1e3)
    return middle(times)
