"""What one closed hour, or one closed day, of a station comes to: lines for the histories, and values for rules. Pure.

    hour   `<medium>_1h` of every device: mean, `_min`, `_max`, `_count`, `_complete`, `_worst` of each parameter, and `final`
           `index` of the station: the indices with category and dominant parameter, or why there are none; derived parameters
    and with the last hour of a local day
           `<medium>_1d` of every device, with the same fields, and the daily indices in the `index` line of the day's first hour

Every line carries the start of its interval (semantics C4): written again it replaces itself. Both the running gateway
(`gateway.core.summing`) and `envgw history rebuild` (`gateway.rebuild`) make their lines here, so that they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from math import nan
from typing import NamedTuple, Protocol, TypeAlias

from devices import days, loader, ring
from devices import hours as hourly
from devices.hours import COMPLETE, HOUR_MS, Hour, HourState, Kind
from devices.indices.air import daily_air, hourly_air, hourly_values
from devices.indices.result import Index
from devices.indices.water import water
from devices.reading import Line, Value
from devices.stations import Device, Station

Notes: TypeAlias = list[tuple[str, str | float]]
_DAY_OF_HOURS = 24
"""Hourly means that the indices of an hour look at, at most."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Series(Protocol):
    """One parameter of one device."""

    @property
    def hours(self) -> HourState: ...
    @property
    def kind(self) -> Kind: ...


Parts: TypeAlias = Sequence[tuple[Device, Mapping[str, Series]]]
"""The devices whose hours belong to a station, with their series by parameter."""


class LocalDay(NamedTuple):
    """A day of the city."""

    date: date
    first: int
    """Its first hour …"""
    last: int
    """… and its last one: 24 hours, or 23 or 25 where summer time begins or ends."""

    @property
    def hours(self) -> int:
        """How many."""
        return self.last - self.first + 1


class Calendar:
    """Which day an hour belongs to: that of its start in the city's zone."""

    def __init__(self, zone: tzinfo, now_ms: int) -> None:
        self.zone = zone
        offset = datetime.fromtimestamp(now_ms / 1000, zone).utcoffset()
        self.phase_ms = round(offset.total_seconds() * 1000) % HOUR_MS if offset else 0
        """How far the city's hours are from whole UTC hours."""
        self._day = LocalDay(date.min, 0, -1)

    def start(self, hour: int) -> int:
        """When an hour begins, ms."""
        return hourly.hour_end(hour, self.phase_ms) - HOUR_MS

    def day(self, hour: int) -> LocalDay:
        """The day that an hour is in."""
        if not self._day.first <= hour <= self._day.last:
            local = (_EPOCH + timedelta(milliseconds=self.start(hour))).astimezone(self.zone).date()
            first, end = (self._first_hour(at) for at in (local, local + timedelta(days=1)))
            self._day = LocalDay(local, first, end - 1)
        return self._day

    def first_of(self, hour: int) -> int:
        """The first hour of the day that an hour is in."""
        return self.day(hour).first

    def _first_hour(self, of: date) -> int:
        midnight = datetime(of.year, of.month, of.day, tzinfo=self.zone)
        return -((self.phase_ms - round(midnight.timestamp() * 1000)) // HOUR_MS)  # the first that begins then or later


class Written(NamedTuple):
    """What became of one hour."""

    lines: list[Line]
    values: dict[str, float]
    """Indices and derived parameters, with the last hour of a day the daily ones too: what rules see."""


def write(
    place: Station, parts: Parts, hour: int, calendar: Calendar, medium_of: Callable[[str], str],
    *, final: bool = False, only: frozenset[str] | None = None,
) -> Written:  # fmt: skip
    """Everything of this hour, which must be closed. The ring of means gets the hour's.

    `only`: nothing but the values of these derived parameters and indices is wanted (a backtest); None: all, with the lines.
    """
    start = calendar.start(hour)
    area = place.area_at(start) if only is None else ""
    found = Written([], {})
    measured: set[str] = set()
    for entry, series in parts:
        items: dict[str, tuple[list[Value], Notes]] = {}
        due = hourly.due(entry.interval_ms)
        for parameter, one in series.items():
            closed = hourly.closed_hour(one.hours, hour)
            if closed is None:
                continue
            measured.add(parameter)
            mean, part = closed.mean(one.kind), closed.used / due if closed.used < due else 1.0
            ring.keep_mean(one.hours, hour, mean if part >= COMPLETE else None)
            if only is not None:
                continue
            medium = medium_of(parameter)
            if medium not in items:
                items[medium] = [], []
            _summary(*items[medium], parameter, closed, mean, part)
        for medium, (values, notes) in items.items():
            notes.append(("final", 1.0 if final else 0.0))
            found.lines.append(Line(f"{medium}_1h", place.id, entry.id, area, start, tuple(values), tuple(notes)))
    day = calendar.day(hour)
    if only is not None:
        if measured or hour == day.last:
            _values_only(found.values, parts, hour, day, measured, medium_of, only)
        return found
    if hour == day.last:
        _write_day(found, place, parts, day, calendar, medium_of, final=final)
    if measured or hour == day.last:
        _write_indices(found, place, parts, hour, day, calendar, measured, medium_of, final=final)
    return found


def mark_final(place: Station, parts: Parts, hour: int, calendar: Calendar, medium_of: Callable[[str], str]) -> list[Line]:
    """Nothing will revise this hour any more. What it holds was written when it last changed: only the mark is new."""
    mark: tuple[tuple[str, str | float], ...] = (("final", 1.0),)
    start, day = calendar.start(hour), calendar.day(hour)
    area = place.area_at(start)
    lines: list[Line] = []
    measured: set[str] = set()
    for entry, series in parts:
        here = {parameter for parameter, one in series.items() if hourly.has_closed(one.hours, hour)}
        lines.extend(Line(f"{of}_1h", place.id, entry.id, area, start, (), mark) for of in sorted(set(map(medium_of, here))))
        measured |= here
    if measured and (_of_air(parts) or _means_of_water(parts, hour, measured, medium_of)):
        lines.append(Line("index", place.id, place.id, area, start, (), mark))
    if hour == day.last:
        start = calendar.start(day.first)
        for entry, series in parts:
            media = {
                medium_of(parameter)
                for parameter, one in series.items()
                if days.day(one.hours, day.first, day.last, entry.interval_ms) is not None
            }
            lines.extend(Line(f"{of}_1d", place.id, entry.id, place.area_at(start), start, (), mark) for of in sorted(media))
    return lines


# ---------------------------------------------------------------- summaries


def _write_day(
    found: Written, place: Station, parts: Parts, day: LocalDay, calendar: Calendar, medium_of: Callable[[str], str], *, final: bool
) -> None:
    start = calendar.start(day.first)
    for entry, series in parts:
        by_medium: dict[str, tuple[list[Value], Notes]] = {}
        for parameter in sorted(series):
            one = series[parameter]
            whole = days.day(one.hours, day.first, day.last, entry.interval_ms)
            if whole is not None:
                values, notes = by_medium.setdefault(medium_of(parameter), ([], []))
                _summary(values, notes, parameter, whole, whole.mean(one.kind), whole.completeness(day.hours, entry.interval_ms))
        for medium, (values, notes) in by_medium.items():
            notes.append(("final", 1.0 if final else 0.0))
            found.lines.append(Line(f"{medium}_1d", place.id, entry.id, place.area_at(start), start, tuple(values), tuple(notes)))


def _summary(values: list[Value], notes: Notes, parameter: str, of: Hour | days.Day, mean: float | None, part: float) -> None:
    """Mean (amount), least, largest, number and completeness of the usable readings, and the worst flag of all."""
    least, most, count, complete, worst = _fields(parameter)
    values.append(Value(parameter, mean, 9 if mean is None else 1 if part >= COMPLETE else 2))
    if mean is not None:
        notes += ((least, of.low), (most, of.high))
    notes += ((count, float(of.used)), (complete, part), (worst, float(of.worst)))


@cache
def _fields(parameter: str) -> tuple[str, ...]:
    return tuple(f"{parameter}_{what}" for what in ("min", "max", "count", "complete", "worst"))


# ---------------------------------------------------------------- indices


def _write_indices(
    found: Written, place: Station, parts: Parts, hour: int, day: LocalDay, calendar: Calendar, measured: set[str],
    medium_of: Callable[[str], str], *, final: bool,
) -> None:  # fmt: skip
    derived = loader.derived_table()
    notes: Notes = []
    values = found.values
    of_air = _of_air(parts)
    if of_air:
        hours = ring.RING_HOURS if hour == day.last else _DAY_OF_HOURS
        rings = {parameter: _together(parts, parameter, hour, hours) for parameter in of_air}
        if measured:
            air = hourly_air(rings, day.date)
            values |= air.values
            _say(air.vn_aqi, "vn_aqi", values, notes)
            _say(air.us_aqi, "us_aqi", values, notes)
        _index_line(found.lines, place, calendar.start(hour), values, notes, final=final)
        if hour == day.last:
            of_day = {name: means[-day.hours :] for name, means in rings.items()}
            whole = daily_air(of_day, {name: means[: -day.hours] for name, means in rings.items()}, day.date)
            daily = {name: value for name, value in whole.values.items() if derived[name].of == "day"}
            said: Notes = []
            _say(whole.vn_aqi, "vn_aqi_day", daily, said)
            _say(whole.us_aqi, "us_aqi_day", daily, said)
            _index_line(found.lines, place, calendar.start(day.first), daily, said, final=None)
            values |= daily
    elif means := _means_of_water(parts, hour, measured, medium_of):
        _say(water(means), "vn_wqi", values, notes)
        _index_line(found.lines, place, calendar.start(hour), values, notes, final=final)


def _values_only(
    values: dict[str, float], parts: Parts, hour: int, day: LocalDay, measured: set[str], medium_of: Callable[[str], str],
    only: frozenset[str],
) -> None:  # fmt: skip
    """What `_write_indices` would find of these, for less: a backtest closes a hundred thousand hours."""
    derived = loader.derived_table()
    indices, of_days, seen = _wanted(only)
    daily = of_days and hour == day.last
    of_air = _of_air(parts)
    if of_air:
        hours = ring.RING_HOURS if daily else _DAY_OF_HOURS
        rings = {name: _together(parts, name, hour, hours) for name in of_air if indices or name in seen}
        if measured:
            if indices:
                air = hourly_air(rings, day.date)
                values |= air.values
                _say(air.vn_aqi, "vn_aqi", values, [])
                _say(air.us_aqi, "us_aqi", values, [])
            else:
                values |= hourly_values(rings, only)
        if daily:
            of_day = {name: means[-day.hours :] for name, means in rings.items()}
            whole = daily_air(of_day, {name: means[: -day.hours] for name, means in rings.items()}, day.date)
            values |= {name: value for name, value in whole.values.items() if derived[name].of == "day"}
            _say(whole.vn_aqi, "vn_aqi_day", values, [])
            _say(whole.us_aqi, "us_aqi_day", values, [])
    elif indices and (means := _means_of_water(parts, hour, measured, medium_of)):
        _say(water(means), "vn_wqi", values, [])


@cache
def _wanted(only: frozenset[str]) -> tuple[bool, bool, frozenset[str | None]]:
    """Whether there are indices among these, whether something of whole days, and what they are derived from."""
    derived = [loader.derived_table()[name] for name in only]
    return (
        any(one.parameter is None for one in derived),
        any(one.of == "day" for one in derived),
        frozenset(one.parameter for one in derived),
    )


def _of_air(parts: Parts) -> tuple[str, ...]:
    """Parameters of which something is derived every hour, sorted."""
    names = tuple(parameter for _, series in parts for parameter in series)
    return _derived_from(names)


@cache
def _derived_from(parameters: tuple[str, ...]) -> tuple[str, ...]:
    derived = loader.derived_table()
    return tuple(sorted(parameter for parameter in set(parameters) if derived.of(parameter, "hour")))


def _means_of_water(parts: Parts, hour: int, measured: set[str], medium_of: Callable[[str], str]) -> dict[str, float]:
    """Where water is measured, the hour's mean of each parameter that has one: of several devices the mean of theirs."""
    if not any(medium_of(parameter) == "water" for parameter in measured):
        return {}
    found: dict[str, list[float]] = {}
    for _, series in parts:
        for parameter, one in series.items():
            if (mean := ring.mean_of(one.hours, hour)) is not None:
                found.setdefault(parameter, []).append(mean)
    return {parameter: sum(found[parameter]) / len(found[parameter]) for parameter in sorted(found)}


def _together(parts: Parts, parameter: str, hour: int, hours: int) -> Sequence[float]:
    """The last hourly means of a station, NaN where there is none: of several devices the mean of those that have one."""
    rings = [ring.means(series[parameter].hours, hour, hours) for _, series in parts if parameter in series]
    if len(rings) == 1:
        return rings[0]
    found: list[float] = []
    for of_one_hour in zip(*rings, strict=True):
        known = [mean for mean in of_one_hour if mean == mean]
        found.append(sum(known) / len(known) if known else nan)
    return found


def _index_line(lines: list[Line], place: Station, at: int, values: dict[str, float], notes: Notes, *, final: bool | None) -> None:
    if not values and not notes:
        return
    if final is not None:
        notes.append(("final", 1.0 if final else 0.0))
    readings = [Value(name, value, 1) for name, value in values.items()]
    # An index that there is no more must not stand there with the value that it had.
    readings += [Value(name.removesuffix("_why"), None, 9) for name, _ in notes if name.endswith("_why")]
    where = (("latitude", place.lat), ("longitude", place.lon))  # maps need nothing but the history (docs/decisions/0024)
    lines.append(Line("index", place.id, place.id, place.area_at(at), at, tuple(readings), (*notes, *where)))


def _say(index: Index, name: str, values: dict[str, float], notes: Notes) -> None:
    """An index as a value with its category and dominant parameter, or why there is none."""
    if index.value is not None:
        values[name] = float(index.value)
        if index.category is not None:
            notes.append((f"{name}_category", index.category.id))
        if index.dominant:
            notes.append((f"{name}_dominant", index.dominant))
    elif index.why is not None:
        notes.append((f"{name}_why", index.why.value))
