"""`senml`: Sensor Measurement Lists, RFC 8428, as JSON or CBOR (told apart by the first byte).

    [{"bn":"urn:dev:ow:10e2073a0108006:","bt":1276020076.001,"bu":"A","n":"voltage","u":"V","v":120.1},
     {"n":"current","t":-5,"v":1.2}]

    resolved (RFC 8428, 4.6)                                        record
    urn:dev:ow:10e2073a0108006:current  A  1276020071.001  1.2      device urn:dev:ow:10e2073a0108006, {current: 1.2, current@unit: A}
    urn:dev:ow:10e2073a0108006:voltage  V  1276020076.001  120.1    device urn:dev:ow:10e2073a0108006, {voltage: 120.1, voltage@unit: V}

`resolve` gives the left side, exactly as the RFC's examples have it; `read` the right one. A resolved name is a device and
something of it, and where the one ends is not said by the RFC. `Options.names`: under `base` (the default)

  * a URN of RFC 9039 (`urn:dev:ow:10e2073a0108006:temp`) ends after its fourth part;
  * else a base name is the device and `n` is the path, separators between them apart;
  * else there is no device, and the name is the path (a type then takes the device from the topic).

Under `name` the whole name is the device. Where no name is left for the path, the unit is the path (`%RH`, `lon`).
Beside each path stand `<path>@unit` (text) and, where there is one, `<path>@sum`. Values are numbers, text, True/False or
bytes (`vd`). Units `lat` and `lon` also place the record. Times below 2**28 are relative to the receipt; none or 0 is the receipt.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from devices.formats import cbor_object, json_text
from devices.formats.base import Format
from devices.formats.limits import MAX_RECORDS
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.formats.refusals import settle
from devices.rejection import Reason, Rejection
from devices.times import LATEST_MS

VERSION = 10
"""The version of RFC 8428. Packs that say a newer one (`bver`) are refused."""
RELATIVE_BELOW = 2.0**28
MAX_NAME = 250
"""Characters of a name."""

# Table 6 of RFC 8428: the CBOR labels.
_LABELS = {
    "-1": "bver", "-2": "bn", "-3": "bt", "-4": "bu", "-5": "bv", "-6": "bs",
    "0": "n", "1": "u", "2": "v", "3": "vs", "4": "vb", "5": "s", "6": "t", "7": "ut", "8": "vd",
}  # fmt: skip
_KNOWN = frozenset(_LABELS.values())
_BASE = frozenset(("bver", "bn", "bt", "bu", "bv", "bs"))
_NUMBERS = ("bver", "bt", "bv", "bs", "v", "s", "t", "ut")
_TEXTS = ("bn", "bu", "n", "u", "vs")
_VALUES = ("v", "vs", "vb", "vd")
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9:./_]*")
_DEVICE_URN = re.compile(r"(urn:dev:[A-Za-z0-9]+:[^:/_]+)[:/_]?(.*)")
_SEPARATORS = ":/_.-"


class Options(BaseModel):
    """How the names of one device type are divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Literal["base", "name"] = "base"
    """What names the device: the base name, or the whole name."""


class Resolved(NamedTuple):
    """One resolved record."""

    name: str
    unit: str | None
    time: float
    """Seconds since 1970, or, below 2**28, relative to the receipt."""
    value: float | str | bool | bytes | None
    """None: the record has only a sum."""
    sum: float | None = None
    base: str = ""
    """The base name with which the name begins."""


class _Refused(Exception):
    """The whole pack cannot be read."""

    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection


def resolve(payload: bytes) -> tuple[list[Resolved], dict[str, Rejection]] | Rejection:
    """The resolved records in the message's order, and the records that are none (`record 3`, from 1). Never raises."""
    pack = _parse(payload)
    if isinstance(pack, Rejection):
        return pack
    try:
        return _resolve(pack)
    except _Refused as refused:
        return refused.rejection


def _parse(payload: bytes) -> list[Any] | Rejection:
    if not payload:
        return Rejection(Reason.EMPTY, "the payload is empty")
    cbor = payload[0] >= 0x80
    pack = cbor_object.parse(payload) if cbor else json_text.parse(payload)
    if isinstance(pack, Rejection):
        return pack
    if isinstance(pack, list) and len(pack) > MAX_RECORDS:
        return Rejection(Reason.WRONG_SHAPE, f"{len(pack)} records, at most {MAX_RECORDS} are taken from one message")
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        return Rejection(Reason.WRONG_SHAPE, "a SenML pack is an array of records")
    return [_labelled(record) for record in pack] if cbor else pack


def _labelled(record: dict[str, Any]) -> dict[str, Any]:
    return {_LABELS.get(label, label): value for label, value in record.items()}


def _resolve(pack: list[dict[str, Any]]) -> tuple[list[Resolved], dict[str, Rejection]]:
    found: list[Resolved] = []
    refused: dict[str, Rejection] = {}
    base: dict[str, Any] = {}
    for number, record in enumerate(pack, 1):
        if not record.keys() <= _KNOWN:
            _must_be_understood(record, number)
        if (wrong := _wrong_type(record)) is not None:
            if wrong[0] in _BASE:  # Every record after this one would be read wrongly.
                raise _Refused(Rejection(Reason.WRONG_TYPE, f"record {number}: {wrong[1]}"))
            refused[f"record {number}"] = Rejection(Reason.WRONG_TYPE, wrong[1])
            continue
        if not _BASE.isdisjoint(record):
            base.update((label, record[label]) for label in _BASE if label in record)
            if base.get("bver", VERSION) > VERSION:
                raise _Refused(Rejection(Reason.WRONG_SHAPE, f"SenML version {base['bver']!r}, this reads up to version {VERSION}"))
            if len(base.get("bn", "")) > MAX_NAME:
                raise _Refused(Rejection(Reason.WRONG_SHAPE, f"a base name of more than {MAX_NAME} characters"))
            if record.keys() <= _BASE:
                continue
        resolved = _record(record, base)
        if isinstance(resolved, Rejection):
            refused[f"record {number}"] = resolved
        else:
            found.append(resolved)
    return found, refused


def _record(record: dict[str, Any], base: Mapping[str, Any]) -> Resolved | Rejection:
    base_name = base.get("bn", "")
    name = base_name + record.get("n", "")
    if len(name) > MAX_NAME:
        return Rejection(Reason.WRONG_SHAPE, f"a name of more than {MAX_NAME} characters")
    if not _NAME.fullmatch(name):
        return Rejection(Reason.WRONG_SHAPE, f"{name[:40]!r} is not a SenML name" if name else "it has no name")
    time = base.get("bt", 0) + record.get("t", 0)
    if not isfinite(time) or (time >= RELATIVE_BELOW and time * 1000 > LATEST_MS):
        return Rejection(Reason.BAD_TIME, f"{time!r} cannot be read as a time")
    stated = [label for label in _VALUES if label in record]
    total = base.get("bs", 0) + record.get("s", 0) if "s" in record or "bs" in base else None
    value = record[stated[0]] if stated else None
    if len(stated) > 1:
        return Rejection(Reason.WRONG_SHAPE, f"it has several values ({', '.join(stated)})")
    if "bv" in base and (not stated or stated[0] == "v"):
        value = base["bv"] + (value or 0)
    elif not stated and total is None:
        return Rejection(Reason.WRONG_SHAPE, "it has neither a value nor a sum")
    elif stated and stated[0] == "vd" and isinstance(value, str):
        try:
            value = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return Rejection(Reason.WRONG_TYPE, "its data value is not base64url")
    return Resolved(name, record.get("u") or base.get("bu") or None, time, value, total, base_name)


def _must_be_understood(record: dict[str, Any], number: int) -> None:
    for label in record:
        if label.endswith("_"):
            what = f"record {number}: the field {label[:40]!r} must be understood (it ends in _), and is not"
            raise _Refused(Rejection(Reason.WRONG_SHAPE, what))


def _wrong_type(record: dict[str, Any]) -> tuple[str, str] | None:
    for label in _NUMBERS:
        value = record.get(label, 0)
        if value.__class__ is not int and value.__class__ is not float:
            return label, f"{label} should be a number"
    for label in _TEXTS:
        if label in record and not isinstance(record[label], str):
            return label, f"{label} should be a text"
    if not isinstance(record.get("vb", True), bool):
        return "vb", "vb should be true or false"
    if not isinstance(record.get("vd", ""), str | bytes):
        return "vd", "vd should be data"
    return None


def reader(options: Options) -> RecordReader:
    """The reader of one device type."""
    divide = _by_name if options.names == "name" else _by_base

    def read_pack(payload: bytes, context: Context) -> list[Record] | Rejection:
        found = resolve(payload)
        if isinstance(found, Rejection):
            return found
        resolved, refused = found
        if not resolved and not refused:
            return Rejection(Reason.NO_READING, "the pack has no values")
        grouped: dict[tuple[str | None, float], list[tuple[str, Resolved]]] = {}
        for one in sorted(resolved, key=lambda one: one.time):
            device, path = divide(one)
            grouped.setdefault((device, one.time), []).append((path, one))
        records = [_grouped(device, time, members, context.received_ms) for (device, time), members in grouped.items()]
        return settle(records, refused)

    return read_pack


def _by_name(one: Resolved) -> tuple[str | None, str]:
    return one.name, one.unit or "value"


def _by_base(one: Resolved) -> tuple[str | None, str]:
    if urn := _DEVICE_URN.fullmatch(one.name):
        return urn[1], urn[2] or one.unit or "value"
    if one.base:
        own = one.name[len(one.base) :].lstrip(_SEPARATORS)
        return one.base.rstrip(_SEPARATORS) or one.base, own or one.unit or "value"
    return None, one.name


def _grouped(device: str | None, time: float, members: list[tuple[str, Resolved]], received_ms: int) -> Record:
    pairs: Pairs = {}
    place: dict[str, float] = {}
    for path, one in members:
        if path in pairs or f"{path}@sum" in pairs:
            pairs[path] = Rejection(Reason.DUPLICATE_KEY, "two values of one name and time")
            continue
        if one.value is not None:
            pairs[path] = one.value
        if one.unit is not None:
            pairs[f"{path}@unit"] = one.unit
            if one.unit in ("lat", "lon") and isinstance(one.value, int | float):
                place[one.unit] = float(one.value)
        if one.sum is not None:
            pairs[f"{path}@sum"] = one.sum
    stamp: int | None = None
    if time:
        stamp = round(time * 1000) if time >= RELATIVE_BELOW else received_ms + round(time * 1000)
        if not 0 <= stamp <= LATEST_MS:
            pairs["@time"] = Rejection(Reason.BAD_TIME, f"{time!r} seconds from the receipt is no time of a reading")
            stamp = None
    return Record(pairs, device=device, time=stamp, latitude=place.get("lat"), longitude=place.get("lon"))


read = reader(Options())
"""With devices named by the base name."""


def likely(payload: bytes) -> bool:
    """An array of maps, as JSON or CBOR."""
    return payload[:1] >= b"\x80" or payload.lstrip()[:1] == b"["


FORMAT = Format("senml", reader=reader, options=Options, device=True, time=True, units=True, likely=likely)
