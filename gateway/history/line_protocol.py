"""Lines as InfluxDB line protocol: one reading line in, one text line out.

    air,area=hai-chau,device=sds-7,station=cau-rong pm25=12.5,pm25_qc=1i,no2_qc=9i 1732320000000
    ^   ^ exactly these three tags, in order         ^ float  ^ flag      ^ missing ^ event time, ms

Source: the line protocol reference of InfluxDB, checked against InfluxDB 1.6.7 (tests/gateway/history). Rules
that a reader of the data must know:

- An empty `area` is written as `-`, because InfluxDB refuses empty tag values; a query turns it back.
- A missing value (flag 9) writes only `<parameter>_qc=9i`. If a value was there before, InfluxDB keeps it beside
  the new flag: whoever reads must let the flag decide.
- What happened to an alert (medium `alert`) has text fields and no flags.
- What the protocol cannot express at all (control characters, a backslash before a comma, numbers that are not
  finite) is refused here with the reason, before it can spoil a batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

import orjson

from devices.reading import Line
from gateway.history.base import RefusedLine

NO_AREA = "-"
"""How the empty area is written."""

_CACHE = 50_000
"""Most tag sets kept encoded; a gateway with more devices only pays for encoding them again."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# InfluxDB 1.6 takes `\\,` for a backslash and a comma, VictoriaMetrics for a backslash and the end of the value.
_SWALLOWS = re.compile(r"\\(?=[,= \\]|\Z)")
_TAG_OR_FIELD = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_NULL = "null"


class Inexpressible(ValueError):
    """The line protocol has no way to write this. The text says what and where."""


class Encoder:
    """Lines → text lines, remembering the encoded tags of each device and the encoded name of each parameter."""

    def __init__(self) -> None:
        self._tags: dict[tuple[str, str, str, str], str] = {}
        self._fields: dict[tuple[str, int], tuple[str, str]] = {}

    def encode(self, lines: Sequence[Line]) -> tuple[list[Line], list[str], list[RefusedLine]]:
        """(lines that could be written, their texts without line end, the others with the reason). Order is kept."""
        values = [value.value for line in lines for value in line.values]
        try:
            # One call for all numbers of the batch: orjson writes a float (shortest form that reads back equal)
            # five times as fast as repr(); `null` then stands for None, and for NaN and infinity.
            numbers = orjson.dumps(values).decode()[1:-1].split(",") if values else []
        except TypeError:  # an integer beyond 64 bits somewhere: find out where
            return self._encode_singly(lines)
        if len(numbers) != len(values):  # a text with a comma where a number is due
            return self._encode_singly(lines)
        good: list[Line] = []
        texts: list[str] = []
        refused: list[RefusedLine] = []
        tags, fields = self._tags, self._fields
        end = 0
        for line in lines:
            start, end = end, end + len(line.values)
            try:
                key = (line.medium, line.station, line.device, line.area)
                text = tags.get(key) or self._remember_tags(key)
                parts: list[str] = []
                for value, number in zip(line.values, numbers[start:end]):  # noqa: B905  (equal by construction; strict= costs)
                    named = fields.get((value.parameter, value.flag)) or self._remember_field(value.parameter, value.flag)
                    if number != _NULL:
                        parts.append(f"{named[0]}{number},{named[1]}")
                    elif value.value is None:
                        parts.append(named[1])
                    else:
                        raise Inexpressible(f"{value.parameter} is {value.value}: only finite numbers can be stored")
                if line.notes:
                    parts += [_note(name, content) for name, content in line.notes]
                if not parts:
                    raise Inexpressible("the line has no values")
                texts.append(f"{text}{','.join(parts)} {line.time_ms}")
                good.append(line)
            except Inexpressible as error:
                refused.append(RefusedLine(line, str(error)))
        return good, texts, refused

    def _encode_singly(self, lines: Sequence[Line]) -> tuple[list[Line], list[str], list[RefusedLine]]:
        """The same for a batch in which something is no number at all."""
        good: list[Line] = []
        texts: list[str] = []
        refused: list[RefusedLine] = []
        for line in lines:
            odd = next((value for value in line.values if not _is_number(value.value)), None)
            if odd is not None:
                refused.append(RefusedLine(line, f"{odd.parameter} is {odd.value!r}, which cannot be stored as a number"))
                continue
            its_good, its_texts, its_refused = self.encode([line])
            good += its_good
            texts += its_texts
            refused += its_refused
        return good, texts, refused

    def _remember_tags(self, key: tuple[str, str, str, str]) -> str:
        medium, station, device, area = key
        if medium.startswith("#"):
            raise Inexpressible(f"medium {medium!r} starts with #, which makes the line a comment")
        text = (
            f"{_name('medium', medium, _MEASUREMENT)},area={_name('area', area or NO_AREA)},"
            f"device={_name('device', device)},station={_name('station', station)} "
        )
        if len(self._tags) >= _CACHE:
            self._tags.clear()
        self._tags[key] = text
        return text

    def _remember_field(self, parameter: str, flag: int) -> tuple[str, str]:
        if parameter == "time":
            raise Inexpressible("parameter 'time': InfluxDB keeps this name for itself")
        name = _name("parameter", parameter)
        if len(self._fields) >= _CACHE:
            self._fields.clear()
        self._fields[parameter, flag] = found = (f"{name}=", f"{name}_qc={int(flag)}i")
        return found


def _note(name: str, content: str | float) -> str:
    """A field that is no reading: text in quotes, or a number without a flag."""
    if isinstance(content, str):
        if _CONTROL.search(content):
            raise Inexpressible(f"{name} {content!r} holds a control character or half a surrogate pair")
        text = content.replace("\\", "\\\\").replace('"', '\\"')
        return f'{_name("field", name)}="{text}"'
    if not isfinite(content):
        raise Inexpressible(f"{name} is {content}: only finite numbers can be stored")
    return f"{_name('field', name)}={float(content)!r}"


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**64)


def _name(what: str, text: str, escapes: dict[int, str] = _TAG_OR_FIELD) -> str:
    """A tag value, field key or measurement, escaped; raises Inexpressible."""
    if not text:
        raise Inexpressible(f"{what} is empty")
    if _CONTROL.search(text):
        raise Inexpressible(f"{what} {text!r} holds a control character or half a surrogate pair")
    if _SWALLOWS.search(text):
        raise Inexpressible(f"{what} {text!r} has a backslash at its end or before `,`, `=`, space or backslash: servers differ in it")
    return text.translate(escapes)
