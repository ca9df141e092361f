"""`backend`: each back end in turn. `station`: the start of all station names of this test (VictoriaMetrics is shared)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.history.base import History
from tests.contracts.history.backends import (
    Backend,
    DuckDB,
    InfluxDB3CoreStandIn,
    InfluxDB16,
    InfluxDB27StandIn,
    VictoriaMetricsWriteOnly,
)
from tests.tools.background import background
from tests.tools.influx3_standin import Influx3CoreStandIn
from tests.tools.influx27_standin import Influx27StandIn

SERVERS = [pytest.param(name, marks=pytest.mark.server) for name in ("influxdb-1.6", "victoria-metrics-v2", "victoria-metrics-v1")]
ALL = ["duckdb", "influxdb-2.7-stand-in", "influxdb-3-core-stand-in", *SERVERS]
ANSWERING = ["duckdb", *SERVERS[:1]]
_numbers = itertools.count(1)


@pytest.fixture
def station() -> str:
    return f"tram{next(_numbers)}x"


def _make(name: str, request: pytest.FixtureRequest, station: str) -> Backend:
    if name == "duckdb":
        folder: Path = request.getfixturevalue("tmp_path")
        return DuckDB(folder)
    if name == "influxdb-1.6":
        return InfluxDB16(*request.getfixturevalue("influx_database"))
    if name == "influxdb-2.7-stand-in":
        return InfluxDB27StandIn(request.getfixturevalue("influx27"))
    if name == "influxdb-3-core-stand-in":
        return InfluxDB3CoreStandIn(request.getfixturevalue("influx3"))
    return VictoriaMetricsWriteOnly(request.getfixturevalue("victoria_metrics"), name[-2:], station)


@pytest.fixture(params=ALL)
def backend(request: pytest.FixtureRequest, station: str) -> Backend:
    return _make(request.param, request, station)


@pytest.fixture(params=ANSWERING)
def answering(request: pytest.FixtureRequest, station: str) -> Backend:
    """Only those whose `query` works."""
    return _make(request.param, request, station)


@pytest.fixture(params=ALL[1:])
def influx(request: pytest.FixtureRequest, station: str) -> Backend:
    """Only those behind HTTP."""
    return _make(request.param, request, station)


@pytest.fixture(params=ALL)
def apart(request: pytest.FixtureRequest, station: str) -> Iterator[Backend]:
    """Each back end for tests that run event loops of their own: stand-ins live in a thread."""
    if not request.param.endswith("stand-in"):
        yield _make(request.param, request, station)
        return
    with background() as loop:
        if request.param == "influxdb-3-core-stand-in":
            yield InfluxDB3CoreStandIn(loop.enter(Influx3CoreStandIn()))
        else:
            yield InfluxDB27StandIn(loop.enter(Influx27StandIn()))


@pytest_asyncio.fixture
async def history(backend: Backend) -> AsyncIterator[History]:
    history = backend.history()
    yield history
    await history.close()


@pytest_asyncio.fixture
async def answering_history(answering: Backend) -> AsyncIterator[History]:
    history = answering.history()
    yield history
    await history.close()
