"""What can go wrong with the ledger, each with what to do about it.

LedgerError
├── LedgerTooNew     written by a newer envgw
├── LedgerInUse      another process holds it
├── LedgerDamaged    the file, or a record in it, cannot be read
├── LedgerExists     `restore` or `salvage` would overwrite something
└── CommitFailed     a write did not reach the disk; nothing of it is visible, the same call may be repeated
"""

from __future__ import annotations

from pathlib import Path

from gateway.errors import EnvgwError


class LedgerError(EnvgwError):
    """Base of the ledger's errors."""


class LedgerTooNew(LedgerError):
    """The file has a schema that this version does not know."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer envgw (ledger version {found}, this envgw knows up to {known}). "
            "Start the newer envgw, or restore a backup from before the upgrade: envgw restore BACKUP"
        )


class LedgerInUse(LedgerError):
    """Another process holds the ledger's lock. `pid` is None when the lock file does not say."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{path} is in use by {who}. Stop that gateway first, or give this one its own gateway.data_dir")


class LedgerDamaged(LedgerError):
    """The file or one of its records cannot be read. `reason` is what the reader said."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{path} is damaged: {reason}. Keep the file. Put back the last backup with `envgw restore BACKUP`, or save what can "
            "still be read into a new file with `envgw restore --salvage`; what the histories already hold is not affected"
        )


class LedgerExists(LedgerError):
    """Refused to overwrite a file."""


class CommitFailed(LedgerError):
    """A write to the ledger failed and was rolled back completely. Repeat the same call when the cause is mended.

    `disk_full` tells the one cause that pruning or the reserve can mend from the others (I/O errors).
    """

    def __init__(self, reason: str, *, disk_full: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.disk_full = disk_full
