"""httpx, imported when something is first sent: it takes 0.1 to 0.3 s of CPU, which no start has to wait for."""

from __future__ import annotations

import logging
from typing import Any


def import_httpx() -> Any:
    """The module `httpx`. The first call is slow: make it in a thread."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # at info it logs each request with its full address, secrets included
    return httpx
