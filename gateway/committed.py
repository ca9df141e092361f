"""What people see of the core's state: only what is committed (semantics A3).

The core is ahead of the ledger from `step` until the commit succeeds, which may take as long as a full disk lasts. Whoever
asks meanwhile waits a moment for that commit, and if it does not come is answered from the copy made last: a second
old when readings come all the time, else a few (`Gateway` renews it besides).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.core import Core

WAIT_S = 0.5
"""A commit takes milliseconds: one that takes longer than this is in trouble."""


COPY_S = 1.0
"""How often the copy is renewed while commits come (a millisecond's work for 1,000 stations)."""


class Shown(NamedTuple):
    """The newest value of one parameter at one station, whatever its flag."""

    parameter: str
    time_ms: int
    value: float | None
    flag: int
    device: str


class Committed:
    """Newest values by station, as committed. Belongs to one event loop."""

    def __init__(self, core: Core, *, ahead: Callable[[], bool], stuck: Callable[[], bool]) -> None:
        """`ahead`: has the core stepped what is not committed? `stuck`: is it known that the commit will take long?"""
        self._core = core
        self._ahead = ahead
        self._stuck = stuck
        self._waiter: asyncio.Future[None] | None = None
        self._copied_at = time.monotonic()
        self._copy = self._look()
        self.firing: dict[str, int] = {}
        """Open episodes of rules by severity."""
        self.internal = 0
        """Messages that made the gateway itself stumble."""
        self._count()

    async def newest(self) -> Mapping[str, tuple[Shown, ...]]:
        """Newest values by station id; stations without any are not in it. Takes at most `WAIT_S`."""
        if not self._ahead():
            self._copy = self._look()
        elif not self._stuck():
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._waiter], timeout=WAIT_S)
        return self._copy

    def now(self, *, changed: bool) -> None:
        """Core and ledger are at one: called right after a commit. `changed`: it brought transitions or rejections."""
        if changed:
            self._count()
        if self._waiter is not None or time.monotonic() >= self._copied_at + COPY_S:
            self._copy = self._look()
        if self._waiter is not None:
            self._waiter.set_result(None)
            self._waiter = None

    def _count(self) -> None:
        self.firing = self._core.rulebook.firing()
        self.internal = self._core.state.rejected.get("internal", 0)

    def _look(self) -> Mapping[str, tuple[Shown, ...]]:
        self._copied_at = time.monotonic()
        found = {}
        for name, station in self._core.stations.items():
            shown = tuple(
                Shown(parameter, newest.time_ms, newest.value, newest.flag, newest.device)
                for parameter, state in sorted(station.parameters.items())
                if (newest := state.shown) is not None
            )
            if shown:
                found[name] = shown
        return found
