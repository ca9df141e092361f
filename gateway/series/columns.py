"""A series file as columns: per station its times, and per parameter its values in the canonical unit.

What `read_series` gives row by row, for work that takes a series as a whole (`envgw quality`, `envgw index`): a year of minute
data is half a million rows. CSV is read in blocks of rows whose columns are converted at once; whatever does not fit that (a
missing code, an hour of a clock change) goes cell by cell through the functions of `read_series`, so that both say the same.

One thing differs: infinities and NaN are no errors here but missing values, as QARTOD counts them.
"""

from __future__ import annotations

import csv
import gc
import re
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isfinite, nan
from pathlib import Path
from typing import Any

from devices.loader import catalogue
from devices.units import Conversion, conversion
from gateway.series.maps import ColumnMap, SeriesError, SeriesMap, TimeMap
from gateway.series.read import is_parquet, missing_codes, read_series, require, station_id, time_reader, unreadable, wanted

_BLOCK = 10_000
"""Rows converted at once: a few MB of text."""
_LONGEST_CACHE = 20_000


class Columns:
    """The readings of one station (or of one device of it), in the order of the file."""

    __slots__ = ("labels", "station", "times", "values")

    def __init__(self, station: str, parameters: Sequence[str]) -> None:
        self.station = station
        self.times: array[int] = array("q")
        """ms since the epoch."""
        self.values: dict[str, array[float]] = {parameter: array("d") for parameter in parameters}
        """Parameter → values in its canonical unit, one for each time; NaN: missing."""
        self.labels: dict[str, dict[int, str]] = {}
        """Parameter → position → label, where there is one."""


def read_columns(path: str | Path, series_map: SeriesMap) -> list[Columns]:
    """Every station of a file. Raises `SeriesError` that names file and line."""
    path = Path(path)
    if series_map.format != "usgs-json" and series_map.long is None:
        return _parquet(path, series_map) if is_parquet(path, series_map) else _csv(path, series_map)
    found: dict[tuple[str, ...], Columns] = {}
    convert = {column.parameter: _conversion(column) for column in series_map.columns}
    for row in read_series(path, series_map, only_finite=False):
        # One value a row: parameters need not share their times, and each is a series of its own.
        key = (row.station,) if series_map.long is None else (row.station, row.device, *row.values)
        columns = found.get(key)
        if columns is None:
            columns = found[key] = Columns(row.station, list(row.values))
        at = len(columns.times)
        columns.times.append(row.time_ms)
        for parameter, value in row.values.items():
            factor, offset = convert[parameter]
            columns.values[parameter].append(nan if value is None else value * factor + offset)
        for parameter, label in row.labels.items():
            columns.labels.setdefault(parameter, {})[at] = label
    return list(found.values())


def _conversion(column: ColumnMap) -> Conversion:
    return conversion(column.unit, catalogue()[column.parameter])


def _csv(path: Path, series_map: SeriesMap) -> list[Columns]:
    collecting = gc.isenabled()
    gc.disable()  # a block's rows are in no cycle; looking for some among them takes a third of the time
    try:
        with path.open(encoding=series_map.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=series_map.delimiter)
            header = next(reader, None)
            if header is None:
                raise SeriesError(f"{path}: the file is empty")
            require(path, series_map, header)
            into = _Block(path, series_map, header)
            for lines, rows in _blocks(reader):
                into.add(lines, rows)
            return list(into.stations.values())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, series_map, error) from error
    finally:
        if collecting:
            gc.enable()


def _parquet(path: Path, series_map: SeriesMap) -> list[Columns]:
    """DuckDB writes the cells as text, which the blocks of a CSV take several times faster than Python values one by one."""
    import duckdb  # 30 ms of import that a CSV does not need

    try:
        with duckdb.connect(config={"memory_limit": "256MB", "threads": 1, "preserve_insertion_order": True}) as connection:
            types = {name: of for name, of, *_ in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()}
            require(path, series_map, list(types))
            header, time = wanted(series_map), series_map.time
            if len(time.columns) == 1 and types[time.columns[0]].startswith("TIMESTAMP"):
                instants = {"format": "iso", "zone": "UTC" if types[time.columns[0]].endswith("TIME ZONE") else time.zone}
                time = TimeMap.model_validate({**time.model_dump(), **instants})
                series_map = series_map.model_copy(update={"time": time})
            cells = ", ".join(_as_text(name, types[name]) for name in header)
            relation = connection.execute(f"SELECT {cells} FROM read_parquet(?)", [str(path)])
            into, number = _Block(path, series_map, header), 1
            while rows := relation.fetchmany(_BLOCK):
                into.add(range(number, number + len(rows)), rows)
                number += len(rows)
            return list(into.stations.values())
    except duckdb.Error as error:
        raise SeriesError(f"{path}: this Parquet file cannot be read: {error}") from error


def _as_text(name: str, kind: str) -> str:
    """SQL for a column's cells as text: instants as ISO in their own zone's clock (UTC if they have one), nothing as empty."""
    column = '"' + name.replace('"', '""') + '"'
    if kind.startswith("TIMESTAMP"):
        stamp = f"make_timestamp(epoch_us({column}))" if kind.endswith("TIME ZONE") else f"CAST({column} AS TIMESTAMP)"
        text = f"strftime({stamp}, '%Y-%m-%d %H:%M:%S.%g')"
    else:
        text = f"CAST({f'CAST({column} AS DOUBLE)' if kind == 'FLOAT' else column} AS VARCHAR)"
    return f"coalesce({text}, '')"


def _blocks(reader: Any) -> Iterator[tuple[list[int], list[list[str]]]]:
    """(line numbers, cells) of the rows that are not empty, `_BLOCK` at a time."""
    lines: list[int] = []
    rows: list[list[str]] = []
    for cells in reader:
        if cells and (cells[0] or any(cells)):
            lines.append(reader.line_num)
            rows.append(cells)
            if len(rows) == _BLOCK:
                yield lines, rows
                lines, rows = [], []
    if rows:
        yield lines, rows


class _Block:
    """Takes blocks of rows into the columns of their stations."""

    def __init__(self, path: Path, series_map: SeriesMap, header: list[str]) -> None:
        self.stations: dict[str, Columns] = {}
        self._path, self._map = path, series_map
        place = {name: at for at, name in enumerate(header)}
        self._columns = [(column, place[column.column], _Number(column, series_map.missing)) for column in series_map.columns]
        self._labels = [(column.parameter, column.label, place[column.label]) for column in series_map.columns if column.label]
        self._time = [(name, place[name]) for name in series_map.time.columns]
        self._station = None if series_map.station.column is None else place[series_map.station.column]
        self._needed = sorted(
            [(at, name) for name, at in self._time]
            + [(at, column.column) for column, at, _ in self._columns]
            + [(at, label) for _, label, at in self._labels]
            + ([] if self._station is None else [(self._station, series_map.station.column or "")])
        )
        self._instant = Instants(series_map.time)
        self._names: dict[str, str] = {}
        self._unlabelled = frozenset(series_map.unlabelled)

    def add(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
        last = self._needed[-1][0]
        if min(map(len, rows)) <= last:
            short = next(at for at, cells in enumerate(rows) if len(cells) <= last)
            absent = next(name for at, name in self._needed if at >= len(rows[short]))
            raise self._problem(lines[short], f"the line ends before column {absent!r}")
        for station, here in self._by_station(lines, rows).items():
            mine, numbers = (rows, lines) if here is None else ([rows[at] for at in here], [lines[at] for at in here])
            self._take(station, numbers, mine)

    def _by_station(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> dict[str, list[int] | None]:
        """Station → which rows are its own; None: all."""
        if self._station is None:
            return {self._map.station.name or "": None}
        found: dict[str, list[int]] = {}
        for at, cells in enumerate(rows):
            text = cells[self._station]
            name = self._names.get(text)
            if name is None:
                name = self._names[text] = station_id(self._map.station, text)
                if not name:
                    raise self._problem(lines[at], f"column {self._map.station.column!r} names no station")
            found.setdefault(name, []).append(at)
        return {name: None if len(here) == len(rows) else here for name, here in found.items()}

    def _take(self, station: str, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
        columns = self.stations.get(station)
        if columns is None:
            columns = self.stations[station] = Columns(station, self._map.parameters)
        before = len(columns.times)
        table: list[Sequence[str]] = list(zip(*rows, strict=False))  # the columns, as far as every row goes
        texts = [table[at] for _, at in self._time]
        try:
            columns.times.extend(self._instant.all(texts, columns.times[-1] if before else None))
        except _BadCell as bad:
            raise self._problem(lines[bad.at], bad.why) from None
        for column, at, number in self._columns:
            try:
                columns.values[column.parameter].extend(number.all(table[at]))
            except _BadCell as bad:
                raise self._problem(lines[bad.at], bad.why) from None
        for parameter, _, at in self._labels:
            cells_of = table[at]
            if set(cells_of) <= self._unlabelled:
                continue
            labels = columns.labels.setdefault(parameter, {})
            for number_of_row, text in enumerate(cells_of, before):
                if (label := text.strip()) not in self._unlabelled:
                    labels[number_of_row] = label

    def _problem(self, line: int, why: str) -> SeriesError:
        return SeriesError(f"{self._path}:{line}: {why}")


class _BadCell(Exception):
    """One cell of a block cannot be read."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at, self.why = at, why


class _Number:
    """Cells of one column → canonical values, NaN where there is none."""

    def __init__(self, column: ColumnMap, missing: list[str]) -> None:
        self._column = column
        codes = missing_codes(missing) | missing_codes(column.missing)
        self._texts = {text: nan for text in codes if isinstance(text, str)} | dict(column.codes)
        self._numbers = frozenset(code for code in codes if isinstance(code, float))
        self._codes = frozenset(column.codes)
        self._factor, self._offset = _conversion(column)

    def all(self, cells: Sequence[str]) -> list[float]:
        """Raises `_BadCell`."""
        try:
            found = list(map(float, cells))
        except ValueError:
            found = [self._one(at, cell) for at, cell in enumerate(cells)]
        else:
            if self._codes and not self._codes.isdisjoint(cells):  # a code that looks like a number and is another
                found = [self._one(at, cell) for at, cell in enumerate(cells)]
        numbers = self._numbers
        if numbers and not numbers.isdisjoint(found):
            found = [nan if value in numbers else value for value in found]
        factor, offset = self._factor, self._offset
        if factor != 1.0 or offset != 0.0:
            found = [value * factor + offset for value in found]
        if not isfinite(sum(found)):
            found = [value if isfinite(value) else nan for value in found]
        return found

    def _one(self, at: int, cell: str) -> float:
        text = cell.strip()
        known = self._texts.get(text)
        if known is not None:
            return known
        try:
            return float(text)
        except ValueError:
            raise _BadCell(at, f"column {self._column.column!r}: {text[:40]!r} is not a number (nor a missing code of the map)") from None


_CLOCK = re.compile(r"[ T]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_PLAIN = ("iso", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


class Instants:
    """Time cells → ms. Of plain `2024-01-31 13:45…` the hour and what follows it are each looked up: most rows share them.

    An hour is only remembered if its zone's offset is one throughout; others, and every other form, go the slow way.
    """

    def __init__(self, time_map: TimeMap) -> None:
        self._slow = time_reader(time_map)
        self._names = time_map.columns
        self._zone = time_map.tz
        self._plain = time_map.format in _PLAIN
        self._hours: dict[str, int] = {}
        self._tails: dict[str, int] = {}

    def all(self, columns: Sequence[Sequence[str]], previous: int | None) -> list[int]:
        """Of the cells of the time's columns. Raises `_BadCell`."""
        if self._plain:
            texts = columns[0] if len(columns) == 1 else [" ".join(row) for row in zip(*columns, strict=True)]
            hours, tails = self._hours, self._tails
            try:
                return [hours[text[:13]] + tails[text[13:]] for text in texts]
            except KeyError:
                pass
        found = []
        for at, row in enumerate(zip(*columns, strict=True)):
            try:
                previous = self._one(row, previous)
            except ValueError as error:
                raise _BadCell(at, str(error)) from None
            found.append(previous)
        return found

    def _one(self, row: tuple[str, ...], previous: int | None) -> int:
        if not self._plain:
            return self._slow(dict(zip(self._names, row, strict=True)), previous)
        text = row[0] if len(row) == 1 else " ".join(row)
        hour, tail = self._hours.get(text[:13]), self._tails.get(text[13:])
        if hour is not None and tail is not None:
            return hour + tail
        instant = self._slow(dict(zip(self._names, row, strict=True)), previous)
        if _CLOCK.fullmatch(text[10:]) and _DATE.match(text):
            self._remember(text, instant)
        return instant

    def _remember(self, text: str, instant: int) -> None:
        hour, tail = text[:13], text[13:]
        into_hour = int(tail[1:3]) * 60_000
        if len(tail) > 3:
            seconds, _, fraction = tail[4:].replace(",", ".").partition(".")
            into_hour += int(seconds) * 1000 + int(fraction[:3].ljust(3, "0"))
        if len(self._tails) > _LONGEST_CACHE:
            self._tails.clear()
        self._tails[tail] = into_hour
        begins = datetime.fromisoformat(hour + ":00").replace(tzinfo=self._zone)
        ends = begins.replace(minute=59)
        if len({moment.replace(fold=fold).utcoffset() for moment in (begins, ends) for fold in (0, 1)}) == 1:
            if len(self._hours) > _LONGEST_CACHE:
                self._hours.clear()
            self._hours[hour] = instant - into_hour
