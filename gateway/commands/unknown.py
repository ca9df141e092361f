"""`envgw stations unknown`: who speaks and is not registered, what it seems to be, and what it says.

From the ledger's rejections (`unknown-device`), which keep the bytes: once the registry names the device,
`envgw replay --reason unknown-device` brings its past in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.decode import AUTO, decode
from devices.interpret import Interpreter
from devices.rejection import Reason
from devices.times import format_instant
from gateway.ledger import LedgerReader, StoredRejection
from gateway.settings import Settings

MAX_TOPICS = 5
MAX_ROWS = 12
MAX_DEVICES = 10_000


@dataclass(slots=True)
class _Speaker:
    newest: StoredRejection
    first_ms: int
    last_ms: int
    count: int = 0
    topics: dict[tuple[str, str], None] = field(default_factory=dict)


def fetch(settings: Settings, interpreter: Interpreter, device: str | None, limit: int) -> list[dict[str, Any]]:
    """One row a claimed device id, the one with most messages first."""
    speakers: dict[str, _Speaker] = {}
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        for item in ledger.rejections(Reason.UNKNOWN_DEVICE.value, device, None, None):
            known = speakers.get(item.device)
            if known is None:
                if len(speakers) >= MAX_DEVICES:
                    continue
                known = speakers[item.device] = _Speaker(item, item.received_ms, item.received_ms)
            known.count += 1
            known.newest = item
            known.first_ms = min(known.first_ms, item.received_ms)
            known.last_ms = max(known.last_ms, item.received_ms)
            if len(known.topics) < MAX_TOPICS:
                known.topics[item.source, item.topic] = None
    chosen = sorted(speakers.items(), key=lambda entry: (-entry[1].count, entry[0]))[:limit]
    return [_row(name, speaker, interpreter) for name, speaker in chosen]


def _row(name: str, speaker: _Speaker, interpreter: Interpreter) -> dict[str, Any]:
    newest = speaker.newest
    expected = interpreter.type_on(newest.source, newest.topic)
    ask: dict[str, Any] = {"payload": newest.payload, "received_ms": newest.received_ms, "topic": newest.topic}
    answer = decode(interpreter.types, interpreter.catalogue, type_id=AUTO, **ask)
    if not answer.ok and expected is not None:
        answer = decode(interpreter.types, interpreter.catalogue, type_id=expected.id, **ask)._replace(
            why=f"{answer.why}; the subscription says so"
        )
    suggested = answer.type if answer.ok else None
    return {
        "device": name,
        "messages": speaker.count,
        "first": format_instant(speaker.first_ms),
        "last": format_instant(speaker.last_ms),
        "brokers": sorted({source for source, _ in speaker.topics}),
        "topics": [topic for _, topic in speaker.topics],
        "type": suggested,
        "why": answer.why,
        "subscription_type": None if expected is None else expected.id,
        "already_registered": name in interpreter.registry.devices,
        "reads_as": answer.rows[:MAX_ROWS],
        "entry": _entry(name, suggested or (expected.id if expected else None), speaker.topics),
    }


def _entry(name: str, kind: str | None, topics: Mapping[tuple[str, str], None]) -> dict[str, Any]:
    """What to write under `devices:` of its station."""
    entry: dict[str, Any] = {"id": name, "type": kind or "?", "topics": sorted({topic for _, topic in topics})}
    sources = {source for source, _ in topics}
    if len(sources) == 1:
        entry["broker"] = next(iter(sources))
    return entry


def text(row: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    lines = [f"{row['device']}: {row['messages']} messages, {row['first']} to {row['last']}, on {', '.join(row['topics'])}"]
    if row["already_registered"]:
        lines.append("  registered meanwhile: envgw replay --reason unknown-device takes its messages in")
    lines.append(
        f"  looks like {row['type']} ({row['why']})" if row["type"] else f"  no type is suggested: {row['why'] or 'none reads it'}"
    )
    if row["type"] and row["subscription_type"] and row["type"] != row["subscription_type"]:
        lines.append(f"  but the subscription of its topic says {row['subscription_type']}: change that, or register it as such")
    for reading in row["reads_as"]:
        if "reason" in reading:
            lines.append(f"  refused {reading.get('parameter', '')} {reading['reason']}: {reading['detail']}".replace("  ", " "))
        else:
            value = "missing" if reading["value"] is None else f"{reading['value']:g}"
            lines.append(f"  {reading['time']}  {reading['parameter']:<14} {value:>10} {reading['unit']:<8} flag {reading['flag']}")
    entry = row["entry"]
    told = "".join(f", {key}: {entry[key]}" for key in ("broker",) if key in entry)
    topics = ", ".join(f'"{topic}"' for topic in entry["topics"])
    lines.append(f"  - {{id: {entry['id']}, type: {entry['type']}, topics: [{topics}]{told}}}")
    return lines
