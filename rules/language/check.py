"""Checks a parsed condition: names, kinds, units. All problems at once; the tree comes back with its literals converted.

`o3 > 200 ppb` comes back as `o3 > 392.37… ug/m3`. Checking what was checked changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, cast

from devices.problems import did_you_mean
from devices.units import UnitError
from rules.language.errors import ConditionError, Problem
from rules.language.intervals import constant
from rules.language.kinds import (
    COMPOUND,
    CONDITION,
    DURATION,
    FREE,
    PLAIN,
    WRONG,
    Kind,
    converted_tree,
    kind_of_literal,
    kind_of_parameter,
    same_unit,
)
from rules.language.names import Names
from rules.language.nodes import (
    Across,
    Age,
    And,
    Arithmetic,
    Call,
    Clock,
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
    Reading,
    Span,
    StationField,
    Text,
    Window,
)
from rules.language.vocabulary import FIELDS, Vocabulary
from rules.language.words import CLOCK, WEEKDAYS
from rules.language.writing import text_of

FLAGS = (1, 2, 3, 4, 9)
"""QARTOD: good, not evaluated, suspect, fail, missing."""

_RANGES = {"hour": (0, 23), "minute": (0, 59), "day": (1, 31), "month": (1, 12)}
_CIRCULAR_FITS = {"count", "first", "last"}
"""Statistics that mean something for a direction."""


class Typed(NamedTuple):
    """A checked expression and what it is."""

    node: Any
    kind: Kind


def check(node: Node, vocabulary: Vocabulary, text: str = "") -> Node:
    """The checked condition, literals in the unit of what they meet. Raises ConditionError with every problem found."""
    checker = _Checker(vocabulary)
    checked, kind = checker.any(node)
    if kind.sort not in {"condition", "wrong"}:
        checker.problem(node, f"{_short(node)} is {kind}, not a condition: compare it, as in `pm25 > 50`")
    if checker.problems:
        raise ConditionError(text or text_of(node), checker.problems)
    return cast(Node, checked)


def kind_of(node: Node, vocabulary: Vocabulary) -> Kind:
    """Of a sub-expression of a checked condition."""
    return _Checker(vocabulary).any(node).kind


class _Checker:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.problems: list[Problem] = []
        self._names = Names(vocabulary, self._note)
        self._across = False
        self._walks: dict[type, Callable[[Any], Typed]] = {
            Number: self._number,
            Duration: lambda node: Typed(node, replace(DURATION, literal=True)),
            Text: lambda node: Typed(node, Kind(sort="text", literal=True)),
            ClockValue: lambda node: Typed(node, Kind(sort=node.part, literal=True)),
            Reading: lambda node: Typed(node, self._series(node)),
            Window: self._window,
            Age: lambda node: Typed(node, DURATION if self._names.parameter(node.span, node.parameter) else WRONG),
            FlagOf: lambda node: Typed(node, Kind(sort="flag") if self._names.parameter(node.span, node.parameter) else WRONG),
            Clock: lambda node: Typed(node, Kind(sort=node.part) if node.part in {"time", "weekday"} else PLAIN),
            StationField: self._field,
            LimitOf: self._limit,
            Call: self._call,
            Arithmetic: self._arithmetic,
            Negative: self._negative,
            Across: self._across_stations,
            Comparison: self._comparison,
            In: self._in,
            And: lambda node: self._logic(node, node.operands),
            Or: lambda node: self._logic(node, node.operands),
            Not: lambda node: self._logic(node, (node.operand,)),
        }

    def any(self, node: Node) -> Typed:
        """Check one expression and all below it."""
        return self._walks[type(node)](node)

    def problem(self, node: Node, message: str) -> Kind:
        """Note it; what it is in is not looked at further."""
        return self._note(node.span, message)

    def _note(self, span: Span, message: str) -> Kind:
        self.problems.append(Problem(span, message))
        return WRONG

    # leaves

    def _number(self, node: Number) -> Typed:
        if not node.unit:
            return Typed(node, FREE)
        try:
            return Typed(node, kind_of_literal(node.unit))
        except UnitError as error:
            return Typed(node, self.problem(node, str(error)))

    def _series(self, node: Reading | Window) -> Kind:
        self._names.station(node.span, node.station)
        info = self._names.parameter(node.span, node.parameter)
        return kind_of_parameter(info) if info else WRONG

    def _window(self, node: Window) -> Typed:
        kind = self._series(node)
        if kind is WRONG:
            return Typed(node, kind)
        if kind.of is not None and kind.of.circular and node.statistic not in _CIRCULAR_FITS:
            fits = ", ".join(sorted(_CIRCULAR_FITS))
            return Typed(node, self.problem(node, f"{node.parameter} is a direction: 359° and 1° are close, so only {fits} mean something"))
        match node.statistic:
            case "count":
                kind = PLAIN
            case "rate":
                kind = replace(kind, difference=True, per_hour=True)
            case "delta" | "stddev":
                kind = replace(kind, difference=True)
        return Typed(node, kind)

    def _field(self, node: StationField) -> Typed:
        info = FIELDS.get(node.name)
        if info is None:
            known = did_you_mean(node.name, FIELDS) or f" (known: {', '.join(FIELDS)})"
            return Typed(node, self.problem(node, f"stations have no field {node.name!r}{known}"))
        if info.unit is None:
            return Typed(node, Kind(sort="text", choices=self._names.choices(node.name, info.choices)))
        return Typed(node, Kind(unit=info.unit, display=info.unit))

    def _limit(self, node: LimitOf) -> Typed:
        found = self._names.limit(node)
        info = self._names.parameter(node.span, node.parameter) if found else None
        return Typed(node, kind_of_parameter(info) if info else WRONG)

    # numbers

    def _call(self, node: Call) -> Typed:
        parts = [self._as_number(argument) for argument in node.arguments]
        first, *rest = parts
        done = [first]
        for part in rest:
            meeting = self._meet(node, done[0], part, "put beside")
            done = [meeting[0], *done[1:], meeting[1]]
        if any(kind is WRONG for _, kind in done):
            return Typed(node, WRONG)
        # The first may have been free; now that the unit is known, literals that came before it are converted too.
        target = next((typed for typed in done if not typed.kind.constant), done[0])
        done = [self._meet(node, typed, target, "put beside")[0] for typed in done]
        return Typed(replace(node, arguments=tuple(typed.node for typed in done)), self._result(done))

    @staticmethod
    def _result(parts: Iterable[Typed]) -> Kind:
        """Of several numbers in one unit: that of the one that has it."""
        kinds = [kind for _, kind in parts]
        return next((k for k in kinds if not k.constant), next((k for k in kinds if not k.free), kinds[0]))

    def _negative(self, node: Negative) -> Typed:
        operand, kind = self._as_number(node.operand)
        return Typed(replace(node, operand=operand), kind)

    def _arithmetic(self, node: Arithmetic) -> Typed:
        left, right = self._as_number(node.left), self._as_number(node.right)
        if left.kind is WRONG or right.kind is WRONG:
            return Typed(node, WRONG)
        if node.operator in "+-":
            left, right = self._meet(node, left, right, "added" if node.operator == "+" else "subtracted", alone=False)
            kind = WRONG if WRONG in (left.kind, right.kind) else self._sum(node.operator, left.kind, right.kind)
        elif node.operator == "*":
            kind = self._product(node, left.kind, right.kind)
        else:
            left, right, kind = self._quotient(node, left, right)
        done = replace(node, left=left.node, right=right.node)
        if kind.constant and constant(done) is None:
            kind = self.problem(node, f"{_short(node)} is no number: it is too large, or divides by zero")
        return Typed(done, kind)

    def _sum(self, operator: str, left: Kind, right: Kind) -> Kind:
        if left.constant or right.constant:
            return self._result([Typed(None, left), Typed(None, right)])
        return replace(left, difference=operator == "-" or (left.difference and right.difference))

    def _product(self, node: Arithmetic, left: Kind, right: Kind) -> Kind:
        if left.free or right.free:
            return right if left.free else left
        if left.literal or right.literal:
            return self.problem(node, "a quantity is multiplied by plain numbers only: write the number without its unit")
        if left == PLAIN:
            return right
        return left if right == PLAIN else COMPOUND

    def _quotient(self, node: Arithmetic, left: Typed, right: Typed) -> tuple[Typed, Typed, Kind]:
        if right.kind.free:
            return left, right, left.kind
        if right.kind == PLAIN and left.kind.literal:
            return left, right, self.problem(node, "a quantity is divided by plain numbers only: write the number without its unit")
        if right.kind == PLAIN:
            return left, right, PLAIN if left.kind.free else left.kind
        if left.kind.free or left.kind == PLAIN:
            literal = right.kind.literal
            return left, right, self.problem(node, "nothing is divided by a constant with a unit") if literal else COMPOUND
        if left.kind.literal or right.kind.literal or same_unit(left.kind, right.kind):
            left, right = self._meet(node, left, right, "divided")
            return left, right, WRONG if WRONG in (left.kind, right.kind) else PLAIN
        return left, right, COMPOUND

    def _as_number(self, node: Node) -> Typed:
        typed = self.any(node)
        if typed.kind.sort in {"number", "wrong"}:
            return typed
        more = "; a flag is only compared, as in flag(pm25) == 3" if typed.kind.sort == "flag" else ""
        return Typed(typed.node, self.problem(node, f"{_short(node)} is {typed.kind}, not a number{more}"))

    # what meets

    def _meet(self, node: Node, left: Typed, right: Typed, verb: str, *, alone: bool = True) -> tuple[Typed, Typed]:
        """Two numbers that are compared or added, literals converted; WRONG kinds if they do not fit."""
        one, other = left.kind, right.kind
        if WRONG in (one, other):
            return Typed(left.node, WRONG), Typed(right.node, WRONG)
        for free, met in ((left, right), (right, left)):
            if free.kind.free and met.kind.is_duration:
                self.problem(free.node, f"{_short(met.node)} is a duration: write for example 30m, not {_short(free.node)}")
                return Typed(left.node, WRONG), Typed(right.node, WRONG)
        if one.free or other.free:
            return left, right
        if one.literal and not other.literal:
            return self._convert(left, other, alone), right
        if other.literal:
            return left, self._convert(right, one, alone)
        if not same_unit(one, other):
            self.problem(node, f"{_short(left.node)} is {one}, {_short(right.node)} is {other}: they cannot be {verb}")
            return Typed(left.node, WRONG), Typed(right.node, WRONG)
        return left, right

    def _convert(self, literal: Typed, target: Kind, alone: bool) -> Typed:
        """A tree of literals in the unit of what it meets."""
        failed: list[Node] = []

        def note(node: Node, message: str) -> None:
            failed.append(node)
            self.problem(node, message)

        node = converted_tree(literal.node, target, note, alone=alone)
        return Typed(node, WRONG if failed else replace(target, literal=True))

    # conditions

    def _logic(self, node: Any, operands: tuple[Node, ...]) -> Typed:
        checked = []
        for operand in operands:
            done, kind = self.any(operand)
            if kind.sort not in {"condition", "wrong"}:
                self.problem(operand, f"{_short(operand)} is {kind}, not a condition: compare it, as in `{_short(operand)[:30]} > 50`")
            checked.append(done)
        field = {"operand": checked[0]} if isinstance(node, Not) else {"operands": tuple(checked)}
        return Typed(replace(node, **field), CONDITION)

    def _comparison(self, node: Comparison) -> Typed:
        left, right = self._compare(node, self.any(node.left), self.any(node.right), node.operator)
        return Typed(replace(node, left=left.node, right=right.node), CONDITION)

    def _in(self, node: In) -> Typed:
        operand = self.any(node.operand)
        choices = []
        for choice in node.choices:
            if not isinstance(choice, Number | Duration | ClockValue | Text):
                if operand.kind.sort == "weekday" and isinstance(choice, Reading):
                    close = did_you_mean(choice.parameter.lower(), WEEKDAYS)
                    self.problem(choice, f"{_short(choice)} is no weekday{close or ': they are ' + ' '.join(WEEKDAYS)}")
                    continue
                self.problem(choice, f"`in (…)` lists constants: {_short(choice)} is none; write `== {_short(choice)}`")
                continue
            choices.append(self._compare(node, operand, self.any(choice), "==")[1].node)
        return Typed(replace(node, operand=operand.node, choices=tuple(choices) or node.choices), CONDITION)

    def _compare(self, node: Node, left: Typed, right: Typed, operator: str) -> tuple[Typed, Typed]:
        sorts = {left.kind.sort, right.kind.sort}
        if "wrong" in sorts:
            return left, right
        if left.kind.constant and right.kind.constant and len(sorts) == 1:
            self.problem(node, f"{_short(left.node)} and {_short(right.node)} are both constant: nothing can change it")
        elif sorts == {"number"}:
            left, right = self._meet(node, left, right, "compared")
            self._in_range(left.node, right.node)
            self._in_range(right.node, left.node)
        elif "flag" in sorts:
            self._flag(node, left, right)
        elif sorts == {"text"}:
            self._text(node, left, right, operator)
        elif sorts == {"time"}:
            if operator in {"==", "!="}:
                self.problem(node, "`time` is exact to the millisecond: write for example `time >= 22:00 and time < 22:30`")
        elif sorts != {"weekday"}:
            self._misfit(node, left, right)
        return left, right

    def _in_range(self, node: Node, constant: Node) -> None:
        if isinstance(node, Clock) and isinstance(constant, Number) and node.part in _RANGES:
            low, high = _RANGES[node.part]
            if not low <= constant.value <= high:
                self.problem(constant, f"`{node.part}` is {low} to {high}")

    def _flag(self, node: Node, left: Typed, right: Typed) -> None:
        for one, other in ((left, right), (right, left)):
            if one.kind.sort == "flag":
                number = other.node
                if not (isinstance(number, Number) and not number.unit and number.value in FLAGS):
                    flags = "1 (good), 2 (not evaluated), 3 (suspect), 4 (fail) or 9 (missing)"
                    self.problem(other.node, f"a flag is compared with {flags}, not with {_short(other.node)}")
                return

    def _text(self, node: Node, left: Typed, right: Typed, operator: str) -> None:
        if operator not in {"==", "!="}:
            self.problem(node, "texts are compared with `==` and `!=` only")
        for one, other in ((left, right), (right, left)):
            if one.kind.choices and isinstance(other.node, Text) and other.node.value not in one.kind.choices:
                close = did_you_mean(other.node.value, one.kind.choices)
                few = f" (there are: {', '.join(one.kind.choices)})" if len(one.kind.choices) <= 10 else ""
                self.problem(other.node, f"no {_short(one.node).removeprefix('station.')} is {other.node.value[:60]!r}{close or few}")

    def _misfit(self, node: Node, left: Typed, right: Typed) -> None:
        for one, other in ((left, right), (right, left)):
            if isinstance(one.node, Clock):
                with_what = f"one of {' '.join(WEEKDAYS)}" if one.node.part == "weekday" else "hh:mm"
                if one.node.part in {"time", "weekday"}:
                    self.problem(other.node, f"`{one.node.part}` is compared with {with_what}, as in {CLOCK[one.node.part].example}")
                    return
            if one.kind.sort == "condition":
                self.problem(one.node, f"{_short(one.node)} is a condition: it is true or false already, join it with `and` or `or`")
                return
        self.problem(node, f"{_short(left.node)} is {left.kind}, {_short(right.node)} is {right.kind}: they cannot be compared")

    # across stations

    def _across_stations(self, node: Across) -> Typed:
        self._names.selector(node.selector)
        if self._across:
            return Typed(node, self.problem(node, f"`{node.quantifier}` stands within another one: write two rules"))
        self._across = True
        inner, kind = self.any(node.inner)
        self._across = False
        done = replace(node, inner=inner)
        if kind.sort == "wrong":
            return Typed(done, CONDITION if node.quantifier in {"any_of", "all_of"} else WRONG)
        if node.quantifier in {"any_of", "all_of", "count_of"}:
            if kind.sort != "condition":
                self.problem(node.inner, f"`{node.quantifier}` asks for a condition, and {_short(node.inner)} is {kind}: compare it")
            return Typed(done, PLAIN if node.quantifier == "count_of" else CONDITION)
        if kind.sort != "number" or kind.constant:
            kind = self.problem(node.inner, f"`{node.quantifier}` asks for a number that stations have, such as pm25")
        elif kind.of is not None and kind.of.circular:
            kind = self.problem(node.inner, f"{_short(node.inner)} is a direction: there is no `{node.quantifier}` of it")
        return Typed(done, kind)


def _short(node: Node) -> str:
    text = text_of(node)
    return text if len(text) <= 60 else f"{text[:57]}…"
