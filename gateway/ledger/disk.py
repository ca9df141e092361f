"""The disk under the ledger: its lock, its reserve, its free space."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from gateway.ledger.errors import LedgerInUse

_MARGIN = 1024 * 1024  # what must stay free beside a reserve that is being allocated again


def beside(path: Path, suffix: str) -> Path:
    """`ledger.db` → `ledger.db<suffix>`."""
    return path.with_name(path.name + suffix)


def free_bytes(path: Path) -> int:
    """Bytes that a process like this one may still write on the file's disk."""
    stat = os.statvfs(path.parent)
    return stat.f_bavail * stat.f_frsize


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Lock:
    """One process at a time: `flock` on `<ledger>.lock`, which names the holder's pid.

    The kernel lets go of it when the process ends, however it ends. The lock file itself is never removed: whoever
    removes it could leave two processes locking two different files of one name.
    """

    def __init__(self, path: Path) -> None:
        """Raises LedgerInUse at once if somebody else holds it."""
        self._fd = os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 32, 0).strip()
            os.close(self._fd)
            raise LedgerInUse(path, int(holder) if holder.isdigit() else None) from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds, it only cannot say whose it is

    def release(self) -> None:
        """Let go; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def let_go(path: Path) -> bool:
    """Whether the ledger is there and surely nobody works on it. (Where that cannot be told, the answer is no.)"""
    if not path.exists():
        return False
    try:
        fd = os.open(beside(path, ".lock"), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class Reserve:
    """A preallocated file that is given up when the disk is full (semantics B5).

    What it frees is for cursors, delivery marks and pruning only: while it is not held, `Ledger.commit` takes no
    inputs, so they cannot eat it.
    """

    def __init__(self, ledger: Path, size: int) -> None:
        self._path = beside(ledger, ".reserve")
        self._size = size

    def held(self) -> bool:
        """Is the space set aside? (A reserve of 0 bytes always is.)"""
        if self._size == 0:
            return True
        try:
            return self._path.stat().st_size == self._size
        except FileNotFoundError:
            return False

    def ensure(self) -> bool:
        """Set the space aside if it is not; False if the disk has not that much."""
        if self.held():
            return True
        self.release()
        if free_bytes(self._path) < self._size + _MARGIN:
            return False
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> bool:
        """Give the space up; False if there was none."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
