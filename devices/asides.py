"""Readings that are kept aside of their hours: the newest usable one of each closed hour, 16 bytes each, oldest first.

See `devices.hours` for why. Everything here takes the packed records and returns them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_RECORD = struct.Struct("<iId")
_NUMBER = struct.Struct("<i")
SOMEWHEN = (1 << 32) - 1
"""Not the newest reading of its hour: no correction can mean it."""


class Aside(NamedTuple):
    """One reading."""

    hour: int
    since_ms: int
    """Since the start of the hour, or `SOMEWHEN`."""
    value: float


def find(records: bytes, hour: int) -> Aside | None:
    """That of this hour."""
    position = place(records, _NUMBER.pack(hour), _RECORD.size)
    return None if position < 0 else Aside(*_RECORD.unpack_from(records, position))


def appended(records: bytes, aside: Aside, most: int) -> bytes:
    """With that of a newer hour, the newest `most` of them."""
    return (records + _RECORD.pack(*aside))[-most * _RECORD.size :]


def replaced(records: bytes, hour: int, aside: Aside | None) -> bytes:
    """With another one for this hour, or with none."""
    position = place(records, _NUMBER.pack(hour), _RECORD.size)
    new = b"" if aside is None else _RECORD.pack(*aside)
    return records if position < 0 else records[:position] + new + records[position + _RECORD.size :]


def since(records: bytes, hour: int) -> bytes:
    """Without those of the hours before this one."""
    while records and _NUMBER.unpack_from(records)[0] < hour:
        records = records[_RECORD.size :]
    return records


def place(records: bytes, number: bytes, size: int) -> int:
    """Where the record of `size` bytes that begins with `number` begins; -1 if there is none."""
    position = records.rfind(number)
    while position >= 0 and position % size:
        position = records.rfind(number, 0, position + len(number) - 1)
    return position
