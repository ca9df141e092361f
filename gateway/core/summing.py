"""Hours of a station as they close: summaries, indices, and what rules see of them (semantics C4).

    the station's watermark passes the end of its hour ─┐
    or 5 minutes went by since                          ├─▶ _close ─▶ `<medium>_1h` lines of every device
    a late reading, or a revised flag, 30 s ago ────────┘            ─▶ `index` line of the station, derived parameters for rules
                                                                     ─▶ after local midnight: the daily indices

An hour is provisional until its lateness (6 h) is over and is then marked `final`. Everything has the key
of its interval's start, so that writing it again replaces it: nothing stands there twice. Each station closes its hour with
its own first message of the next one, so that the turn of an hour does not hold up everybody's readings.

While a broker's backlog is being taken in hours close by the readings alone, as timers of rules do (docs/decisions/0008).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from devices import days
from devices import hours as hourly
from devices.hours import HOUR_MS
from devices.reading import Line, Value
from devices.registry import DEFAULT_ZONE
from devices.stations import Device
from devices.times import parse_zone
from devices.timing import Stamp
from gateway.core.inputs import Message
from gateway.core.outcomes import Outcomes
from gateway.core.state import StationState
from gateway.core.summaries import Calendar, mark_final, write

if TYPE_CHECKING:
    from gateway.core import Core
    from gateway.core.judging import Series

PROVISIONAL_MS = 300_000
"""An hour closes by the clock this long after its end."""
SETTLE_MS = 30_000
"""Late readings of one hour are taken together for this long before the hour is written again."""
FINAL_HOURS = 6
"""An hour may be revised for so long."""
_LOOK_BACK = hourly.LATE_HOURS
_NEVER = -(1 << 62)


class Summing:
    """See the module's docstring. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.calendar = Calendar(parse_zone(DEFAULT_ZONE), 0)
        self.phase_ms = 0
        """How far the city's hours are from whole UTC hours."""
        self.only: frozenset[str] | None = None
        """Derived parameters and indices that somebody sees: a trial makes no others, and no lines. None: all."""

    def configure(self, zone: str, now_ms: int) -> None:
        """The city's zone: days and, in zones with half an hour, hours go by it."""
        self.calendar = Calendar(parse_zone(zone), now_ms)
        self.phase_ms = self.calendar.phase_ms

    # ------------------------------------------------------------------ when

    def passed(self, station: StationState, event_ms: int, received_ms: int, out: Outcomes) -> None:
        """A reading of this instant came: hours that ended before it are over."""
        mark = min(event_ms, received_ms)
        if mark <= station.hour_end_ms:
            return
        hour = hourly.hour_of(mark, self.phase_ms)
        if station.first_hour == _NEVER:
            self._begin(station, hour)
        else:
            self._close(station, hour, received_ms, out)

    def due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A timer of this station came up: an hour is over by the clock, or revised hours have settled."""
        station = self._core.stations.get(name)
        if station is None or name not in self._core.interpreter.registry.stations:
            return
        if not self._by_clock(station):
            return  # a link that comes up, or the next message, asks again
        hour = hourly.hour_of(due_ms - PROVISIONAL_MS, self.phase_ms) if station.hour_end_ms + PROVISIONAL_MS <= due_ms else _NEVER
        if hour >= station.first_hour != _NEVER:
            self._core.mark_dirty()
            self._close(station, hour + 1, now_ms, out)
        elif station.settle_ms is not None and station.settle_ms <= due_ms:
            self._core.mark_dirty()
            self._settle(station, now_ms, out)

    def revised(self, station: StationState, hour: int, received_ms: int) -> None:
        """A closed hour of this station has another content: it is written again when things have settled."""
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + station.id)
        if hour not in station.revised_hours:
            station.revised_hours = sorted([*station.revised_hours, hour])[-_LOOK_BACK:]
        if station.settle_ms is None:
            station.settle_ms = received_ms + SETTLE_MS
            self._core.schedule(station.settle_ms, "h", station.id)

    def reschedule_all(self) -> None:
        """After a restore, a clock jump, a link or configuration change: work out every timer again."""
        for name in sorted(self._core.stations):
            self._schedule(self._core.stations[name])

    def jump(self, delta_ms: int) -> None:
        """The gateway's clock was stepped (semantics A1). Hours are named by event time and stay."""
        for station in self._core.stations.values():
            if station.settle_ms is not None:
                station.settle_ms += delta_ms

    def _schedule(self, station: StationState) -> None:
        if station.settle_ms is not None:
            self._core.schedule(station.settle_ms, "h", station.id)
        if station.first_hour != _NEVER:
            self._core.schedule(station.hour_end_ms + PROVISIONAL_MS, "h", station.id)

    def _by_clock(self, station: StationState) -> bool:
        """Whether the wall may close hours here: not while the backlog of the broker of one of its devices is taken in."""
        silence, devices = self._core.silence, self._core.devices
        names = self._core.interpreter.registry.devices_at(station.id)
        return all(silence.clock_of(devices[name].source).paused_since is None for name in names if devices[name].spoke)

    def settled(self, station: str, now_ms: int) -> int:
        """The first hour of this station that is still revised here; those before it belong to whoever makes them again."""
        first = self._core.stations[station].first_hour
        return (hourly.hour_of(now_ms, self.phase_ms) if first == _NEVER else first) - _LOOK_BACK

    # ------------------------------------------------------------------ what

    def _begin(self, station: StationState, hour: int) -> None:
        station.first_hour, station.hour_end_ms = hour, hourly.hour_end(hour, self.phase_ms)
        self._schedule(station)

    def _close(self, station: StationState, first: int, now_ms: int, out: Outcomes) -> None:
        """Hours before `first` are over. Those in which something was measured are written."""
        core = self._core
        if core.snapshots.active:
            core.snapshots.touch("s:" + station.id)
        parts = self._parts(station)
        for entry, series in parts:
            if core.snapshots.active:
                core.snapshots.touch("d:" + entry.id)
            for one in series.values():
                hourly.close(one.hours, first - 1, one.kind)
        was = station.first_hour
        self._begin(station, first)
        over = [was] if first == was + 1 else self._hours_with_something(parts, was, first)
        for hour in over:
            self._write(station, parts, hour, now_ms, out, newest=hour == first - 1)
        old = was - FINAL_HOURS, first - FINAL_HOURS
        for hour in [old[0]] if first == was + 1 else self._hours_with_something(parts, *old):
            self._mark_final(station, parts, hour, out)
        if station.revised_hours:
            self._settle(station, now_ms, out)
        self._settle_into_days(parts, first - _LOOK_BACK)

    def _settle_into_days(self, parts: list[tuple[Device, dict[str, Series]]], before: int) -> None:
        """Hours before this one are revised no more."""
        for entry, series in parts:
            for one in series.values():
                days.settle(one.hours, before, entry.interval_ms, self.calendar.first_of)

    def _hours_with_something(self, parts: list[tuple[Device, dict[str, Series]]], first: int, end: int) -> list[int]:
        """After a gap: the hours of `first` … `end` (not itself) that have something to write, and the last ones of their days."""
        closed = {hour.hour for _, series in parts for one in series.values() for hour in hourly.closed_hours(one.hours)}
        return sorted(hour for hour in closed | {self.calendar.day(hour).last for hour in {*closed, first}} if first <= hour < end)

    def _mark_final(self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, out: Outcomes) -> None:
        place = self._core.interpreter.registry.stations.get(station.id)
        if place is not None:
            out.lines.extend(mark_final(place, parts, hour, self.calendar, self._medium_of))

    def _settle(self, station: StationState, now_ms: int, out: Outcomes) -> None:
        """Write the hours again that late readings or revised flags changed, and the indices after them."""
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + station.id)
        hours, station.revised_hours, station.settle_ms = station.revised_hours, [], None
        parts = self._parts(station)
        last = station.first_hour - 1
        for hour in range(max(hours[0], last - _LOOK_BACK), last + 1):
            self._write(station, parts, hour, now_ms, out, final=hour < station.first_hour - FINAL_HOURS, newest=hour == last)

    def _parts(self, station: StationState) -> list[tuple[Device, dict[str, Series]]]:
        """The devices whose hours belong to this station."""
        core = self._core
        registry = core.interpreter.registry
        here = [name for name in registry.devices_at(station.id) if core.devices[name].hours_at == station.id]
        return [(registry.devices[name], core.judging.series_of(name)) for name in here]

    def _write(
        self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, now_ms: int, out: Outcomes,
        *, final: bool = False, newest: bool = False,
    ) -> None:  # fmt: skip
        """Summaries and indices of one hour; with the last one of a day those of the day."""
        place = self._core.interpreter.registry.stations.get(station.id)
        if place is None:
            return
        found = write(place, parts, hour, self.calendar, self._medium_of, final=final, only=self.only)
        out.lines.extend(found.lines)
        if newest and found.values:
            start = self.calendar.start(hour)
            self._tell(station, place.area_at(start), start + HOUR_MS, found.values, now_ms, out)

    def _medium_of(self, parameter: str) -> str:
        return self._core.interpreter.catalogue[parameter].medium

    def _tell(self, station: StationState, area: str, at: int, values: dict[str, float], now_ms: int, out: Outcomes) -> None:
        """Rules see derived parameters as readings of the hour's end, held for two and a half hours (semantics C5)."""
        core = self._core
        catching_up = station.caught_up, station.late_ms
        line = Line("index", station.id, station.id, area, at, tuple([Value(name, value, 1) for name, value in values.items()]))
        source = next((core.devices[name].source for name in core.interpreter.registry.devices_at(station.id)), "")
        message = Message(now_ms, source, "", b"")
        silence_s = core.silence.clock_of(source).now(now_ms)
        core.watching.readings((line,), Stamp(at, at, False, False), message, _hourly_device(station.id), silence_s, out)
        station.caught_up, station.late_ms = catching_up


@lru_cache(10_000)
def _hourly_device(station: str) -> Device:
    """Whom derived parameters come from: the station itself, every hour."""
    return Device(id=station, type="", placements=(), topics=(), broker=None, interval_ms=HOUR_MS, delay_ms=0, matchers=())
