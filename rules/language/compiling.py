"""Compiles a checked condition to one function of a view, made of closures: no text is ever executed.

Three-valued logic (Kleene): None is unknown. What is unknown makes a calculation and a comparison unknown; `false and unknown` is
false, `true or unknown` is true, every other meeting with unknown is unknown, and `not unknown` is unknown.

Across stations the same holds: `any_of` is their `or`, `all_of` their `and`. `count_of(…) >= 3` is true as soon as three are true
and false once three can no longer be reached, even if all unknown ones were true. In any other calculation a count with unknown
stations is unknown. `median_of`, `avg_of`, `min_of` and `max_of` go over the stations that know their value, if these are at least
half of the selected ones, else they are unknown. Where no station is selected everything is unknown: nobody looked.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from rules.language.intervals import COMPARE, FLIPPED, band_of, calculate, constant, interval_of
from rules.language.moments import NEVER
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
    Quantifier,
    Reading,
    StationField,
    Text,
    Window,
)
from rules.language.reach import moments_of, reach_of
from rules.language.view import Compiled, Evaluate, View, WindowKey
from rules.language.vocabulary import LimitKey, Limits
from rules.language.writing import text_of

Value: TypeAlias = float | str | None
GetValue: TypeAlias = Callable[[View], Any]
GetTruth: TypeAlias = Callable[[View], bool | None]

_CLOCK_PARTS: dict[str, Callable[[tuple[int, int, int, int]], int]] = {
    "time": lambda local: local[0],
    "hour": lambda local: local[0] // 3_600_000,
    "minute": lambda local: local[0] // 60_000 % 60,
    "weekday": lambda local: local[1],
    "day": lambda local: local[2],
    "month": lambda local: local[3],
}

_AGGREGATES: dict[Quantifier, Callable[[list[float]], float]] = {
    "median_of": statistics.median,
    "avg_of": statistics.fmean,
    "min_of": min,
    "max_of": max,
}


def compile_condition(node: Node, limits: Limits, text: str = "") -> Compiled:
    """The function of a condition that `check` gave back, and what it depends on."""
    reach = reach_of(node)
    return Compiled(
        text=text or text_of(node),
        node=node,
        evaluate=cast(Evaluate, _Compiler(limits).truth(node)),
        parameters=frozenset(reach.parameters),
        windows=frozenset(reach.windows),
        foreign=tuple(dict.fromkeys(reach.foreign)),
        foreign_parameters=frozenset(reach.foreign_parameters),
        foreign_windows=frozenset(reach.foreign_windows),
        timed=reach.timed,
        moments=moments_of(node, limits) if reach.timed else NEVER,
        band=band_of(node),
    )


def evaluator(node: Node, limits: Limits) -> Callable[[View], Value | bool]:
    """The function of any sub-expression: for `explain`."""
    compiler = _Compiler(limits)
    is_condition = isinstance(node, Comparison | In | And | Or | Not) or (
        isinstance(node, Across) and node.quantifier in {"any_of", "all_of"}
    )
    return compiler.truth(node) if is_condition else compiler.value(node)


class _Compiler:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    # values

    def value(self, node: Node) -> GetValue:
        """Of a number or a text."""
        folded = constant(node)
        if folded is not None:
            return lambda view: folded
        match node:
            case Reading(parameter, None):
                return lambda view: view.value(parameter)
            case Reading(parameter, str() as name):
                return _at(name, lambda view: view.value(parameter))
            case Window(statistic, parameter, length_ms, complete, station):
                key = WindowKey(parameter, length_ms)
                if station is None:
                    return lambda view: view.window(key, statistic, complete)
                return _at(station, lambda view: view.window(key, statistic, complete))
            case Age(parameter):
                return lambda view: view.age_ms(parameter)
            case FlagOf(parameter):
                return lambda view: view.flag(parameter)
            case Clock(part):
                pick = _CLOCK_PARTS[part]
                return lambda view: pick(view.local_ms())
            case StationField(name):
                return lambda view: view.field(name)
            case Text(text):
                return lambda view: text
            case LimitOf(standard, parameter, averaging, category):
                limit, in_force = LimitKey(standard, parameter, averaging, category), self._limits.value
                return lambda view: in_force(limit, view.at_ms)
            case Negative(operand):
                return _negative(self.value(operand))
            case Call(function, arguments):
                return _call(function, [self.value(argument) for argument in arguments])
            case Arithmetic(operator, left, right):
                return _arithmetic(operator, self.value(left), self.value(right))
            case Across("count_of", selector, inner):
                return _exact_count(_count(selector, self.truth(inner)))
            case Across(quantifier, selector, inner):
                return _aggregate(_AGGREGATES[quantifier], selector, self.value(inner))
            case Number() | Duration() | ClockValue():  # a literal always folds
                raise AssertionError(f"{node} is not finite")
        raise AssertionError(f"{type(node).__name__} has no value: it was not checked")

    # truths

    def truth(self, node: Node) -> GetTruth:
        """Of a condition."""
        interval = interval_of(node)
        if interval is not None and not _is_count(interval.operand):
            return self._within(interval.operand, interval.low, interval.high)
        match node:
            case Comparison(operator, left, right) if _is_count(left):
                return self._compare_count(cast(Across, left), operator, self.value(right))
            case Comparison(operator, left, right) if _is_count(right):
                return self._compare_count(cast(Across, right), FLIPPED[operator], self.value(left))
            case Comparison(operator, left, right):
                return _compare(COMPARE[operator], self.value(left), self.value(right))
            case In(operand, choices):
                texts = {choice.value for choice in choices if isinstance(choice, Text)}
                numbers = {constant(choice) for choice in choices if not isinstance(choice, Text)}
                return _one_of(self.value(operand), frozenset(texts | numbers))
            case And(operands):
                return _all([self.truth(operand) for operand in operands])
            case Or(operands):
                return _any([self.truth(operand) for operand in operands])
            case Not(operand):
                return _not(self.truth(operand))
            case Across("any_of", selector, inner):
                return _any_of(_count(selector, self.truth(inner)))
            case Across("all_of", selector, inner):
                return _all_of(_count(selector, self.truth(inner)))
        raise AssertionError(f"{type(node).__name__} is no condition: it was not checked")

    def _within(self, operand: Node, low: float, high: float) -> GetTruth:
        """low <= operand <= high; a reading of this station, the commonest of all, without a call in between."""
        if isinstance(operand, Reading) and operand.station is None:
            parameter = operand.parameter

            def held(view: View) -> bool | None:
                value = view.value(parameter)
                return None if value is None else low <= value <= high

            return held
        get = self.value(operand)

        def within(view: View) -> bool | None:
            value = get(view)
            return None if value is None else low <= value <= high

        return within

    def _compare_count(self, node: Across, operator: str, right: GetValue) -> GetTruth:
        """Kleene: what holds whatever the unknown stations would say."""
        count, compare = _count(node.selector, self.truth(node.inner)), COMPARE[operator]

        def compared(view: View) -> bool | None:
            counted, wanted = count(view), right(view)
            if counted is None or wanted is None:
                return None
            least, unknown, _ = counted
            answers = {bool(compare(least + more, wanted)) for more in range(unknown + 1)}
            return answers.pop() if len(answers) == 1 else None

        return compared


def _is_count(node: Node) -> bool:
    return isinstance(node, Across) and node.quantifier == "count_of"


def _at(station: str, get: GetValue) -> GetValue:
    def there(view: View) -> Any:
        other = view.station(station)
        return None if other is None else get(other)

    return there


def _negative(get: GetValue) -> GetValue:
    def negative(view: View) -> float | None:
        value = get(view)
        return None if value is None else -value

    return negative


def _call(function: str, gets: list[GetValue]) -> GetValue:
    if function == "abs":
        (get,) = gets

        def absolute(view: View) -> float | None:
            value = get(view)
            return None if value is None else abs(value)

        return absolute
    choose: Callable[[list[float]], float] = min if function == "min" else max

    def chosen(view: View) -> float | None:
        values = [get(view) for get in gets]
        return None if None in values else choose(values)

    return chosen


def _arithmetic(operator: str, left: GetValue, right: GetValue) -> GetValue:
    def arithmetic(view: View) -> float | None:
        one = left(view)
        if one is None:
            return None
        other = right(view)
        return None if other is None else calculate(operator, one, other)

    return arithmetic


def _compare(compare: Callable[[Any, Any], Any], left: GetValue, right: GetValue) -> GetTruth:
    def compared(view: View) -> bool | None:
        one = left(view)
        if one is None:
            return None
        other = right(view)
        return None if other is None else bool(compare(one, other))

    return compared


def _one_of(get: GetValue, choices: frozenset[Any]) -> GetTruth:
    def one_of(view: View) -> bool | None:
        value = get(view)
        return None if value is None else value in choices

    return one_of


def _all(truths: list[GetTruth]) -> GetTruth:
    def every(view: View) -> bool | None:
        result: bool | None = True
        for truth in truths:
            value = truth(view)
            if value is False:
                return False
            if value is None:
                result = None
        return result

    return every


def _any(truths: list[GetTruth]) -> GetTruth:
    def some(view: View) -> bool | None:
        result: bool | None = False
        for truth in truths:
            value = truth(view)
            if value is True:
                return True
            if value is None:
                result = None
        return result

    return some


def _not(truth: GetTruth) -> GetTruth:
    def negated(view: View) -> bool | None:
        value = truth(view)
        return None if value is None else not value

    return negated


_Counted: TypeAlias = tuple[int, int, int]
"""Stations where it is true, is unknown, and all."""


def _count(selector: Any, truth: GetTruth) -> Callable[[View], _Counted | None]:
    def count(view: View) -> _Counted | None:
        answers = [truth(station) for station in view.select(selector)]
        return (answers.count(True), answers.count(None), len(answers)) if answers else None

    return count


def _exact_count(count: Callable[[View], _Counted | None]) -> GetValue:
    def exact(view: View) -> int | None:
        counted = count(view)
        return None if counted is None or counted[1] else counted[0]

    return exact


def _any_of(count: Callable[[View], _Counted | None]) -> GetTruth:
    def any_of(view: View) -> bool | None:
        counted = count(view)
        if counted is None:
            return None
        return True if counted[0] else None if counted[1] else False

    return any_of


def _all_of(count: Callable[[View], _Counted | None]) -> GetTruth:
    def all_of(view: View) -> bool | None:
        counted = count(view)
        if counted is None:
            return None
        true, unknown, stations = counted
        return False if true + unknown < stations else None if unknown else True

    return all_of


def _aggregate(aggregate: Callable[[list[float]], float], selector: Any, get: GetValue) -> GetValue:
    def aggregated(view: View) -> float | None:
        values = [get(station) for station in view.select(selector)]
        known = [value for value in values if value is not None]
        return aggregate(known) if known and 2 * len(known) >= len(values) else None

    return aggregated
