"""What a condition depends on: parameters and windows at its station and elsewhere, and whether time alone can change it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.language.moments import Moments
from rules.language.nodes import (
    Across,
    Age,
    And,
    Arithmetic,
    Call,
    Clock,
    ClockValue,
    Comparison,
    FlagOf,
    In,
    LimitOf,
    Negative,
    Node,
    Not,
    Or,
    Reading,
    Selector,
    Window,
)
from rules.language.view import WindowKey
from rules.language.vocabulary import LimitKey, Limits

_MINUTE_MS = 60_000
_DAY = 24 * 60
"""Minutes."""


@dataclass(slots=True)
class Reach:
    """As in `Compiled`."""

    parameters: set[str] = field(default_factory=set)
    windows: set[WindowKey] = field(default_factory=set)
    foreign: list[Selector] = field(default_factory=list)
    foreign_parameters: set[str] = field(default_factory=set)
    foreign_windows: set[WindowKey] = field(default_factory=set)
    timed: bool = False


def children(node: Node) -> tuple[Node, ...]:
    """The expressions directly below, in the order of the text."""
    match node:
        case And(operands) | Or(operands):
            return operands
        case Not(operand) | Negative(operand):
            return (operand,)
        case Comparison(_, left, right) | Arithmetic(_, left, right):
            return (left, right)
        case In(operand, choices):
            return (operand, *choices)
        case Call(_, arguments):
            return arguments
        case Across(_, _, inner):
            return (inner,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def reach_of(node: Node) -> Reach:
    """Of the whole condition."""
    reach = Reach()
    _add(reach, node, elsewhere=False)
    return reach


def moments_of(node: Node, limits: Limits) -> Moments:
    """When time alone can change a condition."""
    always, minutes, instants = False, set[int](), set[int]()
    compared = {id(item.left): item.right for item in walk(node) if isinstance(item, Comparison)}
    compared |= {id(item.right): item.left for item in walk(node) if isinstance(item, Comparison)}
    for item in walk(node):
        match item:
            case Age():
                always = True
            case Clock("time") if isinstance(other := compared.get(id(item)), ClockValue):
                minutes |= {0, other.value // _MINUTE_MS, other.value // _MINUTE_MS + 1}
            case Clock("time" | "minute"):
                always = True
            case Clock("hour"):
                minutes.update(range(0, _DAY, 60))
            case Clock():
                minutes.add(0)
            case LimitOf(standard, parameter, averaging, category):
                instants |= set(limits.changes(LimitKey(standard, parameter, averaging, category)))
    return Moments(always, frozenset(minute % _DAY for minute in minutes), tuple(sorted(instants)))


def _add(reach: Reach, node: Node, *, elsewhere: bool) -> None:
    match node:
        case Reading(parameter, station) | Window(_, parameter, _, _, station):
            key = WindowKey(parameter, node.length_ms) if isinstance(node, Window) else None
            if station is not None:
                reach.foreign.append(Selector(stations=(station,)))
            _depend(reach, parameter, key, elsewhere=elsewhere or station is not None)
        case Age(parameter):
            _depend(reach, parameter, None, elsewhere=elsewhere)
            reach.timed = True
        case FlagOf(parameter):
            _depend(reach, parameter, None, elsewhere=elsewhere)
        case Clock() | LimitOf():
            reach.timed = True
        case Across(_, selector, _):
            reach.foreign.append(selector)
            elsewhere = True
    for child in children(node):
        _add(reach, child, elsewhere=elsewhere)


def _depend(reach: Reach, parameter: str, key: WindowKey | None, *, elsewhere: bool) -> None:
    (reach.foreign_parameters if elsewhere else reach.parameters).add(parameter)
    if key is not None:
        (reach.foreign_windows if elsewhere else reach.windows).add(key)
