"""9 < 2 < 1 < 3 < 4."""

from __future__ import annotations

from itertools import pairwise

import pytest

from devices.qc.rollup import roll_up


def test_order() -> None:
    order = (9, 2, 1, 3, 4)
    assert all(roll_up((weaker, stronger)) == roll_up((stronger, weaker)) == stronger for weaker, stronger in pairwise(order))
    assert roll_up(order) == 4
    assert roll_up(()) == 9


def test_what_is_no_flag() -> None:
    with pytest.raises(KeyError):
        roll_up((1, 5))
