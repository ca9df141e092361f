"""From lark's tree to ours. What the grammar lets through but is no condition (a misspelt function, a chained comparison) is noted here."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

from lark import Token, Tree

from rules.language.errors import Problem
from rules.language.nodes import (
    Across,
    Age,
    And,
    Arithmetic,
    Call,
    Clock,
    ClockPart,
    ClockValue,
    Comparison,
    Duration,
    FlagOf,
    In,
    LimitOf,
    Negative,
    Node,
    Not,
    Number,
    Or,
    Quantifier,
    Reading,
    Selector,
    Span,
    StationField,
    Statistic,
    Text,
    Window,
)
from rules.language.words import CALLS, STATISTICS, WEEKDAYS

DEEPEST = 50
"""Nodes between the root and a leaf: what every walk over a tree can rely on."""

LONGEST_WINDOW_MS = 366 * 86_400_000

_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(.+)", re.DOTALL)
_SELECTOR_FIELDS = {
    "everywhere": "stations",
    "own_area": "area",
    "area": "area('…')",
    "medium": "medium('…')",
    "tag": "tag('…')",
    "stations": "stations('…')",
}


def build(tree: Tree[Token], text: str) -> tuple[Node | None, list[Problem]]:
    """The condition, and what is wrong with it; None if it is too deep. Walks without recursion: lark's tree may be deep."""
    builder = _Builder(text)
    built: dict[int, Any] = {}
    depths: dict[int, int] = {}
    for part in tree.iter_subtrees():  # leaves first
        depth = max((depths[id(child)] for child in part.children if isinstance(child, Tree)), default=0)
        span = Span(part.meta.start_pos, part.meta.end_pos)
        if depth >= DEEPEST:
            return None, [Problem(span, f"too deep: at most {DEEPEST} operations within each other; split it into two rules")]
        depths[id(part)] = depth + (part.data not in {"start", "group"})
        children = [child if isinstance(child, Token) else built[id(child)] for child in part.children]
        built[id(part)] = getattr(builder, part.data)(span, *children)
    return built[id(tree)], [problem for problem in builder.problems if not builder.hides(problem)]


class _Named(NamedTuple):
    """`complete=0.75`, where it may stand."""

    span: Span
    value: float


class _Builder:
    """One method a rule of the grammar: (span, built children) → what it stands for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self._misspelt: list[Span] = []

    def hides(self, problem: Problem) -> bool:
        """Inside a misspelt call nothing is said: it would be read differently if the call were right."""
        inner = problem.span
        return any(outer.start < inner.start and inner.end <= outer.end for outer in self._misspelt)

    def _problem(self, span: Span, message: str) -> None:
        self.problems.append(Problem(span, message))

    # conditions

    def start(self, span: Span, condition: Node) -> Node:
        return condition

    def group(self, span: Span, node: Node) -> Node:
        return replace(node, span=span)

    def disjunction_of(self, span: Span, *operands: Node) -> Node:
        return Or(operands, span=span)

    def conjunction_of(self, span: Span, *operands: Node) -> Node:
        return And(operands, span=span)

    def negation_of(self, span: Span, operand: Node) -> Node:
        return Not(operand, span=span)

    def comparison_of(self, span: Span, left: Any, operator: Token, right: Any, *chained: Any) -> Node:
        if chained:
            middle = self.text[right.span.start : right.span.end][:40]
            self._problem(span, f"comparisons cannot be chained: write `… {operator} {middle} and {middle} {chained[0]} …`")
        return Comparison(cast(Any, str(operator)), left, right, span=span)

    def one_of(self, span: Span, operand: Any, *choices: Any) -> Node:
        return In(operand, choices, span=span)

    def none_of(self, span: Span, operand: Any, *choices: Any) -> Node:
        return Not(In(operand, choices, span=span), span=span)

    # numbers

    def arithmetic(self, span: Span, left: Any, operator: Token, right: Any) -> Node:
        return Arithmetic(cast(Any, str(operator)), left, right, span=span)

    def negative(self, span: Span, minus: Token, operand: Any) -> Node:
        # `-5 °F` is five degrees below zero, not the opposite of 5 °F: the sign belongs to the literal before it is converted.
        if isinstance(operand, Number) and self.text[operand.span.start].isdigit():
            return Number(-operand.value, operand.unit, span=span)
        return Negative(operand, span=span)

    def number(self, span: Span, token: Token) -> Node:
        return Number(self._float(span, token), span=span)

    def quantity(self, span: Span, token: Token) -> Node:
        match = _QUANTITY.match(token)
        assert match is not None
        return Number(self._float(span, match[1]), match[2], span=span)

    def duration(self, span: Span, token: Token) -> Node:
        number = token.rstrip("mshdw")
        ms = self._float(span, number) * _DURATION_MS[token[len(number) :]]
        return Duration(round(ms) if math.isfinite(ms) else 0, span=span)

    def time_of_day(self, span: Span, token: Token) -> Node:
        hour, minute = map(int, token.split(":"))
        if hour > 23 or minute > 59:
            self._problem(span, f"{token} is no time of day: 00:00 to 23:59")
        return ClockValue("time", (hour * 60 + minute) * 60_000, span=span)

    def weekday(self, span: Span, token: Token) -> Node:
        return ClockValue("weekday", WEEKDAYS.index(token) + 1, span=span)

    def text_literal(self, span: Span, token: Token) -> Node:
        return Text(token[1:-1], span=span)

    def _float(self, span: Span, text: str) -> float:
        value = float(text)
        if math.isinf(value):
            self._problem(span, "too large for a number")
        return value

    # values of stations

    def series(self, span: Span, *names: Token) -> Node:
        if len(names) == 1:
            return Reading(str(names[0]), span=span)
        return Reading(str(names[1]), names[0][1:-1], span=span)

    def field(self, span: Span, name: Token) -> Node:
        return StationField(str(name), span=span)

    def complete(self, span: Span, number: Token) -> _Named:
        value = float(number)
        if not 0 <= value <= 1:
            self._problem(span, "`complete` is a share between 0 and 1: write `complete=0.75` for 75 %")
        return _Named(span, value)

    def statistic(self, span: Span, name: Token) -> str:
        return str(name)

    extremum = quantifier = statistic

    def window(self, span: Span, statistic: Statistic, series: Reading, length: Token, complete: _Named | None = None) -> Node:
        duration = self.duration(Span(length.start_pos or 0, length.end_pos or 0), length)
        return self._window(span, statistic, series, cast(Duration, duration), complete)

    def _window(self, span: Span, statistic: Statistic, series: Reading, length: Duration, complete: _Named | None) -> Node:
        share = 0.0 if complete is None else complete.value
        if not 0 < length.ms <= LONGEST_WINDOW_MS:
            self._problem(length.span, f"a window is longer than 0 and at most {LONGEST_WINDOW_MS // 86_400_000}d")
        return Window(statistic, series.parameter, length.ms, share, series.station, span=span)

    def extreme(self, span: Span, name: Any, *arguments: Any) -> Node:
        complete = arguments[-1] if isinstance(arguments[-1], _Named) else None
        numbers = arguments[:-1] if complete else arguments
        if len(numbers) == 2 and isinstance(numbers[0], Reading) and isinstance(numbers[1], Duration):
            return self._window(span, name, numbers[0], numbers[1], complete)
        if complete:
            self._problem(complete.span, f"`complete` is for windows: {STATISTICS[name].example}")
        elif len(numbers) < 2:
            self._problem(
                span, f"`{name}` needs a duration, as in {STATISTICS[name].example}, or a second number, as in {name}(pm25, pm10)"
            )
        return Call(name, numbers, span=span)

    def absolute(self, span: Span, number: Any) -> Node:
        return Call("abs", (number,), span=span)

    def age(self, span: Span, parameter: Token) -> Node:
        return Age(str(parameter), span=span)

    def flag(self, span: Span, parameter: Token) -> Node:
        return FlagOf(str(parameter), span=span)

    def limit(self, span: Span, standard: Token, parameter: Token, averaging: Token, category: Token | None = None) -> Node:
        return LimitOf(standard[1:-1], str(parameter), averaging[1:-1], None if category is None else category[1:-1], span=span)

    def clock(self, span: Span, part: Token) -> Node:
        return Clock(cast(ClockPart, str(part)), span=span)

    # across stations

    def across(self, span: Span, quantifier: Quantifier, selector: Selector, inner: Node) -> Node:
        return Across(quantifier, selector, inner, span=span)

    def selector(self, span: Span, *parts: Selector) -> Selector:
        """All parts at once; the same kind twice would select nothing, or only confuse."""
        given: dict[str, Any] = {}
        for part in parts:
            said = {name: value for name in _SELECTOR_FIELDS if (value := getattr(part, name))}
            for name in said.keys() & given.keys():
                self._problem(part.span, f"`{_SELECTOR_FIELDS[name]}` is there twice: a station must fit all parts")
            given |= said
        return Selector(**given, span=span)

    def everywhere(self, span: Span) -> Selector:
        return Selector(everywhere=True, span=span)

    def listed(self, span: Span, *stations: Token) -> Selector:
        return Selector(stations=tuple(station[1:-1] for station in stations), span=span)

    def own_area(self, span: Span) -> Selector:
        return Selector(own_area=True, span=span)

    def in_area(self, span: Span, path: Token) -> Selector:
        return Selector(area=self._not_empty(span, path), span=span)

    def of_medium(self, span: Span, medium: Token) -> Selector:
        return Selector(medium=self._not_empty(span, medium), span=span)

    def tagged(self, span: Span, tag: Token) -> Selector:
        return Selector(tag=self._not_empty(span, tag), span=span)

    def _not_empty(self, span: Span, token: Token) -> str:
        if not token[1:-1].strip():
            self._problem(span, "nothing stands between the quotes")
        return token[1:-1]

    # what is no function

    def named(self, span: Span, name: Token, value: Node) -> Node:
        return value

    def misspelt(self, span: Span, name: Token, *arguments: Node) -> Node:
        selector = {"area", "medium", "tag", "stations"} & {str(name)}
        if selector:
            message = (
                f"`{name}(…)` selects stations: it stands first in any_of, count_of, median_of …, as in any_of({name}('…'), pm25 > 50)"
            )
        else:
            close = get_close_matches(name.lower(), CALLS, n=1, cutoff=0.6)
            instead = f"; did you mean `{close[0]}`, as in {CALLS[close[0]].example}?" if close else f" (known: {', '.join(CALLS)})"
            message = f"unknown function `{name}`{instead}"
        self._problem(Span(span.start, span.start + len(name)), message)
        self._misspelt.append(span)
        return Number(0.0, span=span)
