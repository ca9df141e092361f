"""`database`: a real InfluxDB with a day of the demo, for all tests of dashboards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards import demo_day
from tests.tools.history_servers import Influxd


@pytest.fixture(scope="session")
def database(shared_influxd: Influxd) -> Iterator[tuple[Influxd, str]]:
    name = "demo_day"
    demo_day.write(shared_influxd, name)
    yield shared_influxd, name
    shared_influxd.query(f'DROP DATABASE "{name}"')
