"""Runs the examples of a device type: message in, readings out. What `envgw types test` and our own tests say is from here."""

from __future__ import annotations

import json

from devices.decoder import Decoded, Result
from devices.device_type import DeviceType, ExampleModel
from devices.quality import GOOD, MISSING
from devices.rejection import Rejection
from devices.times import format_instant, parse_instant, parse_zone

_TOLERANCE = 1e-9
"""Relative: unit conversions are correctly rounded, examples are written in decimals."""

ANYBODY = "device"
"""Who speaks in an example that is an application payload alone."""


def payload_of(example: ExampleModel) -> bytes:
    """The example's message as bytes: a text as it is, `hex` as its bytes, anything else as JSON."""
    if example.hex is not None:
        return bytes.fromhex(example.hex)
    message = example.message
    return (message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)).encode()


def run_example(kind: DeviceType, example: ExampleModel) -> Result | str:
    """What the type makes of the example's message; a text says why it cannot be run."""
    payload = payload_of(example)
    if example.port is not None:
        if kind.decode_raw is None:
            return "`hex` with a `port` is an application payload: the type has no `codec`"
        return kind.decode_raw(payload, (example.device or ANYBODY, str(example.port)))
    levels = tuple(example.topic.split("/")) if example.topic else ()
    if example.format is None or (len(kind.formats) == 1 and kind.formats[0].name == example.format):
        return kind.decode(payload, levels)
    decode = kind.by_format.get(example.format)
    return f"the type has no format {example.format!r}" if decode is None else decode(payload, levels)


def check_example(kind: DeviceType, example: ExampleModel) -> list[str]:
    """What the type reads otherwise than the example says; empty when it reads it as it should."""
    found = run_example(kind, example)
    if isinstance(found, str):
        return [found]
    if isinstance(found, Rejection):
        return [f"rejected as {found.reason}: {found.detail}"]
    if isinstance(found, Decoded):
        found = [found]
    if not isinstance(found, list):
        return [f"it is a control message ({found.what}), without readings"]
    if example.record >= len(found):
        return [f"the message has {len(found)} record(s): there is no record {example.record}"]
    return _differences(found[example.record], example)


def _differences(read: Decoded, example: ExampleModel) -> list[str]:
    wrong = []
    device = example.device or ANYBODY
    if read.device != device:
        wrong.append(f"device: {read.device!r}, expected {device!r}")
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
