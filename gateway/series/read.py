"""Reading a series file through its map: a stream of rows, one per line of the file, in the file's order.

    CSV / Parquet line ──┐
                         ├─▶ time, station, values in the file's own units, labels ─▶ SeriesRow
    USGS JSON, merged ───┘

Nothing is dropped and nothing is invented: a missing value is None, and a line that cannot be read is an error that
names file and line (or is handed to `on_problem`, and the rest goes on).
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from devices.loader import catalogue
from devices.parameters import RAW_SUFFIX
from devices.problems import did_you_mean
from devices.units import Conversion, conversion
from gateway.series.maps import ColumnMap, LongMap, SeriesError, SeriesMap, StationMap, TimeMap


class SeriesRow(NamedTuple):
    """One row: instant (ms since the epoch, UTC), station id, value or None per parameter (source units), labels."""

    time_ms: int
    station: str
    values: dict[str, float | None]
    labels: dict[str, str]
    line: int
    """Line in the file (CSV), row number (Parquet), or 0 (JSON)."""
    device: str = ""
    """Who measured, where the map names a column for it."""


Problem = Callable[[SeriesError], None]
_PARQUET = b"PAR1"
"""What every Parquet file begins with."""


def read_series(
    path: str | Path, series_map: SeriesMap, *, on_problem: Problem | None = None, only_finite: bool = True, by_cell: bool = False
) -> Iterator[SeriesRow]:
    """Every row of `path`, in its order.

    Without `on_problem` the first unreadable line raises `SeriesError`; with it each is reported there and left out.
    A file that cannot be opened, or lacks a column of the map, always raises. Infinities and NaN cannot be read either, unless
    `only_finite` is False: then they are missing. `by_cell`: a value that cannot be read leaves its neighbours in the row.
    """
    path = Path(path)
    if series_map.format == "usgs-json":
        yield from _read_usgs(path, series_map)
        return
    records = _parquet_records(path, series_map) if is_parquet(path, series_map) else _csv_records(path, series_map)

    def tell(line: int, error: ValueError, *, cell: bool = False) -> None:
        problem = SeriesError(f"{path}:{line}: {error}", line, str(error), cell=cell)
        if on_problem is None:
            raise problem from error
        on_problem(problem)

    row_of = _row_reader(series_map, only_finite=only_finite, tell=partial(tell, cell=True) if by_cell else None)
    for line, record in records:
        try:
            row = row_of(line, record)
        except ValueError as error:
            tell(line, error)
            continue
        yield row


def is_parquet(path: Path, series_map: SeriesMap) -> bool:
    """Whether to read it as Parquet: the map says so, or the file does (the layouts of the shipped maps exist as both)."""
    if series_map.format != "csv":
        return series_map.format == "parquet"
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:
        return False  # whoever opens it next tells why


def unreadable(path: Path, series_map: SeriesMap, error: Exception) -> SeriesError:
    """What is wrong with a CSV file that cannot be opened or decoded."""
    if isinstance(error, UnicodeDecodeError):
        return SeriesError(
            f"{path}: this is no text in {series_map.encoding} (byte {error.object[error.start]:#04x}): "
            "save it as CSV in UTF-8, or write its `encoding:` into the map, such as cp1258 or utf-16"
        )
    return SeriesError(f"{path}: this file cannot be read: {error}")


def station_id(station: StationMap, text: str) -> str:
    """Which station a row's cell means; empty: none."""
    return text.strip() if station.as_is else slug(station.prefix + text.strip())


def slug(text: str) -> str:
    """A station id from free text: lower-case ASCII letters, digits and hyphens (`Hải Châu` → `hai-chau`)."""
    flat = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", flat.lower()).strip("-")[:63]


def wanted(series_map: SeriesMap) -> list[str]:
    """The columns of a file that the map reads."""
    long = series_map.long
    found = [*series_map.time.columns]
    found += [column.column for column in series_map.columns] if long is None else [long.parameter, long.value, long.unit or ""]
    found += [column.label for column in series_map.columns if column.label]
    found += [series_map.station.column or "", series_map.device or ""]
    return [name for name in dict.fromkeys(found) if name]


def require(path: Path, series_map: SeriesMap, header: list[str]) -> None:
    """Raises `SeriesError` if the file lacks a column of the map."""
    absent = [column for column in wanted(series_map) if column not in header]
    if absent:
        raise SeriesError(
            f"{path}:1: column {absent[0]!r} is not there (map {series_map.map!r}): the file has {', '.join(header)}. "
            "Choose the map that fits, or write one"
        )


def _csv_records(path: Path, series_map: SeriesMap) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding=series_map.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=series_map.delimiter)
            header = next(reader, None)
            if header is None:
                raise SeriesError(f"{path}: the file is empty")
            require(path, series_map, header)
            for cells in reader:
                if cells and any(cells):
                    yield reader.line_num, _cells(header, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, series_map, error) from error


def _cells(header: list[str], cells: list[str]) -> Mapping[str, Any]:
    # A short line (truncated file) lacks its last columns: the row reader names the first one it misses.
    return dict(zip(header, cells, strict=False))


def _parquet_records(path: Path, series_map: SeriesMap) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import duckdb  # 30 ms of import that a CSV does not need

    try:
        with duckdb.connect(config={"memory_limit": "256MB", "threads": 1, "preserve_insertion_order": True}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            columns = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
            header = [str(column[0]) for column in columns]
            require(path, series_map, header)
            # Instants come as naive times in UTC: DuckDB would ask for another package to make aware ones.
            instants = [name for name, column in zip(header, columns, strict=True) if column[1] == "TIMESTAMP WITH TIME ZONE"]
            made = ", ".join(f"make_timestamp(epoch_us({_name(name)})) AS {_name(name)}" for name in instants)
            relation = connection.execute(f"SELECT * {f'REPLACE ({made})' if made else ''} FROM read_parquet(?)", [str(path)])
            number = 0
            while chunk := relation.fetchmany(10_000):
                for cells in chunk:
                    number += 1
                    record = dict(zip(header, cells, strict=True))
                    for name in instants:
                        if record[name] is not None:
                            record[name] = record[name].replace(tzinfo=UTC)
                    yield number, record
    except duckdb.Error as error:
        raise SeriesError(f"{path}: this Parquet file cannot be read: {error}") from error


Known = tuple[ColumnMap, frozenset[str | float]]
"""A column and its missing codes."""
Tell = Callable[[int, ValueError], None]
Values = Callable[[int, Mapping[str, Any]], tuple[dict[str, float | None], dict[str, str]]]
"""(line, record) → the values of a row and their labels. Raises KeyError for a column that the line lacks, ValueError."""


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _row_reader(series_map: SeriesMap, *, only_finite: bool, tell: Tell | None) -> Callable[[int, Mapping[str, Any]], SeriesRow]:
    instant_of = time_reader(series_map.time)
    values_of = _wide(series_map, only_finite, tell) if series_map.long is None else _long(series_map, series_map.long, only_finite)
    station, device = series_map.station, series_map.device
    last: dict[str, int] = {}

    def row_of(line: int, record: Mapping[str, Any]) -> SeriesRow:
        try:
            name = station.name or station_id(station, str(record[station.column or ""]))
            if not name:
                raise ValueError(f"column {station.column!r} names no station")
            time_ms = instant_of(record, last.get(name))
            values, labels = values_of(line, record)
            who = "" if device is None else _text(record[device])
        except KeyError as error:
            raise ValueError(f"the line ends before column {error.args[0]!r}") from error
        last[name] = time_ms
        return SeriesRow(time_ms, name, values, labels, line, who)

    return row_of


def _wide(series_map: SeriesMap, only_finite: bool, tell: Tell | None) -> Values:
    """A column a parameter."""
    missing = missing_codes(series_map.missing)
    columns = [(column, missing | missing_codes(column.missing)) for column in series_map.columns]
    labelled = [(column.parameter, column.label) for column in series_map.columns if column.label]
    unlabelled = frozenset(series_map.unlabelled)

    def values_of(line: int, record: Mapping[str, Any]) -> tuple[dict[str, float | None], dict[str, str]]:
        values: dict[str, float | None] = {}
        for column, codes in columns:
            try:
                values[column.parameter] = _value(column, record[column.column], codes, only_finite=only_finite)
            except ValueError as error:
                if tell is None:
                    raise
                tell(line, error)
        return values, {parameter: text for parameter, column in labelled if (text := _text(record[column])) not in unlabelled}

    return values_of


def _long(series_map: SeriesMap, long: LongMap, only_finite: bool) -> Values:
    """A value a row: which parameter it is of stands in the row, and perhaps in which unit."""
    missing = missing_codes(series_map.missing)
    columns = {column.column: (column, missing | missing_codes(column.missing)) for column in series_map.columns}
    unlabelled = frozenset(series_map.unlabelled)
    factors: dict[tuple[str, str], Conversion] = {}

    def values_of(line: int, record: Mapping[str, Any]) -> tuple[dict[str, float | None], dict[str, str]]:
        text = _text(record[long.parameter])
        known = columns.get(text)
        if known is None and text.endswith(RAW_SUFFIX):
            known = _as_measured(text, columns)
            if known is not None:
                columns[text] = known
        if known is None:
            raise ValueError(f"column {long.parameter!r}: the map knows no parameter {text[:40]!r}{did_you_mean(text, columns)}")
        column, codes = known
        value = _value(column, record[long.value], codes, only_finite=only_finite, name=long.value)
        if long.unit is not None and value is not None and (unit := _text(record[long.unit]) or column.unit) != column.unit:
            key = column.parameter, unit
            if key not in factors:
                factors[key] = _between(unit, column)
            factor, offset = factors[key]
            value = value * factor + offset
        label = "" if column.label is None else _text(record[column.label])
        return {column.parameter: value}, {column.parameter: label} if column.label and label not in unlabelled else {}

    return values_of


def _as_measured(text: str, columns: Mapping[str, Known]) -> Known | None:
    """`pm25_raw` beside `pm25`, where the map calls parameters by their ids and canonical units: what corrections left of it."""
    base = columns.get(text.removesuffix(RAW_SUFFIX))
    if base is None or base[0].column != base[0].parameter or base[0].unit != catalogue()[base[0].parameter].unit:
        return None
    return base[0].model_copy(update={"column": text, "parameter": text}), base[1]


def _between(unit: str, column: ColumnMap) -> Conversion:
    """From the unit that a row says to the one that the map says of its parameter. Raises UnitError, a ValueError."""
    parameter = catalogue()[column.parameter]
    (factor, offset), (back, shift) = conversion(unit, parameter), conversion(column.unit, parameter)
    return Conversion(factor / back, (offset - shift) / back)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def missing_codes(codes: list[str]) -> frozenset[str | float]:
    """Codes as text and, where they are numbers, as numbers: -999 also covers -999.0."""
    known: set[str | float] = {""}
    for code in codes:
        known.add(code)
        try:
            known.add(float(code))
        except ValueError:
            continue
    return frozenset(known)


def _value(
    column: ColumnMap, cell: Any, missing: frozenset[str | float], *, only_finite: bool = True, name: str | None = None
) -> float | None:
    name = column.column if name is None else name
    text = _text(cell)
    if text in missing:
        return None
    if text in column.codes:
        return column.codes[text]
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"column {name!r}: {text[:40]!r} is not a number (nor a missing code of the map)") from None
    if value in missing:
        return None
    if not math.isfinite(value):
        if not only_finite:
            return None
        raise ValueError(f"column {name!r}: {text[:40]!r} is not a finite number")
    return value


def time_reader(time_map: TimeMap) -> Callable[[Mapping[str, Any], int | None], int]:
    """What makes a row's instant (ms) of its cells, given the one before at its station. Raises ValueError."""
    zone = time_map.tz
    only = time_map.columns[0] if len(time_map.columns) == 1 else None

    def instant_of(record: Mapping[str, Any], previous_ms: int | None) -> int:
        cell = record[only] if only is not None else " ".join(_text(record[column]) for column in time_map.columns)
        if isinstance(cell, datetime):
            return _to_ms(cell, zone, previous_ms)
        text = _text(cell)
        try:
            if time_map.format == "epoch-ms":
                return int(text)
            if time_map.format == "epoch-s":
                return round(float(text) * 1000)
            when = datetime.fromisoformat(text) if time_map.format == "iso" else datetime.strptime(text, time_map.format)
        except ValueError:
            raise ValueError(f"time {text[:40]!r} is not of the form {time_map.format!r}") from None
        return _to_ms(when, zone, previous_ms)

    return instant_of


def _to_ms(when: datetime, zone: tzinfo, previous_ms: int | None) -> int:
    """Epoch ms of a local time. The hour that daylight saving repeats is the second one if the first has passed."""
    if when.tzinfo is None:
        local = when.replace(tzinfo=zone)
        instant = local.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != when:
            raise ValueError(f"time {when.isoformat(' ')} does not exist in {zone}: the clock was put forward over it")
        if previous_ms is not None and _ms(instant) <= previous_ms:
            instant = local.replace(fold=1).astimezone(UTC)
    else:
        instant = when.astimezone(UTC)
    return _ms(instant)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ms(instant: datetime) -> int:
    delta = instant - _EPOCH  # exact integers: float seconds would round some milliseconds
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def _read_usgs(path: Path, series_map: SeriesMap) -> Iterator[SeriesRow]:
    """WaterML-JSON of the USGS instantaneous-values service: several sites and variables, merged by site and time."""
    try:
        document = orjson.loads(path.read_bytes())
        series = document["value"]["timeSeries"]
    except OSError as error:
        raise SeriesError(f"{path}: this file cannot be read: {error}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise SeriesError(f"{path}: this is not an answer of the USGS instantaneous-values service: {error!r}") from error
    columns = {column.column: column for column in series_map.columns}
    merged: dict[tuple[str, int], SeriesRow] = {}
    held: dict[str, list[str]] = {}
    for index, one in enumerate(series):
        try:
            _merge_usgs(one, series_map, columns, merged, held)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SeriesError(f"{path}: value.timeSeries[{index}]: {error!r}") from error
    for key in sorted(merged):
        row = merged[key]
        # Every row names every parameter that the file holds for its station, so that gaps are seen as gaps.
        yield row._replace(values={parameter: row.values.get(parameter) for parameter in held[row.station]})


def _merge_usgs(
    one: dict[str, Any],
    series_map: SeriesMap,
    columns: dict[str, ColumnMap],
    merged: dict[tuple[str, int], SeriesRow],
    held: dict[str, list[str]],
) -> None:
    column = columns.get(one["variable"]["variableCode"][0]["value"])
    if column is None:
        return
    station = series_map.station.name or slug(series_map.station.prefix + one["sourceInfo"]["siteCode"][0]["value"])
    if column.parameter not in held.setdefault(station, []):
        held[station].append(column.parameter)
    no_data = one["variable"].get("noDataValue")
    missing = missing_codes([*series_map.missing, *column.missing, *([] if no_data is None else [str(no_data)])])
    for block in one["values"]:
        for item in block["value"]:
            time_ms = _to_ms(datetime.fromisoformat(item["dateTime"]), series_map.time.tz, None)
            row = merged.setdefault((station, time_ms), SeriesRow(time_ms, station, {}, {}, 0))
            row.values[column.parameter] = _value(column, item["value"], missing)
            qualifiers = item.get("qualifiers") or []
            text = qualifiers if isinstance(qualifiers, str) else ",".join(qualifiers)
            if text not in series_map.unlabelled:
                row.labels[column.parameter] = text
