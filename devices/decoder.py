"""Bytes of one message → what its records say: one function per device type, specialised when the type loads.

    payload ── unwrap ──▶ format ──▶ records ── codec ──▶ values ── collect ──▶ readings
                            │           └ device, time, place, radio of the envelope
                            └▶ control message (a birth, a join), or a rejection

Most types say one flat or nested object a message: for them the records are left out (`_plain`). What is common to all is
in `Reading`: who speaks, when, and which readings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, TypeAlias

import msgspec

from devices.codecs import Codec
from devices.collect import Collect, Found, settle_ranked
from devices.fields import CompiledField, kind_of, short
from devices.formats.base import Context, Control, Quick, Reader, RecordReader
from devices.formats.limits import MAX_RECORDS
from devices.formats.paths import MISSING, Find
from devices.formats.record import Record
from devices.formats.refusals import readable, refused_fields
from devices.quality import GOOD
from devices.reading import RefusedField, Value
from devices.rejection import Reason, Rejection
from devices.times import TimeReader

__all__ = ["CompiledField", "Decode", "Decoded", "Levels", "legal_device_id"]

Levels: TypeAlias = tuple[str, ...]
"""The topic's levels."""

_STATELESS: dict[str, object] = {}

_LEGAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def legal_device_id(text: str) -> bool:
    """1 to 64 characters: letters, digits, `.`, `_`, `:`, `-`; the first a letter or digit. It becomes a tag and a file name."""
    return _LEGAL_ID.fullmatch(text) is not None


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What one record says. Nothing is known yet about registry, station or time of receipt."""

    device: str
    """The id that the message or topic claims; not necessarily a legal one."""
    time_ms: int | None
    """The device's time, ms since the epoch; None when it says none that can be read."""
    values: list[Value]
    """Of the type's main medium, in the message's order."""
    extra: list[Value]
    """Of other media (battery, signal …)."""
    refused: list[RefusedField]
    place: tuple[float, float] | None = None
    """Latitude and longitude, degrees WGS 84, where the message says them."""


Result: TypeAlias = Decoded | list[Decoded] | Control | Rejection
"""One record is given as it is, several as a list of at least two."""

Decode: TypeAlias = Callable[..., Result]
"""(payload, topic levels, received_ms=0, state={}) → Result. Raises for no payload and no topic levels."""

TopicReader: TypeAlias = Callable[[Levels], Mapping[str, str] | None]
"""Topic levels → what its template captures, None when the topic does not fit it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Where the device's id stands; with none of these the format itself says it."""

    name: str = ""
    """The field's path, for messages to people."""
    find: Find | None = None
    """The id in the record."""
    top: bool = False
    """… which is a member at the top."""
    level: int | None = None
    """Index (from 0) of the topic level that is the id."""
    capture: str | None = None
    """Name in the topic template."""
    or_level: int | None = None
    """Index of the topic level that is the id where `find` finds none."""


class Clock(NamedTuple):
    """Where the device's own time stands in the record (`find` None: only the format may say it), and how it is read."""

    name: str
    find: Find | None
    read: TimeReader
    top: bool = False
    """The field is a member at the top."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a record of one type becomes readings."""

    speaker: Speaker
    clock: Clock
    collect: Collect
    """Of the format's pairs."""
    collect_flat: Collect
    """Of a codec's pairs."""
    parameters: frozenset[str]
    """Those that fields give: the envelope's radio values are added only where no field gives them."""
    health: Mapping[str, CompiledField]
    """Radio and battery values of envelopes, by the name under which formats give them."""
    health_is_main: bool
    ranked: bool
    position: tuple[Find, Find] | None = None

    def claimed(self, record: Any, said: str | None, levels: Levels, captured: Mapping[str, str]) -> str | Rejection:
        """The device's id as the message or topic claims it; "" only where a rejection of the record follows anyway."""
        speaker = self.speaker
        if speaker.level is not None:
            if len(levels) <= speaker.level:
                return Rejection(Reason.NO_DEVICE, f"the topic has no level {speaker.level + 1}, where the device id is due")
            return levels[speaker.level]
        if speaker.find is not None:
            found = speaker.find(record)
            if found.__class__ is str:
                return found
            if found.__class__ is int:
                return str(found) if abs(found) < 1 << 128 else ""
            if found is MISSING and speaker.or_level is not None and len(levels) > speaker.or_level:
                return levels[speaker.or_level]
            what = "is not there" if found is MISSING else f"is {kind_of(found)}"
            return Rejection(Reason.NO_DEVICE, f"the field {speaker.name!r}, which should hold the device id, {what}")
        if speaker.capture is not None and speaker.capture in captured:
            return captured[speaker.capture]
        if said is not None:
            return said
        return Rejection(Reason.NO_DEVICE, "neither the topic nor the message says which device speaks")

    def time(self, record: Any, said: int | float | str | None, refused: list[RefusedField]) -> int | None:
        """The device's own time: the record's field if it has one, else what the format says (an int is ms already)."""
        clock = self.clock
        if clock.find is not None:
            found = clock.find(record)
            if found is not MISSING and found is not None:
                return self._read_time(clock, clock.name, found, refused)
        return said if said is None or said.__class__ is int else self._read_time(clock, "time", said, refused)

    @staticmethod
    def _read_time(clock: Clock, name: str, said: object, refused: list[RefusedField]) -> int | None:
        read = clock.read(said)
        if isinstance(read, int):
            return read
        refused.append(RefusedField(name, Reason.BAD_TIME, read))
        return None

    def place(self, record: Any, said: tuple[float | None, float | None]) -> tuple[float, float] | None:
        """Latitude and longitude where both are there and on the globe."""
        latitude, longitude = said
        if self.position is not None:
            latitude, longitude = self.position[0](record), self.position[1](record)
        if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
            return None
        if isinstance(latitude, bool) or not -90 <= latitude <= 90 or not -180 <= longitude <= 180:
            return None
        return float(latitude), float(longitude)

    def add_health(self, health: Mapping[str, float], into: list[Value], mapped: bool = True) -> None:
        """The envelope's radio and battery values, as readings about the device. `mapped`: a field that gives one counts instead."""
        for name, raw in health.items():
            field = self.health.get(name)
            if field is None or (mapped and field.parameter in self.parameters):
                continue
            outcome = field.read(raw)
            if isinstance(outcome, Value) and outcome.value is not None:
                into.append(outcome)


def compile_plain(reading: Reading, read: Reader, others: RecordReader | None, key_level: int | None, nested: bool) -> Decode:
    """For formats whose message is one object (or one value): no records are built. `others` reads what is not one object."""
    level, find = reading.speaker.level, reading.speaker.find
    name = reading.speaker.name
    collect, clock, ranked, position = reading.collect, reading.clock, reading.ranked, reading.position
    find_time, read_time, top_time = clock.find, clock.read, clock.top
    top_device = name if reading.speaker.top else None
    by_records = compile_records(reading, [(others, None)], key_level=key_level) if others is not None else None

    def decode(payload: bytes, levels: Levels, received_ms: int = 0, state: dict[str, object] = _STATELESS) -> Result:
        if level is not None:
            if len(levels) <= level:
                return Rejection(Reason.NO_DEVICE, f"the topic has no level {level + 1}, where the device id is due")
            device = levels[level]
        else:
            device = ""
        pairs: Any = read(payload)
        if pairs.__class__ is not dict:
            if pairs.__class__ is list and by_records is not None:
                return by_records(payload, levels, received_ms, state)
            return _by(device, pairs if isinstance(pairs, Rejection) else Rejection(Reason.WRONG_SHAPE, "one object is due"))
        if find is not None:
            claimed = pairs.get(top_device) if top_device is not None else find(pairs)
            if claimed.__class__ is str:
                device = claimed
            else:
                outcome = reading.claimed(pairs, None, levels, {})
                if isinstance(outcome, Rejection):
                    return outcome
                device = outcome
        if key_level is not None:
            if len(levels) <= key_level:
                return _by(device, Rejection(Reason.UNKNOWN_TOPIC, f"the topic has no level {key_level + 1}, where the parameter is due"))
            pairs = {levels[key_level]: pairs if nested else pairs[""]}
        values: list[Value] = []
        extra: list[Value] = []
        refused: list[RefusedField] = []
        found = (values, extra, refused, [] if ranked else _NEVER)
        collect(pairs, found)
        if ranked:
            settle_ranked(found)
        if not values and not extra:
            return _by(device, _nothing(pairs, refused))
        time_ms = None
        if find_time is not None:
            stated = pairs.get(clock.name) if top_time else find_time(pairs)
            if stated is not MISSING and stated is not None:
                instant = read_time(stated)
                if instant.__class__ is int:
                    time_ms = instant
                else:
                    refused.append(RefusedField(clock.name, Reason.BAD_TIME, instant))  # type: ignore[arg-type]
        if position is None:
            return Decoded(device, time_ms, values, extra, refused)
        return Decoded(device, time_ms, values, extra, refused, reading.place(pairs, (None, None)))

    return decode


def compile_records(
    reading: Reading,
    readers: Sequence[tuple[RecordReader, Callable[[bytes], bool] | None]],
    *,
    unwrap: Callable[[bytes], bytes | Rejection] | None = None,
    codec: Codec | None = None,
    topic: TopicReader | None = None,
    key_level: int | None = None,
    key_capture: str | None = None,
) -> Decode:
    """For all other types. `readers` are tried in order, those first whose quick look says that the message is likely theirs."""

    def decode(payload: bytes, levels: Levels, received_ms: int = 0, state: dict[str, object] = _STATELESS) -> Result:
        captured: Mapping[str, str] = {}
        if topic is not None:
            fitted = topic(levels)
            if fitted is None:
                return Rejection(Reason.UNKNOWN_TOPIC, "the topic does not fit the type's topic template")
            captured = fitted
        by_topic = reading.claimed({}, None, levels, captured) if reading.speaker.find is None else ""
        device = by_topic if isinstance(by_topic, str) else ""
        if unwrap is not None:
            opened = unwrap(payload)
            if isinstance(opened, Rejection):
                return _by(device, opened)
            payload = opened
        records = _read(readers, payload, Context(levels, received_ms, state))
        if not isinstance(records, list):
            return _by(device, records) if isinstance(records, Rejection) else records
        if len(records) > MAX_RECORDS:
            return _by(device, Rejection(Reason.WRONG_SHAPE, f"{len(records)} records, at most {MAX_RECORDS} are taken from one message"))
        decoded: list[Decoded] = []
        rejections: list[tuple[int, Rejection]] = []
        control: Control | None = None
        for number, record in enumerate(records):
            outcome = one(record, levels, captured, received_ms)
            if isinstance(outcome, Decoded):
                decoded.append(outcome)
            elif isinstance(outcome, Control):
                control = outcome
            else:
                rejections.append((number, outcome))
        if not decoded:
            if control is not None:
                return control
            return rejections[0][1] if rejections else _by(device, Rejection(Reason.NO_READING, "the message holds no record"))
        decoded[0].refused.extend(RefusedField(f"record {n + 1}", rejection.reason, rejection.detail) for n, rejection in rejections)
        return decoded[0] if len(decoded) == 1 else decoded

    def one(record: Record, levels: Levels, captured: Mapping[str, str], received_ms: int) -> Decoded | Control | Rejection:
        device = reading.claimed(record.pairs, record.device, levels, captured)
        if isinstance(device, Rejection):
            return device
        body: Any = record.pairs
        collect = reading.collect
        if codec is not None and record.raw is not None:
            body = codec(record.raw, record.port, received_ms)
            if isinstance(body, Rejection):
                return _by(device, body)
            if isinstance(body, Control):
                return body._replace(device=device)
            collect = reading.collect_flat
        elif not body and record.raw is not None:
            why = "the application payload is still encoded, and the device type has no `codec` to read it"
            return _by(device, Rejection(Reason.CODEC_FAILED, why))
        key = captured.get(key_capture) if key_capture is not None else None
        if key_level is not None:
            if len(levels) <= key_level:
                return _by(device, Rejection(Reason.UNKNOWN_TOPIC, f"the topic has no level {key_level + 1}, where the parameter is due"))
            key = levels[key_level]
        if key is not None:
            body = {key: body.get("", body)}
        values: list[Value] = []
        extra: list[Value] = []
        refused: list[RefusedField] = []
        found: Found = (values, extra, refused, [])
        told = refused_fields(body)
        if told:
            body = readable(body)
        collect(body, found)
        settle_ranked(found)
        refused.extend(told)
        if record.health and (values or extra or not (body or record.raw)):
            reading.add_health(record.health, values if reading.health_is_main else extra, mapped=bool(values or extra))
        if not values and not extra:
            return Control(record.otherwise, device) if record.otherwise is not None else _by(device, _nothing(body, refused))
        time_ms = reading.time(body, record.time, refused)
        place = reading.place(body, (record.latitude, record.longitude))
        return Decoded(device, time_ms, values, extra, refused, place)

    return decode


def compile_uplinks(reading: Reading, quick: Quick, general: Decode) -> Decode:
    """For decoded uplinks of one network server, whose envelope says who and when: `quick` reads them, `general` all others."""
    collect, ranked, clock = reading.collect, reading.ranked, reading.clock
    find_time, read_time, health_is_main = clock.find, clock.read, reading.health_is_main
    rssi, snr = (reading.health[name] for name in ("rssi", "snr"))
    rssi_name, snr_name = rssi.parameter, snr.parameter
    has_rssi, has_snr = rssi.parameter not in reading.parameters, snr.parameter not in reading.parameters
    rssi_low, rssi_high = rssi.fast_span() if has_rssi else (inf, -inf)
    snr_low, snr_high = snr.fast_span() if has_snr else (inf, -inf)

    def decode(payload: bytes, levels: Levels, received_ms: int = 0, state: dict[str, object] = _STATELESS) -> Result:
        found_quickly = quick(payload)
        if found_quickly is None:
            return general(payload, levels, received_ms, state)
        body, device, said, strength, ratio, place = found_quickly
        values: list[Value] = []
        extra: list[Value] = []
        refused: list[RefusedField] = []
        found = (values, extra, refused, [] if ranked else _NEVER)
        collect(body, found)
        if ranked:
            settle_ranked(found)
        if not values and not extra:
            return _by(device, _nothing(body, refused))
        about = values if health_is_main else extra
        if strength is not None and rssi_low <= strength <= rssi_high:
            about.append(Value(rssi_name, strength + 0.0, GOOD))
        elif strength is not None and has_rssi:
            about.append(Value(rssi_name, strength + 0.0, rssi.spans.flag(strength)))
        if ratio is not None and snr_low <= ratio <= snr_high:
            about.append(Value(snr_name, ratio + 0.0, GOOD))
        elif ratio is not None and has_snr:
            about.append(Value(snr_name, ratio + 0.0, snr.spans.flag(ratio)))
        if find_time is not None or said.__class__ is not str:
            time_ms = reading.time(body, said, refused)
        else:
            instant = read_time(said)
            if instant.__class__ is int:
                time_ms = instant
            else:
                time_ms = None
                refused.append(RefusedField("time", Reason.BAD_TIME, instant))  # type: ignore[arg-type]
        if place is None:
            return Decoded(device, time_ms, values, extra, refused)
        return Decoded(device, time_ms, values, extra, refused, reading.place(body, place))

    return decode


def _read(
    readers: Sequence[tuple[RecordReader, Callable[[bytes], bool] | None]], payload: bytes, context: Context
) -> list[Record] | Control | Rejection:
    if len(readers) == 1:
        return readers[0][0](payload, context)
    first: Rejection | None = None
    ordered = [reader for reader, likely in readers if likely is None or likely(payload)]
    for reader in ordered or [reader for reader, _ in readers]:
        found = reader(payload, context)
        if not isinstance(found, Rejection):
            return found
        first = first or found
    assert first is not None
    return first


_NEVER: list[Any] = []
"""Types without ranked fields never append to it."""


def _by(device: str, rejection: Rejection) -> Rejection:
    return rejection._replace(device=device) if legal_device_id(device) else rejection


def _nothing(pairs: Mapping[str, object], refused: list[RefusedField]) -> Rejection:
    if refused:
        first = refused[0]
        return Rejection(first.reason, f"{short(first.field)}: {first.detail}")
    seen = ", ".join(short(key) for key in list(pairs)[:5]) or "none"
    return Rejection(Reason.NO_READING, f"none of its fields is known to the device type (it has: {seen})")
