"""The InfluxDB history: 1.x by `/write`, 2.x, 3 Core and VictoriaMetrics by `/api/v2/write`.

What a server does with a bad line differs, what comes out here does not: the bad line is returned with the
server's reason, and the others are stored.

    2.7    malformed: 400, nothing of the batch is stored;  type conflict, retention: 422, the others are stored
    1.6    malformed, type conflict, retention: 400 `partial write`, the others are stored
    3 Core anything: 400, nothing of the batch is stored
    VictoriaMetrics: 204 whatever is sent; malformed lines vanish. Our encoder sends none, and that is all there is.

So a refused batch is sent again in halves until single lines are left: about 2·log2(n) requests for one bad line,
and what was stored already is stored again, which changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from devices.reading import Line
from gateway.errors import DeliveryError, Retryable
from gateway.history.base import RefusedLine, Resolution, StoredNotes, StoredReading
from gateway.history.influx_http import Answer, InfluxHttp
from gateway.history.influxql import InfluxReader
from gateway.history.line_protocol import Encoder
from gateway.settings import HistorySection

_ENCODE_AT_ONCE = 1_000
"""Lines encoded without letting the event loop do something else (about 2 ms)."""


class InfluxHistory:
    """`gateway.history.base.History` over HTTP. Constructing it connects to nothing."""

    def __init__(self, settings: HistorySection) -> None:
        self.name = settings.name
        self._http = InfluxHttp(settings)
        self._reader = InfluxReader(self._http, settings)
        self._encoder = Encoder()
        if settings.api == "v2":
            self._path = "/api/v2/write"
            self._params = {"org": settings.org, "bucket": settings.bucket, "precision": "ms"}
        else:
            self._path = "/write"
            self._params = {"db": settings.bucket, "precision": "ms"}
            if settings.retention_policy:
                self._params["rp"] = settings.retention_policy

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        """See the protocol. `upto` is not needed: the same point written again is the same point."""
        refused: list[RefusedLine] = []
        good: list[Line] = []
        texts: list[str] = []
        for start in range(0, len(lines), _ENCODE_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            some_good, some_texts, some_refused = self._encoder.encode(lines[start : start + _ENCODE_AT_ONCE])
            good += some_good
            texts += some_texts
            refused += some_refused
        if texts:
            refused += await self._send(good, texts)
        return refused

    async def _send(self, lines: Sequence[Line], texts: Sequence[str]) -> list[RefusedLine]:
        """Send all, in ever smaller pieces where the server objects; the lines that it refuses singly, with its reason."""
        refused: list[RefusedLine] = []
        accepted = False
        pieces = [(0, len(texts))]
        while pieces:
            start, end = pieces.pop()
            answer = await self._post("\n".join(texts[start:end]))
            if answer.ok:
                accepted = True
            elif answer.blames_lines and (end - start == 1 or answer.dropped == end - start):
                refused += [RefusedLine(line, answer.message) for line in lines[start:end]]
            elif end - start > 1:
                middle = (start + end) // 2
                pieces += [(middle, end), (start, middle)]
            elif answer.status == 413:
                refused.append(RefusedLine(lines[start], f"the line alone is too large for the server: {answer.message}"))
            else:
                if not accepted:
                    await self._prove_lines_are_taken(lines[start], answer)
                    accepted = True
                refused.append(RefusedLine(lines[start], answer.message or f"refused with status {answer.status}"))
        return refused

    async def _post(self, text: str) -> Answer:
        answer = await self._http.exchange("POST", self._path, self._params, text.encode())
        self._http.raise_unless_about_lines(answer)
        return answer

    async def _prove_lines_are_taken(self, line: Line, refusal: Answer) -> None:
        """Send a line beyond doubt, because nothing else was accepted yet: if that is refused too, the fault is in the
        request (settings, licence, a proxy), and setting all our lines aside, or asking about each, would be a loss."""
        probe = await self._post(f"gateway,area=-,device=-,station=- probe=1 {line.time_ms}")
        if not probe.ok:
            says = f"{self._http.where} refuses every line ({refusal.status}: {refusal.message})"
            raise Retryable(f"{says}: check `org`, `bucket` and `url` of history {self.name}", red=True)

    def query(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        """See the protocol; InfluxQL, so 1.x, 2.x and 3 Core. VictoriaMetrics cannot answer and says so."""
        return self._reader.query(station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms, resolution=resolution)

    def notes(self, *, medium: str, station: str | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredNotes]:
        """See the protocol; as `query`."""
        return self._reader.notes(medium=medium, station=station, since_ms=since_ms, until_ms=until_ms)

    async def check(self) -> str:
        """An empty write: reaches the server, proves credentials and bucket, and stores nothing."""
        try:
            answer = await self._post("")
        except DeliveryError as error:
            return error.reason
        # 3 Core may object to an empty body: then it has looked at the credentials and the bucket already.
        return "" if answer.ok or answer.status == 400 else f"{self._http.where} answered {answer.status}: {answer.message}"

    async def close(self) -> None:
        await self._http.close()
