"""Lanes and outbox: cursors, backlogs, refused lines, parking, intents (semantics B5, B6, F1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.inputs import Input, Tick
from gateway.core.outcomes import Outcomes
from gateway.ledger import LedgerError, LedgerReader
from tests.gateway.ledger.building import T0, fill, intent, ledger, line, message, stored


def test_a_lane_reads_whole_batches_up_to_a_number_of_lines(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        for size in (3, 4, 2, 50, 1):
            inputs = [message(number) for number in range(size)]
            opened.commit(inputs, stored(inputs))

        def sizes(after: int, most: int) -> list[tuple[int, int]]:
            return [(seq, len(lines)) for seq, lines in opened.read_lines(after, most)]

        assert sizes(0, 1000) == [(1, 3), (2, 4), (3, 2), (4, 50), (5, 1)]
        assert sizes(0, 9) == [(1, 3), (2, 4), (3, 2)]
        assert sizes(0, 8) == [(1, 3), (2, 4)]
        assert sizes(2, 10) == [(3, 2)]
        assert sizes(3, 10) == [(4, 50)]  # one batch at least, however large
        assert sizes(5, 10) == []
        assert opened.read_lines(4, 10) == [(5, [line(0)])]


def test_a_long_backlog_is_read_in_order_and_whole(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 100, 3)
        after, seen = 0, []
        while batches := opened.read_lines(after, 70):
            assert sum(len(lines) for _, lines in batches) == min(69, 300 - len(seen))
            seen += [item for _, lines in batches for item in lines]
            after = batches[-1][0]
        assert seen == [line(number) for number in range(300)]


def test_since_when_the_oldest_has_waited(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=100)
        opened.register_receiver("r")
        assert opened.waiting_since() == {}
        opened.commit([Tick(T0)], Outcomes(journal=[0]))
        assert opened.waiting_since() == {}, "a batch without lines is nothing to wait for"
        fill(opened, 3, 1, step_ms=1000)
        assert opened.waiting_since() == {"h": T0}
        opened.advance("h", 2, now_ms=T0)
        assert opened.waiting_since() == {"h": T0 + 1000}
        opened.commit([], Outcomes(intents=[intent("a/b/1", at=7), intent("a/b/2", at=9)]))
        assert opened.waiting_since() == {"h": T0 + 1000, "r": T0 + 7}
        opened.advance("h", 5, now_ms=T0)
        ((first, _), _) = opened.read_intents("r")
        opened.mark_delivered("r", first)
        assert opened.waiting_since() == {"r": T0 + 9}


def test_backlog_is_what_waits_behind_the_cursor(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=100)
        fill(opened, 5, 4)
        opened.commit([Tick(T0)], Outcomes(journal=[0]))
        state = opened.lane_state("h")
        assert (state.cursor, state.head, state.backlog_batches, state.backlog_lines) == (0, 6, 5, 20)
        assert state.backlog_bytes == opened.totals().line_bytes
        state = opened.advance("h", 3, now_ms=T0)
        assert (state.cursor, state.backlog_batches, state.backlog_lines) == (3, 2, 8)
        assert opened.advance("h", 2, now_ms=T0).cursor == 3  # never back
        state = opened.advance("h", 5, now_ms=T0)
        assert (state.backlog_batches, state.backlog_lines, state.backlog_bytes) == (0, 0, 0)
    with ledger(tmp_path / "l.db") as opened:
        state = opened.register_lane("h", "influxdb", required=False, quota=7)
        assert (state.cursor, state.kind, state.required, state.quota) == (5, "influxdb", False, 7)


def test_an_unknown_lane_is_an_error(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        for call in (lambda: opened.lane_state("x"), lambda: opened.advance("x", 1, now_ms=T0), lambda: opened.read_intents("x")):
            with pytest.raises(LedgerError, match="'x' is not registered"):
                call()


def test_a_new_lane_gets_what_is_still_kept(tmp_path: Path) -> None:
    """Whoever changes from one history to another must not lose what the old one had not got yet."""
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("old", "duckdb", required=True, quota=0)
        fill(opened, 10)
        opened.advance("old", 6, now_ms=T0)
        opened.prune(T0)
        opened.retire_lane("old")
        state = opened.register_lane("new", "duckdb", required=True, quota=0)
        assert (state.cursor, state.backlog_lines) == (6, 16)
        assert [item.name for item in opened.lane_states()] == ["new"]


def test_b6_refused_lines_are_listed_with_their_reason(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("h", "influxdb", required=True, quota=0)
        opened.register_lane("g", "influxdb", required=True, quota=0)
        fill(opened, 2)
        opened.advance("h", 1, [(line(2), "field type conflict")], now_ms=T0 + 5)
        opened.advance("h", 1, [(line(2), "field type conflict")], now_ms=T0 + 6)  # repeated after a crash: listed once
        opened.advance("g", 2, [(line(3), "outside retention")], now_ms=T0 + 7)
        with LedgerReader(tmp_path / "l.db") as reader:
            assert [(item.lane, item.line, item.reason, item.at_ms) for item in reader.history_rejected()] == [
                ("h", line(2), "field type conflict", T0 + 5),
                ("g", line(3), "outside retention", T0 + 7),
            ]
        (one,) = opened.history_rejected("h")
        opened.forget_refused([one.id])
        assert [item.lane for item in opened.history_rejected()] == ["g"]


def test_b5_a_lane_beyond_its_quota_is_parked_and_the_gap_recorded(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("main", "duckdb", required=True, quota=1)
        opened.register_lane("extra", "influxdb", required=False, quota=2000)
        fill(opened, 5)
        opened.advance("extra", 2, now_ms=T0)
        assert opened.prune(T0).parked == []
        fill(opened, 60)
        assert opened.prune(T0 + 10).parked == ["extra"]
        assert opened.prune(T0 + 11).parked == []
        assert opened.lane_state("extra").parked
        assert not opened.lane_state("main").parked
        opened.advance("main", 65, now_ms=T0)
        opened.prune(T0)
        assert opened.read_lines(0, 10**6) == []  # the parked lane pins nothing
        fill(opened, 3)
        (gap,) = opened.lane_gaps("extra")
        assert (gap.after_seq, gap.upto_seq, gap.from_ms, gap.lines) == (2, None, T0 + 10, 66 * 4)
        state = opened.resume_lane("extra", now_ms=T0 + 20)
        assert (state.parked, state.cursor, state.backlog_lines) == (False, 68, 0)
        (gap,) = opened.lane_gaps()
        assert (gap.after_seq, gap.upto_seq, gap.upto_ms, gap.lines) == (2, 68, T0 + 20, 66 * 4)
        fill(opened, 2)
        assert opened.lane_state("extra").backlog_lines == 8
        opened.resume_lane("extra", now_ms=T0 + 30)  # not parked: nothing is skipped
        assert opened.lane_state("extra").backlog_lines == 8


def test_b5_what_was_being_written_while_a_lane_was_parked_is_not_in_its_gap(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_lane("extra", "influxdb", required=False, quota=0)
        fill(opened, 4)
        assert opened.prune(T0).parked == ["extra"]
        opened.advance("extra", 3, now_ms=T0)
        opened.resume_lane("extra", now_ms=T0)
        (gap,) = opened.lane_gaps()
        assert (gap.after_seq, gap.upto_seq, gap.lines) == (3, 4, 4)


# the outbox


def commit_intents(opened: object, *names: str) -> None:
    inputs: list[Input] = [message(0)]
    opened.commit(inputs, stored(inputs, intents=[intent(name) for name in names]))  # type: ignore[attr-defined]


def test_f1_each_receiver_has_its_own_place_and_new_ones_start_at_the_end(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        commit_intents(opened, "before")
        opened.register_receiver("a")
        opened.register_receiver("b")
        commit_intents(opened, "e1", "e2", "e3")
        found = opened.read_intents("a")
        assert [item.transition.episode for _, item in found] == ["e1", "e2", "e3"]
        assert found[0][1] == intent("e1")
        opened.mark_delivered("a", found[0][0])
        assert [item.transition.episode for _, item in opened.read_intents("a")] == ["e2", "e3"]
        assert [item.transition.episode for _, item in opened.read_intents("b", limit=2)] == ["e1", "e2"]
        assert (opened.waiting_intents("a"), opened.waiting_intents("b")) == (2, 3)
    with ledger(tmp_path / "l.db") as opened:  # due before a crash, sent after it
        opened.register_receiver("a")
        opened.register_receiver("c")
        assert opened.waiting_intents("a") == 2
        assert opened.read_intents("c") == []
        opened.retire_receiver("b")
        assert opened.receivers() == ["a", "c"]


def test_f1_what_cannot_be_told_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_receiver("a")
        commit_intents(opened, "e1", "e2")
        (first, one), (second, _) = opened.read_intents("a")
        for _ in range(2):
            opened.mark_undelivered("a", first, "404 no such hook", now_ms=T0 + 9)
        assert [number for number, _ in opened.read_intents("a")] == [second]
        (aside,) = opened.undelivered("a")
        assert (aside.receiver, aside.intent, aside.reason, aside.at_ms) == ("a", one, "404 no such hook", T0 + 9)
        assert opened.undelivered("b") == []
