"""The odd one out among its neighbours."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.neighbour import Neighbours
from tests.devices.qc.series import QUARTERS

TEST = Neighbours(absolute=10.0, ratio=0.5)


@pytest.mark.parametrize(
    ("value", "others", "flag"),
    [
        (30.0, (28.0, 31.0, 35.0), 1),
        (41.0, (28.0, 31.0, 35.0), 1),  # 10 away: not beyond either limit
        (47.0, (28.0, 31.0, 35.0), 3),
        (10.0, (28.0, 31.0, 35.0), 3),
        (140.0, (100.0, 101.0, 99.0), 1),  # in proportion
        (30.0, (300.0, 31.0, 29.0, 28.0), 1),  # a median: one bad neighbour does not matter
        (400.0, (28.0, 31.0), 2),
        (400.0, (28.0, 31.0, None, nan, inf), 2),
        (None, (28.0, 31.0, 35.0), 9),
        (inf, (28.0, 31.0, 35.0), 9),
    ],
)
def test_flag(value: float | None, others: tuple[float | None, ...], flag: int) -> None:
    assert TEST.flag(value, others) == flag


@given(QUARTERS, st.lists(QUARTERS, min_size=3, max_size=9))
def test_neither_order_nor_a_common_shift_matters(value: float, others: list[float]) -> None:
    test = Neighbours(absolute=2.0)
    assert test.flag(value, others) == test.flag(value, sorted(others)) == test.flag(value + 64, [other + 64 for other in others])


def test_winds_about_north_agree() -> None:
    test = Neighbours(absolute=45.0, circular=True)
    assert test.flag(350.0, (5.0, 10.0, 355.0)) == 1
    assert test.flag(180.0, (5.0, 10.0, 355.0)) == 3
