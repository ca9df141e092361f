"""NowCast against the decision's example, published windows, and as properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.indices.nowcast import epa_nowcast, nowcast
from tests.devices.indices.shared import vectors, vn

EXAMPLE = [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6]
"""Of Decision 1459, oldest first."""
HOURS = st.lists(st.none() | st.floats(min_value=0, max_value=1000), min_size=12, max_size=12)
WINDOWS = vectors("hanoi_windows.json")["windows"]


def test_example_of_the_decision() -> None:
    value = nowcast(EXAMPLE)
    assert value == pytest.approx(20.266, abs=5e-4)
    assert round(value, 1) == 20.3  # as the decision prints it
    assert vn("pm25_nowcast", value) == 41


@pytest.mark.parametrize("case", vectors("golden.json")["nowcast"])
def test_golden(case: dict[str, list[float | None]]) -> None:
    hours = case["c_newest_first"][::-1]
    assert nowcast(hours) == pytest.approx(case["normalised"], abs=5e-5)
    assert nowcast(hours, literal=True) == pytest.approx(case["literal_1459"], abs=5e-5)


def test_reference_values() -> None:
    steep = [10.0] * 8 + [20.0, 30.0, 40.0, 100.0]
    assert nowcast(steep) == pytest.approx(65.639, abs=5e-4)
    assert nowcast(steep, literal=True) == pytest.approx(65.623, abs=5e-4)
    assert nowcast([None] * 9 + [40.0, None, 50.0]) == pytest.approx(46.098, abs=5e-4)
    assert nowcast([1.0] * 9 + [40.0, None, None]) is None


def test_omak_smoke() -> None:
    """Omak, 21 August 2015: numbers of MazamaScience's NowCast vignette, PM2.5, w = 1/2."""
    newest_first = [46.3, 27.4, 59.8, 129.2, 130.6, 215.4, 143.2, 93.7, 101.8, 49.3, 80.2, 123.3]
    assert epa_nowcast(newest_first[::-1]) == 54.8


@pytest.mark.parametrize("window", WINDOWS, ids=[window["time_local"] for window in WINDOWS])
def test_published_at_hanoi(window: dict[str, object]) -> None:
    """250 windows of AirNow; it rounded to 0.1 until mid-2018 and truncated since, hence within 0.1."""
    hours = window["c1_latest_to_c12"][::-1]  # type: ignore[index]
    value = nowcast(hours)
    assert value == pytest.approx(window["reference_unrounded"], abs=5e-5)
    assert abs(value - window["published_nowcast"]) <= 0.1 + 1e-9  # type: ignore[operator]
    if str(window["time_local"]) >= "2018-07":
        assert epa_nowcast(hours) == window["published_nowcast"]


def test_windows_that_disagree_do_so_by_what_the_publisher_still_had() -> None:
    """AirNow computed these before it marked hours as suspect or invalid: without those hours nobody can have its number.

    They are here so that none is forgotten: 30, all with a missing hour. `test_hanoi.py` lists every such hour of the files.
    """
    others = vectors("hanoi_windows.json")["windows_that_disagree"]
    assert len(others) == 30
    for window in others:
        assert nowcast(window["c1_latest_to_c12"][::-1]) == pytest.approx(window["reference_unrounded"], abs=5e-5)
        assert None in window["c1_latest_to_c12"]


@given(HOURS)
def test_lies_between_least_and_most(hours: list[float | None]) -> None:
    value = nowcast(hours)
    present = [hour for hour in hours if hour is not None]
    if sum(hour is not None for hour in hours[-3:]) < 2:
        assert value is None
    else:
        assert value is not None
        assert min(present) - 1e-6 <= value <= max(present) + 1e-6


@given(HOURS, st.lists(st.none() | st.floats(), max_size=36))
def test_only_twelve_hours_count(hours: list[float | None], older: list[float | None]) -> None:
    assert nowcast(older + hours) == nowcast(hours)


@given(st.floats(min_value=0, max_value=900), st.sets(st.integers(0, 8)))
def test_gaps_in_even_air_change_nothing(level: float, gaps: set[int]) -> None:
    """Which is what the literal formula gets wrong."""
    hours = [None if at in gaps else level for at in range(12)]
    assert nowcast(hours) == pytest.approx(level, abs=1e-6)


@given(HOURS, st.permutations(range(9)))
def test_order_of_older_hours_matters_little_when_the_air_is_even(hours: list[float | None], order: list[int]) -> None:
    """Shuffling changes neither whether there is a value nor its weight, only which hours weigh more: still within their span."""
    shuffled = [hours[at] for at in order] + hours[9:]
    value, other = nowcast(hours), nowcast(shuffled)
    assert (value is None) == (other is None)
    present = [hour for hour in hours if hour is not None]
    if other is not None:
        assert min(present) - 1e-6 <= other <= max(present) + 1e-6


@given(st.lists(st.none() | st.floats(), max_size=60))
def test_any_numbers(hours: list[float | None]) -> None:
    value = nowcast(hours)
    assert value is None or math.isfinite(value)
    literal = nowcast(hours, literal=True)
    assert (literal is None) == (value is None)


def test_all_zero_is_zero() -> None:
    assert nowcast([0.0] * 12) == 0
    assert nowcast([0.0] * 12, literal=True) == 0


def test_even_air_keeps_its_decimals() -> None:
    """Twelve hours of 9.1 are 9.1, not 9.0 by way of 9.099999999999998."""
    for tenths in range(2000):
        assert epa_nowcast([tenths / 10] * 12) == tenths / 10


def test_epa_pm10_is_cut_to_whole_numbers() -> None:
    assert epa_nowcast([54.9] * 12, 1) == 54
    assert epa_nowcast([None] * 12) is None
