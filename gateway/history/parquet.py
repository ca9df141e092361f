"""Readings as a Parquet file, whatever their number: rows gather in a DuckDB file on disk, which then writes them in row groups.

The columns are those of `gateway.history.query.COLUMNS`; times are instants (UTC, to the millisecond), strings are kept as
dictionaries, and what must be known of the file (units, source, licence) stands in its key-value metadata under `envgw`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import orjson

from gateway.errors import EnvgwError
from gateway.history.base import INDEX_NOTES, StoredReading
from gateway.history.rows import cells, row_of

_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "64MB", "threads": 1}
_TABLE = (
    "CREATE TABLE answer (time_ms BIGINT, station VARCHAR, device VARCHAR, area VARCHAR, medium VARCHAR, parameter VARCHAR, "
    "value DOUBLE, unit VARCHAR, flag UTINYINT{further})"
)
_FURTHER = dict.fromkeys(INDEX_NOTES, "VARCHAR") | {"count": "BIGINT", "worst": "UTINYINT", "final": "BOOLEAN"}
"""Further columns that are no DOUBLE."""
_MADE = "SELECT make_timestamptz(time_ms * 1000) AS time, * EXCLUDE (time_ms) FROM answer"
_KEY = "envgw"


class ParquetMaker:
    """`add` rows, then `write` them to a file. Rows come out in the order in which they came in.

    Raises `EnvgwError` if the disk of `folder` (default: the system's folder for temporary files) cannot take them.
    """

    def __init__(self, unit_of: Callable[[str], str], folder: Path | None = None, extra: Sequence[str] = ()) -> None:
        """`extra`: what is said of readings, as columns of their own (`gateway.history.rows.extra_columns`)."""
        self._unit_of, self._extra = unit_of, tuple(extra)
        self._table = _TABLE.format(further="".join(f', "{name}" {_FURTHER.get(name, "DOUBLE")}' for name in extra))
        self._folder = Path(tempfile.mkdtemp(prefix=".envgw-", dir=folder))
        try:
            self._connection = duckdb.connect(str(self._folder / "rows.duckdb"), config=_CONFIG)
            self._connection.execute("SET enable_progress_bar = false")
            self._connection.execute(self._table)
            self._appender = self._connection.appender("answer")
        except duckdb.Error as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise self._failed(error) from error

    def add(self, rows: Sequence[StoredReading]) -> None:
        """Take these rows in."""
        unit_of, extra = self._unit_of, self._extra
        try:
            if extra:
                self._appender.append_rows([(*row[:7], unit_of(row[5]), row[7], *cells(row_of(row, ""), extra)) for row in rows])
            else:
                self._appender.append_rows([(*row[:7], unit_of(row[5]), row[7]) for row in rows])
            self._appender.flush()
        except duckdb.Error as error:
            raise self._failed(error) from error

    def write(self, to: Path, about: Mapping[str, Any] | None = None) -> None:
        """Make the file, and forget the rows: the next ones make another file. `about`: JSON-ready, for the file's metadata."""
        told = "" if about is None else f", KV_METADATA {{{_KEY}: {_quoted(orjson.dumps(about).decode())}}}"
        try:
            self._connection.execute(f"COPY ({_MADE}) TO {_quoted(str(to))} (FORMAT parquet, COMPRESSION zstd{told})")
            self._connection.execute(f"DROP TABLE answer; {self._table}")
            self._appender = self._connection.appender("answer")
        except duckdb.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Remove what lies on disk; idempotent."""
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _failed(self, error: duckdb.Error) -> EnvgwError:
        return EnvgwError(f"the Parquet file cannot be made in {self._folder.parent}: {error}")


def metadata(path: Path) -> Any:
    """What `write` was told about the file; None if nothing. Raises `EnvgwError` if it cannot be read."""
    try:
        with duckdb.connect(config=_CONFIG) as connection:
            found = connection.execute("SELECT value FROM parquet_kv_metadata(?) WHERE key = ?::BLOB", [str(path), _KEY]).fetchone()
    except duckdb.Error as error:
        raise EnvgwError(f"{path}: this Parquet file cannot be read: {error}") from error
    return None if found is None else orjson.loads(found[0])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
