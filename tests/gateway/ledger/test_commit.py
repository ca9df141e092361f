"""One commit: everything of it, or nothing (semantics A3, B4)."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.inputs import Input, Replayed
from gateway.core.outcomes import Outcomes
from gateway.ledger import CommitFailed, Ledger
from tests.gateway.ledger.building import T0, fill, intent, ledger, line, message, rejected, stored, transition


def everything(opened: Ledger) -> object:
    """All that anybody could see."""
    return (
        opened.head,
        opened.totals(),
        list(opened.journal()),
        opened.read_lines(0, 10**6),
        list(opened.rejections()),
        opened.rejection_counts(),
        opened.episodes(),
        opened.read_intents("r"),
        opened.redelivered([message(number, dup=True) for number in range(40)]),
    )


def rich(start: int) -> tuple[list[Input], Outcomes]:
    inputs: list[Input] = [message(start + number) for number in range(6)]
    return inputs, stored(
        inputs,
        rejections=[rejected(start + 1), rejected(start + 2, "not-json", "d2")],
        transitions=[transition("r/s1/1", "firing", start)],
        intents=[intent("r/s1/1", at=start)],
        stored=4,
    )


# accounting (B4)


def test_b4_totals_add_up_and_survive(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        inputs = [message(number) for number in range(10)]
        opened.commit(
            inputs,
            stored(inputs, received=14, stored=6, duplicate=2, shed=4, revisions=1, rejections=[rejected(1), rejected(2, "not-json")]),
        )
        fill(opened, 1, 5)
    with ledger(tmp_path / "l.db") as opened:
        totals = opened.totals()
        counts = opened.rejection_counts()
        assert (totals.received, totals.stored, totals.duplicate, totals.shed, totals.revisions) == (19, 11, 2, 4, 1)
        assert {reason: count.rejected for reason, count in counts.items()} == {"unknown-device": 1, "not-json": 1}
        assert totals.received == totals.stored + totals.duplicate + totals.shed + sum(count.rejected for count in counts.values())


def test_rejections_keep_their_raw_bytes(tmp_path: Path) -> None:
    raw = bytes(range(256))
    with ledger(tmp_path / "l.db") as opened:
        inputs = [message(number) for number in range(3)]
        opened.commit(
            inputs,
            stored(inputs, rejections=[rejected(0, device="d9", payload=raw), rejected(1, "empty", payload=b""), rejected(2, "empty")]),
        )
        found = list(opened.rejections())
        assert [(item.reason, item.payload, item.device) for item in found] == [
            ("unknown-device", raw, "d9"),
            ("empty", b"", "?"),
            ("empty", b"\xff\x00raw", "?"),
        ]
        assert found[0].detail == "détail"
        assert opened.rejection(found[1].id) == found[1]
        assert [item.id for item in opened.rejections(reason="empty")] == [found[1].id, found[2].id]
        assert [item.id for item in opened.rejections(device="d9")] == [found[0].id]
        assert [item.id for item in opened.rejections(since_ms=T0 + 1)] == [found[2].id]
        assert [item.id for item in opened.rejections(limit=2)] == [found[0].id, found[1].id]


def test_text_that_no_database_holds_is_kept_readable(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        inputs = [message(0)]
        opened.commit(inputs, stored(inputs, rejections=[rejected(0, device="a\ud800b\x00c")]))
        assert next(opened.rejections()).device == "a\\ud800b\x00c"


def test_b4_replay_moves_a_message_from_rejected_to_stored(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        inputs: list[Input] = [message(0), message(1)]
        opened.commit(inputs, stored(inputs, stored=0, lines=[], rejections=[rejected(0), rejected(1)]))
        first, second = opened.rejections()
        again: list[Input] = [Replayed(T0 + 99, first.id, first.reason, "d1", message(0))]
        opened.commit(again, Outcomes(journal=[0], lines=[line(0)], replayed=[first.id], stored=1))
        assert [item.id for item in opened.rejections()] == [second.id]
        assert opened.rejection_counts()["unknown-device"].rejected == 1
        assert opened.totals().kept_rejections == 1
        inputs = [message(5)]
        opened.commit(inputs, stored(inputs, stored=0, rejections=[rejected(5)]))
        assert [item.id for item in opened.rejections()] == [second.id, second.id + 1]


def test_b4_rejections_beyond_their_number_go_oldest_first_and_stay_counted(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", rejected_max=5) as opened:
        for number in range(4):
            inputs = [message(number * 3 + place) for place in range(3)]
            opened.commit(inputs, stored(inputs, rejections=[rejected(number * 3 + place) for place in range(3)]))
        assert [item.topic for item in opened.rejections()] == [f"t/{number}" for number in range(7, 12)]
        count = opened.rejection_counts()["unknown-device"]
        assert (count.rejected, count.forgotten) == (12, 7)
        # the message of a forgotten row still moves when it is replayed: its reason travels with the input
        replay: list[Input] = [Replayed(T0, 1, "unknown-device", "d1", message(0))]
        opened.commit(replay, Outcomes(journal=[0], replayed=[1], stored=1))
        assert opened.rejection_counts()["unknown-device"].rejected == 11
        assert opened.totals().kept_rejections == 5


# alerts


def test_episodes_show_their_latest_state_and_history(tmp_path: Path) -> None:
    steps = [("a/1", "firing"), ("b/1", "firing"), ("a/1", "unknown"), ("c/1", "firing"), ("a/1", "firing"), ("b/1", "resolved")]
    with ledger(tmp_path / "l.db") as opened:
        for number, (name, state) in enumerate(steps):
            opened.commit([message(number)], stored([message(number)], transitions=[transition(name, state, number)]))
        assert [(item.latest.episode, item.latest.state) for item in opened.episodes()] == [
            ("b/1", "resolved"),
            ("a/1", "firing"),
            ("c/1", "firing"),
        ]
        assert [item.latest.episode for item in opened.episodes("open")] == ["a/1", "c/1"]
        assert [item.latest.episode for item in opened.episodes("closed")] == ["b/1"]
        assert [item.latest.episode for item in opened.episodes("firing", limit=1)] == ["a/1"]
        assert [item.latest.episode for item in opened.episodes(since_ms=T0 + 4)] == ["b/1"]
        found = opened.episode("a/1")
        assert found is not None
        assert [item.state for item in found.history] == ["firing", "unknown", "firing"]
        assert found.latest == transition("a/1", "firing", 4)
        assert opened.episode("none") is None


# a commit that fails


def test_a3_a_full_file_rolls_back_whole_and_the_same_call_succeeds_later(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_receiver("r")
        opened.commit(*rich(0))
        before = everything(opened)
        with opened._writer.connection() as db:
            db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        inputs, outcomes = rich(6)
        inputs = [*inputs, message(99, payload=random.Random(1).randbytes(60_000))]
        outcomes.journal.append(6)
        for _ in range(3):
            with pytest.raises(CommitFailed, match="no space left") as caught:
                opened.commit(inputs, outcomes)
            assert caught.value.disk_full
            assert everything(opened) == before
        with opened._writer.connection() as db:
            db.execute("PRAGMA max_page_count=1000000")
        assert opened.commit(inputs, outcomes) == 2
        assert next(opened.journal(after=1))[1] == inputs


CHILD_IO_ERROR = """
import resource, sys
from pathlib import Path
from gateway.ledger import CommitFailed
from tests.gateway.ledger.building import ledger
from tests.gateway.ledger.test_commit import everything, rich
path = Path(sys.argv[1])
with ledger(path) as opened:
    opened.register_receiver("r")
    opened.commit(*rich(0))
    before = everything(opened)
    size = path.with_name(path.name + "-wal").stat().st_size
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in range(0, 24_000, 3_000):  # fails at each place of the write: first page, middle, commit frame
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + limit, hard))
        try:
            opened.commit(*rich(6))
        except CommitFailed as error:
            assert not error.disk_full and "I/O" in str(error), error
        else:
            raise SystemExit(f"commit did not fail within {limit} bytes")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert everything(opened) == before
    assert opened.commit(*rich(6)) == 2
with ledger(path) as opened:
    assert [seq for seq, _ in opened.journal()] == [1, 2]
    assert next(opened.journal(after=1))[1] == rich(6)[0]
print("done")
"""


@pytest.mark.slow
def test_a3_an_io_error_rolls_back_whole_and_the_same_call_succeeds_later(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD_IO_ERROR, str(tmp_path / "l.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_a3_a_locked_file_is_a_failed_commit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ledger(tmp_path / "l.db") as opened:
        with opened._writer.connection() as db:
            db.execute("PRAGMA busy_timeout=0")
        thief = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        thief.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitFailed, match="locked"):
            fill(opened, 1)
        thief.execute("ROLLBACK")
        thief.close()
        assert fill(opened, 1) == 1


@given(data=st.data())
def test_b4_the_identity_holds_over_any_commits(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    with ledger(tmp_path_factory.mktemp("any") / "l.db", rejected_max=3) as opened:
        number = 0
        for sizes in data.draw(st.lists(st.tuples(*[st.integers(0, 3)] * 4), max_size=6)):
            good, bad, twice, shed = sizes
            inputs = [message(number + place) for place in range(good + bad + twice)]
            number += len(inputs)
            reasons = data.draw(st.lists(st.sampled_from(["empty", "not-json"]), min_size=bad, max_size=bad))
            opened.commit(
                inputs,
                Outcomes(
                    journal=list(range(len(inputs))),
                    rejections=[rejected(place, reason) for place, reason in enumerate(reasons)],
                    received=good + bad + twice + shed,
                    stored=good,
                    duplicate=twice,
                    shed=shed,
                ),
            )
            open_ones = list(opened.rejections())
            if open_ones and data.draw(st.booleans()):
                one = open_ones[0]
                opened.commit([Replayed(T0, one.id, one.reason, "d", message(0))], Outcomes(journal=[0], replayed=[one.id], stored=1))
            totals = opened.totals()
            counts = opened.rejection_counts()
            gone = sum(count.rejected for count in counts.values())
            assert totals.received == totals.stored + totals.duplicate + totals.shed + gone
            assert totals.kept_rejections == len(list(opened.rejections())) <= 3
