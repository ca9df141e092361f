"""`envgw alerts list`: from the ledger (which may be read beside a running gateway)."""

from __future__ import annotations

from gateway.api.view import Document
from gateway.ledger import LedgerReader
from gateway.settings import Settings
from gateway.view import alert


def fetch(settings: Settings, state: str, station: str | None, since_ms: int | None, limit: int) -> list[Document]:
    """`models.Alert` of the episodes asked for, the one that changed last first."""
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        wanted = None if state == "all" else state
        found = ledger.episodes(wanted, since_ms, limit if station is None else 10_000)
    return [alert(episode) for episode in found if station in (None, episode.latest.station)][:limit]
