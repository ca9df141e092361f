"""The outbox: intents, how far each receiver has been told, and what could not be told (semantics F1)."""

from __future__ import annotations

import sqlite3

from gateway.core.outcomes import Intent
from gateway.ledger.access import Readers
from gateway.ledger.codec import read_intent
from gateway.ledger.errors import LedgerError
from gateway.ledger.records import Undelivered


def register(db: sqlite3.Connection, name: str) -> None:
    """Make a receiver known. A new one starts at the current end: it is not told of the past."""
    newest = db.execute("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'intent'), 0)").fetchone()[0]
    db.execute("INSERT OR IGNORE INTO receiver (name, cursor) VALUES (?, ?)", (name, newest))


def retire(db: sqlite3.Connection, name: str) -> None:
    """Forget a receiver that left the configuration. What it could not be told stays listed."""
    db.execute("DELETE FROM receiver WHERE name = ?", (name,))


def delivered(db: sqlite3.Connection, name: str, intent: int) -> None:
    """The receiver has taken everything up to this intent."""
    db.execute("UPDATE receiver SET cursor = max(cursor, ?) WHERE name = ?", (intent, name))


def set_aside(db: sqlite3.Connection, name: str, intent: int, reason: str, now_ms: int) -> None:
    """This intent cannot be told: list it with the reason and go on with the next."""
    db.execute(
        "INSERT OR IGNORE INTO undelivered (receiver, intent, at_ms, reason, body) SELECT ?, id, ?, ?, body FROM intent WHERE id = ?",
        (name, now_ms, reason, intent),
    )
    delivered(db, name, intent)


def names(readers: Readers) -> list[str]:
    """The registered receivers."""
    return [str(row[0]) for row in readers.rows("SELECT name FROM receiver ORDER BY name")]


def waiting(readers: Readers, name: str) -> int:
    """How many intents wait for the receiver. Raises LedgerError if it is not registered."""
    row = readers.row("SELECT (SELECT count(*) FROM intent i WHERE i.id > r.cursor) FROM receiver r WHERE r.name = ?", (name,))
    if row is None:
        raise LedgerError(f"receiver {name!r} is not registered")
    return int(row[0])


def waiting_since(readers: Readers) -> dict[str, int]:
    """Receiver → when the oldest intent that waits for it was due, in ms; receivers for which nothing waits are left out."""
    oldest = "SELECT i.due_ms FROM intent i WHERE i.id > r.cursor ORDER BY i.id LIMIT 1"
    return {name: since for name, since in readers.rows(f"SELECT r.name, ({oldest}) FROM receiver r") if since is not None}


def read(readers: Readers, name: str, limit: int) -> list[tuple[int, Intent]]:
    """The next intents for the receiver, in order. Raises LedgerError if it is not registered."""
    row = readers.row("SELECT cursor FROM receiver WHERE name = ?", (name,))
    if row is None:
        raise LedgerError(f"receiver {name!r} is not registered")
    rows = readers.rows("SELECT id, body FROM intent WHERE id > ? ORDER BY id LIMIT ?", (row[0], limit))
    return [(number, read_intent(body, f"{readers.path}, intent {number}")) for number, body in rows]


def undelivered(readers: Readers, name: str | None, limit: int) -> list[Undelivered]:
    """What could not be told, newest first."""
    rows = readers.rows(
        "SELECT id, receiver, at_ms, reason, body FROM undelivered WHERE ? IS NULL OR receiver = ? ORDER BY id DESC LIMIT ?",
        (name, name, limit),
    )
    return [
        Undelivered(n, receiver, at, reason, read_intent(body, f"{readers.path}, undelivered {n}"))
        for n, receiver, at, reason, body in rows
    ]
