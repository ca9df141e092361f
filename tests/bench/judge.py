"""`python -m tests.bench.judge`: what quality control costs a value, in CPU µs, and a series in bytes."""

from __future__ import annotations

import random
import sys
import time

from devices.loader import catalogue, quality_defaults
from devices.qc.judge import judge
from devices.qc.plan import DevicePlan
from devices.qc.settings import device_plan
from devices.qc.state import DeviceQuality, SeriesState
from devices.quality import Spans
from devices.reading import Value

PARAMETERS = {"pm25": (30.0, 1.0), "pm10": (50.0, 2.0), "no2": (20.0, 1.0), "o3": (60.0, 2.0), "co": (400.0, 20.0)}
INTERVAL_MS = 60_000


def plans() -> DevicePlan:
    known = catalogue()
    return device_plan({name: Spans(known[name].plausible) for name in PARAMETERS}, INTERVAL_MS, known, quality_defaults())


def lines(count: int, digits: int) -> list[tuple[Value, ...]]:
    """A walk of each parameter with noise; few digits give many repeats."""
    chance = random.Random(7)
    levels = {name: level for name, (level, _) in PARAMETERS.items()}
    made = []
    for _ in range(count):
        for name, (level, noise) in PARAMETERS.items():
            levels[name] += (level - levels[name]) * 0.01 + chance.gauss(0, noise)
        made.append(tuple(Value(name, round(max(0.0, levels[name]), digits), 1) for name in PARAMETERS))
    return made


def cost_us(made: list[tuple[Value, ...]], plan: DevicePlan, rounds: int = 7, trace: bool = False) -> tuple[float, int]:
    """(CPU µs a value, the best of several rounds; calls that had something to say)."""
    best, spoke = float("inf"), 0
    for _ in range(rounds):
        state, at, spoke = DeviceQuality(), 1_700_000_000_000, 0
        began = time.process_time()
        for values in made:
            at += INTERVAL_MS
            if judge(plan, state, at, values, trace=trace) is not None:
                spoke += 1
        best = min(best, (time.process_time() - began) * 1e6 / (len(made) * len(PARAMETERS)))
    return best, spoke


def size(state: SeriesState) -> int:
    """Bytes of a series at rest; the time is shared with the device's other series."""
    own = (state.last, state.before, state.near, state.due_ms)
    return sys.getsizeof(state) + sum(sys.getsizeof(item) for item in own)


def main() -> None:
    plan = plans()
    for name, digits in (("2 decimals", 2), ("whole numbers, many repeats", 0)):
        made = lines(20_000, digits)
        cost, spoke = cost_us(made, plan)
        traced, _ = cost_us(made[:4_000], plan, 3, trace=True)
        print(
            f"{name}: {cost:.2f} µs a value, {5 * cost:.1f} µs a message of 5; traced (the slow way) {traced:.1f} µs a value; {spoke} spoke"
        )
    state = DeviceQuality()
    for number, values in enumerate(lines(50, 2)):
        judge(plan, state, 1_700_000_000_000 + number * INTERVAL_MS, values)
    print({name: size(series) for name, series in state.series.items()}, "bytes a series")


if __name__ == "__main__":
    main()
