"""From the ledger back to the core's state: the newest snapshot, and the journal since, with the outputs muted.

Because the core is deterministic, the state after this is the state before the crash, byte for byte (invariant 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import structlog

from devices.codecs import patiently
from devices.interpret import Interpreter
from gateway.core import Core
from gateway.core.state import SCHEMA
from gateway.ledger import Ledger, LedgerDamaged, LedgerError, LedgerReader, StoredSnapshot

log = structlog.get_logger("recovery")


class Recovered(NamedTuple):
    """What a start found: the last batch, and how much of the journal had to be stepped again."""

    seq: int
    snapshot_seq: int
    batches: int
    inputs: int


def recover(ledger: Ledger, prepared: tuple[str, Interpreter] | None = None) -> tuple[Core, Recovered]:
    """A core in the state after the ledger's last batch. `prepared`: see `Core`.

    A snapshot that cannot be read is passed over for the one before, then for the whole journal if it reaches back
    to its beginning. Raises LedgerDamaged when neither gives the state back.
    """
    core, start = _newest_state(ledger, prepared)
    batches = inputs = 0
    with patiently():  # what a codec was stopped at stands in the journal; all else it has read before, on a machine less busy perhaps
        for _, items in ledger.journal(after=start):
            core.step(items)
            batches += 1
            inputs += len(items)
    return core, Recovered(ledger.head, start, batches, inputs)


def look(ledger: LedgerReader) -> Core:
    """The state after the last batch, for looking at it (`envgw rules explain`): the ledger may belong to a running gateway."""
    core, start = _newest_state(ledger, None)
    for _, items in ledger.journal(after=start):
        core.step(items)
    return core


def _newest_state(ledger: LedgerReader, prepared: tuple[str, Interpreter] | None) -> tuple[Core, int]:
    for snapshot in ledger.snapshots():
        core = Core(prepared)
        try:
            _load(ledger, core, snapshot)
        except (LedgerDamaged, msgspec.DecodeError, ValueError, StopIteration) as error:
            log.error("a snapshot cannot be used, trying the one before", seq=snapshot.seq, reason=str(error))
        else:
            return core, snapshot.seq
    bounds = ledger.journal_bounds()
    if bounds is not None and bounds.first_seq > 1:
        raise LedgerDamaged(ledger.path, "no snapshot can be read, and the journal does not reach back to the beginning")
    return Core(prepared), 0


def _load(ledger: LedgerReader, core: Core, snapshot: StoredSnapshot) -> None:
    if snapshot.schema > SCHEMA:
        raise LedgerError(f"the snapshot of batch {snapshot.seq} was made by a newer envgw ({snapshot.code_version}): start that one")
    text = ledger.config_text(snapshot.config_digest)
    if text is None:
        raise LedgerDamaged(ledger.path, f"configuration {snapshot.config_digest} of the snapshot is missing")
    chunks = snapshot.chunks()
    name, head = next(chunks)
    if name != "globals":
        raise LedgerDamaged(ledger.path, f"the snapshot begins with {name!r}")
    core.restore(head, _units(chunks), text)


def _units(chunks: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    for _, data in chunks:
        yield from msgspec.msgpack.decode(data, type=list[tuple[str, bytes]])
