"""Appending to the file of the embedded history. Synchronous, one thread. Its tables: `duckdb_schema`.

A batch and the cursor that it moves are one transaction: after `kill -9` either both are there or neither.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from devices.reading import Line
from gateway.errors import EnvgwError
from gateway.history import duckdb_tidy
from gateway.history.base import RefusedLine, is_summary, split_note
from gateway.history.duckdb_schema import opened

_MOST_SERIES = 200_000
"""Series whose numbers are held in memory (about 150 bytes each); more are looked up again."""
_LARGEST = sys.float_info.max
_LAST_MS = 2**62

_Key = tuple[str, str, str, str]
"""Medium, station, device, area."""
_Value = tuple[int, int, float | None, int, int]
_Note = tuple[int, int, str, float | None, str | None, int]


class _Rows(NamedTuple):
    """A batch, by the table that it goes into."""

    reading: list[_Value]
    summary: list[_Value]
    note: list[_Note]


class DuckStore:
    """An open file. Raises `EnvgwError` when it cannot be opened, `duckdb.Error` from everything else."""

    def __init__(self, path: Path, *, memory_limit: int, threads: int, read_only: bool = False) -> None:
        self.path = path
        self.connection = opened(path, memory_limit=memory_limit, threads=threads, read_only=read_only)
        self._series: dict[_Key, dict[str, int]] = {}
        self._own: dict[_Key, int] = {}
        self._held = 0
        self._new_series: list[tuple[int, str, str, str, str, str]] = []
        self.upto, self._revision = self.connection.execute("SELECT upto, revision FROM about").fetchall()[0]
        self._writable = not read_only
        self._appenders: dict[str, duckdb.Appender] = {}
        self._load_series()

    def append(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        """Write these lines and set the cursor to `upto`, in one transaction; nothing if the cursor is there already."""
        if upto <= self.upto:
            # A crash came between this commit and the lane's note of it: what was refused then must still be told.
            _, refused = self._rows(lines)
            if self._new_series:
                self._new_series.clear()
                self._load_series()
            return refused
        connection = self.connection
        if not self._writable:
            raise EnvgwError(f"{self.path} is open for reading only")
        connection.begin()
        try:
            batch, refused = self._rows(lines)
            if self._new_series:
                added = connection.appender("series")
                added.append_rows(self._new_series)
                added.flush()
                self._new_series.clear()
            for table, rows in batch._asdict().items():
                if rows:
                    appender = self._appenders.get(table) or self._appenders.setdefault(table, connection.appender(table))
                    appender.append_rows(rows)
                    appender.flush()
            revision = self._revision + len(lines)
            connection.execute("UPDATE about SET upto = ?, revision = ?", [upto, revision])
            connection.commit()
        except BaseException:
            self._undo()
            raise
        self.upto, self._revision = upto, revision
        return refused

    def _rows(self, lines: Sequence[Line]) -> tuple[_Rows, list[RefusedLine]]:
        readings: list[_Value] = []
        summaries: list[_Value] = []
        notes: list[_Note] = []
        refused: list[RefusedLine] = []
        known = self._series
        revision = self._revision
        rows, medium = readings, ""
        for line in lines:
            revision += 1
            if line.medium != medium:
                medium = line.medium
                rows = summaries if is_summary(medium) else readings
            time_ms = line.time_ms
            ids = known.get((medium, line.station, line.device, line.area))
            start = len(rows)
            try:
                if not -_LAST_MS < time_ms < _LAST_MS:
                    raise ValueError(f"time {time_ms} ms is out of range")
                if ids is None:
                    ids = self._find_series(line)
                for value in line.values:
                    number, flag = value.value, value.flag
                    if number is not None and not -_LARGEST <= number <= _LARGEST:
                        raise ValueError(f"{value.parameter} is {number}: only finite numbers can be stored")
                    if not 0 <= flag <= 255:
                        raise ValueError(f"{value.parameter} has flag {flag}, which is not one")
                    series = ids.get(value.parameter)
                    if series is None:
                        series = self._add_series(line, value.parameter, ids)
                    rows.append((series, time_ms, number, flag, revision))
                if line.notes:
                    notes += self._notes(line, ids, revision)
                elif len(rows) == start:
                    raise ValueError("the line has no values")
            except (ValueError, TypeError) as error:
                del rows[start:]
                refused.append(RefusedLine(line, str(error)))
        return _Rows(readings, summaries, notes), refused

    def _notes(self, line: Line, ids: dict[str, int], revision: int) -> list[_Note]:
        """The fields of one line that are no readings."""
        rows: list[_Note] = []
        for name, content in line.notes:
            parameter, what = split_note(line.medium, name)
            _legal("field", what)
            series = ids.get(parameter) if parameter else self._own.get((line.medium, line.station, line.device, line.area))
            if series is None:
                series = self._add_series(line, parameter, ids, own=not parameter)
            if isinstance(content, str):
                content.encode()
                rows.append((series, line.time_ms, what, None, content, revision))
            elif -_LARGEST <= content <= _LARGEST:
                rows.append((series, line.time_ms, what, float(content), None, revision))
            else:
                raise ValueError(f"{name} is {content}: only finite numbers can be stored")
        return rows

    def compact(self, most_rows: int = 200_000) -> int:
        """Delete values that a later revision replaced, then take a step of sorting older ones: see `duckdb_tidy`."""
        try:
            deleted = duckdb_tidy.compact(self.connection, most_rows)
            duckdb_tidy.seal(self.connection)
        except BaseException:
            self._undo()
            raise
        return deleted

    def expire(self, before_ms: int) -> int:
        """Delete a bounded number of raw readings of days that ended before: see `duckdb_tidy`. Returns how many."""
        try:
            return duckdb_tidy.expire(self.connection, duckdb_tidy.day_of(before_ms))
        except BaseException:
            self._undo()
            raise

    def rewind(self, upto: int) -> None:
        """Set the cursor, for a ledger that starts again with lower numbers (a new one, or restored from a backup)."""
        self.connection.execute("UPDATE about SET upto = ?", [upto])
        self.upto = upto

    def close(self) -> None:
        self.connection.close()

    def _load_series(self) -> None:
        rows = self.connection.execute(
            "SELECT id, medium, station, device, area, parameter FROM series ORDER BY id DESC LIMIT ?", [_MOST_SERIES]
        ).fetchall()
        self._next_series = rows[0][0] + 1 if rows else 1
        self._series.clear()
        self._own.clear()
        self._held = len(rows)
        for number, medium, station, device, area, parameter in rows:
            key = (medium, station, device, area)
            if parameter:
                self._series.setdefault(key, {})[parameter] = number
            else:
                self._own[key] = number

    def _find_series(self, line: Line) -> dict[str, int]:
        """The numbers of one device's parameters, from the file or none yet. Raises ValueError for impossible texts."""
        key = (line.medium, line.station, line.device, line.area)
        for what, text in zip(("medium", "station", "device", "area"), key, strict=True):
            _legal(what, text, may_be_empty=what == "area")
        if self._next_series <= _MOST_SERIES:  # all there are were read when the file was opened
            return self._series.setdefault(key, {})
        if self._held >= _MOST_SERIES:
            self._series.clear()
            self._own.clear()
            self._held = 0
        found = self.connection.execute(
            "SELECT parameter, id FROM series WHERE medium = ? AND station = ? AND device = ? AND area = ?", list(key)
        ).fetchall()
        found += [(new[5], new[0]) for new in self._new_series if new[1:5] == key]
        self._series[key] = ids = dict(found)
        if "" in ids:
            self._own[key] = ids.pop("")
        self._held += len(found)
        return ids

    def _add_series(self, line: Line, parameter: str, ids: dict[str, int], *, own: bool = False) -> int:
        """A new one. `own`: the line's, whose parameter is empty, for what is said of no reading."""
        _legal("parameter", parameter, may_be_empty=own)
        number = self._next_series
        self._new_series.append((number, line.medium, line.station, line.device, line.area, parameter))
        self._next_series += 1
        self._held += 1
        if own:
            self._own[line.medium, line.station, line.device, line.area] = number
        else:
            ids[parameter] = number
        return number

    def _undo(self) -> None:
        """Back to the last commit, also in what is remembered of it."""
        self._new_series.clear()
        self._appenders.clear()
        with contextlib.suppress(duckdb.TransactionException):  # there may be none: what failed was a question
            self.connection.rollback()
        self._load_series()


def _legal(what: str, text: str, *, may_be_empty: bool = False) -> None:
    if not text and not may_be_empty:
        raise ValueError(f"{what} is empty")
    text.encode()  # UnicodeEncodeError is a ValueError: half a surrogate pair cannot be stored
