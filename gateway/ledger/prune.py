"""Pruning, one small slice at a time, so that commits never wait long behind it.

What may go, and when:
- lines: once every lane that is not parked has them;
- journal and its batch rows: behind the slowest required lane and the older of the kept snapshots, and older than
  the retention or beyond the size asked for;
- receipts: two hours of journal time after they were written; intents: a week after every receiver has passed them;
- rejections beyond their number; configurations that no kept batch or snapshot names.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.ledger.batch import forget_rejections, read_totals, write_totals
from gateway.ledger.journal import REDELIVERY_WINDOW_MS
from gateway.ledger.lanes import park_over_quota
from gateway.ledger.records import PruneReport, Totals

INTENTS_KEPT_MS = 7 * 86_400_000
_ROWS = 32
_REACHED = "CASE WHEN l.sum_lines = t.lines THEN t.seq ELSE l.cursor END"  # a lane that lacks no line is at the end
_WINDOW = 1024
_VACUUM_PAGES = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: `ledger.journal_retention`, `journal_max_size`, `rejected_max`."""

    retention_ms: int
    max_bytes: int
    rejected_max: int


def prune_slice(db: sqlite3.Connection, bounds: Bounds, now_ms: int, budget_s: float) -> tuple[PruneReport, Totals]:
    """One slice inside the open transaction: stops after `budget_s`, and says whether there is more.

    Returns the totals after it. If nothing is due nothing is written, and nothing fsynced.
    """
    report = PruneReport()
    report.parked = park_over_quota(db, now_ms)
    totals = read_totals(db)
    deadline = time.monotonic() + budget_s

    def drain(step: Callable[[], int]) -> int:
        gone = 0
        while True:
            if time.monotonic() >= deadline:
                report.more = True
                return gone
            count = step()
            gone += count
            if count == 0:
                return gone

    journal_free = _journal_free(db, bounds, now_ms, totals)
    lines_free = _lines_free(db, totals, journal_free)
    report.line_batches = drain(lambda: _delete(db, "line", "seq <= ?", (lines_free,)))
    report.journal_batches = drain(lambda: _delete_batches(db, journal_free))
    steady = totals.last_ms - totals.clock_shift - REDELIVERY_WINDOW_MS
    report.receipts = drain(lambda: _delete(db, "receipt", "seq <= ? AND steady_ms < ?", (_oldest_rows(db), steady)))
    report.intents = drain(lambda: _delete_intents(db, now_ms - INTENTS_KEPT_MS))

    def rejections() -> int:
        nonlocal totals
        gone = forget_rejections(db, min(_ROWS, max(0, totals.kept_rejections - bounds.rejected_max)))
        totals = totals._replace(kept_rejections=totals.kept_rejections - gone)
        return gone

    report.rejections = drain(rejections)
    if report.rejections:
        write_totals(db, totals)
    if report.journal_batches or report.receipts:
        report.more = True  # both look at a window of the oldest rows only
    _forget_configs(db)
    return report, totals


def vacuum_slice(db: sqlite3.Connection, budget_s: float, *, tight: bool) -> tuple[int, bool]:
    """Give free pages back to the disk (outside a transaction); keeps a tenth of the file for reuse unless `tight`.

    Returns how many pages, and whether more are due.
    """
    deadline = time.monotonic() + budget_s
    given = 0
    while True:
        free = int(db.execute("PRAGMA freelist_count").fetchone()[0])
        pages = int(db.execute("PRAGMA page_count").fetchone()[0])
        spare = 0 if tight else 1024 + pages // 10
        if free <= spare:
            return given, False
        if time.monotonic() >= deadline:
            return given, True
        db.execute(f"PRAGMA incremental_vacuum({min(_VACUUM_PAGES, free - spare)})").fetchall()
        after = int(db.execute("PRAGMA freelist_count").fetchone()[0])
        if after >= free:  # a file made without auto_vacuum: nothing can be given back
            return given, False
        given += free - after


def _delete(db: sqlite3.Connection, table: str, where: str, parameters: tuple[int, ...]) -> int:
    """Delete the oldest few rows that may go."""
    return db.execute(
        f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE {where} ORDER BY seq LIMIT {_ROWS})", parameters
    ).rowcount


def _oldest_rows(db: sqlite3.Connection) -> int:
    """Receipts are in order of time but for clock jumps: look only at the oldest few hundred, not at all of them."""
    row = db.execute("SELECT max(seq) FROM (SELECT seq FROM receipt ORDER BY seq LIMIT 256)").fetchone()
    return int(row[0] or 0)


def _lines_free(db: sqlite3.Connection, totals: Totals, journal_free: int) -> int:
    """Up to which batch every lane that is not parked has the lines; without any lane they go with the journal."""
    lanes, slowest = db.execute(f"SELECT count(*), min({_REACHED}) FILTER (WHERE required OR NOT parked) FROM lane l, totals t").fetchone()
    if not lanes:
        return journal_free
    return totals.seq if slowest is None else int(slowest)


def _journal_free(db: sqlite3.Connection, bounds: Bounds, now_ms: int, totals: Totals) -> int:
    """Up to which batch the journal may go, as far as the oldest rows tell."""
    snapshot = db.execute("SELECT min(seq) FROM snapshot WHERE finished").fetchone()[0]
    if snapshot is None:
        return 0
    slowest = db.execute(f"SELECT min({_REACHED}) FROM lane l, totals t WHERE required OR NOT parked").fetchone()[0]
    allowed = min(int(snapshot), int(slowest) if slowest is not None else totals.seq)
    free = 0
    for seq, last_ms, before in db.execute(
        f"SELECT seq, last_ms, sum_journal_bytes - journal_bytes FROM batch WHERE seq <= ? ORDER BY seq LIMIT {_WINDOW}", (allowed,)
    ):
        # Stops at the first batch that is to be kept: a clock that was once wrong cannot tear a hole.
        if last_ms >= now_ms - bounds.retention_ms and totals.journal_bytes - before <= bounds.max_bytes:
            break
        free = int(seq)
    return free


def _delete_batches(db: sqlite3.Connection, upto: int) -> int:
    """Delete the oldest few batches up to `upto`: the journal, and the batch rows themselves."""
    last = db.execute(f"SELECT max(seq) FROM (SELECT seq FROM batch WHERE seq <= ? ORDER BY seq LIMIT {_ROWS})", (upto,)).fetchone()[0]
    if last is None:
        return 0
    db.execute("DELETE FROM journal WHERE seq <= ?", (last,))
    return db.execute("DELETE FROM batch WHERE seq <= ?", (last,)).rowcount


def _delete_intents(db: sqlite3.Connection, before_ms: int) -> int:
    """Delete the oldest few intents that every receiver has passed."""
    passed = db.execute("SELECT min(cursor) FROM receiver").fetchone()[0]
    if passed is None:
        return 0
    return db.execute(
        f"DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE id <= ? AND due_ms < ? ORDER BY id LIMIT {_ROWS})",
        (passed, before_ms),
    ).rowcount


def _forget_configs(db: sqlite3.Connection) -> None:
    """Forget configurations older than the one in force where the journal begins, unless a snapshot names them."""
    first = db.execute("SELECT min(seq) FROM journal").fetchone()[0]
    if first is None:
        return
    in_force = db.execute("SELECT max(last_seq) FROM config WHERE last_seq <= ?", (first,)).fetchone()[0]
    db.execute("DELETE FROM config WHERE last_seq < coalesce(?, 0) AND digest NOT IN (SELECT config_digest FROM snapshot)", (in_force,))
