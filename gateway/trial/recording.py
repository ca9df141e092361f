"""What a backtest runs over: a file read through a series map, or the configured history, as readings in the order of their receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices import loader
from devices.parameters import RAW_SUFFIX
from devices.registry import DEFAULT_ZONE
from devices.times import parse_duration
from devices.units import conversion
from gateway.coreconfig import CoreConfig
from gateway.errors import EnvgwError
from gateway.history.base import StoredReading
from gateway.series.device_type import device_type_for
from gateway.series.maps import SeriesMap
from gateway.series.read import read_series
from gateway.trial import places
from gateway.trial.run import Given

Progress = Callable[[str, float], None]
"""(what is being done, which part of it is done)."""


_WEEK_MS = 7 * 86_400_000


@dataclass(slots=True)
class Recording:
    """Readings, and the registry they belong to."""

    plain: dict[str, Any]
    """A core configuration; its rules are those of the backtest."""
    given: list[Given]
    interval_ms: int
    labels: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    """(station, parameter) → time and label of each labelled row, in the order of time."""
    skipped: int = 0
    """Readings of devices that the registry does not know."""
    stations: Mapping[str, str] = field(default_factory=dict)
    """Device → station."""

    @property
    def since_ms(self) -> int:
        return min((item.time_ms for item in self.given), default=0)

    @property
    def until_ms(self) -> int:
        return max((item.received_ms for item in self.given), default=0)


def from_file(path: Path, series_map: SeriesMap, core: CoreConfig | None, progress: Progress) -> Recording:
    """Stations are made of the map's station ids; what the registry knows of one (area, tags, quality tests) is taken from there."""
    convert = {column.parameter: conversion(column.unit, loader.catalogue()[column.parameter]) for column in series_map.columns}
    interval_ms = parse_duration(series_map.interval)
    delay_ms = 3_600_000 if series_map.time.marks == "hour-start" else 0
    given: list[Given] = []
    labels: dict[tuple[str, str], list[tuple[int, str]]] = {}
    progress(f"reading {path.name}", 0.0)
    for row in read_series(path, series_map):
        values: dict[str, float | None] = {}
        for name, value in row.values.items():
            if value is not None:
                factor, offset = convert[name]
                values[name] = value * factor + offset
        if values:
            given.append(Given(row.time_ms + delay_ms, row.time_ms, row.station, values))
        for name, text in row.labels.items():
            labels.setdefault((row.station, name), []).append((row.time_ms, text))
    if not given:
        raise EnvgwError(f"{path}: there is no value in this file that the map {series_map.map!r} reads")
    given.sort(key=lambda item: item.received_ms)
    for rows in labels.values():
        rows.sort()
    kind = device_type_for(series_map)
    known = {item["id"]: item for item in core.plain["stations"]} if core else {}
    entries = []
    for name in sorted({item.device for item in given}):
        fields = {key: value for key, value in known.get(name, {}).items() if key != "devices"}
        fields = {"medium": series_map.medium, "area": f"series/{series_map.map}", **fields}
        entries.append(places.station(name, series_map.interval, fields, (), judged=True, kind=str(kind["id"])))
    zone = str(core.plain.get("timezone", DEFAULT_ZONE)) if core else series_map.time.zone if "/" in series_map.time.zone else DEFAULT_ZONE
    plain = places.configuration(entries, [kind], (), zone)
    return Recording(plain, given, interval_ms, labels, 0, {item["id"]: item["id"] for item in entries})


async def from_history(rows: AsyncIterator[StoredReading], core: CoreConfig, since_ms: int, until_ms: int, progress: Progress) -> Recording:
    """What the history holds of devices of the registry. Their flags are worked out anew (semantics D4)."""
    registry, catalogue = core.interpreter.registry, core.interpreter.catalogue
    together: dict[tuple[int, str], dict[str, float | None]] = {}
    skipped = 0
    async for row in rows:
        if row.parameter not in catalogue or row.parameter.endswith(RAW_SUFFIX) or row.value is None:
            continue
        if row.device not in registry.devices:
            skipped += 1
            continue
        together.setdefault((row.time_ms, row.device), {})[row.parameter] = row.value
        if len(together) % 10_000 == 0:
            progress("reading the history", (row.time_ms - since_ms) / max(1, until_ms - since_ms))
    if not together:
        raise EnvgwError("the history holds no reading of the registry's devices in this time: look with `envgw query`")
    given = [Given(at_ms + registry.devices[device].delay_ms, at_ms, device, values) for (at_ms, device), values in together.items()]
    given.sort(key=lambda item: (item.received_ms, item.device))
    plain = dict(core.plain)
    plain["time"] = {**plain["time"], "past_ms": None}
    intervals = [registry.devices[name].interval_ms for name in {item.device for item in given}]
    stations = {name: station for name, device in registry.devices.items() if (station := device.station_at(until_ms)) is not None}
    return Recording(plain, given, min(intervals), {}, skipped, stations)


def as_if(recording: Recording, begin_ms: int) -> Recording:
    """The same readings so many whole weeks later that they begin about `begin_ms`: under the limits of that time."""
    shift = round((begin_ms - recording.since_ms) / _WEEK_MS) * _WEEK_MS
    given = [item._replace(received_ms=item.received_ms + shift, time_ms=item.time_ms + shift) for item in recording.given]
    labels = {key: [(at_ms + shift, text) for at_ms, text in rows] for key, rows in recording.labels.items()}
    return Recording(recording.plain, given, recording.interval_ms, labels, recording.skipped, recording.stations)


def of_stations(recording: Recording, wanted: Sequence[str]) -> Recording:
    """Only these stations, as if there were no others. Raises EnvgwError if nothing is left."""
    given = [item for item in recording.given if recording.stations.get(item.device) in wanted]
    if not given:
        raise EnvgwError(f"nothing is there of {', '.join(wanted)}: there is {', '.join(sorted(set(recording.stations.values())))}")
    plain = {**recording.plain, "stations": [item for item in recording.plain["stations"] if item["id"] in wanted]}
    stations = {device: station for device, station in recording.stations.items() if station in wanted}
    labels = {key: rows for key, rows in recording.labels.items() if key[0] in wanted}
    return Recording(plain, given, recording.interval_ms, labels, recording.skipped, stations)
