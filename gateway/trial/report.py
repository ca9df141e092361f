"""A backtest as lines to read, and as a document for scripts."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from devices.times import iso
from gateway.trial.backtest import Backtest, Version
from gateway.trial.score import Alarm, Run, Score
from rules.model import SEVERITIES

_SHOWN = 40
"""Alerts that are listed one by one unless all are asked for."""

Document = dict[str, Any]


def document(found: Backtest) -> Document:
    """Everything, times as ISO 8601, UTC."""
    result: Document = {
        "since": iso(found.since_ms),
        "until": iso(found.until_ms),
        "readings": found.readings,
        "stations": found.stations,
        **_version(found.new, found.until_ms),
    }
    if found.old is not None and found.difference is not None:
        result["against"] = _version(found.old, found.until_ms)
        result["difference"] = {
            "same": found.difference.same,
            "added": [_alarm(alarm, found.until_ms) for alarm in found.difference.added],
            "removed": [_alarm(alarm, found.until_ms) for alarm in found.difference.removed],
            "moved": [{"old": _alarm(old, found.until_ms), "new": _alarm(new, found.until_ms)} for old, new in found.difference.moved],
        }
    return result


def _version(version: Version, until_ms: int) -> Document:
    return {
        "rules": [_score(score, until_ms) for score in version.scores.values()],
        "alerts": [_alarm(alarm, until_ms) for alarm in version.alarms],
        "sensor_alerts": version.sensors,
    }


def _score(score: Score, until_ms: int) -> Document:
    return {
        "rule": score.rule,
        "stations": score.stations,
        "alerts": score.alerts,
        "told": score.told,
        "late": score.late,
        "open": score.open,
        "open_before": score.before,
        "flapping": score.flapping,
        "hours": {name: round(hours, 3) for name, hours in score.hours.items()},
        "on_bad_data": [alarm.episode for alarm in score.on_bad],
        "events": score.events,
        "right": score.right,
        "false": None if score.right is None else [alarm.episode for alarm in score.false],
        "missed": None if score.right is None else [_run(run) for run in score.missed],
    }


def _alarm(alarm: Alarm, until_ms: int) -> Document:
    return {
        "episode": alarm.episode,
        "rule": alarm.rule,
        "where": alarm.where,
        "severity": alarm.worst,
        "started": iso(alarm.started_ms),
        "fired": iso(alarm.fired_ms),
        "ended": None if alarm.ended_ms is None else iso(alarm.ended_ms),
        "hours": {name: round(hours, 3) for name, hours in alarm.hours(until_ms).items()},
        "late": alarm.late,
        "told": alarm.told,
        "steps": [{"time": iso(at_ms), "severity": severity, "reason": reason} for at_ms, severity, reason in alarm.steps],
    }


def _run(run: Run) -> Document:
    return {"where": run.where, "parameter": run.parameter, "first": iso(run.first_ms), "last": iso(run.last_ms), "readings": run.readings}


def lines(found: Backtest, zone: tzinfo, *, every: bool = False) -> list[str]:
    """For people; times in the city's zone."""

    def when(at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M")

    days = (found.until_ms - found.since_ms) / 86_400_000
    said = [f"{when(found.since_ms)} to {when(found.until_ms)} ({days:.3g} days), {found.stations} stations, {found.readings} readings", ""]
    said += _table(found)
    said += _notes(found.new)
    if found.new.sensors:
        said.append(f"besides, {found.new.sensors} alerts about the sensors themselves (silent, never spoke, possible event)")
    shown = found.new.alarms if every else found.new.alarms[:_SHOWN]
    if found.difference is None:
        said += ["", *(_line(alarm, found.until_ms, when) for alarm in shown)]
        if len(shown) < len(found.new.alarms):
            said.append(f"… and {len(found.new.alarms) - len(shown)} more: --all")
    else:
        change = found.difference
        said += ["", f"{change.same} alerts are the same in both versions, {len(change.moved)} at another time or of another severity"]
        said += [f"+ {_line(alarm, found.until_ms, when)}" for alarm in change.added]
        said += [f"- {_line(alarm, found.until_ms, when)}" for alarm in change.removed]
        for old, new in change.moved:
            said += [f"~ {_line(old, found.until_ms, when)}", f"  {_line(new, found.until_ms, when)}"]
    for score in found.new.scores.values():
        said += [f"on bad data: {_line(alarm, found.until_ms, when)}" for alarm in score.on_bad]
        said += [
            f"missed by {score.rule}: {run.parameter} at {run.where}, {when(run.first_ms)} to {when(run.last_ms)}" for run in score.missed
        ]
    return said


def _table(found: Backtest) -> list[str]:
    old = found.old.scores if found.old is not None else {}
    labelled = any(score.right is not None for score in found.new.scores.values())
    bad = any(score.on_bad for score in found.new.scores.values())
    head = (
        ["rule", "alerts", "told", "late", *SEVERITIES, "unknown"]
        + (["right", "false", "missed"] if labelled else [])
        + (["on bad"] if bad else [])
    )
    rows = [head]
    for score in found.new.scores.values():
        before = old.get(score.rule)
        alerts = str(score.alerts) if before is None else f"{before.alerts} -> {score.alerts}"
        hours = [f"{score.hours.get(name, 0.0):.1f} h" for name in (*SEVERITIES, "unknown")]
        row = [score.rule, alerts, str(score.told), str(score.late), *hours]
        if labelled:
            row += [str(score.right), str(len(score.false)), f"{len(score.missed)} of {score.events}"]
        rows.append(row + ([str(len(score.on_bad))] if bad else []))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _notes(version: Version) -> list[str]:
    """Of rules that could not fire: no alerts of theirs are no good sign."""
    said = []
    for score in version.scores.values():
        if not score.stations:
            said.append(f"note: {score.rule} watches none of these stations: nothing fits its `where`")
        elif score.absent:
            said.append(f"note: {score.rule} asks for {', '.join(sorted(score.absent))}, of which there is no reading here")
    return said


def _line(alarm: Alarm, until_ms: int, when: Any) -> str:
    end = "still open" if alarm.ended_ms is None else when(alarm.ended_ms)
    late = "  (late: nobody told)" if alarm.late else ""
    steps = " -> ".join(name for _, name, _ in alarm.steps)
    hours = sum(alarm.hours(until_ms).values())
    return f"{when(alarm.fired_ms)}  to {end:<16}  {hours:>7.1f} h  {alarm.rule:<20} {alarm.where:<18} {steps}{late}"
