"""`envgw query`: through the running gateway's API; without one, straight from the configured history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, cast

import httpx
import orjson

from devices.loader import catalogue, derived_table
from devices.problems import did_you_mean
from devices.times import parse_instant as read_instant
from gateway.api.times import parse_instant
from gateway.commands.client import Api, NotRunning
from gateway.errors import DeliveryError, EnvgwError, Permanent
from gateway.history.base import StoredReading
from gateway.history.query import Format, iso, query_offline, write_answer
from gateway.settings import Settings


async def write(
    settings: Settings,
    station: str | None,
    parameters: Sequence[str] | None,
    since: str | None,
    until: str | None,
    form: str,
    out: BinaryIO,
) -> int:
    """Write the answer to `out`; returns the number of rows. Raises EnvgwError."""
    units = {name: entry.unit for name, entry in catalogue().items()} | {name: entry.unit for name, entry in derived_table().items()}
    for name in parameters or ():
        if name not in units:
            raise EnvgwError(f"no parameter {name!r} in the catalogue, nor among what is derived{did_you_mean(name, units)}")
    found = rows(settings, station, list(parameters) if parameters else None, since or "-24h", until or "now")
    return await write_answer(found, cast(Format, form), out, lambda name: units.get(name, ""))


async def rows(
    settings: Settings, station: str | None, parameters: list[str] | None, since: str, until: str
) -> AsyncIterator[StoredReading]:
    """Readings with since < time <= until, ordered by station, device, parameter, time. Raises EnvgwError."""
    try:
        async for row in _online(settings, station, parameters, since, until):
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
    section = next((item for item in settings.history if item.kind == "duckdb"), settings.history[0])
    async for row in query_offline(
        section, settings.gateway.data_dir, station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms
    ):
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
    settings: Settings, station: str | None, parameters: list[str] | None, since: str, until: str
) -> AsyncIterator[StoredReading]:
    """The API's JSON lines. A relative time is relative to the gateway's clock, which in the demo is not ours."""
    api = Api(settings)
    params: dict[str, str] = {"since": since, "until": until, "format": "jsonl"}
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
                    yield _reading(orjson.loads(line))
    except httpx.ConnectError:
        raise NotRunning(f"no gateway answers at {api.base}") from None
    except httpx.HTTPError as error:
        raise EnvgwError(f"the answer of {api.base} broke off: {error or type(error).__name__}. Ask again") from None


def _reading(row: dict[str, object]) -> StoredReading:
    time_ms = read_instant(str(row["time"]), UTC)
    value = row["value"]
    return StoredReading(
        time_ms=time_ms,
        station=str(row["station"]),
        device=str(row["device"]),
        area=str(row["area"]),
        medium=str(row["medium"]),
        parameter=str(row["parameter"]),
        value=None if value is None else float(cast(float, value)),
        flag=int(cast(int, row["flag"])),
    )


def _detail(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
