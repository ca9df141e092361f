"""The ledger on the event loop: one writer, readers beside it, commits in between everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ledger import AsyncLedger, CommitFailed, Ledger, LedgerError
from gateway.settings import LedgerSection
from tests.gateway.ledger.building import SMALL, T0, fill, ledger, message, stored


@pytest.fixture
async def aio(tmp_path: Path) -> AsyncIterator[AsyncLedger]:
    opened = AsyncLedger(Ledger(tmp_path / "l.db", LedgerSection(**SMALL)))
    yield opened
    await opened.close()


async def commit(aio: AsyncLedger, number: int) -> int:
    inputs = [message(number)]
    return await aio.commit(inputs, stored(inputs))


async def test_a_commit_wakes_whoever_waits(aio: AsyncLedger) -> None:
    waiting = [asyncio.create_task(aio.committed.beyond(0), name=f"waits {number}") for number in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    assert await commit(aio, 0) == 1
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [1, 1, 1]
    assert await asyncio.wait_for(aio.committed.beyond(0), 10) == 1


async def test_commits_asked_for_at_once_keep_their_order(aio: AsyncLedger) -> None:
    assert await asyncio.gather(*(commit(aio, number) for number in range(50))) == list(range(1, 51))
    assert [seq for seq, _ in await aio.read_lines(0, 1000)] == list(range(1, 51))
    assert aio.committed.head == aio.ledger.head == 50


async def test_a_cancelled_commit_is_whole_or_absent(aio: AsyncLedger, tmp_path: Path) -> None:
    for number in range(20):
        task = asyncio.create_task(commit(aio, number), name="cancelled commit")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await aio.close()
    with ledger(tmp_path / "l.db") as again:
        assert [len(inputs) for _, inputs in again.journal()] == [1] * again.head


async def test_commits_go_between_slices_of_a_snapshot(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    chunks = [(str(number), bytes([number]) * 1000) for number in range(20)]
    done, *numbers = await asyncio.gather(aio.write_snapshot(1, "c", "v", chunks), *(commit(aio, number) for number in range(1, 21)))
    assert done is None
    assert numbers == list(range(2, 22))
    snapshot = await aio.latest_snapshot()
    assert snapshot is not None
    assert list(snapshot.chunks()) == chunks


async def test_a_snapshot_that_fails_leaves_nothing(aio: AsyncLedger) -> None:
    def limit(opened: Ledger, pages: int | None) -> None:
        with opened._writer.connection() as db:
            db.execute(f"PRAGMA max_page_count={pages or db.execute('PRAGMA page_count').fetchone()[0] + 4}")

    await aio.write(lambda opened: limit(opened, None))
    import random

    with pytest.raises(CommitFailed):
        await aio.write_snapshot(1, "c", "v", [(str(number), random.Random(number).randbytes(6000)) for number in range(10)])
    await aio.write(lambda opened: limit(opened, 10**6))
    assert await aio.latest_snapshot() is None
    assert await aio.read(lambda opened: opened._readers.row("SELECT count(*) FROM snapshot_chunk")) == (0,)


async def test_pruning_goes_slice_by_slice(aio: AsyncLedger) -> None:
    await aio.write(lambda opened: opened.register_lane("h", "duckdb", required=True, quota=0))
    await aio.write(lambda opened: fill(opened, 500, 2))
    await aio.advance("h", 500, [], now_ms=T0)
    pruning = asyncio.create_task(aio.prune(T0), name="prune")
    assert await commit(aio, 1) == 501
    report = await pruning
    assert (report.line_batches, report.more) == (500, False)


async def test_close_finishes_what_is_under_way(aio: AsyncLedger, tmp_path: Path) -> None:
    tasks = [asyncio.create_task(commit(aio, number), name=f"commit {number}") for number in range(30)]
    await asyncio.sleep(0)
    await aio.close()
    assert await asyncio.gather(*tasks) == list(range(1, 31))
    await aio.close()
    with ledger(tmp_path / "l.db") as again:
        assert again.head == 30
    with pytest.raises((RuntimeError, LedgerError)):
        await aio.read_lines(0, 1)
