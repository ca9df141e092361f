"""Small inputs and outcomes for ledger tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devices.reading import Line, Value
from gateway.core.inputs import Input, Message
from gateway.core.outcomes import Intent, Outcomes, Rejected, Transition
from gateway.ledger import Ledger
from gateway.settings import LedgerSection

T0 = 1_760_000_000_000
HOUR = 3_600_000
SMALL: dict[str, Any] = {"low_water": 0, "reserve": 0}


@contextmanager
def ledger(path: Path, **section: Any) -> Iterator[Ledger]:
    """A ledger that is closed in the end; no reserve unless asked for."""
    opened = Ledger(path, LedgerSection(**(SMALL | section)))
    try:
        yield opened
    finally:
        opened.close()


def message(number: int, *, ms: int | None = None, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "received_ms": T0 + number if ms is None else ms,
        "source": "main",
        "topic": f"city/air/{number % 7}",
        "payload": b'{"pm25": %d}' % number,
        "qos": 1,
        "packet_id": number % 65_535 + 1,
    }
    return Message(**(fields | changes))


def line(number: int) -> Line:
    return Line(
        "air", f"s{number % 7}", f"d{number % 7}", "hai-chau", T0 + number, (Value("pm25", float(number), 1), Value("no2", None, 9))
    )


def stored(inputs: Sequence[Input], **changes: Any) -> Outcomes:
    """Every input journalled, a line for every message."""
    messages = [item for item in inputs if isinstance(item, Message)]
    fields: dict[str, Any] = {
        "journal": list(range(len(inputs))),
        "lines": [line(item.received_ms - T0) for item in messages],
        "received": len(messages),
        "stored": len(messages),
    }
    return Outcomes(**(fields | changes))


def fill(into: Ledger, batches: int, size: int = 4, *, start: int = 0, step_ms: int = 1) -> int:
    """Commit `batches` batches of `size` messages; returns the last batch's number."""
    seq = into.head
    for number in range(start, start + batches):
        inputs = [message(number * size + place, ms=T0 + (number * size + place) * step_ms) for place in range(size)]
        seq = into.commit(inputs, stored(inputs))
    return seq


def rejected(index: int, reason: str = "unknown-device", device: str = "?", payload: bytes = b"\xff\x00raw") -> Rejected:
    return Rejected(index, T0 + index, "main", f"t/{index}", payload, 1, False, device, reason, "détail")


def transition(episode: str, state: str, at: int = 0, **changes: Any) -> Transition:
    fields: dict[str, Any] = {
        "episode": episode,
        "rule": episode.split("/")[0],
        "kind": "threshold",
        "severity": "critical",
        "state": state,
        "reason": "condition",
        "station": "s1",
        "device": "d1",
        "area": "hai-chau",
        "parameter": "pm25",
        "value": 91.5,
        "flag": 1,
        "unit": "ug/m3",
        "limit": 80.0,
        "started_ms": T0,
        "event_ms": T0 + at,
        "processed_ms": T0 + at,
    }
    return Transition(**(fields | changes))


def intent(episode: str, state: str = "firing", at: int = 0, **changes: Any) -> Intent:
    return Intent(due_ms=T0 + at, transition=transition(episode, state, at, **changes))
