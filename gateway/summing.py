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

from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING

from devices import hours as hourly
from devices import loader
from devices.hours import COMPLETE, HOUR_MS, Hour
from devices.indices.air import daily_air, hourly_air
from devices.indices.result import Index
from devices.indices.water import water
from devices.reading import Line, Value
from devices.registry import DEFAULT_ZONE
from devices.stations import Device
from devices.times import parse_zone
from devices.timing import Stamp
from gateway.inputs import Message
from gateway.outcomes import Outcomes
from gateway.state import StationState

if TYPE_CHECKING:
    from gateway.core import Core
    from gateway.judging import Series

PROVISIONAL_MS = 300_000
"""An hour closes by the clock this long after its end."""
SETTLE_MS = 30_000
"""Late readings of one hour are taken together for this long before the hour is written again."""
FINAL_HOURS = 6
"""An hour may be revised for so long."""
_LOOK_BACK = hourly.LATE_HOURS
_NEVER = -(1 << 62)
_DAYS_KEPT = 64
_FINAL: tuple[tuple[str, str | float], ...] = (("final", 1.0),)


class Summing:
    """See the module's docstring. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.zone: tzinfo = parse_zone(DEFAULT_ZONE)
        self.phase_ms = 0
        """How far the city's hours are from whole UTC hours."""
        self._days: dict[int, date] = {}
        """Begin of an hour → the day it belongs to: all stations ask for the same few. Derived."""

    def configure(self, zone: str, now_ms: int) -> None:
        """The city's zone: days and, in zones with half an hour, hours go by it."""
        self.zone = parse_zone(zone)
        self._days.clear()
        offset = datetime.fromtimestamp(now_ms / 1000, self.zone).utcoffset()
        self.phase_ms = round(offset.total_seconds() * 1000) % HOUR_MS if offset else 0

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
        # The hours that were over before are final now; between them and `was` nothing was open.
        for hour in range(max(was, first - _LOOK_BACK), first):
            self._write(station, parts, hour, now_ms, out, newest=hour == first - 1)
        for hour in range(max(was - FINAL_HOURS, first - _LOOK_BACK), first - FINAL_HOURS):
            self._mark_final(station, parts, hour, out)
        if station.revised_hours:
            self._settle(station, now_ms, out)

    def _mark_final(self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, out: Outcomes) -> None:
        """Nothing will revise this hour any more. What it holds was written when it last changed: only the mark is new."""
        place = self._core.interpreter.registry.stations.get(station.id)
        if place is None:
            return
        start = hourly.hour_end(hour, self.phase_ms) - HOUR_MS
        area = place.area_at(start)
        measured = False
        for entry, series in parts:
            media = {
                self._core.interpreter.catalogue[parameter].medium
                for parameter, one in series.items()
                if hourly.closed_hour(one.hours, hour) is not None
            }
            measured = measured or bool(media)
            out.lines.extend(Line(f"{of}_1h", station.id, entry.id, area, start, (), _FINAL) for of in sorted(media))
        if measured:
            out.lines.append(Line("index", station.id, station.id, area, start, (), _FINAL))

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
        """Summaries and indices of one hour."""
        place = self._core.interpreter.registry.stations.get(station.id)
        if place is None:
            return
        start = hourly.hour_end(hour, self.phase_ms) - HOUR_MS
        area = place.area_at(start)
        means: dict[str, list[float]] = {}
        measured = False
        for entry, series in parts:
            summaries: dict[str, list[tuple[str, Series, Hour]]] = {}
            for parameter, one in series.items():
                found = hourly.closed_hour(one.hours, hour)
                if found is None:
                    continue
                measured = True
                mean = found.mean(one.kind)
                complete = mean if found.completeness(entry.interval_ms) >= COMPLETE else None
                hourly.keep_mean(one.hours, hour, complete)
                if complete is not None:
                    means.setdefault(parameter, []).append(complete)
                medium = self._core.interpreter.catalogue[parameter].medium
                summaries.setdefault(medium, []).append((parameter, one, found))
            for of, items in summaries.items():
                self._summary(f"{of}_1h", station.id, entry, area, start, items, final, out)
        if measured:
            self._index(station, parts, hour, start, area, means, now_ms, out, final=final, newest=newest)

    def _index(
        self, station: StationState, parts: list[tuple[Device, dict[str, Series]]], hour: int, start: int, area: str,
        means: dict[str, list[float]], now_ms: int, out: Outcomes, *, final: bool, newest: bool,
    ) -> None:  # fmt: skip
        derived = loader.derived_table()
        day = self._day(start)
        values: dict[str, float] = {}
        notes: list[tuple[str, str | float]] = []
        of_air = {parameter for _, series in parts for parameter in series if derived.of(parameter, "hour")}
        if of_air:
            rings = self._rings(parts, of_air, hour)
            self._hourly_air(rings, day, values, notes)
            if self._day(start + HOUR_MS) != day:
                hours = self._hours_of(day, start)
                whole = daily_air(
                    {name: ring[-hours:] for name, ring in rings.items()}, {name: ring[:-hours] for name, ring in rings.items()}, day
                )
                at = start - (hours - 1) * HOUR_MS
                daily = {name: value for name, value in whole.values.items() if name not in values}
                said: list[tuple[str, str | float]] = []
                _say(whole.vn_aqi, "vn_aqi_day", daily, said)
                _say(whole.us_aqi, "us_aqi_day", daily, said)
                self._line(station, area, at, daily, said, out)
                values |= {name: value for name, value in daily.items() if newest}
        elif means and any(self._core.interpreter.catalogue[name].medium == "water" for name in means):
            _say(water({name: sum(of) / len(of) for name, of in means.items()}), "vn_wqi", values, notes)
        if not values and not notes:
            return
        hourly_values = {name: value for name, value in values.items() if name not in derived or derived[name].of == "hour"}
        self._line(station, area, start, hourly_values, [*notes, ("final", 1.0 if final else 0.0)], out)
        if newest and values:
            self._tell(station, area, start + HOUR_MS, values, now_ms, out)

    # What a trial makes less of, because nobody reads it there (`gateway.trial.run`).

    def _rings(self, parts: list[tuple[Device, dict[str, Series]]], parameters: set[str], hour: int) -> dict[str, list[float | None]]:
        return {parameter: _together(parts, parameter, hour) for parameter in sorted(parameters)}

    def _hourly_air(
        self, rings: dict[str, list[float | None]], day: date, values: dict[str, float], notes: list[tuple[str, str | float]]
    ) -> None:
        air = hourly_air(rings, day)
        values |= air.values
        _say(air.vn_aqi, "vn_aqi", values, notes)
        _say(air.us_aqi, "us_aqi", values, notes)

    def _summary(
        self, medium: str, station: str, entry: Device, area: str, start: int, items: list[tuple[str, Series, Hour]], final: bool,
        out: Outcomes,
    ) -> None:  # fmt: skip
        out.lines.append(_summary(medium, station, entry, area, start, items, final))

    def _line(
        self, station: StationState, area: str, at: int, values: dict[str, float], notes: list[tuple[str, str | float]], out: Outcomes
    ) -> None:
        if values or notes:
            readings = tuple(Value(name, float(value), 1) for name, value in values.items())
            out.lines.append(Line("index", station.id, station.id, area, at, readings, tuple(notes)))

    def _tell(self, station: StationState, area: str, at: int, values: dict[str, float], now_ms: int, out: Outcomes) -> None:
        """Rules see derived parameters as readings of the hour's end, held for two and a half hours (semantics C5)."""
        core = self._core
        catching_up = station.caught_up, station.late_ms
        line = Line("index", station.id, station.id, area, at, tuple(Value(name, float(value), 1) for name, value in values.items()))
        source = next((core.devices[name].source for name in core.interpreter.registry.devices_at(station.id)), "")
        message = Message(now_ms, source, "", b"")
        silence_s = core.silence.clock_of(source).now(now_ms)
        core.watching.readings((line,), Stamp(at, at, False, False), message, _hourly_device(station.id), silence_s, out)
        station.caught_up, station.late_ms = catching_up

    def _day(self, start_ms: int) -> date:
        found = self._days.get(start_ms)
        if found is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.clear()
            found = self._days[start_ms] = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(self.zone).date()
        return found

    def _hours_of(self, day: date, last_start: int) -> int:
        """Hours of a day that ends with the hour beginning at `last_start`: 24, or 23 or 25 where summer time begins or ends."""
        hours = 24
        while hours > 23 and self._day(last_start - (hours - 1) * HOUR_MS) != day:
            hours -= 1
        return hours + (self._day(last_start - hours * HOUR_MS) == day)


def _hourly_device(station: str) -> Device:
    """Whom derived parameters come from: the station itself, every hour."""
    return Device(id=station, type="", placements=(), topics=(), broker=None, interval_ms=HOUR_MS, delay_ms=0, matchers=())


def _summary(medium: str, station: str, entry: Device, area: str, start: int, items: list[tuple[str, Series, Hour]], final: bool) -> Line:
    """Mean (amount), least, largest, number and completeness of the hour's usable readings, and the worst flag of all."""
    values: list[Value] = []
    notes: list[tuple[str, str | float]] = []
    for parameter, one, hour in items:
        mean, part = hour.mean(one.kind), hour.completeness(entry.interval_ms)
        values.append(Value(parameter, mean, 9 if mean is None else 1 if part >= COMPLETE else 2))
        if mean is not None:
            notes += [(f"{parameter}_min", hour.low), (f"{parameter}_max", hour.high)]
        notes += [(f"{parameter}_count", float(hour.used)), (f"{parameter}_complete", part), (f"{parameter}_worst", float(hour.worst))]
    return Line(medium, station, entry.id, area, start, tuple(values), (*notes, ("final", 1.0 if final else 0.0)))


def _together(parts: list[tuple[Device, dict[str, Series]]], parameter: str, hour: int) -> list[float | None]:
    """The last 48 hourly means of a station: of several devices the mean of those that have one."""
    rings = [hourly.means(series[parameter].hours, hour) for _, series in parts if parameter in series]
    if len(rings) == 1:
        return rings[0]
    found: list[float | None] = []
    for of_one_hour in zip(*rings, strict=True):
        known = [mean for mean in of_one_hour if mean is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def _say(index: Index, name: str, values: dict[str, float], notes: list[tuple[str, str | float]]) -> None:
    """An index as a value with its category and dominant parameter, or why there is none."""
    if index.value is not None:
        values[name] = float(index.value)
        if index.category is not None:
            notes.append((f"{name}_category", index.category.id))
        if index.dominant:
            notes.append((f"{name}_dominant", index.dominant))
    elif index.why is not None:
        notes.append((f"{name}_why", index.why.value))
