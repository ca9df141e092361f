"""One value of a binary layout: where it stands, how many bytes, which number, and what the number means."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from devices.codecs.model import Endian, FieldStep, bit_run
from devices.rejection import Reason, Rejection

Run: TypeAlias = Callable[[bytes, int, dict[str, Any]], int]
"""(data, at, values) → where reading goes on; what was read is written into `values`. Raises Refused and Cut."""


class Refused(Exception):
    """Not a message of this layout."""


class Cut(Exception):
    """The message ends before the value `name`, which begins at `at`."""

    def __init__(self, name: str, at: int, due: int) -> None:
        super().__init__(name, at, due)
        self.name = name
        self.at = at
        self.due = due


def field_run(step: FieldStep, endian: Endian) -> Run:
    """The reader of one field."""
    if step.length is not None:
        return _sized(step, endian)
    name, fixed = step.name, step.at
    size, read = _number(step.type, endian)
    convert = _converter(step)

    def field(data: bytes, at: int, values: dict[str, Any]) -> int:
        end = at + size
        if end > len(data):
            raise Cut(name, at, end)
        value = read(data, at)
        values[name] = value if convert is None else convert(value)
        return end

    if fixed is None:
        return field

    def field_at(data: bytes, at: int, values: dict[str, Any]) -> int:
        start = fixed if fixed >= 0 else len(data) + fixed
        if start < 0:
            raise Cut(name, 0, -fixed)
        field(data, start, values)
        return at

    return field_at


def _sized(step: FieldStep, endian: Endian) -> Run:
    name, length, fixed = step.name, step.length, step.at
    convert = _converter(step) if step.type == "bcd" else None

    def sized(data: bytes, at: int, values: dict[str, Any]) -> int:
        start = at if fixed is None else fixed if fixed >= 0 else max(len(data) + fixed, 0)
        end = len(data) if isinstance(length, str) else start + length  # type: ignore[operator]
        if end > len(data):
            raise Cut(name, start, end)
        raw = data[start:end]
        if step.type == "hex":
            values[name] = raw.hex()
        elif step.type == "text":
            values[name] = _text(raw)
        else:
            number = _bcd(raw if endian == "big" else raw[::-1])
            if number is None:
                values[name] = Rejection(Reason.WRONG_TYPE, f"{raw[:16].hex()} are no decimal digits")
            else:
                values[name] = number if convert is None else convert(number)
        return end if fixed is None else at

    return sized


def _text(raw: bytes) -> str | Rejection:
    try:
        return raw.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, f"its byte {error.start} is not UTF-8")


def _bcd(raw: bytes) -> int | None:
    """Binary coded decimal; None when a nibble is no digit."""
    digits = raw.hex()
    return int(digits) if digits.isdecimal() and len(digits) <= 32 else None


_STRUCTS = {"8": "b", "16": "h", "32": "i", "64": "q"}


def _number(kind: str, endian: Endian) -> tuple[int, Callable[[bytes, int], int | float]]:
    """Bytes of a number, and the function that reads it."""
    order, width = ">" if endian == "big" else "<", kind[1:]
    if kind[0] == "f":
        code = {"16": "e", "32": "f", "64": "d"}[width]
    elif width in _STRUCTS:
        code = _STRUCTS[width] if kind[0] == "i" else _STRUCTS[width].upper()
    else:
        size, signed = int(width) // 8, kind[0] == "i"
        return size, lambda data, at: int.from_bytes(data[at : at + size], endian, signed=signed)
    layout = struct.Struct(order + code)
    unpack = layout.unpack_from
    return layout.size, lambda data, at: unpack(data, at)[0]


def _converter(step: FieldStep) -> Callable[[Any], Any] | None:
    """Raw number → value, or None where it is the value."""
    run = bit_run(step.bits, int(step.type[1:])) if step.bits is not None else None
    scaled = _scaled(step.bias, step.scale, step.offset)
    codes, spans = _codes(step.none)
    names: Mapping[int, Any] = step.values
    equals = step.equals
    if run is None and equals is None and not codes and not spans and not names:
        return scaled
    low, width = run or (0, 64)
    mask, sign = (1 << width) - 1, 1 << (width - 1)
    signed = step.signed

    def convert(raw: Any) -> Any:
        if run is not None:
            raw = (raw >> low) & mask
            if signed:
                raw = (raw ^ sign) - sign
        if equals is not None and raw != equals:
            raise Refused(f"{step.name} is {raw}, {equals} is due")
        if raw in codes or any(first <= raw <= last for first, last in spans):
            return None
        if raw in names:
            return names[raw]
        return raw if scaled is None else scaled(raw)

    return convert


def _codes(none: Sequence[int | tuple[int, int]]) -> tuple[frozenset[int], tuple[tuple[int, int], ...]]:
    return frozenset(code for code in none if isinstance(code, int)), tuple(span for span in none if isinstance(span, tuple))


def _scaled(bias: float, scale: float, offset: float) -> Callable[[Any], Any] | None:
    if (bias, scale, offset) == (0, 1, 0):
        return None
    inverse = round(1 / scale) if math.isfinite(1 / scale) else 0
    if abs(scale) < 1 and inverse and abs(scale * inverse - 1) < 1e-12:
        # 308 x 0.1 is 30.800000000000004 in binary floating point, 308 / 10 is 30.8.
        if bias == 0 and offset == 0:
            return lambda raw: raw / inverse
        return lambda raw: (raw + bias) / inverse + offset
    return lambda raw: (raw + bias) * scale + offset
