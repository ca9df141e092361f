"""Tidying the file of the embedded history, in steps so short that the writer can take one between two batches.

    compact   of values that were written again, the older ones are deleted
    seal      what came in as it came is laid down by series and time, so that a question about one station reads one
              station's rows: DuckDB knows least and largest of each column for every 122,880 rows, and skips what cannot fit
    expire    raw readings are deleted when they are older than the history's `retention`, a UTC day at a time

None changes an answer except `expire`. Each is one transaction; a kill in between loses a step's work, which is then done again.
"""

from __future__ import annotations

import duckdb

from gateway.history.duckdb_schema import TABLES

DAY_MS = 86_400_000
SEAL_ROWS = 6_000_000
"""So many rows lie as they came before they are sorted: about a day of 1,000 stations with five parameters a minute."""
STEP_ROWS = 500_000
"""About so many rows are sorted in one step: 15 MB, within the memory limit."""

_KEYS = {"reading": "series, time_ms", "summary": "series, time_ms", "note": "series, time_ms, name"}


def day_of(time_ms: int) -> int:
    """The beginning of its UTC day, in ms since the epoch."""
    return time_ms - time_ms % DAY_MS


def compact(connection: duckdb.DuckDBPyConnection, most_rows: int) -> int:
    """Delete values that a later revision replaced; returns how many.

    Looks at the next `most_rows` rows of each table at most that no earlier call has looked at, which bounds memory and time,
    so it can be called every few minutes for ever. Space is given back to the file by a later checkpoint.
    """
    connection.begin()
    (looked, newest) = connection.execute("SELECT compacted, revision FROM about").fetchall()[0]
    found = {
        table: connection.execute(
            f"SELECT max(revision), count(*) FROM (SELECT revision FROM {table} WHERE revision > ? ORDER BY revision LIMIT ?)",
            [looked, most_rows],
        ).fetchall()[0]
        for table in TABLES
    }
    # All tables are looked at up to the same revision: the least of those at which one had to stop.
    upper = min([newest, *(last for last, count in found.values() if count == most_rows)])
    deleted = sum(_replaced(connection, table, looked, upper) for table, (_, count) in found.items() if count)
    if upper > looked:
        connection.execute("UPDATE about SET compacted = ?", [upper])
    connection.commit()
    return deleted


def _replaced(connection: duckdb.DuckDBPyConnection, table: str, looked: int, upper: int) -> int:
    """Delete what rows of these revisions replaced."""
    (first_ms, last_ms) = connection.execute(
        f"SELECT min(time_ms), max(time_ms) FROM {table} WHERE revision > ? AND revision <= ?", [looked, upper]
    ).fetchall()[0]
    if first_ms is None:
        return 0
    same = " AND ".join(f"{table}.{column} = late.{column}" for column in _KEYS[table].split(", "))
    (deleted,) = connection.execute(
        f"DELETE FROM {table} USING (SELECT {_KEYS[table]}, max(revision) AS newest FROM {table} "
        f"WHERE revision > $looked AND revision <= $upper GROUP BY ALL) AS late "
        f"WHERE {same} AND {table}.revision < late.newest AND {table}.time_ms BETWEEN $first AND $last",
        {"looked": looked, "upper": upper, "first": first_ms, "last": last_ms},
    ).fetchall()[0]
    return int(deleted)


def seal(connection: duckdb.DuckDBPyConnection, seal_rows: int | None = None, step_rows: int | None = None) -> int:
    """Take one step of sorting, if some table has enough rows that came since the last time; returns how many rows were moved.

    What `compact` has looked at and no run has, is the next run. It is sorted a range of series at a time.
    """
    seal_rows, step_rows = seal_rows or SEAL_ROWS, step_rows or STEP_ROWS
    (compacted,) = connection.execute("SELECT compacted FROM about").fetchall()[0]
    for table, sealed, sealing, first, stride in connection.execute("SELECT * FROM tidy").fetchall():
        if not sealing:
            (rows, lowest, highest) = connection.execute(
                f"SELECT count(*), min(series), max(series) FROM {table} WHERE revision > ? AND revision <= ?", [sealed, compacted]
            ).fetchall()[0]
            if rows < seal_rows:
                continue
            sealing, first = compacted, lowest
            stride = max(1, (highest - lowest + 1) * step_rows // rows)
        return _sort(connection, table, sealed, sealing, first, stride)
    return 0


def _sort(connection: duckdb.DuckDBPyConnection, table: str, sealed: int, sealing: int, first: int, stride: int) -> int:
    """Lay down the rows of `stride` series anew, of revisions sealed < revision <= sealing."""
    within = f"revision > {sealed} AND revision <= {sealing}"
    part = f"{within} AND series >= {first} AND series < {first + stride}"
    connection.begin()
    connection.execute(f"CREATE TEMP TABLE moved AS SELECT * FROM {table} WHERE {part}")
    (moved,) = connection.execute(f"DELETE FROM {table} WHERE {part}").fetchall()[0]
    connection.execute(f"INSERT INTO {table} SELECT * FROM moved ORDER BY {_KEYS[table]}, revision")
    connection.execute("DROP TABLE moved")
    (following,) = connection.execute(f"SELECT min(series) FROM {table} WHERE {within} AND series >= {first + stride}").fetchall()[0]
    if following is None:
        connection.execute("UPDATE tidy SET sealed = ?, sealing = 0, next_series = 0, stride = 0 WHERE name = ?", [sealing, table])
    else:
        connection.execute("UPDATE tidy SET sealing = ?, next_series = ?, stride = ? WHERE name = ?", [sealing, following, stride, table])
    connection.commit()
    return int(moved)


def expire(connection: duckdb.DuckDBPyConnection, before_ms: int) -> int:
    """Delete the oldest day of raw readings, if it is before `before_ms` (the beginning of a day); returns how many."""
    (first_ms,) = connection.execute("SELECT min(time_ms) FROM reading WHERE time_ms < ?", [before_ms]).fetchall()[0]
    if first_ms is None:
        return 0
    connection.begin()
    (deleted,) = connection.execute("DELETE FROM reading WHERE time_ms < ?", [day_of(first_ms) + DAY_MS]).fetchall()[0]
    connection.commit()
    return int(deleted)
