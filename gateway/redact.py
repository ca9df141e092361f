"""Keeping addresses that hold secrets out of texts: errors, logs, answers of other servers quoted in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
_SHORTEST = 4
"""Shorter pieces are not hidden: replacing every `a` would make logs unreadable and betray the secret's length."""
_TELLING = re.compile(r"pass|token|key|secret|auth|sig|pwd", re.IGNORECASE)


def parts_of(url: str) -> set[str]:
    """The pieces of a secret (an address, or a plain password) that must not be seen: the whole, and what in it looks like a token.

    A password always counts. Users, path segments (Slack, Telegram and Discord put their token there), hosts of Apprise
    addresses and query values count when they look like a token; hiding every `alerts` or `text` would spoil the log.
    """
    found = {url}
    try:
        pieces = urlsplit(url)
        if pieces.password:
            found.add(pieces.password)
        candidates = [pieces.username or "", *pieces.path.split("/")]
        host = pieces.netloc.rpartition("@")[2]
        if pieces.scheme not in ("http", "https") and "." not in host and not host.startswith(("localhost", "[")):
            found.update([host, *host.split(":")])  # Apprise puts tokens where a host would stand: tgram://BOT:TOKEN/chat
        for key, value in parse_qsl(pieces.query):
            if _TELLING.search(key):
                found.add(value)
            candidates.append(value)
        found.update(piece for piece in candidates if _looks_like_token(piece))
    except ValueError:  # not an address at all: the whole is hidden
        pass
    found.update([unquote(piece) for piece in found])
    return {piece for piece in found if len(piece) >= _SHORTEST}


def _looks_like_token(piece: str) -> bool:
    return len(piece) >= 16 or (len(piece) >= 8 and any(char.isdigit() for char in piece) and not _ADDRESS.fullmatch(piece))


_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:]+")
"""IP addresses: an operator must see them."""


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
