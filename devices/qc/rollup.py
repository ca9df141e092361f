"""Many verdicts, one flag: the later one wins in 9 < 2 < 1 < 3 < 4 (`ioos_qc.qartod.qartod_compare`)."""

from __future__ import annotations

from collections.abc import Iterable

from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

RANK = {MISSING: 0, NOT_EVALUATED: 1, GOOD: 2, SUSPECT: 3, FAIL: 4}


def roll_up(flags: Iterable[int]) -> int:
    """The flag that wins; 9 when there is none."""
    return max(flags, key=RANK.__getitem__, default=MISSING)


def worse(one: int, other: int) -> int:
    """The one of two that wins."""
    return one if RANK[one] >= RANK[other] else other
