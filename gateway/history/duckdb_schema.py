"""The tables of the embedded history, opening its file, and bringing an older one up to date.

    series   id ↔ (medium, station, device, area, parameter): texts are stored once. With the empty parameter: a line's own
    reading  (series, time_ms, value, flag, revision) of what sensors said: only ever appended to; of one series and time the
             highest revision counts. An upsert on a key would cost three times as much and twenty times the space
    summary  the same for indices, hours and days, which outlive the readings that they were made of
    note     (series, time_ms, name, number, text, revision): fields of a line that are no readings. `pm25_min` is `min` of the
             series of pm25; what is said of no parameter (alerts, `final`) belongs to the line's own series
    *_sorted the older rows of these three, sorted by series and time; a row may for a while be in both places (`duckdb_tidy`)
    tidy     per table: up to which revision its rows are sorted, and how far sorting the next has come
    about    one row: schema version, the lane's cursor, the last revision given, how far `compact` has looked

Schema 1 had neither `summary`, `note` nor `tidy`: indices and hours were among the readings, and what was said of them was lost.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from gateway.errors import EnvgwError

SCHEMA = 2
TABLES = ("reading", "summary", "note")
"""What a batch is appended to."""
_CHECKPOINT_BYTES = 8 * 1024**2
"""The write-ahead log is folded into the file when it is this large: it is also what a start must read again."""
_SPILL = "4GB"
"""Most disk that sorting a large answer may take, beside the file."""

_VALUES = "(series INTEGER NOT NULL, time_ms BIGINT NOT NULL, value DOUBLE, flag UTINYINT NOT NULL, revision BIGINT NOT NULL)"
_NOTES = "(series INTEGER NOT NULL, time_ms BIGINT NOT NULL, name VARCHAR NOT NULL, number DOUBLE, text VARCHAR, revision BIGINT NOT NULL)"
_FIRST = f"""
CREATE TABLE about (schema_version INTEGER NOT NULL, upto BIGINT NOT NULL, revision BIGINT NOT NULL, compacted BIGINT NOT NULL);
INSERT INTO about VALUES (1, 0, 0, 0);
CREATE TABLE series (
    id INTEGER NOT NULL, medium VARCHAR NOT NULL, station VARCHAR NOT NULL,
    device VARCHAR NOT NULL, area VARCHAR NOT NULL, parameter VARCHAR NOT NULL
);
CREATE TABLE reading {_VALUES};
"""
_SUMMARIES = "SELECT id FROM series WHERE medium = 'index' OR right(medium, 3) IN ('_1h', '_1d')"  # `base.is_summary`
_SECOND = f"""
CREATE TABLE summary {_VALUES};
INSERT INTO summary SELECT * FROM reading WHERE series IN ({_SUMMARIES});
DELETE FROM reading WHERE series IN ({_SUMMARIES});
CREATE TABLE note {_NOTES};
CREATE TABLE reading_sorted {_VALUES};
CREATE TABLE summary_sorted {_VALUES};
CREATE TABLE note_sorted {_NOTES};
CREATE VIEW reading_all AS SELECT * FROM reading UNION ALL SELECT * FROM reading_sorted;
CREATE VIEW summary_all AS SELECT * FROM summary UNION ALL SELECT * FROM summary_sorted;
CREATE VIEW note_all AS SELECT * FROM note UNION ALL SELECT * FROM note_sorted;
CREATE TABLE tidy (
    name VARCHAR NOT NULL, sealed BIGINT NOT NULL, sealing BIGINT NOT NULL,
    next_series INTEGER NOT NULL, last_series INTEGER NOT NULL, stride INTEGER NOT NULL
);
INSERT INTO tidy SELECT unnest(['reading', 'summary', 'note']), 0, 0, 0, 0, 0;
CREATE OR REPLACE VIEW readings AS
    SELECT epoch_ms(time_ms) AS time, station, device, area, medium, parameter, value, flag
    FROM (SELECT * FROM reading_all UNION ALL SELECT * FROM summary_all) AS value JOIN series ON series.id = value.series
    QUALIFY row_number() OVER (PARTITION BY station, device, medium, parameter, time_ms ORDER BY revision DESC) = 1;
CREATE OR REPLACE VIEW notes AS
    SELECT epoch_ms(time_ms) AS time, station, device, area, medium, parameter, name, number, text
    FROM note_all AS note JOIN series ON series.id = note.series
    QUALIFY row_number() OVER (PARTITION BY note.series, name, time_ms ORDER BY revision DESC) = 1;
UPDATE about SET schema_version = 2;
"""
_STEPS = (_FIRST, _SECOND)
"""From schema n to n + 1."""


class Locked(EnvgwError):
    """Another process has the file open: DuckDB then lets nobody else in, not even to read."""


def opened(path: Path, *, memory_limit: int, threads: int, read_only: bool) -> duckdb.DuckDBPyConnection:
    """The file, made or brought up to date where necessary (a reader does so too). Raises `EnvgwError`."""
    connection = _connect(path, memory_limit, threads, read_only)
    try:
        version = _version(connection)
        if version < SCHEMA and read_only:
            connection.close()
            opened(path, memory_limit=memory_limit, threads=threads, read_only=False).close()
            connection = _connect(path, memory_limit, threads, read_only)
        elif version > SCHEMA:
            raise EnvgwError(f"{path} was written by a newer envgw (schema {version}, this one knows {SCHEMA}): update envgw")
        else:
            for step in _STEPS[version:]:
                connection.execute(f"BEGIN; {step} COMMIT;")
    except duckdb.Error as error:
        connection.close()
        raise EnvgwError(f"{path} is not a history that envgw can use: {error}") from error
    except EnvgwError:
        connection.close()
        raise
    return connection


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    """0: nothing is there yet."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'about'").fetchall():
        return 0
    (version,) = connection.execute("SELECT schema_version FROM about").fetchall()[0]
    return int(version)


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
