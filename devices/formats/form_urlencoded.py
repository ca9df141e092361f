"""`form`: fields of a web form, as Ecowitt and Weather Underground stations send them.

    PASSKEY=34…5D&stationtype=EasyWeatherV1.4.9&dateutc=2020-05-04+14%3A34%3A26&tempf=70.3&humidity=32

Pairs are the fields by their names. The format has only texts: what looks like a plain number is one (`text_values`), an empty
field is None. `dateutc` is the record's time, in UTC as its name says; `now` (Weather Underground) is the receipt. What stands
before a `?` (the path of a request that was passed on whole) is left away. A field that is not UTF-8, or is there twice, is
refused alone.
"""

from __future__ import annotations

import re
from datetime import UTC

from devices.formats.base import Format
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.formats.text_values import value_of
from devices.rejection import Reason, Rejection
from devices.times import time_reader

MAX_FIELDS = 1_000

_read_time = time_reader("auto", UTC)


def parse(payload: bytes) -> Pairs | Rejection:
    """The fields of the form. Rejections: empty, wrong-shape. Never raises."""
    body = payload.strip()
    if not body:
        return Rejection(Reason.EMPTY, "the payload is blank" if payload else "the payload is empty")
    question = body.find(b"?")
    if question >= 0 and b"=" not in body[:question]:
        body = body[question + 1 :]
    fields = [field for field in body.split(b"&") if field]
    if len(fields) > MAX_FIELDS:
        return Rejection(Reason.WRONG_SHAPE, f"{len(fields)} fields, at most {MAX_FIELDS} are taken from one message")
    if not any(b"=" in field for field in fields):
        return Rejection(Reason.WRONG_SHAPE, "no name=value field")
    pairs: Pairs = {}
    for number, field in enumerate(fields, 1):
        name, _, raw = field.partition(b"=")
        try:
            key = _unquoted(name)
        except UnicodeDecodeError:
            pairs[f"field {number}"] = Rejection(Reason.INVALID_UTF8, "its name is not UTF-8")
            continue
        if key in pairs:
            pairs[key] = Rejection(Reason.DUPLICATE_KEY, "the field is there twice")
            continue
        try:
            pairs[key] = value_of(_unquoted(raw))
        except UnicodeDecodeError:
            pairs[key] = Rejection(Reason.INVALID_UTF8, "its value is not UTF-8")
    return pairs


_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unquoted(text: bytes) -> str:
    return _ESCAPED.sub(lambda escape: bytes([int(escape[1], 16)]), text.replace(b"+", b" ")).decode("utf-8")


def read(payload: bytes, context: Context) -> list[Record] | Rejection:
    """One record."""
    pairs = parse(payload)
    if isinstance(pairs, Rejection):
        return pairs
    stated = pairs.get("dateutc")
    time = _read_time(stated) if isinstance(stated, str | int | float) and stated != "now" else None
    if isinstance(time, str):
        pairs["dateutc"] = Rejection(Reason.BAD_TIME, time)
        time = None
    return [Record(pairs, time=time)]


def reader(options: None) -> RecordReader:
    """There is nothing to choose."""
    return read


def likely(payload: bytes) -> bool:
    """Begins like `name=`, or like the path of a request."""
    return payload[:1] not in (b"{", b"[") and b"=" in payload[:200]


FORMAT = Format("form", reader=reader, time=True, likely=likely)
