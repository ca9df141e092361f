"""Instants as people write them in a query: ISO 8601 with a zone, `now`, or relative such as `-24h`."""

from __future__ import annotations

import re
from datetime import datetime

from gateway.settings import parse_duration

_LOST_PLUS = re.compile(r" (\d\d:?\d\d)$")


def parse_instant(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch. Raises ValueError saying what to write.

    A time without zone is refused: seven hours of doubt in Da Nang are worse than a question. A blank before the
    offset is a `+` that was not escaped in an address.
    """
    text = text.strip()
    if text == "now":
        return now_ms
    if text.startswith("-") and len(text) <= 20:
        try:
            return now_ms - parse_duration(text[1:])
        except ValueError:
            raise ValueError(f"{text!r} is not a time span: write for example -90s, -30m, -24h or -7d") from None
    try:
        instant = datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
        if instant.tzinfo is not None:
            return round(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:50]!r} is not a time: write for example 2026-11-23T07:00:00Z, 2026-11-23T14:00+07:00 or -24h") from None
    raise ValueError(
        f"{text!r} has no time zone: write {text}Z for UTC or {text}+07:00 for Viet Nam"
        if "T" in text or ":" in text
        else f"{text!r} is a day without time and zone: write for example {text}T00:00+07:00"
    )
