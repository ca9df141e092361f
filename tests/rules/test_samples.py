"""The readings of one bucket, for median and p95: exact while they are few, then rounded."""

from __future__ import annotations

import math
from array import array

from hypothesis import given
from hypothesis import strategies as st

from rules.samples import BINS, EXACT, put_in, ranked, take_out

values = st.floats(-1000, 1000).map(lambda value: round(value, 2))


@given(st.lists(values, min_size=1, max_size=EXACT - 1))
def test_few_are_kept_as_they_are(readings: list[float]) -> None:
    pairs = array("d")
    for value in readings:
        put_in(pairs, value)
    held = list(zip(pairs[::2], pairs[1::2], strict=True))
    assert [ranked(held, rank + 1) for rank in range(len(readings))] == sorted(readings)
    for value in readings:
        take_out(pairs, value)
    assert not pairs


@given(st.lists(values, min_size=1, max_size=400))
def test_many_are_bounded_and_rounded_by_little(readings: list[float]) -> None:
    pairs = array("d")
    for value in readings:
        put_in(pairs, value)
        assert len(pairs) <= 2 * BINS
    held = list(zip(pairs[::2], pairs[1::2], strict=True))
    assert held == sorted(held)
    assert sum(weight for _, weight in held) == len(readings)
    if len(set(readings)) <= BINS // 2:
        for rank, value in enumerate(sorted(readings), 1):
            assert math.isclose(ranked(held, rank), value, rel_tol=0.0101, abs_tol=1e-9)


def test_the_last_rank_is_the_largest() -> None:
    assert ranked([(1.0, 2.0), (3.0, 1.0)], 9) == 3.0
