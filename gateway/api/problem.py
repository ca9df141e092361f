"""Errors as `application/problem+json` (RFC 9457) that say what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.api.events import TooManyClients
from gateway.api.view import Conflict, NotFound
from gateway.errors import DeliveryError, EnvgwError, Retryable


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A finished answer."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(orjson.dumps(document), status, headers=dict(headers or {}), media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem(422, "; ".join(_sentence(item["loc"], item["msg"]) for item in error.errors()[:10]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"There is nothing at {request.url.path}; see /api/v1/openapi.json for what there is."
        return problem(error.status_code, detail, error.headers)

    @app.exception_handler(EnvgwError)
    async def ours(_: Request, error: EnvgwError) -> Response:
        if isinstance(error, NotFound):
            return problem(404, str(error))
        if isinstance(error, Conflict):
            return problem(409, str(error))
        if isinstance(error, (DeliveryError, TooManyClients)):
            after = error.after_s if isinstance(error, Retryable) and error.after_s else 5
            return problem(503, str(error), {"Retry-After": str(math.ceil(after))})
        return problem(500, str(error))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        # Starlette raises it again behind this answer, so that the server logs it with its traceback.
        return problem(500, f"The gateway stumbled ({type(error).__name__}); this is our fault, and its log says more.")


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    place = ".".join(str(part) for part in location[1:]) or str(location[0])
    return f"{place}: {message.removeprefix('Value error, ')}"
