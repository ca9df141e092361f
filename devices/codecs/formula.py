"""Arithmetic in binary layouts: `max(1.0 * _x0 - 1.64 * _x1, 0) * 1.5504`, `_flags & 4`, `length > 8 and port == 2`.

A formula is configuration, never a value from outside. It is read with Python's grammar, only numbers, names and the operators
below are let through, and it becomes one closure; nothing is ever evaluated as code.

    + - * / // % **   & | ^ ~ << >>   == != < <= > >=   and or not   a if condition else b
    min max abs sqrt round floor ceil int log10 exp

A name is a value that the layout read before (a `none` code is no number), or `port` (−1 when there is none) or `length`, the
bytes of the message. What cannot be worked out (a name without a number, a division by zero, the root of a negative number)
gives NaN: as a value that is no value (null), as a condition false.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

MAX_CHARACTERS = 500
MAX_DEPTH = 20
MAX_SHIFT = 64
_LARGEST_INTEGER = 2**128
"""Beyond it integer arithmetic goes on in floating point, so that no formula can grow numbers without bound."""

Formula: TypeAlias = Callable[[Mapping[str, Any]], int | float]
"""Values by name → a number, NaN where there is none. Never raises."""

_Node: TypeAlias = Callable[[Mapping[str, Any]], Any]
_NAN: Final = math.nan


class FormulaError(ValueError):
    """The text is no formula. Says what is wrong in it."""


def compile_formula(text: str) -> tuple[Formula, frozenset[str]]:
    """The formula as a function, and the names that it uses. Raises FormulaError."""
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"a formula has at most {MAX_CHARACTERS} characters, this one {len(text)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `1if a else 2` is only warned about: here it is wrong
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"{text[:60]!r} is no formula: {getattr(error, 'msg', error)}") from None
    names: set[str] = set()
    node = _build(tree.body, names, 1)

    def formula(values: Mapping[str, Any]) -> int | float:
        try:
            result = node(values)
        except (ArithmeticError, ValueError, TypeError, KeyError):
            return _NAN
        if result.__class__ is float or result.__class__ is int:
            return result
        return int(result) if isinstance(result, bool) else _NAN

    return formula, frozenset(names)


def _bounded(value: Any) -> Any:
    return float(value) if value.__class__ is int and abs(value) > _LARGEST_INTEGER else value


def _power(base: Any, exponent: Any) -> Any:
    result = float(base) ** float(exponent)
    return result if isinstance(result, float) else _NAN


def _left(value: Any, by: Any) -> Any:
    if not 0 <= by <= MAX_SHIFT:
        raise ValueError("shift")
    return value << by


def _multiply(left: Any, right: Any) -> Any:
    # A text times a number would be a long text: numbers only.
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError("no number")
    return left * right


def _modulo(left: Any, right: Any) -> Any:
    # `text % value` formats in Python: numbers only.
    if not isinstance(left, int | float):
        raise TypeError("no number")
    return left % right


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _modulo,
    ast.Pow: _power,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: _left,
    ast.RShift: operator.rshift,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "round": lambda value: math.floor(value + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "int": math.trunc,
    "log10": math.log10,
    "exp": math.exp,
}


def _build(node: ast.expr, names: set[str], depth: int) -> _Node:
    if depth > MAX_DEPTH:
        raise FormulaError(f"nested deeper than {MAX_DEPTH} levels")
    below = depth + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        constant = node.value
        if abs(constant) > _LARGEST_INTEGER:
            raise FormulaError("a number beyond 2**128")
        return lambda values: constant
    if isinstance(node, ast.Name):
        name = node.id
        names.add(name)
        return lambda values: values[name]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, apply, right = _build(node.left, names, below), _BINARY[type(node.op)], _build(node.right, names, below)
        return lambda values: _bounded(apply(left(values), right(values)))
    if isinstance(node, ast.UnaryOp):
        of, change = _build(node.operand, names, below), _UNARY[type(node.op)]
        return lambda values: change(of(values))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        first, second = _build(node.left, names, below), _build(node.comparators[0], names, below)
        compare = _COMPARE[type(node.ops[0])]
        return lambda values: compare(first(values), second(values))
    if isinstance(node, ast.BoolOp):
        parts = [_build(part, names, below) for part in node.values]
        if isinstance(node.op, ast.And):
            return lambda values: all(part(values) for part in parts)
        return lambda values: any(part(values) for part in parts)
    if isinstance(node, ast.IfExp):
        test, then, other = (_build(part, names, below) for part in (node.test, node.body, node.orelse))
        return lambda values: then(values) if test(values) else other(values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [_build(argument, names, below) for argument in node.args])
    raise FormulaError(f"{ast.unparse(node)[:60]!r} is not allowed: numbers, names, + - * / // % ** & | ^ ~ << >>, comparisons, and or not")


def _call(name: str, arguments: list[_Node]) -> _Node:
    function = _FUNCTIONS.get(name)
    if function is None:
        raise FormulaError(f"unknown function {name!r} (known: {', '.join(_FUNCTIONS)})")
    least = 2 if name in ("min", "max") else 1
    if len(arguments) < least or (least == 1 and len(arguments) > 1):
        raise FormulaError(f"{name} takes {'at least two numbers' if least == 2 else 'one number'}")
    if len(arguments) == 1:
        only = arguments[0]
        return lambda values: function(only(values))
    return lambda values: function(*(argument(values) for argument in arguments))
