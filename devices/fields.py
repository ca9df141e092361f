"""One field of a device type, compiled: any raw value → a reading in the canonical unit, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, NamedTuple

from devices.formats.numbers import parse_number
from devices.formats.paths import MISSING as ABSENT
from devices.formats.paths import Find
from devices.quality import MISSING, Spans
from devices.reading import RefusedField, Value
from devices.rejection import Reason
from devices.units import Conversion, normal


class Special(NamedTuple):
    """What few fields need; a field that has it always takes the slow way."""

    unit_at: Find | None = None
    """Where the message says the unit (`TempUnit`)."""
    units: Mapping[str, Conversion | None] = {}
    """What may stand there → conversion (None: refused). Nothing there: the field's own unit; anything else: refused."""
    stated: bool = False
    """The format itself names units (SenML, Sparkplug): a text that is no known unit does not count against the field's own."""
    only_if: tuple[tuple[Find, object], ...] = ()
    """Otherwise the reading is missing (`concentration.is_valid: true`)."""
    suffix: str = ""
    """Taken off the end of a text (`-59 dBm`)."""
    factor_at: Find | None = None
    """Where the message says by what the number is multiplied, before its unit counts (`co_slope`)."""
    offset_at: Find | None = None
    """… and what is added then."""
    rank: int | None = None
    """Of several fields of one parameter the present one with the least rank counts."""


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
    special: Special | None = None

    def read(self, raw: object, message: Any = None) -> Value | RefusedField:
        """Any raw value: a reading with its flag, a missing one (flag 9), or why it is refused. Never raises.

        `message` is the whole record, for fields whose unit or validity stands elsewhere in it.
        """
        if self.special is not None:
            return self._read_special(raw, self.special, message)
        return self._read(raw, self.factor, self.offset)

    def _read_special(self, raw: object, special: Special, message: Any) -> Value | RefusedField:
        for find, due in special.only_if:
            if find(message) != due:
                return Value(self.parameter, None, MISSING)
        factor, offset = self.factor, self.offset
        if special.unit_at is not None:
            said = special.unit_at(message)
            if said is not ABSENT and said is not None:
                text = said.strip() if isinstance(said, str) else ""
                conversion = special.units.get(normal(text) if special.stated else text)
                if conversion is not None:
                    factor, offset = conversion
                elif not special.stated or normal(text) in special.units:
                    why = "which cannot be" if special.stated else "which the type does not list"
                    return RefusedField(self.key, Reason.WRONG_TYPE, f"the message gives its unit as {short(said)}, {why}")
        if special.suffix and isinstance(raw, str):
            raw = raw.strip().removesuffix(special.suffix)
        if special.factor_at is not None or special.offset_at is not None:
            raw = self._scaled(raw, special, message)
            if isinstance(raw, RefusedField):
                return raw
        return self._read(raw, factor, offset)

    def _scaled(self, raw: object, special: Special, message: Any) -> object:
        """The number as the message itself says to correct it. What is no number, or a code for "no value", as it is."""
        number = parse_number(raw) if isinstance(raw, str) and self.text else raw
        if isinstance(number, bool) or not isinstance(number, int | float) or number in self.missing:
            return raw
        parts = []
        for find, neutral in ((special.factor_at, 1), (special.offset_at, 0)):
            said = neutral if find is None else find(message)
            if self.text and isinstance(said, str):
                said = parse_number(said)
            if isinstance(said, bool) or not isinstance(said, int | float):
                return RefusedField(self.key, Reason.WRONG_TYPE, "the number by which the message says to correct it is not there")
            parts.append(said)
        try:
            return float(number * parts[0] + parts[1])
        except OverflowError:
            return inf

    def _read(self, raw: object, factor: float, offset: float) -> Value | RefusedField:
        if raw is None:
            return Value(self.parameter, None, MISSING)
        number = raw
        if isinstance(raw, str):
            text = raw.strip()
            if text in self.missing:
                return Value(self.parameter, None, MISSING)
            number = parse_number(text) if self.text else None
            if number is None:
                return RefusedField(self.key, Reason.WRONG_TYPE, f"text {short(raw)} where a number is due")
        if isinstance(number, bool) or not isinstance(number, int | float):
            return RefusedField(self.key, Reason.WRONG_TYPE, f"{kind_of(raw)} where a number is due")
        if number in self.missing:
            return Value(self.parameter, None, MISSING)
        # Adding 0.0 also turns -0.0 into 0.0: equal readings must be equal bytes.
        try:
            value = number * factor + offset
        except OverflowError:
            value = inf
        if not isfinite(value):
            return RefusedField(self.key, Reason.OUT_OF_BOUNDS, f"{short(raw)} is not a finite 64-bit number")
        return Value(self.parameter, value, self.spans.flag(value))

    def fast_span(self) -> tuple[float, float]:
        """The values for which `read` may be skipped: the good span, unless a "no value" code lies inside it."""
        if self.special is not None:
            return inf, -inf
        low, high = self.spans.good
        for code in self.missing:
            if not isinstance(code, str) and low <= code * self.factor + self.offset <= high:
                return inf, -inf
        return low, high


def short(value: object) -> str:
    """A raw value as it may be shown: never longer than a line."""
    if isinstance(value, str):
        return repr(value[:40]) + ("…" if len(value) > 40 else "")
    if isinstance(value, int) and abs(value) > 1 << 128:
        return "a number of more than 38 digits"
    return repr(value)[:80]


def kind_of(value: object) -> str:
    """What a raw value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, bytes):
        return "bytes"
    return "text" if isinstance(value, str) else "a number"
