"""Backup while running, restore while not, and saving what a damaged file still holds."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.core.inputs import Config, Input
from gateway.ledger import (
    LedgerDamaged,
    LedgerError,
    LedgerExists,
    LedgerInUse,
    LedgerReader,
    LedgerTooNew,
    check,
    restore,
    salvage,
)
from gateway.ledger.backup import RESTORE_GAP
from tests.gateway.ledger.building import T0, fill, intent, ledger, message, rejected, stored, transition


def test_a_backup_taken_while_writing_is_one_consistent_state(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 300, 20)
        begun, stop = threading.Event(), threading.Event()

        def write() -> None:
            while not stop.is_set():
                fill(opened, 1, 20, start=opened.head)
                begun.set()

        writer = threading.Thread(target=write, name="writer")
        writer.start()
        try:
            assert begun.wait(20)
            at_least = opened.head
            with LedgerReader(tmp_path / "l.db") as reader:
                reader.backup(tmp_path / "backup.db")
        finally:
            stop.set()
            writer.join()
        assert opened.head > at_least
        expected = dict(opened.journal())
    check(tmp_path / "backup.db")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("backup")) == ["backup.db"]
    restore(tmp_path / "backup.db", tmp_path / "new" / "l.db")
    with ledger(tmp_path / "new" / "l.db") as restored:
        batches = dict(restored.journal())
        assert len(batches) >= at_least
        assert batches == {seq: expected[seq] for seq in range(1, len(batches) + 1)}
        totals = restored.totals()
        assert totals.received == len(batches) * 20


def test_after_a_restore_numbers_go_on_where_no_history_has_seen_any(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        fill(opened, 4)
        opened.advance("h", 3, now_ms=T0)
        opened.backup(tmp_path / "b.db")
        fill(opened, 5)
    restore(tmp_path / "b.db", tmp_path / "l.db", force=True)
    with ledger(tmp_path / "l.db") as opened:
        assert opened.lane_state("h").backlog_lines == 4
        assert fill(opened, 1) == 4 + RESTORE_GAP + 1
        assert [seq for seq, _ in opened.read_lines(3, 100)] == [4, 4 + RESTORE_GAP + 1]
        assert opened.advance("h", 4 + RESTORE_GAP + 1, now_ms=T0).backlog_lines == 0
    with LedgerReader(tmp_path / "l.db.before-restore") as before:
        assert before.totals().seq == 9


def test_restore_refuses_while_a_gateway_runs_and_to_overwrite(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 2)
        opened.backup(tmp_path / "b.db")
        with pytest.raises(LedgerInUse):
            restore(tmp_path / "b.db", tmp_path / "l.db", force=True)
        fill(opened, 1)
    with pytest.raises(LedgerExists, match="--force"):
        restore(tmp_path / "b.db", tmp_path / "l.db")
    with ledger(tmp_path / "l.db") as opened:
        assert opened.head == 3


def test_restore_refuses_a_bad_backup_and_touches_nothing(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 50, 50)
        opened.backup(tmp_path / "b.db")
    newer = tmp_path / "newer.db"
    newer.write_bytes((tmp_path / "b.db").read_bytes())
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version=9")
    db.close()
    rotten = bytearray((tmp_path / "b.db").read_bytes())
    rotten[20 * 4096 : 22 * 4096] = b"\xaa" * 8192
    (tmp_path / "rotten.db").write_bytes(rotten)
    for name, error in (("none.db", LedgerError), ("newer.db", LedgerTooNew), ("rotten.db", LedgerDamaged)):
        with pytest.raises(error):
            restore(tmp_path / name, tmp_path / "l.db", force=True)
    with ledger(tmp_path / "l.db") as opened:
        assert opened.head == 50


def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 1)
        with pytest.raises(LedgerError, match=r"unable to open|No such file"):
            opened.backup(tmp_path / "no" / "such" / "b.db")


# salvage


def rich_ledger(path: Path) -> None:
    with ledger(path) as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        opened.register_receiver("r")
        config: list[Input] = [Config(T0, "c", '{"rules": []}')]
        opened.commit(config, stored(config))
        for number in range(200):
            inputs = [message(number * 20 + place, ms=T0 + number * 20 + place) for place in range(20)]
            opened.commit(
                inputs,
                stored(
                    inputs, rejections=[rejected(0)], transitions=[transition("e/1", "firing", number)], intents=[intent("e/1", at=number)]
                ),
            )
        opened.advance("h", 100, now_ms=T0)
        writer = opened.begin_snapshot(150, "c", "1")
        writer.put("a", b"state")
        writer.finish()


def test_salvage_of_a_sound_file_saves_everything(tmp_path: Path) -> None:
    rich_ledger(tmp_path / "l.db")
    report = salvage(tmp_path / "l.db", tmp_path / "saved.db")
    assert report.lost == {}
    assert (report.kept["journal"], report.kept["line"], report.kept["rejection"], report.kept["intent"]) == (201, 200, 200, 200)
    with ledger(tmp_path / "l.db") as old, ledger(tmp_path / "saved.db") as new:
        assert list(new.journal()) == list(old.journal())
        assert new.totals() == old.totals()._replace(seq=201 + RESTORE_GAP)
        assert new.episodes() == old.episodes()
        assert new.read_intents("r", 1000) == old.read_intents("r", 1000)
        assert list(new.rejections()) == list(old.rejections())
        assert new.lane_state("h").backlog_lines == old.lane_state("h").backlog_lines
        saved = new.latest_snapshot()
        assert saved is not None
        assert list(saved.chunks()) == [("a", b"state")]


@pytest.mark.slow
@pytest.mark.parametrize("where", [0.2, 0.4, 0.6, 0.8])
def test_salvage_saves_what_lies_around_a_broken_place(tmp_path: Path, where: float) -> None:
    rich_ledger(tmp_path / "l.db")
    content = bytearray((tmp_path / "l.db").read_bytes())
    first = int(len(content) / 4096 * where) * 4096
    content[first : first + 4 * 4096] = b"\x55" * (4 * 4096)
    (tmp_path / "l.db").write_bytes(content)
    with pytest.raises(LedgerDamaged):
        check(tmp_path / "l.db")
    report = salvage(tmp_path / "l.db", tmp_path / "saved.db")
    assert (tmp_path / "l.db").read_bytes() == content
    check(tmp_path / "saved.db")
    whole = {"journal": 201, "line": 200, "batch": 201, "rejection": 200, "transition": 200, "intent": 200}
    assert sum(report.kept[table] for table in whole) < sum(whole.values()) or report.lost
    assert sum(report.kept[table] for table in whole) > 0.7 * sum(whole.values())
    with ledger(tmp_path / "saved.db") as saved:
        for seq, inputs in saved.journal():
            if seq > 1:
                assert inputs == [message((seq - 2) * 20 + place, ms=T0 + (seq - 2) * 20 + place) for place in range(20)]
        assert saved.read_lines(0, 10**9)
        assert fill(saved, 1) > RESTORE_GAP
        assert saved.lane_states() is not None


def test_salvage_refuses_what_it_must(tmp_path: Path) -> None:
    rich_ledger(tmp_path / "l.db")
    with ledger(tmp_path / "l.db"), pytest.raises(LedgerInUse):
        salvage(tmp_path / "l.db", tmp_path / "saved.db")
    with pytest.raises(LedgerExists):
        salvage(tmp_path / "l.db", tmp_path / "l.db")
    with pytest.raises(LedgerError, match="does not exist"):
        salvage(tmp_path / "none.db", tmp_path / "saved.db")
    (tmp_path / "text.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(LedgerDamaged):
        salvage(tmp_path / "text.db", tmp_path / "saved.db")
    assert not (tmp_path / "saved.db").exists()
