"""One HTTP exchange with an InfluxDB or a look-alike: bounded in time and size, and what its answer means.

Every exchange ends: `timeout` bounds all of it, so a server that accepts and never answers, or answers one byte
a second, is a `Retryable` like one that is down. Answers were recorded from InfluxDB 1.6.7, 2.7.12 and
VictoriaMetrics 1.79.5 and read in the source of InfluxDB 3 Core 3.9.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import orjson

from gateway.errors import EnvgwError, Retryable
from gateway.httpx_later import import_httpx
from gateway.settings import HistorySection

if TYPE_CHECKING:
    import httpx

LINES = "text/plain; charset=utf-8"
JSON = "application/json"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ERROR_BYTES = 65_536
_SHOWN = 400
_GZIP_FROM = 1_000
_GZIP_IN_THREAD_FROM = 65_536
_LINE_FAULT = re.compile(
    r"unable to parse|partial write|type conflict|retention policy dropped|beyond retention|outside retention|out of range|outside range"
    r"|parsing failed|max key length|too many (columns|fields)|invalid (line|field|tag|utf)",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """What a server said. `body` is cut at `_ERROR_BYTES` unless the status is 200."""

    status: int
    body: bytes
    retry_after_s: float | None
    headers: Mapping[str, str] = {}
    """Names in lower case."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The server's own words, for an operator: the JSON error if it is one, else the start of the text."""
        text = self.body[:_ERROR_BYTES].decode("utf-8", "replace").strip()
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            text = str(document.get("message") or document.get("error") or text)
        return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"

    @property
    def blames_lines(self) -> bool:
        """True if the text is one of those that servers give about lines, not about the request as a whole."""
        return _LINE_FAULT.search(self.message) is not None

    @property
    def dropped(self) -> int:
        """How many points a partial write says it dropped; 0 if it does not say."""
        found = re.search(r"dropped=(\d+)", self.message)
        return int(found[1]) if found else 0


class InfluxHttp:
    """The connection to one server. Exchanges raise `Retryable` and nothing else."""

    def __init__(self, settings: HistorySection) -> None:
        self._settings = settings
        parts = urlsplit(settings.url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EnvgwError(f"history {settings.name}: url {settings.url!r} is not an address: write for example http://localhost:8086")
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.where = f"InfluxDB at {parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._timeout_s = settings.timeout / 1000
        loopback = parts.hostname in _LOOPBACK
        self._gzip = not loopback
        self._headers = _credentials(settings)
        self._verify = _verify(settings) if parts.scheme == "https" else False
        self._trust_env = not loopback
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    async def exchange(
        self, method: str, path: str, params: Mapping[str, str], content: bytes | None = None, *,
        most_bytes: int = _ERROR_BYTES, content_type: str = LINES,
    ) -> Answer:  # fmt: skip
        """Send one request and read its answer, at most `most_bytes` of it. Raises `Retryable`."""
        headers = {}
        if content is not None:
            headers["Content-Type"] = content_type
            if self._gzip and len(content) >= _GZIP_FROM:
                headers["Content-Encoding"] = "gzip"
                if len(content) >= _GZIP_IN_THREAD_FROM:
                    content = await asyncio.to_thread(gzip.compress, content, 1)
                else:
                    content = gzip.compress(content, 1)
        client = await self._opened()
        import httpx  # loaded by now

        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._once(client, method, path, params, content, headers, most_bytes)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A kept connection that the server closed meanwhile looks like this. Writing twice is harmless.
                    return await self._once(client, method, path, params, content, headers, most_bytes)
        except TimeoutError:
            raise Retryable(f"{self.where} did not answer within {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise Retryable(f"{self.where} cannot be reached: {error or type(error).__name__}") from error
        except RuntimeError as error:  # httpx: the client was closed
            raise Retryable(f"{self.where}: {error}") from error

    async def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            httpx = await asyncio.to_thread(import_httpx)
            if self._closed:
                raise Retryable(f"{self.where}: closed")
            self._client = self._client or httpx.AsyncClient(
                headers=self._headers,
                verify=self._verify,
                timeout=None,  # the whole exchange is bounded instead: see `exchange`
                limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=60),
                trust_env=self._trust_env,
                follow_redirects=False,
            )
        return self._client

    async def _once(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        params: Mapping[str, str],
        content: bytes | None,
        headers: Mapping[str, str],
        most_bytes: int,
    ) -> Answer:
        async with client.stream(method, self._base + path, params=dict(params), content=content, headers=dict(headers)) as response:
            most = most_bytes if response.status_code == 200 else _ERROR_BYTES
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > most:
                    if response.status_code == 200:
                        raise Retryable(f"{self.where} answered more than {most} bytes to one request")
                    break
            return Answer(response.status_code, bytes(body), _retry_after_s(response.headers), dict(response.headers))

    def raise_unless_about_lines(self, answer: Answer) -> None:
        """Raise `Retryable` for every failure that is not the fault of the lines sent; return for 400, 413, 422."""
        status, said = answer.status, answer.message
        if answer.ok or status in (400, 413, 422):
            return
        section = f"history {self._settings.name}"
        if status in (401, 403):
            what = "token" if self._settings.api == "v2" else "username and password"
            raise Retryable(
                f"{self.where} does not let us in ({status}: {said}): check {what} of {section} and its rights on "
                f"{self._settings.bucket!r}; nothing is lost meanwhile",
                red=True,
            )
        if status == 404 and "page not found" in said:
            other = "v1" if self._settings.api == "v2" else "v2"
            raise Retryable(
                f"{self.where} does not know this kind of request (404): check url, or set api: {other} for {section}", red=True
            )
        if status == 404 or "retention policy not found" in said:
            raise Retryable(
                f"{self.where} has no such place ({status}: {said}): create it, or correct bucket and org of {section}", red=True
            )
        if status in (408, 429) or status >= 500:
            raise Retryable(f"{self.where} answered {status}: {said or 'without a text'}", after_s=answer.retry_after_s)
        raise Retryable(f"{self.where} answered {status}: {said or 'without a text'}: check the url of {section}", red=True)

    async def close(self) -> None:
        self._closed = True
        if self._client is not None:
            await self._client.aclose()


def _credentials(settings: HistorySection) -> dict[str, str]:
    """Always a header, never the address: addresses end up in logs of servers and proxies."""
    user = settings.username or ""
    password = settings.password.get_secret_value() if settings.password else ""
    if settings.api == "v2":
        token = settings.token.get_secret_value() if settings.token else (f"{user}:{password}" if user else "")
        return {"Authorization": f"Token {token}"} if token else {}
    if user:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {"Authorization": f"Token {settings.token.get_secret_value()}"} if settings.token else {}


def _verify(settings: HistorySection) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    except OSError as error:
        raise EnvgwError(f"history {settings.name}: ca_file {settings.ca_file} cannot be read: {error}") from error


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Retry-After as seconds from now: a number, or an HTTP date counted from the server's own Date if it gives one."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value).timestamp()
        now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else time.time()
    except (TypeError, ValueError):
        return None
    return max(0.0, until - now)
