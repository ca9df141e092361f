"""The gateway's own figures in the histories, every minute: measurement `gateway`, one line for the whole and one a lane (DESIGN 5).

    station            device      fields, each with its flag as `<field>_qc`
    <gateway id>       -           received stored rejected rejected_<reason> duplicate shed    messages since the ledger was made
                                   alerts_firing       open alerts, those whose data stopped included
                                   health              0 green, 1 yellow, 2 red
                                   memory_mb           resident memory of the process, in 10^6 bytes
                                   commit_ms           mean time of a commit since the last line, fsync included
    <gateway id>       <lane>      pending             lines that wait for a history, notifications that wait for a receiver
                                   behind_s            for how long the oldest of them has waited

They are what `envgw status` says at that instant. The shell gathers them and submits an `Accounting`, so that they take the way of
every reading: journal, commit, lanes; while InfluxDB is away they wait like the readings and tell afterwards what went on.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from devices.rejection import Reason
from gateway.core.inputs import Accounting
from gateway.errors import EnvgwError
from gateway.health import overall

if TYPE_CHECKING:
    from gateway.app import Gateway

EVERY_MS = 60_000
"""By the gateway's clock …"""

LEAST_S = 1.0
"""… but not more often than this in real seconds, when that clock is a fast one (the demo)."""

_STATM = Path("/proc/self/statm")


class Accountant:
    """Gathers the figures of the running gateway and submits them. Belongs to its event loop."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._commits = 0
        self._commit_s = 0.0

    def committed(self, commit_s: float) -> None:
        """A commit took so long."""
        self._commits += 1
        self._commit_s += commit_s

    async def run(self) -> None:
        """For ever: once a minute, the first time a minute after the start."""
        loop = asyncio.get_running_loop()
        period_s = max(LEAST_S, self._gateway.clock.real_seconds(EVERY_MS))
        due = loop.time()
        while True:
            due = max(due + period_s, loop.time())  # a minute that was missed (a full disk) is not made up for
            await asyncio.sleep(due - loop.time())
            with contextlib.suppress(EnvgwError):  # too many commands wait, or we are stopping: the next minute then
                await self.once()

    async def once(self) -> None:
        """Gather and submit; returns when it is committed. Raises EnvgwError if the inbox takes nothing."""
        gateway = self._gateway
        status = await gateway.standing.status()
        since = await gateway.ledger.read(lambda ledger: ledger.waiting_since())
        rejected = status["rejected"]
        fields: list[tuple[str, float]] = [
            ("received", status["received"]),
            ("stored", status["stored"]),
            ("rejected", sum(rejected.values())),
            # All of the closed list: a reason whose messages were replayed must be seen to be 0 again.
            *((f"rejected_{reason}", rejected.get(reason, 0)) for reason in Reason),
            ("duplicate", status["duplicate"]),
            ("shed", status["shed"]),
            ("alerts_firing", status["alerts"]["firing"]),
            ("health", int(overall(gateway.standing.parts()))),
            ("memory_mb", memory_bytes() / 1e6),
        ]
        if self._commits:
            fields.append(("commit_ms", self._commit_s / self._commits * 1000))
            self._commits, self._commit_s = 0, 0.0
        now_ms = gateway.inbox.now_ms()
        pending = tuple(
            (lane, float(waits), max(0, now_ms - since.get(lane, now_ms)) / 1000) for lane, waits in sorted(status["pending"].items())
        )
        await gateway.inbox.submit(Accounting(now_ms, gateway.settings.gateway.id, tuple(fields), pending))


def memory_bytes() -> int:
    """Resident memory of this process; where the system does not tell (no /proc), the most that it ever was."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
