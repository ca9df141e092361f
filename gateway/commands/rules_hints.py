"""Hints of `envgw rules check`: what is no error, and yet hardly what was meant: rules that watch nothing, alerts that could not end."""

from __future__ import annotations

from collections.abc import Sequence

from devices import loader
from devices.interpret import Interpreter
from devices.parameters import RAW_SUFFIX
from devices.problems import did_you_mean
from devices.stations import area_fits
from gateway.config.yamlfile import Document, Problem
from gateway.core.conditions import vocabulary
from rules.language.lacking import never_ends
from rules.model import SEVERITIES, Conditions, Level, Rule, RuleModel, compile_rule

_NAMED = 3
"""So many stations are named."""
_TODO = "write a rule for each parameter, or a `clear` over what every station measures"


def hints(models: Sequence[RuleModel], documents: Sequence[Document], interpreter: Interpreter | None) -> list[Problem]:
    """In the order of the rules. `documents` are the files that they stand in; without an interpreter no station is known."""
    condition = Conditions(vocabulary(loader.catalogue()))
    stations = {} if interpreter is None else {name: measured_at(interpreter, name) for name in sorted(interpreter.registry.stations)}
    found = []
    for model in models:
        rule = compile_rule(model, condition)
        if interpreter is not None and (message := _watches_nothing(rule, interpreter)):
            found.append(_place(documents, rule.id, ("where",), f"{rule.id}: {message}"))
        for level in rule.levels:
            message = _endless(rule, level, interpreter, stations) or _perhaps_endless(rule, level)
            if message:
                severity = SEVERITIES[level.severity]
                found.append(_place(documents, rule.id, ("levels", severity, "when"), f"{rule.id}, {severity}: {message}"))
    return found


def _watches_nothing(rule: Rule, interpreter: Interpreter) -> str:
    """What of its `where` fits no station at all, or that nothing fits all of it."""
    stations = interpreter.registry.stations
    where = rule.where
    unknown = [name for name in where.station or () if name not in stations]
    if unknown:
        return f"there is no station {unknown[0]!r}{did_you_mean(unknown[0], stations)}"
    if any(rule.watches(station, station.area) for station in stations.values()):
        return ""
    areas = {station.area for station in stations.values()}
    tags = {tag for station in stations.values() for tag in station.tags}
    owners = {station.owner for station in stations.values() if station.owner}
    if where.area is not None and not any(area_fits(where.area, area) for area in areas):
        parents = {area.rpartition("/")[0] + "/*" for area in areas if "/" in area}
        return f"no station lies in {where.area!r}{did_you_mean(where.area, {*areas, *parents})}, so it watches nothing"
    if where.tag is not None and where.tag not in tags:
        return f"no station has the tag {where.tag!r}{did_you_mean(where.tag, tags)}, so it watches nothing"
    if where.owner is not None and where.owner not in owners:
        return f"no station belongs to {where.owner!r}{did_you_mean(where.owner, owners)}, so it watches nothing"
    return "no station fits its `where`, so it watches nothing"


def measured_at(interpreter: Interpreter, station: str) -> frozenset[str] | None:
    """The parameters that the devices at a station may say, by their types; None where nothing stands."""
    devices = interpreter.registry.devices_at(station)
    if not devices:
        return None
    return frozenset(name for device in devices for name in interpreter.types[interpreter.registry.devices[device].type].spans)


def _endless(rule: Rule, level: Level, interpreter: Interpreter | None, stations: dict[str, frozenset[str] | None]) -> str:
    """It cannot end at some stations, because no device there can say what the condition asks for."""
    places: dict[tuple[str, ...], list[str]] = {}
    watched = 0
    for name, there in stations.items():
        station = interpreter.registry.stations[name] if interpreter is not None else None
        if station is None or there is None or not rule.watches(station, station.area):
            continue
        watched += 1
        lacking = tuple(sorted(parameter for parameter in rule.parameters if _lacks(there, parameter)))
        if lacking and _never_ends(level, lacking):
            places.setdefault(lacking, []).append(name)
    parts = []
    for lacking, names in places.items():
        shown = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
        are = "is" if len(lacking) == 1 else "are"
        parts.append(f"{' and '.join(lacking)} {are} not measured at {shown} ({len(names)} of the rule's {watched} stations)")
    return f"{'; '.join(parts)}: there {_ends(level)}, so an alert would never end; {_TODO}" if parts else ""


def _perhaps_endless(rule: Rule, level: Level) -> str:
    """It could not end at a station that lacks one of its parameters. (Types say what devices may measure, not what they do.)"""
    lacking = [name for name in sorted(rule.parameters) if _never_ends(level, (name,))]
    if not lacking:
        return ""
    return f"where {' or '.join(lacking)} is not measured {_ends(level)}, so an alert would never end; {_TODO}"


def _never_ends(level: Level, lacking: Sequence[str]) -> bool:
    return never_ends(level.when.node, None if level.clear is None else level.clear.node, lacking)


def _ends(level: Level) -> str:
    return "`clear` cannot be true" if level.clear is not None else f"`{level.when.text}` is true or unknown, and never false"


def _lacks(measured: frozenset[str], parameter: str) -> bool:
    """Whether neither it nor what it is derived from is measured. An index (of several parameters) is never lacking."""
    derived = loader.derived_table().get(parameter)
    if derived is not None:
        return bool(derived.parameter) and derived.parameter not in measured
    return parameter.removesuffix(RAW_SUFFIX) not in measured


def _place(documents: Sequence[Document], rule: str, path: tuple[str, ...], message: str) -> Problem:
    for document in documents:
        items = document.data.get("rules") if isinstance(document.data, dict) else None
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict) and rule in (item.get("id"), item.get("use")):
                return document.problem(("rules", index, *path), message)
    return Problem("rules", 0, 0, message)
