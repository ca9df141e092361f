"""What a condition speaks of: its operands, the statistics it needs, the limit it names. Worked out once, when a rule is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from rules.language.nodes import Across, Age, Comparison, FlagOf, LimitOf, Node, Number, Reading, StationField, Window
from rules.language.view import Compiled, View, WindowKey

_SHOWN = (Reading, Window, Age, FlagOf, StationField)


def walk(node: Any) -> Iterator[Any]:
    """The node and all below it, from left to right."""
    yield node
    for field in fields(node):
        value = getattr(node, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if hasattr(item, "__dataclass_fields__") and field.name not in ("span", "selector"):
                yield from walk(item)


def own(node: Any) -> Iterator[Any]:
    """As `walk`, without what is looked at in other stations."""
    yield node
    for field in fields(node):
        value = getattr(node, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if hasattr(item, "__dataclass_fields__") and field.name not in ("span", "selector") and not isinstance(item, Across):
                yield from own(item)


def statistics(node: Node) -> dict[WindowKey, set[str]]:
    """Every window of the condition, at this station or others, with the statistics that are taken of it."""
    found: dict[WindowKey, set[str]] = {}
    for item in walk(node):
        if isinstance(item, Window):
            found.setdefault(WindowKey(item.parameter, item.length_ms), set()).add(item.statistic)
    return found


def is_raw(node: Node) -> bool:
    """It compares readings as they come, without a window: one spike is enough to make it true (semantics D3)."""
    return any(isinstance(item, Reading) for item in walk(node))


def limit_of(node: Node) -> float | None:
    """The number that a plain comparison compares with; None if the condition is more than that."""
    if isinstance(node, Comparison):
        for side in (node.right, node.left):
            if isinstance(side, Number):
                return side.value
    return None


def lead_of(node: Node) -> Reading | Window | None:
    """The operand that a message about the alert names first; None if the condition has none of this station."""
    return next((item for item in own(node) if isinstance(item, Reading | Window) and item.station is None), None)


def look(node: Node, view: View) -> float | str | None:
    """The value of one operand."""
    if isinstance(node, Reading | Window) and node.station is not None:
        there = view.station(node.station)
        if there is None:
            return None
        view = there
    if isinstance(node, Reading):
        return view.value(node.parameter)
    if isinstance(node, Window):
        return view.window(WindowKey(node.parameter, node.length_ms), node.statistic, node.complete)
    if isinstance(node, Age):
        return view.age_ms(node.parameter)
    if isinstance(node, FlagOf):
        return view.flag(node.parameter)
    return view.field(node.name) if isinstance(node, StationField) else None


def causes(condition: Compiled, view: View) -> dict[str, float | str | None]:
    """Operand, as it is written → its value now: why a transition happened."""
    found: dict[str, float | str | None] = {}
    for item in own(condition.node):
        if isinstance(item, _SHOWN):
            found.setdefault(text_of(item, condition.text), look(item, view))
    return found


def text_of(node: Any, text: str) -> str:
    """How the operand is written in the condition."""
    if node.span.end > node.span.start:
        return text[node.span.start : node.span.end]
    if isinstance(node, Window):
        return f"{node.statistic}({node.parameter}, {_duration(node.length_ms)})"
    if isinstance(node, Age | FlagOf):
        return f"{'age' if isinstance(node, Age) else 'flag'}({node.parameter})"
    if isinstance(node, StationField):
        return f"station.{node.name}"
    return f"limit({node.standard})" if isinstance(node, LimitOf) else str(getattr(node, "parameter", ""))


def _duration(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"
