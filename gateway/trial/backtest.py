"""`envgw rules backtest`: rules over what was measured, with the production core in virtual time.

recording ──▶ Trial (the same judging, summing, watching) ──▶ alarms ──▶ scores, labels, difference, report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.loader import catalogue, derived_table
from gateway import coreconfig
from gateway.config import ConfigError
from gateway.config.yamlfile import Problem
from gateway.core.conditions import derived, vocabulary
from gateway.rulefiles import documents
from gateway.trial.recording import Progress, Recording
from gateway.trial.run import Trial
from gateway.trial.score import Alarm, Difference, Score, alarms, difference, judge_bad, judge_events, runs, scores
from rules.loader import library
from rules.model import Conditions, Rule, RuleModel, canonical, compile_rule

_EVERY = 2_000
_GAP_INTERVALS = 4
"""Labelled rows closer than so many intervals are one run."""

DERIVED_WARM_MS = 48 * 3_600_000
"""How far back derived parameters (24-hour means, indices) look."""


@dataclass(slots=True)
class Version:
    """One version of the rules and what it did."""

    rules: list[Mapping[str, Any]]
    alarms: list[Alarm]
    scores: dict[str, Score]
    sensors: int
    """Built-in alerts about the sensors (silent, never spoke …)."""


@dataclass(slots=True)
class Backtest:
    """The whole result."""

    since_ms: int
    until_ms: int
    readings: int
    stations: int
    new: Version
    old: Version | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Labels:
    """Which labels mean what. None: not asked; an empty set: any label."""

    bad: frozenset[str] | None = None
    event: frozenset[str] | None = None


def rules_of(paths: Sequence[Path]) -> list[Mapping[str, Any]]:
    """The rules of these files, checked. `library:ID` is a rule of the library. Raises ConfigError."""
    problems: list[Problem] = []
    named = [str(path).removeprefix("library:") for path in paths if str(path).startswith("library:")]
    files = [path for path in paths if not str(path).startswith("library:")]
    problems += [Problem(f"library:{name}", 0, 0, "no such rule: envgw rules list --library") for name in named if name not in library()]
    models = coreconfig.read_rules(documents(files, problems), None, problems)
    models += [
        RuleModel.model_validate({key: value for key, value in library()[name].items() if key != "file"})
        for name in named
        if name in library()
    ]
    if problems:
        raise ConfigError(problems)
    return canonical(models)


def compiled(rules: Sequence[Mapping[str, Any]], plain: Mapping[str, Any]) -> list[Rule]:
    """The rules, compiled with what the catalogue knows."""
    condition = Conditions(vocabulary(catalogue()))
    return [compile_rule(RuleModel.model_validate(rule), condition) for rule in rules]


def warm_up_ms(rules: Sequence[Rule]) -> int:
    """How much must be read before the backtest begins, so that windows and derived parameters are full by then."""
    windows = [key.length_ms for rule in rules for key in (*rule.windows, *rule.foreign_windows)]
    names = {name for rule in rules for condition in rule.conditions for name in (*condition.parameters, *condition.foreign_parameters)}
    return max([0, *windows, *([DERIVED_WARM_MS] if names & set(derived()) else [])])


def run(
    recording: Recording, new: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]] | None, labels: Labels, progress: Progress,
    since_ms: int | None = None,
) -> Backtest:  # fmt: skip
    """One or two versions of the rules over a recording. What happened before `since_ms` (warming up) is left out."""
    since = recording.since_ms if since_ms is None else since_ms
    first = _version(recording, new, labels, since, lambda part: progress("running the rules", part))
    second = None if old is None else _version(recording, old, Labels(), since, lambda part: progress("running the old rules", part))
    until = recording.until_ms
    return Backtest(
        since_ms=since,
        until_ms=until,
        readings=sum(len(item.values) for item in recording.given),
        stations=len({recording.stations[item.device] for item in recording.given if item.device in recording.stations}),
        new=first,
        old=second,
        difference=None if second is None else difference(second.alarms, first.alarms, until),
    )


def _version(recording: Recording, rules: Sequence[Mapping[str, Any]], labels: Labels, since_ms: int, progress: Any) -> Version:
    trial = Trial({**recording.plain, "rules": list(rules)}, recording.since_ms)
    total = len(recording.given)
    for number, given in enumerate(recording.given):
        trial.feed(given)
        if number % _EVERY == 0:
            progress(number / total)
    trial.finish(recording.until_ms)
    progress(1.0)
    transitions = [item for item in trial.transitions if item.event_ms >= since_ms]
    found = alarms(trial.transitions, trial.told, since_ms)
    result = scores([str(rule["id"]) for rule in rules], found, transitions, recording.until_ms)
    gap = _GAP_INTERVALS * recording.interval_ms
    stations = trial.core.interpreter.registry.stations.values()
    said = frozenset(name for item in recording.given for name in item.values)
    for rule in compiled(rules, recording.plain):
        names = _measured(rule)
        result[rule.id].stations = sum(rule.watches(station, station.area) for station in stations)
        result[rule.id].absent = names - said - derived_table().keys()
        if labels.bad is not None:
            judge_bad(result[rule.id], found, runs(recording.labels, labels.bad or None, gap), names)
        if labels.event is not None:
            judge_events(result[rule.id], found, runs(recording.labels, labels.event or None, gap), names, recording.until_ms)
    sensors = sum(item.kind != "threshold" and item.state == "firing" for item in transitions)
    return Version(list(rules), found, result, sensors)


def _measured(rule: Rule) -> frozenset[str]:
    """The measured parameters behind what the rule names: `pm25` behind `pm25_24h`."""
    table = derived_table()
    return frozenset((table[name].parameter or name) if name in table else name for name in rule.parameters)
