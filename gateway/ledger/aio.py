"""The ledger for the event loop: writes go through one worker thread, reads through two others.

Commits therefore queue behind at most one small write of a lane or a slice of pruning, and messages gather meanwhile
(group commit). A cancelled `await` does not take a write back: the thread finishes it, and what it wrote is whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from devices.reading import Line
from gateway.core.inputs import Input
from gateway.core.outcomes import Intent, Outcomes
from gateway.ledger.ledger import Ledger
from gateway.ledger.records import LaneState, PruneReport, StoredSnapshot

T = TypeVar("T")


class CommitSignal:
    """Wakes whoever waits for a commit. Belongs to one event loop."""

    def __init__(self, head: int) -> None:
        self.head = head
        """Number of the last committed batch."""
        self._event = asyncio.Event()

    def notify(self, head: int) -> None:
        """A batch was committed."""
        self.head = head
        self._event.set()
        self._event = asyncio.Event()

    async def beyond(self, seq: int) -> int:
        """Wait until a batch after `seq` is committed; returns the newest number. Returns at once if there is one."""
        while self.head <= seq:
            await self._event.wait()
        return self.head


class AsyncLedger:
    """What pipeline, lanes and API call. Owns the threads; `close` waits for what is under way, then closes the ledger.

    Errors are those of `Ledger`. `ledger` is there for what is cheap and needs no thread (`head`).
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.committed = CommitSignal(ledger.head)
        self.intended = CommitSignal(ledger.head)
        """The same for batches that hold intents: receivers need not look at every commit."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger-writer")
        self._reader = ThreadPoolExecutor(2, thread_name_prefix="ledger-reader")

    async def write(self, work: Callable[[Ledger], T]) -> T:
        """Run any writing call in the writer's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, self.ledger)

    async def read(self, work: Callable[[Ledger], T]) -> T:
        """Run any reading call in a reader's thread. Exhaust iterators inside `work`."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work, self.ledger)

    async def commit(self, inputs: Sequence[Input], outcomes: Outcomes) -> int:
        """See `Ledger.commit`. Wakes the lanes when it is on disk."""
        seq = await self.write(lambda ledger: ledger.commit(inputs, outcomes))
        if seq > self.committed.head:
            self.committed.notify(seq)
            if outcomes.intents:
                self.intended.notify(seq)
        return seq

    async def redelivered(self, messages: Sequence[Input]) -> set[int]:
        """See `Ledger.redelivered`."""
        return await self.read(lambda ledger: ledger.redelivered(messages))

    async def free_space_low(self) -> bool:
        """See `Ledger.free_space_low`."""
        return await self.write(lambda ledger: ledger.free_space_low())

    async def read_lines(self, after: int, max_lines: int) -> list[tuple[int, list[Line]]]:
        """See `Ledger.read_lines`."""
        return await self.read(lambda ledger: ledger.read_lines(after, max_lines))

    async def lane_state(self, name: str) -> LaneState:
        """See `Ledger.lane_state`."""
        return await self.read(lambda ledger: ledger.lane_state(name))

    async def advance(self, name: str, upto: int, refused: Sequence[tuple[Line, str]], *, now_ms: int) -> LaneState:
        """See `Ledger.advance`."""
        return await self.write(lambda ledger: ledger.advance(name, upto, refused, now_ms=now_ms))

    async def resume_lane(self, name: str, *, now_ms: int) -> LaneState:
        """See `Ledger.resume_lane`."""
        return await self.write(lambda ledger: ledger.resume_lane(name, now_ms=now_ms))

    async def read_intents(self, receiver: str, limit: int) -> list[tuple[int, Intent]]:
        """See `Ledger.read_intents`."""
        return await self.read(lambda ledger: ledger.read_intents(receiver, limit))

    async def waiting_intents(self, receiver: str) -> int:
        """See `Ledger.waiting_intents`."""
        return await self.read(lambda ledger: ledger.waiting_intents(receiver))

    async def mark_delivered(self, receiver: str, intent: int) -> None:
        """See `Ledger.mark_delivered`."""
        await self.write(lambda ledger: ledger.mark_delivered(receiver, intent))

    async def mark_undelivered(self, receiver: str, intent: int, reason: str, *, now_ms: int) -> None:
        """See `Ledger.mark_undelivered`."""
        await self.write(lambda ledger: ledger.mark_undelivered(receiver, intent, reason, now_ms=now_ms))

    async def latest_snapshot(self) -> StoredSnapshot | None:
        """See `Ledger.latest_snapshot`; its chunks are read by the caller."""
        return await self.read(lambda ledger: ledger.latest_snapshot())

    async def write_snapshot(
        self, seq: int, config_digest: str, code_version: str, chunks: Sequence[tuple[str, bytes]], *, schema: int = 1
    ) -> None:
        """Write a snapshot that is sliced already; commits go between the slices. On failure nothing of it stays."""
        snapshot = await self.write(lambda ledger: ledger.begin_snapshot(seq, config_digest, code_version, schema=schema))
        try:
            for name, data in chunks:
                await self.write(lambda _, name=name, data=data: snapshot.put(name, data))  # type: ignore[misc]
            await self.write(lambda _: snapshot.finish())
        except BaseException:
            self._writer.submit(snapshot.abandon)  # not awaited: we may be cancelled; if it fails too, the next start does it
            raise

    async def prune(self, now_ms: int, *, most_s: float = 2.0) -> PruneReport:
        """Prune slice by slice, commits in between, for at most about `most_s`. Returns the sum of the slices."""
        total = PruneReport()
        deadline = time.monotonic() + most_s
        while True:
            part = await self.write(lambda ledger: ledger.prune(now_ms))
            for name in ("line_batches", "journal_batches", "receipts", "rejections", "intents", "vacuumed_pages"):
                setattr(total, name, getattr(total, name) + getattr(part, name))
            total.parked += part.parked
            total.more = part.more
            if not part.more or time.monotonic() >= deadline:
                return total

    async def close(self) -> None:
        """Finish what is under way, then close the ledger; idempotent."""
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writer.shutdown(wait=True)
        self._reader.shutdown(wait=True)
        self.ledger.close()
