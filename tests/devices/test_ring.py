"""The ring of hourly means, against a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.hours import HourState
from devices.ring import RING_HOURS, keep_mean, means


@given(st.lists(st.tuples(st.integers(0, 80), st.one_of(st.none(), st.floats(-1e9, 1e9))), max_size=40))
def test_the_ring_of_means_is_a_sparse_array(items: list[tuple[int, float | None]]) -> None:
    state, known = HourState(), {}
    for hour, mean in items:
        keep_mean(state, hour, mean)
        newest = state.newest
        if hour > newest - RING_HOURS:
            known[hour] = mean
    upto = max((hour for hour, _ in items), default=0)
    got = means(state, upto)
    got = [None if mean != mean else mean for mean in got]
    assert got == [known.get(hour) if hour > upto - RING_HOURS else None for hour in range(upto - RING_HOURS + 1, upto + 1)]
    assert len(state.ring) in (0, 8 * RING_HOURS)
