"""Means with 75 % of their hours."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from devices.indices.averages import largest, mean, needed, trailing, usable


def test_75_percent() -> None:
    assert [needed(hours) for hours in (1, 8, 23, 24, 25)] == [1, 6, 18, 18, 19]


def test_a_mean_needs_its_hours() -> None:
    assert mean([1.0] * 6 + [None] * 2, 8) == 1
    assert mean([1.0] * 5 + [None] * 3, 8) is None
    assert mean([40.0] * 18 + [None] * 6, 24) == 40
    assert mean([40.0] * 17 + [None] * 7, 24) is None
    assert mean([5.0], 8) is None
    assert mean([], 1) is None


def test_15_of_24_hours_are_too_few() -> None:
    """Left out of the shared vectors, which compute 112 from them (domain 1.4: 18 of 24)."""
    assert mean([40.0] * 15 + [None] * 9, 24) is None


def test_only_the_newest_hours_count() -> None:
    assert mean([1000.0] * 40 + [2.0] * 8, 8) == 2


def test_a_mean_is_the_decimal_that_it_means() -> None:
    assert mean([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], 8) == 0.2
    assert mean([9.1] * 24, 24) == 9.1


def test_no_numbers_are_no_hours() -> None:
    nan, inf = math.nan, math.inf
    assert usable([1.0, nan, inf, -inf, 1e300, None]) == [1, None, None, None, None, None]
    assert mean([nan] * 2 + [3.0] * 6, 8) == 3
    assert mean([nan] * 3 + [3.0] * 5, 8) is None


def test_eight_hour_means_begin_the_evening_before() -> None:
    """The one at 01:00 spans 18:00 to 01:00."""
    before, day = [1.0] * 7, [9.0] * 24
    means = trailing(day, before, 8)
    assert len(means) == 24
    assert means[0] == (7 * 1 + 9) / 8
    assert means[7] == 9
    assert trailing(day, [], 8)[:7] == [None] * 5 + [9, 9]
    assert trailing(day, [100.0] * 48 + before, 8) == means


def test_a_maximum_needs_its_hours_too() -> None:
    assert largest([1.0] * 17 + [7.0] + [None] * 6) == 7
    assert largest([1.0] * 16 + [7.0] + [None] * 7) is None


@given(st.lists(st.none() | st.floats(), max_size=48), st.sampled_from([1, 8, 24]))
def test_any_numbers(hours: list[float | None], of: int) -> None:
    value = mean(hours, of)
    present = [hour for hour in usable(hours[-of:]) if hour is not None]
    if value is None:
        assert len(present) < needed(of)
    else:
        assert min(present) - 1e-6 <= value <= max(present) + 1e-6
