"""`waspmote`: ASCII frames of Libelium's Waspmote nodes (Plug & Sense), as they leave the node or a Meshlium passes them on.

    <=> 80 03 # 408518488 # N01 # 153 # TST:1499340600 # BAT:98 # IN_TEMP:31.00 #      (without the blanks)
    ───  ·  ·   ─────────   ───   ───   ─────────────────────────────────────────
    start │  │   serial id   name  no.   fields; several values of one: ACC:-47;-26;1000 is ACC[0], ACC[1], ACC[2]
          │  number of fields
          type: 80 and more are ASCII frames

    who     the node's name, else its serial id
    what    fields by their names (frame guide, "sensor tags"): TC, HUM, PRES, PM2_5 …; `frame.sequence`
    when    not of itself: a field says it (`time: {field: TST}`)

What stands before `<=>` (a radio's own header) is left away. Binary frames hold numbers of sensors, whose table belongs to the
firmware: they are refused. A text that went through a terminal lost its type and number of fields: it is read all the same.
Libelium, Waspmote Data Frame Programming Guide.
"""

from __future__ import annotations

from devices.formats.base import Format
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.formats.text_values import value_of
from devices.rejection import Reason, Rejection

MAX_FIELDS = 255
_START = b"<=>"
_LONGEST_START = 64
"""Bytes that may stand before the frame."""
_ASCII = 0x80


def read(payload: bytes, context: Context) -> list[Record] | Rejection:
    """One frame. Rejections: wrong-shape, codec-failed (binary), empty. Never raises."""
    if not payload.strip():
        return Rejection(Reason.EMPTY, "the payload is blank" if payload else "the payload is empty")
    start = payload.find(_START, 0, _LONGEST_START + len(_START))
    if start < 0:
        return Rejection(Reason.WRONG_SHAPE, "no <=> begins a frame")
    frame = payload[start + len(_START) :]
    head = frame.find(b"#")
    if head < 0 or head > 8:
        binary = head > 8 or (frame and frame[0] < _ASCII)
        return _binary() if binary else Rejection(Reason.WRONG_SHAPE, "no # follows the frame's type and number of fields")
    if head >= 2 and frame[0] < _ASCII and frame[:1] != b"?":
        return _binary()
    parts = frame[head + 1 :].split(b"#", MAX_FIELDS + 4)
    if len(parts) < 4:
        return Rejection(Reason.WRONG_SHAPE, "a frame has a serial id, a name, a number and fields, each ended by #")
    serial, name, sequence, *fields = parts
    pairs: Pairs = {}
    for number, field in enumerate(fields[:MAX_FIELDS], 1):
        if field.strip():
            _field(field, number, pairs)
    if not pairs:
        return Rejection(Reason.NO_READING, "the frame holds no field")
    if sequence.isdigit() and len(sequence) <= 15:
        pairs["frame.sequence"] = int(sequence)
    return [Record(pairs, device=_text(name) or _text(serial))]


def _field(field: bytes, number: int, pairs: Pairs) -> None:
    tag, colon, said = field.partition(b":")
    name = _text(tag)
    if not name or not colon:
        pairs[f"field {number}"] = Rejection(Reason.WRONG_SHAPE, "a field is a name, a colon and a value")
        return
    if name in pairs or f"{name}[0]" in pairs:
        pairs[name] = Rejection(Reason.DUPLICATE_KEY, "the field is there twice")
        return
    text = _text(said)
    if text is None:
        pairs[name] = Rejection(Reason.INVALID_UTF8, "its value is not UTF-8")
        return
    values = text.split(";", 16)
    if len(values) == 1:
        pairs[name] = value_of(text)
    else:
        pairs.update({f"{name}[{index}]": value_of(value) for index, value in enumerate(values)})


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None


def _binary() -> Rejection:
    return Rejection(Reason.CODEC_FAILED, "a binary frame: set the node's frames to ASCII")


def reader(options: None) -> RecordReader:
    """There is nothing to choose."""
    return read


def likely(payload: bytes) -> bool:
    """`<=>` begins it, or stands near its beginning."""
    return _START in payload[: _LONGEST_START + len(_START)]


FORMAT = Format("waspmote", reader=reader, device=True, likely=likely)
