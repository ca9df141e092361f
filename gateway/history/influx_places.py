"""Where an `influxdb` history keeps its readings (database, bucket) on each kind of server: look at it, make it, delete old readings.

    kind             place                           how long the server keeps it          old readings are deleted by
    InfluxDB 1.x     a database, a retention policy  the policy's duration                 InfluxQL DELETE
    InfluxDB 2.x     a bucket, mapped for InfluxQL   the bucket's retention rule           POST /api/v2/delete
    InfluxDB 3 Core  a database, made by a write     cannot be asked with the write token  nobody: no API for it
    VictoriaMetrics  everything in one               -retentionPeriod, a month by default  nobody: whole series only

What is made here keeps everything for ever; `retention` of the configuration is done by the gateway, which deletes raw readings and
leaves what is made of them (docs/decisions/0021). Buckets and mappings: InfluxDB's API reference for 2.7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import orjson

from devices.times import format_instant
from gateway.errors import DeliveryError, Permanent
from gateway.findings import Finding, State
from gateway.history.durations import DAY_MS, duration_ms, shown
from gateway.history.influx_http import JSON, Answer, InfluxHttp
from gateway.history.influx_server import Kind, Server
from gateway.history.influxql import InfluxReader, identifier
from gateway.settings import HistorySection

DEDUP_FLAG = "dedup.minScrapeInterval"


class Rights(NamedTuple):
    """What was tried with success: a server may hide from a token what it lets it use."""

    write: bool = False
    read: bool = False


class Place(ABC):
    """One history's place on one server. Everything raises `DeliveryError` when the server does not answer, or refuses."""

    def __init__(self, http: InfluxHttp, reader: InfluxReader, settings: HistorySection, server: Server) -> None:
        self._http = http
        self._reader = reader
        self._settings = settings
        self.server = server
        self._part = f"history {settings.name}"
        self._setup = f"run `envgw history setup {settings.name}`"

    @abstractmethod
    async def look(self, may: Rights) -> list[Finding]:
        """How it is; changes nothing. `may`: what our credentials were just seen to allow."""

    @abstractmethod
    async def prepare(self) -> list[Finding]:
        """Make what is missing; says what was made and what was there."""

    @property
    def deletes(self) -> bool:
        """Whether old readings can be deleted here."""
        return False

    async def delete(self, measurement: str, since_ms: int, before_ms: int) -> None:
        """Delete a measurement's points with since <= time < before."""
        raise Permanent(f"{self.server.kind} cannot delete by time")

    def finding(self, check: str, state: State, says: str, do: str = "") -> Finding:
        return Finding(self._part, check, state, says, do)

    def with_admin(self, command: str) -> str:
        """How to run a command with somebody's rights who may more than the gateway."""
        name = self._settings.name.upper().replace("-", "_")
        what = "TOKEN=…" if self._settings.token else f"USERNAME=… ENVGW_HISTORY__{name}__PASSWORD=…"
        return f"run it with an administrator's credentials: ENVGW_HISTORY__{name}__{what} envgw {command}"

    def kept(self, kept_ms: float | None, mend: str) -> Finding:
        """What comes of the server's own limit (None: it keeps everything) together with our `retention`."""
        ours = self._settings.retention
        if kept_ms is None:
            if ours is None:
                return self.finding("retention", State.OK, "everything is kept for ever")
            return self.finding("retention", State.OK, f"the gateway deletes raw readings after {shown(ours)}; all else is kept")
        if ours is not None and ours > kept_ms:
            says = f"the server deletes everything after {shown(kept_ms)}, but `retention` asks for {shown(ours)}"
            return self.finding("retention", State.WRONG, says, mend)
        says = f"the server deletes everything after {shown(kept_ms)}: hourly and daily summaries, indices and alerts too"
        return self.finding("retention", State.WARNING, says, f"{mend}, and say with `retention` here how long raw readings are kept")

    def undeletable(self, says: str, do: str) -> list[Finding]:
        """A line for a `retention` that nobody can carry out here."""
        return [] if self._settings.retention is None else [self.finding("retention", State.WARNING, says, do)]


class DatabaseOf1(Place):
    """InfluxDB 1.x."""

    async def look(self, may: Rights) -> list[Finding]:
        database = self._settings.bucket
        if not await self._there():
            who = "" if not self._settings.username else f", or user {self._settings.username!r} may not see it"
            return [self.finding("database", State.WRONG, f"there is no database {database!r}{who}", self._setup)]
        return [self.finding("database", State.OK, f"{database!r} is there"), *await self._policies()]

    async def prepare(self) -> list[Finding]:
        database = self._settings.bucket
        made = not await self._there()
        if made:
            await self._reader.ask(f"CREATE DATABASE {identifier(database)}", method="POST")
        findings = [self.finding("database", State.DONE if made else State.OK, f"{database!r} {'made' if made else 'was there'}")]
        policy = self._settings.retention_policy
        if policy and policy not in {name for name, *_ in await self._listed()}:
            await self._reader.ask(
                f"CREATE RETENTION POLICY {identifier(policy)} ON {identifier(database)} DURATION INF REPLICATION 1", method="POST"
            )
            findings.append(self.finding("retention policy", State.DONE, f"{policy!r} made; it keeps everything"))
        return findings + await self._policies()

    async def _there(self) -> bool:
        return any([self._settings.bucket] in series.values for series in await self._reader.ask("SHOW DATABASES"))

    async def _listed(self) -> list[tuple[str, str, bool]]:
        """(name, duration, is the default) of the database's policies."""
        series = await self._reader.ask(f"SHOW RETENTION POLICIES ON {identifier(self._settings.bucket)}")
        rows = [dict(zip(one.columns, row, strict=True)) for one in series for row in one.values]
        return [(str(row["name"]), str(row["duration"]), bool(row["default"])) for row in rows]

    async def _policies(self) -> list[Finding]:
        wanted, listed = self._settings.retention_policy, await self._listed()
        found = [policy for policy in listed if policy[0] == wanted or (not wanted and policy[2])]
        if not found:
            which = f"retention policy {wanted!r}" if wanted else "default retention policy"
            return [self.finding("retention policy", State.WRONG, f"the database has no {which}", self._setup)]
        name, duration, default = found[0]
        findings = []
        alter = f"ALTER RETENTION POLICY {identifier(name)} ON {identifier(self._settings.bucket)}"
        if not default:
            says = f"readings go to {name!r}, but dashboards ask the default policy"
            findings.append(self.finding("retention policy", State.WARNING, says, f"leave `retention_policy` out, or: {alter} DEFAULT"))
        findings.append(self.kept(duration_ms(duration) or None, f"lift that limit ({alter} DURATION INF)"))
        return findings

    @property
    def deletes(self) -> bool:
        return True

    async def delete(self, measurement: str, since_ms: int, before_ms: int) -> None:
        """In all retention policies of the database: InfluxQL knows no narrower DELETE."""
        span = f"time >= {since_ms}ms AND time < {before_ms}ms"
        await self._reader.ask(f"DELETE FROM {identifier(measurement)} WHERE {span}", method="POST")


class BucketOf2(Place):
    """InfluxDB 2.x."""

    async def look(self, may: Rights) -> list[Finding]:
        try:
            bucket = await self._bucket()
            if bucket is None and may.write:
                raise NotAllowed("it is not shown")
            if bucket is None:
                return [self.finding("bucket", State.WRONG, f"there is no bucket {self._settings.bucket!r} {self._where()}", self._setup)]
            there = self.finding("bucket", State.OK, f"{self._settings.bucket!r} is there")
            return [there, self._retention(bucket), await self._mapping(bucket, make=False, found=may.read)]
        except NotAllowed as refusal:
            says = f"the token may not look at buckets and mappings ({refusal.reason}): retention cannot be told"
            return [self.finding("bucket", State.WARNING, says, f"for more, {self.with_admin('doctor history')}")]

    async def prepare(self) -> list[Finding]:
        bucket = await self._bucket()
        made = bucket is None
        if bucket is None:
            organisations = (await self._call("GET", "/api/v2/orgs", {"org": self._settings.org})).get("orgs") or []
            if not organisations:
                raise Permanent(f"{self._http.where} has no organisation {self._settings.org!r}: correct `org` of {self._part}")
            wanted = {"orgID": organisations[0]["id"], "name": self._settings.bucket, "retentionRules": []}
            bucket = await self._call("POST", "/api/v2/buckets", {}, wanted)
        return [
            self.finding("bucket", State.DONE if made else State.OK, f"{self._settings.bucket!r} {'made' if made else 'was there'}"),
            self._retention(bucket),
            await self._mapping(bucket, make=True),
        ]

    async def _bucket(self) -> dict[str, Any] | None:
        asked = {"name": self._settings.bucket} | ({"org": self._settings.org} if self._settings.org else {})
        found = (await self._call("GET", "/api/v2/buckets", asked)).get("buckets") or []
        return next((bucket for bucket in found if bucket.get("name") == self._settings.bucket), None)

    def _where(self) -> str:
        return f"of organisation {self._settings.org!r}" if self._settings.org else "that the token may see"

    def _retention(self, bucket: dict[str, Any]) -> Finding:
        seconds = next((rule.get("everySeconds") for rule in bucket.get("retentionRules") or () if rule.get("type") == "expire"), 0)
        return self.kept(seconds * 1000 or None, f"lift that limit (influx bucket update --id {bucket['id']} --retention 0)")

    async def _mapping(self, bucket: dict[str, Any], *, make: bool, found: bool = False) -> Finding:
        """The DBRP mapping: under which database name InfluxQL (so Grafana, and `envgw query`) finds the bucket.

        `found`: it was just seen to find it, whatever is listed.
        """
        name, organisation = self._settings.bucket, bucket.get("orgID", "")
        listed = (await self._call("GET", "/api/v2/dbrps", {"orgID": organisation, "db": name})).get("content") or []
        here = [item for item in listed if item.get("database") == name and item.get("default")]
        # What somebody made goes before what a bucket's name gives of itself (`virtual`).
        here = [item for item in here if not item.get("virtual")] or here
        if any(item.get("bucketID") == bucket["id"] for item in here) or (found and not here):
            return self.finding("mapping", State.OK, f"InfluxQL finds it as database {name!r}")
        if here:
            says = f"InfluxQL's database {name!r} is another bucket ({here[0].get('bucketID')})"
            do = f"delete that mapping (influx v1 dbrp delete --id {here[0].get('id')}), then {self._setup}"
            return self.finding("mapping", State.WRONG, says, do)
        if not make:
            return self.finding("mapping", State.WRONG, f"InfluxQL knows no database {name!r} (no DBRP mapping)", self._setup)
        policy = self._settings.retention_policy or "autogen"
        wanted = {"orgID": organisation, "bucketID": bucket["id"], "database": name, "retention_policy": policy, "default": True}
        await self._call("POST", "/api/v2/dbrps", {}, wanted)
        return self.finding("mapping", State.DONE, f"made: InfluxQL finds it as database {name!r}")

    @property
    def deletes(self) -> bool:
        return True

    async def delete(self, measurement: str, since_ms: int, before_ms: int) -> None:
        asked = {"bucket": self._settings.bucket} | ({"org": self._settings.org} if self._settings.org else {})
        span = {
            "start": format_instant(since_ms),
            "stop": format_instant(before_ms - 1),  # both ends are deleted
            "predicate": f"_measurement={orjson.dumps(measurement).decode()}",
        }
        await self._call("POST", "/api/v2/delete", asked, span)

    async def _call(self, method: str, path: str, params: dict[str, str], body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the management API; {} for an empty answer, and for a bucket or organisation that is not there."""
        content = None if body is None else orjson.dumps(body)
        answer = await self._http.exchange(method, path, params, content, most_bytes=1024**2, content_type=JSON)
        if answer.status in (401, 403):
            raise NotAllowed(f"{answer.status} {answer.message}")
        if answer.status == 404 and method == "GET":
            return {}
        if not answer.ok:
            self._http.raise_unless_about_lines(answer)
            raise Permanent(f"{self._http.where} refuses {method} {path} ({answer.status}): {answer.message}")
        return _document(answer)


class NotAllowed(Permanent):
    """The token may not look at, or make, buckets and mappings; it may still be allowed to write and read."""


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = orjson.loads(answer.body) if answer.body else {}
    except orjson.JSONDecodeError:
        document = {}
    return document if isinstance(document, dict) else {}


class DatabaseOf3(Place):
    """InfluxDB 3 Core: a database comes with its first write, and no API of buckets is taken for granted."""

    async def look(self, may: Rights) -> list[Finding]:
        there = await self._there()
        says = {
            True: f"{self._settings.bucket!r} is there",
            False: f"{self._settings.bucket!r} is not there yet: the first write makes it",
            None: f"the server does not list its databases; {self._settings.bucket!r} is made by the first write",
        }[there]
        return [self.finding("database", State.OK, says), *self._limits()]

    async def prepare(self) -> list[Finding]:
        """The first write makes it: `InfluxUpkeep` tries one anyway."""
        return await self.look(Rights())

    async def _there(self) -> bool | None:
        try:
            return any(self._settings.bucket in row for series in await self._reader.ask("SHOW DATABASES") for row in series.values)
        except DeliveryError:
            return None

    def _limits(self) -> list[Finding]:
        return self.undeletable(
            "`retention` cannot be carried out here: the gateway cannot delete by time; the server's own limit takes summaries too",
            "leave `retention` out, or give the database a retention period (influxdb3 create database --retention-period)",
        )


class VictoriaMetrics(Place):
    """VictoriaMetrics, written to by its Influx endpoint."""

    async def look(self, may: Rights) -> list[Finding]:
        return [self._dedup(), *self._retention()]

    async def prepare(self) -> list[Finding]:
        """There is nothing to make: what it needs are flags of its command line."""
        return await self.look(Rights())

    def _dedup(self) -> Finding:
        flags = self.server.flags
        restart = f"start it with -{DEDUP_FLAG}=1ms"
        value = flags.get(DEDUP_FLAG)
        if value is None:
            return self.finding("deduplication", State.WARNING, "the server does not show its flags", f"see to it: {restart}")
        kept_ms = duration_ms(value)
        if not kept_ms:
            says = "several values at one time are all kept, so a revised reading stands beside the old one"
            return self.finding("deduplication", State.WRONG, says, restart)
        if kept_ms > 1:
            says = f"of all readings within {value} only one is kept (-{DEDUP_FLAG}={value})"
            return self.finding("deduplication", State.WRONG, says, restart)
        return self.finding("deduplication", State.OK, f"one value is kept for each time (-{DEDUP_FLAG}={value})")

    def _retention(self) -> list[Finding]:
        mend = "start it with a longer -retentionPeriod, for example 100y"
        cannot = self.undeletable("`retention` cannot be carried out here: the gateway cannot delete by time", "leave it out")
        kept_ms = duration_ms(self.server.flags.get("retentionPeriod", ""))
        if kept_ms is None:
            return cannot
        if kept_ms >= 50 * 365 * DAY_MS:
            return [*cannot, self.finding("retention", State.OK, f"everything is kept for {shown(kept_ms)}")]
        says = f"the server deletes everything after {shown(kept_ms)}: hourly and daily summaries, indices and alerts too"
        return [*cannot, self.finding("retention", State.WARNING, says, mend)]


def place_of(http: InfluxHttp, reader: InfluxReader, settings: HistorySection, server: Server) -> Place:
    """The place for this kind of server."""
    kinds: dict[Kind, type[Place]] = {
        Kind.V1: DatabaseOf1,
        Kind.V2: BucketOf2,
        Kind.V3: DatabaseOf3,
        Kind.VICTORIA: VictoriaMetrics,
    }
    return kinds[server.kind](http, reader, settings, server)
