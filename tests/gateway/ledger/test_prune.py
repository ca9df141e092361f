"""Pruning never takes what somebody still needs (semantics B5)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core.inputs import Config, Input
from gateway.core.outcomes import Outcomes
from gateway.ledger import Ledger, PruneReport
from tests.gateway.ledger.building import HOUR, T0, fill, intent, ledger, message, stored

DAY = 24 * HOUR


def prune(opened: Ledger, now_ms: int) -> PruneReport:
    total = PruneReport()
    while True:
        part = opened.prune(now_ms)
        total.journal_batches += part.journal_batches
        total.line_batches += part.line_batches
        total.receipts += part.receipts
        total.intents += part.intents
        total.vacuumed_pages += part.vacuumed_pages
        if not part.more:
            return total


def snapshot(opened: Ledger, seq: int, config: str = "c") -> None:
    writer = opened.begin_snapshot(seq, config, "1.0")
    writer.put("a", b"x")
    writer.finish()


def kept(opened: Ledger) -> tuple[int, int]:
    """First batch in the journal, first batch with lines; 0 for none."""
    bounds = opened.journal_bounds()
    lines = opened.read_lines(0, 1)
    return (bounds.first_seq if bounds else 0), (lines[0][0] if lines else 0)


def test_nothing_goes_while_nothing_may(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_retention="1h") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        fill(opened, 20)
        prune(opened, T0 + 99 * DAY)
        assert kept(opened) == (1, 1)
        snapshot(opened, 10)  # the lane has nothing yet
        prune(opened, T0 + 99 * DAY)
        assert kept(opened) == (1, 1)


def test_the_journal_goes_behind_the_slowest_of_lanes_snapshots_and_retention(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_retention="10h") as opened:
        opened.register_lane("fast", "duckdb", required=True, quota=0)
        opened.register_lane("slow", "influxdb", required=True, quota=0)
        fill(opened, 48, 1, step_ms=HOUR)  # batch n was received at T0 + n - 1 hours
        for seq in (20, 30):
            snapshot(opened, seq)
        opened.advance("fast", 40, now_ms=T0)
        opened.advance("slow", 12, now_ms=T0)
        prune(opened, T0 + 48 * HOUR)
        assert kept(opened) == (13, 13)
        opened.advance("slow", 40, now_ms=T0)
        prune(opened, T0 + 48 * HOUR)
        assert kept(opened) == (21, 41)  # behind the older of the two snapshots
        snapshot(opened, 45)
        snapshot(opened, 46)
        for lane in ("fast", "slow"):
            opened.advance(lane, 48, now_ms=T0)
        prune(opened, T0 + 48 * HOUR)
        assert kept(opened) == (39, 0)  # ten hours are kept for replay and backtests
        bounds = opened.journal_bounds()
        assert bounds is not None
        assert bounds.first_ms == T0 + 38 * HOUR
        assert opened.lane_state("fast").backlog_lines == 0
        fill(opened, 2)
        assert (opened.head, opened.lane_state("fast").backlog_lines) == (50, 8)


def test_the_journal_is_pruned_to_its_size(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_max_size=2000) as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        fill(opened, 60)
        opened.advance("h", 60, now_ms=T0)
        snapshot(opened, 60)
        snapshot(opened, 60)
        prune(opened, T0)
        bounds = opened.journal_bounds()
        assert bounds is not None
        assert 1500 < bounds.bytes <= 2000
        assert bounds.last_seq == 60
        assert sum(1 for _ in opened.journal()) == 60 - bounds.first_seq + 1


def test_a_lane_that_lacks_no_line_pins_nothing(tmp_path: Path) -> None:
    """Nothing but rejections for days: no line moves the cursor, the journal goes all the same."""
    with ledger(tmp_path / "l.db", journal_retention="1h") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        for number in range(5):
            opened.commit([message(number)], stored([message(number)], lines=[]))
        snapshot(opened, 5)
        snapshot(opened, 5)
        prune(opened, T0 + DAY)
        assert opened.journal_bounds() is None


def test_numbers_go_on_after_everything_was_pruned(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_retention="1h") as opened:
        fill(opened, 5)
        snapshot(opened, 5)
        snapshot(opened, 5)
        prune(opened, T0 + DAY)
        assert opened.journal_bounds() is None
    with ledger(tmp_path / "l.db") as opened:
        assert fill(opened, 1) == 6
        assert opened.last_received_ms() == T0 + 3
        state = opened.register_lane("h", "duckdb", required=True, quota=0)
        assert (state.cursor, state.backlog_lines) == (5, 4)


def test_receipts_go_after_two_hours_of_journal(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        fill(opened, 600, 1, step_ms=60_000)
        assert prune(opened, T0).receipts == 600 - 121
        assert opened.redelivered([message(599, dup=True), message(479, dup=True), message(478, dup=True)]) == {0, 1}


def test_intents_go_a_week_after_everybody_was_told(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db") as opened:
        opened.register_receiver("a")
        opened.register_receiver("b")
        inputs: list[Input] = [message(0)]
        opened.commit(inputs, stored(inputs, intents=[intent("e1"), intent("e2"), intent("e3", at=8 * DAY)]))
        opened.mark_delivered("a", 3)
        opened.mark_delivered("b", 1)
        assert prune(opened, T0 + 6 * DAY).intents == 0
        assert prune(opened, T0 + 9 * DAY).intents == 1
        assert [item.transition.episode for _, item in opened.read_intents("b")] == ["e2", "e3"]
        opened.mark_delivered("b", 3)
        assert prune(opened, T0 + 9 * DAY).intents == 1
        opened.register_receiver("c")
        assert opened.read_intents("c") == []


def test_configurations_that_are_needed_stay(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_retention="1h") as opened:
        for number, digest in enumerate(("a", "b", "c", "d")):
            inputs: list[Input] = [Config(T0 + number * HOUR, digest, f"text {digest}")]
            opened.commit(inputs, Outcomes(journal=[0]))
            fill(opened, 1, 1, start=number * HOUR + 1)
        snapshot(opened, 6, "a")
        snapshot(opened, 6, "c")
        prune(opened, T0 + DAY)
        bounds = opened.journal_bounds()
        assert bounds is not None
        assert bounds.first_seq == 7
        assert [opened.config_text(digest) for digest in "abcd"] == ["text a", None, "text c", "text d"]
        assert next(iter(opened.journal()))[1] == [Config(T0 + 3 * HOUR, "d", "text d")]


@pytest.mark.slow
def test_freed_space_goes_back_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with ledger(path, journal_retention="1h") as opened:
        opened.register_lane("h", "duckdb", required=True, quota=0)
        for number in range(60):
            inputs = [message(number, payload=random.Random(number).randbytes(200_000))]
            opened.commit(inputs, stored(inputs))
        snapshot(opened, 60)
        snapshot(opened, 60)
        opened.advance("h", 60, now_ms=T0)
        report = prune(opened, T0 + DAY)
        assert report.vacuumed_pages > 1000
        with opened._writer.connection() as db:
            pages = db.execute("PRAGMA page_count").fetchone()[0]
        assert pages < 2000


def test_a_slice_is_small(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db", journal_retention="1h") as opened:
        fill(opened, 300)
        snapshot(opened, 300)
        snapshot(opened, 300)
        first = opened.prune(T0 + DAY, budget_ms=0)
        assert first.more
        assert first.journal_batches == 0  # no time, no work: and it says that there is more
        second = opened.prune(T0 + DAY)
        assert second.journal_batches > 0
