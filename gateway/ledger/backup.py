"""Backup while running, restore while not."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from gateway.ledger.access import Readers, write_error
from gateway.ledger.disk import Lock, beside, sync_folder
from gateway.ledger.errors import LedgerDamaged, LedgerError, LedgerExists
from gateway.ledger.schema import connect, version_of

RESTORE_GAP = 1_000_000_000
"""Added to the batch number by a restore. A history may remember the number up to which it has everything; batches
written after the restore must not carry a number that it has seen before, or it would skip them."""

_PAGES = 256


def backup(readers: Readers, dest: Path) -> None:
    """Copy the ledger as it is at this instant to `dest`, while the gateway goes on writing.

    Written beside `dest`, checked (`integrity_check`), fsynced and then renamed: `dest` is never half a backup.
    Blocks for as long as the copy takes; SQLite's log grows meanwhile by what is committed.
    """
    part = beside(dest, ".part")
    _remove(part)
    try:
        with readers.connection() as source:
            # A read transaction of our own pins one state: without it SQLite would begin anew at every commit.
            source.execute("BEGIN")
            try:
                source.execute("SELECT count(*) FROM totals").fetchone()
                target = sqlite3.connect(part)
                try:
                    source.backup(target, pages=_PAGES, sleep=0)
                    target.execute("PRAGMA journal_mode=DELETE")
                    target.execute("DELETE FROM snapshot_chunk WHERE snapshot NOT IN (SELECT id FROM snapshot WHERE finished)")
                    target.execute("DELETE FROM snapshot WHERE NOT finished")
                    target.commit()
                finally:
                    target.close()
            finally:
                source.execute("ROLLBACK")
        check(part)
        fd = os.open(part, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(part, dest)
        sync_folder(dest.parent)
    except OSError as error:
        raise LedgerError(f"cannot write the backup {dest}: {error.strerror or error}") from None
    finally:
        _remove(part)


def check(path: Path) -> None:
    """Read all of a ledger file. Raises LedgerDamaged, LedgerTooNew, LedgerError."""
    if not path.is_file():
        raise LedgerError(f"{path} does not exist")
    try:
        db = connect(path, read_only=True)
        try:
            if version_of(db, path) == 0:
                raise LedgerDamaged(path, "it is empty")
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        raise LedgerDamaged(path, str(error)) from None
    if found != "ok":
        raise LedgerDamaged(path, str(found).replace("\n", " "))


def restore(source: Path, dest: Path, *, force: bool = False) -> None:
    """Put a backup in the place of a ledger that no gateway runs on.

    What was there is kept as `<dest>.before-restore`. Raises LedgerInUse while a gateway runs, LedgerExists if there
    is a ledger and not `force`, LedgerDamaged or LedgerTooNew if the backup is no good (then nothing was touched).
    """
    check(source)
    dest.parent.mkdir(parents=True, exist_ok=True)
    with Lock(dest):
        if dest.exists() and not force:
            raise LedgerExists(
                f"{dest} exists. Nothing was changed; add --force to replace it (it will be kept as {dest.name}.before-restore)"
            )
        part = beside(dest, ".part")
        _remove(part)
        try:
            shutil.copyfile(source, part)
            _move_on(part)
            if dest.exists():
                _keep(dest, beside(dest, ".before-restore"))
            os.replace(part, dest)
            sync_folder(dest.parent)
        except OSError as error:
            raise LedgerError(f"cannot restore to {dest}: {error.strerror or error}") from None
        finally:
            _remove(part)


def _move_on(path: Path) -> None:
    """Leave a gap in the batch numbers (see RESTORE_GAP), durably."""
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("UPDATE totals SET seq = seq + ?", (RESTORE_GAP,))
        db.commit()
    except sqlite3.Error as error:
        raise write_error(error, path) from None
    finally:
        db.close()


def _keep(path: Path, aside: Path) -> None:
    """Move a ledger aside, with what its log still holds."""
    try:
        db = sqlite3.connect(path)
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()
    except sqlite3.Error:
        pass  # damaged: then its log is kept beside it
    _remove(aside)
    os.replace(path, aside)
    for suffix in ("-wal", "-shm"):
        if beside(path, suffix).exists():
            os.replace(beside(path, suffix), beside(aside, suffix))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(path, suffix).unlink(missing_ok=True)
