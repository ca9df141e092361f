"""From one captured message to the beginning of a device type: what `envgw types new` prints. Pure.

    payload ── which format? ──▶ pairs ── which is the device, the time? ──▶ the rest: fields, guessed by name ──▶ YAML with comments
                                                                                  └▶ read back by the new type ──▶ its example

What is not guessed stands as a comment, so that nothing of the message is lost from sight. The text loads as it is, and its
example is read as it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devices.decoder import Decoded, Levels, legal_device_id
from devices.device_type import parse
from devices.formats import FORMATS
from devices.formats.base import Context, Format
from devices.formats.paths import compile_path
from devices.formats.record import Control, Record
from devices.names import Guess, by_value, guess
from devices.parameters import Catalogue
from devices.problems import did_you_mean
from devices.quality import GOOD, MISSING
from devices.rejection import Rejection
from devices.times import format_instant, parse_zone, time_reader
from devices.yaml_text import flow, quoted, shown

AUTO_ORDER = (
    "sparkplug-b", "ttn-v3", "chirpstack-v4", "chirpstack-v3", "loriot", "thingpark", "milesight-gateway", "ngsi", "senml",
    "flat-json", "nested-json", "line-protocol", "form", "cbor", "msgpack", "csv", "plain-value",
)  # fmt: skip
"""Formats in the order in which they are tried: what is known by its members first, what reads anything last."""

_DEVICE_NAMES = (
    "device", "device_id", "deviceid", "dev", "dev_id", "devid", "dev_eui", "deveui", "eui", "serial", "serialno", "serial_number",
    "sn", "mac", "imei", "chipid", "esp8266id", "node", "node_id", "nodeid", "sensor_id", "sensorid", "station_id", "stationid",
    "station", "uid", "id", "name",
)  # fmt: skip
_TIME_NAMES = (
    "time", "timestamp", "ts", "datetime", "date_time", "dateutc", "date", "measured_at", "measuredat", "observed_at", "sent_at",
    "created_at", "utc", "t", "epoch",
)  # fmt: skip
_YEAR_2001 = 978_307_200_000
_HERE = parse_zone("Asia/Ho_Chi_Minh")
_SELF_NAMING = ("flat-json", "nested-json", "cbor", "msgpack")
"""Formats whose records may hold one value and its name."""
_NAMES_OF_ONE = (
    "sensor",
    "parameter",
    "param",
    "measure",
    "measurement",
    "variable",
    "metric",
    "quantity",
    "type",
    "key",
    "name",
    "label",
    "n",
)
_VALUES_OF_ONE = ("value", "val", "v")
_NAME_MEMBERS = ("n", "name", "value_type", "type", "key", "parameter", "param", "sensor", "measure", "label", "id")
_ELEMENT = re.compile(r"(?P<list>.*)\[(?P<index>\d+)\]\.(?P<leaf>[A-Za-z_][A-Za-z0-9_]*)")


class CannotDraft(ValueError):
    """No type can be begun from this message; the text says why and what to do."""


class _Found(NamedTuple):
    """One value of the message: the path by which a type finds it, the name that says what it is, and the value."""

    path: str
    name: str
    value: object


@dataclass(slots=True)
class _Draft:
    format: str
    device: Mapping[str, Any] | None = None
    options: Mapping[str, str] | None = None
    key: int | None = None
    time: Mapping[str, Any] | None = None
    zoneless: bool = False
    fields: dict[str, tuple[Guess, object]] = field(default_factory=dict)
    sure: bool = True
    others: list[tuple[str, object, str]] = field(default_factory=list)


def draft(payload: bytes, *, type_id: str, topic: str, received_ms: int, format_: str, catalogue: Catalogue) -> str:
    """The text of a type's file. Raises CannotDraft."""
    levels = tuple(topic.split("/")) if topic else ()
    known, record = _recognised(payload, levels, received_ms, format_)
    made = _sorted_out(known, record, levels, catalogue)
    data = _data(made, type_id)
    kind = parse(data, catalogue)
    read = kind.decode(payload, levels, received_ms, {})
    if isinstance(read, list):
        read = read[0]
    if not isinstance(read, Decoded):
        why = f"{read.reason}: {read.detail}" if isinstance(read, Rejection) else read.what
        raise CannotDraft(f"the message was taken for {known.name}, but the new type cannot read it ({why}): name its format with --format")
    return _text(made, type_id, payload, topic, read)


# --- recognising


def _recognised(payload: bytes, levels: Levels, received_ms: int, format_: str) -> tuple[Format, Record]:
    if not payload:
        raise CannotDraft("the file is empty")
    if format_ != "auto" and format_ not in FORMATS:
        raise CannotDraft(f"there is no format {format_!r}{did_you_mean(format_, FORMATS)} (known: {', '.join(FORMATS)}, auto)")
    said = []
    for name in AUTO_ORDER if format_ == "auto" else [format_]:
        known = FORMATS[name]
        found = known.parse(payload, Context(levels, received_ms, {}))
        if isinstance(found, Rejection):
            said.append(f"{name}: {found.detail}")
            continue
        if isinstance(found, Control):
            raise CannotDraft(f"this is a control message of {name} ({found.what}): capture one with values")
        record = found[0]
        if record.raw is not None and not any(_number(value) is not None for value in record.pairs.values()):
            raise CannotDraft(
                f"a message of {name} whose payload is still encoded: set the maker's decoder at the network server, or write a type with "
                "`codec:` (a binary layout, or the maker's JavaScript)"
            )
        if format_ == "auto" and not _is_likely(name, record):
            said.append(f"{name}: not likely")
            continue
        return known, record
    raise CannotDraft("no format reads this message: " + "; ".join(said[-4:]) + ". If it is binary, write a type with `codec:`")


def _is_likely(name: str, record: Record) -> bool:
    values = record.pairs.values()
    if name == "flat-json":
        return not any(isinstance(value, dict | list) for value in values)
    if name == "csv":
        return len(record.pairs) > 1 and any(_is_number(value) for value in values)
    if name == "plain-value":
        return any(_is_number(value) for value in values)
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float | None:
    """The value as a number; also of text that is one (`"23.5"`)."""
    if _is_number(value):
        return float(value)  # type: ignore[arg-type]
    if isinstance(value, str) and re.fullmatch(r"[ \t\r\n]*[-+]?[0-9]{1,15}(\.[0-9]{1,15})?[ \t\r\n]*", value):
        return float(value)
    return None


# --- sorting out


def _sorted_out(known: Format, record: Record, levels: Levels, catalogue: Catalogue) -> _Draft:
    made = _Draft(known.name)
    found = [item for item in _named(record.pairs) if _expressible(item.path)]
    if not known.keyed:
        _one_value(made, found, levels, catalogue)
        return made
    if known.name in _SELF_NAMING and (said := _self_named(record.pairs, catalogue)) is not None:
        name_at, value_at, name = said
        made.options = {"name_at": name_at, "value_at": value_at}
        made.format = "nested-json" if known.name == "flat-json" else known.name
        found = [_Found(name, name, item.value) if item.path == value_at else item for item in found if item.path != name_at]
    if record.device is None:
        made.device, path = _device(found, levels)
        found = [item for item in found if item.path != path]
    if record.time is None:
        made.time, made.zoneless, path = _time(found)
        found = [item for item in found if item.path != path]
    taken: set[str] = set()
    for item in found:
        number = _number(item.value)
        if number is None or "@" in item.path:
            made.others.append((item.path, item.value, "not a number"))
            continue
        meant = guess(item.name, number, catalogue)
        if meant is None:
            made.others.append((item.path, item.value, "which parameter?"))
        elif meant.parameter in taken:
            made.others.append((item.path, item.value, f"another {meant.parameter}?"))
        else:
            taken.add(meant.parameter)
            made.fields[item.path] = (meant, item.value)
    _at_least_one(made, catalogue)
    return made


def _self_named(pairs: Mapping[str, object], catalogue: Catalogue) -> tuple[str, str, str] | None:
    """`{"sensor": "TC", "value": "25.6"}`: the member that names, the member that is named, and the name. None: it is no such record."""
    members = {path.lower(): path for path in pairs}
    value_at = next((members[name] for name in _VALUES_OF_ONE if name in members), None)
    number = _number(pairs[value_at]) if value_at is not None else None
    if value_at is None or number is None:
        return None
    for wanted in _NAMES_OF_ONE:
        name = pairs.get(members.get(wanted, ""))
        if isinstance(name, str) and name not in pairs and _legal(name) and guess(name, number, catalogue) is not None:
            return members[wanted], value_at, name
    return None


def _at_least_one(made: _Draft, catalogue: Catalogue) -> None:
    if made.fields:
        return
    for index, (path, value, _) in enumerate(made.others):
        number = _number(value)
        if number is not None:
            del made.others[index]
            made.fields[path] = (by_value(number, catalogue), value)
            made.sure = False
            return
    raise CannotDraft("the message holds no number: capture one with values")


def _expressible(path: str) -> bool:
    """Can a YAML file name it? Half of a surrogate pair it cannot."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in path)


def _one_value(made: _Draft, found: Sequence[_Found], levels: Levels, catalogue: Catalogue) -> None:
    """A topic for each value: the last level names it, the one before it the device."""
    if len(levels) < 2:
        raise CannotDraft("a message that is one value needs its topic: --topic sensors/device/temperature")
    number = next((number for item in found if (number := _number(item.value)) is not None), None)
    if number is None:
        raise CannotDraft("the message is a text, not a number")
    made.key = len(levels)
    made.device = {"level": len(levels) - 1}
    meant = guess(levels[-1], number, catalogue)
    made.sure = meant is not None
    made.fields[levels[-1]] = (meant or by_value(number, catalogue), found[0].value)


def _named(pairs: Mapping[str, object]) -> Iterator[_Found]:
    """Each value with its name; in lists of {name, value} the path goes by the name, not by the place."""
    for path, value in pairs.items():
        match = _ELEMENT.fullmatch(path)
        if match is not None:
            base = f"{match['list']}[{match['index']}]."
            member = next((name for name in _NAME_MEMBERS if isinstance(pairs.get(base + name), str)), None)
            said = str(pairs[base + member]) if member is not None else ""
            if member == match["leaf"]:
                continue
            by_name = f"{match['list']}[{member}={_quoted(said)}].{match['leaf']}"
            if member is not None and _legal(by_name):
                yield _Found(by_name, said, value)
                continue
        yield _Found(path, re.split(r"[.\]]", path.replace('"]', "").replace('["', "."))[-1] if not _is_pm(path) else path[-5:], value)


def _is_pm(path: str) -> bool:
    """`SDS0X1.PM2.5`: the point belongs to the name."""
    return re.search(r"(?i)pm\d\.\d$", path) is not None


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_ .:-]+", text) else json.dumps(text, ensure_ascii=False)


def _legal(path: str) -> bool:
    try:
        compile_path(path)
    except ValueError:
        return False
    return True


def _device(found: Sequence[_Found], levels: Levels) -> tuple[Mapping[str, Any], str]:
    for wanted in _DEVICE_NAMES:
        for item in found:
            text = str(item.value)
            if (
                item.name.lower() == wanted
                and isinstance(item.value, str | int)
                and not isinstance(item.value, bool)
                and legal_device_id(text)
            ):
                return {"field": item.path}, item.path
    if not levels:
        raise CannotDraft("the message does not say which device speaks: give its topic with --topic")
    numbered = [n for n, level in enumerate(levels, 1) if re.search(r"\d", level) and legal_device_id(level)]
    return {"level": numbered[-1] if numbered else len(levels)}, ""


def _time(found: Sequence[_Found]) -> tuple[Mapping[str, Any] | None, bool, str]:
    strict, local = time_reader("auto", None), time_reader("auto", _HERE)
    for wanted in _TIME_NAMES:
        for item in found:
            if item.name.lower() != wanted or isinstance(item.value, bool) or not isinstance(item.value, str | int | float):
                continue
            if isinstance(at := strict(item.value), int) and at > _YEAR_2001:
                return {"field": item.path}, False, item.path
            if isinstance(item.value, str) and isinstance(local(item.value), int) and not _is_number(_number(item.value)):
                return {"field": item.path, "zone": "Asia/Ho_Chi_Minh"}, True, item.path
    return None, False, ""


# --- writing


def _data(made: _Draft, type_id: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": type_id,
        "title": {"vi": type_id, "en": type_id},
        "format": made.format,
        "interval": "60s",
        "fields": {path: _field(meant, value) for path, (meant, value) in made.fields.items()},
    }
    for key, value in (("device", made.device), ("options", made.options), ("key", made.key), ("time", made.time)):
        if value is not None:
            data[key] = dict(value) if isinstance(value, Mapping) else value
    return data


def _field(meant: Guess, value: object) -> dict[str, Any]:
    field_: dict[str, Any] = {"parameter": meant.parameter, "unit": meant.unit}
    if isinstance(value, str):
        field_["text"] = True
    return field_


def _text(made: _Draft, type_id: str, payload: bytes, topic: str, read: Decoded) -> str:
    lines = [
        "# Begun by `envgw types new` from one message: what was guessed is to be checked, above all every unit.",
        "# Then: envgw types test THIS-FILE; and name the file under `types:` in envgw.yaml.",
        f"id: {type_id}",
        f"title: {{vi: {quoted(type_id)}, en: {quoted(type_id)}}}",
        "# maker: …",
        "# product: …",
        "# url: where the maker describes the message",
        f"format: {made.format}",
    ]
    if made.options is not None:
        lines.append(f"options: {flow(made.options)}  # each message names its one value: add a field for each name there is")
    if made.device is not None:
        lines.append(f"device: {flow(made.device)}")
    else:
        lines.append("# device: the format says who speaks")
    if made.key is not None:
        lines.append(f"key: {made.key}  # the level of the topic that names the field")
    if made.time is not None:
        note = "  # the time names no zone: is this the right one?" if made.zoneless else ""
        lines.append(f"time: {flow(made.time)}{note}")
    elif read.time_ms is None:
        lines.append("# time: {field: …}   without it readings are stamped with their receipt")
    lines += ["interval: 60s  # how often such a device usually reports", "fields:"]
    if not made.sure:
        lines.append("  # CHANGE THIS: no name was recognised; the parameter below is only there so that the file loads")
    for path, (meant, value) in made.fields.items():
        lines.append(f"  {quoted(path)}: {flow(_field(meant, value))}  # {shown(value)}")
    lines += [f"  # {quoted(path)}: {{parameter: …, unit: …}}  # {shown(value)}: {why}" for path, value, why in made.others]
    lines += ["examples:", f"  - topic: {quoted(topic)}", *_message(payload), f"    device: {quoted(read.device)}"]
    if read.time_ms is not None:
        lines.append(f"    time: {quoted(format_instant(read.time_ms))}")
    values = [*read.values, *read.extra]
    lines.append(f"    readings: {flow({value.parameter: value.value for value in values})}")
    flags = {value.parameter: value.flag for value in values if value.flag != (MISSING if value.value is None else GOOD)}
    if flags:
        lines.append(f"    flags: {flow(flags)}  # outside the plausible span: is the unit right?")
    if read.refused:
        lines.append(f"    refused: {flow({refused.field: refused.reason.value for refused in read.refused})}")
    return "\n".join(lines) + "\n"


def _message(payload: bytes) -> list[str]:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return [f"    hex: {quoted(payload.hex())}"]
    return [f"    message: {quoted(text)}"]
