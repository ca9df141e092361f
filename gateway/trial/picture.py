"""A backtest as a picture: what was measured, and below it the alerts of each rule at each place. matplotlib is imported late."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from gateway.trial.backtest import Backtest, compiled
from gateway.trial.recording import Recording
from gateway.trial.score import Alarm

_COLOURS = {"info": "#6baed6", "warning": "#fdae6b", "critical": "#cb181d", "unknown": "#bdbdbd"}
_ROWS = 40
_POINTS = 4_000


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
        for device in sorted({item.device for item in recording.given}):
            points = [
                (item.time_ms, value) for item in recording.given if item.device == device and (value := item.values.get(name)) is not None
            ]
            points = points[:: max(1, len(points) // _POINTS)]
            if points:
                axis.plot([_at(at_ms, zone) for at_ms, _ in points], [value for _, value in points], linewidth=0.6, label=device)
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
        if len({item.device for item in recording.given}) <= 6:
            axis.legend(loc="upper right", fontsize="small")
    _bars(axes[-1], rows, found, zone)
    formatter: Any = dates.ConciseDateFormatter
    axes[-1].xaxis.set_major_formatter(formatter(axes[-1].xaxis.get_major_locator(), tz=zone))
    shape.savefig(path, dpi=110)


def _bars(axis: Any, rows: list[tuple[str, list[Alarm]]], found: Backtest, zone: tzinfo) -> None:
    for row, (_, alarms) in enumerate(rows):
        for alarm in alarms:
            ends = [at_ms for at_ms, _, _ in alarm.steps[1:]] + [alarm.end(found.until_ms)]
            for (at_ms, severity, _), end in zip(alarm.steps, ends, strict=True):
                begin, until = _at(at_ms, zone), _at(max(end, at_ms + 60_000), zone)
                axis.barh(row, until - begin, left=begin, height=0.7, color=_COLOURS[severity])
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize="small")
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(_at(found.since_ms, zone), _at(found.until_ms, zone))
    axis.grid(axis="x", alpha=0.3)


def _rows(found: Backtest) -> list[tuple[str, list[Alarm]]]:
    by: dict[str, list[Alarm]] = {}
    for mark, version in (("old ", found.old), ("" if found.old is None else "new ", found.new)):
        for alarm in version.alarms if version is not None else ():
            by.setdefault(f"{alarm.rule} {alarm.where} {mark}".strip(), []).append(alarm)
    return sorted(by.items())[:_ROWS] or [("no alert", [])]


def _leads(found: Backtest, recording: Recording) -> list[str]:
    """The parameters that the rules are about, as far as they were measured."""
    measured = {name for item in recording.given for name in item.values}
    leads = [rule.lead.parameter for rule in compiled(found.new.rules, recording.plain) if rule.lead is not None]
    names = [name if name in measured else name.partition("_")[0] for name in leads]
    return [name for name in dict.fromkeys(names) if name in measured][:4]


def _at(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
