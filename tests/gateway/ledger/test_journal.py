"""The journal: what goes in comes out, in order, however it was cut (semantics A1, A3, B1a)."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.inputs import Accounting, ClockJump, Command, Config, Input, Link, Message, Replayed, Shed, Start, Tick
from gateway.core.outcomes import Outcomes
from gateway.ledger import LedgerDamaged, LedgerError, LedgerReader
from tests.gateway.ledger.building import HOUR, T0, fill, ledger, message, stored

TIMES = st.integers(0, 2**42)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
MESSAGES = st.builds(
    Message, TIMES, NAMES, NAMES, st.binary(max_size=60), st.sampled_from([0, 1]),
    st.booleans(), st.booleans(), st.none() | st.integers(1, 65_535), st.booleans(),
)  # fmt: skip
INPUTS: st.SearchStrategy[Input] = st.one_of(
    MESSAGES,
    st.builds(Tick, TIMES),
    st.builds(Start, TIMES, NAMES),
    st.builds(lambda now, text: Config(now, f"digest of {text}", text), TIMES, NAMES),
    st.builds(Link, TIMES, NAMES, st.booleans()),
    st.builds(ClockJump, TIMES, st.integers(-(2**40), 2**40)),
    st.builds(Shed, TIMES, NAMES, st.integers(1, 9999)),
    st.builds(Replayed, TIMES, st.integers(1, 2**40), NAMES, NAMES, MESSAGES),
    st.builds(
        Accounting,
        TIMES,
        NAMES,
        st.lists(st.tuples(NAMES, st.floats(0, 1e12)), max_size=3).map(tuple),
        st.lists(st.tuples(NAMES, st.floats(0, 1e12), st.floats(0, 1e12)), max_size=3).map(tuple),
    ),
    st.builds(Command, TIMES, st.sampled_from(["acknowledge", "close", "silence"]), NAMES, NAMES, NAMES, TIMES),
)


@given(inputs=st.lists(INPUTS, min_size=1, max_size=25), cuts=st.sets(st.integers(1, 24)))
def test_a1_any_cutting_reads_back_the_same_journal(inputs: list[Input], cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(inputs)), len(inputs)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with ledger(path) as opened:
            for begin, end in itertools.pairwise(edges):
                part = inputs[begin:end]
                opened.commit(part, Outcomes(journal=list(range(len(part)))))
        with ledger(path) as again:
            read = list(again.journal())
            assert [item for _, part in read for item in part] == inputs
            assert [seq for seq, _ in read] == list(range(1, len(edges)))


def test_only_the_inputs_named_are_journalled(tmp_path: Path) -> None:
    inputs: list[Input] = [message(0), Tick(T0 + 1), message(2)]
    with ledger(tmp_path / "l.db") as opened:
        opened.commit(inputs, stored(inputs, journal=[0, 2]))
        assert list(opened.journal()) == [(1, [inputs[0], inputs[2]])]


def test_a_batch_in_which_nothing_happened_is_not_written(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        assert fill(opened, 1) == 1
        assert opened.commit([Tick(T0)], Outcomes()) == 1
        assert fill(opened, 1) == 2


def test_journal_streams_between_bounds(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 40, 2)
        assert [seq for seq, _ in opened.journal(after=10, upto=33)] == list(range(11, 34))
        bounds = opened.journal_bounds()
        assert bounds is not None
        assert (bounds.first_seq, bounds.last_seq, bounds.first_ms, bounds.last_ms) == (1, 40, T0 + 1, T0 + 79)
        assert bounds.bytes == opened.totals().journal_bytes
        assert opened.last_received_ms() == T0 + 79


def test_a_new_ledger_is_empty(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        assert (opened.head, opened.last_received_ms(), opened.journal_bounds(), list(opened.journal())) == (0, 0, None, [])


def test_a_configuration_is_kept_once_and_restored(tmp_path: Path) -> None:
    text = '{"rules": "' + "x" * 50_000 + '"}'
    with ledger(tmp_path / "l.db") as opened:
        for number in range(5):
            inputs: list[Input] = [Config(T0 + number, "abc", text)]
            opened.commit(inputs, stored(inputs))
        assert [item for _, part in opened.journal() for item in part] == [Config(T0 + number, "abc", text) for number in range(5)]
        assert opened.config_text("abc") == text
        assert opened.config_text("other") is None
        assert opened.totals().journal_bytes < 500


def test_numbers_grow_across_restarts(tmp_path: Path) -> None:
    for expected in (3, 6, 9):
        with ledger(tmp_path / "l.db") as opened:
            assert fill(opened, 3) == expected


# redelivery (B1a)


def test_b1a_redelivery_is_exactly_this_message(tmp_path: Path) -> None:
    first = message(1)
    with ledger(tmp_path / "l.db") as opened:
        opened.commit([first], stored([first]))
        again = msgspec.structs.replace(first, dup=True, received_ms=T0 + 500)
        candidates = [
            again,
            msgspec.structs.replace(again, dup=False),
            msgspec.structs.replace(again, packet_id=77),
            msgspec.structs.replace(again, source="other"),
            msgspec.structs.replace(again, topic="city/air/9"),
            msgspec.structs.replace(again, payload=b"other"),
            msgspec.structs.replace(again, qos=0, packet_id=None),
            again,
        ]
        assert opened.redelivered(candidates) == {0, 7}


def test_b1a_redelivery_looks_back_two_hours_of_the_journal(tmp_path: Path) -> None:
    old, young = message(1), message(2, ms=T0 + HOUR)
    now = message(3, ms=T0 + 2 * HOUR + 1000)
    with ledger(tmp_path / "l.db") as opened:
        for item in (old, young, now):
            opened.commit([item], stored([item]))
        assert opened.redelivered([msgspec.structs.replace(item, dup=True) for item in (old, young, now)]) == {1, 2}


def test_b1a_redelivery_survives_a_clock_jump(tmp_path: Path) -> None:
    first = message(1)
    jump = ClockJump(T0 + 3 * 24 * HOUR, 3 * 24 * HOUR)
    later = message(2, ms=T0 + 3 * 24 * HOUR + 1)
    with ledger(tmp_path / "l.db") as opened:
        for inputs in ([first], [jump], [later]):
            opened.commit(inputs, stored(inputs))
        assert opened.redelivered([msgspec.structs.replace(first, dup=True)]) == {0}


@pytest.mark.slow
def test_b1a_redelivery_is_found_among_many(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 5000, 1)
        opened.prune(T0)
        wanted = [message(number, dup=True) for number in (0, 2500, 4999)]
        assert opened.redelivered([*wanted, message(6000, dup=True)]) == {0, 1, 2}


# readers


def test_a_reader_sees_what_is_committed_while_the_gateway_runs(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened, LedgerReader(tmp_path / "l.db") as reader:
        assert list(reader.journal()) == []
        fill(opened, 2)
        assert [seq for seq, _ in reader.journal()] == [1, 2]


def test_a_reader_says_that_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="has the gateway run"):
        LedgerReader(tmp_path / "none.db")


def test_a_rotten_record_is_named(tmp_path: Path) -> None:
    import sqlite3

    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 3, 50)
    db = sqlite3.connect(tmp_path / "l.db")
    data = bytearray(db.execute("SELECT data FROM journal WHERE seq = 2").fetchone()[0])
    data[len(data) // 2] ^= 0xFF
    db.execute("UPDATE journal SET data = ? WHERE seq = 2", (bytes(data),))
    db.commit()
    db.close()
    with ledger(tmp_path / "l.db") as opened:
        journal = opened.journal()
        assert next(journal)[0] == 1
        with pytest.raises(LedgerDamaged, match="journal batch 2"):
            next(journal)
