"""A full disk, for real: a small tmpfs (semantics B5)."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ledger import CommitFailed, Ledger
from gateway.ledger.disk import Reserve, free_bytes
from tests.gateway.ledger.building import T0, fill, intent, ledger, message, stored

MB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def use_up(disk: Path, leave: int = 0) -> Path:
    """Somebody else's file takes all but `leave` bytes of the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(ballast) - leave)
    return ballast


def commit_big(opened: Ledger, number: int) -> int:
    inputs = [message(number, payload=random.Random(number).randbytes(400_000))]
    return opened.commit(inputs, stored(inputs))


def commit_many(opened: Ledger, number: int) -> None:
    """Until it fails: SQLite's log may have a little room left."""
    for attempt in range(number, number + 60):
        commit_big(opened, attempt)


def test_b5_a_full_disk_stops_inputs_but_not_cursors_marks_and_pruning(small_disk: Path) -> None:
    with ledger(small_disk / "l.db", reserve=4 * MB, journal_retention="1h") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        opened.register_receiver("r")
        inputs = [message(0)]
        opened.commit(inputs, stored(inputs, intents=[intent("e1")]))
        assert opened.reserve_held()
        number = 1
        while number < 10:
            commit_big(opened, number)
            number += 1
        ballast = use_up(small_disk)
        with pytest.raises(CommitFailed, match="no space left") as caught:
            commit_many(opened, number)
        assert caught.value.disk_full
        head = opened.head
        assert opened.reserve_held()  # inputs never touch it

        opened.advance("h", head, now_ms=T0)
        opened.mark_delivered("r", 1)
        for _ in range(40):  # what must go on goes on, by giving up the reserve when it must
            opened.mark_undelivered("r", 1, "x" * 20_000, now_ms=T0)
            opened.register_lane("extra", "duckdb", required=False, quota=0)
            opened.retire_lane("extra")
        for seq in (head - 1, head):
            snapshot = opened.begin_snapshot(seq, "c", "1")
            snapshot.finish()
        assert opened.lane_state("h").cursor == head

        if not opened.reserve_held():
            with pytest.raises(CommitFailed, match="reserve is given up"):
                fill(opened, 1)
        while opened.prune(T0 + 24 * 3_600_000).more:
            pass
        bounds = opened.journal_bounds()
        assert bounds is None or bounds.first_seq >= head
        ballast.unlink()
        assert not opened.free_space_low()
        assert opened.reserve_held()
        assert commit_big(opened, 99) == head + 1
    with ledger(small_disk / "l.db", reserve=4 * MB) as opened:
        assert opened.head == head + 1


def test_b5_without_the_reserve_no_inputs_are_taken_until_it_is_back(small_disk: Path) -> None:
    with ledger(small_disk / "l.db", reserve=4 * MB) as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        fill(opened, 3)
        opened._reserve.release()
        ballast = use_up(small_disk, leave=2 * MB)
        assert opened.free_space_low()
        with pytest.raises(CommitFailed, match="reserve is given up"):
            fill(opened, 1)
        assert opened.advance("h", 3, now_ms=T0).cursor == 3
        assert opened.head == 3
        ballast.unlink()
        assert fill(opened, 1) == 4
        assert opened.reserve_held()


def test_b5_urgent_writes_take_the_reserve_when_the_log_cannot_grow(small_disk: Path) -> None:
    with ledger(small_disk / "l.db", reserve=4 * MB) as opened:
        opened.register_receiver("r")
        inputs = [message(0)]
        opened.commit(inputs, stored(inputs, intents=[intent(f"e{number}") for number in range(100)]))
        use_up(small_disk)
        for number, _ in opened.read_intents("r"):
            opened.mark_undelivered("r", number, random.Random(number).randbytes(5_000).hex(), now_ms=T0)
        assert not opened.reserve_held()
        assert opened.waiting_intents("r") == 0
        assert len(opened.undelivered()) == 100


def test_low_water(small_disk: Path) -> None:
    with ledger(small_disk / "l.db", low_water=8 * MB) as opened:
        assert not opened.free_space_low()
        ballast = use_up(small_disk, leave=7 * MB)
        assert opened.free_space_low()
        ballast.unlink()
        assert not opened.free_space_low()


def test_the_reserve_is_really_set_aside(small_disk: Path) -> None:
    before = free_bytes(small_disk / "l.db")
    reserve = Reserve(small_disk / "l.db", 4 * MB)
    assert not reserve.held()
    assert reserve.ensure()
    assert before - free_bytes(small_disk / "l.db") >= 4 * MB
    assert reserve.release()
    assert not reserve.release()
    assert free_bytes(small_disk / "l.db") == before
    too_large = Reserve(small_disk / "l.db", 40 * MB)
    assert not too_large.ensure()
    assert free_bytes(small_disk / "l.db") == before
    assert Reserve(small_disk / "l.db", 0).held()
