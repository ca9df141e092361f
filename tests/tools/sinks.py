"""Small real servers that receivers deliver to: HTTP with scripted answers, SMTP, and mosquitto from Debian's package."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest


@dataclass
class Answer:
    """What the HTTP sink answers; `hang` never answers, `drop` closes the connection, `trickle_s` sends the body a byte at a time."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hang: bool = False
    drop: bool = False
    trickle_s: float = 0.0


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class HttpSink:
    """Records requests; answers from `script` in turn, then 200."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Answer] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                    body = await reader.readexactly(int(headers.get("content-length", "0")))
                    self.requests.append(Request(head[0].split(" ")[1], headers, body))
                    answer = self.script.pop(0) if self.script else Answer()
                    if answer.drop:
                        return
                    if answer.hang:
                        await asyncio.Event().wait()
                    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}"]
                    lines += [f"{key}: {value}" for key, value in answer.headers.items()]
                    writer.write("\r\n".join([*lines, "", ""]).encode())
                    for start in range(0, len(answer.body), 1 if answer.trickle_s else max(1, len(answer.body))):
                        writer.write(answer.body[start : start + (1 if answer.trickle_s else len(answer.body))])
                        await writer.drain()
                        await asyncio.sleep(answer.trickle_s)
                    await writer.drain()
            finally:
                writer.close()


class SmtpSink:
    """Takes e-mail (RFC 5321, the little that a client needs) and keeps it."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            writer.write(b"220 sink ESMTP\r\n")
            while True:
                verb = (await reader.readuntil(b"\r\n"))[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                await writer.drain()
                if verb == b"QUIT":
                    break
        writer.close()


class Mosquitto:
    """The real broker on a port of its own. `options` are lines of its configuration."""

    def __init__(self, folder: Path, options: str = "allow_anonymous true") -> None:
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not os.access(binary, os.X_OK):
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        self._binary = binary
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        user = "root" if os.geteuid() == 0 else ""
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{f'user {user}' if user else ''}\n{options}\n")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen([self._binary, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        await until(self._answers)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Poll until `condition` holds; fail at the deadline."""
    async with asyncio.timeout(deadline_s):
        while True:
            found = condition()
            if (await found) if not isinstance(found, bool) else found:
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(port: int, topic: str = "#", **options: Any) -> AsyncIterator[list[aiomqtt.Message]]:
    """An independent MQTT subscriber; the list fills as messages arrive."""
    messages: list[aiomqtt.Message] = []
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:
        await client.subscribe(topic, qos=1)

        async def collect() -> None:
            with contextlib.suppress(aiomqtt.MqttError):  # the broker of the test was stopped
                async for message in client.messages:
                    messages.append(message)

        task = asyncio.create_task(collect())
        try:
            yield messages
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
