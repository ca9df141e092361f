"""Paths into a message: `uplink_message.decoded_payload.temperature`, `sensordatavalues[3].value`.

A path is read as a person reads the message:

    a.b.c            members of objects; a name may itself hold points (`pm2.5`, `SI7021.Temperature`): see below
    a[0].b  a[-1]    an element of an array, from its start or its end
    a[name=pm25].v   the first element of an array of objects whose member `name` is `pm25` (numbers are compared as text);
                     several conditions: `[name=pm25,unit=ppb]`; a value with `]` or `,` in it stands in quotes: `[n="a,b"]`
    a[*].b           all elements: a list of the values of those that have `b`, missing when none has
    a["b.c"].d       a name in quotes is taken as it stands

Where a name with points could be read in two ways (`{"a": {"b": 1}, "a.b": 2}`), the nested reading wins in `compile_path`;
`flatten` refuses such a message. Paths are configuration: they are compiled once, into one closure each. Values of a message
are never used as paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from devices.formats.record import Pairs
from devices.rejection import Reason, Rejection

MAX_DEPTH = 16
"""Deepest nesting of objects and arrays that is taken in, the message itself counted."""
MAX_VALUES = 5_000
"""Values that one message may hold."""
MAX_PATH_CHARACTERS = 500
"""The longest path that is written for a value, and the longest that may be configured."""
MAX_SEGMENTS = 16
_LARGEST_COMPARED = 2**64
"""Python refuses to write integers of more than 4,300 digits as text; no condition names such a number."""


class _Missing:
    """The type of MISSING."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""What a path gives where the message has nothing (null is something: it is None)."""

Find: TypeAlias = Callable[[Any], Any]
"""Tree → the value at the path, or MISSING. Never raises, whatever the tree."""


class _All(NamedTuple):
    """`[*]`."""


class _Where(NamedTuple):
    """`[name=pm25,…]`: pairs of member and the text that it must have."""

    conditions: tuple[tuple[str, str], ...]


class _Name(NamedTuple):
    name: str
    quoted: bool


_Step: TypeAlias = _Name | int | _Where | _All

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CONDITION = rf"(?:{_QUOTED}|[^\]\[=,\"]+)=(?:{_QUOTED}|[^\],\"]*)"
_STEP = re.compile(
    rf"""(?P<name>[^.\[\]]+)
       | \[(?P<index>-?\d{{1,6}})\]
       | \[(?P<all>\*)\]
       | \[(?P<quoted>{_QUOTED})\]
       | \[(?P<where>{_CONDITION}(?:,{_CONDITION})*)\]""",
    re.VERBOSE,
)
_CONDITIONS = re.compile(rf"({_QUOTED}|[^\]\[=,\"]+)=({_QUOTED}|[^\],\"]*),?")
_NEEDS_QUOTES = re.compile(r"[\[\]\"]|^\.|\.$|\.\.|^$")


# --- tree → pairs


def flatten(tree: object) -> Pairs | Rejection:
    """Every value of the tree under its path, in the message's order; empty objects and arrays stand for themselves.

    Rejects trees nested deeper than MAX_DEPTH (too-deep), with more than MAX_VALUES values or a path longer than
    MAX_PATH_CHARACTERS (wrong-shape), and such as have two values under one path (duplicate-key). A tree that is one
    bare value stands under the path "".
    """
    pairs: Pairs = {}
    return _flatten(tree, "", 1, pairs) or pairs


def _flatten(node: object, path: str, depth: int, pairs: Pairs) -> Rejection | None:
    if (node.__class__ is dict or node.__class__ is list) and node:
        if depth > MAX_DEPTH:
            return Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, dict):
            for name, value in node.items():
                if (refused := _flatten(value, member(path, name), depth + 1, pairs)) is not None:
                    return refused
        elif isinstance(node, list):
            for index, value in enumerate(node):
                if (refused := _flatten(value, f"{path}[{index}]", depth + 1, pairs)) is not None:
                    return refused
        return None
    if len(path) > MAX_PATH_CHARACTERS:
        return Rejection(Reason.WRONG_SHAPE, f"a path longer than {MAX_PATH_CHARACTERS} characters: {path[:40]!r}…")
    if len(pairs) >= MAX_VALUES:
        return Rejection(Reason.WRONG_SHAPE, f"more than {MAX_VALUES} values in one message")
    if path in pairs:
        return Rejection(Reason.DUPLICATE_KEY, f"two values stand at {path[:80]!r}")
    pairs[path] = node
    return None


def member(path: str, name: str) -> str:
    """The path of the member `name` of the object at `path`."""
    if len(name) > MAX_PATH_CHARACTERS:
        name = name[: MAX_PATH_CHARACTERS + 1]
    if _NEEDS_QUOTES.search(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


# --- path → closure


def compile_path(text: str) -> Find:
    """The reader of one path. Raises ValueError, saying what to write, when the text is no path."""
    steps = parse_path(text)
    if len(steps) == 1 and isinstance(steps[0], _Name):
        return _one_name(steps[0].name)
    if not all(isinstance(step, _Name) for step in steps):
        return lambda tree: _walk(tree, steps, 0)
    names = [step.name for step in steps if isinstance(step, _Name)]
    # Only names: the commonest paths. Subscripts in C; whatever is not as expected is looked at again, slowly.
    if len(names) == 2:
        return _two_names(names[0], names[1], steps)
    if len(names) == 3:
        return _three_names(names[0], names[1], names[2], steps)

    def many(tree: Any) -> Any:
        node = tree
        try:
            for name in names:
                node = node[name]
        except (KeyError, TypeError, IndexError):
            return _walk(tree, steps, 0)
        return node

    return many


def _one_name(name: str) -> Find:
    def one(tree: Any) -> Any:
        return tree.get(name, MISSING) if tree.__class__ is dict else MISSING

    return one


def _two_names(first: str, second: str, steps: tuple[_Step, ...]) -> Find:
    def two(tree: Any) -> Any:
        try:
            return tree[first][second]
        except (KeyError, TypeError, IndexError):
            return _walk(tree, steps, 0)

    return two


def _three_names(first: str, second: str, third: str, steps: tuple[_Step, ...]) -> Find:
    def three(tree: Any) -> Any:
        try:
            return tree[first][second][third]
        except (KeyError, TypeError, IndexError):
            return _walk(tree, steps, 0)

    return three


def parse_path(text: str) -> tuple[_Step, ...]:
    """The steps of a path. Raises ValueError."""
    if not text or len(text) > MAX_PATH_CHARACTERS:
        raise ValueError(f"a path has 1 to {MAX_PATH_CHARACTERS} characters")
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        if steps and text[at] == "." and at + 1 < len(text) and text[at + 1] != "[":
            at += 1
        elif steps and text[at] != "[":
            raise ValueError(_no_path(text, at))
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(_no_path(text, at))
        steps.append(_step(found))
        at = found.end()
    if len(steps) > MAX_SEGMENTS:
        raise ValueError(f"a path has at most {MAX_SEGMENTS} steps, {text[:60]!r} has {len(steps)}")
    return tuple(steps)


def _step(found: re.Match[str]) -> _Step:
    if found["name"] is not None:
        return _Name(found["name"], False)
    if found["index"] is not None:
        return int(found["index"])
    if found["all"] is not None:
        return _All()
    if found["quoted"] is not None:
        return _Name(_unquoted(found["quoted"]), True)
    pairs = _CONDITIONS.findall(found["where"])
    return _Where(tuple((_unquoted(name.strip()), _unquoted(value)) for name, value in pairs))


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    value: str = json.loads(text)
    return value


def _no_path(text: str, at: int) -> str:
    return (
        f"{text[:60]!r} is not a path (character {at + 1}): write for example a.b, a[0].b, a[name=pm25].value, a[*].b, "
        'or a["b.c"] for a name with brackets or points'
    )


def _walk(node: Any, steps: tuple[_Step, ...], at: int) -> Any:
    """The value at `steps[at:]` below `node`. A run of names is tried as nested members first, then joined by points."""
    if at == len(steps):
        return node
    step = steps[at]
    if isinstance(step, _Name):
        return _named(node, steps, at)
    if node.__class__ is not list:
        return MISSING
    if isinstance(step, int):
        return _walk(node[step], steps, at + 1) if -len(node) <= step < len(node) else MISSING
    if isinstance(step, _Where):
        for element in node:
            if _fits(element, step):
                return _walk(element, steps, at + 1)
        return MISSING
    found = [value for element in node if (value := _walk(element, steps, at + 1)) is not MISSING]
    return found or MISSING


def _named(node: Any, steps: tuple[_Step, ...], at: int) -> Any:
    if node.__class__ is not dict:
        return MISSING
    first = steps[at]
    assert isinstance(first, _Name)
    name, quoted = first
    after = at + 1
    while True:
        if name in node and (found := _walk(node[name], steps, after)) is not MISSING:
            return found
        if quoted or after == len(steps):
            return MISSING
        following = steps[after]
        if not isinstance(following, _Name) or following.quoted:
            return MISSING
        name = f"{name}.{following.name}"
        after += 1


def _fits(element: Any, where: _Where) -> bool:
    if element.__class__ is not dict:
        return False
    for name, due in where.conditions:
        value = element.get(name, MISSING)
        if value.__class__ is bool:
            value = "true" if value else "false"
        if value.__class__ is int and abs(value) > _LARGEST_COMPARED:
            return False
        if value.__class__ not in (str, int, float) or str(value) != due:
            return False
    return True
