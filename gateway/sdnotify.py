"""Tells systemd that the gateway is ready, alive and ending (sd_notify(3)). Does nothing where nobody asked for it.

`Type=notify` in deploy/systemd/envgw.service: the service is started when it takes in, and not when its process is there. With
`WatchdogSec` systemd starts it again when the event loop has not come round for so long; what was not acknowledged comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import Mapping

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


class Notifier:
    """The way to systemd, as `environ` describes it: a datagram socket, a name or (`@…`) an abstract address."""

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.alive_every_s = _half_of_the_watchdog(environ, os.getpid() if pid is None else pid) if address else None
        """How often systemd wants to hear that we are alive: twice within its patience. None: never."""

    def say(self, state: str) -> None:
        """Send it; a full or missing socket is no reason to hold anything up."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.setblocking(False)
            way.sendto(state.encode(), self._address)

    async def keep_alive(self) -> None:
        """Say so as often as it is wanted, until cancelled: as long as the event loop comes round."""
        while self.alive_every_s is not None:
            self.say(ALIVE)
            await asyncio.sleep(self.alive_every_s)


def _half_of_the_watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    wanted, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not _NUMBER.fullmatch(wanted) or whose not in ("", str(pid)):
        return None
    return int(wanted) / 2_000_000
