"""`python -m tests.bench.quality [--write]`: would the default quality tests help a technician? Not a pass/fail test.

Two tables. The first holds the flags against labels that people gave: technicians of the Logan River Observatory, the QC column
of the US Embassy in Hanoi. The second puts faults of known kinds into real series. `--write` puts both into
docs/explanation/quality-usefulness.md.
"""

from __future__ import annotations

import argparse
import gzip
import random
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from devices.loader import catalogue, quality_defaults
from devices.qc.judge import judge
from devices.qc.settings import device_plan
from devices.qc.state import DeviceQuality
from devices.quality import Spans
from devices.reading import Value
from devices.times import parse_duration
from devices.units import conversion
from gateway.series.maps import load_map
from gateway.series.read import read_series

ROOT = Path(__file__).parents[2]
SERIES = ROOT / "tests/data/series"
PAGE = ROOT / "docs/explanation/quality-usefulness.md"
BEGIN, END = "<!-- tables: made by `make bench-quality BENCH_ARGS=--write` -->", "<!-- end of tables -->"

LABELLED = [
    ("lro-franklinbasin2014.csv.gz", "lro", "Franklin Basin 2014"),
    ("lro-mainstreet2020.csv.gz", "lro", "Main Street 2020"),
    ("hanoi-2016-whole.csv", "airnow", "Hanoi 2016"),
    ("hanoi-us-embassy-pm25-2019.csv.gz", "airnow", "Hanoi 2019"),
]
OF_THE_PLACE = {"lro": {"water_temp": (-2.0, 45.0)}, "airnow": {"pm25": (-10.0, 1000.0)}}
"""Plausible spans that any operator would set there: Utah has winter, and this monitor's zero has noise."""

KINDS = {
    "7": "probe out of the water, or held still, during service",
    "10": "an offset, corrected afterwards",
    "1": "short outliers, interpolated afterwards",
    "2": "an offset after a probe was replaced, not corrected",
    "8": "a failing probe, not corrected",
    "4": "doubtful, taken out or kept",
    "5": "real but unusual: kept as it is",
}
"""What the technicians' codes evidently mean, by what was done to the values; the meanings are not published with the data."""


Row = tuple[int, dict[str, float | None], dict[str, str]]
"""Time, value by parameter, label by parameter."""


class Point(NamedTuple):
    time_ms: int
    value: float | None
    now: int
    final: int
    label: str


def judged(rows: Iterator[Row], interval_ms: int, spans: dict[str, Spans]) -> dict[str, list[Point]]:
    """Every reading of every parameter with the flag when it came and the one in the end. Default settings."""
    plan, state = device_plan(spans, interval_ms, catalogue(), quality_defaults()), DeviceQuality()
    points: dict[str, dict[int, Point]] = {name: {} for name in spans}
    for at, values, labels in rows:
        given = tuple(Value(name, number, spans[name].flag(number)) for name, number in values.items())
        found = judge(plan, state, at, given)
        for value in given if found is None else found.values:
            points[value.parameter][at] = Point(at, value.value, value.flag, value.flag, labels.get(value.parameter, ""))
        for revision in found.revisions if found is not None else ():
            old = points[revision.parameter][revision.time_ms]
            points[revision.parameter][revision.time_ms] = old._replace(final=revision.flag)
    return {name: list(by_time.values()) for name, by_time in points.items()}


def series(file: str, map_name: str) -> tuple[list[Row], int, dict[str, Spans]]:
    """A file's rows in canonical units, its interval, and the gross ranges."""
    known, of = catalogue(), load_map(map_name)
    convert = {column.parameter: conversion(column.unit, known[column.parameter]) for column in of.columns}
    path = SERIES / file
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".gz":
            plain = Path(folder) / path.stem
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            path = plain
        rows = [
            (
                row.time_ms,
                {
                    name: None if number is None else number * convert[name].factor + convert[name].offset
                    for name, number in row.values.items()
                },
                row.labels,
            )
            for row in read_series(path, of)
        ]
    special = OF_THE_PLACE.get(map_name, {})
    return rows, parse_duration(of.interval), {name: Spans(special.get(name, known[name].plausible)) for name in convert}


def runs(points: list[Point], label: str) -> list[list[Point]]:
    """Consecutive readings with this label: one fault each."""
    found: list[list[Point]] = []
    before = ""
    for point in points:
        if point.label == label and point.value is not None:
            if before != label or not found:
                found.append([])
            found[-1].append(point)
        before = point.label
    return found


def against_labels() -> str:
    lines = [
        "| Series | Parameter | Label | Readings | Found (recall) | Faults | Found | Delay, median | What it is |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    totals = [
        "| Series | Parameter | Readings | Flagged | … of them labelled (precision) | Doubted, then confirmed |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for file, map_name, title in LABELLED:
        rows, interval_ms, spans = series(file, map_name)
        for name, points in judged(iter(rows), interval_ms, spans).items():
            known = [point for point in points if point.value is not None]
            bad = [point for point in known if point.final > 2]
            right = [point for point in bad if point.label]
            doubted = sum(point.now > 2 >= point.final for point in known)
            precision = f"{len(right)} ({_percent(len(right), len(bad))})"
            totals.append(f"| {title} | {name} | {len(known)} | {len(bad)} | {precision} | {doubted} |")
            for label in sorted({point.label for point in known if point.label}):
                faults = runs(points, label)
                of_label = [point for point in known if point.label == label]
                hit = [point for point in of_label if point.final > 2]
                delays = sorted(
                    next(point.time_ms for point in fault if point.final > 2) - fault[0].time_ms
                    for fault in faults
                    if any(point.final > 2 for point in fault)
                )
                delay = _time(delays[len(delays) // 2]) if delays else "–"
                recall = f"{len(hit)} ({_percent(len(hit), len(of_label))})"
                kind = KINDS.get(label, label.lower()) if map_name == "lro" else f"the QC column says {label}"
                lines.append(
                    f"| {title} | {name} | {label} | {len(of_label)} | {recall} | {len(faults)} | {len(delays)} | {delay} | {kind} |"
                )
    return "\n".join(lines) + "\n\nWhat was flagged, and how much of that is labelled:\n\n" + "\n".join(totals) + "\n"


# ---------------------------------------------------------------------- faults put into real series

Fault = Callable[[list[float], float, random.Random], list[float]]


def _noise_of(numbers: list[float]) -> float:
    steps = sorted(abs(after - before) for before, after in pairwise(numbers))
    return max(steps[len(steps) * 9 // 10], 1e-3)


FAULTS: dict[str, tuple[int, Fault]] = {
    # name: (readings that it lasts, what the readings become; the middle argument is the series' typical step)
    "single spike, 3 x the level": (1, lambda part, step, chance: [3 * abs(part[0]) + 10 * step]),
    "two spikes in a row": (2, lambda part, step, chance: [3 * abs(number) + 10 * step for number in part]),
    "every third of 90 readings a spike": (
        90,
        lambda part, step, chance: [3 * abs(number) + 10 * step if at % 3 == 0 else number for at, number in enumerate(part)],
    ),
    "burst of ten wild readings": (10, lambda part, step, chance: [abs(number) * chance.uniform(0, 5) for number in part]),
    "stuck for 192 readings": (192, lambda part, step, chance: [part[0]] * len(part)),
    "jump to a constant, 192 readings": (192, lambda part, step, chance: [0.1 * part[0]] * len(part)),
    "jump to another level that moves, 192 readings": (192, lambda part, step, chance: [0.4 * number for number in part]),
    "drift by half over 672 readings": (672, lambda part, step, chance: [number * (1 + 0.5 * at / 672) for at, number in enumerate(part)]),
    "noise, five times as much, 192 readings": (192, lambda part, step, chance: [number + chance.gauss(0, 5 * step) for number in part]),
}

HOSTS = [
    ("lro-mainstreet2020.csv.gz", "lro", "do", 1, "DO (river, 15 min)"),
    ("lro-mainstreet2020.csv.gz", "lro", "ec", 1, "EC (river, 15 min)"),
    ("lro-franklinbasin2014.csv.gz", "lro", "ph", 1, "pH (river, 15 min)"),
    ("sensorcommunity-15092-july.csv", "sensorcommunity", "pm25", 5, "PM2.5 (SDS011 x 5, 2.5 min)"),
    ("hanoi-2016-whole.csv", "airnow", "pm25", 1, "PM2.5 (hourly means)"),
]


def injected() -> str:
    lines = ["| Fault | " + " | ".join(title for *_, title in HOSTS) + " |", "| --- |" + " --- |" * len(HOSTS)]
    hosts = [(*series(file, map_name), name, times) for file, map_name, name, times, _ in HOSTS]
    for fault, (lasts, change) in FAULTS.items():
        cells = []
        for rows, interval_ms, spans, name, times in hosts:
            found, flagged, count, delays, places = 0, 0, 0, list[int](), 0
            known = {at: number * times for at, values, _ in rows if (number := values[name]) is not None}
            numbers = list(known.items())
            step = _noise_of(list(known.values()))
            for place in range(6):
                begin = 500 + place * (len(numbers) - 500 - lasts) // 6
                chance = random.Random(place)
                part = change([number for _, number in numbers[begin : begin + lasts]], step, chance)
                with_fault: list[Row] = [(at, {name: number}, {}) for at, number in numbers]
                with_fault[begin : begin + lasts] = [
                    (at, {name: round(number, 3)}, {}) for (at, _), number in zip(numbers[begin : begin + lasts], part, strict=True)
                ]
                window = with_fault[max(0, begin - 400) : begin + lasts + 8]
                points = judged(iter(window), interval_ms, {name: spans[name]})[name]
                changed = [
                    point
                    for point, (_, before) in zip(points[-lasts - 8 : -8], numbers[begin : begin + lasts], strict=True)
                    if point.value != before or "stuck" in fault
                ]
                hits = [point.time_ms - changed[0].time_ms for point in changed if point.final > 2]
                places += 1
                count, flagged = count + len(changed), flagged + len(hits)
                if hits:
                    found += 1
                    delays.append(hits[0])
            delay = f", after {_time(sorted(delays)[len(delays) // 2])}" if delays and sorted(delays)[len(delays) // 2] else ""
            cells.append(f"{found} of {places}; {_percent(flagged, count)}{delay}")
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _time(milliseconds: int) -> str:
    minutes = milliseconds / 60_000
    return "0" if not minutes else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def main() -> None:
    """Print the tables; with `--write` put them into the page as well."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/explanation/quality-usefulness.md")
    arguments = parser.parse_args()
    tables = f"### Against people's labels\n\n{against_labels()}\n### Faults put into real series\n\n{injected()}"
    print(tables)
    if arguments.write:
        text = PAGE.read_text("utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n\n{tables}\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
