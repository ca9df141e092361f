"""systemd's protocol, with a socket in systemd's place."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdnotify import ALIVE, READY, STOPPING, Notifier
from tests.tools.mosquitto import Mosquitto
from tests.tools.site import Site, running


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener


def test_it_says_what_it_is_told(systemd: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": systemd.getsockname()}).say(READY)
    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0envgw-test-{os.getpid()}")
        listener.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@envgw-test-{os.getpid()}"}).say(STOPPING)
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": "x" * 500}])
def test_nobody_there_is_no_trouble(environ: dict[str, str]) -> None:
    Notifier(environ).say(READY)


def test_a_systemd_that_does_not_read_holds_nothing_up(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    for _ in range(5_000):  # more than the socket holds
        notifier.say(ALIVE)
    assert systemd.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "every_s"),
    [
        ({"WATCHDOG_USEC": "120000000"}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 5_000}, None),
        ({}, None),
    ],
)
async def test_the_watchdog_is_fed_twice_within_its_patience(environ: dict[str, str], every_s: float | None) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/nowhere", **environ}, pid=7)
    assert notifier.alive_every_s == every_s
    assert Notifier(environ, pid=7).alive_every_s is None
    if every_s is None:
        await notifier.keep_alive()  # ends at once


@given(st.text(), st.text())
def test_any_environment_is_understood_or_passed_over(usec: str, pid: str) -> None:
    every_s = Notifier({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}, pid=7).alive_every_s
    assert every_s is None or every_s > 0


async def test_it_goes_on_until_it_is_cancelled(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000"})
    task = asyncio.create_task(notifier.keep_alive())
    for _ in range(5):
        assert await asyncio.to_thread(systemd.recv, 100) == b"WATCHDOG=1"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.slow
def test_the_gateway_is_ready_alive_and_ending(
    systemd: socket.socket, mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    with running(Site(tmp_path / "site", mosquitto.url)) as site:
        assert systemd.recv(100) == b"READY=1"
        for _ in range(3):
            assert systemd.recv(100) == b"WATCHDOG=1"
        assert site.process is not None
        site.process.send_signal(signal.SIGTERM)
        said = {systemd.recv(100)}
        while b"STOPPING=1" not in said:
            said.add(systemd.recv(100))
        assert said <= {b"WATCHDOG=1", b"STOPPING=1"}
        assert site.process.wait(10) == 0
