"""Neighbour: a value far from what the stations around it hold (QARTOD manuals, suggested test; not in `ioos_qc`).

Compared with the median of the held values that the caller gives: those of stations within a radius or of a group, still valid
(semantics C5), the station itself left out. Too few of them: not evaluated (2). Never a fail: the odd one out may be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from devices.qc.circular import difference
from devices.qc.stream import present
from devices.quality import GOOD, MISSING, NOT_EVALUATED, SUSPECT


class Neighbours(NamedTuple):
    """Settings. A value is suspect when it is farther from the median than both limits."""

    absolute: float
    """In the parameter's unit."""
    ratio: float = 0.0
    """Times the median's size: concentrations differ in proportion."""
    minimum: int = 3
    circular: bool = False

    def flag(self, value: float | None, others: Iterable[float | None]) -> int:
        """The verdict on one value."""
        value = present(value)
        if value is None:
            return MISSING
        held = [other for other in map(present, others) if other is not None]
        if len(held) < max(1, self.minimum):
            return NOT_EVALUATED
        if self.circular:
            return SUSPECT if abs(median(difference(other, value) for other in held)) > self.absolute else GOOD
        middle = median(held)
        return SUSPECT if abs(value - middle) > max(self.absolute, self.ratio * abs(middle)) else GOOD
