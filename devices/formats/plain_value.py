"""`plain-value`: the whole payload is one number as text (`23.5`); the topic says of which parameter.

Strict on purpose: one decimal number in ASCII digits with a point, blanks around it allowed. `23,5`, `23.5 °C`, `0x17` and
`1_000` are refused as wrong-type, for each of them has a second reading; `nan`, `inf` and `1e999` as out-of-bounds (by the
field, since that is where a number's bounds are checked). Text that is no number is handed on as it is, so that a type can
list it among its `missing` codes.
"""

from __future__ import annotations

from devices.formats.base import Format, Pairs
from devices.formats.numbers import parse_number
from devices.rejection import Reason, Rejection


def read(payload: bytes) -> Pairs | Rejection:
    """`b" 23.5\\n"` → `{"": 23.5}`. Rejects empty and blank payloads, and bytes that are not UTF-8."""
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        return Rejection(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8")
    if not text:
        return Rejection(Reason.EMPTY, "the payload is blank" if payload else "the payload is empty")
    number = parse_number(text)
    return {"": text if number is None else number}


FORMAT = Format("plain-value", read, keyed=False)
