"""An archive file, row by row: read through its map, placed, converted, judged, and handed on in parts; what is refused is told.

    file ─ map ─▶ row ─▶ which station, which device ─▶ canonical unit ─▶ judge ─▶ part ─▶ ledger, or nothing (--dry-run)
                   └── refused, with line and reason ─▶ report

Memory is that of one part and of one judge for each series. Judged as `envgw quality` judges: the shipped defaults with the map's
interval and spans; where the registry knows the station or the device, with what it says of their spans and tests.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.decoder import legal_device_id
from devices.interpret import Interpreter
from devices.loader import catalogue, quality_defaults
from devices.problems import did_you_mean
from devices.qc.message_tests import About, MessageTests, MessageTestsState, Verdicts, message_tests
from devices.qc.settings import plan
from devices.quality import SUSPECT, Spans
from devices.stations import Registry
from devices.times import format_instant, parse_duration
from devices.units import Conversion, conversion
from gateway.errors import EnvgwError
from gateway.imports.judging import REMEMBERED, Judging
from gateway.imports.rows import Gathering, Part
from gateway.series.maps import SeriesError, SeriesMap
from gateway.series.read import SeriesRow, read_series

Refused = Callable[[int, str, str], None]
"""(line, reason, what is wrong there)."""


@dataclass(frozen=True, slots=True)
class Into:
    """Where the rows of a file belong."""

    station: str | None = None
    """To this station; None: to the one that each row names."""
    device: str | None = None
    """From this device; None: from the one that the row names, else from one called after the map."""
    only: str | None = None
    """Only rows of this station of the file."""
    doubt_labelled: bool = False
    """A value whose label does not count (`usable` of the map) is suspect at best."""


@dataclass(slots=True)
class Report:
    """What became of a file."""

    rows: int = 0
    """Lines of the file that hold something."""
    stored: int = 0
    """Values, missing ones included."""
    left_out: int = 0
    """Rows of other stations than `only`."""
    refused: Counter[str] = field(default_factory=Counter)
    """Reason → how often. A row may be refused wholly, or one value of it."""
    flags: dict[str, Counter[int]] = field(default_factory=dict)
    """Parameter → flag → values, revisions applied."""
    labelled: int = 0
    """Values with a label that does not count."""
    not_installed: int = 0
    """Rows of times at which the registry has their device nowhere."""
    again: int = 0
    """Values that came twice for one time of one series: the later one stands."""
    stations: set[str] = field(default_factory=set)
    first_ms: int | None = None
    last_ms: int | None = None

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "rows": self.rows,
            "stored": self.stored,
            "left_out": self.left_out,
            "refused": dict(sorted(self.refused.items())),
            "flags": {name: {str(flag): count for flag, count in sorted(of.items()) if count} for name, of in sorted(self.flags.items())},
            "labelled": self.labelled,
            "not_installed": self.not_installed,
            "again": self.again,
            "stations": sorted(self.stations),
            "first": None if self.first_ms is None else format_instant(self.first_ms),
            "last": None if self.last_ms is None else format_instant(self.last_ms),
        }


class Archive:
    """One file on its way in. `parts` yields what is to be committed; `report` is right when it has ended."""

    def __init__(self, path: Path, series_map: SeriesMap, interpreter: Interpreter, into: Into, newest_ms: int, refused: Refused) -> None:
        """`newest_ms`: later times lie in the future. Raises EnvgwError if `into` cannot be."""
        self.report = Report()
        self._path, self._map, self._into = path, series_map, into
        self._interpreter, self._registry = interpreter, interpreter.registry
        self._newest_ms = newest_ms
        self._told = refused
        self._interval_ms = parse_duration(series_map.interval)
        self._columns = {column.parameter: column for column in series_map.columns}
        self._convert = {column.parameter: conversion(column.unit, catalogue()[column.parameter]) for column in series_map.columns}
        self._series: dict[tuple[str, str, str], Judging] = {}
        self._tests: dict[tuple[str, str], tuple[MessageTests | None, MessageTestsState]] = {}
        self._newest: dict[tuple[str, str, str], int] = {}
        self._settled: dict[tuple[str, str, str], deque[int]] = {}
        """Times of the last values that a label made suspect: no later reading makes them good."""
        _check(into, self._registry, series_map)

    def parts(self) -> Iterator[Part]:
        """In the order of the file. Raises SeriesError if it cannot be read at all; what was yielded before stands."""
        gathering = Gathering(self._path.name)
        for row in read_series(self._path, self._map, on_problem=self._unreadable, only_finite=False, by_cell=True):
            if not self._row(row, gathering):
                continue
            part = gathering.take()
            if part is not None:
                yield part
        part = gathering.take()
        if part is not None:
            yield part

    def _row(self, row: SeriesRow, gathering: Gathering) -> bool:
        """One row; True if the part is full."""
        report, into = self.report, self._into
        report.rows += 1
        if into.only is not None and row.station != into.only:
            report.left_out += 1
            return False
        station = into.station or row.station
        device = into.device or row.device or self._map.map
        why = self._impossible(row, station, device)
        if why is not None:
            self._refuse(row.line, *why)
            return False
        full = False
        values = {parameter: self._converted(parameter, raw) for parameter, raw in row.values.items()}
        verdicts = self._message(station, device, row.time_ms, values)
        for parameter in values:
            blamed = 0 if verdicts is None else verdicts.flag(parameter)
            full = self._value(row, station, device, parameter, values, blamed, gathering) or full
        report.stations.add(station)
        report.first_ms = row.time_ms if report.first_ms is None else min(report.first_ms, row.time_ms)
        report.last_ms = row.time_ms if report.last_ms is None else max(report.last_ms, row.time_ms)
        return full

    def _impossible(self, row: SeriesRow, station: str, device: str) -> tuple[str, str] | None:
        """(reason, detail) if the row cannot be where it says."""
        if station not in self._registry.stations:
            return "unknown-station", f"no station {station!r} in the registry{did_you_mean(station, self._registry.stations)}"
        if not legal_device_id(device):
            return "no-device", f"{device[:80]!r} is not a legal device id"
        if row.time_ms < 0:
            return "time-too-old", "the time lies before 1970"
        if row.time_ms > self._newest_ms:
            return "time-ahead", f"{format_instant(row.time_ms)} lies in the future"
        known = self._registry.devices.get(device)
        if known is None:
            return None
        placement = known.placement_at(row.time_ms)
        if placement is None:
            self.report.not_installed += 1
        elif placement.station.id != station:
            return "elsewhere", f"device {device!r} stood at {placement.station.id!r} at that time"
        return None

    def _converted(self, parameter: str, raw: float | None) -> float | None:
        factor, offset = self._convert.get(parameter, Conversion(1.0, 0.0))
        return None if raw is None else raw * factor + offset

    def _message(self, station: str, device: str, time_ms: int, values: Mapping[str, float | None]) -> Verdicts | None:
        """What the tests of a message as a whole say of the row, where type or station ask for them."""
        key = (station, device)
        found = self._tests.get(key)
        if found is None:
            known = self._registry.devices.get(device)
            if known is not None:
                tests = self._interpreter.message_tests(known, station)
            else:
                tests = message_tests(self._registry.stations[station].quality.message)
            found = self._tests[key] = (tests, MessageTestsState())
        tests, state = found
        return None if tests is None else tests.judge(state, time_ms, values, About())

    def _value(
        self,
        row: SeriesRow,
        station: str,
        device: str,
        parameter: str,
        values: Mapping[str, float | None],
        blamed: int,
        gathering: Gathering,
    ) -> bool:
        report, key, value = self.report, (station, device, parameter), values[parameter]
        judging = self._series.get(key)
        if judging is None:
            judging = self._series[key] = self._judging(station, device, parameter)
        newest = self._newest.get(key)
        if newest == row.time_ms:
            report.again += 1
        self._newest[key] = row.time_ms
        flag, revisions = judging.take(row.time_ms, value, blamed, values)
        label = row.labels.get(parameter)
        doubted = value is not None and label is not None and label not in self._map.usable
        report.labelled += doubted
        counts = report.flags.setdefault(parameter, Counter())
        settled = self._settled.setdefault(key, deque(maxlen=REMEMBERED))
        for revision in revisions:
            if revision.time_ms in settled:
                continue
            counts[revision.was] -= 1
            counts[revision.now] += 1
            gathering.put(station, device, revision.time_ms, parameter, revision.value, revision.now)
        if doubted and self._into.doubt_labelled and flag < SUSPECT:
            flag = SUSPECT
            settled.append(row.time_ms)
        counts[flag] += 1
        report.stored += 1
        return gathering.put(station, device, row.time_ms, parameter, value, flag)

    def _judging(self, station: str, device: str, name: str) -> Judging:
        """With the layers of `envgw quality`: shipped, then what type and station say."""
        parameter = catalogue()[name]
        place, known = self._registry.stations[station], self._registry.devices.get(device)
        spans: Spans | None = None
        if known is not None:
            layers = self._interpreter.quality_of(known, station, name)
            spans = self._interpreter.types[known.type].spans.get(name)
        else:
            layers = (place.quality.parameters[name],) if name in place.quality.parameters else ()
        if place.spans is not None and name in place.spans:
            spans = place.spans[name]
        column = self._columns.get(name)
        if column is not None and column.plausible is not None:
            spans = Spans(column.plausible)
        compiled = plan(parameter, self._interval_ms, quality_defaults(), layers, self._map.time.tz)
        return Judging(compiled, spans or Spans(parameter.plausible))

    def _unreadable(self, problem: SeriesError) -> None:
        if problem.cell:
            self._refuse(problem.line, "unreadable-value", problem.why)
            return
        self.report.rows += 1
        self._refuse(problem.line, "unreadable-line", problem.why)

    def _refuse(self, line: int, reason: str, detail: str) -> None:
        self.report.refused[reason] += 1
        self._told(line, reason, detail)


def _check(into: Into, registry: Registry, series_map: SeriesMap) -> None:
    if into.station is not None:
        place = registry.stations.get(into.station)
        if place is None:
            raise EnvgwError(f"no station {into.station!r} in the registry{did_you_mean(into.station, registry.stations)}")
        if series_map.long is None and place.medium != series_map.medium:
            raise EnvgwError(
                f"map {series_map.map!r} is of {series_map.medium}, station {place.id!r} measures {place.medium}: which is meant?"
            )
    device = into.device
    if device is not None and not legal_device_id(device):
        raise EnvgwError(f"{device[:80]!r} is not a legal device id: 1 to 64 letters, digits, `.`, `_`, `:` or `-`")
    known = registry.devices.get(device or "")
    if known is not None and into.station is not None and into.station not in {one.station.id for one in known.placements}:
        raise EnvgwError(f"device {device!r} never stood at {into.station!r}: the registry has it at {known.placements[-1].station.id!r}")


def stations_in(path: Path, series_map: SeriesMap) -> Mapping[str, int]:
    """The stations that a file names, with their rows: to be asked before rows of several are taken for one station's."""
    found: Counter[str] = Counter()
    for row in read_series(path, series_map, on_problem=lambda _: None, only_finite=False, by_cell=True):
        found[row.station] += 1
    return found
