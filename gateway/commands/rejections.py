"""`envgw rejections`: what was not taken in, from the ledger (which may be read beside a running gateway)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from gateway.ledger import LedgerReader
from gateway.settings import Settings
from gateway.view import rejection


def fetch(settings: Settings, reason: str | None, device: str | None, limit: int) -> Iterator[dict[str, object]]:
    """The newest `limit` open rejections, newest first, with their bytes as base64."""
    with LedgerReader(settings.gateway.data_dir / settings.ledger.file) as ledger:
        newest = deque(ledger.rejections(reason, device, None, None), maxlen=limit)
    for item in reversed(newest):
        yield rejection(item)
