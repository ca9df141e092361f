"""A small HTTP server that gives InfluxDB 3 Core 3.9's answers, as far as its source tells them. It is not InfluxDB.

    /write, /api/v2/write   a batch is taken whole or not at all: 400 `{"code": "invalid", "message": …}` if a line is bad
    wrong or no token       401 `unauthorized access`
    a new database          made by the write
    /ping                   200 with the version as JSON
    /api/v2/buckets, …      404: there is no management of buckets

Nothing here was recorded from a running server. `/query` answers the same few questions as the stand-in for 2.7, and SHOW DATABASES.
"""

from __future__ import annotations

import json
from typing import Any

from tests.tools.influx27_standin import Fields, Influx27StandIn, Key, Malformed, Status, parse_line


class Influx3CoreStandIn(Influx27StandIn):
    """`async with Influx3CoreStandIn() as server:` listens on `server.url` until the block ends."""

    version = "3.9.0"

    def __init__(self, *, token: str = "right-token") -> None:
        super().__init__(token=token)
        self.buckets.clear()

    def _ping(self, headers: dict[str, str]) -> tuple[Status, bytes | None]:
        status = super()._ping(headers)[0]
        if headers.get("authorization") not in (f"Token {self.token}", f"Bearer {self.token}"):
            return Status(401, "unauthorized", "unauthorized access"), None
        return Status(200, "", "", status.headers), json.dumps({"version": self.version, "revision": "0", "process_id": "0"}).encode()

    def _write(self, path: str, params: dict[str, str], headers: dict[str, str], body: bytes) -> Status:
        if headers.get("authorization") != f"Token {self.token}":
            return Status(401, "unauthorized", "unauthorized access")
        points: list[tuple[Key, Fields]] = []
        types = dict(self.types)
        for number, line in enumerate(body.decode().split("\n"), 1):
            if not line:
                continue
            try:
                key, fields = parse_line(line)
                for name, value in fields.items():
                    if types.setdefault((key[0], name), type(value)) is not type(value):
                        raise Malformed(f"invalid field value in line protocol for field '{name}' on line {number}: type conflict")
            except Malformed as error:
                return Status(400, "invalid", f"partial write of line protocol occurred: {error}")
            points.append((key, fields))
        name = params.get("bucket", params.get("db", ""))
        if points and name not in {bucket["name"] for bucket in self.buckets.values()}:
            self.add_bucket(name)
        self.types = types
        for key, fields in points:
            self.points.setdefault(key, {}).update(fields)
        return Status(204, "", "")

    def _query(self, method: str, params: dict[str, str]) -> tuple[Status, bytes | None]:
        if params["q"] == "SHOW DATABASES":
            rows = [["iox", bucket["name"]] for bucket in self.buckets.values()]
            series = [{"name": "databases", "columns": ["iox::measurement", "name"], "values": rows}] if rows else []
            return Status(200, "", ""), json.dumps({"results": [{"statement_id": 0, "series": series}]}).encode()
        return super()._query(method, params)

    def _manage(self, method: str, path: str, params: dict[str, str], body: dict[str, Any]) -> tuple[Status, bytes | None]:
        return Status(404, "", ""), b"not found"
