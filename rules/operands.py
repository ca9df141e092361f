"""What a condition speaks of: its operands, the statistics it needs, the limit it names. Worked out once, when a rule is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rules.language.compiling import evaluator
from rules.language.intervals import constant
from rules.language.nodes import Across, Age, Comparison, FlagOf, LimitOf, Node, Reading, Selector, StationField, Text, Window
from rules.language.reach import children, walk
from rules.language.view import Compiled, View, WindowKey
from rules.language.vocabulary import Limits, Vocabulary
from rules.language.writing import text_of
from rules.windows import parts_of

_SHOWN = (Reading, Window, Age, FlagOf, StationField, LimitOf, Across)


class Operand(NamedTuple):
    """A part of a condition that a message may show: as it is written, and how it is looked up."""

    text: str
    look: Callable[[View], float | bool | str | None]


class Elsewhere(NamedTuple):
    """A condition that is looked at in other stations."""

    selector: Selector
    holds: Callable[[View], float | bool | str | None]


def own(node: Node) -> Iterator[Node]:
    """The node and what is below it, without what is looked at in other stations."""
    yield node
    if not isinstance(node, Across):
        for child in children(node):
            yield from own(child)


def operands(condition: Compiled, limits: Limits) -> tuple[Operand, ...]:
    """What makes the condition true or false, each once."""
    found: dict[str, Operand] = {}
    for node in own(condition.node):
        if isinstance(node, _SHOWN):
            text = condition.text[node.span.start : node.span.end] or text_of(node)
            found.setdefault(text, Operand(text, evaluator(node, limits)))
    return tuple(found.values())


def elsewhere(condition: Compiled, limits: Limits) -> tuple[Elsewhere, ...]:
    """Conditions that hold or not at each of some stations: `any_of`, `all_of`, `count_of`."""
    quantified = (node for node in own(condition.node) if isinstance(node, Across))
    return tuple(
        Elsewhere(node.selector, evaluator(node.inner, limits))
        for node in quantified
        if node.quantifier in ("any_of", "all_of", "count_of")
    )


def windows_of(conditions: Iterable[Compiled]) -> dict[WindowKey, int]:
    """Every window, at this station or others, with the parts that it must keep."""
    found: dict[WindowKey, set[str]] = {}
    for condition in conditions:
        for node in walk(condition.node):
            if isinstance(node, Window):
                found.setdefault(WindowKey(node.parameter, node.length_ms), set()).add(node.statistic)
    return {key: parts_of(statistics) for key, statistics in sorted(found.items())}


def is_raw(condition: Compiled, vocabulary: Vocabulary) -> bool:
    """It compares readings as they come, without a window: one spike is enough to make it true (semantics D3)."""
    return any(isinstance(node, Reading) and node.parameter not in vocabulary.derived for node in walk(condition.node))


def limit_of(condition: Compiled) -> float | None:
    """The number that a plain comparison compares with, in the canonical unit; None if the condition is more than that."""
    node = condition.node
    if not isinstance(node, Comparison) or isinstance(node.left, Text) or isinstance(node.right, Text):
        return None
    right = constant(node.right)
    return constant(node.left) if right is None else right


def lead_of(condition: Compiled) -> Reading | Window | None:
    """The operand that a message about the alert names first; None if the condition has none of this station."""
    return next((node for node in own(condition.node) if isinstance(node, Reading | Window) and node.station is None), None)
