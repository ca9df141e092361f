"""Reads a condition: text → tree. The only module of the language that touches a file, the grammar beside it.

A text that is no condition gives a `ConditionError`, whatever it is: bounded in length and in brackets before lark sees it,
and in depth before anything walks over the tree. The time is linear in the length of the text.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from devices.problems import did_you_mean
from rules.language.errors import ConditionError, Problem
from rules.language.kinds import is_unit
from rules.language.nodes import Node, Span
from rules.language.words import CALLS, CLOCK

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

LONGEST = 2_000
"""Characters of a condition."""
MOST_BRACKETS = 50
"""Open at the same time."""

_SCAN = re.compile(r"\[[^\]\s]*\]|'[^'\n]*'|\"[^\"\n]*\"|[()]|[A-Za-z_][A-Za-z0-9_]*|[^\s]")
"""Units in square brackets (no string begins in `[in_i'Hg]`), strings, brackets, words, anything else: to know which call is open."""

_INSTEAD = {
    "=": "write `==` to compare",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`, or `!=` between two values",
    "≥": "write `>=`",
    "≤": "write `<=`",
    "≠": "write `!=`",
    "<>": "write `!=`",
    "^": "there are no powers: write `x * x`",
    "%": "a percentage is a unit, right behind its number: `50 %`",
    "×": "write `*`",
    "÷": "write `/`",
    "−": "write the minus sign of the keyboard, `-`",
    "–": "write the minus sign of the keyboard, `-`",
    "‘": "write straight quotes, `'`",
    "’": "write straight quotes, `'`",
    "“": "write straight quotes, `'`",
    "”": "write straight quotes, `'`",
    "'": "this text has no closing quote",
    '"': "this text has no closing quote",
    "[": "write round brackets",
    "{": "write round brackets",
    ":": "a time of day is written with two digits behind the colon: `06:30`",
}
_LAST_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LAST_UNIT = re.compile(r"[0-9]\s*([^\W\d_][^\s(),]*)$")
_SELECTING = ("stations", "area", "medium", "tag")
_JOINING = {"and", "or", "not"}
_UPPER_WORDS = {"AND", "OR", "NOT", "IN", "And", "Or", "Not", "In"}


def grammar() -> str:
    """The published grammar, for lark."""
    return resources.files("rules.language").joinpath("grammar.lark").read_text("utf-8")


@cache
def _lark() -> Lark:
    from lark import Lark  # 50 ms: only who has rules pays for it

    return Lark(grammar(), parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse(text: str, *, longest: int = LONGEST) -> Node:
    """The tree of a condition, names and units not yet checked. Raises ConditionError.

    `longest` is for texts that come from `text_of`, which may be longer than what was written.
    """
    if len(text) > longest:
        raise ConditionError(text, [Problem(Span(longest, len(text)), f"a condition has at most {longest} characters: split the rule")])
    _check_brackets(text)
    from lark.exceptions import UnexpectedInput

    from rules.language.building import build

    try:
        tree = _lark().parse(text)
    except UnexpectedInput as error:
        raise ConditionError(text, [_problem(text, error)]) from None
    node, problems = build(tree, text)
    if problems or node is None:
        raise ConditionError(text, problems)
    return node


def _check_brackets(text: str) -> None:
    opened: list[int] = []
    for match in _SCAN.finditer(text):
        if match[0] == "(":
            opened.append(match.start())
            if len(opened) > MOST_BRACKETS:
                raise ConditionError(text, [Problem(Span(*match.span()), f"more than {MOST_BRACKETS} brackets within each other")])
        elif match[0] == ")":
            if not opened:
                raise ConditionError(text, [Problem(Span(*match.span()), "this bracket was never opened")])
            opened.pop()


def _problem(text: str, error: UnexpectedInput) -> Problem:
    """What to say where lark could not go on."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start, found = error.token.start_pos or 0, str(error.token)
        expected = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        found = text[start]
        expected = error.allowed or set()
    else:
        start, found = len(text.rstrip()), ""
        expected = getattr(error, "accepts", None) or set(getattr(error, "expected", ()))
    return _hint(text, start, found) or Problem(_span(start, found), _message(text, start, found, set(expected)))


def _span(start: int, found: str) -> Span:
    return Span(start, start + max(1, len(found)))


def _message(text: str, start: int, found: str, expected: set[str]) -> str:
    if not found and not text.strip():
        return "a condition is missing: write for example `pm25 > 50`"
    if text[:start].count("(") == text[:start].count(")"):
        expected = expected - {"RPAR"}
    call = _open_call(text[:start])
    here = f"`{found[:40]}` does not fit here" if found else "it ends too early"
    if "STATIONS" in expected and (close := did_you_mean(found, _SELECTING)):
        return f"{here}{close}"
    how = f"; {call} is written {CALLS[call].written}, for example {CALLS[call].example}" if call else ""
    return f"{here}: expected {_wanted(expected)}{how}"


def _hint(text: str, start: int, found: str) -> Problem | None:
    """For what people often write instead."""
    before, two = text[:start].rstrip(), text[start : start + 2]
    last = _LAST_WORD.search(before)
    unit = _LAST_UNIT.search(before)
    if found in _UPPER_WORDS:
        return Problem(_span(start, found), f"write `{found.lower()}` in small letters")
    if last and last[0] in _UPPER_WORDS:
        return Problem(Span(*last.span()), f"write `{last[0].lower()}` in small letters")
    if unit and unit[1] not in _JOINING and not is_unit(unit[1]):
        return Problem(Span(*unit.span(1)), f"{unit[1]!r} is no unit; conditions are joined with `and` and `or`")
    if (split := _split_word(text, start)) is not None:
        return Problem(
            split, f"{text[split.start : split.end]!r} is not known here{did_you_mean(text[split.start : split.end], _SELECTING)}"
        )
    if found == "." and last:
        return Problem(Span(*last.span()), f"{last[0]!r} has no fields: a registry field is written `station.elevation`")
    message = _INSTEAD.get(two) or _INSTEAD.get(found[:1])
    if found == "=" and before.endswith(("=", ">", "<")):
        message = "write one of > >= < <= == !="
    elif found == "," and before[-1:].isdigit() and _open_call(before) is None:
        message = "a decimal is written with a point: `37.5`"
    elif found == "(" and last and last[0] in CLOCK:
        message = f"write `{last[0]}` without brackets, as in {CLOCK[last[0]].example}"
    return Problem(_span(start, found), message) if message else None


def _split_word(text: str, start: int) -> Span | None:
    """The whole word, where lark took its beginning for a word of the language: `areas` for `area`."""
    word = next((match for match in _WORD.finditer(text) if match.start() < start < match.end()), None)
    return None if word is None else Span(*word.span())


def _open_call(text: str) -> str | None:
    """The function whose brackets are open at the end of `text`."""
    opened: list[str] = []
    previous = ""
    for match in _SCAN.finditer(text):
        if match[0] == "(":
            opened.append(previous)
        elif match[0] == ")" and opened:
            opened.pop()
        previous = match[0]
    return opened[-1] if opened and opened[-1] in CALLS else None


def _wanted(expected: set[str]) -> str:
    """The terminals that would fit, as people call them."""
    if "COMPARE" in expected:
        return "an operator (> >= < <= == != in + - * / and or)" + (" or `)`" if "RPAR" in expected else "")
    if "NUMBER" in expected:
        return "a value, such as pm25, 50 or avg(pm25, 1h)"
    if "STATIONS" in expected:
        return "stations: `stations`, `area`, area('…'), medium('…'), tag('…') or stations('…')"
    if "DURATION" in expected:
        return "a duration, such as 90s, 10m or 1h"
    if "STRING" in expected:
        return "a text in quotes"
    if "NAME" in expected:
        return "a parameter, such as pm25"
    names = {
        "COMMA": "`,`",
        "RPAR": "`)`",
        "LPAR": "`(`",
        "DOT": "`.`",
        "AND": "`and`",
        "OR": "`or`",
        "IN": "`in`",
        "COMPLETE": "`complete=`",
    }
    found = sorted(names[name] for name in expected if name in names)
    return " or ".join(found) or "nothing more"
