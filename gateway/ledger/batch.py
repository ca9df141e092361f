"""Writing one batch: what `Ledger.commit` puts into its one transaction.

Encoding (`encode`) touches no file and happens before the transaction is begun; `insert` only writes rows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gateway.core.inputs import ClockJump, Config, Imported, Input, Replayed, received
from gateway.core.outcomes import Outcomes
from gateway.ledger.codec import Packer, plain, receipt_keys
from gateway.ledger.records import Totals

_TOTALS = ", ".join(Totals._fields)
_SET_TOTALS = "UPDATE totals SET " + ", ".join(f"{name} = ?" for name in Totals._fields)


def read_totals(db: sqlite3.Connection) -> Totals:
    """The totals row."""
    return Totals(*db.execute(f"SELECT {_TOTALS} FROM totals").fetchone())


def write_totals(db: sqlite3.Connection, totals: Totals) -> None:
    """Replace the totals row."""
    db.execute(_SET_TOTALS, totals)


@dataclass(slots=True)
class Batch:
    """One encoded batch. Blobs are None where there is nothing to keep."""

    inputs: int
    journal: bytes | None
    lines: bytes | None
    count: int
    """Of lines."""
    keys: bytes
    configs: list[tuple[str, bytes]]
    totals: Totals


def is_empty(outcomes: Outcomes) -> bool:
    """Nothing happened: a tick with nothing due. Such a batch is not written at all."""
    return not (
        outcomes.journal
        or outcomes.lines
        or outcomes.archive
        or outcomes.rejections
        or outcomes.transitions
        or outcomes.intents
        or outcomes.replayed
    ) and not (outcomes.received or outcomes.stored or outcomes.duplicate or outcomes.shed or outcomes.revisions)


def encode(inputs: Sequence[Input], outcomes: Outcomes, before: Totals, packer: Packer, seeds: dict[str, int]) -> Batch:
    """Encode a batch that follows on `before`. The totals are those after it, rejections kept not yet counted."""
    kept: list[Input] = [inputs[index] for index in outcomes.journal] if len(outcomes.journal) != len(inputs) else list(inputs)
    keys = receipt_keys(kept, seeds)
    configs: list[tuple[str, bytes]] = []
    shift = before.clock_shift
    for place, item in enumerate(kept):
        kind = type(item)
        if kind is Config:
            assert isinstance(item, Config)
            configs.append((item.digest, packer.squeeze(item.text.encode())))
            kept[place] = msgspec.structs.replace(item, text="")  # the text is kept once, in table config
        elif kind is ClockJump:
            assert isinstance(item, ClockJump)
            shift += item.delta_ms
        elif kind is Imported:
            assert isinstance(item, Imported)
            kept[place] = msgspec.structs.replace(item, lines=())  # they stand in table line until the histories have them
    journal = packer.pack(kept) if kept else None
    given = [*outcomes.lines, *outcomes.archive] if outcomes.archive else outcomes.lines
    lines = packer.pack(given) if given else None
    totals = Totals(
        seq=before.seq + 1,
        last_ms=received(kept[-1]) if kept else before.last_ms,
        clock_shift=shift,
        batches=before.batches + (lines is not None),
        lines=before.lines + len(given),
        line_bytes=before.line_bytes + len(lines or b""),
        journal_bytes=before.journal_bytes + len(journal or b""),
        received=before.received + outcomes.received,
        stored=before.stored + outcomes.stored,
        duplicate=before.duplicate + outcomes.duplicate,
        shed=before.shed + outcomes.shed,
        revisions=before.revisions + outcomes.revisions,
        kept_rejections=before.kept_rejections,
    )
    return Batch(len(kept), journal, lines, len(given), keys, configs, totals)


def insert(db: sqlite3.Connection, batch: Batch, inputs: Sequence[Input], outcomes: Outcomes, rejected_max: int) -> Totals:
    """Write the rows of a batch inside the open transaction. Returns the totals after it."""
    totals = batch.totals
    seq = totals.seq
    if batch.journal is not None:
        db.execute("INSERT INTO journal (seq, data) VALUES (?, ?)", (seq, batch.journal))
    if batch.lines is not None:
        db.execute("INSERT INTO line (seq, lines, data) VALUES (?, ?, ?)", (seq, batch.count, batch.lines))
    if batch.keys:
        db.execute("INSERT INTO receipt (seq, steady_ms, keys) VALUES (?, ?, ?)", (seq, totals.last_ms - totals.clock_shift, batch.keys))
    db.execute(
        "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            totals.last_ms,
            batch.inputs,
            batch.count,
            len(batch.lines or b""),
            len(batch.journal or b""),
            totals.batches,
            totals.lines,
            totals.line_bytes,
            totals.journal_bytes,
        ),
    )
    for digest, text in batch.configs:
        db.execute(
            "INSERT INTO config (digest, last_seq, text) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET last_seq = excluded.last_seq",
            (digest, seq, text),
        )
    if outcomes.transitions:
        _transitions(db, seq, outcomes)
    if outcomes.intents:
        db.executemany(
            "INSERT INTO intent (seq, due_ms, body) VALUES (?, ?, ?)", [(seq, item.due_ms, plain(item)) for item in outcomes.intents]
        )
    kept = totals.kept_rejections
    if outcomes.replayed:
        kept -= _replayed(db, inputs, outcomes)
    if outcomes.rejections:
        kept += _rejections(db, seq, outcomes)
        if kept > rejected_max:
            kept -= forget_rejections(db, min(kept - rejected_max, 2 * len(outcomes.rejections) + 100))
    totals = totals._replace(kept_rejections=kept)
    write_totals(db, totals)
    return totals


def _transitions(db: sqlite3.Connection, seq: int, outcomes: Outcomes) -> None:
    for item in outcomes.transitions:
        cursor = db.execute("INSERT INTO transition (seq, episode, body) VALUES (?, ?, ?)", (seq, item.episode, plain(item)))
        db.execute(
            "INSERT INTO episode (episode, last_transition, state, started_ms, changed_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (episode) "
            "DO UPDATE SET last_transition = excluded.last_transition, state = excluded.state, changed_ms = excluded.changed_ms",
            (item.episode, cursor.lastrowid, item.state, item.started_ms, item.processed_ms),
        )


def _rejections(db: sqlite3.Connection, seq: int, outcomes: Outcomes) -> int:
    db.executemany(
        "INSERT INTO rejection (seq, received_ms, source, topic, device, reason, detail, qos, retain, payload) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                seq,
                r.received_ms,
                r.source,
                _storable(r.topic),
                _storable(r.device),
                r.reason,
                _storable(r.detail),
                r.qos,
                r.retain,
                r.payload,
            )
            for r in outcomes.rejections
        ],
    )
    count_rejected(db, Counter(item.reason for item in outcomes.rejections))
    return len(outcomes.rejections)


def _storable(text: str) -> str:
    """Text that SQLite can hold: what somebody sends us may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def count_rejected(db: sqlite3.Connection, reasons: Counter[str]) -> None:
    """Add to the messages counted as rejected, by reason (semantics B4); negative numbers take away."""
    db.executemany(
        "INSERT INTO rejection_total (reason, rejected) VALUES (?, ?) "
        "ON CONFLICT (reason) DO UPDATE SET rejected = rejected + excluded.rejected",
        list(reasons.items()),
    )


def _replayed(db: sqlite3.Connection, inputs: Sequence[Input], outcomes: Outcomes) -> int:
    """Move replayed messages from rejected to stored. Returns how many rows went away."""
    reasons = {item.rejection: item.reason for item in inputs if isinstance(item, Replayed)}
    gone = 0
    counts: Counter[str] = Counter()
    for rejection in outcomes.replayed:
        row = db.execute("DELETE FROM rejection WHERE id = ? RETURNING reason", (rejection,)).fetchone()
        gone += row is not None
        reason = row[0] if row is not None else reasons.get(rejection)
        if reason is not None:  # its raw bytes may have been forgotten meanwhile: the message moves all the same
            counts[reason] -= 1
    count_rejected(db, counts)
    return gone


def forget_rejections(db: sqlite3.Connection, count: int) -> int:
    """Delete the `count` oldest open rejections; they stay counted as rejected, and as forgotten. Returns how many went."""
    rows = db.execute(
        "DELETE FROM rejection WHERE id IN (SELECT id FROM rejection ORDER BY id LIMIT ?) RETURNING reason", (count,)
    ).fetchall()
    db.executemany(
        "UPDATE rejection_total SET forgotten = forgotten + ? WHERE reason = ?",
        [(number, reason) for reason, number in Counter(row[0] for row in rows).items()],
    )
    return len(rows)
