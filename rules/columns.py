"""Columns of numbers in the state: eight bytes a number instead of the thirty of an object, and bytes in a snapshot.

msgspec knows no `array.array`, so whoever encodes or decodes state gives it these two hooks.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    Integers: TypeAlias = array[int]
    Numbers: TypeAlias = array[float]
else:  # msgspec looks at the annotations, and `array` cannot be subscripted before Python 3.12
    Integers = Numbers = array


def integers() -> Integers:
    """An empty column of 64-bit integers (times in ms, counts)."""
    return array("q")


def numbers() -> Numbers:
    """An empty column of 64-bit floats."""
    return array("d")


def encode_column(value: object) -> tuple[str, bytes]:
    """`enc_hook` of msgspec: a column as its type and its bytes (in the order of this machine: a snapshot does not travel)."""
    if isinstance(value, array):
        return value.typecode, value.tobytes()
    raise NotImplementedError(f"{type(value).__name__} has no place in the state")


def decode_column(kind: type, value: Any) -> Any:
    """`dec_hook` of msgspec: the column again. Raises ValueError if it is none (msgspec makes that its ValidationError)."""
    if kind is array:
        typecode, data = value
        if typecode not in ("q", "d"):
            raise ValueError(f"{typecode!r} is no type of column")
        column: array[Any] = array(typecode)
        column.frombytes(data)
        return column
    raise NotImplementedError(f"{kind.__name__} has no place in the state")
