r"""`line-protocol`: InfluxDB line protocol, one record a line.

    weather,station=st01,kind=roof temp=23.5,rh=71i,ok=t,note="a \"quoted\" text" 1773453600000000000
    measurement    tags                fields                                      time (unit: `precision`)

Pairs: `measurement`, `tag.<key>` (text), and each field under its own name: numbers, text, True/False. The device is the tag that
`Options.device_tag` names. Empty lines and `#` comments are skipped.

As strict as InfluxData's own parser, whose corpus is a test here: no empty tag values, no tag twice, no control characters
outside quoted texts, 64-bit integers (`i`, `u`), no `nan`, no hexadecimal. A line that breaks a rule is refused alone (path
`line 3`), up to its line end; the lines after it are read. A quoted text may run over several lines.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from pydantic import BaseModel, ConfigDict

from devices.formats.base import Format
from devices.formats.limits import MAX_RECORDS, MAX_VALUES
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.formats.refusals import settle
from devices.rejection import Reason, Rejection
from devices.times import LATEST_MS

Precision: TypeAlias = Literal["ns", "us", "ms", "s"]
Scalar: TypeAlias = float | int | str | bool

_NANOSECONDS: dict[Precision, int] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_INT64 = 1 << 63
_UINT64 = 1 << 64


class Options(BaseModel):
    """How the lines of one device type are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: Precision = "ns"
    """Unit of the timestamps: ns, us, ms or s."""
    device_tag: str | None = None
    """The tag that holds the device's id; None: the device type finds it elsewhere."""


class Point(NamedTuple):
    """One line, as it stands."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Scalar]
    time_ns: int | None


class _BadLine(Exception):
    """`at`: how far the line was read. What follows, up to the line's end, is passed over."""

    def __init__(self, reason: Reason, detail: str, at: int) -> None:
        self.rejection = Rejection(reason, detail)
        self.at = at


# Tokens. A backslash before one of the escaped characters joins it to the token, before any other character it is a
# character like others. Possessive: each byte is looked at once.
_MEASUREMENT = re.compile(rb"(?:\\[ ,]|[^\x00-\x20,\x7f])*+")
_KEY = re.compile(rb"(?:\\[ ,=]|[^\x00-\x20,=\x7f])*+")
_TEXT = re.compile(rb'"((?:\\[\\"nrt]|[^"])*+)"')
_PLAIN = re.compile(rb"[^, \r\n]*+")
_BLANKS = re.compile(rb" *+")
_COMMENT = re.compile(rb"#[^\x00-\x1f\x7f]*+(?:\r?\n|\r?\Z)")
_LINE_END = re.compile(rb"\n|\r\n|\r?\Z")
_EMPTY_LINES = re.compile(rb"(?: *+\r?\n)++")
_TIME = re.compile(rb"[-0-9]*+")
_ESCAPED_MEASUREMENT = re.compile(rb"\\([ ,])")
_ESCAPED_KEY = re.compile(rb"\\([ ,=])")
_ESCAPED_TEXT = re.compile(rb'\\([\\"nrt])')
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b'"': b'"', b"\\": b"\\"}
_FLOAT = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(rb"-?[0-9]{1,25}")
_BOOLEANS = dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), True) | dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), False)


def parse(payload: bytes, *, precision: Precision = "ns") -> tuple[list[Point], dict[int, Rejection]]:
    """The good lines in their order, and why the others are none, by line number (from 1). Never raises.

    Stops after MAX_RECORDS lines or MAX_VALUES fields, which it refuses like a bad line.
    """
    points: list[Point] = []
    bad: dict[int, Rejection] = {}
    scale = _NANOSECONDS[precision]
    at, line, end, values = 0, 1, len(payload), 0
    while True:
        start = at
        at = _BLANKS.match(payload, at).end()  # type: ignore[union-attr]
        if at >= end:
            return points, bad
        found = _COMMENT.match(payload, at) or _EMPTY_LINES.match(payload, at) or _LINE_END.match(payload, at)
        if found is not None:
            at = found.end()
            line += payload.count(b"\n", start, at)
            continue
        if len(points) + len(bad) >= MAX_RECORDS or values >= MAX_VALUES:
            bad[line] = Rejection(Reason.WRONG_SHAPE, f"more than {MAX_RECORDS} lines or {MAX_VALUES} fields in one message")
            return points, bad
        try:
            point, at = _line(payload, at, scale)
            points.append(point)
            values += len(point.fields) + len(point.tags)
        except _BadLine as error:
            bad[line] = error.rejection
            newline = payload.find(b"\n", error.at)
            at = end if newline < 0 else newline + 1
        line += payload.count(b"\n", start, at)


def _line(payload: bytes, at: int, scale: int) -> tuple[Point, int]:
    """The line that starts at `at` and the place after its end. Raises _BadLine."""
    found = _MEASUREMENT.match(payload, at)
    assert found is not None
    token = found[0]
    if not token or token[0] == 0x23:
        _bad(f"a measurement is due, not {_shown(payload, at)}", at)
    measurement = _text(_ESCAPED_MEASUREMENT.sub(rb"\1", token) if b"\\" in token else token, at)
    at = found.end()
    tags: dict[str, str] = {}
    while payload[at : at + 1] == b",":
        key, at = _key(payload, at + 1, "tag")
        found = _KEY.match(payload, at)
        assert found is not None
        token = found[0]
        if not token:
            _bad(f"the tag {key[:40]!r} has no value", at)
        if key in tags:
            raise _BadLine(Reason.DUPLICATE_KEY, f"the tag {key[:40]!r} occurs twice", at)
        tags[key] = _text(_ESCAPED_KEY.sub(rb"\1", token) if b"\\" in token else token, at)
        at = found.end()
    if payload[at : at + 1] != b" ":
        _bad(f"a comma or blank is due after measurement and tags, not {_shown(payload, at)}", at)
    at = _BLANKS.match(payload, at).end()  # type: ignore[union-attr]
    fields: dict[str, Scalar] = {}
    while True:
        key, at = _key(payload, at, "field")
        value, at = _value(payload, at)
        fields[key] = value
        if payload[at : at + 1] != b",":
            break
        at += 1
    blanks = _BLANKS.match(payload, at)
    assert blanks is not None
    ended = _LINE_END.match(payload, blanks.end())
    if ended is not None:
        return Point(measurement, tags, fields, None), ended.end()
    if not blanks[0] and payload[at : at + 1] != b"\r":
        _bad(f"a comma, blank or line end is due after a field, not {_shown(payload, at)}", at)
    time_ns, at = _time(payload, blanks.end(), scale)
    return Point(measurement, tags, fields, time_ns), at


def _key(payload: bytes, at: int, what: str) -> tuple[str, int]:
    found = _KEY.match(payload, at)
    assert found is not None
    token, at = found[0], found.end()
    if not token:
        _bad(f"the name of a {what} is due, not {_shown(payload, at)}", at)
    if payload[at : at + 1] != b"=":
        _bad(f"= is due after the {what} {token[:40]!r}, not {_shown(payload, at)}", at)
    return _text(_ESCAPED_KEY.sub(rb"\1", token) if b"\\" in token else token, at), at + 1


def _value(payload: bytes, at: int) -> tuple[Scalar, int]:
    if payload[at : at + 1] == b'"':
        found = _TEXT.match(payload, at)
        if found is None:
            _bad("a text has no closing quotation mark", at)
        token = found[1]
        return _text(_ESCAPED_TEXT.sub(lambda one: _CONTROL[one[1]], token) if b"\\" in token else token, at), found.end()
    plain = _PLAIN.match(payload, at)
    assert plain is not None
    token = plain[0]
    if _FLOAT.fullmatch(token):
        value = float(token)
        if abs(value) == float("inf"):
            raise _BadLine(Reason.OUT_OF_BOUNDS, f"{_short(token)} is beyond a 64-bit float", at)
        return value, plain.end()
    if token[-1:] in (b"i", b"u") and _INTEGER.fullmatch(token, 0, len(token) - 1):
        number = int(token[:-1])
        signed = token[-1:] == b"i"
        if signed and -_INT64 <= number < _INT64:
            return number, plain.end()
        if not signed and token[:1] != b"-" and number < _UINT64:
            return number, plain.end()
        raise _BadLine(Reason.OUT_OF_BOUNDS, f"{_short(token)} is beyond a 64-bit integer", at)
    flag = _BOOLEANS.get(token)
    if flag is None:
        raise _BadLine(Reason.WRONG_TYPE, f"{_short(token)} is not a field value", at)
    return flag, plain.end()


def _time(payload: bytes, at: int, scale: int) -> tuple[int | None, int]:
    found = _TIME.match(payload, at)
    assert found is not None
    after = _BLANKS.match(payload, found.end())
    assert after is not None
    ended = _LINE_END.match(payload, after.end())
    if ended is None:
        raise _BadLine(Reason.BAD_TIME, f"a time and the line's end are due, not {_shown(payload, at)}", at)
    if not found[0]:
        return None, ended.end()
    if not _INTEGER.fullmatch(found[0]):
        raise _BadLine(Reason.BAD_TIME, f"{_short(found[0])} is not a time", at)
    time_ns = int(found[0]) * scale
    if not -_INT64 <= time_ns < _INT64:
        raise _BadLine(Reason.BAD_TIME, f"{_short(found[0])} is a time beyond 64 bits", at)
    return time_ns, ended.end()


def _text(token: bytes, at: int) -> str:
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        raise _BadLine(Reason.INVALID_UTF8, f"{_short(token)} is not UTF-8", at) from None


def _bad(detail: str, at: int) -> NoReturn:
    raise _BadLine(Reason.WRONG_SHAPE, detail, at)


def _shown(payload: bytes, at: int) -> str:
    return _short(payload[at : at + 20]) if at < len(payload) else "the message's end"


def _short(token: bytes) -> str:
    return repr(token[:20].decode("utf-8", "replace"))


def reader(options: Options) -> RecordReader:
    """The reader of one device type."""

    def read_lines(payload: bytes, context: Context) -> list[Record] | Rejection:
        if not payload:
            return Rejection(Reason.EMPTY, "the payload is empty")
        points, bad = parse(payload, precision=options.precision)
        if not points and not bad:
            return Rejection(Reason.NO_READING, "there are only empty lines and comments")
        records = [_record(point, options.device_tag) for point in points]
        return settle(records, {f"line {number}": rejection for number, rejection in bad.items()})

    return read_lines


def _record(point: Point, device_tag: str | None) -> Record:
    pairs: Pairs = {"measurement": point.measurement}
    for key, text in point.tags.items():
        pairs[f"tag.{key}"] = text
    pairs.update(point.fields)
    time_ms = None
    if point.time_ns is not None:
        time_ms = point.time_ns // 1_000_000
        if not 0 <= time_ms <= LATEST_MS:
            pairs["@time"] = Rejection(Reason.BAD_TIME, f"{point.time_ns} ns since 1970 is no time of a reading")
            time_ms = None
    return Record(pairs, device=point.tags.get(device_tag) if device_tag else None, time=time_ms)


read = reader(Options())
"""With nanoseconds, the device named elsewhere."""

FORMAT = Format("line-protocol", reader=reader, options=Options, device=True, time=True)
