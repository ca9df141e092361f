"""The one queue between all that comes in (brokers, operators, the clock) and the pipeline, in the order of receipt.

It is bounded: QoS 1 by each source's Receive Maximum, QoS 0 by shedding (counted, semantics B3), submissions by
refusing them. Everything here happens in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple, TypeAlias

from gateway.clock import Clock
from gateway.core.inputs import ClockJump, Input, Link, Message, Shed, received
from gateway.errors import EnvgwError
from gateway.mqtt.source import Delivery

JUMP_MS = 5_000
"""A wall clock that moved this much against the monotonic clock was stepped (semantics A6)."""

QUIET_S = 0.008
"""Gathering ends when nothing came for so long: MQTT brokers often allow no more than 20 unacknowledged messages."""


class Submission(NamedTuple):
    """An input from within (a command, a replay). The pipeline sets `done` after its commit, or its exception."""

    input: Input
    done: asyncio.Future[object]


Item: TypeAlias = Delivery | Submission | Input
"""What a batch holds. `input_of` takes the input out of it."""


class InboxFull(EnvgwError):
    """Too many submissions wait for their commit: try again later."""


def input_of(item: Item) -> Input:
    """The core's input inside an item."""
    if isinstance(item, Delivery):
        return item.message
    if isinstance(item, Submission):
        return item.input
    return item


class SharedInbox:
    """Implements `gateway.mqtt.source.Inbox`, and hands out batches."""

    def __init__(
        self,
        clock: Clock,
        *,
        qos0_limit: int = 10_000,
        qos0_bytes: int = 64 * 1024**2,
        max_batch: int = 2000,
        tick_every_s: float = 1.0,
        max_submissions: int = 10_000,
        gather_s: float = 0.0,
        gather_items: int = 500,
    ) -> None:
        """At most `qos0_limit` QoS 0 messages, and `qos0_bytes` of their payloads, wait; further ones are shed.

        A batch has at most `max_batch` items (and the `Shed` inputs behind them). If nothing comes for `tick_every_s`
        real seconds, an empty batch is handed out, so that the pipeline can step a `Tick`.

        Each batch costs a commit. So while messages keep coming, a batch is handed out `gather_s` real seconds after the
        one before, or when `gather_items` wait. What comes after a pause is handed out at once, and gathering ends when
        nothing came for `QUIET_S`: the broker may wait for our acknowledgements.
        """
        self._clock = clock
        self._qos0_limit = qos0_limit
        self._qos0_bytes_limit = qos0_bytes
        self._max_batch = max_batch
        self._tick_every_s = tick_every_s
        self._max_submissions = max_submissions
        self._queue: deque[Item] = deque()
        self._qos0 = 0
        self._qos0_bytes = 0
        self._submissions = 0
        self._shed: dict[str, int] = {}
        self._links: dict[str, bool] = {}
        self._last_ms = clock.now_ms()
        self._ahead_ms = self._last_ms - clock.monotonic_ms()
        self._jumps = 0
        self._gather_s = gather_s
        self._gather_items = gather_items
        self._taken_at = 0.0
        self._enough = 1
        """Items that must wait for the consumer to be woken."""
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._closing = False
        self._drop = False
        self.shed_total: dict[str, int] = {}
        """QoS 0 messages shed per source since the start: readiness is red while it grows."""
        self.shed_at_ms: int | None = None
        """When the last message was shed."""

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._queue)

    # what comes in

    def now_ms(self) -> int:
        """Receipt time for what is being read now: never decreases, except behind a `ClockJump` that this call queues."""
        now = self._clock.now_ms()
        ahead = now - self._clock.monotonic_ms()
        delta = ahead - self._ahead_ms
        self._ahead_ms = ahead
        if abs(delta) > JUMP_MS:
            self._last_ms = now
            self._jumps += 1
            self._append(ClockJump(now, delta))
        elif now > self._last_ms:
            self._last_ms = now
        return self._last_ms

    def tick_ms(self) -> int | None:
        """Time for a `Tick` behind the batch just taken; None while a `ClockJump` still waits, which must come first."""
        now = self.now_ms()
        return None if self._jumps else now

    def put(self, deliveries: list[Delivery]) -> None:
        """Queue what one socket read brought, in order; shed the QoS 0 messages above the limit."""
        without_hold = [delivery for delivery in deliveries if not delivery[0].qos]
        if without_hold:
            bytes_here = sum(len(delivery[0].payload) for delivery in without_hold)
            if self._qos0 + len(without_hold) > self._qos0_limit or self._qos0_bytes + bytes_here > self._qos0_bytes_limit:
                deliveries = self._shed_some(deliveries)
            else:
                self._qos0 += len(without_hold)
                self._qos0_bytes += bytes_here
        self._queue.extend(deliveries)
        if len(self._queue) >= self._enough:
            self._wake()

    def link(self, source: str, up: bool) -> None:
        """A source became up (connected and drained) or down: queued as `Link` if that is news."""
        if self._links.get(source, False) == up:
            return
        self._links[source] = up
        self._append(Link(self.now_ms(), source, up))

    def submit(self, item: Input) -> asyncio.Future[object]:
        """Queue an input from within; the future is resolved by the pipeline after the commit.

        Its time must come from `now_ms()` in the same breath. Raises InboxFull at the limit, EnvgwError once closed.
        """
        if self._closing:
            raise EnvgwError("the gateway is stopping: send the command again when it runs")
        if self._submissions >= self._max_submissions:
            raise InboxFull(f"{self._submissions} commands wait for their commit: try again later")
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._submissions += 1
        done.add_done_callback(self._submission_done)
        self._append(Submission(item, done))
        return done

    # what goes out

    async def batches(self) -> AsyncIterator[list[Item]]:
        """Batches in the order of receipt, for one consumer. Empty: nothing came for a while, or `wake()` was called."""
        while True:
            if not self._queue and not self._shed and not self._closing and not self._woken:
                await self._wait(self._tick_every_s)
            await self._gather()
            if self._closing and (self._drop or not (self._queue or self._shed)):
                return
            self._woken = False
            batch = self._take()
            if batch and self._gather_s:
                self._taken_at = asyncio.get_running_loop().time()
            yield batch

    def wake(self) -> None:
        """Hand out a batch now, though it may be empty (a timer is due)."""
        self._woken = True
        self._wake()

    def close(self, *, drain: bool = True) -> None:
        """End `batches()`: after what is queued, or at once. What is not taken is not acknowledged, so it comes again."""
        self._closing = True
        self._drop = not drain
        if self._drop:
            for item in self._queue:
                if isinstance(item, Submission) and not item.done.done():
                    item.done.set_exception(EnvgwError("the gateway stopped before this was taken in: send it again"))
            self._queue.clear()
        self._wake()

    # inside

    def _append(self, item: Item) -> None:
        self._queue.append(item)
        if len(self._queue) >= self._enough:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _gather(self) -> None:
        """Let more come if the last batch was just now (see the constructor)."""
        if not self._gather_s:
            return
        loop = asyncio.get_running_loop()
        until = self._taken_at + self._gather_s
        before = 0
        self._enough = self._gather_items
        try:
            while before < len(self._queue) < self._gather_items and not self._closing and not self._woken:
                left = until - loop.time()
                if left <= 0:
                    return
                before = len(self._queue)
                await self._wait(min(left, QUIET_S))
        finally:
            self._enough = 1

    async def _wait(self, longest_s: float) -> None:
        # A future and a timer cost a tenth of asyncio.wait_for, and this is once a batch.
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(longest_s, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _take(self) -> list[Item]:
        queue = self._queue
        if len(queue) <= self._max_batch:
            batch = list(queue)
            queue.clear()
            self._qos0 = self._qos0_bytes = 0
        else:
            batch = [queue.popleft() for _ in range(self._max_batch)]
            if self._qos0:
                for item in batch:
                    if isinstance(item, Delivery) and not item.message.qos:
                        self._qos0 -= 1
                        self._qos0_bytes -= len(item.message.payload)
        if self._jumps:
            self._jumps -= sum(isinstance(item, ClockJump) for item in batch)
        if self._shed:
            # Stamped like the last item before them: receipt times never decrease along the journal (A1).
            now = received(input_of(batch[-1])) if batch else self._last_ms
            batch.extend(Shed(now, source, count) for source, count in self._shed.items())
            self._shed.clear()
        return batch

    def _shed_some(self, deliveries: list[Delivery]) -> list[Delivery]:
        kept = []
        for delivery in deliveries:
            message: Message = delivery.message
            if message.qos:
                kept.append(delivery)
            elif self._qos0 < self._qos0_limit and self._qos0_bytes + len(message.payload) <= self._qos0_bytes_limit:
                self._qos0 += 1
                self._qos0_bytes += len(message.payload)
                kept.append(delivery)
            else:
                self._shed[message.source] = self._shed.get(message.source, 0) + 1
                self.shed_total[message.source] = self.shed_total.get(message.source, 0) + 1
                self.shed_at_ms = message.received_ms
        return kept

    def _submission_done(self, _: asyncio.Future[object]) -> None:
        self._submissions -= 1
