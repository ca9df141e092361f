"""What every request passes first: whose host it names, what it sends, how much.

The API has no login yet; it listens on loopback. So a web page in the operator's browser must not reach it: DNS
rebinding is stopped by the Host header, cross-site posts by asking for `application/json` (a browser asks first, and
without CORS headers the answer is no).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problem import problem

MAX_BODY = 64 * 1024


class Guard:
    """ASGI middleware. `host` is the address that the server is bound to."""

    def __init__(self, app: ASGIApp, host: str, max_body: int = MAX_BODY) -> None:
        self._app = app
        self._loopback = is_loopback(host)
        self._hosts = {"localhost", "127.0.0.1", "::1", host}
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not allowed, hand on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, self._max_body), send)

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> Any:
        if self._loopback and host_of(headers.get(b"host", "")) not in self._hosts:
            return problem(403, "This address answers only to localhost or 127.0.0.1; call it by one of these names.")
        if scope["method"] in ("POST", "PUT", "PATCH", "DELETE"):
            if headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json":
                return problem(415, "Send the header `Content-Type: application/json`.")
            length = headers.get(b"content-length", "0")
            if not length.isdecimal() or int(length) > self._max_body:
                return problem(413, too_large(self._max_body))
        return None


class _Bounded:
    """A body without Content-Length is counted as it comes."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, too_large(self._limit))
        return message


def too_large(limit: int) -> str:
    """What is said about a body above `limit` bytes."""
    return f"The body may have at most {limit} bytes."


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(header: str) -> str:
    """`[::1]:8080` → `::1`, `LOCALHOST:8080` → `localhost`."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
