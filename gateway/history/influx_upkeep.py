"""`envgw history setup`, `envgw doctor history` and `retention` for an `influxdb` history, whatever kind of server it is.

who is there?    gateway.history.influx_server
its place        gateway.history.influx_places: database or bucket, the server's retention, mapping, flags
rights           one real point is written the way that the lane writes, and read back the way that `envgw query` reads
"""

from __future__ import annotations

import time
from collections.abc import Callable

from devices.reading import Line
from gateway.core.accounted import OWN_MEDIUM
from gateway.errors import DeliveryError, Retryable
from gateway.findings import Finding, State
from gateway.history.base import is_asked
from gateway.history.durations import DAY_MS
from gateway.history.influx_http import InfluxHttp
from gateway.history.influx_places import NotAllowed, Place, Rights, place_of
from gateway.history.influx_server import Kind, Server, identify
from gateway.history.influxdb import InfluxHistory
from gateway.history.influxql import InfluxReader, identifier
from gateway.history.line_protocol import NO_AREA
from gateway.settings import HistorySection

CLOCK_WARNING_S, CLOCK_WRONG_S = 5.0, 60.0
"""How far the server's clock may be off. Its own retention and `now()` in a dashboard go by it."""

PROBE = "doctor"
"""The measurement of the one point that doctor and setup write: tags `-`, field `probe` = Unix seconds of the asking, at the hour's start,
so that there is at most one an hour. It has no flag, so that nobody takes it for a reading."""

SLICE_MS = 7 * DAY_MS
"""Most that is deleted in one request: it must end within the time that a write may take."""


class InfluxUpkeep:
    """Looks after one `influxdb` history. Constructing it connects to nothing."""

    def __init__(self, settings: HistorySection, *, wall: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._wall = wall
        self._http = InfluxHttp(settings)
        self._reader = InfluxReader(self._http, settings)
        self._history = InfluxHistory(settings)
        self._part = f"history {settings.name}"

    async def prepare(self) -> list[Finding]:
        """Make what is missing, and try it. What is there stays as it is."""
        findings: list[Finding] = []
        try:
            place = await self._place()
            try:
                findings += await place.prepare()
            except NotAllowed as refusal:
                do = place.with_admin(f"history setup {self._settings.name}")
                return [*findings, self._finding("rights", State.WRONG, f"may not make what is missing ({refusal.reason})", do)]
            return findings + await self._rights(place.server)
        except DeliveryError as error:
            return [*findings, self._finding("setup", State.WRONG, error.reason, "mend that, then run it again: it may be run at any time")]

    async def examine(self) -> list[Finding]:
        """Everything that can be told from outside. Writes one point: see `PROBE`."""
        findings: list[Finding] = []
        try:
            place = await self._place()
            findings += [self._version(place.server), self._clock(place.server)]
            rights = await self._rights(place.server)
            may = Rights(*(any(found.check == what and found.state is State.OK for found in rights) for what in ("write", "read")))
            return findings + await self._looked(place, may) + rights
        except DeliveryError as error:
            return [*findings, self._finding("connection", State.WRONG, error.reason, "see to the server, url and credentials")]

    async def forget(self, before_ms: int) -> int:
        """Delete raw readings and the gateway's own figures older than this; how many requests that took. Raises `DeliveryError`.

        A week a request, from the oldest on. Only measurements that hold what the gateway writes (`p` beside `p_qc`) are touched.
        """
        place = await self._place()
        if not place.deletes:
            return 0
        requests = 0
        for measurement in [*sorted(await self._raw()), OWN_MEDIUM]:
            oldest = await self._oldest(measurement)
            while oldest is not None and oldest < before_ms:
                await place.delete(measurement, oldest, min(oldest + SLICE_MS, before_ms))
                requests += 1
                next_oldest = await self._oldest(measurement)
                if next_oldest == oldest:
                    raise Retryable(f"{self._http.where} has not deleted what was asked ({measurement}): is the user allowed to?")
                oldest = next_oldest
        return requests

    async def close(self) -> None:
        await self._history.close()
        await self._http.close()

    # ------------------------------------------------------------------ inside

    async def _place(self) -> Place:
        server = await identify(self._http, wall=self._wall)
        return place_of(self._http, self._reader, self._settings, server)

    async def _looked(self, place: Place, may: Rights) -> list[Finding]:
        """Whoever may write may not always look."""
        try:
            return await place.look(may)
        except DeliveryError as error:
            state = State.WARNING if may.write else State.WRONG
            return [self._finding("place", state, error.reason, place.with_admin("doctor history"))]

    async def _raw(self) -> set[str]:
        """Measurements that hold readings as the gateway writes them."""
        shown = await self._reader.ask("SHOW FIELD KEYS")
        return {one.name for one in shown if is_asked(one.name, None) and any(str(row[0]).endswith("_qc") for row in one.values)}

    async def _oldest(self, measurement: str) -> int | None:
        series = await self._reader.ask(f"SELECT * FROM {identifier(measurement)} ORDER BY time LIMIT 1")
        return min((int(one.values[0][0]) for one in series if one.values), default=None)

    def _finding(self, check: str, state: State, says: str, do: str = "") -> Finding:
        return Finding(self._part, check, state, says, do)

    def _version(self, server: Server) -> Finding:
        says = f"{server.kind} {server.version}".strip()
        if server.kind is Kind.V1 and self._settings.api == "v2" and server.number < (1, 8):
            return self._finding("version", State.WRONG, f"{says} knows only the old way of writing", f"set `api: v1` for {self._part}")
        if server.kind is Kind.V1 and server.number < (1, 6):
            return self._finding("version", State.WARNING, f"{says} is older than what was tried (1.6)", "update it")
        return self._finding("version", State.OK, says)

    def _clock(self, server: Server) -> Finding:
        if server.ahead_s is None:
            return self._finding("clock", State.WARNING, "the server does not tell its time", "compare its clock with ours by hand")
        off = abs(server.ahead_s)
        if off <= CLOCK_WARNING_S:
            return self._finding("clock", State.OK, "agrees with ours")
        says = f"the server's clock is {off:.0f} s {'ahead of' if server.ahead_s > 0 else 'behind'} ours"
        return self._finding("clock", State.WRONG if off > CLOCK_WRONG_S else State.WARNING, says, "let both follow NTP")

    async def _rights(self, server: Server) -> list[Finding]:
        asked_s = float(int(self._wall()))
        at_ms = int(asked_s) // 3600 * 3_600_000
        try:
            refused = await self._history.write([Line(PROBE, NO_AREA, NO_AREA, "", at_ms, (), (("probe", asked_s),))], 0)
        except DeliveryError as error:
            return [self._finding("write", State.WRONG, error.reason, "mend that; the lane waits meanwhile and loses nothing")]
        if refused:
            return [self._finding("write", State.WRONG, f"a point was refused: {refused[0].reason}", "see what the server says")]
        if server.kind is Kind.VICTORIA:
            says = "a point was written; VictoriaMetrics gives none back in InfluxQL: `envgw query` needs another history"
            return [self._finding("write", State.OK, says)]
        return [self._finding("write", State.OK, "a point was written"), await self._read_back(at_ms, asked_s)]

    async def _read_back(self, at_ms: int, asked_s: float) -> Finding:
        question = f'SELECT "probe" FROM {identifier(PROBE)} WHERE time = {at_ms}ms'
        do = "give the token or user the right to read there (dashboards and `envgw query` need it)"
        try:
            series = await self._reader.ask(question)
        except DeliveryError as error:
            return self._finding("read", State.WRONG, error.reason, do)
        if any(row[:2] == [at_ms, asked_s] for one in series for row in one.values):
            return self._finding("read", State.OK, "and read back in InfluxQL")
        return self._finding("read", State.WRONG, "the point that was just written is not given back", do)
