"""Hourly means of a series, and the indices of every hour, day or sample that they come to (`envgw index`).

What counts: a value without a label, or with one that the map calls `usable`. Beyond that

    readings more often than hourly    pass the production judge (`gateway.series.judged`), flags 1 and 2 count, and `devices.hours`
                                       averages them where 75 % of an hour is there
    hourly means and rarer samples     are taken as published; where the map knows no label, those in the plausible range

because whoever publishes hourly means has judged its readings, and says so in its labels. Of the history the stored flags count.

Hours are named by number as in `devices.hours`; a line carries the label that the map's files use (`marks`), in its zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from math import isfinite, nan
from typing import Literal, NamedTuple

import msgspec

from devices import hours as hourly
from devices.hours import COMPLETE, HOUR_MS, HourState
from devices.indices.air import HOURS, daily_air, hourly_air
from devices.indices.reasons import Why
from devices.indices.result import Index
from devices.indices.water import water
from devices.loader import derived_table, water_table
from devices.qc.settings import Plan
from devices.quality import MISSING, Spans
from gateway.series.judged import judge

Name = Literal["vn_aqi", "us_aqi", "vn_wqi"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hours(NamedTuple):
    """Hourly means of one station."""

    station: str
    first: int
    """The hour of the first mean of each parameter."""
    means: Mapping[str, Sequence[float | None]]
    """All equally long."""
    zone: tzinfo
    phase_ms: int
    by_start: bool
    """Whether an hour's label is its start."""

    @property
    def length(self) -> int:
        """How many hours there are."""
        return max((len(means) for means in self.means.values()), default=0)

    def label(self, hour: int) -> datetime:
        """What the hour is called, in the zone."""
        end = hourly.hour_end(hour, self.phase_ms)
        return _local(end - HOUR_MS if self.by_start else end, self.zone)

    def day(self, hour: int) -> date:
        """The local day that the hour belongs to: that of its start."""
        return _local(hourly.hour_end(hour, self.phase_ms) - HOUR_MS, self.zone).date()


class Found(NamedTuple):
    """One index with what it is of."""

    station: str
    time: datetime | date
    """An hour's label or a sample's time with its offset; a day."""
    found: Index


def unlabelled(values: Sequence[float], labels: Mapping[int, str], usable: Sequence[str]) -> list[float]:
    """The values, NaN in place of those with a label that is not `usable`."""
    found = list(values)
    for at, label in labels.items():
        if label not in usable:
            found[at] = nan
    return found


def plausible(values: Sequence[float], spans: Spans) -> list[float]:
    """The values, NaN in place of those outside the span that is flagged 1."""
    low, high = spans.good
    return [value if low <= value <= high else nan for value in values]


def number(time_ms: int, phase_ms: int) -> int:
    """The hour that an instant belongs to."""
    return hourly.hour_of(time_ms, phase_ms)


def flags_of(plan: Plan, spans: Spans, times: Sequence[int], values: Sequence[float]) -> bytearray:
    """The judge's flags in the end."""
    return judge(plan, spans, times, values).flags


def phase_of(zone: tzinfo, time_ms: int) -> int:
    """How far the zone's hours are from whole UTC hours, ms."""
    offset = _local(time_ms, zone).utcoffset()
    return round(offset.total_seconds() * 1000) % HOUR_MS if offset else 0


def averaged(plan: Plan, times: Sequence[int], values: Sequence[float], flags: bytes | bytearray, phase_ms: int) -> dict[int, float]:
    """Hour → mean of the usable readings (flags 1 and 2), where 75 % of those due are there."""
    found: dict[int, float] = {}
    state = HourState()
    kind, interval_ms = plan.kind, plan.interval_ms

    def finish(hour: int) -> None:
        closed = hourly.closed_hour(state, hour)
        if closed is not None and closed.completeness(interval_ms) >= COMPLETE and (mean := closed.mean(kind)) is not None:
            found[hour] = mean

    rows: Iterator[tuple[int, float, int]] = zip(times, values, flags, strict=True)
    if any(later < sooner for sooner, later in pairwise(times)):
        rows = iter(sorted(rows))
    for time_ms, value, flag in rows:
        before = state.hour if time_ms > state.end and state.end >= 0 else None
        if isfinite(value):
            hourly.add(state, time_ms, value, flag, kind, phase_ms)
        else:
            hourly.add(state, time_ms, None, MISSING, kind, phase_ms)
        if before is not None:
            finish(before)
    if state.end >= 0:
        hour = state.hour
        hourly.close(state, hour, kind)
        finish(hour)
    return found


def published(times: Sequence[int], values: Sequence[float], phase_ms: int, *, by_start: bool) -> dict[int, float]:
    """Hour → the mean that stands in the file. Of an hour that stands there twice the later row counts, as a revision."""
    shift = 1 if by_start else 0
    return {hourly.hour_of(time_ms + shift, phase_ms): value for time_ms, value in zip(times, values, strict=True) if isfinite(value)}


def together(means: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Of several devices the mean of those that have one."""
    if len(means) == 1:
        return dict(means[0])
    gathered: dict[int, list[float]] = {}
    for one in means:
        for hour, value in one.items():
            gathered.setdefault(hour, []).append(value)
    return {hour: sum(values) / len(values) for hour, values in gathered.items()}


def dense(
    station: str, means: Mapping[str, Mapping[int, float]], first: int, last: int, zone: tzinfo, phase_ms: int, *, by_start: bool
) -> Hours:
    """Every hour from `first` to `last`, with None where there is no mean."""
    return Hours(
        station, first, {name: [of.get(hour) for hour in range(first, last + 1)] for name, of in means.items()}, zone, phase_ms, by_start
    )


# ---------------------------------------------------------------- indices


def by_hour(hours: Hours, name: Name, edition: str | None) -> Iterator[Found]:
    """One index an hour, also where there is none: it says why."""
    if name == "vn_wqi":
        measured = not water_table().parameters.keys().isdisjoint(hours.means)
        for at in range(hours.length):
            index = water({of: means[at] for of, means in hours.means.items()})
            if index.why is Why.NOTHING_MEASURED and measured:
                index = msgspec.structs.replace(index, why=Why.HOUR_MISSING)
            yield Found(hours.station, hours.label(hours.first + at), index)
        return
    rings = _of_air(hours)
    for at in range(hours.length):
        hour = hours.first + at
        window = {parameter: means[max(0, at + 1 - HOURS) : at + 1] for parameter, means in rings.items()}
        yield Found(hours.station, hours.label(hour), _chosen(hourly_air(window, hours.day(hour), us_edition=edition), name))


def by_day(hours: Hours, name: Name, edition: str | None) -> Iterator[Found]:
    """One air quality index a local day: the hours labelled 01:00 to 00:00."""
    rings = _of_air(hours)
    begin = 0
    while begin < hours.length:
        day = hours.day(hours.first + begin)
        midnight = datetime(day.year, day.month, day.day, tzinfo=hours.zone)
        tomorrow = day + timedelta(days=1)
        next_midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=hours.zone)
        start = hourly.hour_of(_ms(midnight) + 1, hours.phase_ms) - hours.first
        end = hourly.hour_of(_ms(next_midnight) + 1, hours.phase_ms) - hours.first
        of_day = {of: _slice(means, start, end) for of, means in rings.items()}
        before = {of: _slice(means, start - HOURS, start) for of, means in rings.items()}
        yield Found(hours.station, day, _chosen(daily_air(of_day, before, day, us_edition=edition), name))
        begin = max(end, begin + 1)


def by_sample(station: str, times: Sequence[int], values: Mapping[str, Sequence[float]], zone: tzinfo) -> Iterator[Found]:
    """VN_WQI of every row of a file of samples."""
    for at, time_ms in enumerate(times):
        sample = {name: of[at] if isfinite(of[at]) else None for name, of in values.items()}
        yield Found(station, _local(time_ms, zone), water(sample))


def _of_air(hours: Hours) -> dict[str, Sequence[float | None]]:
    table = derived_table()
    return {name: means for name, means in hours.means.items() if table.of(name, "hour")}


def _chosen(indices: object, name: Name) -> Index:
    found: Index = getattr(indices, name)
    return found


def _slice(means: Sequence[float | None], start: int, end: int) -> list[float | None]:
    """Hours from `start` to `end`; None outside of what is known."""
    inside = list(means[max(0, start) : max(0, end)])
    ahead = [None] * max(0, min(0, end) - start) if start < 0 else []
    return [*ahead, *inside, *[None] * (end - start - len(ahead) - len(inside))]


def _local(time_ms: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
