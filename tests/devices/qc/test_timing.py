"""Gap, order and clock."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.timing import Timing, TimingState
from tests.devices.qc.series import T0

TEST = Timing(gap_ms=120_000, ahead_ms=120_000, age_ms=7 * 86_400_000)


def test_what_is_found() -> None:
    state = TEST.start()
    steps = [0, 60_000, 60_000, 30_000, 180_000, 300_001]
    found = [TEST.push(state, T0 + step) for step in steps]
    assert [(verdict.flag, verdict.found) for verdict in found] == [
        (1, None), (1, None), (3, "duplicate"), (3, "late"), (1, None), (4, "gap")
    ]  # fmt: skip


def test_a_time_ahead_of_its_receipt_makes_nothing_after_it_late() -> None:
    state = TEST.start()
    assert TEST.push(state, T0, T0)[1:] == (1, None)
    assert TEST.push(state, T0 + 9_000_000, T0 + 60_000)[1:] == (4, "ahead")
    assert TEST.push(state, T0 + 120_000, T0 + 120_000)[1:] == (1, None)
    assert TEST.push(state, T0 + 240_000, T0 + 120_000)[1:] == (1, None)
    assert TEST.push(state, T0 - 7 * 86_400_000, T0 + 240_000)[1:] == (4, "stale")
    assert TEST.push(state, T0 + 240_000, T0 + 240_000)[1:] == (3, "duplicate")


@given(st.lists(st.integers(-300_000, 300_000), max_size=30), st.data())
def test_a_restart_anywhere_changes_nothing(steps: list[int], data: st.DataObject) -> None:
    one, other = TEST.start(), TEST.start()
    cut = data.draw(st.integers(0, len(steps)))
    time = T0
    for number, step in enumerate(steps):
        if number == cut:
            other = msgspec.msgpack.decode(msgspec.msgpack.encode(other), type=TimingState)
        time += step
        assert TEST.push(one, time) == TEST.push(other, time)
