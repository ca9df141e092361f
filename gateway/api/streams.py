"""Bodies that are sent as they come about: readings as JSON Lines or CSV, and server-sent events."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.api.events import EventStream
from gateway.history.base import StoredReading
from gateway.history.rows import COLUMNS, cells, row_of

_ROWS = 500
"""Rows a chunk: under a millisecond of the event loop, which belongs to the sensors."""

Encode = Callable[[list[StoredReading]], bytes]


async def chunks(first: StoredReading | None, rest: AsyncIterator[StoredReading], encode: Encode, head: bytes) -> AsyncIterator[bytes]:
    """The body: `head`, then rows in chunks. An error on the way cuts the answer off, so that it cannot pass for whole."""
    async with aclosing(rest):  # type: ignore[type-var]  # histories answer with generators
        if head:
            yield head
        rows = [] if first is None else [first]
        async for row in rest:
            rows.append(row)
            if len(rows) >= _ROWS:
                yield encode(rows)
                rows = []
                await asyncio.sleep(0)
        if rows:
            yield encode(rows)


def json_lines(unit: Callable[[str], str]) -> Encode:
    """One JSON object a line."""

    def encode(rows: list[StoredReading]) -> bytes:
        return b"".join([orjson.dumps(row_of(row, unit(row.parameter)), option=orjson.OPT_APPEND_NEWLINE) for row in rows])

    return encode


def csv_rows(unit: Callable[[str], str], extra: Sequence[str]) -> Encode:
    """Rows as RFC 4180 has them."""
    columns = (*COLUMNS, *extra)

    def encode(rows: list[StoredReading]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerows([cells(row_of(row, unit(row.parameter)), columns) for row in rows])
        return out.getvalue().encode()

    return encode


def csv_head(extra: Sequence[str]) -> bytes:
    """The first line."""
    return (",".join((*COLUMNS, *extra)) + "\r\n").encode()


class Streamed(StreamingResponse):
    """A streaming answer that closes its source when it ends, however it ends: a query must not wait for the garbage collector."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then close."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()


async def server_sent(stream: EventStream, keep_alive_s: float) -> AsyncIterator[bytes]:
    """Frames of a stream until it ends; a comment now and then keeps proxies from hanging up."""
    try:
        yield b"retry: 3000\n: envgw events\n\n"
        while (frames := await stream.fetch(keep_alive_s)) is not None:
            yield frames or b": keep-alive\n\n"
    finally:
        stream.close()
