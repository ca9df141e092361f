"""Where `envgw quality` and `envgw index` take their series from: a file through a map, or a station of the configured history."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from math import nan
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from devices.hours import HOUR_MS
from devices.loader import catalogue, quality_defaults
from devices.parameters import RAW_SUFFIX
from devices.qc.settings import Plan, plan
from devices.quality import Spans
from devices.times import parse_duration, parse_zone
from gateway.api.times import parse_instant
from gateway.commands.query import rows
from gateway.errors import EnvgwError
from gateway.series.columns import Columns, read_columns
from gateway.series.maps import SeriesMap, load_map

if TYPE_CHECKING:
    from gateway.coreconfig import CoreConfig
    from gateway.settings import Settings


class Source(NamedTuple):
    """One device of one station (of a file: one station) and how its series are judged."""

    columns: Columns
    interval_ms: int
    plans: Mapping[str, Plan]
    spans: Mapping[str, Spans]
    flags: Mapping[str, bytes] | None
    """Parameter → the flags that the history has; None for a file."""


class Sources(NamedTuple):
    """What is to be worked on."""

    sources: list[Source]
    zone: tzinfo
    map: SeriesMap | None
    """None for the history."""

    @property
    def several(self) -> bool:
        """Whether a line must say its station."""
        return len({source.columns.station for source in self.sources}) > 1


def of_file(path: Path, map_name: str) -> Sources:
    """Every station of a file, judged with the shipped defaults. Raises `SeriesError`."""
    series_map = load_map(map_name)
    interval_ms = parse_duration(series_map.interval)
    given = {column.parameter: Spans(column.plausible) for column in series_map.columns if column.plausible is not None}
    found = [_source(columns, interval_ms, None, None, given) for columns in read_columns(path, series_map)]
    return Sources(found, series_map.time.tz, series_map)


async def of_history(
    settings: Settings, core: CoreConfig | None, station: str, since: str, until: str | None, *, before_h: int = 0
) -> Sources:
    """The devices of a station as the history has them, judged as its type and station say. Raises EnvgwError.

    `before_h`: begin so many hours before `since`, for means that reach back.
    """
    groups: dict[tuple[str, str], list[tuple[int, float | None, int]]] = {}
    async for row in rows(settings, station, None, _earlier(since, before_h), until or "now"):
        if row.medium in ("air", "water") and row.parameter in catalogue() and not row.parameter.endswith(RAW_SUFFIX):
            groups.setdefault((row.device, row.parameter), []).append((row.time_ms, row.value, row.flag))
    if not groups:
        raise EnvgwError(f"the history has no reading of station {station!r} since {since}: see `envgw stations list`, or go further back")
    found = []
    for (device, parameter), readings in groups.items():
        columns = Columns(station, [parameter])
        columns.times = array("q", [time_ms for time_ms, _, _ in readings])
        columns.values[parameter] = array("d", [nan if value is None else value for _, value, _ in readings])
        entry = core.interpreter.registry.devices.get(device) if core is not None else None
        interval_ms = _usual_interval(columns.times) if entry is None else entry.interval_ms
        flags = {parameter: bytes(flag for _, _, flag in readings)}
        found.append(_source(columns, interval_ms, flags, None if core is None else (core, device)))
    return Sources(found, parse_zone(settings.gateway.timezone), None)


def _earlier(since: str, hours: int) -> str:
    """The same kind of instant, so many hours before. A relative one stays so: the demo's clock is not ours."""
    if not hours:
        return since
    try:
        if since.startswith("-"):
            return f"-{(parse_duration(since[1:]) + hours * HOUR_MS) // 1000}s"
        return datetime.fromtimestamp((parse_instant(since, 0) - hours * HOUR_MS) / 1000, UTC).isoformat()
    except ValueError as error:
        raise EnvgwError(str(error)) from None


def _source(
    columns: Columns,
    interval_ms: int,
    flags: Mapping[str, bytes] | None,
    known: tuple[CoreConfig, str] | None,
    given: Mapping[str, Spans] = MappingProxyType({}),
) -> Source:
    plans, spans = {}, {}
    for name in columns.values:
        parameter = catalogue()[name]
        plans[name], spans[name] = plan(parameter, interval_ms, quality_defaults()), given.get(name) or Spans(parameter.plausible)
        if known is not None and (entry := known[0].interpreter.registry.devices.get(known[1])) is not None:
            interpreter = known[0].interpreter
            layers = interpreter.quality_of(entry, columns.station, name)
            plans[name] = plan(parameter, interval_ms, quality_defaults(), layers)
            spans[name] = interpreter.types[entry.type].spans.get(name, spans[name])
    return Source(columns, interval_ms, plans, spans, flags)


def _usual_interval(times: array[int]) -> int:
    """Of a device that the registry does not know: the median of its gaps."""
    gaps = [later - sooner for sooner, later in pairwise(times) if later > sooner]
    return round(median(gaps)) if gaps else 60_000
