"""Positions that cannot be, and devices that moved."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ioos_qc.utils import great_circle_distance

from devices.qc.location import distance_m, verdict
from tests.devices.qc import oracle

DEGREES = st.one_of(st.none(), st.floats(-400, 400, allow_nan=False))


@given(st.lists(st.tuples(DEGREES, DEGREES), min_size=1, max_size=10))
def test_verdicts_are_those_of_ioos_qc(places: list[tuple[float | None, float | None]]) -> None:
    lats, lons = [place[0] for place in places], [place[1] for place in places]
    assert [verdict(*place) for place in places] == oracle.flags("location_test", lat=oracle.array(lats), lon=oracle.array(lons))


CALLS = oracle.calls("location_test")


@pytest.mark.parametrize("call", [call for call in CALLS if call["args"].get("range_method") != "wgs84"], ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    """`range_max` is from point to point: there the place is the point before."""
    said = call["args"]
    found, place = [], None
    for lat, lon in zip(said["lat"], said["lon"], strict=True):
        found.append(verdict(lat, lon, place, said.get("range_max")))
        place = (lat, lon)
    assert found == call["flags"]


def test_on_the_sphere_it_is_half_a_percent_from_the_ellipsoid() -> None:
    """ioos_qc can also measure on the WGS 84 ellipsoid: its recorded call is right but for the point that lies 0.2 % from the limit."""
    (call,) = [call for call in CALLS if call["args"].get("range_method") == "wgs84"]
    places = list(zip(call["args"]["lat"], call["args"]["lon"], strict=True))
    exact = great_circle_distance(*(np.array(side) for side in zip(*places, strict=True)))[1:]
    ours = [distance_m(one, other) for one, other in pairwise(places)]
    assert ours == pytest.approx(list(exact), rel=0.005)
    assert [3 if metres > 7000 else 1 for metres in exact] == call["flags"][1:]


def test_a_station_is_measured_from_its_place() -> None:
    place = (16.0678, 108.2208)
    assert 1110 < distance_m(place, (16.0778, 108.2208)) < 1113
    assert verdict(16.0688, 108.2208, place, 200.0) == 1
    assert verdict(16.0778, 108.2208, place, 200.0) == 3
    assert verdict(float("nan"), None) == 9
