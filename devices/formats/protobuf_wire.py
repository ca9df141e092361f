"""The wire format of Protocol Buffers: bytes → (field number, value), nothing more.

    tag = field << 3 | wire type        0 varint → int     1 eight bytes → bytes     2 length, bytes → bytes     5 four bytes → bytes

Messages say in their own tables what a field means. Groups (wire types 3 and 4, given up long ago) are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_VARINT_BYTES = 10


class WireError(Exception):
    """The bytes are no protobuf message. Its text says where."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field in its order, repeated ones repeatedly. Raises WireError."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at, end)
        field, kind = tag >> 3, tag & 7
        if not field:
            raise WireError(f"field number 0 before byte {at}")
        if kind == 0:
            number, at = _varint(data, at, end)
            yield field, number
            continue
        if kind == 2:
            length, at = _varint(data, at, end)
        elif kind == 1 or kind == 5:
            length = 8 if kind == 1 else 4
        else:
            raise WireError(f"wire type {kind} before byte {at}")
        if length > end - at:
            raise WireError(f"field {field} has {length} bytes at byte {at}, and {end - at} are there")
        yield field, data[at : at + length]
        at += length


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and (first := data[at]) < 0x80:
        return first, at + 1
    number = shift = 0
    for place in range(at, min(end, at + MAX_VARINT_BYTES)):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    raise WireError(f"a number is truncated or too long at byte {at}")
