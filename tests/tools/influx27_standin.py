"""A small HTTP server that gives InfluxDB 2.7.12's answers to writes. It is not InfluxDB.

The answers (status, `code`, text) were recorded from a real 2.7.12, which cannot be installed where these tests
run; what lands is run against a real one besides. Reading (`/query`) is not imitated: tests look at `points`.

    one malformed line           400 invalid                nothing of the batch is stored
    one field type conflict      422 unprocessable entity   partial write, the others are stored
    outside retention            422 unprocessable entity   partial write, the others are stored
    wrong or no token            401 unauthorized
    unknown bucket               404 not found
    body above `max_body`        413 request too large
    else                         204

Whatever is in `script` is done first, one entry a write: a `Status`, or one of the words `hang` (accept, never
answer), `drip` (answer at one byte a second), `reset` (cut the connection while the body is being sent).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import re
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fields = dict[str, float | int | str | bool]
Key = tuple[str, tuple[tuple[str, str], ...], int]
"""Measurement, tags in order of their names, time in ms."""


@dataclass(frozen=True)
class Status:
    """An answer that is given whatever was sent."""

    status: int
    code: str = "internal error"
    message: str = "unexpected error writing points to database: timeout"
    headers: dict[str, str] = field(default_factory=dict)


class Malformed(ValueError):
    """A line that InfluxDB cannot parse."""


def _split(text: str, separator: str, *, quotes: bool = False) -> list[str]:
    """Split at separators that are neither escaped nor (in field values) within double quotes."""
    parts, start, index, quoted = [], 0, 0, False
    while index < len(text):
        if text[index] == "\\" and index + 1 < len(text):
            index += 2
            continue
        if quotes and text[index] == '"':
            quoted = not quoted
        elif text[index] == separator and not quoted:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return [*parts, text[start:]]


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _value(text: str) -> float | int | str | bool:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text in ("t", "T", "true", "True", "TRUE"):
        return True
    if text in ("f", "F", "false", "False", "FALSE"):
        return False
    if re.fullmatch(r"-?\d+i", text):
        return int(text[:-1])
    if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) and math.isfinite(float(text)):
        return float(text)
    raise Malformed("invalid number" if text else "missing field value")


def parse_line(text: str) -> tuple[Key, Fields]:
    """One line of line protocol with a millisecond timestamp. Raises Malformed with InfluxDB's reason."""
    parts = _split(text, " ", quotes=True)
    if len(parts) == 1:
        raise Malformed("missing fields")
    if len(parts) != 3:
        raise Malformed("bad timestamp")
    head, tail, stamp = parts
    measurement, *pairs = _split(head, ",")
    if not measurement:
        raise Malformed("missing measurement")
    tags = {}
    for pair in pairs:
        name, *value = _split(pair, "=")
        if len(value) != 1 or not name or not value[0]:
            raise Malformed("missing tag value")
        tags[_plain(name)] = _plain(value[0])
    fields: Fields = {}
    for pair in _split(tail, ",", quotes=True):
        name, *value = _split(pair, "=", quotes=True)
        if len(value) != 1 or not name:
            raise Malformed("missing field value")
        fields[_plain(name)] = _value(value[0])
    if not re.fullmatch(r"-?\d+", stamp):
        raise Malformed("bad timestamp")
    if abs(int(stamp)) > 9_223_372_036_854:
        raise Malformed(f"time outside range {-(2**63) + 2} - {2**63 - 2}")
    return (_plain(measurement), tuple(sorted(tags.items())), int(stamp)), fields


class Influx27StandIn:
    """`async with Influx27StandIn() as server:` listens on `server.url` until the block ends."""

    def __init__(self, *, token: str = "right-token", bucket: str = "envgw", retention_ms: int | None = None) -> None:
        self.token = token
        self.bucket = bucket
        self.retention_ms = retention_ms
        self.max_body = 50_000_000
        self.unparsable: bytes | None = None
        """A line that contains this gets 2.7's answer to a malformed one (the gateway's encoder makes no malformed lines)."""
        self.points: dict[Key, Fields] = {}
        """What is stored; fields of a point that is written again are replaced one by one."""
        self.types: dict[tuple[str, str], type] = {}
        self.script: deque[Status | str] = deque()
        self.always: Status | str | None = None
        """As one entry of `script`, for every write while it is set."""
        self.requests = 0
        self.bodies: list[bytes] = []
        self.encodings: list[str] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Influx27StandIn:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_requests(self, count: int, timeout_s: float = 10.0) -> None:
        """Until `count` writes have arrived in all."""
        async with asyncio.timeout(timeout_s):
            while self.requests < count:
                self._changed.clear()
                await self._changed.wait()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        first, *rest = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        parts = urlsplit(target)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(headers.get("content-length", 0))
        write = method == "POST" and parts.path in ("/api/v2/write", "/write")
        misbehave = (self.script.popleft() if self.script else self.always) if write else None
        if write:
            self.requests += 1
            self._changed.set()
        if misbehave == "reset":
            await reader.read(min(length, 100))
            # RST instead of FIN: linger 0
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        body = await reader.readexactly(length)
        if misbehave == "hang":
            await asyncio.Event().wait()
        if misbehave == "drip":
            for byte in b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: v2.7.12\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            return False
        answer: tuple[Status, bytes | None]
        if parts.path == "/health":
            answer = Status(200, "", "", {}), b'{"name":"influxdb","message":"ready for queries and writes","status":"pass"}'
        elif isinstance(misbehave, Status):
            answer = misbehave, None
        elif write:
            answer = self._write(params, headers, body), None
        else:
            answer = Status(501, "not implemented", "reading is not part of this stand-in"), None
        self._respond(writer, *answer)
        await writer.drain()
        return True

    def _write(self, params: dict[str, str], headers: dict[str, str], body: bytes) -> Status:
        if headers.get("authorization") != f"Token {self.token}":
            return Status(401, "unauthorized", "unauthorized access")
        if params.get("bucket", params.get("db")) != self.bucket:
            return Status(404, "not found", f'bucket "{params.get("bucket", params.get("db"))}" not found')
        if params.get("precision", "ns") != "ms":
            return Status(400, "invalid", "this stand-in takes precision=ms only")
        if len(body) > self.max_body:
            return Status(413, "request too large", "unable to read data: points batch is too large")
        self.encodings.append(headers.get("content-encoding", ""))
        if headers.get("content-encoding") == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError):
                return Status(500, "internal error", "An internal error has occurred - check server logs")
        self.bodies.append(body)
        points: list[tuple[Key, Fields]] = []
        for line in body.decode().split("\n"):
            if not line or line.startswith("#"):
                continue
            try:
                if self.unparsable is not None and self.unparsable in line.encode():
                    raise Malformed("bad timestamp")
                points.append(parse_line(line))
            except Malformed as error:
                return Status(400, "invalid", f"unable to parse '{line}': {error}")
        return self._store(points)

    def _store(self, points: list[tuple[Key, Fields]]) -> Status:
        conflict, outside = "", 0
        conflicts = 0
        oldest = None if self.retention_ms is None else time.time() * 1000 - self.retention_ms
        for key, fields in points:
            if oldest is not None and key[2] < oldest:
                outside += 1
                continue
            for name, value in fields.items():
                known = self.types.setdefault((key[0], name), type(value))
                if known is not type(value):
                    conflicts += 1
                    conflict = (
                        f'field type conflict: input field "{name}" on measurement "{key[0]}" is type {_type_name(type(value))}, '
                        f"already exists as type {_type_name(known)}"
                    )
                    break
            else:
                self.points.setdefault(key, {}).update(fields)
        partial = "failure writing points to database: partial write: "
        if conflict:
            return Status(422, "unprocessable entity", f"{partial}{conflict} dropped={conflicts + outside}")
        if outside:
            return Status(422, "unprocessable entity", f"{partial}dropped {outside} points outside retention policy dropped={outside}")
        return Status(204, "", "")

    def _respond(self, writer: asyncio.StreamWriter, status: Status, body: bytes | None) -> None:
        if body is None:
            body = b"" if status.status == 204 else json.dumps({"code": status.code, "message": status.message}).encode()
        lines = [f"HTTP/1.1 {status.status} Whatever", "X-Influxdb-Build: OSS", "X-Influxdb-Version: v2.7.12"]
        if status.status != 204:
            lines += ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in status.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def _type_name(kind: type) -> str:
    return {float: "float", int: "integer", str: "string", bool: "boolean"}[kind]
