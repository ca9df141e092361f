"""Which rules a reading touches: worked out when rules or registry change, so that a reading costs only those.

A *plan* says of one parameter at one station which rules look at it and how: the closed interval of values at which none of the
plain ones, all at rest, does anything; the windows to keep; how long readings are remembered for late ones.
Stations with the same rules share their plans, so 1,000 rules on 1,000 stations are 1,000 plans, not a million.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from devices.stations import Registry, Station
from gateway.core.sights import Neighbours, window_name
from rules.evaluate import quiet_bands
from rules.language.moments import NEVER
from rules.language.nodes import Statistic
from rules.language.view import WindowKey
from rules.model import Rule


class KeptWindow(NamedTuple):
    """A window that a station must keep."""

    name: str
    length_ms: int
    parts: int
    lateness_ms: int


class WindowBand(NamedTuple):
    """Where a statistic of window number `number` may lie while nothing can begin."""

    number: int
    statistic: Statistic
    low: float
    high: float


class Plan(NamedTuple):
    """The rules that look at one parameter at a station."""

    plain: tuple[Rule, ...]
    """Only compare this parameter, or windows of it, with constants."""
    loud: tuple[Rule, ...]
    """Compare more than that: evaluated at every reading."""
    any_quality: tuple[Rule, ...]
    low: float
    high: float
    """Values at which no plain rule at rest does anything; empty (low > high) if there is a loud rule."""
    windows: tuple[KeptWindow, ...]
    bands: tuple[WindowBand, ...]
    any_windows: tuple[KeptWindow, ...]
    keep_ms: int
    """How long readings are remembered; 0: not at all."""
    foreign: bool
    """Rules at other stations look at it too."""


class Foreign(NamedTuple):
    """A rule that looks at other stations: whose readings touch it, and where it stands."""

    rule: Rule
    stations: frozenset[str]
    at: tuple[str, ...]


class Plans:
    """All plans of a configuration."""

    def __init__(self, rules: Mapping[str, Rule], registry: Registry, neighbours: Neighbours) -> None:
        self._registry = registry
        self._by_station: dict[str, tuple[Rule, ...]] = {}
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._shared: dict[int, tuple[tuple[Rule, ...], dict[str, tuple[Rule, ...]]]] = {}
        self._choose(rules.values())
        self.foreign: dict[str, list[Foreign]] = {}
        """Parameter → the rules at other stations that its readings touch."""
        self._foreign_windows: dict[str, list[tuple[frozenset[str], KeptWindow]]] = {}
        for rule in rules.values():
            if any(condition.foreign for condition in rule.conditions):
                self._look_abroad(rule, neighbours)
        self.timed: list[tuple[str, Rule]] = [
            (name, rule) for name in sorted(self._by_station) for rule in self._by_station[name] if rule.moments != NEVER
        ]
        """(station, rule) of those that time alone can change …"""
        self.every_minute = [item for item in self.timed if item[1].moments.always]
        """… each minute …"""
        self.moments = frozenset(rule.moments for _, rule in self.timed if not rule.moments.always)
        """… or at some of these moments."""

    def of(self, station: str) -> tuple[Rule, ...]:
        """The rules that apply to a station."""
        return self._by_station.get(station, ())

    def _choose(self, rules: Iterable[Rule]) -> None:
        """Stations alike in what `where` asks for get the same tuple of rules."""
        listed: dict[str, list[tuple[int, Rule]]] = {}
        general: list[tuple[int, Rule]] = []
        for order, rule in enumerate(rules):
            if rule.where.station is None:
                general.append((order, rule))
            else:
                for name in rule.where.station:
                    listed.setdefault(name, []).append((order, rule))
        alike: dict[tuple[object, ...], list[tuple[int, Rule]]] = {}
        tuples: dict[tuple[int, ...], tuple[Rule, ...]] = {}
        anchored: set[tuple[str, str]] = set()
        for name in sorted(self._registry.stations):
            station = self._registry.stations[name]
            key = (station.area, station.medium, station.tags, station.owner)
            if key not in alike:
                alike[key] = [item for item in general if item[1].watches(station, station.area)]
            chosen = alike[key] + [item for item in listed.get(name, ()) if item[1].watches(station, station.area)]
            chosen = sorted((item for item in chosen if _stands_here(item[1], station, anchored)), key=lambda item: item[0])
            numbers = tuple(order for order, _ in chosen)
            self._by_station[name] = tuples.setdefault(numbers, tuple(rule for _, rule in chosen))

    def _look_abroad(self, rule: Rule, neighbours: Neighbours) -> None:
        selectors = {selector for condition in rule.conditions for selector in condition.foreign}
        parameters = {name for condition in rule.conditions for name in condition.foreign_parameters}
        places: dict[frozenset[str], list[str]] = {}
        for name, here in self._by_station.items():
            if rule in here:
                area = self._registry.stations[name].area
                seen = frozenset(other for selector in selectors for other in neighbours.chosen(selector, area))
                places.setdefault(seen, []).append(name)
        for seen, at in places.items():
            for parameter in sorted(parameters):
                self.foreign.setdefault(parameter, []).append(Foreign(rule, seen, tuple(at)))
            for key, parts in rule.foreign_windows.items():
                kept = KeptWindow(window_name(key, rule.any_quality), key.length_ms, parts, rule.lateness_ms)
                self._foreign_windows.setdefault(key.parameter, []).append((seen, kept))

    def plan(self, station: str, parameter: str) -> Plan:
        """The plan of a parameter at a station."""
        rules = self._touching(self._by_station.get(station, ()), parameter)
        wanted = tuple(kept for seen, kept in self._foreign_windows.get(parameter, ()) if station in seen)
        key = (parameter, wanted, *(rule.id for rule in rules))
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = _plan(rules, parameter, wanted, parameter in self.foreign)
        return found

    def _touching(self, rules: tuple[Rule, ...], parameter: str) -> tuple[Rule, ...]:
        by_parameter = self._shared.setdefault(id(rules), (rules, {}))[1]
        if parameter not in by_parameter:
            by_parameter[parameter] = tuple(rule for rule in rules if parameter in rule.parameters)
        return by_parameter[parameter]


def group_key(rule: Rule, area: str) -> str:
    """Which of a rule's groups a station of this area belongs to."""
    return area if rule.group == "area" else "all"


def _stands_here(rule: Rule, station: Station, anchored: set[tuple[str, str]]) -> bool:
    """A rule of a group that asks nothing of the station itself is evaluated once: at the group's first station."""
    if not rule.group or rule.parameters:
        return True
    key = (rule.id, group_key(rule, station.area))
    return key not in anchored and not anchored.add(key)  # type: ignore[func-returns-value]


def _plan(rules: tuple[Rule, ...], parameter: str, wanted: tuple[KeptWindow, ...], foreign: bool) -> Plan:
    good = [rule for rule in rules if not rule.any_quality]
    any_quality = tuple(rule for rule in rules if rule.any_quality)
    plain = tuple(rule for rule in good if quiet_bands((rule,), parameter) is not None)
    loud = tuple(rule for rule in good if rule not in plain)
    bands = quiet_bands(plain, parameter)
    assert bands is not None
    kept = _windows(good, parameter, [item for item in wanted if not item.name.endswith("/any")])
    names = [item.name for item in kept]
    window_bands = tuple(
        WindowBand(names.index(window_name(WindowKey(parameter, window.length_ms))), window.statistic, low, high)
        for window, low, high in bands.windows
    )
    low, high = (math.inf, -math.inf) if loud else (bands.low, bands.high)
    return Plan(
        plain=plain,
        loud=loud,
        any_quality=any_quality,
        low=low,
        high=high,
        windows=kept,
        bands=window_bands,
        any_windows=_windows(any_quality, parameter, [item for item in wanted if item.name.endswith("/any")]),
        keep_ms=max((rule.lateness_ms for rule in good), default=0),
        foreign=foreign,
    )


def _windows(rules: Iterable[Rule], parameter: str, wanted: Iterable[KeptWindow]) -> tuple[KeptWindow, ...]:
    """Each window once, with all that anybody asks of it."""
    found: dict[str, KeptWindow] = {}
    asked = [
        KeptWindow(window_name(key, rule.any_quality), key.length_ms, parts, rule.lateness_ms)
        for rule in rules
        for key, parts in rule.windows.items()
        if key.parameter == parameter
    ]
    for item in (*asked, *wanted):
        known = found.get(item.name)
        found[item.name] = (
            item if known is None else item._replace(parts=known.parts | item.parts, lateness_ms=max(known.lateness_ms, item.lateness_ms))
        )
    return tuple(found[name] for name in sorted(found))
