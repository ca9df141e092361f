"""What a condition means, as a tree of plain values: the result of parsing, the subject of checking, the source of compiling.

Numbers stand in the canonical unit of what they are compared or combined with, durations in ms: the checker converts
literals (`200 ppb`, `1h`) where it knows what they meet. Every node knows where in the text it stands, for messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Statistic = Literal["avg", "min", "max", "sum", "count", "median", "p95", "stddev", "rate", "delta", "first", "last"]
ClockPart = Literal["hour", "minute", "time", "weekday", "month", "day"]
"""`time` is ms since local midnight; `weekday` is 1 (Monday) to 7."""
Quantifier = Literal["any_of", "all_of", "count_of", "median_of", "avg_of", "min_of", "max_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands in the condition's text: offsets of its first character and behind its last."""

    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    span: Span = field(default=Span(), compare=False)


@dataclass(frozen=True, slots=True)
class Number(_Node):
    """A literal. `unit` is as written ("" for none); after the check `value` is in the canonical unit of its partner."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Duration(_Node):
    """`10m`, `1h`: ms."""

    ms: int


@dataclass(frozen=True, slots=True)
class Text(_Node):
    """`'river'`: only compared with registry fields."""

    value: str


@dataclass(frozen=True, slots=True)
class ClockValue(_Node):
    """`22:00` (ms since midnight) or `sat` (1 … 7): what `time` and `weekday` are compared with."""

    part: Literal["time", "weekday"]
    value: int


@dataclass(frozen=True, slots=True)
class Reading(_Node):
    """The held value of a parameter (or of a derived one: `vn_aqi`, `pm25_1h`) at this station, or at a named one."""

    parameter: str
    station: str | None = None


@dataclass(frozen=True, slots=True)
class Window(_Node):
    """A statistic of a parameter over the last `length_ms`, `(end - length, end]`; unknown below `complete` (0 … 1) of the due readings."""

    statistic: Statistic
    parameter: str
    length_ms: int
    complete: float = 0.0
    station: str | None = None


@dataclass(frozen=True, slots=True)
class Age(_Node):
    """ms since the event time of the parameter's newest usable reading."""

    parameter: str


@dataclass(frozen=True, slots=True)
class FlagOf(_Node):
    """QARTOD flag of the parameter's newest reading, whatever it is."""

    parameter: str


@dataclass(frozen=True, slots=True)
class Clock(_Node):
    """Local time in the city's zone."""

    part: ClockPart


@dataclass(frozen=True, slots=True)
class StationField(_Node):
    """`station.elevation`, `station.kind` …: from the registry, valid at the event time."""

    name: str


@dataclass(frozen=True, slots=True)
class LimitOf(_Node):
    """`limit('QCVN 05:2023', pm25, '24h')`: the value in force at the event time, in the parameter's canonical unit."""

    standard: str
    parameter: str
    averaging: str
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Call(_Node):
    """`abs(x)`, `min(x, y, …)`, `max(x, y, …)`."""

    function: Literal["abs", "min", "max"]
    arguments: tuple[Numeric, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(_Node):
    """`x + y`; a division by zero is unknown."""

    operator: Literal["+", "-", "*", "/"]
    left: Numeric
    right: Numeric


@dataclass(frozen=True, slots=True)
class Negative(_Node):
    """`-x`."""

    operand: Numeric


@dataclass(frozen=True, slots=True)
class Selector(_Node):
    """Which stations: all that fit every given part. `own_area` is the station's own area (`area` in `median_of(area, pm25)`)."""

    everywhere: bool = False
    own_area: bool = False
    area: str | None = None
    medium: str | None = None
    tag: str | None = None
    stations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Across(_Node):
    """`any_of(stations, cond)`, `count_of(area('hai-chau/*'), cond)`, `median_of(area, pm25)`: over each station's held values (C3)."""

    quantifier: Quantifier
    selector: Selector
    inner: Node


@dataclass(frozen=True, slots=True)
class Comparison(_Node):
    """`x > y`."""

    operator: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Numeric | Text
    right: Numeric | Text


@dataclass(frozen=True, slots=True)
class In(_Node):
    """`weekday in (sat, sun)`: equal to one of these constants."""

    operand: Numeric
    choices: tuple[Numeric | Text, ...]


@dataclass(frozen=True, slots=True)
class And(_Node):
    """Kleene conjunction."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(_Node):
    """Kleene disjunction."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(_Node):
    """Kleene negation: not unknown is unknown."""

    operand: Node


Numeric: TypeAlias = (
    Number
    | Duration
    | ClockValue
    | Reading
    | Window
    | Age
    | FlagOf
    | Clock
    | StationField
    | LimitOf
    | Call
    | Arithmetic
    | Negative
    | Across
)
Condition: TypeAlias = Comparison | In | And | Or | Not | Across
Node: TypeAlias = Numeric | Condition | Text
