"""The live stream: everything committed, filtered, bounded; and its clients cannot hold the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from typing import Any

import httpx
import pytest

from devices.reading import Line, Value
from gateway.api.events import EventHub, TooManyClients
from gateway.api.server import ApiServer
from tests.tools.alerts import transition
from tests.tools.city import NOW_MS, City
from tests.tools.sinks import until


def line(number: int = 0, station: str = "hai-chau") -> Line:
    return Line("air", station, "hc-1", "hai-chau", NOW_MS + number, (Value("pm25", 12.5, 1), Value("pm10", None, 9)))


async def deaf(port: int, path: str) -> socket.socket:
    """A client that asks and never reads; small buffers, so that the kernel does not read for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def read_all(client: socket.socket) -> bytes:
    """Until the connection is closed; TimeoutError if it is not."""
    client.settimeout(5)
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(1 << 20):
            got += chunk
    return got


class Listener:
    """Reads server-sent events as a browser does (WHATWG HTML, 9.2.6)."""

    def __init__(self, client: httpx.AsyncClient, query: str = "") -> None:
        self.events: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.retry = ""
        self.status = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = False
        self.task = asyncio.create_task(self._run(client, query))

    async def _run(self, client: httpx.AsyncClient, query: str) -> None:
        async with client.stream("GET", f"/api/v1/events{query}") as answer:
            self.status, self.headers = answer.status_code, answer.headers
            event: dict[str, Any] = {}
            async for text in answer.aiter_lines():
                key, _, value = text.partition(": ")
                if text.startswith(":"):
                    self.comments.append(text)
                elif key == "retry":
                    self.retry = value
                elif not text and event:
                    self.events.append(event)
                    event = {}
                elif text:
                    event[key] = json.loads(value) if key == "data" else value
        self.ended = True

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_readings_and_alerts_as_they_happen(client: httpx.AsyncClient, city: City) -> None:
    listener = Listener(client)
    await until(lambda: city.hub.clients == 1)
    city.hub.publish([line(), transition("firing")])
    city.hub.publish([line(1)])
    await until(lambda: len(listener.events) == 3)
    await listener.stop()
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert listener.retry == "3000"
    reading, alert, second = listener.events
    assert reading["event"] == "reading"
    assert reading["data"] == {
        "time": "2026-11-23T08:00:00.000Z",
        "station": "hai-chau",
        "device": "hc-1",
        "area": "hai-chau",
        "medium": "air",
        "readings": [
            {"parameter": "pm25", "value": 12.5, "unit": "ug/m3", "flag": 1},
            {"parameter": "pm10", "value": None, "unit": "", "flag": 9},
        ],
    }
    assert alert["event"] == "alert"
    assert (alert["data"]["state"], alert["data"]["episode"]) == ("firing", transition().episode)
    numbers = [int(event["id"].split("-")[1]) for event in (reading, alert, second)]
    assert numbers == [1, 2, 3], "a gap tells a client that it missed something"


@pytest.mark.parametrize(
    ("query", "seen"),
    [("?station=hai-chau", ["reading", "alert"]), ("?kind=alert", ["alert", "alert"]), ("?station=son-tra&kind=reading", ["reading"])],
)
async def test_filters(client: httpx.AsyncClient, city: City, query: str, seen: list[str]) -> None:
    listener = Listener(client, query)
    await until(lambda: city.hub.clients == 1)
    city.hub.publish([line(), line(1, "son-tra"), transition(), transition(station="son-tra")][: 4 if "alert" in query else 3])
    await until(lambda: len(listener.events) == len(seen))
    await listener.stop()
    assert [event["event"] for event in listener.events] == seen


async def test_a_quiet_stream_is_kept_alive(client: httpx.AsyncClient, city: City) -> None:
    listener = Listener(client)
    await until(lambda: len(listener.comments) >= 3)
    await listener.stop()
    assert listener.comments[1] == ": keep-alive"


async def test_a_client_that_leaves_is_forgotten(client: httpx.AsyncClient, city: City) -> None:
    listener = Listener(client)
    await until(lambda: city.hub.clients == 1)
    await listener.stop()
    await until(lambda: city.hub.clients == 0)
    assert city.hub.disconnected == 0


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_disconnected_and_hinders_nobody(server: ApiServer, city: City) -> None:
    """It opens a stream and never reads. Its connection is cut, another client goes on, memory stays bounded."""
    idle = await deaf(server.port, "/api/v1/events")
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        fast = Listener(client)
        await until(lambda: city.hub.clients == 2)
        sent = 0

        def pour() -> bool:
            nonlocal sent
            if len(fast.events) == sent:
                city.hub.publish([line(number) for number in range(200)])
                sent += 200
            return city.hub.disconnected == 1

        await until(pour, 30)
        await until(lambda: len(fast.events) == sent)
        assert city.hub.clients == 1
        await fast.stop()
    got = await asyncio.to_thread(read_all, idle)
    assert not got.endswith(b"0\r\n\r\n"), "cut off, not ended: the client knows that it missed something"
    idle.close()


async def test_stopping_with_open_streams_takes_less_than_two_seconds(server: ApiServer, client: httpx.AsyncClient, city: City) -> None:
    listeners = [Listener(client) for _ in range(5)]
    await until(lambda: city.hub.clients == 5)
    begun = time.monotonic()
    await server.stop()
    assert time.monotonic() - begun < 2
    await until(lambda: all(listener.ended for listener in listeners))
    assert city.hub.clients == 0
    await server.stop()


@pytest.mark.slow
async def test_stopping_while_a_client_does_not_read_takes_less_than_two_seconds(server: ApiServer, city: City) -> None:
    city.rows = city.rows * 200_000
    idle = await deaf(server.port, "/api/v1/readings")
    await until(lambda: city.open_queries == 1)
    begun = time.monotonic()
    await server.stop()
    assert time.monotonic() - begun < 2
    await until(lambda: city.open_queries == 0)
    idle.close()


async def test_too_many_clients_are_refused_with_a_reason(client: httpx.AsyncClient, city: City) -> None:
    city.hub = EventHub(max_clients=1)
    listener = Listener(client)
    await until(lambda: city.hub.clients == 1)
    answer = await client.get("/api/v1/events")
    assert answer.status_code == 503
    assert "close one of them" in answer.json()["detail"]
    await listener.stop()


async def test_nothing_is_encoded_when_nobody_listens() -> None:
    hub = EventHub()
    hub.publish([object()])  # type: ignore[list-item]  # would raise if it were looked at
    stream = hub.subscribe()
    hub.publish([line()])
    assert b"id: 0-1\n" in (await stream.fetch(1) or b"")


async def test_one_large_batch_does_not_throw_a_reader_out_but_standing_still_does() -> None:
    hub = EventHub(buffer=10)
    stream = hub.subscribe()
    hub.publish([line(number) for number in range(1000)])
    assert stream.waiting == 1000
    assert (await stream.fetch(1) or b"").count(b"event: reading") == 1000
    hub.publish([line(number) for number in range(10)])
    assert hub.disconnected == 0
    hub.publish([line()])
    assert (hub.disconnected, hub.clients) == (1, 0)
    assert await stream.fetch(1) is None


async def test_the_limit_of_clients() -> None:
    hub = EventHub(max_clients=2)
    first, _ = hub.subscribe(), hub.subscribe()
    with pytest.raises(TooManyClients):
        hub.subscribe()
    first.close()
    hub.subscribe()
    hub.close()
    assert hub.clients == 0
