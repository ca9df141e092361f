"""Gaps as ioos_qc sees them; duplicates and clocks, which it does not look at."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.timing import Timing, TimingState, step
from tests.devices.qc import oracle


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.sampled_from([1, 2, 3]))
def test_gaps_are_those_of_ioos_qc(minutes: list[int], hours: int) -> None:
    times = [oracle.START_S + 60 * sum(minutes[:index]) for index in range(len(minutes) + 1)]
    theirs = oracle.flags("time_gap_test", tinp=np.array(times, dtype="datetime64[s]"), fail_span=hours)
    state, found = TimingState(), list[int]()
    for at in times:
        first, now = step(state, at * 1000, Timing(gap_ms=hours * 3_600_000))
        if first is not None:
            found[0] = first
        found.append(now)
    assert found == theirs


def test_a_single_value_is_not_evaluated_where_ioos_qc_raises() -> None:
    """Domain facts 5.2: one element is an IndexError there."""
    assert step(TimingState(), 1000, Timing(gap_ms=1)) == (None, 2)


def test_the_same_instant_again_is_suspect_and_a_late_one_is_not_evaluated() -> None:
    state = TimingState()
    assert [step(state, at, Timing())[1] for at in (1000, 2000, 2000, 1500, 3000)] == [2, 1, 3, 2, 1]


def test_a_clock_that_is_far_off_is_suspect() -> None:
    state, test = TimingState(), Timing(clock_ms=60_000)
    assert [step(state, at, test, offset)[1] for at, offset in ((1, 0), (2, 59_000), (3, -61_000), (4, None))] == [2, 1, 3, 1]
