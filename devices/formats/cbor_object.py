"""`cbor`: one CBOR map (RFC 8949), or an array of maps, as the tree that a JSON message of the same content would give.

    a1 64 "temp" fb 4037800000000000    →    {"temp": 23.5}

    map keys       text; integers as their text (`258` → "258"); other keys are refused
    byte strings   bytes
    tags           0 and 1 (times) leave text and number as they are; 2 and 3 (bignums), 4 and 5 (fractions) become numbers; of
                   any other tag only what it encloses is read. No tag builds an object.
    numbers        beyond 64 bits: 64-bit floats, inf where those end
    undefined      None, as null

Written here, and not taken from a library: those build what tags ask for (regular expressions, dates, shared references) and,
with map keys that are not text, take anything hashable as key, so that a message can choose keys that collide: 64 KB then
cost seconds. Here each byte is looked at once and every length is checked against what is there. Tests compare it with cbor2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from devices.formats.base import Format, RecordReader
from devices.formats.limits import MAX_DEPTH
from devices.formats.nested_json import Options, tree_reader
from devices.rejection import Reason, Rejection

MAX_ITEMS = 10_000
"""Values, map keys and containers that one message may hold."""

_unpack_half = struct.Struct(">e").unpack_from
_unpack_single = struct.Struct(">f").unpack_from
_unpack_double = struct.Struct(">d").unpack_from

_BREAK = object()
_INDEFINITE = -1
_INT64 = 1 << 64


class _Bad(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.rejection = Rejection(reason, detail)


def parse(payload: bytes) -> Any:
    """The one data item that the payload is, or a Rejection: empty, codec-failed, invalid-utf8, too-deep, duplicate-key, wrong-shape."""
    if not payload:
        return Rejection(Reason.EMPTY, "the payload is empty")
    reader = _Reader(payload)
    try:
        tree = reader.item(0)
    except _Bad as bad:
        return bad.rejection
    if reader.at != len(payload):
        return Rejection(Reason.CODEC_FAILED, f"the CBOR item ends after {reader.at} of {len(payload)} bytes")
    return tree


class _Reader:
    __slots__ = ("at", "data", "end", "items")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)
        self.items = 0

    def item(self, depth: int, *, in_container: bool = False) -> Any:
        """The item at `at`; _BREAK where an indefinite container may end."""
        at = self.at
        if at >= self.end:
            raise _Bad(Reason.CODEC_FAILED, f"truncated at byte {at}")
        self.items += 1
        if self.items > MAX_ITEMS:
            raise _Bad(Reason.WRONG_SHAPE, f"more than {MAX_ITEMS} values in one message")
        head = self.data[at]
        self.at = at + 1
        if head < 0x18:
            return head
        if 0x60 <= head < 0x78 and at + head - 0x5F <= self.end:  # The commonest: a text of up to 23 bytes.
            self.at = at + head - 0x5F
            return self._decoded(self.data[at + 1 : self.at])
        if head == 0xFF and in_container:
            return _BREAK
        major = head >> 5
        if major == 7:
            return self._simple(head & 0x1F)
        argument = self._argument(head & 0x1F, major)
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._string(argument, 0x40)
        if major == 3:
            return self._decoded(self._string(argument, 0x60))
        if depth >= MAX_DEPTH:
            raise _Bad(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
        if major == 4:
            return self._array(argument, depth + 1)
        if major == 5:
            return self._map(argument, depth + 1)
        return self._tagged(argument, depth + 1)

    def _argument(self, short: int, major: int) -> int:
        if short < 0x18:
            return short
        if short <= 0x1B:
            size = 1 << (short - 0x18)
            start = self.at
            self.at = start + size
            if self.at > self.end:
                raise _Bad(Reason.CODEC_FAILED, f"truncated at byte {start}")
            return int.from_bytes(self.data[start : self.at], "big")
        if short == 0x1F and 2 <= major <= 5:
            return _INDEFINITE
        raise _Bad(Reason.CODEC_FAILED, f"byte {self.at - 1} begins no CBOR item")

    def _simple(self, short: int) -> Any:
        if short == 20 or short == 21:
            return short == 21
        if short == 22 or short == 23:
            return None
        if short == 25:
            return self._float(_unpack_half, 2)
        if short == 26:
            return self._float(_unpack_single, 4)
        if short == 27:
            return self._float(_unpack_double, 8)
        raise _Bad(Reason.CODEC_FAILED, f"byte {self.at - 1} is a CBOR simple value without a meaning")

    def _float(self, unpack: Callable[[bytes, int], tuple[Any, ...]], size: int) -> float:
        start = self.at
        self.at = start + size
        if self.at > self.end:
            raise _Bad(Reason.CODEC_FAILED, f"truncated at byte {start}")
        value: float = unpack(self.data, start)[0]
        return value

    def _string(self, length: int, kind: int) -> bytes:
        """The bytes of a byte or text string; `kind` is the head that the chunks of an indefinite one must have."""
        if length != _INDEFINITE:
            start = self.at
            if length > self.end - start:
                raise _Bad(Reason.CODEC_FAILED, f"a string of {length} bytes begins at byte {start}, and {self.end - start} are there")
            self.at = start + length
            return self.data[start : self.at]
        chunks: list[bytes] = []
        while True:
            if self.at >= self.end:
                raise _Bad(Reason.CODEC_FAILED, f"truncated at byte {self.at}")
            self.items += 1
            head = self.data[self.at]
            self.at += 1
            if head == 0xFF:
                return b"".join(chunks)
            if head & 0xE0 != kind or head & 0x1F > 0x1B or self.items > MAX_ITEMS:
                raise _Bad(Reason.CODEC_FAILED, f"byte {self.at - 1} begins no chunk of the string")
            chunks.append(self._string(self._argument(head & 0x1F, kind >> 5), kind))

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _Bad(Reason.INVALID_UTF8, f"the text that ends at byte {self.at} is not UTF-8") from None

    def _array(self, length: int, depth: int) -> list[Any]:
        if length == _INDEFINITE:
            elements = []
            while (element := self.item(depth, in_container=True)) is not _BREAK:
                elements.append(element)
            return elements
        if length > self.end - self.at:
            raise _Bad(
                Reason.CODEC_FAILED, f"an array of {length} elements begins at byte {self.at}, and {self.end - self.at} bytes are there"
            )
        return [self.item(depth) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[str, Any]:
        left = length
        if length > (self.end - self.at) // 2:
            raise _Bad(Reason.CODEC_FAILED, f"a map of {length} pairs begins at byte {self.at}, and {self.end - self.at} bytes are there")
        members: dict[str, Any] = {}
        while left:
            left -= 1
            key = self.item(depth, in_container=length == _INDEFINITE)
            if key is _BREAK:
                break
            if key.__class__ is int:
                key = str(key)
            elif key.__class__ is not str:
                raise _Bad(Reason.WRONG_SHAPE, "a map key is neither text nor an integer")
            if key in members:
                raise _Bad(Reason.DUPLICATE_KEY, f"the key {key[:80]!r} occurs twice")
            members[key] = self.item(depth)
        return members

    def _tagged(self, tag: int, depth: int) -> Any:
        inside = self.item(depth)
        if (tag == 2 or tag == 3) and isinstance(inside, bytes):
            number = int.from_bytes(inside, "big")
            return bounded(number if tag == 2 else -1 - number)
        if (tag == 4 or tag == 5) and isinstance(inside, list) and len(inside) == 2:
            return _fraction(inside[0], inside[1], 10.0 if tag == 4 else 2.0)
        return inside


def bounded(number: int) -> int | float:
    """The integer, as a float where it is beyond 64 bits, inf where it is beyond those."""
    if -_INT64 <= number < _INT64:
        return number
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _fraction(exponent: Any, mantissa: Any, base: float) -> float:
    if exponent.__class__ is not int or mantissa.__class__ not in (int, float):
        raise _Bad(Reason.CODEC_FAILED, "a decimal fraction or bigfloat is two integers")
    try:
        if base == 10.0 and mantissa.__class__ is int:
            return float(f"{mantissa}e{exponent}")  # The nearest float, which a product of floats would miss.
        return float(mantissa * base**exponent)
    except OverflowError:
        return float("inf") if mantissa > 0 else float("-inf")


def reader(options: Options) -> RecordReader:
    """One record, or those that the options cut the message into, as `nested-json` does."""
    return tree_reader(parse, options)


read = reader(Options())
FORMAT = Format("cbor", parse, reader=reader, options=Options, nested=True)
