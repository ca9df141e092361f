"""What is wrong in a condition, and where in its text: offsets, line and column, and a picture with a caret.

The text is one value of a YAML file. Here is only its inside; who read the file adds the value's own line and column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rules.language.nodes import Span

_WIDEST = 100
"""Characters of a line that a picture shows."""


class Place(NamedTuple):
    """Line and column within the text, both from 1."""

    line: int
    column: int


class Problem(NamedTuple):
    """One thing that is wrong in a condition, and what to write instead."""

    span: Span
    message: str


class ConditionError(ValueError):
    """A condition cannot be used. `problems` holds all that was found, in the order of the text; `str` tells each with its column."""

    def __init__(self, text: str, problems: Iterable[Problem]) -> None:
        self.text = text
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.span.start, problem.span.end, problem.message)))
        super().__init__("; ".join(f"{_where(text, problem.span.start)}: {problem.message}" for problem in self.problems))

    def pictures(self) -> str:
        """Every problem under the line that it is in, for a terminal."""
        return "\n".join(f"{picture(self.text, problem.span)} {problem.message}" for problem in self.problems)


def place(text: str, offset: int) -> Place:
    """Where `offset` lies in a text of several lines."""
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def picture(text: str, span: Span) -> str:
    """The line that `span` begins in, and carets under it: two lines, without a line end. Long lines are cut around the carets."""
    first = text.rfind("\n", 0, span.start) + 1
    last = text.find("\n", span.start)
    line = text[first : len(text) if last < 0 else last].rstrip("\r").replace("\t", " ")
    start = min(span.start - first, len(line))
    width = max(1, min(span.end - first, len(line)) - start)
    skipped = max(0, start - _WIDEST // 2)
    shown = line[skipped : skipped + _WIDEST]
    return f"{shown}\n{' ' * (start - skipped)}{'^' * max(1, min(width, len(shown) - (start - skipped)))}"


def _where(text: str, offset: int) -> str:
    line, column = place(text, offset)
    return f"column {column}" if "\n" not in text.strip() and line == 1 else f"line {line}, column {column}"
