"""Is the device where the registry has it?"""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.location import Place, distance_m

HOME = Place(16.0544, 108.2022, suspect_m=200)


@pytest.mark.parametrize(
    ("latitude", "longitude", "flag"),
    [
        (16.0544, 108.2022, 1),
        (16.0560, 108.2022, 1),  # 178 m north
        (16.0564, 108.2022, 3),  # 222 m
        (108.2022, 16.0544, 4),  # the two mixed up
        (16.0544, None, 4),
        (None, nan, 9),
        (0.0, 0.0, 3),
    ],
)
def test_flag(latitude: float | None, longitude: float | None, flag: int) -> None:
    assert HOME.flag(latitude, longitude) == flag


def test_distances() -> None:
    assert distance_m(0, 0, 0, 1) == pytest.approx(111_195, abs=1)
    assert distance_m(16, 179.9995, 16, -179.9995) == pytest.approx(106.9, abs=0.1)
    assert distance_m(90, 0, -90, 123) == pytest.approx(20_015_115, abs=1)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_the_way_back_is_as_long(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> None:
    there = distance_m(latitude, longitude, other_latitude, other_longitude)
    assert there == pytest.approx(distance_m(other_latitude, other_longitude, latitude, longitude), abs=1e-3)
    assert 0 <= there <= 20_015_116
