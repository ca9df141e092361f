"""Snapshots: whole or not at all, the last two kept (semantics A5)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.ledger import CommitFailed, Ledger, LedgerError, LedgerReader
from tests.gateway.ledger.building import fill, ledger


def write(opened: Ledger, seq: int, *chunks: bytes) -> None:
    snapshot = opened.begin_snapshot(seq, f"config {seq}", "1.0", schema=3)
    for number, data in enumerate(chunks):
        snapshot.put(f"part {number}", data)
    snapshot.finish()


def test_a5_a_snapshot_comes_back_as_it_was_put(tmp_path: Path) -> None:
    big = bytes(range(256)) * 2000
    with ledger(tmp_path / "l.db") as opened:
        assert opened.latest_snapshot() is None
        write(opened, 7, b"head", big, b"", big)
    with LedgerReader(tmp_path / "l.db") as reader:
        found = reader.latest_snapshot()
        assert found is not None
        assert (found.seq, found.config_digest, found.code_version, found.schema) == (7, "config 7", "1.0", 3)
        assert list(found.chunks()) == [("part 0", b"head"), ("part 1", big), ("part 2", b""), ("part 3", big)]
        assert list(found.chunks()) == list(found.chunks())


def test_a5_an_unfinished_snapshot_is_never_seen_and_goes_at_the_next_start(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        write(opened, 1, b"one")
        half = opened.begin_snapshot(2, "c", "1.0")
        half.put("a", b"two")
        latest = opened.latest_snapshot()
        assert latest is not None
        assert latest.seq == 1
    with ledger(tmp_path / "l.db") as opened:
        assert [item.seq for item in opened.snapshots()] == [1]
        assert opened._readers.row("SELECT count(*) FROM snapshot_chunk") == (1,)


def test_a5_the_last_two_are_kept(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        for seq in (3, 5, 9):
            write(opened, seq, b"x" * seq)
        assert [(item.seq, list(item.chunks())) for item in opened.snapshots()] == [
            (9, [("part 0", b"x" * 9)]),
            (5, [("part 0", b"x" * 5)]),
        ]
        assert opened._readers.row("SELECT count(*) FROM snapshot_chunk") == (2,)


def test_commits_go_between_the_slices(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 1)
        snapshot = opened.begin_snapshot(opened.head, "c", "1.0")
        for number in range(5):
            snapshot.put(str(number), b"data")
            fill(opened, 1)
        snapshot.finish()
        found = opened.latest_snapshot()
        assert found is not None
        assert (found.seq, opened.head, len(list(found.chunks()))) == (1, 6, 5)


def test_a_snapshot_given_up_leaves_nothing(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        first = opened.begin_snapshot(1, "c", "1.0")
        first.put("a", b"data")
        first.abandon()
        first.abandon()
        with pytest.raises(LedgerError, match="finished or abandoned"):
            first.put("b", b"data")
        forgotten = opened.begin_snapshot(2, "c", "1.0")
        forgotten.put("a", b"data")
        write(opened, 3, b"data")  # beginning another gives the forgotten one up
        assert opened._readers.row("SELECT count(*) FROM snapshot_chunk") == (1,)


def test_a_slice_that_fails_can_be_put_again(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        snapshot = opened.begin_snapshot(1, "c", "1.0")
        with opened._writer.connection() as db:
            db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        data = random.Random(1).randbytes(50_000)
        with pytest.raises(CommitFailed):
            snapshot.put("a", data)
        with opened._writer.connection() as db:
            db.execute("PRAGMA max_page_count=1000000")
        snapshot.put("a", data)
        snapshot.finish()
        found = opened.latest_snapshot()
        assert found is not None
        assert list(found.chunks()) == [("a", data)]
