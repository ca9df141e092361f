"""`envgw query`: through the running gateway's API; without one, straight from the configured history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import BinaryIO, cast

import httpx
import orjson

from devices.loader import catalogue, derived_table
from devices.problems import did_you_mean
from devices.times import iso
from devices.times import parse_instant as read_instant
from gateway.api.times import parse_instant
from gateway.commands.client import Api, NotRunning
from gateway.commands.progress import Told, bar
from gateway.errors import DeliveryError, EnvgwError, Permanent
from gateway.history.base import History, Resolution, StoredReading
from gateway.history.query import Format, opened_offline, query_offline, write_answer
from gateway.history.rows import extra_columns, reading_of
from gateway.settings import HistorySection, Settings


async def write(
    settings: Settings,
    station: str | None,
    parameters: Sequence[str] | None,
    since: str | None,
    until: str | None,
    form: str,
    out: BinaryIO,
    resolution: Resolution = "raw",
) -> int:
    """Write the answer to `out`; returns the number of rows. Raises EnvgwError."""
    check_parameters(parameters or ())
    names = list(parameters) if parameters else None
    found = rows(settings, station, names, since or "-24h", until or "now", resolution)
    extra = extra_columns(resolution, names, frozenset(derived_table()))
    with bar("readings", also_stdout=True) as told:
        return await write_answer(_counted(found, told), cast(Format, form), out, unit_of, extra)


async def _counted(found: AsyncIterator[StoredReading], told: Told) -> AsyncIterator[StoredReading]:
    count = 0
    async for row in found:
        yield row
        count += 1
        if not count % 10_000:
            told(count, None)


@cache
def unit_of(parameter: str) -> str:
    """Unit (UCUM) of a parameter or of what is derived; empty if there is none of this name."""
    known = catalogue().get(parameter) or derived_table().get(parameter)
    return known.unit if known else ""


def check_parameters(parameters: Sequence[str]) -> None:
    """Raises EnvgwError for one that does not exist, with what may have been meant."""
    for name in parameters:
        if not (catalogue().get(name) or derived_table().get(name)):
            known = [*catalogue(), *derived_table()]
            raise EnvgwError(f"no parameter {name!r} in the catalogue, nor among what is derived{did_you_mean(name, known)}")


@dataclass(frozen=True, slots=True)
class Where:
    """Where readings are asked for, found out once: for work that asks many times."""

    settings: Settings
    history: HistorySection
    running: bool
    """The gateway answers; else the history itself is asked."""
    now_ms: int
    """The gateway's time, else ours."""
    opened: History | None = None
    """The history itself; None if the gateway answers."""

    def rows(self, station: str | None, parameters: list[str] | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        """Readings with since < time <= until, ordered by station, device, parameter, time. Raises EnvgwError."""
        if self.opened is None:
            return _online(self.settings, station, parameters, iso(since_ms), iso(until_ms), "raw")
        return self.opened.query(station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms)


@asynccontextmanager
async def where(settings: Settings) -> AsyncGenerator[Where]:
    """The running gateway, else the history that would answer for it, until the block ends. Raises EnvgwError if there is neither."""
    try:
        now_ms, running = read_instant(Api(settings).get("/api/v1/status")["time"], UTC), True
    except NotRunning:
        now_ms, running = int(datetime.now(UTC).timestamp() * 1000), False
    if not settings.history:
        raise EnvgwError("no history that can be asked is configured (`history:`)")
    found = _answering(settings)
    if running:
        yield Where(settings, found, running, now_ms)
        return
    async with opened_offline(found, settings.gateway.data_dir) as history:
        yield Where(settings, found, running, now_ms, history)


def _answering(settings: Settings) -> HistorySection:
    """The history that answers queries: the embedded one if there is one, else the first."""
    return next((item for item in settings.history if item.kind == "duckdb"), settings.history[0])


async def rows(
    settings: Settings, station: str | None, parameters: list[str] | None, since: str, until: str, resolution: Resolution = "raw"
) -> AsyncIterator[StoredReading]:
    """Readings with since < time <= until, ordered by station, device, parameter, time. Raises EnvgwError."""
    try:
        async for row in _online(settings, station, parameters, since, until, resolution):
            yield row
        return
    except NotRunning:
        if not settings.history:
            raise
    now = int(datetime.now(UTC).timestamp() * 1000)
    try:
        since_ms, until_ms = parse_instant(since, now), parse_instant(until, now)
    except ValueError as error:
        raise EnvgwError(str(error)) from None
    async for row in query_offline(
        _answering(settings), settings.gateway.data_dir,
        station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms, resolution=resolution,
    ):  # fmt: skip
        yield row


class AnyHistory:
    """`rows` with the face of a history, for what asks one (`gateway.prehistory`): the running gateway's, or the configured one's."""

    name = "configured"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def query(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int
    ) -> AsyncIterator[StoredReading]:
        """See `gateway.history.base.History`. Raises DeliveryError."""
        try:
            async for row in rows(self._settings, station, None if parameters is None else list(parameters), iso(since_ms), iso(until_ms)):
                yield row
        except DeliveryError:
            raise
        except EnvgwError as error:
            raise Permanent(str(error)) from error


async def _online(
    settings: Settings, station: str | None, parameters: list[str] | None, since: str, until: str, resolution: Resolution
) -> AsyncIterator[StoredReading]:
    """The API's JSON lines. A relative time is relative to the gateway's clock, which in the demo is not ours."""
    api = Api(settings)
    params: dict[str, str] = {"since": since, "until": until, "resolution": resolution, "format": "jsonl"}
    if station:
        params["station"] = station
    if parameters:
        params["parameter"] = ",".join(parameters)
    timeout = httpx.Timeout(60.0, connect=2.0)
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=timeout) as client,
            client.stream("GET", f"{api.base}/api/v1/readings", params=params) as answer,
        ):
            if answer.status_code >= 400:
                body = await answer.aread()
                raise EnvgwError(_detail(body) or f"the gateway answers {answer.status_code}")
            async for line in answer.aiter_lines():
                if line:
                    yield reading_of(orjson.loads(line))
    except httpx.ConnectError:
        raise NotRunning(f"no gateway answers at {api.base}") from None
    except httpx.HTTPError as error:
        raise EnvgwError(f"the answer of {api.base} broke off: {error or type(error).__name__}. Ask again") from None


def _detail(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
