"""Fixtures of the histories' servers. A server that is not installed fails the test: nothing is skipped."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.tools import history_servers
from tests.tools.history_servers import Influxd, VictoriaMetrics
from tests.tools.influx3_standin import Influx3CoreStandIn
from tests.tools.influx27_standin import Influx27StandIn

_numbers = itertools.count(1)


@pytest.fixture
def make_influxd(tmp_path: Path) -> Iterator[Callable[..., Influxd]]:
    """`make_influxd(auth=False)` → an InfluxDB 1.6 of one's own, not started yet; killed at the end."""
    if history_servers.INFLUXD is None:
        pytest.fail("InfluxDB is not installed: apt-get install influxdb")
    made: list[Influxd] = []

    def make(*, auth: bool = False) -> Influxd:
        made.append(Influxd(tmp_path / f"influxd-{len(made)}", auth=auth))
        return made[-1]

    yield make
    for server in made:
        server.thaw()
        server.kill()


@pytest.fixture(scope="session")
def shared_influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """One InfluxDB 1.6 for the session; whoever kills or freezes servers takes `make_influxd`."""
    if history_servers.INFLUXD is None:
        pytest.fail("InfluxDB is not installed: apt-get install influxdb")
    server = Influxd(tmp_path_factory.mktemp("influxd")).start()
    yield server
    server.kill()


@pytest.fixture
def influx_database(shared_influxd: Influxd) -> Iterator[tuple[Influxd, str]]:
    """(server, name of a new database that keeps everything)."""
    name = f"test{next(_numbers)}"
    shared_influxd.create(name)
    yield shared_influxd, name
    shared_influxd.query(f'DROP DATABASE "{name}"')


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """One VictoriaMetrics for the session: use measurement or station names of your own."""
    if history_servers.VICTORIA_METRICS is None:
        pytest.fail("VictoriaMetrics is not installed: apt-get install victoria-metrics")
    server = VictoriaMetrics(tmp_path_factory.mktemp("victoria-metrics")).start()
    yield server
    server.kill()


@pytest.fixture
def make_victoria_metrics(tmp_path: Path) -> Iterator[Callable[..., VictoriaMetrics]]:
    """`make_victoria_metrics(dedup=None, retention="1y")` → one of one's own, started; killed at the end."""
    if history_servers.VICTORIA_METRICS is None:
        pytest.fail("VictoriaMetrics is not installed: apt-get install victoria-metrics")
    made: list[VictoriaMetrics] = []

    def make(**flags: str | None) -> VictoriaMetrics:
        made.append(VictoriaMetrics(tmp_path / f"victoria-metrics-{len(made)}", **flags))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest_asyncio.fixture
async def influx27() -> AsyncIterator[Influx27StandIn]:
    """A stand-in with InfluxDB 2.7.12's recorded answers, and with misbehaviour on demand."""
    async with Influx27StandIn() as server:
        yield server


@pytest_asyncio.fixture
async def influx3() -> AsyncIterator[Influx3CoreStandIn]:
    """A stand-in with the answers that InfluxDB 3 Core's source tells; no database is there yet."""
    async with Influx3CoreStandIn() as server:
        yield server
