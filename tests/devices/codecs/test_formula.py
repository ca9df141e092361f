"""Formulas: what they work out, that nothing else gets in, and that none raises or grows."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.formula import FormulaError, compile_formula

VALUES = {"a": 7, "b": 2.5, "none": None, "text": "9", "raw": b"\x01", "big": 2**64}


def work(text: str) -> float:
    return compile_formula(text)[0](VALUES)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("a / 2", 3.5),
        ("a // 2", 3),
        ("a % 4", 3),
        ("2 ** 10", 1024),
        ("a & 6 | 8 ^ 1", 15),
        ("1 << 4 >> 1", 8),
        ("~0", -1),
        ("-a", -7),
        ("a > 5 and b < 3", 1),
        ("a < 5 or not a", 0),
        ("1 if a == 7 else 2", 1),
        ("max(a, b, 10)", 10),
        ("min(a, b)", 2.5),
        ("abs(-3)", 3),
        ("sqrt(16)", 4),
        ("round(2.5)", 3),
        ("round(-2.5)", -2),
        ("floor(2.7) + ceil(2.2) + int(-2.7)", 3),
        ("log10(1000)", 3),
        ("exp(0)", 1),
    ],
)
def test_results(text: str, result: float) -> None:
    assert work(text) == pytest.approx(result, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "none + 1",
        "text",
        "text + text",
        "text * 3",
        "text % a",
        "raw * 9",
        "int(text)",
        "1 / 0",
        "a % 0",
        "sqrt(-1)",
        "(-8) ** 0.5",
        "0 ** -1",
        "1 << 65",
        "1 << -1",
        "1 >> -1",
        "b & 1",
        "10 ** 400",
        "exp(1000)",
        "log10(0)",
        "none > 1",
        "missing",
    ],
)
def test_what_cannot_be_worked_out_is_not_a_number(text: str) -> None:
    assert math.isnan(work(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "a.b",
        "a[0]",
        "lambda: 1",
        "[1]",
        "{}",
        "'x'",
        "f'{a}'",
        "a := 1",
        "open('x')",
        "max(1)",
        "sqrt(1, 2)",
        "max(a, key=b)",
        "True",
        "None",
        "1j",
        "a < b < 3",
        "a is b",
        "a in b",
        "a @ b",
        "await a",
        "*a",
        "(" * 300 + ")" * 300,
        "-" * 30 + "1",
        "a" * 501,
        "9" * 400,
        "1e999",
        "1if a else 2",
        "a\0",
        "__import__('os').system('x')",
    ],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(FormulaError):
        compile_formula(text)


def test_names_are_reported() -> None:
    assert compile_formula("_x0 + max(_x1, port) * 2")[1] == {"_x0", "_x1", "port"}


def test_integers_do_not_grow_without_bound() -> None:
    text = "big"
    for _ in range(4):
        text = f"({text}) * ({text})"
    result = work(text)
    assert isinstance(result, float)


_TEXT = st.text("ab0123456789.+-*/%&|^~<>=() ,", max_size=30)
_LEAF: Any = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3) | st.booleans()


@given(text=_TEXT | st.text(max_size=20), a=_LEAF, b=_LEAF)
def test_no_text_and_no_values_raise(text: str, a: object, b: object) -> None:
    try:
        formula, _ = compile_formula(text)
    except FormulaError:
        return
    assert type(formula({"a": a, "b": b})) in (int, float)
