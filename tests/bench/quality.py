"""`python -m tests.bench.quality [--write]`: what the default tests find of what people found, series by series.

Truth are the labels of the Logan River Observatory's technicians (Franklin Basin 2014, Main Street 2020) and the QC column of AirNow's
Hanoi files (2016, 2019). The label codes are not explained where the data are from; `KINDS` says what the labelled readings look like.

    readings   labelled ones that are flagged 3, 4 or 9, of all labelled ones (recall of readings)
    events     runs of one label with at least one such reading (recall of events)
    delay      from the first reading of an event to its first flagged one, the median of the events found
    precision  labelled readings of those flagged 3 or 4 (a missing value needs no judge)
    false      readings flagged 3 or 4 without a label, of 1,000 readings without one
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import NamedTuple

from gateway.commands.quality import verdicts
from gateway.commands.source import of_file

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "series"
PAGE = ROOT / "docs" / "explanation" / "quality-usefulness.md"
BEGIN, END = "<!-- bench-quality: begin -->", "<!-- bench-quality: end -->"

FILES = (
    ("Logan River, Franklin Basin 2014", "lro-franklin-2014-whole.csv.gz", "lro"),
    ("Logan River, Main Street 2020", "lro-mainstreet-2020-whole.csv.gz", "lro"),
    ("Hanoi 2016", "hanoi-2016-whole.csv", "airnow"),
    ("Hanoi 2019", "hanoi-2019-whole.csv", "airnow"),
)
KINDS = {
    "1": "single readings and short bursts",
    "7": "probe out of the water (site visit)",
    "4": "disturbed, kept by the technician",
    "5": "ice",
    "8": "sensor failing",
    "2": "failed sensor replaced, wrong level",
    "10": "offset or drift, corrected",
    "Invalid": "invalid",
    "Suspect": "suspect",
    "Missing": "missing",
}


class Event(NamedTuple):
    """A run of readings with one label."""

    kind: str
    begin: int
    end: int
    first: int | None
    """Its first flagged reading."""
    flagged: int


class Score(NamedTuple):
    """One parameter of one series."""

    series: str
    parameter: str
    readings: int
    events: list[Event]
    times: Sequence[int]
    right: int
    """Labelled readings flagged 3 or 4."""
    wrong: int
    """Readings flagged 3 or 4 without a label."""


def scores() -> Iterator[Score]:
    """Every labelled parameter of every series."""
    with tempfile.TemporaryDirectory(prefix="envgw-bench-quality-") as folder:
        for series, name, series_map in FILES:
            path = DATA / name
            if name.endswith(".gz"):
                path = Path(folder) / name.removesuffix(".gz")
                path.write_bytes(gzip.decompress((DATA / name).read_bytes()))
            for source in of_file(path, series_map).sources:
                for parameter, judged in verdicts(source).items():
                    labels = source.columns.labels.get(parameter, {})
                    yield score(series, parameter, source.columns.times, judged.flags, labels)


def score(series: str, parameter: str, times: Sequence[int], flags: Sequence[int], labels: dict[int, str]) -> Score:
    """Hold the flags of one series against its labels."""
    events = []
    for label, run in groupby(range(len(times)), key=labels.get):
        if label is None:
            continue
        here = list(run)
        found = [at for at in here if flags[at] > 2]
        missing = all(flags[at] == 9 for at in here)
        kind = "no value" if missing else KINDS.get(label, f"label {label}")
        events.append(Event(kind, here[0], here[-1] + 1, found[0] if found else None, len(found)))
    doubted = [at for at, flag in enumerate(flags) if flag in (3, 4)]
    right = sum(at in labels for at in doubted)
    return Score(series, parameter, len(times), events, times, right, len(doubted) - right)


def report(found: Sequence[Score]) -> str:
    """Two Markdown tables."""
    by_kind = [
        "| Series | Parameter | What people saw | Events found | Readings found | Delay |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    by_parameter = [
        "| Series | Parameter | Readings | Flagged 3 or 4 | Precision | False, of 1,000 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        for kind in sorted({event.kind for event in one.events}):
            events = [event for event in one.events if event.kind == kind]
            hit = [event for event in events if event.first is not None]
            delays = [one.times[event.first] - one.times[event.begin] for event in hit if event.first is not None]
            readings, flagged = sum(event.end - event.begin for event in events), sum(event.flagged for event in events)
            by_kind.append(
                f"| {one.series} | `{one.parameter}` | {kind} | {len(hit)} of {len(events)} | {flagged} of {readings} "
                f"| {_duration(median(delays)) if delays else ''} |"
            )
        doubted = one.right + one.wrong
        clean = one.readings - sum(event.end - event.begin for event in one.events)
        by_parameter.append(
            f"| {one.series} | `{one.parameter}` | {one.readings:,} | {doubted} | {f'{one.right / doubted:.0%}' if doubted else ''} "
            f"| {1000 * one.wrong / clean:.2f} |"
        )
    return "\n".join([*by_kind, "", *by_parameter])


def _duration(ms: float) -> str:
    return "none" if ms < 1 else f"{ms / 60_000:.0f} min" if ms < 3 * 3_600_000 else f"{ms / 3_600_000:.0f} h"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; `--write` puts them into the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.quality", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    wanted = parser.parse_args(arguments)
    text = report(list(scores()))
    print(text)
    if wanted.write:
        page = PAGE.read_text("utf-8")
        head, rest = page.split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
