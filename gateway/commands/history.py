"""`envgw history rejected`: lines that a history refused for good (semantics B6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.times import format_instant
from gateway.ledger import LedgerReader
from gateway.settings import Settings


def rejected(settings: Settings, lane: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """Oldest first."""
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        for item in ledger.history_rejected(lane, limit):
            line = item.line
            yield {
                "lane": item.lane,
                "reason": item.reason,
                "time": format_instant(line.time_ms),
                "medium": line.medium,
                "station": line.station,
                "device": line.device,
                "readings": [{"parameter": value.parameter, "value": value.value, "flag": value.flag} for value in line.values],
            }
