"""Bytes of one message → readings: one function per device type, specialised when the type loads.

The loop below is the gateway's hottest pure code: a number inside its good span costs one multiplication, one addition and
one comparison; everything else (missing, refused, flagged) takes the slow path of `CompiledField.read`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import NamedTuple, TypeAlias

import msgspec

from devices.formats.base import Reader
from devices.formats.numbers import parse_number
from devices.quality import GOOD, MISSING, Spans
from devices.reading import RefusedField, Value
from devices.rejection import Reason, Rejection
from devices.times import TimeReader

Levels: TypeAlias = tuple[str, ...]
"""The topic's levels."""

_LEGAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def legal_device_id(text: str) -> bool:
    """1 to 64 characters: letters, digits, `.`, `_`, `:`, `-`; the first a letter or digit. It becomes a tag and a file name."""
    return _LEGAL_ID.fullmatch(text) is not None


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What one message says. Nothing is known yet about registry, station or time of receipt."""

    device: str
    """The id that the message or topic claims; not necessarily a legal one."""
    time_ms: int | None
    """The device's time, ms since the epoch; None when it says none that can be read."""
    values: list[Value]
    """Of the type's main medium, in the message's order."""
    extra: list[Value]
    """Of other media (battery, signal …)."""
    refused: list[RefusedField]


class CompiledField(NamedTuple):
    """One field of a type: canonical value = raw * factor + offset."""

    key: str
    parameter: str
    medium: str
    factor: float
    offset: float
    spans: Spans
    missing: frozenset[float | str]
    text: bool

    def read(self, raw: object) -> Value | RefusedField:
        """Any raw value: a reading with its flag, a missing one (flag 9), or why it is refused. Never raises."""
        if raw is None:
            return Value(self.parameter, None, MISSING)
        number = raw
        if isinstance(raw, str):
            text = raw.strip()
            if text in self.missing:
                return Value(self.parameter, None, MISSING)
            number = parse_number(text) if self.text else None
            if number is None:
                return RefusedField(self.key, Reason.WRONG_TYPE, f"text {_short(raw)} where a number is due")
        if isinstance(number, bool) or not isinstance(number, int | float):
            return RefusedField(self.key, Reason.WRONG_TYPE, f"{_kind(raw)} where a number is due")
        if number in self.missing:
            return Value(self.parameter, None, MISSING)
        # Adding 0.0 also turns -0.0 into 0.0: equal readings must be equal bytes.
        value = number * self.factor + self.offset
        if not isfinite(value):
            return RefusedField(self.key, Reason.OUT_OF_BOUNDS, f"{_short(raw)} is not a finite 64-bit number")
        return Value(self.parameter, value, self.spans.flag(value))


def compile_decoder(
    read: Reader,
    fields: Mapping[str, CompiledField],
    *,
    medium: str,
    device_field: str | None,
    device_level: int | None,
    key_level: int | None,
    time_field: str | None,
    read_time: TimeReader | None,
) -> Callable[[bytes, Levels], Decoded | Rejection]:
    """The decode function of one type; levels count from 0. The result raises for no payload and no topic levels."""
    get = {
        key: (field.medium == medium, field.parameter, field.factor, field.offset, *_fast_span(field), field)
        for key, field in fields.items()
    }.get

    def decode(payload: bytes, levels: Levels) -> Decoded | Rejection:
        if device_level is not None:
            if len(levels) <= device_level:
                return Rejection(Reason.NO_DEVICE, f"the topic has no level {device_level + 1}, where the device id is due")
            device = levels[device_level]
        else:
            device = ""
        pairs = read(payload)
        if isinstance(pairs, Rejection):
            return _by(device, pairs)
        if device_field is not None:
            claimed = pairs.get(device_field)
            if claimed.__class__ is str:
                device = claimed
            elif claimed.__class__ is int:
                device = str(claimed)
            else:
                what = f"is {_kind(claimed)}" if device_field in pairs else "is not there"
                return Rejection(Reason.NO_DEVICE, f"the field {device_field!r}, which should hold the device id, {what}")
        if key_level is not None:
            if len(levels) <= key_level:
                return _by(device, Rejection(Reason.UNKNOWN_TOPIC, f"the topic has no level {key_level + 1}, where the parameter is due"))
            pairs = {levels[key_level]: pairs[""]}
        values: list[Value] = []
        extra: list[Value] = []
        refused: list[RefusedField] = []
        for key, raw in pairs.items():
            spec = get(key)
            if spec is None:
                continue
            main, parameter, factor, offset, low, high, field = spec
            if raw.__class__ is float or raw.__class__ is int:
                value = raw * factor + offset
                if low <= value <= high:
                    if main:
                        values.append(Value(parameter, value, GOOD))
                    else:
                        extra.append(Value(parameter, value, GOOD))
                    continue
            outcome = field.read(raw)
            if isinstance(outcome, RefusedField):
                refused.append(outcome)
            else:
                (values if main else extra).append(outcome)
        if not values and not extra:
            return _by(device, _nothing(pairs, refused))
        time_ms = None
        if read_time is not None and time_field is not None:
            stated = pairs.get(time_field)
            if stated is not None:
                found = read_time(stated)
                if isinstance(found, int):
                    time_ms = found
                else:
                    refused.append(RefusedField(time_field, Reason.BAD_TIME, found))
        return Decoded(device, time_ms, values, extra, refused)

    return decode


def _fast_span(field: CompiledField) -> tuple[float, float]:
    """The values for which the loop may skip `read`: the good span, unless a "no value" code lies inside it."""
    low, high = field.spans.good
    for code in field.missing:
        if not isinstance(code, str) and low <= code * field.factor + field.offset <= high:
            return inf, -inf
    return low, high


def _by(device: str, rejection: Rejection) -> Rejection:
    return rejection._replace(device=device) if legal_device_id(device) else rejection


def _nothing(pairs: Mapping[str, object], refused: list[RefusedField]) -> Rejection:
    if refused:
        first = refused[0]
        return Rejection(first.reason, f"{_short(first.field)}: {first.detail}")
    seen = ", ".join(_short(key) for key in list(pairs)[:5]) or "none"
    return Rejection(Reason.NO_READING, f"none of its fields is known to the device type (it has: {seen})")


def _short(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:40]) + ("…" if len(value) > 40 else "")
    return repr(value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    return "text" if isinstance(value, str) else "a number"
