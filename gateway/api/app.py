"""The HTTP API: what people and programs ask the running gateway.

Import this late: FastAPI and pydantic cost 0.5 s of CPU. Sensors do not wait for the API, so the gateway starts
taking in first and imports this in a thread.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Header, Query, Request
from starlette.responses import Response

from devices.loader import derived_table
from gateway import health, metrics
from gateway.api import models, streams
from gateway.api.guard import Guard
from gateway.api.problem import install, problem
from gateway.api.times import parse_instant
from gateway.api.view import GatewayView
from gateway.history.base import Resolution
from gateway.history.rows import extra_columns
from gateway.imports.rows import CannotImport, Group, Part
from gateway.version import VERSION

KEEP_ALIVE_S = 15.0

_STATION = Annotated[str | None, Query(description="Station id.", max_length=200)]
_SINCE = "ISO 8601 with zone, `now`, or relative such as `-24h`."

_DESCRIPTION = """\
Readings, stations, alerts and the state of one gateway.

Times are ISO 8601; answers are UTC with milliseconds. Errors are `application/problem+json` (RFC 9457) and say what to do.
The API has no login: it listens on loopback unless configured otherwise, and then belongs behind a proxy that has one.
Writing requests need `Content-Type: application/json`.
"""


def make_app(gateway: GatewayView, *, host: str = "127.0.0.1", keep_alive_s: float = KEEP_ALIVE_S) -> FastAPI:
    """The application for one gateway. `host` is the address it will be bound to (loopback asks for a matching Host header)."""
    app = FastAPI(
        title="envgw",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from a CDN; docs/reference/api.md and any OpenAPI viewer serve
        redoc_url=None,
        responses={422: {"model": models.Problem, "description": "A parameter is wrong; `detail` says which and what to write."}},
    )
    install(app)
    app.add_middleware(Guard, host=host)
    app.state.streams = set()
    _probes(app, gateway)
    _state(app, gateway)
    _readings(app, gateway)
    _alerts(app, gateway)
    _rules(app, gateway)
    _rejections(app, gateway)
    _events(app, gateway, keep_alive_s)
    return app


def _probes(app: FastAPI, gateway: GatewayView) -> None:
    @app.get("/healthz", tags=["probes"], summary="Alive", response_class=Response, responses={200: _text("`ok`: the process answers.")})
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    not_ready = {"model": models.Readiness, "description": "Red: a person is needed; the parts say for what."}

    @app.get("/readyz", tags=["probes"], summary="Ready", responses={200: {"model": models.Readiness}, 503: not_ready})
    async def readyz() -> Response:
        """Every part with its colour and reason; 503 when one is red."""
        parts = list(gateway.health_parts())
        return _json(health.document(parts), 200 if health.ready(parts) else 503)

    @app.get(
        "/metrics", tags=["probes"], summary="Metrics", response_class=Response, responses={200: _text("Prometheus' text format 0.0.4.")}
    )
    async def metrics_() -> Response:
        """See `docs/reference/metrics.md`."""
        return Response(gateway.metrics_text(), media_type=metrics.CONTENT_TYPE)


def _state(app: FastAPI, gateway: GatewayView) -> None:
    @app.get("/api/v1/status", tags=["state"], summary="Status", responses={200: {"model": models.Status}})
    async def status() -> Response:
        """The accounting, what waits, open alerts and health."""
        return _json(await gateway.status())

    @app.get("/api/v1/stations", tags=["state"], summary="All stations", responses={200: {"model": list[models.Station]}})
    async def stations() -> Response:
        """With their newest readings, ordered by id."""
        return _json(await gateway.stations())

    @app.get("/api/v1/stations/{station}", tags=["state"], summary="One station", responses=_found(models.Station))
    async def station(station: str) -> Response:
        """With its newest readings."""
        return _json(await gateway.station(station))


def _readings(app: FastAPI, gateway: GatewayView) -> None:
    lines = {"description": "JSON Lines: one `Reading` a line; or CSV.", "content": {"application/x-ndjson": {}, "text/csv": {}}}

    @app.post(
        "/api/v1/import",
        tags=["readings"],
        summary="Bring old readings into the histories",
        responses={200: {"model": models.ImportResult}, 503: _unavailable()},
    )
    async def import_part(body: models.ImportRequest) -> Response:
        """A part of an archive, judged already: what `envgw import` sends. For the histories only: rules, alerts, held values and
        counts of messages do not see it. The same point again replaces it. Answered after it is on disk."""
        part = Part(body.origin, [Group(group.station, group.device, group.rows) for group in body.groups])
        try:
            return _json(await gateway.import_part(part))
        except CannotImport as error:
            return problem(422, str(error))

    @app.get(
        "/api/v1/readings", tags=["readings"], summary="Readings", response_class=Response, responses={200: lines, 503: _unavailable()}
    )
    async def readings(
        station: _STATION = None,
        parameter: Annotated[list[str] | None, Query(description="Parameter ids; repeat it or separate them by commas.")] = None,
        since: Annotated[str, Query(description=_SINCE + " Exclusive.", max_length=50)] = "-24h",
        until: Annotated[str, Query(description=_SINCE + " Inclusive.", max_length=50)] = "now",
        resolution: Annotated[
            Resolution, Query(description="`raw`: as measured. `1h`, `1d`: the gateway's summaries. Indices are asked for by name.")
        ] = "raw",
        format: Annotated[Literal["jsonl", "csv"] | None, Query(description="Default: what `Accept` asks for, else jsonl.")] = None,  # noqa: A002
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Readings with since < time ≤ until from the history, ordered by station, device, parameter, time.

        Indices come with `category`, `dominant` or `why` there is none, summaries with `min`, `max`, `count`, `complete` (share of
        the hour or day) and `worst` (flag), both with `final` (false: may still be revised).
        Streamed, however many there are. An answer that ends without the final chunk is not whole: ask again.
        """
        now_ms = gateway.now_ms()
        try:
            since_ms, until_ms = parse_instant(since, now_ms), parse_instant(until, now_ms)
        except ValueError as error:
            return problem(422, str(error))
        if since_ms > until_ms:
            return problem(422, f"since ({since}) is after until ({until}): exchange them.")
        parameters = [name for text in parameter or [] for name in text.split(",") if name]
        rows = gateway.readings(station=station, parameters=parameters or None, since_ms=since_ms, until_ms=until_ms, resolution=resolution)
        # The first row is fetched before the answer begins, so that a history that is down gives a status and not a torso.
        first = await anext(rows, None)
        if format == "csv" or (format is None and "text/csv" in accept):
            extra = extra_columns(resolution, parameters or None, frozenset(derived_table()))
            body = streams.chunks(first, rows, streams.csv_rows(gateway.unit, extra), streams.csv_head(extra))
            return streams.Streamed(body, media_type="text/csv")
        return streams.Streamed(streams.chunks(first, rows, streams.json_lines(gateway.unit), b""), media_type="application/x-ndjson")


def _alerts(app: FastAPI, gateway: GatewayView) -> None:
    @app.get("/api/v1/alerts", tags=["alerts"], summary="Alerts", responses={200: {"model": list[models.Alert]}})
    async def alerts(
        state: Annotated[
            Literal["open", "firing", "unknown", "resolved", "all"], Query(description="`open` is firing or unknown (data stopped).")
        ] = "open",
        station: _STATION = None,
        since: Annotated[str | None, Query(description=f"Changed since: {_SINCE}", max_length=50)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many.")] = 1000,
    ) -> Response:
        """Newest first."""
        try:
            since_ms = None if since is None else parse_instant(since, gateway.now_ms())
        except ValueError as error:
            return problem(422, str(error))
        return _json(await gateway.alerts(state=state, station=station, since_ms=since_ms, limit=limit))

    @app.get("/api/v1/alerts/{episode:path}", tags=["alerts"], summary="One alert's history", responses=_found(models.AlertHistory))
    async def alert(episode: str) -> Response:
        """An episode with all its transitions. Its id may be written with `/` or `%2F`."""
        return _json(await gateway.alert(episode))

    closed = {"model": models.Problem, "description": "The alert is closed already."}

    @app.post(
        "/api/v1/alerts/{episode:path}/acknowledge",
        tags=["alerts"],
        summary="Acknowledge an alert",
        responses={**_found(models.Alert), 409: closed},
    )
    async def acknowledge(episode: str, body: models.Acknowledgement) -> Response:
        """Somebody takes care. Answered after it is on disk."""
        return _json(await gateway.command(action="acknowledge", episode=episode, operator=body.operator, comment=body.comment))

    @app.post(
        "/api/v1/alerts/{episode:path}/silence",
        tags=["alerts"],
        summary="Silence an alert",
        responses={**_found(models.Alert), 409: closed},
    )
    async def silence(episode: str, body: models.Silencing) -> Response:
        """People are told nothing of it for a while, unless it becomes worse. Answered after it is on disk."""
        done = await gateway.command(action="silence", episode=episode, operator=body.operator, comment=body.comment, for_s=body.for_s)
        return _json(done)


def _rules(app: FastAPI, gateway: GatewayView) -> None:
    @app.get("/api/v1/rules/{rule}/explain", tags=["alerts"], summary="What a rule sees now", responses=_found(models.RuleExplained))
    async def explain(rule: str, station: Annotated[str, Query(description="Station id.", max_length=200)]) -> Response:
        """Each part of its conditions with its value, its timers and its state at a station, and why it is not firing."""
        return _json(await gateway.explain(rule=rule, station=station))


def _rejections(app: FastAPI, gateway: GatewayView) -> None:
    @app.get("/api/v1/rejections", tags=["rejections"], summary="Rejected messages", responses={200: {"model": list[models.Rejection]}})
    async def rejections(
        reason: Annotated[str | None, Query(description="Only those rejected for this reason.", max_length=50)] = None,
        device: Annotated[str | None, Query(description="Only those of this device.", max_length=200)] = None,
        since: Annotated[str | None, Query(description=_SINCE, max_length=50)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many.")] = 100,
    ) -> Response:
        """Newest first, with their bytes."""
        try:
            since_ms = None if since is None else parse_instant(since, gateway.now_ms())
        except ValueError as error:
            return problem(422, str(error))
        return _json(await gateway.rejections(reason=reason, device=device, since_ms=since_ms, limit=limit))

    @app.post(
        "/api/v1/replay", tags=["rejections"], summary="Take rejected messages in again", responses={200: {"model": models.ReplayResult}}
    )
    async def replay(body: models.ReplayRequest) -> Response:
        """After the registry or a type was mended. Revises history and counts, never raises an alert."""
        return _json(await gateway.replay(reason=body.reason, device=body.device, limit=body.limit))

    @app.post(
        "/api/v1/reload",
        tags=["state"],
        summary="Read stations, types and rules again",
        responses={
            200: {"model": models.Reloaded},
            422: {"model": models.Reloaded, "description": "Nothing changed: `problems` says why."},
        },
    )
    async def reload() -> Response:
        """All or nothing: a bad file leaves what runs running. Answered after it is on disk."""
        found = await gateway.reload()
        return _json(found, 422 if found["problems"] else 200)

    conflict = {"model": models.Problem, "description": "The range is not in the journal any more; `detail` says what is."}

    @app.post(
        "/api/v1/reinterpret",
        tags=["rejections"],
        summary="Read a station's messages again",
        responses={**_found(models.Reinterpretation), 409: conflict},
    )
    async def reinterpret(body: models.ReinterpretRequest) -> Response:
        """After a type, calibration or the registry was mended: says what differs, and with `apply` writes it. Raises no alert."""
        now_ms = gateway.now_ms()
        try:
            since_ms, until_ms = parse_instant(body.since, now_ms), parse_instant(body.until, now_ms)
        except ValueError as error:
            return problem(422, str(error))
        if since_ms > until_ms:
            return problem(422, f"since ({body.since}) is after until ({body.until}): exchange them.")
        return _json(await gateway.reinterpret(station=body.station, since_ms=since_ms, until_ms=until_ms, apply=body.apply))

    @app.post(
        "/api/v1/rebuild",
        tags=["readings"],
        summary="Make a station's summaries again",
        responses={
            **_found(models.Rebuilt),
            409: {"model": models.Problem, "description": "The history lacks readings that still wait for it."},
            503: _unavailable(),
        },
    )
    async def rebuild(body: models.RebuildRequest) -> Response:
        """Hours, days and indices from the raw readings of the history, written to all histories. Raises no alert; may be repeated."""
        now_ms = gateway.now_ms()
        try:
            since_ms, until_ms = parse_instant(body.since, now_ms), parse_instant(body.until, now_ms)
        except ValueError as error:
            return problem(422, str(error))
        if since_ms > until_ms:
            return problem(422, f"since ({body.since}) is after until ({body.until}): exchange them.")
        return _json(await gateway.rebuild(station=body.station, since_ms=since_ms, until_ms=until_ms))


def _events(app: FastAPI, gateway: GatewayView, keep_alive_s: float) -> None:
    stream_of = {
        "description": "Server-sent events: `event: reading` and `event: alert`, `data` is JSON.",
        "content": {"text/event-stream": {}},
    }

    @app.get(
        "/api/v1/events", tags=["events"], summary="Live events", response_class=Response, responses={200: stream_of, 503: _unavailable()}
    )
    async def events(
        request: Request,
        station: _STATION = None,
        kind: Annotated[Literal["reading", "alert"] | None, Query(description="Only readings, or only alerts.")] = None,
    ) -> Response:
        """Readings and alerts as they are committed.

        Ids grow by one within a run of the gateway: a gap means that events were missed (fetch them from
        `/api/v1/readings`). A client that reads too slowly is disconnected.
        """
        stream = gateway.subscribe(station=station, kind=kind)
        stream.on_overflow = request.scope.get("envgw.abort")
        open_streams: set[Any] = app.state.streams
        open_streams.add(stream)

        async def body() -> Any:
            try:
                async for frames in streams.server_sent(stream, keep_alive_s):
                    yield frames
            finally:
                stream.close()
                open_streams.discard(stream)

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return streams.Streamed(body(), media_type="text/event-stream", headers=headers)


def _json(document: object, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {}}}


def _found(model: type[Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, 404: {"model": models.Problem, "description": "There is none with this id."}}


def _unavailable() -> dict[str, Any]:
    return {"model": models.Problem, "description": "Not now: `detail` says why, `Retry-After` when to try again."}
