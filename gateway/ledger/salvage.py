"""Saving what can be read of a damaged ledger into a new one.

Every table is keyed by an integer that grows without gaps (but for pruning). Rows are read in order; where a page is
broken each key is tried on its own, so that what lies behind the broken page is found again. Blobs must decode.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.ledger import codec
from gateway.ledger.backup import RESTORE_GAP
from gateway.ledger.batch import read_totals, write_totals
from gateway.ledger.disk import Lock
from gateway.ledger.errors import LedgerDamaged, LedgerError, LedgerExists
from gateway.ledger.records import SalvageReport, Totals
from gateway.ledger.schema import connect, migrate, prepare_writer, version_of

_PAGE = 100
_HOPELESS = 20_000
"""Give a table up after this many keys in a row that cannot be read."""

_KEYED = ("batch", "journal", "line", "receipt", "rejection", "transition", "intent", "undelivered", "refused_line", "lane_gap")
_WHOLE = ("totals", "rejection_total", "config", "receiver", "lane", "episode", "snapshot", "snapshot_chunk")
_CHECKS: dict[str, Callable[[bytes, str], Any]] = {
    "journal": codec.unpack_inputs,
    "line": codec.unpack_lines,
    "config": codec.unsqueeze,
    "snapshot_chunk": codec.unsqueeze,
    "transition": codec.read_transition,
    "intent": codec.read_intent,
    "undelivered": codec.read_intent,
    "refused_line": codec.read_line,
}


def salvage(source: Path, dest: Path) -> SalvageReport:
    """Copy all that is readable from `source` into the new ledger `dest`.

    Raises LedgerInUse (a gateway runs on it), LedgerExists (`dest` is there), LedgerTooNew, and LedgerDamaged if not even
    the list of tables can be read. `source` is not changed.
    """
    if dest.exists():
        raise LedgerExists(f"{dest} exists; name a new file")
    if not source.is_file():
        raise LedgerError(f"{source} does not exist")
    report = SalvageReport()
    with Lock(source):
        try:
            old = connect(source, read_only=True)
            old.execute("PRAGMA writable_schema=1")  # go on where the schema itself has scratches
            if version_of(old, source) == 0:
                raise LedgerDamaged(source, "it has no tables")
        except sqlite3.Error as error:
            raise LedgerDamaged(source, f"{error}; not even the list of tables can be read, nothing can be saved") from None
        new = connect(dest)
        try:
            prepare_writer(new)
            migrate(new, dest)
            new.execute("BEGIN")
            new.execute("DELETE FROM totals")
            for table in (*_WHOLE, *_KEYED):
                _copy(old, new, table, report)
            _mend(new, report)
            new.execute("COMMIT")
        finally:
            new.close()
            old.close()
    return report


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str, report: SalvageReport) -> None:
    columns = [str(row[1]) for row in new.execute(f"PRAGMA table_info({table})")]
    key = columns[0] if table in _KEYED or columns[0] == "id" else "rowid"
    kept = lost = 0
    check = _CHECKS.get(table)
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in _rows(old, table, key, columns):
        if row is None:
            lost += 1
            continue
        if check is not None:
            try:
                check(row[-1], table)
            except LedgerDamaged:
                lost += 1
                continue
        new.execute(insert, row)
        kept += 1
    report.kept[table] = kept
    if lost:
        report.lost[table] = lost


def _rows(old: sqlite3.Connection, table: str, key: str, columns: list[str]) -> Iterator[tuple[Any, ...] | None]:
    """All readable rows in key order; None for each key that is there but cannot be read."""
    select = f"SELECT {key}, {', '.join(columns)} FROM {table}"
    last, misses = -1, 0
    end = _last_key(old, table, key)
    while misses < _HOPELESS and last < end:
        try:
            page = old.execute(f"{select} WHERE {key} > ? ORDER BY {key} LIMIT ?", (last, _PAGE)).fetchall()
            if not page:
                return
            for row in page:
                yield row[1:]
                last = row[0]
            misses = 0
        except sqlite3.Error:
            for number in range(last + 1, last + 1 + _PAGE):
                try:
                    found = old.execute(f"{select} WHERE {key} = ?", (number,)).fetchone()
                    if found is not None:
                        yield found[1:]
                        misses = 0
                except sqlite3.Error:
                    misses += 1
                    yield None
                last = number
                if last >= end:
                    return


def _last_key(old: sqlite3.Connection, table: str, key: str) -> int:
    """The largest key, if it can be told; else one beyond all."""
    for sql in (f"SELECT max({key}) FROM {table}", "SELECT seq FROM totals"):
        try:
            found = old.execute(sql).fetchone()
            return int(found[0]) if found is not None and found[0] is not None else -1
        except sqlite3.Error:
            continue
    return 1 << 62


def _mend(new: sqlite3.Connection, report: SalvageReport) -> None:
    """Make what was saved a consistent ledger again, and say what is missing."""
    top = int(
        new.execute("SELECT max(coalesce((SELECT max(seq) FROM batch), 0), coalesce((SELECT max(seq) FROM journal), 0))").fetchone()[0]
    )
    if not new.execute("SELECT 1 FROM totals").fetchone():
        new.execute("INSERT INTO totals (id) VALUES (1)")
        row = new.execute(
            "SELECT last_ms, sum_batches, sum_lines, sum_line_bytes, sum_journal_bytes FROM batch ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        last_ms, batches, lines, line_bytes, journal_bytes = row or (0, 0, 0, 0, 0)
        write_totals(
            new, Totals(seq=top, last_ms=last_ms, batches=batches, lines=lines, line_bytes=line_bytes, journal_bytes=journal_bytes)
        )
        report.notes.append("the counts of received, stored, duplicate and shed messages were lost: they begin again at 0")
    totals = read_totals(new)
    kept = int(new.execute("SELECT count(*) FROM rejection").fetchone()[0])
    # Histories may have seen numbers that this file lost: go on well behind them.
    write_totals(new, totals._replace(seq=max(totals.seq, top) + RESTORE_GAP, kept_rejections=kept))
    new.execute(
        "INSERT OR IGNORE INTO episode (episode, last_transition, state, started_ms, changed_ms) "
        "SELECT episode, max(id), 'unknown', 0, 0 FROM transition GROUP BY episode"
    )
    new.execute("DELETE FROM episode WHERE last_transition NOT IN (SELECT id FROM transition)")
    if report.lost.get("snapshot") or report.lost.get("snapshot_chunk"):
        new.execute("DELETE FROM snapshot_chunk")
        new.execute("DELETE FROM snapshot")
        report.notes.append("a snapshot could not be read whole: none was kept, the state is built again from the journal")
    if report.lost.get("journal"):
        report.notes.append(f"{report.lost['journal']} journal batches are lost: readings in the histories are not affected, replay is")
    if report.lost.get("line"):
        report.notes.append(f"{report.lost['line']} batches of readings may not have reached the histories")
    if report.lost.get("receiver") or report.lost.get("lane"):
        report.notes.append("how far lanes or receivers had come was lost: lanes write again what is kept, receivers start at the end")
