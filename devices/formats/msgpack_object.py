"""`msgpack`: one MessagePack map, or an array of maps, as the tree that a JSON message of the same content would give.

    81 a4 "temp" cb 4037800000000000    →    {"temp": 23.5}

Map keys are text, or integers taken as their text; others are refused. Binary values are bytes, timestamps (extension -1)
seconds since 1970 as a number, other extensions their bytes.
"""

from __future__ import annotations

from typing import Any

import msgpack

from devices.formats.base import Format, RecordReader
from devices.formats.limits import MAX_DEPTH
from devices.formats.nested_json import Options, tree_reader
from devices.rejection import Reason, Rejection

MAX_ITEMS = 10_000
"""Values and containers that one message may hold."""


class _Bad(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.rejection = Rejection(reason, detail)


def parse(payload: bytes) -> Any:
    """The one object that the payload is, or a Rejection: empty, codec-failed, invalid-utf8, too-deep, duplicate-key, wrong-shape."""
    if not payload:
        return Rejection(Reason.EMPTY, "the payload is empty")
    try:
        tree = msgpack.unpackb(payload, raw=False, timestamp=1, strict_map_key=False, object_pairs_hook=_members, ext_hook=_extension)
    except _Bad as bad:
        return bad.rejection
    except UnicodeDecodeError:
        return Rejection(Reason.INVALID_UTF8, "a text is not UTF-8")
    except msgpack.exceptions.StackError:
        return Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
    except msgpack.exceptions.ExtraData as more:
        return Rejection(Reason.CODEC_FAILED, f"{len(more.extra)} bytes follow the MessagePack object")
    except ValueError as error:  # Every other refusal of the library: FormatError, OutOfData, lengths beyond the payload.
        return Rejection(Reason.CODEC_FAILED, f"not MessagePack: {str(error)[:100] or type(error).__name__}")
    return _bounded(tree) or tree


def _members(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key.__class__ is int:
            key = str(key)
        elif key.__class__ is not str:
            raise _Bad(Reason.WRONG_SHAPE, "a map key is neither text nor an integer")
        if key in members:
            raise _Bad(Reason.DUPLICATE_KEY, f"the key {key[:80]!r} occurs twice")
        members[key] = value
    return members


def _extension(_code: int, data: bytes) -> bytes:
    return data


def _bounded(tree: Any) -> Rejection | None:
    """Too deep, or too much? Level by level, so that no depth of nesting costs more than another."""
    level = [tree]
    items = 1
    for _ in range(MAX_DEPTH + 1):
        inside: list[Any] = []
        for node in level:
            if node.__class__ is dict:
                inside.extend(node.values())
            elif node.__class__ is list:
                inside.extend(node)
        if not inside:
            return None
        items += len(inside)
        if items > MAX_ITEMS:
            return Rejection(Reason.WRONG_SHAPE, f"more than {MAX_ITEMS} values in one message")
        level = inside
    return Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")


def reader(options: Options) -> RecordReader:
    """One record, or those that the options cut the message into, as `nested-json` does."""
    return tree_reader(parse, options)


read = reader(Options())
FORMAT = Format("msgpack", parse, reader=reader, options=Options, nested=True)
