"""One flag of many: the later of 9 < 2 < 1 < 3 < 4 wins, so a fail beats all (`ioos_qc.qartod.qartod_compare`, domain.md 5.1)."""

from __future__ import annotations

from collections.abc import Iterable

_RANK = {9: 0, 2: 1, 1: 2, 3: 3, 4: 4}


def roll_up(flags: Iterable[int]) -> int:
    """The flag of a reading from those of its tests; 9 when no test said anything. Raises KeyError for what is no flag."""
    return max(flags, key=_RANK.__getitem__, default=9)
