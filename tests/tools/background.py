"""Asynchronous servers of ours beside a test that blocks: an event loop in a thread.

with background() as loop:
    proxy = loop.enter(Proxy(broker.port))          an async context manager, left in order at the end
    loop.call(proxy.cut)                            everything that touches a server runs in its loop
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0


class Background:
    """See `background`. Its methods are called from the test's thread and return when the work in the loop is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stack = AsyncExitStack()

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter an async context manager; it is left when the background ends."""
        return self.run(self._stack.enter_async_context(manager))

    def run(self, work: Awaitable[T]) -> T:
        """Wait for something asynchronous."""

        async def waited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), self._loop).result(PATIENCE_S)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a plain function in the loop's thread."""

        async def called() -> T:
            return function(*arguments)

        return self.run(called())

    def leave(self) -> None:
        """Leave everything that was entered."""
        self.run(self._stack.aclose())


@contextmanager
def background() -> Iterator[Background]:
    """An event loop in a thread of its own, for as long as the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background servers", daemon=True)
    thread.start()
    made = Background(loop)
    try:
        yield made
    finally:
        try:
            made.leave()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE_S)
            loop.close()
