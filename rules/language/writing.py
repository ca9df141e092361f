"""The canonical text of a tree: the shortest one with the language's own spacing, which `parse` reads back to the same tree."""

from __future__ import annotations

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
    Text,
    Window,
)
from rules.language.words import WEEKDAYS

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGNED, _OPERAND = range(8)
"""How tightly a text holds together; what is looser than its place asks for stands in brackets."""


def text_of(node: Node) -> str:
    """`pm25>50 and(no2>3)` → `pm25 > 50 and no2 > 3`."""
    return _write(node)[0]


def selector_text(selector: Selector) -> str:
    """`area('hai-chau/*') and medium('air')`."""
    parts = ["stations"] if selector.everywhere else []
    parts += ["area"] if selector.own_area else []
    for word, value in (("area", selector.area), ("medium", selector.medium), ("tag", selector.tag)):
        parts += [f"{word}({_quoted(value)})"] if value is not None else []
    parts += [f"stations({', '.join(map(_quoted, selector.stations))})"] if selector.stations else []
    return " and ".join(parts)


def duration_text(ms: int) -> str:
    """In the largest unit that divides it: 5400000 → `90m`."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def number_text(value: float) -> str:
    """The shortest text that is read back to the same number."""
    return repr(float(value)).removesuffix(".0")


def _at(node: Node, place: int) -> str:
    text, holds = _write(node)
    return text if holds >= place else f"({text})"


def _write(node: Node) -> tuple[str, int]:
    match node:
        case Or(operands):
            return " or ".join(_at(operand, _AND) for operand in operands), _OR
        case And(operands):
            return " and ".join(_at(operand, _NOT) for operand in operands), _AND
        case Not(In(operand, choices)):
            return f"{_at(operand, _SUM)} not in ({_list(choices)})", _COMPARE
        case Not(operand):
            return f"not {_at(operand, _NOT)}", _NOT
        case Comparison(operator, left, right):
            return f"{_at(left, _SUM)} {operator} {_at(right, _SUM)}", _COMPARE
        case In(operand, choices):
            return f"{_at(operand, _SUM)} in ({_list(choices)})", _COMPARE
        case Arithmetic(operator, left, right):
            holds = _SUM if operator in "+-" else _PRODUCT
            return f"{_at(left, holds)} {operator} {_at(right, holds + 1)}", holds
        case Negative(operand):
            # The sign of a literal is its own: `-(5)` is not `-5`.
            literal = isinstance(operand, Number) and not number_text(operand.value).startswith("-")
            return f"-({_write(operand)[0]})" if literal else f"-{_at(operand, _SIGNED)}", _SIGNED
        case Number(value, unit):
            text = number_text(value)
            return (f"{text} {unit}" if unit else text), _SIGNED if text.startswith("-") else _OPERAND
        case _:
            return _operand(node), _OPERAND


def _operand(node: Node) -> str:
    match node:
        case Duration(ms):
            return duration_text(ms)
        case ClockValue("time", value):
            return f"{value // 3_600_000:02}:{value // 60_000 % 60:02}"
        case ClockValue(_, value):
            return WEEKDAYS[value - 1]
        case Text(value):
            return _quoted(value)
        case Reading(parameter, station):
            return _series(parameter, station)
        case Window(statistic, parameter, length_ms, complete, station):
            share = f", complete={number_text(complete)}" if complete else ""
            return f"{statistic}({_series(parameter, station)}, {duration_text(length_ms)}{share})"
        case Age(parameter):
            return f"age({parameter})"
        case FlagOf(parameter):
            return f"flag({parameter})"
        case Clock(part):
            return part
        case StationField(name):
            return f"station.{name}"
        case LimitOf(standard, parameter, averaging, category):
            parts = [_quoted(standard), parameter, _quoted(averaging), *([] if category is None else [_quoted(category)])]
            return f"limit({', '.join(parts)})"
        case Call(function, arguments):
            return f"{function}({_list(arguments)})"
        case Across(quantifier, selector, inner):
            return f"{quantifier}({selector_text(selector)}, {_write(inner)[0]})"
    raise AssertionError(f"{type(node).__name__} has no text")


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(_at(node, _SUM) for node in nodes)


def _series(parameter: str, station: str | None) -> str:
    return parameter if station is None else f"station({_quoted(station)}).{parameter}"


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
