"""No test starts a real server without saying so: `make check` leaves out what is marked `server`, and passes where none is installed.

Whoever uses a fixture of `tests/servers*.py` is marked by `tests/conftest.py` (`real_server` is for fixtures elsewhere). Other ways to
start one (a helper, a fixture chosen while the test runs, a command line) need `@pytest.mark.server`, and a test that lacks it fails
here, also where the server is installed. Slow tests are not in `make check` either, and may.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

PROGRAMS = {
    "docker-compose", "influx", "influxd", "mosquitto", "mosquitto_pub", "mosquitto_sub", "openssl", "strace", "systemd-analyze",
    "systemd-sysusers", "victoria-metrics",
}  # fmt: skip
"""What `tests/install_servers.sh` installs."""
_unmarked: list[str] = []
"""The test that is running, if it may not start any."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if not any(item.iter_markers("server")) and not any(item.iter_markers("slow")):
        _unmarked.append(item.nodeid)
    try:
        return (yield)
    finally:
        _unmarked.clear()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and _unmarked:
        program = os.path.basename(os.fsdecode(arguments[0] or arguments[1][0]))
        if program in PROGRAMS:
            pytest.fail(f"{_unmarked[0]} starts {program}: mark it with @pytest.mark.server")


sys.addaudithook(_watch)
