"""Directions: the short way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.circular import difference, unwrap
from devices.qc.flat_line import FlatLine
from devices.qc.rate import Rate
from devices.qc.spike import Spike
from tests.devices.qc.series import flags, rows

DEGREES = st.floats(0, 360)


@pytest.mark.parametrize(("one", "other", "away"), [(1, 359, 2), (359, 1, -2), (90, 45, 45), (0, 360, 0), (10, 190, -180)])
def test_difference(one: float, other: float, away: float) -> None:
    assert difference(one, other) == away


@given(DEGREES, DEGREES)
def test_no_two_directions_are_farther_apart_than_half_a_turn(one: float, other: float) -> None:
    assert abs(difference(one, other)) <= 180
    assert abs(abs(difference(one, other)) - abs(difference(other, one))) < 1e-9
    assert abs(unwrap(one, other) - other) <= 180 + 1e-9


@given(DEGREES, st.integers(-3, 3))
def test_an_unwrapped_direction_stays_where_it_is(direction: float, turns: int) -> None:
    near = unwrap(direction, 360.0 * turns)
    assert unwrap(direction, near) == near


def test_a_vane_about_north_is_calm_and_one_that_is_stuck_there_is_flat() -> None:
    about_north = rows([358.0, 2.0, 359.0, 1.0])
    assert flags(Rate(0.1, circular=True), about_north) == [1, 1, 1, 1]
    assert flags(Rate(0.1), about_north) == [1, 3, 3, 3]
    assert flags(Spike(10.0, circular=True), about_north) == [2, 1, 1, 2]
    assert flags(Spike(10.0), about_north) == [2, 3, 3, 2]
    assert flags(Spike(10.0, method="average", circular=True), rows([350.0, 90.0, 10.0])) == [2, 3, 2]
    assert flags(Spike(10.0, method="average", circular=True), rows([350.0, 0.0, 10.0])) == [2, 1, 2]
    stuck = rows([359.9, 0.0, 360.0, 0.1, 359.9])
    assert flags(FlatLine(60_000, 120_000, 180_000, 0.5, circular=True), stuck) == [1, 1, 3, 4, 4]
    assert flags(FlatLine(60_000, 120_000, 180_000, 0.5), stuck) == [1, 1, 1, 1, 1]
