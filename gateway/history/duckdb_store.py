"""The file of the embedded history: its tables, appending to it, and tidying it. Synchronous, one thread.

    series   id ↔ (medium, station, device, area, parameter): texts are stored once
    reading  (series, time_ms, value, flag, revision): only ever appended to; of one series and time the highest
             revision counts. An upsert on a key would cost three times as much and twenty times the space
    about    one row: schema version, the lane's cursor, the last revision given, how far `compact` has looked

A batch and the cursor that it moves are one transaction: after `kill -9` either both are there or neither.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from devices.reading import Line
from gateway.errors import EnvgwError
from gateway.history.base import RefusedLine

SCHEMA = 1
_MOST_SERIES = 200_000
"""Series whose numbers are held in memory (about 150 bytes each); more are looked up again."""
_CHECKPOINT_BYTES = 8 * 1024**2
"""The write-ahead log is folded into the file when it is this large: it is also what a start must read again."""
_SPILL = "4GB"
"""Most disk that sorting a large answer may take, beside the file."""
_LARGEST = sys.float_info.max
_LAST_MS = 2**62

_TABLES = f"""
CREATE TABLE about (schema_version INTEGER NOT NULL, upto BIGINT NOT NULL, revision BIGINT NOT NULL, compacted BIGINT NOT NULL);
INSERT INTO about VALUES ({SCHEMA}, 0, 0, 0);
CREATE TABLE series (
    id INTEGER NOT NULL, medium VARCHAR NOT NULL, station VARCHAR NOT NULL,
    device VARCHAR NOT NULL, area VARCHAR NOT NULL, parameter VARCHAR NOT NULL
);
CREATE TABLE reading (
    series INTEGER NOT NULL, time_ms BIGINT NOT NULL, value DOUBLE, flag UTINYINT NOT NULL, revision BIGINT NOT NULL
);
CREATE VIEW readings AS
    SELECT epoch_ms(time_ms) AS time, station, device, area, medium, parameter, value, flag
    FROM reading JOIN series ON series.id = reading.series
    QUALIFY row_number() OVER (PARTITION BY station, device, medium, parameter, time_ms ORDER BY revision DESC) = 1;
"""


class Locked(EnvgwError):
    """Another process has the file open: DuckDB then lets nobody else in, not even to read."""


class DuckStore:
    """An open file. Raises `EnvgwError` when it cannot be opened, `duckdb.Error` from everything else."""

    def __init__(self, path: Path, *, memory_limit: int, threads: int, read_only: bool = False) -> None:
        self.path = path
        self.connection = _connect(path, memory_limit, threads, read_only)
        self._series: dict[tuple[str, str, str, str], dict[str, int]] = {}
        self._held = 0
        self._new_series: list[tuple[int, str, str, str, str, str]] = []
        try:
            if not read_only:
                self._create()
            version, self.upto, self._revision = self.connection.execute("SELECT schema_version, upto, revision FROM about").fetchall()[0]
        except duckdb.Error as error:
            self.close()
            raise EnvgwError(f"{path} is not a history that envgw can use: {error}") from error
        if version > SCHEMA:
            self.close()
            raise EnvgwError(f"{path} was written by a newer envgw (schema {version}, this one knows {SCHEMA}): update envgw")
        self._appender = None if read_only else self.connection.appender("reading")
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
        connection, appender = self.connection, self._appender
        if appender is None:
            raise EnvgwError(f"{self.path} is open for reading only")
        connection.begin()
        try:
            rows, refused = self._rows(lines)
            if self._new_series:
                added = connection.appender("series")
                added.append_rows(self._new_series)
                added.flush()
                self._new_series.clear()
            if rows:
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

    def _rows(self, lines: Sequence[Line]) -> tuple[list[tuple[int, int, float | None, int, int]], list[RefusedLine]]:
        rows: list[tuple[int, int, float | None, int, int]] = []
        refused: list[RefusedLine] = []
        known = self._series
        revision = self._revision
        for line in lines:
            revision += 1
            if line.notes and not line.values:
                continue  # what happened to alerts is asked of the ledger, which is beside this file
            time_ms = line.time_ms
            ids = known.get((line.medium, line.station, line.device, line.area))
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
                if len(rows) == start:
                    raise ValueError("the line has no values")
            except (ValueError, TypeError) as error:
                del rows[start:]
                refused.append(RefusedLine(line, str(error)))
        return rows, refused

    def compact(self, most_rows: int = 200_000) -> int:
        """Delete readings that a later revision replaced; returns how many.

        Looks at the next `most_rows` rows at most that no earlier call has looked at, which bounds memory and time,
        so it can be called every few minutes for ever. Space is given back to the file by the checkpoint.
        """
        connection = self.connection
        connection.begin()
        try:
            (looked,) = connection.execute("SELECT compacted FROM about").fetchall()[0]
            (upper, first_ms, last_ms) = connection.execute(
                "SELECT max(revision), min(time_ms), max(time_ms) FROM "
                "(SELECT revision, time_ms FROM reading WHERE revision > ? ORDER BY revision LIMIT ?)",
                [looked, most_rows],
            ).fetchall()[0]
            if upper is None:
                connection.rollback()
                return 0
            (deleted,) = connection.execute(
                "DELETE FROM reading USING (SELECT series, time_ms, max(revision) AS newest FROM reading "
                "WHERE revision > $looked AND revision <= $upper GROUP BY ALL) AS late "
                "WHERE reading.series = late.series AND reading.time_ms = late.time_ms AND reading.revision < late.newest "
                "AND reading.time_ms BETWEEN $first AND $last",
                {"looked": looked, "upper": upper, "first": first_ms, "last": last_ms},
            ).fetchall()[0]
            connection.execute("UPDATE about SET compacted = ?", [upper])
            connection.commit()
        except BaseException:
            self._undo()
            raise
        if deleted:
            try:
                connection.checkpoint()
            except duckdb.TransactionException:
                pass  # a query is reading the old rows; a later checkpoint takes them
        return int(deleted)

    def rewind(self, upto: int) -> None:
        """Set the cursor, for a ledger that starts again with lower numbers (a new one, or restored from a backup)."""
        self.connection.execute("UPDATE about SET upto = ?", [upto])
        self.upto = upto

    def close(self) -> None:
        self.connection.close()

    def _create(self) -> None:
        if not self.connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'about'").fetchall():
            self.connection.execute(f"BEGIN; {_TABLES} COMMIT;")

    def _load_series(self) -> None:
        rows = self.connection.execute(
            "SELECT id, medium, station, device, area, parameter FROM series ORDER BY id DESC LIMIT ?", [_MOST_SERIES]
        ).fetchall()
        self._next_series = rows[0][0] + 1 if rows else 1
        self._series.clear()
        self._held = len(rows)
        for number, medium, station, device, area, parameter in rows:
            self._series.setdefault((medium, station, device, area), {})[parameter] = number

    def _find_series(self, line: Line) -> dict[str, int]:
        """The numbers of one device's parameters, from the file or none yet. Raises ValueError for impossible texts."""
        key = (line.medium, line.station, line.device, line.area)
        for what, text in zip(("medium", "station", "device", "area"), key, strict=True):
            _legal(what, text, may_be_empty=what == "area")
        if self._next_series <= _MOST_SERIES:  # all there are were read when the file was opened
            return self._series.setdefault(key, {})
        if self._held >= _MOST_SERIES:
            self._series.clear()
            self._held = 0
        found = self.connection.execute(
            "SELECT parameter, id FROM series WHERE medium = ? AND station = ? AND device = ? AND area = ?", list(key)
        ).fetchall()
        found += [(new[5], new[0]) for new in self._new_series if new[1:5] == key]
        self._series[key] = ids = dict(found)
        self._held += len(ids)
        return ids

    def _add_series(self, line: Line, parameter: str, ids: dict[str, int]) -> int:
        _legal("parameter", parameter)
        number = self._next_series
        self._new_series.append((number, line.medium, line.station, line.device, line.area, parameter))
        self._next_series += 1
        self._held += 1
        ids[parameter] = number
        return number

    def _undo(self) -> None:
        """Back to the last commit, also in what is remembered of it."""
        self._new_series.clear()
        self.connection.rollback()
        self._appender = self.connection.appender("reading")
        self._load_series()


def _legal(what: str, text: str, *, may_be_empty: bool = False) -> None:
    if not text and not may_be_empty:
        raise ValueError(f"{what} is empty")
    text.encode()  # UnicodeEncodeError is a ValueError: half a surrogate pair cannot be stored


def _connect(path: Path, memory_limit: int, threads: int, read_only: bool) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit}B",
        "threads": threads,
        "checkpoint_threshold": f"{_CHECKPOINT_BYTES}B",
        "max_temp_directory_size": _SPILL,
        # Nothing may be fetched from elsewhere, whatever stands in a query.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if read_only and not path.exists():
        raise EnvgwError(f"there is no history at {path} yet: a gateway that runs with this configuration makes it")
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
        connection.execute("SET enable_progress_bar = false")  # a slow answer would draw it into our standard output
        return connection
    except (duckdb.Error, OSError) as error:
        if "lock" in str(error).lower():
            raise Locked(f"{path} is in use by another process, most likely a running gateway ({error}): ask its API instead") from error
        raise EnvgwError(f"the history {path} cannot be opened: {error}") from error
