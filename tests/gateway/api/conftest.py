from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.api.app import make_app
from gateway.api.server import ApiServer, serve
from tests.tools.city import City


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
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as made:
        yield made
