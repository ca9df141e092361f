"""Summaries and indices of a station, made again from the raw readings of a history (`envgw history rebuild`).

    history.query ──▶ one hour at a time of each series ──▶ `gateway.core.summaries`, hour by hour ──▶ lines to write
    (stored flags count: nothing is judged again)            (as in the running gateway)          (`Reinterpreted`: pages nobody)

For what the running gateway could not know: imported readings, corrections of older readings, gaps of a history that were filled
since, another zone or another edition of an index. Only hours that the gateway revises no more are touched, so that the two never
write one line in turn. What a history holds of an hour without any reading stays: a history cannot be told to forget.

One call makes at most `PART_DAYS` days, plus the two days before them that means reach back to. It keeps one record an hour and series,
whatever the readings' number: 31 days of ten parameters are 10,000 records, 3 MB.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from devices import days
from devices import hours as hourly
from devices.hours import HOUR_MS, LATE_HOURS, Hour, HourState, Kind
from devices.interpret import Interpreter
from devices.loader import quality_defaults
from devices.parameters import RAW_SUFFIX
from devices.qc.settings import plan
from devices.reading import Line
from devices.ring import RING_HOURS
from devices.stations import Device
from gateway.core.summaries import Calendar, write
from gateway.history.base import StoredReading

PART_DAYS = 31
"""Days of one call."""
SLICE_HOURS = 12
"""Hours made at a time: two or three milliseconds."""
_GAPS = 1_000
"""Gaps between readings from which the interval of a device is guessed that the registry does not know any more."""


class Range(NamedTuple):
    """Hours to be made again, numbers as in `devices.hours`."""

    first: int
    end: int
    """The first one after them."""

    @property
    def hours(self) -> int:
        """How many; 0 if there is nothing to do."""
        return max(0, self.end - self.first)


def chosen(calendar: Calendar, since_ms: int, until_ms: int, settled: int) -> tuple[Range, bool]:
    """The hours of the days that (since, until] touches, at most `PART_DAYS` of them, before hour `settled` (which is not touched).

    Also whether there are more.
    """
    first = calendar.first_of(hourly.hour_of(since_ms + 1, calendar.phase_ms))
    end = min(calendar.day(hourly.hour_of(until_ms, calendar.phase_ms)).last + 1, settled)
    part = first
    for _ in range(PART_DAYS):
        if part >= end:
            break
        part = calendar.day(part).last + 1
    return Range(first, min(end, part)), part < end


def query_range(calendar: Calendar, of: Range) -> tuple[int, int]:
    """The readings that `Rebuilding` needs: since < time <= until, ms."""
    return calendar.start(of.first - RING_HOURS), calendar.start(of.end)


class Rebuilding:
    """One station and range. `take` all readings of `query_range` in a history's order, then `lines`."""

    def __init__(self, interpreter: Interpreter, station: str, calendar: Calendar, of: Range) -> None:
        self._interpreter, self._calendar, self._range = interpreter, calendar, of
        self._place = interpreter.registry.stations[station]
        self._made: dict[tuple[str, str], _Made] = {}
        self._now: tuple[tuple[str, str], _Made | None] = ("", ""), None

    def take(self, reading: StoredReading) -> None:
        """One reading."""
        key = reading.device, reading.parameter
        if key != self._now[0]:
            self._now = key, self._begin(reading)
        made = self._now[1]
        if made is not None:
            made.take(reading.time_ms, reading.value, reading.flag)

    async def take_all(self, readings: AsyncIterator[StoredReading]) -> None:
        """All that a query gives."""
        async for reading in readings:
            self.take(reading)

    def lines(self) -> Iterator[list[Line]]:
        """What is to be written, in slices of a few milliseconds' work (of some of which nothing comes): others want to go on as well."""
        parts = self._parts()
        found: list[Line] = []
        for hour in range(self._range.first - RING_HOURS, self._range.end):
            for _, series in parts:
                for one in series.values():
                    made = one.made.hours.get(hour)
                    if made is not None:
                        hourly.put(one.hours, made)
            lines = write(self._place, parts, hour, self._calendar, self._medium_of, final=True).lines
            if hour >= self._range.first:
                found += lines
            for entry, series in parts:
                for one in series.values():
                    days.settle(one.hours, hour - LATE_HOURS, entry.interval_ms, self._calendar.first_of)
            if not hour % SLICE_HOURS:
                yield found
                found = []
        yield found

    def _begin(self, reading: StoredReading) -> _Made | None:
        parameter = self._interpreter.catalogue.get(reading.parameter)
        if parameter is None or reading.medium not in ("air", "water") or reading.parameter.endswith(RAW_SUFFIX):
            return None
        known = self._made.get((reading.device, reading.parameter))
        if known is not None:  # (the station's area has another name since: a series of its own in the history)
            return known
        entry = self._interpreter.registry.devices.get(reading.device)
        compiled = plan(parameter, HOUR_MS if entry is None else entry.interval_ms, quality_defaults())
        found = self._made[reading.device, reading.parameter] = _Made(compiled.kind, self._calendar.phase_ms)
        return found

    def _parts(self) -> list[tuple[Device, Mapping[str, _Series]]]:
        by_device: dict[str, dict[str, _Series]] = {}
        for (device, parameter), made in sorted(self._made.items()):
            made.close()
            by_device.setdefault(device, {})[parameter] = _Series(HourState(), made.kind, made)
        return [(self._device(name, series), series) for name, series in by_device.items()]

    def _device(self, name: str, series: Mapping[str, _Series]) -> Device:
        known = self._interpreter.registry.devices.get(name)
        if known is not None:
            return known
        gaps = [gap for one in series.values() for gap in one.made.gaps]
        interval_ms = sorted(gaps)[len(gaps) // 2] if gaps else HOUR_MS
        return Device(id=name, type="", placements=(), topics=(), broker=None, interval_ms=interval_ms, delay_ms=0, matchers=())

    @property
    def _medium_of(self) -> Callable[[str], str]:
        return lambda parameter: self._interpreter.catalogue[parameter].medium


@dataclass(slots=True)
class _Made:
    """The hours of one series."""

    kind: Kind
    phase_ms: int
    hours: dict[int, Hour] = field(default_factory=dict)
    gaps: list[int] = field(default_factory=list)
    _state: HourState = field(default_factory=HourState)
    _last_ms: int | None = None

    def take(self, time_ms: int, value: float | None, flag: int) -> None:
        if self._state.end < time_ms:
            self.close()
        if self._last_ms is not None and len(self.gaps) < _GAPS and time_ms > self._last_ms:
            self.gaps.append(time_ms - self._last_ms)
        self._last_ms = time_ms
        hourly.add(self._state, time_ms, value, flag, self.kind, self.phase_ms)

    def close(self) -> None:
        """The open hour is over."""
        if hourly.close(self._state, self._state.hour, self.kind):
            (hour,) = hourly.closed_hours(self._state)
            known = self.hours.get(hour.hour)  # (some histories give the readings of two areas one after the other)
            self.hours[hour.hour] = hour if known is None else _joined(known, hour)
            self._state = HourState()


def _joined(one: Hour, other: Hour) -> Hour:
    return Hour(
        one.hour,
        one.used + other.used,
        one.seen + other.seen,
        one.total + other.total,
        one.other + other.other,
        min(one.low, other.low),
        max(one.high, other.high),
        hourly.worse(one.worst, other.worst),
    )


class _Series(NamedTuple):
    hours: HourState
    kind: Kind
    made: _Made
