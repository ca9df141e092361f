"""A backtest as a picture: what was measured, and below it the alerts of each rule at each place. matplotlib is imported late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

from devices.loader import catalogue
from gateway.trial.backtest import Backtest, compiled
from gateway.trial.recording import Recording
from gateway.trial.score import Alarm

_COLOURS = {"info": "#6baed6", "warning": "#fdae6b", "critical": "#cb181d", "unknown": "#bdbdbd"}
_ROWS = 40
_POINTS = 4_000
_NAMED = 6
_GAP_INTERVALS = 4


def draw(found: Backtest, recording: Recording, path: Path, zone: tzinfo) -> None:
    """Write the picture (png, svg or pdf, by the file's name). Raises OSError."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import dates, figure

    rows = _rows(found)
    leads = _leads(found, recording)
    height = 1.2 + 2.2 * len(leads) + 0.28 * max(2, len(rows))
    shape = figure.Figure(figsize=(13, height), layout="constrained")
    axes = shape.subplots(len(leads) + 1, 1, sharex=True, squeeze=False, height_ratios=[2.2] * len(leads) + [0.28 * max(2, len(rows))])[
        :, 0
    ]
    for axis, name in zip(axes, leads, strict=False):
        measured = _measured(recording, name)
        for device, points in sorted(measured.items()):
            drawn = thinned(with_gaps(points))
            axis.plot([_at(at_ms, zone) for at_ms, _ in drawn], [value for _, value in drawn], linewidth=0.6, label=device)
        axis.set_ylabel(f"{name} [{catalogue()[name].display}]")
        axis.grid(alpha=0.3)
        if len(measured) <= _NAMED:
            axis.legend(loc="upper right", fontsize="small")
    _bars(axes[-1], rows, found, zone)
    formatter: Any = dates.ConciseDateFormatter
    axes[-1].xaxis.set_major_formatter(formatter(axes[-1].xaxis.get_major_locator(), tz=zone))
    shape.savefig(path, dpi=110)


def _measured(recording: Recording, name: str) -> dict[str, list[tuple[int, float]]]:
    """Device → its readings of this parameter, in the order of time."""
    found: dict[str, list[tuple[int, float]]] = {}
    for item in recording.given:
        value = item.values.get(name)
        if value is not None:
            found.setdefault(item.device, []).append((item.time_ms, value))
    return {device: sorted(points) for device, points in found.items()}


def with_gaps(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The line is broken (a value that is no number) where much more time than usual lies between two readings: nothing was measured."""
    steps = sorted(after - before for (before, _), (after, _) in pairwise(points))
    if not steps:
        return list(points)
    longest = _GAP_INTERVALS * steps[len(steps) // 2]
    found = [points[0]]
    for before, after in pairwise(points):
        if after[0] - before[0] > longest:
            found.append((before[0] + 1, math.nan))
        found.append(after)
    return found


def thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Of many readings the least and the greatest of each few: no peak is lost, and no gap."""
    few = -(-2 * len(points) // _POINTS)
    if few <= 2:
        return list(points)
    found: list[tuple[int, float]] = []
    for at in range(0, len(points), few):
        some = [point for point in points[at : at + few] if not math.isnan(point[1])]
        ends = {min(some, key=itemgetter(1)), max(some, key=itemgetter(1))} if some else set()
        found += sorted(ends | {point for point in points[at : at + few] if math.isnan(point[1])})
    return found


def _bars(axis: Any, rows: list[tuple[str, list[Alarm]]], found: Backtest, zone: tzinfo) -> None:
    for row, (_, alarms) in enumerate(rows):
        for alarm in alarms:
            ends = [at_ms for at_ms, _, _ in alarm.steps[1:]] + [alarm.end(found.until_ms)]
            for (at_ms, severity, _), end in zip(alarm.steps, ends, strict=True):
                begin, until = _at(at_ms, zone), _at(max(end, at_ms + 60_000), zone)
                axis.barh(row, until - begin, left=begin, height=0.7, color=_COLOURS[severity])
    said = [name for name in _COLOURS if any(step[1] == name for _, alarms in rows for alarm in alarms for step in alarm.steps)]
    if said:
        patches = [axis.barh(0, 0, color=_COLOURS[name]) for name in said]
        axis.legend(patches, said, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize="small")
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(_at(found.since_ms, zone), _at(found.until_ms, zone))
    axis.grid(axis="x", alpha=0.3)


def _rows(found: Backtest) -> list[tuple[str, list[Alarm]]]:
    by: dict[str, list[Alarm]] = {}
    for mark, version in (("old ", found.old), ("" if found.old is None else "new ", found.new)):
        for alarm in version.alarms if version is not None else ():
            by.setdefault(f"{alarm.rule} {alarm.where} {mark}".strip(), []).append(alarm)
    left = len(by) - _ROWS
    more: list[tuple[str, list[Alarm]]] = [(f"… and {left} more rows", [])] if left > 0 else []
    return sorted(by.items())[:_ROWS] + more or [("no alert", [])]


def _leads(found: Backtest, recording: Recording) -> list[str]:
    """The parameters that the rules are about, as far as they were measured."""
    measured = {name for item in recording.given for name in item.values}
    leads = [rule.lead.parameter for rule in compiled(found.new.rules, recording.plain) if rule.lead is not None]
    names = [name if name in measured else name.partition("_")[0] for name in leads]
    return [name for name in dict.fromkeys(names) if name in measured][:4]


def _at(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
