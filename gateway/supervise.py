"""Named, supervised tasks, stopped in order.

A task that ends with an exception nobody expected is a fault of ours: it is logged with its trace, health says so, and
the task is started again after a pause, so that one lane, source or receiver never takes the rest down (invariant 3).
A task marked `vital` cannot be started again in place (the pipeline: its core may be ahead of the ledger): the process
stops, and the service manager starts it anew from the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger("tasks")

RESTART_S = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class TaskState:
    """What health says about one task."""

    name: str
    crashes: int = 0
    reason: str = ""
    """The last crash, while the task waits to be started again; empty when it runs."""


class Tasks:
    """The process's tasks."""

    def __init__(self, on_vital_crash: Callable[[str], None]) -> None:
        self._on_vital_crash = on_vital_crash
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.states: dict[str, TaskState] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]], *, vital: bool = False) -> asyncio.Task[None]:
        """Run `run()` under supervision until it returns, or is stopped."""
        state = self.states[name] = TaskState(name)
        task = asyncio.create_task(self._supervise(state, run, vital), name=name)
        self._tasks[name] = task
        return task

    async def _supervise(self, state: TaskState, run: Callable[[], Awaitable[None]], vital: bool) -> None:
        while True:
            try:
                await run()
                return
            except Exception as error:
                state.crashes += 1
                state.reason = f"{type(error).__name__}: {error}"
                log.exception("task crashed", task=state.name, crashes=state.crashes)
                if vital:
                    self._on_vital_crash(f"{state.name}: {state.reason}")
                    return
            await asyncio.sleep(RESTART_S[min(state.crashes, len(RESTART_S)) - 1])
            state.reason = ""

    def task(self, name: str) -> asyncio.Task[None] | None:
        """The task of this name, if it was started."""
        return self._tasks.get(name)

    async def stop(self, *names: str, within_s: float) -> None:
        """Cancel these tasks and wait; one that does not end in time is left behind, and named in the log."""
        tasks = [self._tasks[name] for name in names if name in self._tasks and not self._tasks[name].done()]
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within_s)
            for task in late:
                log.error("task did not stop in time", task=task.get_name(), within_s=within_s)
