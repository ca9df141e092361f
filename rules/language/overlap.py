"""Can `when` and `clear` be true at once: an error of `rules check` (semantics E3), the alert would flip at every reading."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

from rules.language.intervals import COMPARE, FLIPPED, constant
from rules.language.nodes import And, Clock, Comparison, FlagOf, In, Node, Not, Or, Reading, Window
from rules.language.view import Compiled

_MOST_WORLDS = 4096

_Key: TypeAlias = Node | tuple[Node, Node]
"""What is compared with constants; or two sides, whose difference is compared with 0."""


def overlap(when: Compiled, clear: Compiled) -> bool | None:
    """Can both be true at once? None if that cannot be decided here.

    False is certain. True is exact for one operand and for readings of different parameters. Of operands that hang together
    (`avg(pm25, 1h) > 100` with `max(pm25, 1h) < 80`) what looks possible may not be: None.
    """
    limits: dict[_Key, set[float]] = {}
    if not (_collect(when.node, limits) and _collect(clear.node, limits)):
        return None
    # Between two neighbouring limits every comparison is constant: each limit and its two neighbours stand for all values.
    tries = {key: sorted({value for limit in found for value in _around(key, limit)}) for key, found in limits.items()}
    if math.prod(map(len, tries.values())) > _MOST_WORLDS:
        return None
    for values in product(*tries.values()):
        world = dict(zip(tries, values, strict=True))
        if _true(when.node, world) and _true(clear.node, world):
            return True if _possible(list(tries)) else None
    return False


def _around(key: _Key, limit: float) -> Iterator[float]:
    if isinstance(key, FlagOf):
        yield from (1.0, 2.0, 3.0, 4.0, 9.0)
    elif isinstance(key, Clock):
        yield from (math.floor(limit), math.ceil(limit), math.floor(limit) - 1, math.ceil(limit) + 1)
    else:
        yield from (math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf))


def _possible(keys: list[_Key]) -> bool:
    """Whether any values of these can occur together."""
    if len(keys) == 1:
        (key,) = keys
        return isinstance(key, Reading | FlagOf | Clock | tuple) or (isinstance(key, Window) and key.statistic not in {"count", "stddev"})
    return all(isinstance(key, Reading) for key in keys)


def _collect(node: Node, limits: dict[_Key, set[float]]) -> bool:
    """Gather what is compared, and with which constants; False if the condition is made of anything else."""
    match node:
        case And(operands) | Or(operands):
            return all(_collect(operand, limits) for operand in operands)
        case Not(operand):
            return _collect(operand, limits)
        case In(operand, choices):
            return all(_collect(Comparison("==", operand, choice), limits) for choice in choices)
        case Comparison():
            key, _, limit = _sides(node)
            limits.setdefault(key, set()).add(limit)
            return True
    return False


def _sides(node: Comparison) -> tuple[_Key, str, float]:
    """(key, operator, constant)."""
    left, right = constant(node.left), constant(node.right)
    if right is not None:
        return node.left, node.operator, right
    if left is not None:
        return node.right, FLIPPED[node.operator], left
    return (node.left, node.right), node.operator, 0.0


def _true(node: Node, world: dict[_Key, float]) -> bool:
    match node:
        case And(operands):
            return all(_true(operand, world) for operand in operands)
        case Or(operands):
            return any(_true(operand, world) for operand in operands)
        case Not(operand):
            return not _true(operand, world)
        case In(operand, choices):
            return any(_true(Comparison("==", operand, choice), world) for choice in choices)
        case Comparison():
            key, operator, limit = _sides(node)
            return bool(COMPARE[operator](world[key], limit))
    raise AssertionError(f"{type(node).__name__} was not collected")
