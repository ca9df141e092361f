"""The server lives in the gateway's loop: errors that say what to do, no signal handlers, nothing loaded before it is needed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import httpx
import pytest

from gateway.api.app import make_app
from gateway.api.guard import host_of, is_loopback
from gateway.api.server import ApiServer, serve
from gateway.api.times import parse_instant
from gateway.errors import EnvgwError
from tests.tools.city import NOW_MS, City


@pytest.mark.slow
async def test_a_port_in_use_says_which_and_what_to_do(server: ApiServer) -> None:
    with pytest.raises(EnvgwError, match=rf"port {server.port} on 127.0.0.1 is in use already.*api.port"):
        await serve(make_app(City()), "127.0.0.1", server.port)


async def test_an_address_that_is_not_ours_says_so() -> None:
    with pytest.raises(EnvgwError, match=r"api\.host"):
        await serve(make_app(City()), "no-such-host.invalid", 0)
    with pytest.raises(EnvgwError, match=r"192\.0\.2\.1:0.*api\.host"):
        await serve(make_app(City()), "192.0.2.1", 0)


async def test_signals_stay_the_gateways() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = await serve(make_app(City()), "127.0.0.1", 0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop()


async def test_the_port_is_free_again_after_stop() -> None:
    first = await serve(make_app(City()), "127.0.0.1", 0)
    await first.stop()
    second = await serve(make_app(City()), "127.0.0.1", first.port)
    assert second.port == first.port
    await second.stop()


@pytest.mark.slow
async def test_ipv6_loopback() -> None:
    server = await serve(make_app(City(), host="::1"), "::1", 0)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/healthz")).text == "ok\n"
    await server.stop()


async def test_bound_to_all_addresses_any_name_is_let_in() -> None:
    server = await serve(make_app(City(), host="0.0.0.0"), "0.0.0.0", 0)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/healthz", headers={"Host": "gateway.danang.example"})
        assert answer.status_code == 200
    await server.stop()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"G" * 100_000, b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
)
async def test_what_is_not_http_hinders_nothing(server: ApiServer, client: httpx.AsyncClient, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        ("gateway.notify.factory", ["httpx", "aiomqtt", "apprise", "fastapi"]),
        ("gateway.api.view, gateway.api.events, gateway.health, gateway.metrics, gateway.logs", ["fastapi", "uvicorn", "starlette"]),
    ],
)
def test_heavy_libraries_are_not_loaded_before_they_are_needed(module: str, not_loaded: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {not_loaded!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("header", "host"), [("localhost:8080", "localhost"), ("[::1]:8080", "::1"), ("A.b", "a.b"), ("", "")])
def test_host_of_a_header(header: str, host: str) -> None:
    assert host_of(header) == host


def test_loopback() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "10.0.0.1", "x")] == [True] * 4 + [
        False
    ] * 3


@pytest.mark.parametrize(
    ("text", "expected"), [("now", NOW_MS), ("-1.5h", NOW_MS - 5_400_000), ("-0s", NOW_MS), ("1970-01-01T00:00:00.250Z", 250)]
)
def test_instants(text: str, expected: int) -> None:
    assert parse_instant(text, NOW_MS) == expected


@pytest.mark.slow
async def test_start_serves_where_the_settings_say_and_leaves_the_loop_free() -> None:
    """Run in a process of its own, where nothing is imported yet: the loop goes on while FastAPI is being loaded."""
    code = """
import asyncio, time
from gateway.api.start import start
from gateway.settings import ApiSection
from tests.tools.city import City

async def main():
    longest, stop = 0.0, False
    async def beat():
        nonlocal longest
        while not stop:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - begun)
    beating = asyncio.create_task(beat())
    begun = time.perf_counter()
    server = await start(City(), ApiSection(port=0))
    took, stop = time.perf_counter() - begun, True
    await beating
    await server.stop()
    print(server.port > 0, longest < took / 2)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.split() == [b"True", b"True"]
