"""Serves the API inside the gateway's event loop: no process, thread or signal handler of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from gateway.errors import EnvgwError

_CONNECTIONS = 256
"""More requests at once are answered with 503."""
_GRACE_S = 1.0
"""What is under way at the end gets this long, then its connection is cut."""
_ABORT_S = 0.7
"""And this long to notice that."""
_TICK_S = 1.0
_POLL_S = 0.005


class ApiServer:
    """A running server. `host` and `port` are where it really listens."""

    def __init__(self, app: FastAPI, server: _Server, host: str, port: int, task: asyncio.Task[None]) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._server = server
        self._task = task

    @property
    def url(self) -> str:
        """Base address, for people."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def stop(self) -> None:
        """Finish what is under way, end event streams, close; within 2 s. Idempotent."""
        for stream in list(self._app.state.streams):
            stream.close()
        self._server.end()
        done, _ = await asyncio.wait({self._task}, timeout=_GRACE_S)
        if not done:  # a client that does not read, or a query that takes long: it ends as if the client had gone
            for connection in list(self._server.server_state.connections):
                getattr(connection, "transport").abort()  # noqa: B009 - uvicorn's protocols have it, their common type does not
        await asyncio.wait({self._task}, timeout=_ABORT_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def serve(app: FastAPI, host: str, port: int) -> ApiServer:
    """Listen and serve until `stop`. Port 0 takes a free one. Raises EnvgwError if the address cannot be had."""
    listener = _listen(host, port)
    bound_host, bound_port = listener.getsockname()[:2]
    config = uvicorn.Config(
        _Abortable(app),
        http="h11",
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=None,  # stop() sees to that
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    started = asyncio.create_task(server.up.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if task.done():
        await task
        raise EnvgwError(f"the API at {host}:{port} ended as it started")
    return ApiServer(app, server, bound_host, bound_port, task)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Stop, from the next turn of the loop on."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """As uvicorn's, which wakes up ten times a second to see whether to stop; the date of answers changes once a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which sleeps first."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(_POLL_S)
        for server in self.servers:
            await server.wait_closed()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # SIGTERM belongs to the gateway, which stops in order


class _Abortable:
    """Puts `envgw.abort` into the scope: closing a connection whose client no longer reads needs more than ASGI offers.

    Such a client blocks the write to it; a graceful close would wait for ever for the buffer to empty.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope["envgw.abort"] = transport.abort
        await self._app(scope, receive, send)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise EnvgwError(f"api.host {host!r} is not an address of this machine ({error}); write for example 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise EnvgwError(
                f"port {port} on {host} is in use already, perhaps by another gateway; stop that, or set api.port "
                f"(or ENVGW_API__PORT) to another one, 0 for any free one"
            ) from None
        if error.errno == errno.EACCES:
            raise EnvgwError(f"port {port} needs root; set api.port to one above 1023") from None
        raise EnvgwError(f"cannot listen on {host}:{port}: {error.strerror}; check api.host and api.port") from None
    return listener
