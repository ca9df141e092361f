"""How the rest of the ledger reaches SQLite: one writer, a few readers, and every error in the operator's words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.ledger.disk import Reserve
from gateway.ledger.errors import CommitFailed, LedgerDamaged, LedgerError
from gateway.ledger.schema import BUSY_MS, connect, prepare_writer

T = TypeVar("T")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(error: sqlite3.Error) -> bool:
    """Does SQLite say that the file itself is broken?"""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE


def write_error(error: sqlite3.Error, path: Path) -> LedgerError:
    """What a failed write means, and what to do."""
    if is_damage(error):
        return LedgerDamaged(path, str(error))
    if (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL:
        return CommitFailed(f"no space left for {path}: free some on its disk; nothing was lost, writing goes on by itself", disk_full=True)
    return CommitFailed(f"cannot write {path}: {error}: check the disk (dmesg, smartctl) and the file's permissions")


class Readers:
    """Read-only connections, lent to whichever thread asks.

    Every answer is fetched at once (callers page through large tables by key), so that no read transaction stays
    open: it would keep SQLite's log from being reset, and the log would grow without bound.
    """

    def __init__(self, path: Path, *, idle: int = 4) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []  # pop and append are atomic
        self._most_idle = idle
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection. Raises LedgerDamaged, LedgerError."""
        if self._closed:
            raise LedgerError(f"{self.path} is closed")
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._open()
        try:
            yield db
        except sqlite3.Error as error:
            db.close()
            if is_damage(error):
                raise LedgerDamaged(self.path, str(error)) from None
            raise LedgerError(f"cannot read {self.path}: {error}") from None
        except BaseException:
            db.close()
            raise
        if self._closed or len(self._idle) >= self._most_idle:
            db.close()
        else:
            self._idle.append(db)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a bounded query."""
        with self.connection() as db:
            return db.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        with self.connection() as db:
            found: tuple[Any, ...] | None = db.execute(sql, parameters).fetchone()
            return found

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _open(self) -> sqlite3.Connection:
        try:
            return connect(self.path, read_only=True)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot open {self.path}: {error}") from None


class Writer:
    """The one writing connection. A lock makes it usable from any thread; in the gateway it is always the same one."""

    def __init__(self, path: Path, reserve: Reserve) -> None:
        self._path = path
        self._reserve = reserve
        self.lock = threading.RLock()
        self._db: sqlite3.Connection | None = None  # None until first used, and after an I/O error

    def reopen(self) -> sqlite3.Connection:
        """A fresh connection (after an I/O error SQLite's idea of the file is not trusted any further)."""
        if self._db is not None:
            self._db.close()
            self._db = None
        db = connect(self._path)
        prepare_writer(db)
        self._db = db
        return db

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection outside a transaction, for pragmas and look-ups by the writer."""
        with self.lock:
            try:
                yield self._db if self._db is not None else self.reopen()
            except sqlite3.Error as error:
                raise write_error(error, self._path) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed and fsynced when the block ends, else rolled back completely.

        Raises CommitFailed or LedgerDamaged.
        """
        with self.lock:
            try:
                db = self._db if self._db is not None else self.reopen()
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except sqlite3.Error as error:
                failure = write_error(error, self._path)
                self._roll_back(reopen=not (isinstance(failure, CommitFailed) and failure.disk_full))
                raise failure from None
            except BaseException:
                self._roll_back(reopen=False)
                raise

    def urgent(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A transaction that works on a full disk too: if there is no space, the reserve is given up and it is tried again.

        For what must go on then: cursors, delivery marks, pruning (semantics B5).
        """
        with self.lock:
            try:
                with self.transaction() as db:
                    return work(db)
            except CommitFailed as failure:
                if not failure.disk_full or not self._reserve.release():
                    raise
            with self.transaction() as db:
                return work(db)

    def shrink_log(self) -> None:
        """Write the log back into the file and cut it; does nothing while somebody reads an older state."""
        with self.connection() as db:
            db.execute("PRAGMA busy_timeout=0")  # never let a commit wait for a reader
            try:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                db.execute(f"PRAGMA busy_timeout={BUSY_MS}")

    def _roll_back(self, *, reopen: bool) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            reopen = True
        if reopen:
            db.close()
        else:
            self._db = db

    def close(self) -> None:
        """Write the log back into the file and close; idempotent."""
        with self.lock:
            if self._db is not None:
                self._db.close()
                self._db = None
