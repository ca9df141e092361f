"""A small HTTP server that gives InfluxDB 2.7.12's answers to writes. It is not InfluxDB.

The answers to writes (status, `code`, text) were recorded from a real 2.7.12, which cannot be installed where these tests
run; what lands is run against a real one besides. Of reading (`/query`) only two questions are imitated, which setup and doctor ask:
the fields of all measurements, and the points of one time or the oldest one; tests look at `points`.
Buckets, organisations, mappings, deletion, and what a token may not follow InfluxDB's API reference for 2.7 and its source (virtual
mappings are listed; an explicit one goes before them); they were not recorded.

    one malformed line           400 invalid                nothing of the batch is stored
    one field type conflict      422 unprocessable entity   partial write, the others are stored
    outside retention            422 unprocessable entity   partial write, the others are stored
    wrong or no token            401 unauthorized
    a token that may not write   403 forbidden
    no organisation stated       400 invalid                (/write needs none)
    unknown bucket, organisation 404 not found
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
from datetime import datetime
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_ORG_ID = "0a0a0a0a0a0a0a0a"
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
    head = _split(text, " ")[0]  # quotes mean nothing before the fields
    parts = [head, *_split(text[len(head) + 1 :], " ", quotes=True)] if len(head) < len(text) else [head]
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

    version = "v2.7.12"

    def __init__(self, *, token: str = "right-token", bucket: str = "envgw", retention_ms: int | None = None) -> None:
        self.token = token
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
        self.clock_ahead_s = 0.0
        self.org = "city"
        self.manages = True
        """Whether the token may look at and make buckets and mappings."""
        self.reads = True
        """Whether the token may read."""
        self.writes = True
        """Whether the token may write, and delete."""
        self.buckets: dict[str, dict[str, Any]] = {}
        """Id → bucket, as the API shows it."""
        self.mappings: list[dict[str, Any]] = []
        """Explicit DBRP mappings. A bucket without one has a virtual one, if `virtual`."""
        self.virtual = True
        self.add_bucket(bucket, retention_s=(retention_ms or 0) // 1000)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()

    def add_bucket(self, name: str, *, retention_s: int = 0) -> dict[str, Any]:
        """Make a bucket."""
        number = f"{len(self.buckets) + 1:016x}"
        rules = [{"type": "expire", "everySeconds": retention_s, "shardGroupDurationSeconds": 604_800}]
        self.buckets[number] = {"id": number, "orgID": _ORG_ID, "type": "user", "name": name, "retentionRules": rules}
        return self.buckets[number]

    @property
    def bucket(self) -> str:
        """Name of the bucket that is there from the start."""
        name: str = next(iter(self.buckets.values()))["name"]
        return name

    @bucket.setter
    def bucket(self, name: str) -> None:
        next(iter(self.buckets.values()))["name"] = name

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
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
        elif parts.path == "/ping":
            answer = self._ping(headers)
        elif write:
            answer = self._write(parts.path, params, headers, body), None
        elif headers.get("authorization") != f"Token {self.token}":
            answer = Status(401, "unauthorized", "unauthorized access"), None
        elif parts.path == "/query":
            answer = self._query(method, params)
        else:
            answer = self._manage(method, parts.path, params, json.loads(body) if body else {})
        self._respond(writer, *answer)
        await writer.drain()
        return True

    def _write(self, path: str, params: dict[str, str], headers: dict[str, str], body: bytes) -> Status:
        if headers.get("authorization") != f"Token {self.token}":
            return Status(401, "unauthorized", "unauthorized access")
        if path != "/write" and (nobodys := self._organisation(params)):
            return nobodys
        if not any(bucket["name"] == params.get("bucket", params.get("db")) for bucket in self.buckets.values()):
            return Status(404, "not found", f'bucket "{params.get("bucket", params.get("db"))}" not found')
        if not self.writes:
            return Status(403, "forbidden", "insufficient permissions for write")
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

    def _organisation(self, params: dict[str, str]) -> Status | None:
        """What is wrong with the organisation of a write or a deletion."""
        if not params.get("org"):
            return Status(400, "invalid", "Please provide either orgID or org")
        if params["org"] not in (self.org, _ORG_ID):
            return Status(404, "not found", f'organization name "{params["org"]}" not found')
        return None

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

    def _ping(self, headers: dict[str, str]) -> tuple[Status, bytes | None]:
        return Status(204, "", "", {"Date": formatdate(time.time() + self.clock_ahead_s, usegmt=True)}), None

    def _query(self, method: str, params: dict[str, str]) -> tuple[Status, bytes | None]:
        """InfluxQL: `SHOW FIELD KEYS`, `SELECT … WHERE time = <n>ms`, `SELECT * … ORDER BY time LIMIT 1`."""
        mapped = [item["bucketID"] for item in self._all_mappings() if item["default"] and item["database"] == params.get("db")]
        if not self.reads or mapped[:1] != list(self.buckets)[:1]:  # points are kept of the first bucket only
            return _results({"error": f"database not found: {params.get('db')}"})
        question = params["q"]
        if question == "SHOW FIELD KEYS":
            fields: dict[str, set[str]] = {}
            for (measurement, _, _), found in self.points.items():
                fields.setdefault(measurement, set()).update(found)
            shown = [{"name": m, "columns": ["fieldKey", "fieldType"], "values": [[f, "float"] for f in sorted(fields[m])]} for m in fields]
            return _results({"series": shown} if shown else {})
        at = re.fullmatch(r'SELECT "(\w+)" FROM "(\w+)" WHERE time = (-?\d+)ms', question)
        oldest = re.fullmatch(r'SELECT \* FROM "(\w+)" ORDER BY time LIMIT 1', question)
        rows: list[list[Any]] = []
        if at:
            rows = [[n, found[at[1]]] for (m, _, n), found in self.points.items() if m == at[2] and n == int(at[3]) and at[1] in found]
        elif oldest:
            rows = [[min(times), None]] if (times := [n for m, _, n in self.points if m == oldest[1]]) else []
        else:
            return Status(501, "not implemented", f"this question is not part of this stand-in: {question}"), None
        return _results({"series": [{"name": (at or oldest)[1], "columns": ["time", "value"], "values": rows}]} if rows else {})

    def _all_mappings(self) -> list[dict[str, Any]]:
        explicit = {item["bucketID"] for item in self.mappings}  # of a bucket with one the virtual mapping is no default any more
        virtual = [
            {"id": bucket["id"], "orgID": bucket["orgID"], "bucketID": bucket["id"], "database": bucket["name"],
             "retention_policy": "autogen", "default": True, "virtual": True}
            for bucket in self.buckets.values()
            if self.virtual and bucket["id"] not in explicit
        ]  # fmt: skip
        return self.mappings + virtual

    def _manage(self, method: str, path: str, params: dict[str, str], body: dict[str, Any]) -> tuple[Status, bytes | None]:
        if path == "/api/v2/delete" and method == "POST":
            return self._delete(params, body), None
        if not self.manages:
            return Status(401, "unauthorized", "unauthorized access"), None
        if params.get("org", self.org) != self.org:
            return Status(404, "not found", f'organization name "{params["org"]}" not found'), None
        if path == "/api/v2/orgs":
            return _json(200, {"orgs": [{"id": _ORG_ID, "name": self.org}]})
        if path == "/api/v2/buckets" and method == "GET":
            found = [bucket for bucket in self.buckets.values() if bucket["name"] == params["name"]]
            if not found:
                return Status(404, "not found", f'bucket "{params["name"]}" not found'), None
            return _json(200, {"buckets": found})
        if path == "/api/v2/buckets":
            return _json(201, self.add_bucket(body["name"]))
        if path == "/api/v2/dbrps" and method == "GET":
            return _json(200, {"content": [item for item in self._all_mappings() if item["database"] == params["db"]]})
        if path == "/api/v2/dbrps":
            self.mappings.append({"id": f"{len(self.mappings) + 256:016x}", **body})
            return _json(201, self.mappings[-1])
        return Status(404, "not found", "path not found"), None

    def _delete(self, params: dict[str, str], body: dict[str, str]) -> Status:
        if nobodys := self._organisation(params):
            return nobodys
        if params.get("bucket") not in {bucket["name"] for bucket in self.buckets.values()}:
            return Status(404, "not found", f'bucket "{params.get("bucket")}" not found')
        if not self.writes:
            return Status(403, "forbidden", "insufficient permissions to delete")
        measurement = re.fullmatch(r'_measurement="(\w+)"', body["predicate"])
        if measurement is None:
            return Status(400, "invalid", f"invalid request; error parsing request json: {body['predicate']}")
        start, stop = (datetime.fromisoformat(body[end]).timestamp() * 1000 for end in ("start", "stop"))
        self.points = {key: found for key, found in self.points.items() if key[0] != measurement[1] or not start <= key[2] <= stop}
        return Status(204, "", "")

    def _respond(self, writer: asyncio.StreamWriter, status: Status, body: bytes | None) -> None:
        if body is None:
            body = b"" if status.status == 204 else json.dumps({"code": status.code, "message": status.message}).encode()
        lines = [f"HTTP/1.1 {status.status} Whatever", "X-Influxdb-Build: OSS", f"X-Influxdb-Version: {self.version}"]
        if status.status != 204:
            lines += ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in status.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def _json(status: int, document: Any) -> tuple[Status, bytes]:
    return Status(status, "", ""), json.dumps(document).encode()


def _results(result: dict[str, Any]) -> tuple[Status, bytes]:
    return _json(200, {"results": [{"statement_id": 0, **result}]})


def _type_name(kind: type) -> str:
    return {float: "float", int: "integer", str: "string", bool: "boolean"}[kind]
