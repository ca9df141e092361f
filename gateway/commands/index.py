"""`envgw index`: VN_AQI, US AQI and VN_WQI of a series, hour by hour, day by day or sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import BinaryIO

import orjson

from devices.hours import HOUR_MS
from devices.indices.reasons import Note
from devices.indices.result import Index
from devices.loader import catalogue
from devices.parameters import Medium
from gateway.commands.source import Source, Sources
from gateway.errors import EnvgwError
from gateway.series import hourly
from gateway.series.hourly import Found, Hours, Name
from gateway.series.maps import SeriesMap


def found(sources: Sources, name: Name, edition: str | None, *, daily: bool, since_ms: int | None = None) -> Iterator[Found]:
    """Every index, station by station. `since_ms`: hours that ended by then only help those after them.

    Raises EnvgwError for a series of the other medium.
    """
    medium: Medium = "water" if name == "vn_wqi" else "air"
    measured = {parameter for source in sources.sources for parameter in source.columns.values}
    if not any(catalogue()[parameter].medium == medium for parameter in measured):
        other = "vn_aqi or us_aqi" if name == "vn_wqi" else "vn_wqi"
        has = ", ".join(sorted(measured)) or "none"
        raise EnvgwError(f"{name} is made of {medium} parameters; this series has {has}" + (f": write --index {other}" if measured else ""))
    for station in dict.fromkeys(source.columns.station for source in sources.sources):
        mine = [source for source in sources.sources if source.columns.station == station]
        if name == "vn_wqi" and sources.map is not None and mine[0].interval_ms >= HOUR_MS:
            values = {parameter: _published(mine[0], parameter, sources.map) for parameter in mine[0].columns.values}
            yield from hourly.by_sample(station, mine[0].columns.times, values, sources.zone)
            continue
        hours = hours_of(mine, sources, medium)
        if hours is None:
            continue
        for one in hourly.by_day(hours, name, edition) if daily else hourly.by_hour(hours, name, edition):
            if since_ms is None or not _before(one.time, since_ms, hours):
                yield one


def hours_of(sources: list[Source], among: Sources, medium: Medium) -> Hours | None:
    """The hourly means of one station; None if nothing of this medium was measured."""
    times = [time_ms for source in sources for time_ms in (min(source.columns.times), max(source.columns.times)) if source.columns.times]
    if not times:
        return None
    by_start = among.map is not None and among.map.time.marks == "hour-start"
    phase_ms = hourly.phase_of(among.zone, times[0])
    means: dict[str, list[dict[int, float]]] = {}
    for source in sources:
        for parameter in source.columns.values:
            if catalogue()[parameter].medium == medium:
                means.setdefault(parameter, []).append(_means(source, parameter, among.map, phase_ms, by_start=by_start))
    if not means:
        return None
    shift = 1 if by_start else 0
    first, last = (hourly.number(at + shift, phase_ms) for at in (min(times), max(times)))
    joined = {parameter: hourly.together(of) for parameter, of in means.items()}
    return hourly.dense(sources[0].columns.station, joined, first, last, among.zone, phase_ms, by_start=by_start)


def _means(source: Source, parameter: str, series_map: SeriesMap | None, phase_ms: int, *, by_start: bool) -> dict[int, float]:
    columns, plan = source.columns, source.plans[parameter]
    if series_map is None:
        stored = b"" if source.flags is None else source.flags[parameter]
        return hourly.averaged(plan, columns.times, columns.values[parameter], stored, phase_ms)
    if source.interval_ms >= HOUR_MS:
        return hourly.published(columns.times, _published(source, parameter, series_map), phase_ms, by_start=by_start)
    values = hourly.unlabelled(columns.values[parameter], columns.labels.get(parameter, {}), series_map.usable)
    flags = hourly.flags_of(plan, source.spans[parameter], columns.times, columns.values[parameter])
    return hourly.averaged(plan, columns.times, values, flags, phase_ms)


def _published(source: Source, parameter: str, series_map: SeriesMap) -> list[float]:
    columns = source.columns
    values = hourly.unlabelled(columns.values[parameter], columns.labels.get(parameter, {}), series_map.usable)
    if any(column.label for column in series_map.columns if column.parameter == parameter):
        return values
    return hourly.plausible(values, source.spans[parameter])


def _before(time: date, since_ms: int, hours: Hours) -> bool:
    if isinstance(time, datetime):
        return time.timestamp() * 1000 <= since_ms
    return time < datetime.fromtimestamp(since_ms / 1000, hours.zone).date()


# ---------------------------------------------------------------- output


def write_lines(rows: Iterable[Found], out: BinaryIO, *, several: bool) -> None:
    """One JSON line each; NowCasts by parameter."""
    for row in rows:
        index = row.found
        line = {"time": row.time.isoformat(), **({"station": row.station} if several else {}), **_fields(index)}
        out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()


def _fields(index: Index) -> dict[str, object]:
    return {
        "index": index.index,
        "value": index.value,
        "category": None if index.category is None else index.category.id,
        "dominant": index.dominant,
        "nowcast": {name.removesuffix("_nowcast"): value for name, value in index.nowcast.items()},
        "why": None if index.why is None else index.why.value,
    }


def table(rows: Iterable[Found]) -> Iterator[str]:
    """The same for people, with the reason in words where there is no index; below it what must be known of the numbers."""
    notes: dict[Note, int] = {}
    yield f"{'time':<25}  {'station':<18}  {'index':<7}  {'value':>5}  {'category':<20}  {'dominant':<10}  nowcast"
    for row in rows:
        fields, index = _fields(row.found), row.found
        for note in index.notes:
            notes[note] = notes.get(note, 0) + 1
        value = "-" if index.value is None else str(index.value)
        name = index.why.text["en"] if index.why is not None else "" if index.category is None else index.category.name["en"]
        nowcast = " ".join(f"{parameter} {value:g}" for parameter, value in fields["nowcast"].items())  # type: ignore[attr-defined]
        of = f"{row.time.isoformat():<25}  {row.station:<18}  {index.index:<7}"
        yield f"{of}  {value:>5}  {name:<20}  {index.dominant or '':<10}  {nowcast}".rstrip()
    for note, times in notes.items():
        yield f"note, of {times} lines: {note.text['en']}"
