"""`envgw rules test`: timelines of inputs, run through the production core in virtual time, against expected transitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.problems import did_you_mean
from devices.registry import DEFAULT_ZONE
from devices.stations import Registry
from devices.times import parse_zone
from gateway import coreconfig
from gateway.config import ConfigError
from gateway.config.yamlfile import Problem
from gateway.core.outcomes import Transition
from gateway.coreconfig import CoreConfig
from gateway.rulefiles import documents
from gateway.trial import places, timelines
from gateway.trial.diff import Expected, Happened, compare
from gateway.trial.notation import SILENT
from gateway.trial.run import Given, Trial
from gateway.trial.timelines import Timelines
from rules.builtin import BUILTINS
from rules.model import canonical

Configured = Callable[[], CoreConfig]
"""The configuration, read when a test file needs it. Raises ConfigError."""


@dataclass(slots=True)
class Result:
    """What came of one test."""

    file: str
    line: int
    name: str
    ok: bool
    diff: list[str] = field(default_factory=list)
    """`  ` as expected, `- ` expected and did not happen, `+ ` happened unexpectedly."""


def run_file(path: Path, configured: Configured) -> list[Result]:
    """All tests of a file. Raises ConfigError with everything that is wrong in it, or in the rules that it names."""
    file = timelines.read(path)
    model = file.model
    core = configured() if model.rules is None or model.stations is None else None
    made_up = None if model.stations is None else [{"medium": "air", **given, "id": name} for name, given in model.stations.items()]
    stations = made_up if made_up is not None else core.plain["stations"] if core else []
    rules = _rules(file, stations) if model.rules is not None else core.plain["rules"] if core else []
    known = {rule["id"] for rule in rules}
    wrong = list(_unknown_rules(file, known))
    if wrong:
        raise ConfigError(wrong)
    return [_run_one(file, index, rules, known, core) for index in range(len(model.tests))]


def _rules(file: Timelines, stations: Sequence[Any]) -> list[Mapping[str, Any]]:
    problems: list[Problem] = []
    found = documents([file.path.parent / name for name in file.model.rules or ()], problems)
    models = coreconfig.read_rules(found, stations, problems)
    if problems:
        raise ConfigError(problems)
    return canonical(models)


def _unknown_rules(file: Timelines, known: set[str]) -> Iterator[Problem]:
    for index, test in enumerate(file.model.tests):
        for at, expected in enumerate(test.expect):
            if expected.rule not in known and expected.rule not in BUILTINS:
                message = f"no rule {expected.rule!r}{did_you_mean(expected.rule, known | set(BUILTINS))}"
                yield file.document.problem(("tests", index, "expect", at, "rule"), message)
        for name in test.only or ():
            if name not in known and name not in BUILTINS:
                yield file.document.problem(("tests", index, "only"), f"no rule {name!r}{did_you_mean(name, known | set(BUILTINS))}")


def _run_one(file: Timelines, index: int, rules: Sequence[Mapping[str, Any]], known: set[str], core: CoreConfig | None) -> Result:
    model, test = file.model, file.model.tests[index]
    series = file.series(index)
    plain = dict(core.plain) if core is not None and model.stations is None else None
    if plain is None:
        interval = f"{test.interval}ms"
        of = {name: [parameter for station, parameter in series if station == name] for name in model.stations or {}}
        entries = [
            places.station(name, interval, {"medium": places.medium_of(of[name]), **given}, of[name], judged=model.judged)
            for name, given in (model.stations or {}).items()
        ]
        plain = places.configuration(entries, places.types(), rules, model.timezone)
    plain["rules"] = list(rules)
    start = timelines.start_ms(test, parse_zone(str(plain.get("timezone", DEFAULT_ZONE))))
    trial = Trial(plain, start)
    registry = trial.core.interpreter.registry
    devices = {key: _device(trial, registry, *key) for key in series}
    absent = [station for (station, _), device in devices.items() if device is None]
    if absent:
        message = f"no station {absent[0]!r} with a device{did_you_mean(absent[0], registry.stations)}"
        raise ConfigError([file.document.problem(("tests", index, "series"), message)])
    length = max(len(values) for values in series.values())
    for slot in range(length):
        at_ms = start + slot * test.interval
        said: dict[str, dict[str, float | None]] = {}
        for key, values in series.items():
            value = values[slot] if slot < len(values) else SILENT
            if value != SILENT:
                said.setdefault(str(devices[key]), {})[key[1]] = value
        for device, numbers in said.items():
            trial.feed(Given(at_ms, at_ms, device, numbers))
    end = max([(length - 1) * test.interval, *(item.at for item in test.expect)]) if test.until is None else test.until
    trial.finish(start + end)
    named = {item.rule for item in test.expect}
    about = set(test.only) if test.only is not None else known | named
    happened = [_happened(item, start) for item in trial.transitions if item.rule in about]
    diff = compare([Expected(**item.model_dump()) for item in test.expect], happened)
    line = file.document.where(("tests", index))[0]
    return Result(str(file.path), line, test.name, diff is None, diff or [])


def _device(trial: Trial, registry: Registry, station: str, parameter: str) -> str | None:
    """The device of the station that gives this parameter; the first one if none says that it does."""
    if station not in registry.stations:
        return None
    names = sorted(registry.devices_at(station))
    types = trial.core.interpreter.types
    return next((name for name in names if parameter in types[registry.devices[name].type].media), names[0] if names else None)


def _happened(item: Transition, start_ms: int) -> Happened:
    return Happened(
        at=item.event_ms - start_ms, rule=item.rule, station=item.station, area=item.area, state=item.state, severity=item.severity,
        reason=item.reason, parameter=item.parameter, value=item.value, unit=item.unit, late=item.late,
    )  # fmt: skip
