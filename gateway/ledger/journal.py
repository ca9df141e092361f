"""Reading the journal: the inputs in order, its bounds, and whether a message is there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gateway.core.inputs import Config, Input, Message
from gateway.ledger.access import Readers
from gateway.ledger.codec import known_keys, receipt_key, source_seed, unpack_inputs, unsqueeze
from gateway.ledger.errors import LedgerDamaged
from gateway.ledger.records import JournalBounds

REDELIVERY_WINDOW_MS = 2 * 3_600_000  # semantics B1a
_PAGE = 16
_KEY_ROWS = 4096


def read(readers: Readers, after: int, upto: int | None) -> Iterator[tuple[int, list[Input]]]:
    """Batches with after < seq <= upto, in order; one page of batches in memory."""
    last = upto if upto is not None else (1 << 62)
    while True:
        page = readers.rows("SELECT seq, data FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (after, last, _PAGE))
        for seq, data in page:
            inputs = unpack_inputs(data, f"{readers.path}, journal batch {seq}")
            for place, item in enumerate(inputs):
                if type(item) is Config:
                    inputs[place] = _restored(readers, item)
            yield seq, inputs
            after = seq
        if len(page) < _PAGE:
            return


def config_text(readers: Readers, digest: str) -> str | None:
    """The text of a journalled configuration, or None if it is not there (any more)."""
    row = readers.row("SELECT text FROM config WHERE digest = ?", (digest,))
    return None if row is None else unsqueeze(row[0], f"{readers.path}, config {digest}").decode()


def config_texts(readers: Readers) -> list[str]:
    """The texts of all configurations that are kept, one at a time from disk."""
    digests = [row[0] for row in readers.rows("SELECT digest FROM config ORDER BY last_seq")]
    return [text for digest in digests if (text := config_text(readers, digest)) is not None]


def config_at(readers: Readers, seq: int) -> str | None:
    """The configuration in force after batch `seq`, as far as can be told: of each only the last time that it was set is kept."""
    row = readers.row("SELECT digest FROM config WHERE last_seq <= ? ORDER BY last_seq DESC LIMIT 1", (seq,))
    return None if row is None else config_text(readers, row[0])


def _restored(readers: Readers, item: Input) -> Config:
    assert isinstance(item, Config)
    text = config_text(readers, item.digest)
    if text is None:
        raise LedgerDamaged(readers.path, f"configuration {item.digest}, which the journal names, is missing")
    return msgspec.structs.replace(item, text=text)


def bounds(readers: Readers) -> JournalBounds | None:
    """What the journal holds, or None if it is empty."""
    first = readers.row(
        "SELECT b.seq, b.last_ms, b.sum_journal_bytes - b.journal_bytes FROM journal j JOIN batch b USING (seq) ORDER BY j.seq LIMIT 1"
    )
    last = readers.row("SELECT b.seq, b.last_ms, b.sum_journal_bytes FROM journal j JOIN batch b USING (seq) ORDER BY j.seq DESC LIMIT 1")
    if first is None or last is None:
        return None
    return JournalBounds(first[0], last[0], first[1], last[1], last[2] - first[2])


def redelivered(readers: Readers, messages: Sequence[Input]) -> set[int]:
    """Indices of those messages with DUP=1 that are in the journal already, exactly so (semantics B1a).

    Exactly: same source, packet id, topic and payload, within the last 2 h *of the journal*: the clock is that of the
    last commit, with jumps taken out. After an outage of a day a broker still redelivers what was under way when
    we went, and it must be recognised then too.

    Cost: nothing without DUP=1; else one pass over 8 bytes a message of two hours, newest first, until all are found
    (0.1 s for a million). Memory: one page of keys.
    """
    wanted: dict[int, list[int]] = {}
    seeds: dict[str, int] = {}
    for index, item in enumerate(messages):
        if type(item) is Message and item.dup and item.packet_id is not None:
            seed = seeds.get(item.source)
            if seed is None:
                seed = seeds[item.source] = source_seed(item.source)
            wanted.setdefault(receipt_key(item, seed), []).append(index)
    found: set[int] = set()
    if not wanted:
        return found
    missing = set(wanted)
    row = readers.row("SELECT last_ms - clock_shift FROM totals")
    since = (row[0] if row is not None else 0) - REDELIVERY_WINDOW_MS
    before = 1 << 62
    while missing:
        page = readers.rows(
            "SELECT seq, keys FROM receipt WHERE seq < ? AND steady_ms >= ? ORDER BY seq DESC LIMIT ?", (before, since, _KEY_ROWS)
        )
        for key in known_keys([keys for _, keys in page], missing):
            missing.discard(key)
            found.update(wanted[key])
        if len(page) < _KEY_ROWS:
            break
        before = page[-1][0]
    return found
