"""Keeping addresses that hold secrets out of texts: errors, logs, answers of other servers quoted in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
_PATH_SECRET = 8
"""A path segment this long may be a token (Slack, Telegram, Discord put theirs there)."""
_SHORTEST = 4
"""Shorter pieces are not hidden: replacing every `a` would make logs unreadable and betray the secret's length."""


def parts_of(url: str) -> set[str]:
    """The pieces of an address that may be secret: the whole, user, password, long path segments, query values."""
    found = {url}
    try:
        pieces = urlsplit(url)
        found.update(value for value in (pieces.username, pieces.password) if value)
        found.update(segment for segment in pieces.path.split("/") if len(segment) >= _PATH_SECRET)
        found.update(value for _, value in parse_qsl(pieces.query))
        if pieces.scheme not in ("http", "https") and len(pieces.netloc) >= 2 * _PATH_SECRET:
            found.add(pieces.netloc)  # apprise puts tokens where a host would stand: tgram://TOKEN/chat
    except ValueError:  # not an address at all: the whole is hidden
        pass
    found.update([unquote(piece) for piece in found])
    return {piece for piece in found if len(piece) >= _SHORTEST}


class Redactor:
    """Replaces known secrets in any text by `***`, longest first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        ordered = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def show_host(url: str) -> str:
    """`https://host:port` of an address: enough to tell an operator which one, without path, query or credentials."""
    try:
        pieces = urlsplit(url)
        port = f":{pieces.port}" if pieces.port else ""
        return f"{pieces.scheme}://{pieces.hostname or '?'}{port}"
    except ValueError:
        return "(unreadable address)"
