"""A test that starts a server is marked, or fails."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from tests import servers_guard


@pytest.mark.parametrize("program", sorted(servers_guard.PROGRAMS))
def test_a_test_without_the_mark_cannot_start_one(program: str) -> None:
    for command in (program, f"/usr/sbin/{program}"):
        with pytest.raises(pytest.fail.Exception, match=f"starts {program}: mark it"):
            subprocess.run([command, "--help"], check=False)


async def test_nor_by_asyncio() -> None:
    with pytest.raises(pytest.fail.Exception, match="starts mosquitto"):
        await asyncio.create_subprocess_exec("mosquitto", "-h")


@pytest.mark.server
def test_one_with_the_mark_can() -> None:
    assert "mosquitto version" in subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout


def test_other_programs_are_free() -> None:
    subprocess.run(["true"], check=True)


def test_every_server_that_is_installed_is_guarded() -> None:
    script = (Path(__file__).parent / "install_servers.sh").read_text()
    assert set(re.findall(r"^  \[([a-z_-]+)\]=", script, re.M)) <= servers_guard.PROGRAMS


def test_whoever_uses_a_servers_fixture_is_marked(request: pytest.FixtureRequest, shared_by_a_fixture: None) -> None:
    assert request.node.get_closest_marker("server")


@pytest.fixture
def shared_by_a_fixture(real_server: None) -> None:
    """A fixture of a test file, that starts a server by itself."""
