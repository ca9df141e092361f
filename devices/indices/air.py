"""VN_AQI and US AQI of one station, hour by hour and day by day, from its hourly means.

Sources: Decision 1459/QĐ-TCMT (Viet Nam); EPA's Technical Assistance Document, edition of the day (US). The rules that differ
by averaging time stand in the tables (`tables/*.yaml`): which mean each row looks up, and what happens above its end.

Hours are hour-ending: the one labelled 01:00 holds 00:00 to 01:00, and a day is 01:00 … 00:00.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import date

import msgspec

from devices.indices.averages import largest, mean, trailing
from devices.indices.derived import DerivedTable
from devices.indices.nowcast import nowcast
from devices.indices.reasons import Note, Why
from devices.indices.result import Index
from devices.indices.rounding import settled, truncated
from devices.indices.tables import AirTable, Row
from devices.loader import air_tables, derived_table

HOURS = 48
"""So many hourly means are enough for everything hourly."""
_DAY = 24
_EIGHT = 8

Hours = Mapping[str, Sequence[float | None]]
"""Hourly means by parameter in its canonical unit (µg/m³), newest last; None: an hour without 45 minutes of good data."""


class AirIndices(msgspec.Struct, frozen=True):
    """What one hour or one day of one station comes to."""

    vn_aqi: Index
    us_aqi: Index
    values: Mapping[str, float]
    """Derived parameters by id, in their units: `pm25_1h`, `pm25_24h`, `pm25_nowcast` …; only those that exist."""
    missing: Mapping[str, Why]
    """Derived parameters of what is measured that have no value, and why."""


def hourly_air(hours: Hours, at: date, *, us_edition: str | None = None) -> AirIndices:
    """The indices of the hour that is the last of each sequence (48 hours of each are looked at, at most).

    `at` is the day in the city's zone, which chooses the editions of the tables; `us_edition` (`2012`, `2024`) overrides it for
    the US AQI. Raises LookupError for an edition that is not shipped, nothing else: NaN and infinities count as no data.
    """
    values, missing = _hourly(hours, derived_table())
    return _indices(values, missing, at, us_edition, daily=False)


def hourly_values(hours: Hours, only: Container[str]) -> dict[str, float]:
    """These derived parameters of the hour that is the last of each sequence, without the indices: as in `hourly_air`, for less."""
    return _hourly(hours, derived_table(), only)[0]


def daily_air(day: Hours, before: Hours, at: date, *, us_edition: str | None = None) -> AirIndices:
    """The indices of one whole day: `day` holds its hours labelled 01:00 … 00:00, `before` the hours that precede them.

    Of `before` the last 7 are used, for eight-hour means that reach into the evening before. Daily indices do not use NowCast.
    """
    values, missing = _daily(day, before, derived_table())
    return _indices(values, missing, at, us_edition, daily=True)


def air_index(table: AirTable, values: Mapping[str, float], missing: Mapping[str, Why], *, daily: bool) -> Index:
    """One index from derived parameters in canonical units. `missing` says why others have no value."""
    subindices: dict[str, float] = {}
    without: dict[str, Why] = {}
    nowcasts: dict[str, float] = {}
    remarks: list[tuple[int, Note]] = []
    value = -1
    dominant: str | None = None
    counts = not table.one_of
    for row in table.daily if daily else table.hourly:
        derived = row.derived
        of = values.get(derived)
        if of is None:
            if derived in missing:
                without[derived] = missing[derived]
            continue
        concentration = of if row.factor == 1.0 else settled(of * row.factor)
        subindex = row.curve.index(concentration)
        if row.is_nowcast:
            nowcasts[derived] = concentration if row.step is None else truncated(concentration, row.step)
        if not isinstance(subindex, int):
            if subindex is not None:
                without[derived] = subindex
            continue
        subindices[derived] = subindex
        if subindex > value:
            value, dominant = subindex, row.parameter
        if row.parameter in table.one_of:
            counts = True
        if row.note is not None:
            remarks.append((subindex, row.note))
        if subindex == row.curve.last_index and (above := row.curve.note_above(concentration)) is not None:
            remarks.append((subindex, above))
    why: Why | None = None
    if not counts or dominant is None:
        why, value, dominant, remarks = _why(table, without, table.daily if daily else table.hourly), -1, None, []
    return Index(
        index=table.index,
        edition=table.edition,
        value=value if why is None else None,
        category=table.categories.of(value) if why is None else None,
        dominant=dominant,
        subindices=subindices,
        nowcast=nowcasts,
        why=why,
        without=without,
        notes=tuple(dict.fromkeys(note for subindex, note in remarks if subindex == value)) if remarks else (),
    )


def _why(table: AirTable, without: Mapping[str, Why], rows: Sequence[Row]) -> Why:
    """The reason of the first parameter that was measured and has none; of the obligatory ones, where there are such."""
    for row in rows:
        if row.derived in without and (not table.one_of or row.parameter in table.one_of):
            return without[row.derived]
    return Why.NO_PM if table.one_of else Why.NOTHING_MEASURED


def _indices(values: Mapping[str, float], missing: Mapping[str, Why], at: date, us_edition: str | None, *, daily: bool) -> AirIndices:
    tables = air_tables()
    found = []
    for table in (tables.at("vn_aqi", at), tables.at("us_aqi", at, us_edition)):
        index = air_index(table, values, missing, daily=daily)
        if index.why is None and not table.in_force(at):
            index = msgspec.structs.replace(index, notes=(*index.notes, Note.NOT_IN_FORCE))
        found.append(index)
    return AirIndices(found[0], found[1], values, missing)


def _hourly(hours: Hours, table: DerivedTable, only: Container[str] | None = None) -> tuple[dict[str, float], dict[str, Why]]:
    values: dict[str, float] = {}
    missing: dict[str, Why] = {}
    for parameter, means in hours.items():
        for entry in table.of(parameter, "hour"):
            if only is not None and entry.id not in only:
                continue
            value: float | None
            if entry.averaging == "nowcast":
                value, why = nowcast(means), Why.NOWCAST_HOURS
            elif entry.averaging == "1h":
                value, why = mean(means, 1), Why.HOUR_MISSING
            else:
                value, why = mean(means, _DAY if entry.averaging == "24h" else _EIGHT), Why.TOO_FEW_HOURS
            if value is None:
                missing[entry.id] = why
            else:
                values[entry.id] = value
    return values, missing


def _daily(day: Hours, before: Hours, table: DerivedTable) -> tuple[dict[str, float], dict[str, Why]]:
    values: dict[str, float] = {}
    missing: dict[str, Why] = {}
    for parameter, hours in day.items():
        # A day of 25 hours (end of summer time, elsewhere) needs 75 % of 25; one of 23, or one not over yet, 18 hours.
        of = max(len(hours), _DAY)
        found: dict[str, float | None] = {}
        for entry in (*table.of(parameter, "hour"), *table.of(parameter, "day")):
            if entry.averaging == "24h":
                found[entry.id] = mean(hours, of)
            elif entry.averaging == "1h_max":
                found[entry.id] = largest(hours, of)
            elif entry.averaging == "8h_max":
                found[entry.id] = largest(trailing(hours, before.get(parameter, ()), _EIGHT), of)
        for name, value in found.items():
            if value is None:
                missing[name] = Why.TOO_FEW_HOURS
            else:
                values[name] = value
    return values, missing
