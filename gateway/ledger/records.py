"""What the ledger answers with. Times are ms since the Unix epoch, UTC; sizes are bytes as stored (compressed)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.reading import Line
from gateway.core.outcomes import Intent, Transition


class Totals(NamedTuple):
    """The one row that every commit updates: counts since the ledger was made, and the running sums.

    `received = stored + duplicate + shed + rejected` (semantics B4) with rejected from `LedgerReader.rejected`.
    """

    seq: int = 0
    last_ms: int = 0
    """When the last journalled input was taken in."""
    clock_shift: int = 0
    """Sum of all journalled clock jumps, ms: `last_ms - clock_shift` never jumps."""
    batches: int = 0
    """Batches that have lines."""
    lines: int = 0
    line_bytes: int = 0
    journal_bytes: int = 0
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    shed: int = 0
    revisions: int = 0
    kept_rejections: int = 0
    """Open rejections whose raw bytes are kept."""


class RejectedCount(NamedTuple):
    """Messages rejected for one reason, and how many of those are no longer kept (`ledger.rejected_max`)."""

    rejected: int
    forgotten: int


class JournalBounds(NamedTuple):
    """What the journal still holds."""

    first_seq: int
    last_seq: int
    first_ms: int
    last_ms: int
    bytes: int


class LaneState(NamedTuple):
    """How far one lane has come and what waits for it."""

    name: str
    kind: str
    required: bool
    quota: int
    cursor: int
    head: int
    backlog_batches: int
    """Batches with lines that wait."""
    backlog_lines: int
    backlog_bytes: int
    parked: bool


class LaneGap(NamedTuple):
    """Lines that a parked lane was not given (semantics B5): those of batches in (after_seq, upto_seq].

    `upto_seq`, `upto_ms` are None while the lane is still parked; `lines` then counts up to now.
    """

    lane: str
    after_seq: int
    upto_seq: int | None
    from_ms: int
    upto_ms: int | None
    lines: int


class RefusedStored(NamedTuple):
    """A line that a history refused for good (semantics B6)."""

    id: int
    lane: str
    at_ms: int
    reason: str
    line: Line


class Undelivered(NamedTuple):
    """An intent that a receiver could not be told."""

    id: int
    receiver: str
    at_ms: int
    reason: str
    intent: Intent


class StoredRejection(NamedTuple):
    """A rejected message with its raw bytes; `id` goes into `inputs.Replayed.rejection`."""

    id: int
    received_ms: int
    source: str
    topic: str
    device: str
    reason: str
    detail: str
    qos: int
    retain: bool
    payload: bytes


class Episode(NamedTuple):
    """One alert: its newest transition and all of them, oldest first."""

    latest: Transition
    history: list[Transition]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A finished snapshot of the core's state after batch `seq`."""

    seq: int
    config_digest: str
    code_version: str
    schema: int
    chunks: Callable[[], Iterator[tuple[str, bytes]]] = field(repr=False)
    """Call it for the chunks in the order in which they were put, one at a time."""


@dataclass(slots=True)
class PruneReport:
    """What one slice of pruning did. `more` says that another slice has work."""

    line_batches: int = 0
    journal_batches: int = 0
    receipts: int = 0
    rejections: int = 0
    intents: int = 0
    vacuumed_pages: int = 0
    parked: list[str] = field(default_factory=list)
    """Lanes that this slice parked."""
    more: bool = False


@dataclass(slots=True)
class SalvageReport:
    """What could be saved from a damaged file."""

    kept: dict[str, int] = field(default_factory=dict)
    """Rows saved, per table."""
    lost: dict[str, int] = field(default_factory=dict)
    """Rows known to be lost, per table (keys that must have been there, or records that do not decode)."""
    notes: list[str] = field(default_factory=list)
    """What that means, in sentences for the operator."""
