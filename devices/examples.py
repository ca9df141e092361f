"""Runs the examples of a device type: message in, readings out. What `envgw types test` and our own tests say is from here."""

from __future__ import annotations

import json

from devices.device_type import DeviceType, ExampleModel
from devices.quality import GOOD, MISSING
from devices.rejection import Rejection
from devices.times import format_instant, parse_instant, parse_zone

_TOLERANCE = 1e-9
"""Relative: unit conversions are correctly rounded, examples are written in decimals."""


def payload_of(example: ExampleModel) -> bytes:
    """The example's message as bytes: a text as it is, anything else as JSON."""
    message = example.message
    return (message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)).encode()


def check_example(kind: DeviceType, example: ExampleModel) -> list[str]:
    """What the type reads otherwise than the example says; empty when it reads it as it should."""
    read = kind.decode(payload_of(example), tuple(example.topic.split("/")))
    if isinstance(read, Rejection):
        return [f"rejected as {read.reason}: {read.detail}"]
    wrong = []
    if read.device != example.device:
        wrong.append(f"device: {read.device!r}, expected {example.device!r}")
    expected_ms = None if example.time is None else parse_instant(example.time, parse_zone("UTC"))
    if read.time_ms != expected_ms:
        shown = "none" if read.time_ms is None else format_instant(read.time_ms)
        wrong.append(f"time: {shown}, expected {example.time or 'none'}")
    values = {value.parameter: value for value in (*read.values, *read.extra)}
    for parameter, expected in example.readings.items():
        value = values.pop(parameter, None)
        if value is None:
            wrong.append(f"{parameter}: not read")
            continue
        if not _equal(value.value, expected):
            wrong.append(f"{parameter}: {value.value}, expected {expected}")
        flag = example.flags.get(parameter, MISSING if expected is None else GOOD)
        if value.flag != flag:
            wrong.append(f"{parameter}: flag {value.flag}, expected {flag}")
    wrong.extend(f"{parameter}: read as {value.value}, but the example does not say so" for parameter, value in values.items())
    refused = {field.field: field.reason.value for field in read.refused}
    if refused != dict(example.refused):
        wrong.append(f"refused fields: {refused}, expected {dict(example.refused)}")
    return wrong


def _equal(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is expected
    return abs(value - expected) <= _TOLERANCE * max(1.0, abs(expected))
