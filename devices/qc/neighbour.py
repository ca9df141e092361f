"""Neighbours: how far a value lies from the median of what stations nearby say (not in ioos_qc).

The caller gives the held values of the neighbours at this instant (semantics C3, C5); with fewer than `least` of them nothing
is said (2). Suspect, never fail: a station may be the only one in the smoke.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from devices.quality import GOOD, MISSING, NOT_EVALUATED, SUSPECT


class Neighbour(NamedTuple):
    """Settings: the deviation that is suspect, in the parameter's unit, or as a part of the median if that is more."""

    deviation: float
    relative: float = 0.0
    least: int = 3


def verdict(value: float | None, around: Sequence[float], test: Neighbour, turn: bool = False) -> int:
    """Of one value among its neighbours'. `turn`: directions; the median is then taken of the differences to the value."""
    if value is None:
        return MISSING
    if len(around) < test.least:
        return NOT_EVALUATED
    if turn:
        return SUSPECT if abs(median((other - value + 180) % 360 - 180 for other in around)) > test.deviation else GOOD
    middle = median(around)
    return SUSPECT if abs(value - middle) > max(test.deviation, test.relative * abs(middle)) else GOOD


def confirms(value: float, level: float, around: Sequence[float], limit: float) -> bool:
    """Does one of the neighbours stand where this value went, and not where it came from (semantics D2)?"""
    return any(abs(other - value) <= limit < abs(other - level) for other in around)
