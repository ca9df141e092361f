"""JSON bytes → the parsed value, or why there is none: what all JSON formats share.

Nearly every message is in order and shallow: msgspec reads such into a type that allows no deeper nesting, and orjson writes the
tree again, which proves that no key was there twice. Whatever that way does not take goes to orjson, and what orjson refuses,
or what may name a key twice, to the standard library's parser, which is slower but says more. All three read what they take alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import accumulate
from types import GenericAlias
from typing import Any, NoReturn

import msgspec
import orjson

from devices.formats.limits import MAX_DEPTH
from devices.rejection import Reason, Rejection

_loads, _dumps = orjson.loads, orjson.dumps
_SHAPES = {list: "an array", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}

_SHALLOW_DEPTH = 6
"""Levels of nesting that the quick way takes, the message itself counted: what network servers' envelopes have. Far below MAX_DEPTH,
since msgspec's type has twice as many parts for each level."""


def _nested(levels: int) -> Any:
    """Any JSON value of at most `levels` levels of nesting, as a type."""
    value: Any = float | int | str | bool | None
    for _ in range(levels):
        value = GenericAlias(dict, (str, value)) | GenericAlias(list, value) | float | int | str | bool | None
    return value


_INSIDE = _nested(_SHALLOW_DEPTH - 1)
shallow_object: Callable[[bytes | msgspec.Raw], dict[str, Any]] = msgspec.json.Decoder(GenericAlias(dict, (str, _INSIDE))).decode
"""An object of little depth. Raises one of NOT_SHALLOW for whatever is none, or is no JSON at all, or holds a number out of bounds."""
_shallow = msgspec.json.Decoder(GenericAlias(dict, (str, _INSIDE)) | GenericAlias(list, _INSIDE)).decode
NOT_SHALLOW = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, orjson.JSONEncodeError)
"""JSONEncodeError: of writing the tree again, where an integer has more than 64 bits."""


def parse(payload: bytes) -> Any:
    """An object or array, or a Rejection (empty, invalid-utf8, not-json, too-deep, duplicate-key, wrong-shape). Never raises."""
    try:
        tree = _shallow(payload)
        again = _dumps(tree)
    except NOT_SHALLOW:
        return _parse_any(payload)
    if again == payload or no_key_twice(payload, again):
        return tree
    return examined(payload, tree)


def no_key_twice(payload: bytes, again: bytes) -> bool:
    """Cheap proof that no key occurs twice: `again`, the tree written anew, has the quotation marks of its keys and texts, and parsers
    keep the last of two equal keys. (An escaped quotation mark is written as one; as a code it would gain one.)"""
    return payload.count(b'"') == again.count(b'"') and b"\\u0022" not in payload


def _parse_any(payload: bytes) -> Any:
    try:
        tree = _loads(payload)
    except orjson.JSONDecodeError as error:
        return second_opinion(payload, str(error))
    if tree.__class__ is not dict and tree.__class__ is not list:
        return wrong_shape(payload, tree, "one JSON object or array")
    if (deep := too_deep(payload)) is not None:
        return deep
    again = _dumps(tree)
    return tree if no_key_twice(payload, again) else examined(payload, tree)


def parse_object(payload: bytes) -> Any:
    """As `parse`, but one object is due: anything else is wrong-shape."""
    tree = parse(payload)
    return tree if tree.__class__ is dict or tree.__class__ is Rejection else wrong_shape(payload, tree)


def examined(payload: bytes, tree: Any) -> Any:
    """A message that orjson has read, looked at again for depth and for keys named twice."""
    if (deep := too_deep(payload)) is not None:
        return deep
    try:
        json.loads(payload, object_pairs_hook=_unique, parse_int=float)
    except _DuplicateKeyError as twice:
        return Rejection(Reason.DUPLICATE_KEY, f"the key {twice.key[:80]!r} occurs twice")
    return tree


def second_opinion(payload: bytes, message: str, due: str = "one JSON object or array") -> Any:
    """Why orjson refused, in our words. Numbers beyond a 64-bit float are no reason to lose their neighbours: they become inf."""
    if not payload:
        return Rejection(Reason.EMPTY, "the payload is empty")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8")
    if (deep := too_deep(payload)) is not None:
        return deep
    refused = Rejection(Reason.NOT_JSON, message)
    if not _HUGE.search(payload):
        return refused
    try:
        tree = json.loads(text, object_pairs_hook=_unique, parse_int=_number, parse_float=_number, parse_constant=_no_constant)
    except _DuplicateKeyError as twice:
        return Rejection(Reason.DUPLICATE_KEY, f"the key {twice.key[:80]!r} occurs twice")
    except ValueError:
        return refused
    # The standard library takes two things that orjson does not: numbers out of bounds, which we want, and lone surrogates.
    if not _encodable(tree):
        return refused
    return tree if tree.__class__ is dict or tree.__class__ is list else wrong_shape(payload, tree, due)


def wrong_shape(payload: bytes, value: object, due: str = "one JSON object") -> Rejection:
    """Well-formed JSON of another shape than is due."""
    if (deep := too_deep(payload)) is not None:
        return deep
    return Rejection(Reason.WRONG_SHAPE, f"{due} is due, this is {_SHAPES.get(type(value), 'a number')}")


# What a number beyond a 64-bit float needs: only then can the slower parser see more than orjson did.
_HUGE = re.compile(rb"\d{100}|\d[eE]\+?\d{3}")

# Possessive, and an unterminated text runs to the end: each byte is looked at once, whatever the payload.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_MIDDLE = 124
"""Between { (123) and } (125)."""
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def too_deep(payload: bytes) -> Rejection | None:
    """Nested deeper than MAX_DEPTH?"""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return None
    # Each round takes off the innermost brackets, at the speed of C: what is balanced and not too deep is gone after MAX_DEPTH.
    brackets = bare = _TEXT.sub(b"", payload).translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        bare = bare.replace(b"{}", b"")
        if not bare:
            return None
    # What is left does not balance. Each { is one level more, each } one less.
    if bare.startswith(b"{" * (MAX_DEPTH + 1)) or max(accumulate(map(_MIDDLE.__sub__, brackets))) > MAX_DEPTH:
        return Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
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
