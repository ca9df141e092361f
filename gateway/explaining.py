"""Why a rule fires at a station, or does not: what it sees now, part by part, its timers and its state (`envgw rules explain`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.stations import Station
from devices.times import iso
from gateway.core import Core
from gateway.core.conditions import vocabulary
from gateway.core.sights import AnySight, StationSight
from gateway.core.state import StationState
from rules.language.explaining import Explained, explain
from rules.language.vocabulary import Vocabulary
from rules.language.words import WEEKDAYS
from rules.model import SEVERITIES, Level, Rule
from rules.transitions import LevelState, RuleState

Document = dict[str, Any]


class NothingToExplain(LookupError):
    """There is no such rule or station."""


def explained(core: Core, rule_id: str, station_id: str, now_ms: int) -> Document:
    """`models.RuleExplained`: the rule at the station as of `now_ms`. Changes nothing. Raises NothingToExplain."""
    rule = core.watching.rules.get(rule_id)
    if rule is None:
        raise NothingToExplain(f"no rule {rule_id!r}: the rules in force are {', '.join(sorted(core.watching.rules)) or 'none'}")
    entry = core.interpreter.registry.stations.get(station_id)
    if entry is None:
        raise NothingToExplain(f"no station {station_id!r} in the registry")
    station = core.stations[station_id]
    state = station.rules.get(rule_id)
    sight = (AnySight if rule.any_quality else StationSight)(core, station, core.watching.neighbours)
    # A station that is still catching up is seen as of its newest reading: what it will say next is older than now (docs/decisions/0008).
    at_ms = max(station.watermark_ms, now_ms if station.caught_up or not station.parameters else 0, state.at_ms if state else 0)
    words = vocabulary(core.interpreter.catalogue)
    silence_ms = core.watching.silence_ms(station, rule)
    watches = rule.watches(entry, entry.area_at(at_ms))
    levels = []
    for index, level in enumerate(rule.levels):
        sight.at_ms = at_ms
        levels.append(_level(level, state.levels[index] if state else None, sight, words, silence_ms))
    episode = None if state is None or state.started is None else f"{rule.id}/{_group(core, rule, entry)}/{state.started}"
    found = {
        "rule": rule.id,
        "station": station_id,
        "time": iso(at_ms),
        "watches": watches,
        "mode": rule.mode,
        "quality": "any" if rule.any_quality else "good",
        "state": _state(state),
        "severity": None if state is None or state.started is None else SEVERITIES[state.severity],
        "since": None if state is None or state.started is None else iso(state.started),
        "episode": episode,
        "caught_up": station.caught_up,
        "silence_after_s": silence_ms / 1000,
        "levels": levels,
        "parameters": [_parameter(core, station, name, sight, at_ms) for name in sorted(rule.parameters)],
    }
    found["why"] = list(_why(rule, entry, found, {name for name in rule.parameters if sight.doubts((name,), at_ms)}))
    return found


def _group(core: Core, rule: Rule, entry: Station) -> str:
    return {"area": entry.area, "all": "all"}.get(rule.group, entry.id)


def _state(state: RuleState | None) -> str:
    if state is None or state.idle:
        return "at rest"
    if state.started is not None:
        return "unknown" if state.unknown else "firing"
    return "pending"


def _level(level: Level, state: LevelState | None, sight: StationSight, words: Vocabulary, silence_ms: int) -> Document:
    due = None if state is None else state.due
    return {
        "severity": SEVERITIES[level.severity],
        "state": "off" if state is None else state.name,
        "when": _tree(explain(level.when, sight, words)),
        "clear": None if level.clear is None else _tree(explain(level.clear, sight, words)),
        "for_s": level.for_ms / 1000,
        "true_since": None if state is None or state.t0 is None else iso(state.t0),
        "fires_at": None if due is None else iso(due),
        "left_s": None if due is None else max(0, due - sight.at_ms) / 1000,
        "samples": 0 if state is None else state.count,
        "confirm": level.confirm,
        "reset_at": None if state is None or state.paused is None else iso(state.paused + silence_ms),
    }


def _tree(item: Explained) -> Document:
    found: Document = {
        "text": item.text,
        "value": item.value,
        "unit": item.unit,
        "kind": item.kind,
        "parts": [_tree(part) for part in item.parts],
    }
    if item.station is not None:
        found["station"] = item.station
    return found


def _parameter(core: Core, station: StationState, name: str, sight: StationSight, at_ms: int) -> Document:
    sight.at_ms = at_ms
    state = station.parameters.get(name)
    shown = None if state is None else state.shown
    end, age = sight.expiry_ms(name), sight.age_ms(name)
    return {
        "parameter": name,
        "value": sight.value(name),
        "unit": core.unit(name),
        "flag": None if shown is None else shown.flag,
        "newest": None if shown is None else iso(shown.time_ms),
        "usable": None if age is None else iso(at_ms - age),
        "held_until": None if end is None else iso(end),
    }


# ---------------------------------------------------------------- why


def _why(rule: Rule, entry: Station, found: Document, doubted: set[str]) -> Iterator[str]:
    """Sentences: what stands between this rule and an alert, or what keeps it firing."""
    if not found["watches"]:
        given = rule.where.model_dump(exclude_none=True).items()
        where = ", ".join(f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in given)
        yield f"the rule does not watch {entry.id}: `where` asks for {where}, the station is {entry.medium} in {entry.area or 'no area'}"
        return
    if not found["caught_up"] and found["parameters"]:
        yield "the station is still catching up: its timers go by its readings, not by the clock"
    for level in found["levels"]:
        yield f"{level['severity']}: {_of_level(level, found)}"
    if found["state"] == "unknown":
        yield "the episode is open: last known firing, and it ends only when something is known again"
    for parameter in found["parameters"]:
        if parameter["value"] is None:
            yield f"{parameter['parameter']} is unknown: {_unknown(parameter, parameter['parameter'] in doubted)}"
    if found["mode"] == "shadow":
        yield "mode: shadow, so what it does is recorded and nobody is told"


def _of_level(level: Document, found: Document) -> str:
    when, clear = level["when"], level["clear"]
    if level["state"] == "on":
        if clear is not None:
            return f"on, until `{clear['text']}` is true; now it is {truth(clear['value'])}{_because(clear)}"
        return f"on, until `{when['text']}` is false; now it is {truth(when['value'])}{_because(when)}"
    if level["state"] == "pending" and level["fires_at"]:
        left = f"fires at {level['fires_at']} ({level['left_s']:g} s left)"
        return f"true since {level['true_since']}, must hold for {level['for_s']:g} s, {left}"
    if level["state"] == "pending":
        return f"true in {level['samples']} of {level['confirm']} readings in a row that it needs"
    if level["state"] == "paused":
        return f"its timer stands still, because the condition is unknown; it is reset at {level['reset_at']}{_because(when)}"
    if when["value"]:
        return f"`{when['text']}` is true now; the next reading starts it"
    return f"`{when['text']}` is {truth(when['value'])}{_because(when)}"


def _because(tree: Document) -> str:
    blamed = list(dict.fromkeys(_blamed(tree)))
    return f" ({'; '.join(blamed)})" if blamed else ""


def _blamed(tree: Document) -> Iterator[str]:
    """The comparisons that make it what it is, with the values of what they compare."""
    inner = [part for part in tree["parts"] if part["kind"] == "condition"]
    if inner and "station" not in inner[0]:
        for part in [part for part in inner if part["value"] == tree["value"]] or inner:
            yield from _blamed(part)
        return
    operands = [f"{part.get('station') or part['text']} = {shown(part)}" for part in tree["parts"]]
    if operands:
        yield ", ".join(operands[:8]) + (", …" if len(operands) > 8 else "")


def truth(value: Any) -> str:
    """true, false or unknown."""
    return "unknown" if value is None else str(bool(value)).lower()


def shown(tree: Document) -> str:
    """A part's value with its unit, as people read it."""
    value = tree["value"]
    if value is None or tree["kind"] == "condition":
        return truth(value)
    if tree["text"] == "time":
        return f"{value // 3_600_000:02.0f}:{value // 60_000 % 60:02.0f}"
    if tree["kind"] == "weekday":
        return WEEKDAYS[int(value) - 1]
    if tree["kind"] == "time" or tree["unit"] == "ms":
        seconds = float(value) / 1000
        return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text} {tree['unit']}".strip()


def _unknown(parameter: Document, doubted: bool) -> str:
    if parameter["newest"] is None:
        return "no reading ever came"
    if parameter["usable"] is None:
        return f"no usable reading ever came; the newest, of {parameter['newest']}, has flag {parameter['flag']}"
    if parameter["usable"] != parameter["newest"]:
        newest = f"the newest reading, of {parameter['newest']}, has flag {parameter['flag']}"
        if doubted:
            newest = f"readings come, but none can be believed: {newest}"
        return f"{newest}; the last usable one, of {parameter['usable']}, ran out at {parameter['held_until']}"
    return f"the last reading, of {parameter['usable']}, ran out at {parameter['held_until']}"
