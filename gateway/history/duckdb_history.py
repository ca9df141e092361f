"""The embedded history: DuckDB behind the `History` protocol.

Writing has one thread, queries have two; the event loop waits for neither. Queries read a snapshot, so a long one
neither blocks writing nor sees half a batch; what it cannot sort within the memory limit it sorts on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from devices.reading import Line
from gateway.errors import DeliveryError, EnvgwError, Retryable
from gateway.history.base import RefusedLine, Resolution, StoredNotes, StoredReading
from gateway.history.duckdb_query import Points, Question, Readings
from gateway.settings import HistorySection

if TYPE_CHECKING:
    import duckdb

    from gateway.history.duckdb_store import DuckStore

_FETCH = 2_000
"""Rows handed from the query's thread to the event loop at once (about 1 ms)."""

T = TypeVar("T")


class DuckDBHistory:
    """`gateway.history.base.History` in a file. Constructing it opens nothing; the first call does."""

    def __init__(self, settings: HistorySection, data_dir: Path, *, read_only: bool = False) -> None:
        self.name = settings.name
        self._settings = settings
        self._path = data_dir / (settings.path or Path("history.duckdb"))
        self._read_only = read_only
        self._store: DuckStore | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"history-{self.name}")
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix=f"history-{self.name}-query")

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        """See the protocol. A batch whose `upto` is not above the file's own cursor was written already: nothing is done."""
        return await self._in_writer(lambda: self._opened().append(lines, upto))

    async def position(self) -> int:
        """The `upto` of the last batch in the file. A ledger whose newest number is below it is another ledger: then the
        lane must call `rewind`, or its batches would be taken for old ones."""
        return await self._in_writer(lambda: self._opened().upto)

    async def rewind(self, upto: int) -> None:
        """Let the lane start again at `upto`; what is written again then counts as a revision."""
        await self._in_writer(lambda: self._opened().rewind(upto))

    async def compact(self, most_rows: int = 200_000) -> int:
        """Delete superseded revisions among the next `most_rows` rows, and sort some older ones; returns how many were deleted.

        To be called now and then. It takes its turn with writing: at most about half a second (docs/explanation/performance.md).
        """
        return await self._in_writer(lambda: self._opened().compact(most_rows))

    async def expire(self, now_ms: int) -> int:
        """See `Compacting`. A UTC day after the other: a reading is kept up to a day longer than `retention` says."""
        retention = self._settings.retention
        return 0 if retention is None else await self._in_writer(lambda: self._opened().expire(now_ms - retention))

    async def query(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        """See the protocol."""
        async with aclosing(self._answer(Readings(station, parameters, since_ms, until_ms, resolution))) as answer:
            async for reading in answer:
                yield reading

    async def notes(self, *, medium: str, station: str | None, since_ms: int, until_ms: int) -> AsyncIterator[StoredNotes]:
        """See the protocol."""
        async with aclosing(self._answer(Points(medium, station, since_ms, until_ms))) as answer:
            async for point in answer:
                yield point

    async def _answer(self, question: Question[T]) -> AsyncGenerator[T, None]:
        """Run its statements in a reader's thread, in one snapshot, and put rows together as they are fetched."""
        cursor = await self._in_writer(lambda: self._opened().connection.cursor())
        import duckdb  # loaded by the writer's thread

        self._cursors.add(cursor)
        job: Future[Any] | None = None

        def begin() -> None:
            cursor.begin()
            question.begin(cursor)

        try:
            job = self._readers.submit(begin)
            await asyncio.wrap_future(job)
            while (statement := question.next()) is not None:
                job = self._readers.submit(cursor.execute, *statement)
                await asyncio.wrap_future(job)
                while True:
                    job = fetching = self._readers.submit(cursor.fetchmany, _FETCH)
                    rows = await asyncio.wrap_future(fetching)
                    if not rows:
                        break
                    for one in question.feed(rows):
                        yield one
            for one in question.rest():
                yield one
        except duckdb.Error as error:
            raise Retryable(f"the history {self._path} cannot be read: {error}") from error
        except RuntimeError as error:  # the executor was shut down
            raise Retryable(f"the history {self._path} is closed") from error
        finally:
            self._cursors.discard(cursor)
            cursor.interrupt()  # a query that nobody waits for any more must not go on
            if job is None:
                cursor.close()
            else:
                job.add_done_callback(lambda _: cursor.close())  # not under the feet of its thread

    async def check(self) -> str:
        """See the protocol."""
        try:
            await self._in_writer(lambda: self._opened().connection.execute("SELECT upto FROM about").fetchall())
        except DeliveryError as error:
            return error.reason
        return ""

    async def close(self) -> None:
        """Waits for the write under way, ends queries; the file is then complete without its log."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        for cursor in tuple(self._cursors):
            cursor.interrupt()
        self._readers.shutdown(cancel_futures=False)
        self._writer.shutdown()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> DuckStore:
        """The open file; only ever called in the writer's thread."""
        if self._store is None:
            from gateway.history.duckdb_store import DuckStore

            settings = self._settings
            self._store = DuckStore(self._path, memory_limit=settings.memory_limit, threads=settings.threads, read_only=self._read_only)
        return self._store

    async def _in_writer(self, job: Callable[[], T]) -> T:
        """Run in the writer's thread; every failure becomes `Retryable`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._guarded, job)
        except RuntimeError as error:  # the executor was shut down
            raise Retryable(f"the history {self._path} is closed") from error

    def _guarded(self, job: Callable[[], T]) -> T:
        import duckdb  # 0.1 s the first time: in the writer's thread, so that the loop does not wait for it

        try:
            return job()
        except duckdb.Error as error:
            # A full disk or an I/O error makes DuckDB refuse everything from then on: open the file anew next time.
            if self._store is not None:
                self._store.close()
                self._store = None
            raise Retryable(f"the history {self._path} cannot be used: {error}") from error
        except EnvgwError as error:
            raise Retryable(str(error), red=True) from error
