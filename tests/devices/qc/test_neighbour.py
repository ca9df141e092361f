"""A station among its neighbours."""

from __future__ import annotations

from devices.qc.neighbour import Neighbour, confirms, verdict

TEST = Neighbour(deviation=20, relative=0.5, least=3)


def test_far_from_the_median_is_suspect() -> None:
    assert verdict(35.0, [10.0, 12.0, 400.0], TEST) == 3
    assert verdict(31.0, [10.0, 12.0, 400.0], TEST) == 1
    assert verdict(150.0, [100.0, 101.0, 102.0], TEST) == 1  # half the median
    assert verdict(152.0, [100.0, 101.0, 102.0], TEST) == 3


def test_too_few_neighbours_say_nothing() -> None:
    assert verdict(500.0, [10.0, 12.0], TEST) == 2
    assert verdict(None, [10.0, 12.0, 13.0], TEST) == 9


def test_directions_turn_by_the_short_way() -> None:
    assert verdict(355.0, [1.0, 5.0, 8.0], TEST, turn=True) == 1
    assert verdict(180.0, [1.0, 5.0, 8.0], TEST, turn=True) == 3


def test_a_neighbour_confirms_that_went_the_same_way() -> None:
    assert confirms(200.0, 50.0, [48.0, 190.0], 40.0)
    assert not confirms(200.0, 50.0, [48.0, 60.0], 40.0)
    assert not confirms(60.0, 50.0, [55.0], 40.0), "it stands where the value came from as well"
