"""History lanes: where each stands, what it reads next, what it set aside, and what a parked one missed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from devices.reading import Line
from gateway.ledger.access import Readers
from gateway.ledger.batch import read_totals
from gateway.ledger.codec import plain, read_line, unpack_lines
from gateway.ledger.errors import LedgerError
from gateway.ledger.records import LaneGap, LaneState, RefusedStored

_PAGE = 16
_STATE = (
    "SELECT l.name, l.kind, l.required, l.quota, l.cursor, t.seq, t.batches - l.sum_batches, t.lines - l.sum_lines, "
    "t.line_bytes - l.sum_line_bytes, l.parked FROM lane l, totals t"
)


def _lane_state(row: Sequence[int | str]) -> LaneState:
    name, kind, required, quota, cursor, head, batches, lines, size, parked = row
    return LaneState(
        str(name), str(kind), bool(required), int(quota), int(cursor), int(head), int(batches), int(lines), int(size), bool(parked)
    )


def register(db: sqlite3.Connection, name: str, kind: str, required: bool, quota: int) -> None:
    """Make a lane known, or take over new settings of a known one.

    A new lane starts at the oldest lines still kept: when somebody changes from one history to another, what the
    old lane had not delivered yet must not be lost. Writing twice is harmless.
    """
    known = db.execute("UPDATE lane SET kind = ?, required = ?, quota = ? WHERE name = ?", (kind, required, quota, name)).rowcount
    if known:
        return
    oldest = db.execute("SELECT min(seq) FROM line").fetchone()[0]
    cursor = read_totals(db).seq if oldest is None else oldest - 1
    db.execute(
        "INSERT INTO lane (name, kind, required, quota, cursor, sum_batches, sum_lines, sum_line_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (name, kind, required, quota, cursor, *_sums_at(db, cursor)),
    )


def retire(db: sqlite3.Connection, name: str) -> None:
    """Forget a lane that left the configuration: it pins nothing any more. Its refused lines and gaps stay listed."""
    db.execute("DELETE FROM lane WHERE name = ?", (name,))


def _sums_at(db: sqlite3.Connection, seq: int) -> tuple[int, int, int]:
    """Running sums (batches with lines, lines, bytes) after batch `seq`, also where its row is pruned."""
    row = db.execute("SELECT sum_batches, sum_lines, sum_line_bytes FROM batch WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)).fetchone()
    if row is None:
        row = db.execute(
            "SELECT sum_batches - (lines > 0), sum_lines - lines, sum_line_bytes - line_bytes FROM batch "
            "WHERE seq > ? ORDER BY seq LIMIT 1",
            (seq,),
        ).fetchone()
    if row is None:
        totals = read_totals(db)
        row = (totals.batches, totals.lines, totals.line_bytes)
    return row[0], row[1], row[2]


def advance(db: sqlite3.Connection, name: str, upto: int, refused: Sequence[tuple[Line, str]], now_ms: int) -> LaneState:
    """The lane has everything up to batch `upto`; `refused` are lines its history will never take. Never goes back."""
    cursor = db.execute("SELECT cursor FROM lane WHERE name = ?", (name,)).fetchone()
    if cursor is None:
        raise LedgerError(f"lane {name!r} is not registered")
    if upto > cursor[0]:
        db.execute(
            "UPDATE lane SET cursor = ?, sum_batches = ?, sum_lines = ?, sum_line_bytes = ? WHERE name = ?",
            (upto, *_sums_at(db, upto), name),
        )
        # A lane that was parked while this was being written has missed less than was thought.
        db.execute(
            "UPDATE lane_gap SET after_seq = ?, sum_lines = (SELECT sum_lines FROM lane WHERE name = ?) "
            "WHERE lane = ? AND upto_seq IS NULL",
            (upto, name, name),
        )
        if refused:
            db.executemany(
                "INSERT INTO refused_line (lane, upto_seq, at_ms, reason, body) VALUES (?, ?, ?, ?, ?)",
                [(name, upto, now_ms, reason, plain(line)) for line, reason in refused],
            )
    return _lane_state(db.execute(_STATE + " WHERE l.name = ?", (name,)).fetchone())


def park_over_quota(db: sqlite3.Connection, now_ms: int) -> list[str]:
    """Park the lanes that are not required and whose backlog is over their quota; record the gap that begins there."""
    over = db.execute(_STATE + " WHERE NOT l.required AND NOT l.parked AND t.line_bytes - l.sum_line_bytes > l.quota").fetchall()
    for state in map(_lane_state, over):
        db.execute("UPDATE lane SET parked = 1 WHERE name = ?", (state.name,))
        db.execute(
            "INSERT INTO lane_gap (lane, after_seq, from_ms, lines, sum_lines) "
            "SELECT name, cursor, ?, 0, sum_lines FROM lane WHERE name = ?",
            (now_ms, state.name),
        )
    return [str(row[0]) for row in over]


def resume(db: sqlite3.Connection, name: str, now_ms: int) -> None:
    """Let a parked lane go on with what comes from now on; its gap ends here and stays on record."""
    totals = read_totals(db)
    parked = db.execute("SELECT parked FROM lane WHERE name = ?", (name,)).fetchone()
    if parked is None or not parked[0]:
        return
    db.execute(
        "UPDATE lane_gap SET upto_seq = ?, upto_ms = ?, lines = ? - sum_lines WHERE lane = ? AND upto_seq IS NULL",
        (totals.seq, now_ms, totals.lines, name),
    )
    db.execute(
        "UPDATE lane SET parked = 0, cursor = ?, sum_batches = ?, sum_lines = ?, sum_line_bytes = ? WHERE name = ?",
        (totals.seq, totals.batches, totals.lines, totals.line_bytes, name),
    )


def state(readers: Readers, name: str) -> LaneState:
    """One lane. Raises LedgerError if it is not registered."""
    row = readers.row(_STATE + " WHERE l.name = ?", (name,))
    if row is None:
        raise LedgerError(f"lane {name!r} is not registered")
    return _lane_state(row)


def states(readers: Readers) -> list[LaneState]:
    """All lanes, by name."""
    return [_lane_state(row) for row in readers.rows(_STATE + " ORDER BY l.name")]


def waiting_since(readers: Readers) -> dict[str, int]:
    """Lane → when the oldest lines that wait for it were taken in, in ms; lanes for which nothing waits are left out."""
    oldest = "SELECT b.last_ms FROM batch b WHERE b.seq > l.cursor AND b.lines > 0 ORDER BY b.seq LIMIT 1"
    return {name: since for name, since in readers.rows(f"SELECT l.name, ({oldest}) FROM lane l") if since is not None}


def gaps(readers: Readers, name: str | None) -> list[LaneGap]:
    """Recorded gaps, oldest first."""
    rows = readers.rows(
        "SELECT g.lane, g.after_seq, g.upto_seq, g.from_ms, g.upto_ms, "
        "CASE WHEN g.upto_seq IS NULL THEN t.lines - g.sum_lines ELSE g.lines END "
        "FROM lane_gap g, totals t WHERE ? IS NULL OR g.lane = ? ORDER BY g.id",
        (name, name),
    )
    return [LaneGap(*row) for row in rows]


def read(readers: Readers, after: int, max_lines: int) -> list[tuple[int, list[Line]]]:
    """The next whole batches after `after`, together at most `max_lines` lines, but at least one batch if there is one."""
    batches: list[tuple[int, list[Line]]] = []
    room = max_lines
    while True:
        sizes = readers.rows("SELECT seq, lines FROM line WHERE seq > ? ORDER BY seq LIMIT ?", (after, _PAGE))
        upto = after
        full = len(sizes) < _PAGE
        for seq, count in sizes:
            if count > room and (batches or upto > after):
                full = True
                break
            room -= count
            upto = seq
        if upto > after:
            for seq, data in readers.rows("SELECT seq, data FROM line WHERE seq > ? AND seq <= ? ORDER BY seq", (after, upto)):
                batches.append((seq, unpack_lines(data, f"{readers.path}, lines of batch {seq}")))
        if full or room <= 0:
            return batches
        after = upto


def refused(readers: Readers, name: str | None, limit: int | None) -> Iterator[RefusedStored]:
    """Lines that histories refused, oldest first (`envgw history rejected`)."""
    last, left = 0, limit if limit is not None else (1 << 62)
    while left > 0:
        page = readers.rows(
            "SELECT id, lane, at_ms, reason, body FROM refused_line WHERE id > ? AND (? IS NULL OR lane = ?) ORDER BY id LIMIT ?",
            (last, name, name, min(left, 500)),
        )
        for number, lane, at_ms, reason, body in page:
            yield RefusedStored(number, lane, at_ms, reason, read_line(body, f"{readers.path}, refused line {number}"))
            last = number
        left -= len(page)
        if len(page) < 500:
            return


def forget_refused(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Take lines off the list: they were written after all."""
    db.executemany("DELETE FROM refused_line WHERE id = ?", [(number,) for number in ids])
