from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.api.app import make_app
from gateway.api.server import ApiServer, serve
from tests.tools.city import City

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The test server speaks plain HTTP; to load the certificates of all the world takes longer than most tests."""


@pytest.fixture
def city() -> City:
    return City()


@pytest.fixture
async def server(city: City) -> AsyncIterator[ApiServer]:
    """The API of `city` on a real socket."""
    running = await serve(make_app(city, keep_alive_s=0.05), "127.0.0.1", 0)
    yield running
    await running.stop()


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=10, verify=_NO_TLS) as made:
        yield made
