"""The ledger: journal, outcomes, snapshots, lanes and outbox in one SQLite file."""

from gateway.ledger.aio import AsyncLedger, CommitSignal
from gateway.ledger.backup import check, restore
from gateway.ledger.errors import CommitFailed, LedgerDamaged, LedgerError, LedgerExists, LedgerInUse, LedgerTooNew
from gateway.ledger.ledger import Ledger, LedgerReader
from gateway.ledger.records import (
    Episode,
    JournalBounds,
    LaneGap,
    LaneState,
    PruneReport,
    RefusedStored,
    RejectedCount,
    SalvageReport,
    StoredRejection,
    StoredSnapshot,
    Totals,
    Undelivered,
)
from gateway.ledger.salvage import salvage

__all__ = [
    "AsyncLedger",
    "CommitFailed",
    "CommitSignal",
    "Episode",
    "JournalBounds",
    "LaneGap",
    "LaneState",
    "Ledger",
    "LedgerDamaged",
    "LedgerError",
    "LedgerExists",
    "LedgerInUse",
    "LedgerReader",
    "LedgerTooNew",
    "PruneReport",
    "RefusedStored",
    "RejectedCount",
    "SalvageReport",
    "StoredRejection",
    "StoredSnapshot",
    "Totals",
    "Undelivered",
    "check",
    "restore",
    "salvage",
]
