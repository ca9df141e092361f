"""Rounding as people do it with decimals: 0.5 goes up, and 9.1 that the computer holds as 9.099999999999998 is 9.1.

Decision 1459/QĐ-TCMT and EPA's Technical Assistance Document print decimals and round those; Python's `round` goes to the even
neighbour, and binary sums end a hair beside the decimal that they mean.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import floor

DIGITS = 9
"""Decimals that a mean keeps: far beyond any instrument, and short of what binary arithmetic gets wrong."""
NEAR = 1e-6
"""So close to a half, or to a whole step, only exact arithmetic may say on which side a number is."""


def settled(value: float) -> float:
    """`value` without the noise of binary sums: 9.099999999999998 is 9.1."""
    return round(value, DIGITS)


def half_up(value: float) -> int:
    """To the nearest integer, halves away from zero, of the decimal that Python prints for `value` (which must be finite)."""
    whole = floor(value)
    if abs(value - whole - 0.5) > NEAR:
        return whole + (value - whole > 0.5)
    return int(Decimal(repr(value)).to_integral_value(ROUND_HALF_UP))


def whole_steps(value: float, step: float) -> int:
    """How many whole `step`s (1, 0.1, 0.001 …) are in `value`, towards zero: 9.05 has 90 of 0.1. Of the decimals that Python prints.

    Near a whole step the nearest float to it decides: whole / 10 is the very float that prints as that decimal.
    """
    steps = value / step
    whole = int(steps)
    if NEAR < abs(steps - whole) < 1 - NEAR:
        return whole
    whole = round(steps)
    edge = whole / round(1 / step)
    if value >= 0:
        return whole if value >= edge else whole - 1
    return whole if value <= edge else whole + 1


def truncated(value: float, step: float) -> float:
    """`value` cut to a multiple of `step` (0.1, 1, 0.001 …), towards zero."""
    return float(whole_steps(value, step) * Decimal(repr(step)))
