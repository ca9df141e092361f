"""The step that is usual, learnt per series (semantics D1)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from devices.qc.limits import Learnt

TEST = Learnt(floor=20, relative=0.5, times=4)


@given(st.floats(5, 500), st.floats(0, 1e6))
def test_one_sample_changes_it_by_a_tenth_at_most(scale: float, move: float) -> None:
    after = TEST.taught(scale, move)
    assert after <= max(scale * 1.1 + 1e-9, scale)
    assert after >= min(scale, 200)


def test_it_settles_where_one_sample_in_fifty_moves_more() -> None:
    chance, test = random.Random(1), Learnt(floor=1)
    scale, loud, count = test.least, 0, 40_000
    for number in range(count):
        move = abs(chance.gauss(0, 3))
        if number > count / 2:
            loud += move > scale
        scale = test.taught(scale, move)
        if number % 32 == 0:
            scale = test.rested(scale, 32)
    assert 0.012 < loud / (count / 2) < 0.03


def test_the_largest_of_floor_scale_and_part_of_the_level_counts() -> None:
    assert TEST.limit(5, 10) == 20
    assert TEST.limit(10, 10) == 40
    assert TEST.limit(5, -400) == 200


def test_it_is_bounded() -> None:
    scale = TEST.least
    for _ in range(1_000):
        scale = TEST.taught(scale, 1e9)
    assert TEST.limit(scale, 0) == 40 * 20
    assert TEST.rested(scale, 1 << 40) == TEST.least
