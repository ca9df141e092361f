"""`flat-json`: one JSON object, its members are the pairs (`{"device":"an-01","pm25":12.3}`).

orjson reads what is in order; the standard library's parser, which is slower but says more, is asked only about a message
that orjson refuses or that may name a key twice. Nested members are handed on as they are: a type that reads one of them
as a number refuses that field, and its neighbours are kept.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from devices.formats.base import Format, Pairs
from devices.rejection import Reason, Rejection

MAX_DEPTH = 16
"""Deepest nesting of objects and arrays that is taken in, the message itself counted."""

_loads = orjson.loads
_SHAPES = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}


def read(payload: bytes) -> Pairs | Rejection:
    """The members of the object, in its order, or why there are none (see the module's head). Never raises."""
    try:
        members: Any = _loads(payload)
    except orjson.JSONDecodeError as error:
        return _second_opinion(payload, str(error))
    if members.__class__ is not dict:
        return _wrong_shape(payload, members)
    # Cheap proof that no key occurs twice: each member has a colon, and orjson keeps the last of two equal keys. So as many
    # colons as kept members mean one of each, no colon inside a text, and nothing nested but empty objects.
    if payload.count(b":") == len(members) and b"[" not in payload:
        return members
    # The same by quotation marks, for texts with colons (times): every key and every text value takes two of them, so more
    # marks than the kept members account for mean a second key, an escaped mark or nesting.
    texts = list(map(type, members.values())).count(str)
    if payload.count(b'"') != 2 * (len(members) + texts) or payload.find(b"[") > 0 or payload.find(b"{", 1) > 0:
        return _examined(payload, members)
    return members


def _examined(payload: bytes, members: Pairs) -> Pairs | Rejection:
    """A message that orjson has read, looked at again for depth and for keys named twice."""
    if (deep := _too_deep(payload)) is not None:
        return deep
    try:
        json.loads(payload, object_pairs_hook=_unique, parse_int=float)
    except _DuplicateKeyError as twice:
        return Rejection(Reason.DUPLICATE_KEY, f"the key {twice.key[:80]!r} occurs twice")
    return members


def _second_opinion(payload: bytes, message: str) -> Pairs | Rejection:
    """Why orjson refused, in our words. Numbers beyond a 64-bit float are no reason to lose their neighbours: they become inf."""
    if not payload:
        return Rejection(Reason.EMPTY, "the payload is empty")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8")
    if (deep := _too_deep(payload)) is not None:
        return deep
    refused = Rejection(Reason.NOT_JSON, message)
    try:
        members = json.loads(text, object_pairs_hook=_unique, parse_int=_number, parse_float=_number, parse_constant=_no_constant)
    except _DuplicateKeyError as twice:
        return Rejection(Reason.DUPLICATE_KEY, f"the key {twice.key[:80]!r} occurs twice")
    except ValueError:
        return refused
    # The standard library takes two things that orjson does not: numbers out of bounds, which we want, and lone surrogates.
    if not _encodable(members):
        return refused
    return members if members.__class__ is dict else _wrong_shape(payload, members)


def _wrong_shape(payload: bytes, value: object) -> Rejection:
    if (deep := _too_deep(payload)) is not None:
        return deep
    return Rejection(Reason.WRONG_SHAPE, f"one JSON object is due, this is {_SHAPES.get(type(value), 'a number')}")


# Possessive, and an unterminated text runs to the end: each byte is looked at once, whatever the payload.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def _too_deep(payload: bytes) -> Rejection | None:
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return None
    depth = 0
    for found in _BRACKETS.finditer(payload):
        first = found[0][:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
        elif first in b"]}":
            depth -= 1
    return None


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateKeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return members


def _number(text: str) -> float:
    """As orjson reads it, but infinite where a 64-bit float cannot hold it. Not `int()`, which refuses 4,301 digits."""
    return float(text) if len(text) > 18 or not text.lstrip("-").isdigit() else int(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


FORMAT = Format("flat-json", read)
