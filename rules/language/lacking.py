"""The trap of `or` over parameters that a station does not have: an alert that begins there and never ends.

`pm25 > 100 or o3 > 180` is true or unknown at a station without ozone, never false (Kleene). Without a `clear` of its own the alert
ends when `when` is false: so never. `envgw rules check` gives a hint.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from itertools import product
from typing import TypeAlias

from rules.language.nodes import Across, Age, And, FlagOf, Node, Not, Or, Reading, Window
from rules.language.reach import children

_Truth: TypeAlias = bool | None
_ANYTHING: frozenset[_Truth] = frozenset((True, False, None))
_UNKNOWN: frozenset[_Truth] = frozenset((None,))


def never_ends(when: Node, clear: Node | None, lacking: Collection[str]) -> bool:
    """Whether an alert can begin, but not end, where readings of `lacking` never come. `clear` None means `not when`."""
    begins = answers(when, lacking)
    ends = answers(Not(when) if clear is None else clear, lacking)
    return True in begins and True not in ends


def answers(node: Node, lacking: Collection[str]) -> frozenset[_Truth]:
    """What a condition can say there: True, False, None (unknown). Operands are taken to be independent of one another."""
    match node:
        case Not(operand):
            return frozenset(None if truth is None else not truth for truth in answers(operand, lacking))
        case And(operands):
            return reduce(_every, (answers(operand, lacking) for operand in operands))
        case Or(operands):
            return reduce(_some, (answers(operand, lacking) for operand in operands))
    return _UNKNOWN if _asks(node, lacking) else _ANYTHING


def _every(left: frozenset[_Truth], right: frozenset[_Truth]) -> frozenset[_Truth]:
    return frozenset(False if False in pair else None if None in pair else True for pair in product(left, right))


def _some(left: frozenset[_Truth], right: frozenset[_Truth]) -> frozenset[_Truth]:
    return frozenset(True if True in pair else None if None in pair else False for pair in product(left, right))


def _asks(node: Node, lacking: Collection[str]) -> bool:
    """Whether it looks at one of them at the station itself."""
    match node:
        case Reading(parameter, None) | Window(_, parameter, _, _, None) | Age(parameter) | FlagOf(parameter):
            return parameter in lacking
        case Across():
            return False
    return any(_asks(child, lacking) for child in children(node))
