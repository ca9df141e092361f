"""A station as conditions see it: held values, windows, registry and neighbours at one instant (`rules.language.view.View`).

`StationSight` shows what is held now, `PastSight` what was held when a late reading should have come, `AnySight` the newest
readings whatever their flags, for rules with `quality: any`. All read the core's state and keep nothing but an instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from devices.reading import Flag
from devices.stations import Station, area_fits
from gateway.core.state import ParameterState, StationState
from rules import late
from rules.language.nodes import Selector, Statistic
from rules.language.view import View, WindowKey
from rules.transitions import HOLD_INTERVALS

if TYPE_CHECKING:
    from gateway.core import Core

_DOUBTED = (Flag.SUSPECT, Flag.FAIL)
_RENAMED = {"elevation": "elevation_m", "kind": "site"}


def window_name(key: WindowKey, any_quality: bool = False) -> str:
    """The name under which a station keeps a window."""
    return f"{key.parameter}/{key.length_ms}{'/any' if any_quality else ''}"


class Neighbours:
    """Who else there is: the stations that a selector means, and their sights. Derived from the registry."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._chosen: dict[tuple[Selector, str], tuple[str, ...]] = {}
        self._sights: dict[str, StationSight] = {}

    def clear(self) -> None:
        """The registry changed."""
        self._chosen.clear()
        self._sights.clear()

    def chosen(self, selector: Selector, area: str) -> tuple[str, ...]:
        """Ids of the stations that fit, in order. `area` is the asking station's."""
        key = (selector, area if selector.own_area else "")
        found = self._chosen.get(key)
        if found is None:
            stations = self._core.interpreter.registry.stations
            found = self._chosen[key] = tuple(name for name in sorted(stations) if fits(selector, stations[name], area))
        return found

    def at(self, name: str, at_ms: int) -> StationSight | None:
        """Another station: what it holds, whatever its clock says (semantics C3: nobody waits for anybody)."""
        sight = self._sights.get(name)
        if sight is None:
            if name not in self._core.stations or name not in self._core.interpreter.registry.stations:
                return None
            sight = self._sights[name] = StationSight(self._core, self._core.stations[name], self)
        sight.at_ms = max(at_ms, sight.state.watermark_ms)
        return sight


def fits(selector: Selector, station: Station, area: str) -> bool:
    """Whether the selector means this station."""
    if selector.stations and station.id not in selector.stations:
        return False
    if selector.own_area and station.area != area:
        return False
    if selector.area is not None and not area_fits(selector.area, station.area):
        return False
    return selector.medium in (None, station.medium) and (selector.tag is None or selector.tag in station.tags)


class StationSight:
    """What is held now. Implements `rules.evaluate.Sight`."""

    __slots__ = ("_core", "_entry", "_neighbours", "_zone", "at_ms", "parameters", "state", "windows")

    def __init__(self, core: Core, state: StationState, neighbours: Neighbours) -> None:
        self._core = core
        self._neighbours = neighbours
        self._entry = core.interpreter.registry.stations.get(state.id)
        """None once it has left the registry, while its episodes end."""
        self._zone = core.watching.zone
        self.state = state
        self.parameters = state.parameters
        self.windows = state.windows
        self.at_ms = 0

    def value(self, parameter: str) -> float | None:
        state = self.parameters.get(parameter)
        if state is None or state.held is None:
            return None
        held = state.held
        return state.value if self.at_ms < held.last_ms + held.interval_ms * HOLD_INTERVALS else None

    def expiry_ms(self, parameter: str) -> int | None:
        state = self.parameters.get(parameter)
        return None if state is None or state.held is None else state.held.last_ms + round(HOLD_INTERVALS * state.held.interval_ms)

    def flag(self, parameter: str) -> int | None:
        state = self.parameters.get(parameter)
        shown = None if state is None else state.shown
        return None if shown is None else shown.flag

    def age_ms(self, parameter: str) -> int | None:
        state = self.parameters.get(parameter)
        return None if state is None or state.held is None else max(0, self.at_ms - state.held.last_ms)

    def doubts(self, parameters: Iterable[str], at_ms: int) -> bool:
        """Whether a newer reading than the held one of any of them came by `at_ms`, or shortly before, with flag 3 or 4."""
        for name in parameters:
            state = self.parameters.get(name)
            held, shown = (None, None) if state is None else (state.held, state.other)
            if held is None or shown is None or shown.flag not in _DOUBTED:
                continue
            if held.last_ms < shown.time_ms and at_ms < shown.time_ms + held.interval_ms * HOLD_INTERVALS:
                return True
        return False

    def window(self, key: WindowKey, statistic: Statistic, complete: float) -> float | None:
        window = self.windows.get(self._window_name(key))
        if window is None or self.value(key.parameter) is None:
            return None
        self._core.watching.fold(self.state.id, key.parameter)
        if complete:
            due = key.length_ms / self._interval_ms(key.parameter)
            if window.readings(self.at_ms) < complete * due:
                return None
        return window.value(statistic, self.at_ms)

    def _window_name(self, key: WindowKey) -> str:
        return window_name(key)

    def _interval_ms(self, parameter: str) -> int:
        state = self.parameters[parameter]
        return state.held.interval_ms if state.held is not None else 60_000

    def field(self, name: str) -> float | str | None:
        if self._entry is None:
            return None
        if name == "area":
            return self._entry.area_at(self.at_ms)
        found = getattr(self._entry, _RENAMED.get(name, name), None)
        return found if isinstance(found, (float, int, str)) and found != "" else None

    def local_ms(self) -> tuple[int, int, int, int]:
        there = datetime.fromtimestamp(self.at_ms // 1000, self._zone)
        midnight = ((there.hour * 60 + there.minute) * 60 + there.second) * 1000 + self.at_ms % 1000
        return midnight, there.isoweekday(), there.day, there.month

    def station(self, name: str) -> View | None:
        return self._neighbours.at(name, self.at_ms)

    def select(self, selector: Selector) -> Sequence[View]:
        names = self._neighbours.chosen(selector, self._entry.area if self._entry is not None else "")
        return [sight for name in names if (sight := self._neighbours.at(name, self.at_ms)) is not None]


class PastSight(StationSight):
    """What was held at an instant of which readings are kept (`rules.late`)."""

    __slots__ = ()

    def value(self, parameter: str) -> float | None:
        found = self._held(parameter)
        return None if found is None or self.at_ms >= found[2] else found[1]

    def expiry_ms(self, parameter: str) -> int | None:
        found = self._held(parameter)
        return None if found is None else found[2]

    def age_ms(self, parameter: str) -> int | None:
        found = self._held(parameter)
        return None if found is None else max(0, self.at_ms - found[0])

    def _held(self, parameter: str) -> tuple[int, float, int] | None:
        """(time, value, when it runs out)."""
        state = self.parameters.get(parameter)
        if state is None or state.held is None:
            return None
        found = late.held(state.recent, self.at_ms)
        return None if found is None else (*found, found[0] + round(HOLD_INTERVALS * state.held.interval_ms))


class AnySight(StationSight):
    """The newest readings, whatever their flags (`quality: any`)."""

    __slots__ = ()

    def doubts(self, parameters: Iterable[str], at_ms: int) -> bool:
        return False

    def value(self, parameter: str) -> float | None:
        state, end = self.parameters.get(parameter), self.expiry_ms(parameter)
        shown = None if state is None else state.shown
        return None if shown is None or end is None or self.at_ms >= end else shown.value

    def expiry_ms(self, parameter: str) -> int | None:
        state = self.parameters.get(parameter)
        shown = None if state is None else state.shown
        return None if shown is None else shown.time_ms + round(HOLD_INTERVALS * self._interval_ms(parameter))

    def age_ms(self, parameter: str) -> int | None:
        state = self.parameters.get(parameter)
        shown = None if state is None else state.shown
        return None if shown is None else max(0, self.at_ms - shown.time_ms)

    def _window_name(self, key: WindowKey) -> str:
        return window_name(key, any_quality=True)

    def _interval_ms(self, parameter: str) -> int:
        return shown_interval_ms(self._core, self.parameters[parameter])


def shown_interval_ms(core: Core, state: ParameterState) -> int:
    """Reporting interval of whoever said the newest reading."""
    shown = state.shown
    device = None if shown is None else core.interpreter.registry.devices.get(shown.device)
    return device.interval_ms if device is not None else state.held.interval_ms if state.held is not None else 60_000
