"""What API and CLI ask: totals, rejections, episodes. All on read connections, paged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.outcomes import Transition
from gateway.ledger.access import Readers
from gateway.ledger.codec import read_transition
from gateway.ledger.records import Episode, RejectedCount, StoredRejection, Totals

_PAGE = 200
_REJECTION = "SELECT id, received_ms, source, topic, device, reason, detail, qos, retain, payload FROM rejection"
OPEN_STATES = ("firing", "unknown")


def totals(readers: Readers) -> Totals:
    """Counts since the ledger was made."""
    return Totals(*(readers.row(f"SELECT {', '.join(Totals._fields)} FROM totals") or ()))


def rejected(readers: Readers) -> dict[str, RejectedCount]:
    """Messages that are rejected now, by reason (semantics B4). Reasons whose messages were all replayed are left out."""
    rows = readers.rows("SELECT reason, rejected, forgotten FROM rejection_total WHERE rejected <> 0 ORDER BY reason")
    return {reason: RejectedCount(count, forgotten) for reason, count, forgotten in rows}


def accounting(readers: Readers) -> tuple[Totals, dict[str, RejectedCount]]:
    """Totals and rejections of one instant: between two separate answers a batch might be committed."""
    with readers.connection() as db:
        db.execute("BEGIN")
        found = Totals(*db.execute(f"SELECT {', '.join(Totals._fields)} FROM totals").fetchone())
        rows = db.execute("SELECT reason, rejected, forgotten FROM rejection_total WHERE rejected <> 0 ORDER BY reason").fetchall()
        db.execute("COMMIT")
    return found, {reason: RejectedCount(count, forgotten) for reason, count, forgotten in rows}


def rejections(
    readers: Readers, reason: str | None, device: str | None, since_ms: int | None, limit: int | None
) -> Iterator[StoredRejection]:
    """Open rejections with their raw bytes, oldest first; one page in memory. Rows that go meanwhile are left out."""
    where = ["id > ?"]
    parameters: list[str | int] = []
    for clause, value in (("reason = ?", reason), ("device = ?", device), ("received_ms > ?", since_ms)):
        if value is not None:
            where.append(clause)
            parameters.append(value)
    sql = f"{_REJECTION} WHERE {' AND '.join(where)} ORDER BY id LIMIT ?"
    last, left = 0, limit if limit is not None else (1 << 62)
    while left > 0:
        size = min(_PAGE, left)
        page = readers.rows(sql, (last, *parameters, size))
        for row in page:
            yield _stored(row)
            last = row[0]
        left -= len(page)
        if len(page) < size:
            return


def rejection(readers: Readers, number: int) -> StoredRejection | None:
    """One open rejection, or None if it was replayed or forgotten."""
    row = readers.row(f"{_REJECTION} WHERE id = ?", (number,))
    return None if row is None else _stored(row)


def _stored(row: tuple[Any, ...]) -> StoredRejection:
    number, received_ms, source, topic, device, reason, detail, qos, retain, payload = row
    return StoredRejection(number, received_ms, source, topic, device, reason, detail, qos, bool(retain), payload)


def episodes(readers: Readers, state: str | None, since_ms: int | None, limit: int) -> list[Episode]:
    """Alerts, the one changed last first. `state`: `open`, `closed`, one state's name, or None for all; since: changed after."""
    where = ["1"]
    parameters: list[str | int] = []
    if state == "open":
        where.append("state IN (?, ?)")
        parameters.extend(OPEN_STATES)
    elif state == "closed":
        where.append("state NOT IN (?, ?)")
        parameters.extend(OPEN_STATES)
    elif state is not None:
        where.append("state = ?")
        parameters.append(state)
    if since_ms is not None:
        where.append("changed_ms > ?")
        parameters.append(since_ms)
    rows = readers.rows(
        f"SELECT episode FROM episode WHERE {' AND '.join(where)} ORDER BY last_transition DESC LIMIT ?", (*parameters, limit)
    )
    return [found for row in rows if (found := episode(readers, row[0])) is not None]


def episode(readers: Readers, name: str) -> Episode | None:
    """One alert with its history, or None."""
    rows = readers.rows("SELECT id, body FROM transition WHERE episode = ? ORDER BY id", (name,))
    history: list[Transition] = [read_transition(body, f"{readers.path}, transition {number}") for number, body in rows]
    return Episode(history[-1], history) if history else None
