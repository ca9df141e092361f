"""Questions to an InfluxDB in InfluxQL, the one language that 1.x, 2.x and 3 Core all answer at `/query`.

A query runs device by device and in pages, so that its memory does not depend on its size, whether or not the
server knows chunked answers. Per page one request, each with the whole-exchange timeout.

    SHOW FIELD KEYS                          which measurements hold readings (a float `p` beside an integer `p_qc`)
    SELECT count(*) … GROUP BY station, device      who has anything in that time, and how much
    SELECT p, p_qc, area … LIMIT n           per device: all parameters at once if few, else page by page per parameter
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from devices.reading import Flag
from gateway.errors import Permanent, Retryable
from gateway.history.base import StoredReading, is_asked
from gateway.history.influx_http import InfluxHttp
from gateway.history.line_protocol import NO_AREA
from gateway.settings import HistorySection

PAGE = 10_000
"""Most points asked for at once."""
_MOST_BYTES = 64 * 1024**2
_FIRST_MS, _LAST_MS = -9_223_372_036_854, 9_223_372_036_854
_QC = "_qc"


def identifier(name: str) -> str:
    """A name in double quotes, with nothing in it that could end them."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def string(value: str) -> str:
    """A text in single quotes, with nothing in it that could end them."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


class _Series(NamedTuple):
    name: str
    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]


class InfluxReader:
    """The reading half of `InfluxHistory`."""

    def __init__(self, http: InfluxHttp, settings: HistorySection) -> None:
        self._http = http
        self._name = settings.name
        self._params = {"db": settings.bucket, "epoch": "ms"}
        if settings.api == "v1" and settings.retention_policy:
            self._params["rp"] = settings.retention_policy

    async def query(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int
    ) -> AsyncIterator[StoredReading]:
        """See `History.query`. Two areas at one time (a registry corrected afterwards) are two series in InfluxDB and
        nothing tells which came later: the area that sorts last is given."""
        span = f"time > {_clamp(since_ms)}ms AND time <= {_clamp(until_ms)}ms"
        media = await self._media(parameters)
        devices = await self._devices(media, station, span)
        for who in sorted(devices):
            counts = devices[who]
            if sum(counts.values()) <= PAGE:
                pages = self._few(who, sorted(counts), span)
            else:
                pages = self._many(who, sorted(counts), until_ms, since_ms)
            newest: StoredReading | None = None
            async for reading in pages:
                if newest is not None and (newest.parameter, newest.time_ms, newest.medium) != (
                    reading.parameter,
                    reading.time_ms,
                    reading.medium,
                ):
                    yield newest
                newest = reading
            if newest is not None:
                yield newest

    async def _media(self, parameters: Sequence[str] | None) -> dict[str, list[str]]:
        """Measurement → parameters that it holds, of those asked for."""
        wanted = None if parameters is None else set(parameters)
        media: dict[str, list[str]] = {}
        for series in await self._ask("SHOW FIELD KEYS"):
            if series.columns[:1] != ["fieldKey"]:
                raise Permanent(
                    f"{self._http.where} does not answer InfluxQL (VictoriaMetrics takes readings but gives none back this way): "
                    f"query another history than {self._name!r}"
                )
            if not is_asked(series.name, parameters):
                continue
            fields = {str(row[0]) for row in series.values}
            found = [field[: -len(_QC)] for field in fields if field.endswith(_QC)]
            media[series.name] = sorted(name for name in found if wanted is None or name in wanted)
        return {medium: found for medium, found in media.items() if found}

    async def _devices(
        self, media: dict[str, list[str]], station: str | None, span: str
    ) -> dict[tuple[str, str], dict[tuple[str, str], int]]:
        """(station, device) → (parameter, medium) → number of readings; the only thing held for the whole query."""
        where = span if station is None else f'{span} AND "station" = {string(station)}'
        devices: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
        for medium, parameters in media.items():
            counted = ",".join(f"count({identifier(p + _QC)}) AS {identifier(p)}" for p in parameters)
            for series in await self._ask(f'SELECT {counted} FROM {identifier(medium)} WHERE {where} GROUP BY "station","device"'):
                who = (series.tags.get("station", ""), series.tags.get("device", ""))
                for name, count in zip(series.columns[1:], series.values[0][1:], strict=True):
                    if count:
                        devices.setdefault(who, {})[name, medium] = int(count)
        return devices

    async def _few(self, who: tuple[str, str], wanted: list[tuple[str, str]], span: str) -> AsyncIterator[StoredReading]:
        """Everything of one device in one request a medium, sorted here."""
        rows: list[StoredReading] = []
        for medium in sorted({medium for _, medium in wanted}):
            parameters = [parameter for parameter, its in wanted if its == medium]
            rows += [
                row
                for series in await self._page(who, medium, parameters, span, PAGE + 1)
                for row in _unpivot(series, who, medium, parameters)
            ]
        rows.sort(key=lambda row: (row.parameter, row.time_ms, row.medium, row.area))
        for row in rows:
            yield row

    async def _many(
        self, who: tuple[str, str], wanted: list[tuple[str, str]], until_ms: int, since_ms: int
    ) -> AsyncIterator[StoredReading]:
        """One parameter after the other, page by page."""
        for parameter in sorted({parameter for parameter, _ in wanted}):
            streams = [self._pages(who, medium, parameter, since_ms, until_ms) for its, medium in wanted if its == parameter]
            async for row in _merged(streams):
                yield row

    async def _pages(self, who: tuple[str, str], medium: str, parameter: str, since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        """All of one parameter in time order, holding one page."""
        span_end = f"time <= {_clamp(until_ms)}ms"
        after = _clamp(since_ms)
        while True:
            page = await self._page(who, medium, [parameter], f"time > {after}ms AND {span_end}", PAGE)
            full = sum(len(series.values) for series in page) == PAGE
            last_ms = page[-1].values[-1][0] if full else None
            if last_ms is not None and page[0].values[0][0] != last_ms:
                # Several areas may share the last instant, and the page may have cut between them: read that again.
                page = [series._replace(values=[row for row in series.values if row[0] != last_ms]) for series in page]
            for series in page:
                for reading in _unpivot(series, who, medium, [parameter]):
                    yield reading
            if not full:
                return
            after = page[-1].values[-1][0]

    async def _page(self, who: tuple[str, str], medium: str, parameters: list[str], span: str, limit: int) -> list[_Series]:
        """At most `limit` points of one device in time order: one series, or none."""
        station, device = who
        fields = ",".join(f"{identifier(p)},{identifier(p + _QC)}" for p in parameters)
        return await self._ask(
            f'SELECT {fields},"area" FROM {identifier(medium)} WHERE {span} '
            f'AND "station" = {string(station)} AND "device" = {string(device)} ORDER BY time LIMIT {limit}'
        )

    async def ask(self, statement: str, *, method: str = "GET") -> list[_Series]:
        """Any one statement, for whoever looks after the server; what changes something must be a POST. Raises `DeliveryError`."""
        return await self._ask(statement, method)

    async def _ask(self, query: str, method: str = "GET") -> list[_Series]:
        """One statement, its series. Raises `DeliveryError`."""
        answer = await self._http.exchange(method, "/query", {**self._params, "q": query}, most_bytes=_MOST_BYTES)
        self._http.raise_unless_about_lines(answer)
        try:
            result: dict[str, Any] = orjson.loads(answer.body)["results"][0] if answer.ok else {"error": answer.message}
            if "error" in result:
                raise Permanent(f"{self._http.where} refused a query: {result['error']}")
            return [_Series(s.get("name", ""), s.get("tags") or {}, s["columns"], s.get("values") or []) for s in result.get("series", ())]
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Retryable(f"{self._http.where} gave an answer to a query that is not InfluxQL's: {error}") from error


def _unpivot(series: _Series, who: tuple[str, str], medium: str, parameters: list[str]) -> Iterator[StoredReading]:
    """Rows (time, p1, p1_qc, p2, p2_qc, …, area) → one reading for each parameter that has a flag there."""
    station, device = who
    for row in series.values:
        time_ms, area = row[0], row[-1] or ""
        for index, parameter in enumerate(parameters):
            value, flag = row[1 + 2 * index], row[2 + 2 * index]
            if flag is None:
                continue
            # InfluxDB keeps the old value beside a flag that was revised to missing: the flag decides.
            kept = None if flag == Flag.MISSING or value is None else float(value)
            yield StoredReading(int(time_ms), station, device, "" if area == NO_AREA else area, medium, parameter, kept, int(flag))


async def _merged(streams: list[AsyncIterator[StoredReading]]) -> AsyncIterator[StoredReading]:
    """Streams in time order → one in the order (time, medium, area); almost always there is only one."""
    heads = [(await anext(stream, None), stream) for stream in streams]
    while True:
        live = [(row, stream) for row, stream in heads if row is not None]
        if not live:
            return
        row, stream = min(live, key=lambda pair: (pair[0].time_ms, pair[0].medium, pair[0].area))
        yield row
        heads = [(await anext(s, None), s) if s is stream else (head, s) for head, s in heads]


def _clamp(time_ms: int) -> int:
    """InfluxDB counts nanoseconds in 64 bits: times beyond that make a query illegal instead of empty."""
    return min(max(time_ms, _FIRST_MS), _LAST_MS)
