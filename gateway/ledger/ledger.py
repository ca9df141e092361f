"""The ledger: one SQLite file that keeps everything between receipt and delivery (DESIGN section 2).

    pipeline ── commit ──▶ ┌────────┐ ── read_lines ──▶ history lanes ── advance ──┐
                           │ ledger │ ── read_intents ─▶ receivers ── delivered ───┤
    recovery ◀─ journal ── └────────┘ ◀────────────────────────────────────────────┘

`LedgerReader` answers questions and may be used by any thread and any process while the gateway runs. `Ledger` adds the
one writer; the gateway calls it from a single worker thread (see `gateway.ledger.aio`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from devices.reading import Line
from gateway.core.inputs import Input
from gateway.core.outcomes import Intent, Outcomes
from gateway.ledger import backup as _backup
from gateway.ledger import batch, journal, lanes, outbox, prune, queries, snapshots
from gateway.ledger.access import Readers, Writer, is_damage
from gateway.ledger.codec import Packer
from gateway.ledger.disk import Lock, Reserve, free_bytes
from gateway.ledger.errors import CommitFailed, LedgerDamaged, LedgerError
from gateway.ledger.records import (
    Episode,
    JournalBounds,
    LaneGap,
    LaneState,
    PruneReport,
    RefusedStored,
    RejectedCount,
    StoredRejection,
    StoredSnapshot,
    Totals,
    Undelivered,
)
from gateway.ledger.schema import MIGRATIONS, look_at, migrate, version_of
from gateway.settings import LedgerSection


class LedgerReader:
    """Everything that can be asked. Every method may raise LedgerDamaged or LedgerError.

    Iterators read page by page: they hold no transaction open, and see what is committed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Open for reading only: the CLI beside a running gateway, or on one that is down."""
        self.path = path
        if not path.is_file():
            raise LedgerError(f"there is no ledger at {path}: has the gateway run with this gateway.data_dir?")
        self._readers = Readers(path)
        with self._readers.connection() as db:
            version = version_of(db, path)
        if version < len(MIGRATIONS):
            raise LedgerError(f"{path} is of an older envgw (ledger version {version}): start the gateway once, it brings it up to date")

    def close(self) -> None:
        """Release connections; idempotent."""
        self._readers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # the journal

    def journal(self, after: int = 0, upto: int | None = None) -> Iterator[tuple[int, list[Input]]]:
        """Journalled inputs of the batches with after < seq <= upto, in order, configurations with their text."""
        return journal.read(self._readers, after, upto)

    def journal_bounds(self) -> JournalBounds | None:
        """What the journal still holds; None if nothing."""
        return journal.bounds(self._readers)

    def last_received_ms(self) -> int:
        """When the last journalled input was taken in, 0 in a new ledger."""
        return self.totals().last_ms

    def config_text(self, digest: str) -> str | None:
        """The text of a journalled configuration."""
        return journal.config_text(self._readers, digest)

    def config_texts(self) -> list[str]:
        """The texts of all configurations that are still kept."""
        return journal.config_texts(self._readers)

    def config_at(self, seq: int) -> str | None:
        """The text of the configuration in force after batch `seq`: the last that was set for the last time before it; None: none."""
        return journal.config_at(self._readers, seq)

    def redelivered(self, messages: Sequence[Input]) -> set[int]:
        """Indices of the messages with DUP=1 that are in the journal of the last 2 h already (semantics B1a)."""
        return journal.redelivered(self._readers, messages)

    def latest_snapshot(self) -> StoredSnapshot | None:
        """The newest finished snapshot."""
        return next(iter(self.snapshots()), None)

    def snapshots(self) -> list[StoredSnapshot]:
        """The finished snapshots, newest first: at most two."""
        return snapshots.finished(self._readers)

    # lanes and receivers

    def lane_state(self, name: str) -> LaneState:
        """Where a lane stands and what waits for it."""
        return lanes.state(self._readers, name)

    def lane_states(self) -> list[LaneState]:
        """All registered lanes."""
        return lanes.states(self._readers)

    def lane_gaps(self, name: str | None = None) -> list[LaneGap]:
        """What parked lanes were not given."""
        return lanes.gaps(self._readers, name)

    def read_lines(self, after: int, max_lines: int) -> list[tuple[int, list[Line]]]:
        """The next whole batches of lines after batch `after`: at most `max_lines` together, but at least one batch."""
        return lanes.read(self._readers, after, max_lines)

    def history_rejected(self, lane: str | None = None, limit: int | None = None) -> Iterator[RefusedStored]:
        """Lines that histories refused for good, oldest first (semantics B6)."""
        return lanes.refused(self._readers, lane, limit)

    def receivers(self) -> list[str]:
        """Names of the registered receivers."""
        return outbox.names(self._readers)

    def read_intents(self, receiver: str, limit: int = 100) -> list[tuple[int, Intent]]:
        """The next intents for a receiver, in order."""
        return outbox.read(self._readers, receiver, limit)

    def waiting_intents(self, receiver: str) -> int:
        """How many intents wait for a receiver."""
        return outbox.waiting(self._readers, receiver)

    def waiting_since(self) -> dict[str, int]:
        """Lane or receiver → when the oldest of what waits for it was taken in, in ms; those for which nothing waits are left out."""
        return lanes.waiting_since(self._readers) | outbox.waiting_since(self._readers)

    def undelivered(self, receiver: str | None = None, limit: int = 100) -> list[Undelivered]:
        """What receivers could not be told, newest first."""
        return outbox.undelivered(self._readers, receiver, limit)

    # accounting and alerts

    def totals(self) -> Totals:
        """Counts of messages since the ledger was made."""
        return queries.totals(self._readers)

    def accounting(self) -> tuple[Totals, dict[str, RejectedCount]]:
        """`totals` and `rejection_counts` of one instant: the accounting identity holds between them."""
        return queries.accounting(self._readers)

    def rejection_counts(self) -> dict[str, RejectedCount]:
        """Messages rejected by present disposition, by reason: replayed ones are not among them (semantics B4)."""
        return queries.rejected(self._readers)

    def rejections(
        self, reason: str | None = None, device: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> Iterator[StoredRejection]:
        """Open rejections with raw bytes, oldest first."""
        return queries.rejections(self._readers, reason, device, since_ms, limit)

    def rejection(self, number: int) -> StoredRejection | None:
        """One open rejection; None if it was replayed or forgotten."""
        return queries.rejection(self._readers, number)

    def episodes(self, state: str | None = None, since_ms: int | None = None, limit: int = 100) -> list[Episode]:
        """Alerts, the one that changed last first. `state`: `open`, `closed`, `firing`, `unknown`, `resolved` or None."""
        return queries.episodes(self._readers, state, since_ms, limit)

    def episode(self, name: str) -> Episode | None:
        """One alert with its history."""
        return queries.episode(self._readers, name)

    def backup(self, dest: Path) -> None:
        """Copy the ledger to `dest` while the gateway runs; checked before it gets its name."""
        _backup.backup(self._readers, dest)


class Ledger(LedgerReader):
    """The writing side: one process, one thread at a time. Every writing method may raise CommitFailed."""

    def __init__(self, path: Path, section: LedgerSection | None = None) -> None:
        """Open or create. Raises LedgerInUse, LedgerTooNew, LedgerDamaged, LedgerError; then nothing was changed."""
        section = section or LedgerSection()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(path)
        try:
            self._reserve = Reserve(path, section.reserve)
            self._low_water = section.low_water
            self._bounds = prune.Bounds(section.journal_retention, section.journal_max_size, section.rejected_max)
            self._packer = Packer()
            self._seeds: dict[str, int] = {}
            self._doubtful: batch.Batch | None = None
            self._writer = self._open_writer(path)
            self._reserve.ensure()
            super().__init__(path)
            if self._readers.row("SELECT 1 FROM snapshot WHERE NOT finished LIMIT 1"):
                self._writer.urgent(snapshots.discard_unfinished)
        except BaseException:
            self._lock.release()
            raise

    def _open_writer(self, path: Path) -> Writer:
        """Connect, bring the schema up to date, read the totals."""
        writer = Writer(path, self._reserve)
        try:
            if path.exists() and path.stat().st_size:
                look_at(path)  # before a pragma of ours could change somebody else's file
            with writer.lock:
                db = writer.reopen()
                migrate(db, path)
                self._totals = batch.read_totals(db)
                db.execute("SELECT seq FROM batch ORDER BY seq DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            writer.close()
            raise _cannot_open(error, path) from None
        except BaseException:
            writer.close()
            raise
        return writer

    def close(self) -> None:
        """Close everything and let go of the lock; idempotent."""
        super().close()
        self._writer.close()
        self._lock.release()

    @property
    def head(self) -> int:
        """Number of the last committed batch, 0 in a new ledger."""
        return self._totals.seq

    def commit(self, inputs: Sequence[Input], outcomes: Outcomes) -> int:
        """Write inputs and what came of them, in one transaction, fsynced. Returns the batch's number.

        Journalled are the inputs that `outcomes.journal` names. An empty batch (a tick that did nothing) is not
        written: the last number is returned. Raises CommitFailed: nothing of it is visible, and the same call can
        be made again unchanged. While the reserve is given up no inputs are taken (semantics B5).
        """
        with self._writer.lock:
            if batch.is_empty(outcomes):
                return self._totals.seq
            if not self._reserve.ensure():
                raise CommitFailed(
                    f"the disk of {self.path} is full: {free_bytes(self.path) >> 20} MB free, the reserve is given up. Free some space; "
                    "nothing was lost, taking in goes on by itself",
                    disk_full=True,
                )
            encoded = batch.encode(inputs, outcomes, self._totals, self._packer, self._seeds)
            doubtful = self._doubtful
            if doubtful is not None:
                found = self._look_for(doubtful)
                if found and doubtful.journal == encoded.journal:
                    return self._totals.seq
                encoded = batch.encode(inputs, outcomes, self._totals, self._packer, self._seeds)
            try:
                with self._writer.transaction() as db:
                    totals = batch.insert(db, encoded, inputs, outcomes, self._bounds.rejected_max)
            except CommitFailed:
                self._doubtful = encoded
                raise
            self._totals = totals
            return totals.seq

    def _look_for(self, doubtful: batch.Batch) -> bool:
        """Is a batch in the ledger whose commit failed?

        If only its fsync failed it stands complete in SQLite's log, and counts as soon as the log is read anew. Then it
        is committed, and must not be a second time; the fsync of this transaction covers it.
        """
        with self._writer.transaction() as db:
            totals = batch.read_totals(db)
            batch.write_totals(db, totals)
            row = db.execute("SELECT data FROM journal WHERE seq = ?", (doubtful.totals.seq,)).fetchone()
        self._totals, self._doubtful = totals, None
        return row is not None and row[0] == doubtful.journal

    # the disk

    def free_space_low(self) -> bool:
        """Is there less than `ledger.low_water` free, or the reserve given up? Then taking in must stop.

        Takes the reserve back if there is room for it: call it from the writer's thread.
        """
        return free_bytes(self.path) < self._low_water or not self._reserve.ensure()

    def reserve_held(self) -> bool:
        """Is the reserve set aside? If not, the disk was full and readiness is red."""
        return self._reserve.held()

    def prune(self, now_ms: int, *, budget_ms: float = 5) -> PruneReport:
        """One slice of pruning of about `budget_ms`; call again while `more`. Also parks lanes over their quota."""
        tight = self.free_space_low()

        def work(db: sqlite3.Connection) -> tuple[PruneReport, Totals]:
            return prune.prune_slice(db, self._bounds, now_ms, budget_ms / 1000)

        with self._writer.lock:
            report, self._totals = self._writer.urgent(work)
            if not report.more:
                with self._writer.connection() as db:
                    report.vacuumed_pages, report.more = prune.vacuum_slice(db, budget_ms / 1000, tight=tight)
        if tight:
            self._writer.shrink_log()  # only this gives the pages back to the disk
            self._reserve.ensure()
        return report

    # snapshots

    def begin_snapshot(self, seq: int, config_digest: str, code_version: str, *, schema: int = 1) -> snapshots.SnapshotWriter:
        """Begin to write the state after batch `seq`. See `SnapshotWriter`."""
        return snapshots.SnapshotWriter(self._writer, seq, config_digest, code_version, schema)

    # lanes and receivers

    def register_lane(self, name: str, kind: str, *, required: bool, quota: int) -> LaneState:
        """Make a history lane known (or its new settings). A new one starts at the oldest lines still kept."""
        self._writer.urgent(lambda db: lanes.register(db, name, kind, required, quota))
        return self.lane_state(name)

    def retire_lane(self, name: str) -> None:
        """Forget a lane that is not configured any more: it pins the journal no longer."""
        self._writer.urgent(lambda db: lanes.retire(db, name))

    def advance(self, name: str, upto: int, refused: Sequence[tuple[Line, str]] = (), *, now_ms: int) -> LaneState:
        """The lane's history has everything up to batch `upto`, except `refused`: (line, reason), which are listed."""
        return self._writer.urgent(lambda db: lanes.advance(db, name, upto, refused, now_ms))

    def resume_lane(self, name: str, *, now_ms: int) -> LaneState:
        """Let a parked lane go on from the present end; what it missed stays on record as a gap."""
        self._writer.urgent(lambda db: lanes.resume(db, name, now_ms))
        return self.lane_state(name)

    def forget_refused(self, ids: Sequence[int]) -> None:
        """Take refused lines off the list (they were written after all)."""
        self._writer.urgent(lambda db: lanes.forget_refused(db, ids))

    def register_receiver(self, name: str) -> None:
        """Make a receiver known. A new one is told only what is due from now on."""
        self._writer.urgent(lambda db: outbox.register(db, name))

    def retire_receiver(self, name: str) -> None:
        """Forget a receiver that is not configured any more."""
        self._writer.urgent(lambda db: outbox.retire(db, name))

    def mark_delivered(self, receiver: str, intent: int) -> None:
        """The receiver was told everything up to this intent."""
        self._writer.urgent(lambda db: outbox.delivered(db, receiver, intent))

    def mark_undelivered(self, receiver: str, intent: int, reason: str, *, now_ms: int) -> None:
        """The receiver cannot be told this one: set aside with the reason, go on with the next."""
        self._writer.urgent(lambda db: outbox.set_aside(db, receiver, intent, reason, now_ms))


def _cannot_open(error: sqlite3.Error, path: Path) -> LedgerError:
    if is_damage(error):
        return LedgerDamaged(path, str(error))
    return LedgerError(f"cannot open {path}: {error}: check that the folder exists, is writable and has free space")
