"""What a condition sees now, part by part: for `envgw rules explain`."""

from __future__ import annotations

from dataclasses import dataclass

from rules.language.check import kind_of
from rules.language.compiling import evaluator
from rules.language.intervals import constant
from rules.language.kinds import Kind, Sort
from rules.language.nodes import Across, In, Node, Text
from rules.language.reach import children
from rules.language.view import Compiled, View
from rules.language.vocabulary import Vocabulary
from rules.language.writing import text_of


@dataclass(frozen=True, slots=True)
class Explained:
    """A sub-expression as it is at one instant."""

    text: str
    """As it was written."""
    value: float | bool | str | None
    """None is unknown."""
    unit: str
    """As people write it; "" for none, `ms` for durations and times of day."""
    kind: Sort
    parts: tuple[Explained, ...] = ()
    """What it is made of, constants left out. Of an expression across stations: the same at each station, `text` at `station`."""
    station: str | None = None
    """Of a part across stations."""


def explain(compiled: Compiled, view: View, vocabulary: Vocabulary) -> Explained:
    """The tree of the condition's parts with their values. Not fast: for people."""
    return _explain(compiled.node, compiled.text, view, vocabulary)


def _explain(node: Node, text: str, view: View, vocabulary: Vocabulary, station: str | None = None) -> Explained:
    kind = kind_of(node, vocabulary)
    if isinstance(node, Across):
        parts = tuple(
            _explain(node.inner, text, other, vocabulary, None if (name := other.field("id")) is None else str(name))
            for other in view.select(node.selector)
        )
    else:
        inner = children(node)[:1] if isinstance(node, In) else children(node)
        parts = tuple(_explain(child, text, view, vocabulary) for child in inner if not _is_literal(child))
    written = text[node.span.start : node.span.end] or text_of(node)
    return Explained(written, evaluator(node, vocabulary.limits)(view), _unit(kind), kind.sort, parts, station)


def _is_literal(node: Node) -> bool:
    return isinstance(node, Text) or constant(node) is not None


def _unit(kind: Kind) -> str:
    if kind.sort == "time":
        return "ms"
    if kind.sort != "number" or kind.unit in (None, "", "1"):
        return ""
    return f"{kind.display}{'/h' if kind.per_hour else ''}"
