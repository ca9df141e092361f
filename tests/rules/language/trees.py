"""Random conditions and random stations, a slow interpreter to compare with, and a small vocabulary: for the tests of the language."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

from hypothesis import strategies as st

from devices.loader import catalogue
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
    Selector,
    StationField,
    Statistic,
    Text,
    Window,
)
from rules.language.view import View, WindowKey
from rules.language.vocabulary import LimitKey, ParameterInfo, Vocabulary

PARAMETERS = ("pm25", "o3", "level")
STATIONS = ("a", "b", "c", "d")


class Tables:
    """Three limits; the first changes with the year 2030, the last is not in force."""

    _values: ClassVar[dict[LimitKey, float | None]] = {
        LimitKey("QCVN 05:2023", "pm25", "24h"): 50.0,
        LimitKey("QCVN 05:2023", "pm25", "1y"): 25.0,
        LimitKey("QCVN 05:2023", "o3", "8h"): 120.0,
        LimitKey("QCVN 08:2023", "do", "single", "A"): 6.0,
        LimitKey("Old", "pm25", "24h"): None,
    }

    def keys(self) -> Sequence[LimitKey]:
        return list(self._values)

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        value = self._values[key]
        return 30.0 if key.averaging == "24h" and value is not None and at_ms >= 1_893_456_000_000 else value

    def changes(self, key: LimitKey) -> Sequence[int]:
        return (1_893_456_000_000,) if key.averaging == "24h" else ()


VOCABULARY = Vocabulary(
    catalogue=catalogue(),
    derived={
        "vn_aqi": ParameterInfo(unit="1", display=""),
        "pm25_24h": ParameterInfo(unit="ug/m3", display="µg/m³", of=catalogue()["pm25"]),
        "o3_8h": ParameterInfo(unit="ug/m3", display="µg/m³", of=catalogue()["o3"]),
    },
    limits=Tables(),
    stations=(*STATIONS, "cau-rong"),
    areas=("hai-chau/binh-hien", "hai-chau/thuan-phuoc", "son-tra"),
    tags=("school",),
)


@dataclass
class City:
    """All stations at one instant."""

    views: dict[str, Station] = field(default_factory=dict)


@dataclass
class Station:
    """A `View` made of dictionaries: what is not in them is unknown."""

    name: str
    city: City
    at_ms: int = 1_767_225_600_000
    values: dict[str, float] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)
    windows: dict[tuple[WindowKey, str], float] = field(default_factory=dict)
    fields: dict[str, float | str] = field(default_factory=dict)
    local: tuple[int, int, int, int] = (0, 1, 1, 1)

    def value(self, parameter: str) -> float | None:
        return self.values.get(parameter)

    def flag(self, parameter: str) -> int | None:
        return self.flags.get(parameter)

    def age_ms(self, parameter: str) -> int | None:
        return self.ages.get(parameter)

    def window(self, key: WindowKey, statistic: Statistic, complete: float) -> float | None:
        return self.windows.get((key, statistic)) if complete < 0.9 else None

    def field(self, name: str) -> float | str | None:
        return self.name if name == "id" else self.fields.get(name)

    def local_ms(self) -> tuple[int, int, int, int]:
        return self.local

    def station(self, name: str) -> View | None:
        return self.city.views.get(name)

    def select(self, selector: Selector) -> Sequence[View]:
        views = [self.city.views[name] for name in sorted(self.city.views)]
        if selector.stations:
            views = [view for view in views if view.name in selector.stations]
        if selector.own_area:
            views = [view for view in views if view.fields.get("area") == self.fields.get("area")]
        return views


# ---- random trees

FLOATS = st.floats(0, 1e6, allow_nan=False) | st.integers(0, 500).map(float)
LITERALS = FLOATS | FLOATS.map(lambda x: -x)
SERIES = st.tuples(st.sampled_from(PARAMETERS), st.none() | st.sampled_from((*STATIONS, "nowhere")))
LENGTHS = st.sampled_from((1500, 60_000, 90_000, 3_600_000, 86_400_000, 172_800_000))
STATISTICS: st.SearchStrategy[Statistic] = st.sampled_from(("avg", "min", "max", "count", "rate", "p95"))
WORDS = st.text("abcĐà -/*:0", min_size=1, max_size=8) | st.sampled_from(("it's", 'say "x"'))

READINGS = SERIES.map(lambda s: Reading(*s))
WINDOWS = st.builds(
    lambda statistic, series, length, complete: Window(statistic, series[0], length, complete, series[1]),
    STATISTICS,
    SERIES,
    LENGTHS,
    st.sampled_from((0.0, 0.75, 1.0)),
)
LIMITS = st.sampled_from(
    (LimitOf("QCVN 05:2023", "pm25", "24h"), LimitOf("Old", "pm25", "24h"), LimitOf("QCVN 08:2023", "do", "single", "A"))
)
CLOCKS = st.sampled_from(("hour", "minute", "day", "month")).map(lambda part: Clock(part))  # type: ignore[arg-type]
SELECTORS = st.sampled_from(
    (
        Selector(everywhere=True),
        Selector(own_area=True),
        Selector(stations=("a", "b")),
        Selector(stations=("nowhere",)),
        Selector(stations=("c",)),
    )
)
LEAVES = st.one_of(LITERALS.map(Number), READINGS, READINGS, WINDOWS, LIMITS, CLOCKS, st.sampled_from(PARAMETERS).map(Age))
OPERATORS = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))


def _numbers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(Arithmetic, st.sampled_from(("+", "-", "*", "/")), inner, inner),
        st.builds(Negative, inner),
        st.builds(lambda x: Call("abs", (x,)), inner),
        st.builds(lambda name, parts: Call(name, tuple(parts)), st.sampled_from(("min", "max")), st.lists(inner, min_size=2, max_size=3)),
    )


def numbers(leaves: st.SearchStrategy[Any] = LEAVES) -> st.SearchStrategy[Any]:
    """Numeric trees."""
    return st.recursive(leaves, _numbers, max_leaves=5)


def _atoms(number: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(Comparison, OPERATORS, number, number),
        st.builds(Comparison, OPERATORS, READINGS | WINDOWS, LITERALS.map(Number)),
        st.builds(Comparison, OPERATORS, st.sampled_from(PARAMETERS).map(FlagOf), st.sampled_from((1.0, 3.0, 4.0)).map(Number)),
        st.builds(Comparison, OPERATORS, st.just(Clock("time")), st.integers(0, 1439).map(lambda m: ClockValue("time", m * 60_000))),
        st.builds(Comparison, OPERATORS, st.just(Clock("weekday")), st.integers(1, 7).map(lambda d: ClockValue("weekday", d))),
        st.builds(Comparison, OPERATORS, st.sampled_from(PARAMETERS).map(Age), LENGTHS.map(Duration)),
        st.builds(Comparison, st.sampled_from(("==", "!=")), st.just(StationField("site")), WORDS.map(Text)),
        st.builds(lambda operand, choices: In(operand, tuple(map(Number, choices))), READINGS, st.lists(LITERALS, min_size=1, max_size=3)),
        st.builds(lambda choices: In(StationField("site"), tuple(map(Text, choices))), st.lists(WORDS, min_size=1, max_size=3)),
        st.builds(
            lambda choices: In(Clock("weekday"), tuple(ClockValue("weekday", d) for d in choices)),
            st.lists(st.integers(1, 7), min_size=1, max_size=3),
        ),
    )


def _logic(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner))


def _across(condition: st.SearchStrategy[Any], number: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    count = st.builds(Across, st.just("count_of"), SELECTORS, condition)
    aggregate = st.builds(Across, st.sampled_from(("median_of", "avg_of", "min_of", "max_of")), SELECTORS, number)
    return st.one_of(
        st.builds(Across, st.sampled_from(("any_of", "all_of")), SELECTORS, condition),
        st.builds(Comparison, OPERATORS, count, st.integers(0, 4).map(lambda n: Number(float(n)))),
        st.builds(Comparison, OPERATORS, number, count),
        st.builds(Comparison, OPERATORS, st.builds(Arithmetic, st.sampled_from(("+", "/")), count, number), number),
        st.builds(Comparison, OPERATORS, aggregate, number),
    )


_LOCAL = st.recursive(_atoms(numbers()), _logic, max_leaves=5)
CONDITIONS: st.SearchStrategy[Any] = st.recursive(st.one_of(_LOCAL, _across(_LOCAL, numbers())), _logic, max_leaves=4)
"""Conditions in which every kind fits, so that they can be compiled as they are."""


# ---- random stations


@st.composite
def cities(draw: st.DrawFn) -> Station:
    """A station among others; of each a part is unknown."""
    city = City()
    for name in draw(st.lists(st.sampled_from(STATIONS), min_size=1, unique=True)):
        city.views[name] = draw(_stations(name, city))
    return city.views[min(city.views)]


def _stations(name: str, city: City) -> st.SearchStrategy[Station]:
    parameters = st.sampled_from(PARAMETERS)
    keys = st.tuples(st.builds(WindowKey, parameters, LENGTHS), STATISTICS)
    return st.builds(
        Station,
        name=st.just(name),
        city=st.just(city),
        at_ms=st.sampled_from((1_767_225_600_000, 1_900_000_000_000)),
        values=st.dictionaries(parameters, LITERALS),
        flags=st.dictionaries(parameters, st.sampled_from((1, 2, 3, 4, 9))),
        ages=st.dictionaries(parameters, LENGTHS),
        windows=st.dictionaries(keys, LITERALS, max_size=12),
        fields=st.fixed_dictionaries({"area": st.sampled_from(("x", "y"))}, optional={"site": WORDS}),
        local=st.tuples(st.integers(0, 86_399_999), st.integers(1, 7), st.integers(1, 31), st.integers(1, 12)),
    )


# ---- the slow interpreter

_AND = {(True, True): True, (True, None): None, (None, True): None, (None, None): None}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def both(one: bool | None, other: bool | None) -> bool | None:
    """Kleene's table of `and`."""
    return _AND.get((one, other), False)


def opposite(one: bool | None) -> bool | None:
    """Kleene's table of `not`."""
    return {True: False, False: True, None: None}[one]


def reference(node: Node, view: Any) -> Any:
    """What the node is at the view, by the book: no folding, no intervals; counts by trying every answer of unknown stations."""
    match node:
        case And(operands):
            result: Any = True
            for operand in operands:
                result = both(result, reference(operand, view))
            return result
        case Or(operands):
            return opposite(reference(And(tuple(Not(operand) for operand in operands)), view))
        case Not(operand):
            return opposite(reference(operand, view))
        case In(operand, choices):
            return reference(Or(tuple(Comparison("==", operand, choice) for choice in choices)), view)
        case Across("any_of" | "all_of" as quantifier, selector, inner):
            answers = [reference(inner, station) for station in view.select(selector)]
            results = {(any if quantifier == "any_of" else all)(world) for world in _worlds(answers)}
            return results.pop() if answers and len(results) == 1 else None
        case Comparison(operator, left, right):
            ones, others = _possible(left, view), _possible(right, view)
            results = {_COMPARE[operator](one, other) for one in ones for other in others}
            return results.pop() if len(results) == 1 else None
    return _value(node, view)


def _worlds(answers: list[bool | None]) -> list[tuple[bool, ...]]:
    return list(product(*[(True, False) if answer is None else (answer,) for answer in answers]))


def _possible(node: Node, view: Any) -> set[Any]:
    """All values that a side of a comparison may have; none if it is unknown."""
    if isinstance(node, Across) and node.quantifier == "count_of":
        answers = [reference(node.inner, station) for station in view.select(node.selector)]
        return {sum(world) for world in _worlds(answers)} if answers else set()
    value = reference(node, view)
    return set() if value is None else {value}


def _value(node: Node, view: Any) -> Any:
    match node:
        case Number(value) | Duration(value) | ClockValue(_, value) | Text(value):
            return value
        case Reading(parameter, station):
            there = view if station is None else view.station(station)
            return None if there is None else there.value(parameter)
        case Window(statistic, parameter, length, complete, station):
            there = view if station is None else view.station(station)
            return None if there is None else there.window(WindowKey(parameter, length), statistic, complete)
        case Age(parameter):
            return view.age_ms(parameter)
        case FlagOf(parameter):
            return view.flag(parameter)
        case Clock(part):
            ms, weekday, day, month = view.local_ms()
            parts = {"time": ms, "hour": ms // 3_600_000, "minute": ms // 60_000 % 60, "weekday": weekday, "day": day, "month": month}
            return parts[part]
        case StationField(name):
            return view.field(name)
        case LimitOf(standard, parameter, averaging, category):
            return VOCABULARY.limits.value(LimitKey(standard, parameter, averaging, category), view.at_ms)
        case Across(quantifier, selector, inner):
            values = [reference(inner, station) for station in view.select(selector)]
            known = [value for value in values if value is not None]
            if quantifier == "count_of":
                return known.count(True) if known and len(known) == len(values) else None
            if not known or len(known) < len(values) / 2:
                return None
            return {"median_of": statistics.median, "avg_of": statistics.fmean, "min_of": min, "max_of": max}[quantifier](known)
        case Negative(operand):
            value = reference(operand, view)
            return None if value is None else -value
        case Call(function, arguments):
            values = [reference(argument, view) for argument in arguments]
            return None if None in values else abs(values[0]) if function == "abs" else {"min": min, "max": max}[function](values)
        case Arithmetic(operator, left, right):
            one, other = reference(left, view), reference(right, view)
            if one is None or other is None or (operator == "/" and other == 0):
                return None
            result = {"+": one + other, "-": one - other, "*": one * other, "/": other and one / other}[operator]
            return result if math.isfinite(result) else None
    raise AssertionError(node)
