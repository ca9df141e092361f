"""Many verdicts, one flag."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ioos_qc.qartod import qartod_compare

from devices.qc.rollup import roll_up, worse


@given(st.lists(st.sampled_from([1, 2, 3, 4, 9]), min_size=1, max_size=8))
def test_the_flag_that_wins_is_that_of_ioos_qc(flags: list[int]) -> None:
    wins = int(qartod_compare([np.array([flag]) for flag in flags])[0])
    assert roll_up(flags) == wins
    together = flags[0]
    for flag in flags[1:]:
        together = worse(together, flag)
    assert together == wins


def test_without_verdicts_it_is_missing() -> None:
    assert roll_up([]) == 9
