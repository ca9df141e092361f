"""The payload of Sparkplug B 3.0 (section 6.4): bytes → payload and metrics, as they are told. What aliases mean is not known here.

    Payload    1 timestamp   2 metrics…   3 seq   4 uuid   5 body
    Metric     1 name   2 alias   3 timestamp   4 datatype   5 is_historical   7 is_null   9 properties
               10 int   11 long   12 float   13 double   14 boolean   15 string   16 bytes   17 data set   18 template
    DataSet    2 columns…   4 rows…(1 elements…(1 int  2 long  3 float  4 double  5 boolean  6 string))
    Template   2 metrics…   5 is_definition
    Properties 1 keys…   2 values…(1 type  2 is_null  3 int  4 long  5 float  6 double  7 boolean  8 string)

Signed integers travel as unsigned ones: the datatype says which they are. Everything is read with limits, for the other side
decides how long a list is.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

from devices.formats.protobuf_wire import WireError, fields
from devices.formats.unwrap import unwrap
from devices.rejection import Reason, Rejection

MAX_METRICS = 2_000
"""Metrics of one payload, those inside templates counted."""
MAX_CELLS = 2_000
"""Values of the data sets of one payload."""
MAX_TEMPLATE_DEPTH = 4
MAX_PROPERTIES = 64
COMPRESSED = b"SPBV1.0_COMPRESSED"

Scalar: TypeAlias = int | float | bool | str | bytes | None

_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64, 13: 64}
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class Metric(NamedTuple):
    """One metric. `value` is as the wire has it: `typed` gives it its sign."""

    name: str | None
    alias: int | None
    timestamp: int | None
    datatype: int | None
    historical: bool
    value: Scalar | list[dict[str, Scalar]] | list[Metric] | Rejection
    """A list of rows for a data set, of metrics for a template; None for a null; a rejection when it is none of these."""
    quality: int | None = None
    """The property Quality: 0 bad, 192 good, 500 stale."""
    unit: str | None = None
    """The property engUnit."""


class Payload(NamedTuple):
    """One payload. `metrics` that cannot be read are rejections, at their places."""

    timestamp: int | None
    seq: int | None
    metrics: list[Metric | Rejection]


class _Budget:
    """What one payload may still hold."""

    __slots__ = ("cells", "metrics")

    def __init__(self) -> None:
        self.metrics = MAX_METRICS
        self.cells = MAX_CELLS


def parse(data: bytes) -> Payload | Rejection:
    """A payload, unpacked where it is compressed. Rejections: empty, codec-failed, too-large. Never raises."""
    if not data:
        return Rejection(Reason.EMPTY, "the payload is empty")
    try:
        found = _payload(data)
    except WireError as error:
        return Rejection(Reason.CODEC_FAILED, f"no Sparkplug payload: {error}")
    return found


def _payload(data: bytes, *, packed: bool = True) -> Payload | Rejection:
    timestamp = seq = uuid = body = None
    raw_metrics: list[bytes] = []
    for field, value in fields(data):
        if field == 2 and isinstance(value, bytes):
            raw_metrics.append(value)
            if len(raw_metrics) > MAX_METRICS:
                return Rejection(Reason.WRONG_SHAPE, f"more than {MAX_METRICS} metrics in one payload")
        elif field == 1:
            timestamp = _integer(value)
        elif field == 3:
            seq = _integer(value)
        elif field == 4:
            uuid = value
        elif field == 5:
            body = value
    budget = _Budget()
    metrics = [_metric(raw, budget, 0) for raw in raw_metrics]
    if uuid == COMPRESSED and isinstance(body, bytes) and packed:
        return _unpacked(body, metrics)
    return Payload(timestamp, seq, metrics)


def _unpacked(body: bytes, metrics: list[Metric | Rejection]) -> Payload | Rejection:
    """The payload inside a compressed one; the metric `algorithm` says how (DEFLATE when there is none)."""
    named = [metric.value for metric in metrics if isinstance(metric, Metric) and metric.name == "algorithm"]
    algorithm = "gzip" if named and isinstance(named[0], str) and named[0].upper() == "GZIP" else "deflate"
    data = unwrap(body, [algorithm])
    return data if isinstance(data, Rejection) else _payload(data, packed=False)


def _metric(data: bytes, budget: _Budget, depth: int) -> Metric | Rejection:
    budget.metrics -= 1
    if budget.metrics < 0:
        return Rejection(Reason.WRONG_SHAPE, f"more than {MAX_METRICS} metrics in one payload")
    name: str | None = None
    alias = timestamp = datatype = None
    historical = null = False
    properties = b""
    stated: tuple[int, int | bytes] | None = None
    try:
        for field, value in fields(data):
            if 10 <= field <= 18:
                stated = field, value
            elif field == 1 and isinstance(value, bytes):
                name = value.decode("utf-8")
            elif field == 2:
                alias = _integer(value)
            elif field == 3:
                timestamp = _integer(value)
            elif field == 4:
                datatype = _integer(value)
            elif field == 5:
                historical = bool(value)
            elif field == 7:
                null = bool(value)
            elif field == 9 and isinstance(value, bytes):
                properties = value
        quality, unit = _properties(properties) if properties else (None, None)
        found = None if null else _value(stated, budget, depth)
    except WireError as error:
        return Rejection(Reason.CODEC_FAILED, str(error))
    except UnicodeDecodeError:
        return Rejection(Reason.INVALID_UTF8, "a text is not UTF-8")
    return Metric(name, alias, timestamp, datatype, historical, found, quality, unit)


def _value(
    stated: tuple[int, int | bytes] | None, budget: _Budget, depth: int
) -> Scalar | list[dict[str, Scalar]] | list[Metric] | Rejection:
    if stated is None:
        return Rejection(Reason.NO_READING, "the metric has no value, and does not say that it is null")
    field, raw = stated
    if field == 17 and isinstance(raw, bytes):
        return _data_set(raw, budget)
    if field == 18 and isinstance(raw, bytes):
        return _template(raw, budget, depth + 1)
    return _scalar(field - 9, raw) if field != 16 else raw


def _scalar(kind: int, raw: int | bytes) -> Scalar:
    """1 int, 2 long, 3 float, 4 double, 5 boolean, 6 string: the order of metrics, data sets and properties alike."""
    if kind in (1, 2):
        return _integer(raw)
    if kind == 5:
        return bool(_integer(raw))
    if isinstance(raw, bytes):
        if kind == 6:
            return raw.decode("utf-8")
        form = _FLOAT if kind == 3 else _DOUBLE
        if kind in (3, 4) and len(raw) == form.size:
            number: float = form.unpack(raw)[0]
            return number
    raise WireError("a value of another type than its field")


def _integer(raw: int | bytes) -> int:
    if isinstance(raw, bytes):
        raise WireError("bytes where an integer is due")
    return raw


def _properties(data: bytes) -> tuple[int | None, str | None]:
    """Quality and unit."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for field, raw in fields(data):
        if isinstance(raw, bytes) and len(keys) + len(values) < 2 * MAX_PROPERTIES:
            (keys if field == 1 else values).append(raw)
    quality: int | None = None
    unit: str | None = None
    for key, raw_value in zip(keys, values, strict=False):
        if key not in (b"Quality", b"quality", b"engUnit", b"EngUnit"):
            continue
        stated = [(field, value) for field, value in fields(raw_value) if 3 <= field <= 8]
        found = _scalar(stated[-1][0] - 2, stated[-1][1]) if stated else None
        if key.lower() == b"quality" and isinstance(found, int):
            quality = found
        elif key.lower() == b"engunit" and isinstance(found, str):
            unit = found
    return quality, unit


def _data_set(data: bytes, budget: _Budget) -> list[dict[str, Scalar]] | Rejection:
    columns: list[str] = []
    types: list[int] = []
    rows: list[bytes] = []
    for field, raw in fields(data):
        if field == 2 and isinstance(raw, bytes):
            columns.append(raw.decode("utf-8"))
        elif field == 3:
            types += [raw] if isinstance(raw, int) else list(raw)
        elif field == 4 and isinstance(raw, bytes):
            rows.append(raw)
    budget.cells -= len(columns) * (len(rows) + 1)
    if budget.cells < 0:
        return Rejection(Reason.WRONG_SHAPE, f"data sets of more than {MAX_CELLS} values")
    table: list[dict[str, Scalar]] = []
    for row in rows:
        cells: dict[str, Scalar] = {}
        for index, (field, raw) in enumerate(fields(row)):
            if field == 1 and isinstance(raw, bytes) and index < len(columns):
                cell = next(((kind, value) for kind, value in fields(raw)), None)
                value = None if cell is None else _scalar(*cell)
                cells[columns[index]] = typed(value, types[index] if index < len(types) else None)
        table.append(cells)
    return table


def _template(data: bytes, budget: _Budget, depth: int) -> list[Metric] | Rejection:
    if depth > MAX_TEMPLATE_DEPTH:
        return Rejection(Reason.TOO_DEEP, f"templates nested deeper than {MAX_TEMPLATE_DEPTH} levels")
    metrics: list[Metric] = []
    for field, raw in fields(data):
        if field == 5 and raw:
            return []  # A definition says what instances will look like, and measures nothing.
        if field == 2 and isinstance(raw, bytes):
            found = _metric(raw, budget, depth)
            if isinstance(found, Rejection):
                return found
            metrics.append(found)
    return metrics


def typed(value: Scalar, datatype: int | None) -> Scalar:
    """The value as its datatype has it: integers cut to their width, signed ones with their sign."""
    if value.__class__ is not int or datatype is None or not isinstance(value, int):
        return value
    if datatype == 11:
        return bool(value)
    if bits := _UNSIGNED.get(datatype):
        return value & ((1 << bits) - 1)
    if bits := _SIGNED.get(datatype):
        cut = value & ((1 << bits) - 1)
        return cut - (1 << bits) if cut >> (bits - 1) else cut
    return value
