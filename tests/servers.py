"""Fixtures of real servers. A server that is not installed fails the test: nothing is skipped.

`tests/conftest.py` loads them: a test only names the fixture it wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools import mosquitto as _mosquitto
from tests.tools.mosquitto import Mosquitto


@pytest.fixture(scope="session")
def real_server() -> None:
    """For fixtures elsewhere that start a server by themselves: whoever uses them is marked, as who uses those below."""


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """`make_mosquitto(config=(…), listener=(…), persistence=True, …)` → a broker, not started yet; killed at the end."""
    if _mosquitto.BINARY is None:
        pytest.fail("mosquitto is not installed: apt-get install mosquitto")
    made: list[Mosquitto] = []

    def make(**options: Any) -> Mosquitto:
        made.append(Mosquitto(tmp_path / f"mosquitto-{len(made)}", **options))
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def mosquitto(make_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running mosquitto: unlimited queues, persistence on, anonymous."""
    return make_mosquitto().start()
