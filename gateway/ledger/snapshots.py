"""Snapshots of the core's state: written in slices, visible only when finished (semantics A5)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from gateway.ledger.access import Readers, Writer
from gateway.ledger.codec import Packer, unsqueeze
from gateway.ledger.errors import LedgerError
from gateway.ledger.records import StoredSnapshot

KEEP = 2  # the older one serves if the newer cannot be read


def discard_unfinished(db: sqlite3.Connection) -> None:
    """Forget what a crash left half written."""
    db.execute("DELETE FROM snapshot_chunk WHERE snapshot NOT IN (SELECT id FROM snapshot WHERE finished)")
    db.execute("DELETE FROM snapshot WHERE NOT finished")


class SnapshotWriter:
    """One snapshot under way. Each `put` is a small transaction of its own: commits of messages go between them.

    `put` and `finish` raise CommitFailed; the failed call may be repeated, or the snapshot left with `abandon`.
    """

    def __init__(self, writer: Writer, seq: int, config_digest: str, code_version: str, schema: int) -> None:
        self._writer = writer
        self._packer = Packer()
        self._done = False
        with writer.transaction() as db:
            discard_unfinished(db)  # there is one under way at a time: an older unfinished one was given up
            cursor = db.execute(
                "INSERT INTO snapshot (seq, config_digest, code_version, schema) VALUES (?, ?, ?, ?)",
                (seq, config_digest, code_version, schema),
            )
            self._id = cursor.lastrowid

    def put(self, name: str, data: bytes) -> None:
        """Add one chunk. The caller slices: ≤ 5 ms of work, so some 256 KB (semantics A5)."""
        self._open()
        packed = self._packer.squeeze(data)
        with self._writer.transaction() as db:
            db.execute("INSERT INTO snapshot_chunk (snapshot, name, data) VALUES (?, ?, ?)", (self._id, name, packed))

    def finish(self) -> None:
        """Make it the latest snapshot, at once and as a whole; all but the last two are forgotten."""
        self._open()
        with self._writer.transaction() as db:
            db.execute("UPDATE snapshot SET finished = 1 WHERE id = ?", (self._id,))
            old = [row[0] for row in db.execute("SELECT id FROM snapshot WHERE finished ORDER BY id DESC LIMIT -1 OFFSET ?", (KEEP,))]
            db.executemany("DELETE FROM snapshot_chunk WHERE snapshot = ?", [(item,) for item in old])
            db.executemany("DELETE FROM snapshot WHERE id = ?", [(item,) for item in old])
        self._done = True

    def abandon(self) -> None:
        """Forget it; idempotent, and harmless after `finish`."""
        if self._done:
            return
        self._done = True
        with self._writer.transaction() as db:
            db.execute("DELETE FROM snapshot_chunk WHERE snapshot = ?", (self._id,))
            db.execute("DELETE FROM snapshot WHERE id = ?", (self._id,))

    def _open(self) -> None:
        if self._done:
            raise LedgerError("this snapshot is finished or abandoned already")


def finished(readers: Readers) -> list[StoredSnapshot]:
    """The finished snapshots, newest first (at most two)."""
    rows = readers.rows("SELECT id, seq, config_digest, code_version, schema FROM snapshot WHERE finished ORDER BY id DESC")
    return [StoredSnapshot(seq, digest, version, schema, _Chunks(readers, number)) for number, seq, digest, version, schema in rows]


class _Chunks:
    """Reads the chunks of one snapshot, one at a time."""

    def __init__(self, readers: Readers, snapshot: int) -> None:
        self._readers = readers
        self._snapshot = snapshot

    def __call__(self) -> Iterator[tuple[str, bytes]]:
        last = 0
        while True:
            row = self._readers.row(
                "SELECT id, name, data FROM snapshot_chunk WHERE snapshot = ? AND id > ? ORDER BY id LIMIT 1", (self._snapshot, last)
            )
            if row is None:
                return
            last = row[0]
            yield row[1], unsqueeze(row[2], f"{self._readers.path}, snapshot chunk {row[1]}")
