"""Conditions that are an interval of one operand: the engine's shortest way.

An interval is closed, [low, high], as in rules/model.py: `pm25 > 50` is [the next number above 50, inf]. Empty if low > high.
"""

from __future__ import annotations

import math
from operator import eq, ge, gt, le, lt, ne
from typing import NamedTuple

from rules.language.nodes import (
    And,
    Arithmetic,
    Call,
    ClockValue,
    Comparison,
    Duration,
    Negative,
    Node,
    Not,
    Number,
    Reading,
    Window,
)
from rules.language.view import Band

COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
"""`5 < x` is `x > 5`."""
LARGEST = float.fromhex("0x1.fffffffffffffp+1023")
"""A calculation beyond it is unknown."""


class Interval(NamedTuple):
    """low <= operand <= high."""

    operand: Node
    low: float
    high: float


def constant(node: Node) -> float | None:
    """The value of an expression of literals, folded; None for any other, or if it is not finite."""
    match node:
        case Number(value):
            return value
        case Duration(ms) | ClockValue(_, ms):
            return float(ms)
        case Negative(operand):
            positive = constant(operand)
            return None if positive is None else -positive
        case Arithmetic(operator, left, right):
            one, other = constant(left), constant(right)
            return None if one is None or other is None else calculate(operator, one, other)
        case Call(function, arguments):
            values = [constant(argument) for argument in arguments]
            known = [value for value in values if value is not None]
            if len(known) < len(values):
                return None
            return abs(known[0]) if function == "abs" else min(known) if function == "min" else max(known)
    return None


def calculate(operator: str, left: float, right: float) -> float | None:
    """None for a division by zero, and for what is too large."""
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    elif operator == "*":
        result = left * right
    elif right:
        result = left / right
    else:
        return None
    return result if -LARGEST <= result <= LARGEST else None


def interval_of(node: Node) -> Interval | None:
    """The condition as one interval of one operand, whatever that is; None if it is none."""
    match node:
        case Comparison(operator, left, right):
            limit = constant(right)
            if limit is not None:
                return _interval(left, operator, limit)
            limit = constant(left)
            return None if limit is None else _interval(right, FLIPPED[operator], limit)
        case And(operands):
            parts = [interval_of(operand) for operand in operands]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts) or any(part.operand != known[0].operand for part in known):
                return None
            return Interval(known[0].operand, max(part.low for part in known), min(part.high for part in known))
        case Not(operand):
            part = interval_of(operand)
            if part is None or part.low > part.high:
                return None
            if part.high == math.inf:
                return Interval(part.operand, -math.inf, math.nextafter(part.low, -math.inf))
            if part.low == -math.inf:
                return Interval(part.operand, math.nextafter(part.high, math.inf), math.inf)
    return None


def _interval(operand: Node, operator: str, limit: float) -> Interval | None:
    if constant(operand) is not None:
        return None
    match operator:
        case ">":
            return Interval(operand, math.nextafter(limit, math.inf), math.inf)
        case ">=":
            return Interval(operand, limit, math.inf)
        case "<":
            return Interval(operand, -math.inf, math.nextafter(limit, -math.inf))
        case "<=":
            return Interval(operand, -math.inf, limit)
        case "==":
            return Interval(operand, limit, limit)
    return None


def band_of(node: Node) -> Band | None:
    """The interval, if its operand is a reading or a window of this station."""
    interval = interval_of(node)
    if interval is None or not isinstance(interval.operand, Reading | Window) or interval.operand.station is not None:
        return None
    return Band(*interval)
