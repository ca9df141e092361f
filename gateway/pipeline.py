"""The page to read first: one batch's way from the brokers to disk, and only then back to the brokers.

    async for batch in inbox.batches():            what the sockets brought; empty: only time went by
        outcomes = core.step(inputs)                readings + flags, rejections, transitions; pure
        await ledger.commit(inputs, outcomes)       one transaction, fsynced
        acknowledge(batch)                          only now may a broker forget

Everything else in this module is what that needs to be unbreakable: redelivered messages are recognised (semantics
B1a), a commit that fails is repeated unchanged and nothing of it is visible until it succeeds (A3), a disk that runs
full stops taking in *before* the core steps (B5), snapshots are written in slices between batches (A5).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from gateway.core import Core
from gateway.core.inputs import Input, Message, Tick
from gateway.core.outcomes import Outcomes
from gateway.core.state import SCHEMA
from gateway.ledger import AsyncLedger, CommitFailed
from gateway.ledger.snapshots import SnapshotWriter
from gateway.mqtt.factory import acknowledge_all
from gateway.mqtt.inbox import Item, SharedInbox, Submission, input_of
from gateway.mqtt.source import Delivery, Source
from gateway.version import VERSION

log = structlog.get_logger("pipeline")

COMMIT_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries of a commit that failed; the last one is repeated."""

SPACE_CHECK_S = 0.5
"""How often free space is looked at (real seconds)."""

SNAPSHOT_UNITS = 100
"""Units encoded in one slice: about a millisecond."""


class Observer(Protocol):
    """Who wants to know what was committed: metrics and the event stream. Called after the commit, in order."""

    def committed(self, outcomes: Outcomes, received: dict[str, int], *, step_s: float, commit_s: float) -> None: ...


class Pipeline:
    """One loop, one task. `run` ends when the inbox is closed and drained."""

    def __init__(
        self,
        *,
        core: Core,
        ledger: AsyncLedger,
        inbox: SharedInbox,
        sources: Sequence[Source],
        observer: Observer,
        snapshot_every: int,
    ) -> None:
        self._core = core
        self._ledger = ledger
        self._inbox = inbox
        self._sources = {source.name: source for source in sources}
        self._observer = observer
        self._snapshot_every = snapshot_every
        self._since_snapshot = 0
        self._snapshot: SnapshotWriter | None = None
        self._space_known_until = 0.0
        self.seq = ledger.ledger.head
        self.ahead = False
        """The core has stepped what is not committed yet: nobody may be shown its state."""
        self.trouble = ""
        """Why nothing is taken in at the moment; empty while all is well. Readiness is red with this reason."""

    async def run(self) -> None:
        """Until the inbox is closed: take, step, commit, acknowledge."""
        async for batch in self._inbox.batches():
            await self._wait_for_space()
            await self._one(batch)
        await self._last_snapshot()

    async def _one(self, batch: list[Item]) -> None:
        inputs = [input_of(item) for item in batch]
        await self._mark_redelivered(inputs)
        now = self._inbox.tick_ms()
        if now is not None:
            inputs.append(Tick(now))
        began = time.perf_counter()
        self.ahead = True
        outcomes = self._core.step(inputs)
        stepped = time.perf_counter()
        for index, detail, device in outcomes.stopped:
            inputs[index] = msgspec.structs.replace(inputs[index], stopped=(detail, device))
        if outcomes.journal:
            await self._commit(inputs, outcomes)
            acknowledge_all(self._sources, batch)
            self._since_snapshot += outcomes.received
            self._observer.committed(outcomes, _by_source(batch), step_s=stepped - began, commit_s=time.perf_counter() - stepped)
        self.ahead = False
        for item in batch:
            if isinstance(item, Submission) and not item.done.done():
                item.done.set_result(outcomes)
        await self._snapshot_slice()

    async def _mark_redelivered(self, inputs: list[Input]) -> None:
        """Say of each message with DUP=1 whether exactly it is in the journal, or earlier in this batch (B1a)."""
        if not any(isinstance(item, Message) and item.dup for item in inputs):
            return
        known = await self._ledger.redelivered(inputs)
        here: set[tuple[str, int | None, str, bytes]] = set()
        for index, item in enumerate(inputs):
            if not isinstance(item, Message) or item.packet_id is None:
                continue
            key = (item.source, item.packet_id, item.topic, item.payload)
            if item.dup and (index in known or key in here):
                inputs[index] = Message(
                    item.received_ms, item.source, item.topic, item.payload, item.qos, item.retain, item.dup, item.packet_id, True
                )
            here.add(key)

    async def _commit(self, inputs: list[Input], outcomes: Outcomes) -> None:
        """Commit, again and again unchanged, until it is on disk. Meanwhile nobody sees or is promised anything."""
        tries = 0
        while True:
            try:
                self.seq = await self._ledger.commit(inputs, outcomes)
            except CommitFailed as failure:
                if not tries:
                    log.error("commit failed; nothing is acknowledged until it succeeds", reason=failure.reason)
                    self._pause()
                self.trouble = f"the ledger cannot be written: {failure.reason}"
                await asyncio.sleep(COMMIT_RETRY_S[min(tries, len(COMMIT_RETRY_S) - 1)])
                tries += 1
            else:
                if tries:
                    log.info("commit succeeded", tries=tries)
                    self.trouble = ""
                    self._resume()
                return

    async def _wait_for_space(self) -> None:
        """Stop taking in below the low-water mark; what came in already waits unacknowledged (semantics B5)."""
        if time.monotonic() < self._space_known_until:
            return
        while await self._ledger.free_space_low():
            if not self.trouble:
                self.trouble = (
                    "the disk of the ledger is nearly full (ledger.low_water): free some space; nothing is acknowledged until then"
                )
                log.error("taking in stopped", reason=self.trouble)
                self._pause()
            await asyncio.sleep(SPACE_CHECK_S)
        self._space_known_until = time.monotonic() + SPACE_CHECK_S
        if self.trouble:
            self.trouble = ""
            log.info("taking in again")
            self._resume()

    def _pause(self) -> None:
        for source in self._sources.values():
            source.pause()

    def _resume(self) -> None:
        for source in self._sources.values():
            source.resume()

    # ------------------------------------------------------------------ snapshots

    async def _snapshot_slice(self) -> None:
        """Between batches: begin a snapshot when it is due, else write its next slice."""
        try:
            if self._snapshot is not None:
                await self._put_slice(self._snapshot)
            elif self._since_snapshot >= self._snapshot_every:
                await self._begin_snapshot()
        except CommitFailed as failure:
            # The last one still stands; recovery only takes longer. Try again after as many messages as usual.
            log.warning("snapshot not written", reason=failure.reason)
            self._core.snapshots.abort()
            self._snapshot = None

    async def _begin_snapshot(self) -> None:
        self._since_snapshot = 0
        seq, config = self.seq, self._core.state.config
        writer = await self._ledger.write(lambda ledger: ledger.begin_snapshot(seq, config, VERSION, schema=SCHEMA))
        self._snapshot = writer
        head = self._core.snapshots.begin()  # no step comes between `seq` and this: only this task steps
        await self._ledger.write(lambda _: writer.put("globals", head))

    async def _put_slice(self, writer: SnapshotWriter) -> bool:
        units, complete = self._core.snapshots.slice(SNAPSHOT_UNITS)
        data = msgspec.msgpack.encode(units)
        await self._ledger.write(lambda _: writer.put("units", data))
        if complete:
            await self._ledger.write(lambda _: writer.finish())
            self._snapshot = None
        return complete

    async def _last_snapshot(self) -> None:
        """At a clean stop: a fresh snapshot, so that the next start replays nothing."""
        try:
            self._core.snapshots.abort()
            await self._begin_snapshot()
            while self._snapshot is not None:
                await self._put_slice(self._snapshot)
        except CommitFailed as failure:
            log.warning("no snapshot at the stop: the next start replays the journal", reason=failure.reason)


def _by_source(batch: list[Item]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in batch:
        if isinstance(item, Delivery):
            source = item.message.source
            counts[source] = counts.get(source, 0) + 1
    return counts
