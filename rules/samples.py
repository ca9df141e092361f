"""The different readings of one bucket of a window, for median and p95 (`rules.windows`).

Value, weight, value, weight … in rising order of value. Fewer than `EXACT` are kept as they are; beyond that they are rounded to
a logarithmic grid of 2 %, and where more than `BINS` are different to one of 4 %, 8 %, and so on.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from rules.columns import Numbers

EXACT = 16
"""Different readings that a bucket keeps as they are."""

BINS = 64
"""Different values that a bucket keeps beyond that."""

_LOG_GRID = math.log(1.02)
_NOTHING = 1e-12
"""Smaller than this counts as zero when values are rounded."""


def ranked(pairs: list[tuple[float, float]], rank: int) -> float:
    """The value of this rank (from 1), of (value, weight) in rising order."""
    seen = 0.0
    for value, weight in pairs:
        seen += weight
        if seen >= rank:
            return value
    return pairs[-1][0]


def put_in(pairs: Numbers, value: float) -> None:
    """One more reading."""
    if len(pairs) >= 2 * EXACT:
        value = _rounded(value, 1)
    _put(pairs, value, 1.0)
    if len(pairs) < 2 * EXACT:
        return
    grid = 1
    while len(pairs) == 2 * EXACT or len(pairs) > 2 * BINS:
        before = list(zip(pairs[::2], pairs[1::2], strict=True))
        del pairs[:]
        for known, weight in before:
            _put(pairs, _rounded(known, grid), weight)
        if len(pairs) == 2 * EXACT:
            return
        grid *= 2


def _put(pairs: Numbers, value: float, weight: float) -> None:
    at = 2 * bisect_left(pairs[::2], value)
    if at < len(pairs) and pairs[at] == value:
        pairs[at + 1] += weight
    else:
        pairs.insert(at, weight)
        pairs.insert(at, value)


def take_out(pairs: Numbers, value: float) -> None:
    """One reading less: this one, or what it was rounded to."""
    nearest = min(range(0, len(pairs), 2), key=lambda index: abs(pairs[index] - value))
    pairs[nearest + 1] -= 1.0
    if pairs[nearest + 1] <= 0:
        del pairs[nearest : nearest + 2]


def _rounded(value: float, grid: int) -> float:
    size = abs(value)
    if size < _NOTHING:
        return 0.0
    step = _LOG_GRID * grid
    return math.copysign(math.exp(round(math.log(size) / step) * step), value)
