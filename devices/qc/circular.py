"""Directions: 359° and 1° are two degrees apart (domain.md 9.1)."""

from __future__ import annotations


def difference(one: float, other: float) -> float:
    """`one - other` the short way round, in degrees, -180 … 180."""
    return (one - other + 180.0) % 360.0 - 180.0


def unwrap(value: float, near: float) -> float:
    """The direction `value` plus as many full turns as bring it nearest to `near`; the same value stays exactly the same."""
    return value + 360.0 * round((near - value) / 360.0)
