"""Tidying the file of the embedded history, in steps so short that the writer can take one between two batches.

    compact   of values that were written again, the older ones are deleted
    seal      what came in as it came is laid down again by series and time, so that a question about one station reads one
              station's rows: DuckDB knows least and largest of each column for every 122,880 rows, and skips what cannot fit
    expire    raw readings are deleted when they are older than the history's `retention`, a UTC day after the other

None changes an answer except `expire`. Each step is one transaction: a kill loses it, and it is done again.
"""

from __future__ import annotations

import contextlib

import duckdb

from gateway.history.duckdb_schema import TABLES

DAY_MS = 86_400_000
SEAL_ROWS = 6_000_000
"""So many rows lie as they came before they are sorted: about a day of 1,000 stations with five parameters a minute."""
STEP_ROWS = 300_000
"""About so many rows are sorted in one step: what fits well into the memory limit."""

DELETE_ROWS = 500_000
"""About so many are deleted in one step: what is needed to take it back is held in memory, and 7 million did not fit into 64 MB."""

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
    deleted = 0
    for place in (f"{table}_sorted", table):
        same = " AND ".join(f"{place}.{column} = late.{column}" for column in _KEYS[table].split(", "))
        (count,) = connection.execute(
            f"DELETE FROM {place} USING (SELECT {_KEYS[table]}, max(revision) AS newest FROM {table} "
            f"WHERE revision > $looked AND revision <= $upper GROUP BY ALL) AS late "
            f"WHERE {same} AND {place}.revision < late.newest AND {place}.time_ms BETWEEN $first AND $last",
            {"looked": looked, "upper": upper, "first": first_ms, "last": last_ms},
        ).fetchall()[0]
        deleted += int(count)
    return deleted


def seal(connection: duckdb.DuckDBPyConnection, seal_rows: int = SEAL_ROWS, step_rows: int = STEP_ROWS) -> int:
    """Take one step of sorting, if some table has enough rows that came since the last time; returns how many rows it touched.

    What `compact` has looked at and is not sorted yet is the next run. Its rows are copied into `<table>_sorted`, a range of series
    at a time, and when all are there they are deleted where they came in. Until then they are in both places, which changes no
    answer: of equal revisions one counts. They are deleted in the order in which they came, which gives back whole row groups and
    moves no others.
    """
    (compacted,) = connection.execute("SELECT compacted FROM about").fetchall()[0]
    for table, sealed, sealing, first, last, stride in connection.execute("SELECT * FROM tidy").fetchall():
        if swept := _sweep(connection, table, sealed, 3 * step_rows):
            _checkpoint(connection)
            return swept
        if not sealing:
            (rows, first, last) = connection.execute(
                f"SELECT count(*), min(series), max(series) FROM {table} WHERE revision > ? AND revision <= ?", [sealed, compacted]
            ).fetchall()[0]
            if rows < seal_rows:
                continue
            # Of a large import only about as much as one run should have: a step reads the whole run.
            sealing = sealed + max(1, (compacted - sealed) * seal_rows // rows) if rows > 2 * seal_rows else compacted
            stride = max(1, (last - first + 1) * step_rows // min(rows, 2 * seal_rows))
        connection.begin()
        copied = _sort(connection, table, (sealed, sealing), (first, last, stride))
        connection.commit()
        _checkpoint(connection)
        return copied
    return 0


def _checkpoint(connection: duckdb.DuckDBPyConnection) -> None:
    """Fold the step into the file now: after many steps it takes half a second at once (DuckDB joins what they left half full)."""
    with contextlib.suppress(duckdb.TransactionException):  # somebody is reading what was deleted: the next one will do it
        connection.checkpoint()


def _sort(connection: duckdb.DuckDBPyConnection, table: str, run: tuple[int, int], series: tuple[int, int, int]) -> int:
    """Copy the rows of the next `stride` series, of revisions after sealed up to sealing."""
    (sealed, sealing), (first, last, stride) = run, series
    within = f"revision > {sealed} AND revision <= {sealing}"
    (copied,) = connection.execute(
        f"INSERT INTO {table}_sorted SELECT * FROM {table} WHERE {within} AND series >= {first} AND series < {first + stride} "
        f"ORDER BY {_KEYS[table]}, revision"
    ).fetchall()[0]
    done = (sealing, 0, 0, 0, 0) if first + stride > last else (sealed, sealing, first + stride, last, stride)
    connection.execute(
        "UPDATE tidy SET sealed = ?, sealing = ?, next_series = ?, last_series = ?, stride = ? WHERE name = ?", [*done, table]
    )
    return int(copied)


def _sweep(connection: duckdb.DuckDBPyConnection, table: str, sealed: int, most_rows: int) -> int:
    """Delete about so many rows where they came in, of those that are sorted."""
    (left, first, last) = connection.execute(
        f"SELECT count(*), min(revision), max(revision) FROM {table} WHERE revision <= ?", [sealed]
    ).fetchall()[0]
    if not left:
        return 0
    (deleted,) = connection.execute(
        f"DELETE FROM {table} WHERE revision <= ?", [min(last, first + (last - first) * most_rows // left)]
    ).fetchall()[0]
    return int(deleted)


def expire(connection: duckdb.DuckDBPyConnection, before_ms: int, most_rows: int = DELETE_ROWS) -> int:
    """Delete about so many raw readings, or less, of the oldest day that is before `before_ms` (the beginning of a day); how many.

    A day's are deleted from the first series to the last, as they are sorted: so whole row groups go.
    """
    (first_ms,) = connection.execute("SELECT min(time_ms) FROM reading_all WHERE time_ms < ?", [before_ms]).fetchall()[0]
    if first_ms is None:
        return 0
    end_ms = day_of(first_ms) + DAY_MS
    (left, first, last) = connection.execute(
        "SELECT count(*), min(series), max(series) FROM reading_all WHERE time_ms < ?", [end_ms]
    ).fetchall()[0]
    upto = min(last, first + (last - first) * most_rows // left)
    deleted = 0
    connection.begin()
    for place in ("reading", "reading_sorted"):
        (count,) = connection.execute(f"DELETE FROM {place} WHERE time_ms < ? AND series <= ?", [end_ms, upto]).fetchall()[0]
        deleted += int(count)
    connection.commit()
    _checkpoint(connection)
    return deleted
