"""What a backtest found: episodes, hours in alarm, hits and misses against labels, and what differs between two versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.outcomes import Transition
from rules.model import SEVERITIES

HOUR_MS = 3_600_000
MARKS = frozenset({"acknowledged", "silenced", "flapping", "calmed", "members", "caught-up", "late-data"})
"""Reasons of transitions that change nothing in the episode's state."""


@dataclass(slots=True)
class Alarm:
    """An episode of a rule, from its firing to its end."""

    episode: str
    rule: str
    where: str
    """Station, or the area of a group."""
    started_ms: int
    """When the condition became true."""
    fired_ms: int
    ended_ms: int | None = None
    late: bool = False
    told: bool = False
    before: bool = False
    """It fired before the backtest began; its steps begin with that."""
    steps: list[tuple[int, str, str]] = field(default_factory=list)
    """(event time, severity or `unknown`, reason)."""

    def end(self, until_ms: int) -> int:
        """Its end, or that of the backtest."""
        return until_ms if self.ended_ms is None else self.ended_ms

    @property
    def worst(self) -> str:
        return max((name for _, name, _ in self.steps if name in SEVERITIES), key=SEVERITIES.index, default="info")

    def hours(self, until_ms: int) -> dict[str, float]:
        """Hours at each severity; `unknown` while nothing was known."""
        found: dict[str, float] = {}
        ends = [at_ms for at_ms, _, _ in self.steps[1:]] + [self.end(until_ms)]
        for (at_ms, name, _), end in zip(self.steps, ends, strict=True):
            found[name] = found.get(name, 0.0) + max(0, end - at_ms) / HOUR_MS
        return found


@dataclass(slots=True)
class Score:
    """One rule over the whole backtest."""

    rule: str
    alerts: int = 0
    told: int = 0
    late: int = 0
    open: int = 0
    before: int = 0
    """Alerts that had fired when the backtest began: their hours count, they do not."""
    flapping: int = 0
    hours: dict[str, float] = field(default_factory=dict)
    on_bad: list[Alarm] = field(default_factory=list)
    """Alerts that fired on readings labelled as bad."""
    right: int | None = None
    false: list[Alarm] = field(default_factory=list)
    """Alerts that touch no labelled event."""
    missed: list[Run] = field(default_factory=list)
    """Labelled events that no alert touches."""
    events: int = 0
    stations: int = 0
    """So many of the stations it watches."""
    absent: frozenset[str] = frozenset()
    """Measured parameters that it asks for and that no reading was of."""


@dataclass(frozen=True, slots=True)
class Run:
    """Labelled readings one after the other."""

    where: str
    parameter: str
    first_ms: int
    last_ms: int
    readings: int


def alarms(transitions: Iterable[Transition], told: set[str], since_ms: int = 0) -> list[Alarm]:
    """The episodes of rules, in the order of their begin. Built-in alerts about the sensors are not among them.

    Of one that fired before `since_ms` (while warming up) what comes after is left; one that was over by then is left out.
    """
    found: dict[str, Alarm] = {}
    for item in transitions:
        if item.kind != "threshold":
            continue
        alarm = found.get(item.episode)
        if alarm is None:
            where = item.station or item.area or "all"
            alarm = found[item.episode] = Alarm(item.episode, item.rule, where, item.started_ms, item.event_ms, told=item.episode in told)
        alarm.late = alarm.late or item.late
        if item.reason in MARKS:
            continue
        if item.state == "resolved":
            alarm.ended_ms = item.event_ms
        else:
            alarm.steps.append((item.event_ms, "unknown" if item.state == "unknown" else item.severity, item.reason))
    left = [alarm for alarm in found.values() if alarm.ended_ms is None or alarm.ended_ms > since_ms or alarm.fired_ms >= since_ms]
    for alarm in left:
        if alarm.fired_ms < since_ms:
            alarm.before = True
            _, severity, reason = [step for step in alarm.steps if step[0] <= since_ms][-1]
            alarm.steps = [(since_ms, severity, reason), *(step for step in alarm.steps if step[0] > since_ms)]
    return sorted(left, key=lambda alarm: (alarm.fired_ms, alarm.rule, alarm.where))


def scores(rules: Sequence[str], found: Sequence[Alarm], transitions: Iterable[Transition], until_ms: int) -> dict[str, Score]:
    """Counts and hours of each rule, also of those that never fired."""
    result = {name: Score(name) for name in rules}
    for alarm in found:
        score = result[alarm.rule]
        if alarm.before:
            score.before += 1
        else:
            score.late += alarm.late
            score.alerts += not alarm.late
            score.told += alarm.told
        score.open += alarm.ended_ms is None
        for name, hours in alarm.hours(until_ms).items():
            score.hours[name] = score.hours.get(name, 0.0) + hours
    for item in transitions:
        if item.reason == "flapping" and item.rule in result:
            result[item.rule].flapping += 1
    return result


def runs(labels: Mapping[tuple[str, str], Sequence[tuple[int, str]]], wanted: frozenset[str] | None, gap_ms: int) -> list[Run]:
    """Labelled rows as runs; rows further apart than `gap_ms` begin a new one. `wanted` None: any label."""
    found = []
    for (where, parameter), rows in sorted(labels.items()):
        first = last = None
        count = 0
        for at_ms, text in rows:
            if wanted is not None and text not in wanted:
                continue
            if first is None or last is None or at_ms - last > gap_ms:
                if first is not None and last is not None:
                    found.append(Run(where, parameter, first, last, count))
                first, count = at_ms, 0
            last, count = at_ms, count + 1
        if first is not None and last is not None:
            found.append(Run(where, parameter, first, last, count))
    return found


def judge_bad(score: Score, found: Sequence[Alarm], bad: Sequence[Run], parameters: frozenset[str]) -> None:
    """Which alerts fired on bad readings: one of them lies between the begin of the condition and the firing."""
    for alarm in found:
        if alarm.rule == score.rule and any(_touches(run, alarm, alarm.fired_ms, parameters) for run in bad):
            score.on_bad.append(alarm)


def judge_events(score: Score, found: Sequence[Alarm], events: Sequence[Run], parameters: frozenset[str], until_ms: int) -> None:
    """Right, false and missed against labelled events."""
    mine = [alarm for alarm in found if alarm.rule == score.rule and not alarm.late]
    about = [run for run in events if run.parameter in parameters]
    score.events = len(about)
    score.false = [alarm for alarm in mine if not any(_touches(run, alarm, alarm.end(until_ms), parameters) for run in about)]
    score.right = len(mine) - len(score.false)
    score.missed = [run for run in about if not any(_touches(run, alarm, alarm.end(until_ms), parameters) for alarm in mine)]


def _touches(run: Run, alarm: Alarm, end_ms: int, parameters: frozenset[str]) -> bool:
    return run.where == alarm.where and run.parameter in parameters and run.first_ms <= end_ms and run.last_ms >= alarm.started_ms


@dataclass(slots=True)
class Difference:
    """Two versions of the rules over the same readings. Alerts of one rule at one place that overlap in time are the same alert."""

    added: list[Alarm] = field(default_factory=list)
    removed: list[Alarm] = field(default_factory=list)
    moved: list[tuple[Alarm, Alarm]] = field(default_factory=list)
    """(old, new) that fire or end at another time, or are of another severity."""
    same: int = 0


def difference(old: Sequence[Alarm], new: Sequence[Alarm], until_ms: int) -> Difference:
    """What `new` does otherwise than `old`."""
    found = Difference()
    left = list(old)
    for alarm in new:
        twin = next(
            (
                other
                for other in left
                if (other.rule, other.where) == (alarm.rule, alarm.where)
                and other.fired_ms <= alarm.end(until_ms)
                and alarm.fired_ms <= other.end(until_ms)
            ),
            None,
        )
        if twin is None:
            found.added.append(alarm)
            continue
        left.remove(twin)
        if twin.steps == alarm.steps and twin.ended_ms == alarm.ended_ms:
            found.same += 1
        else:
            found.moved.append((twin, alarm))
    found.removed = left
    return found
