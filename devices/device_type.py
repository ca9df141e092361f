"""What a device type says, as written in one YAML file: format, who speaks, when, and which field is which parameter.

`parse` checks it against the catalogue and compiles it (`devices.decoder`) into one function, bytes → readings. The rows of
`examples` are run by a test (`devices.examples`): a type is not believed because somebody wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from devices.decoder import CompiledField, Decoded, Levels, compile_decoder
from devices.formats import FORMATS
from devices.parameters import Catalogue, Span
from devices.problems import ConfigError, ConfigProblem, did_you_mean, from_pydantic
from devices.quality import Spans
from devices.rejection import Rejection
from devices.times import Duration, TimeFormat, parse_zone, time_reader
from devices.units import UnitError, conversion


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceIdModel(_Model):
    """Where the device's id stands: a field of the message, or a level of the topic (the first is 1)."""

    field: str | None = None
    level: int | None = Field(None, ge=1, le=64)

    @model_validator(mode="after")
    def _one(self) -> DeviceIdModel:
        if (self.field is None) == (self.level is None):
            raise ValueError("say either `field: name` or `level: number` of the topic")
        return self


class TimeModel(_Model):
    """Where the device's own time stands, and how it is written."""

    field: str
    format: TimeFormat = "auto"
    zone: str | None = None
    """Zone of times that name none. Without it such a time is refused (bad-time) and the reading keeps its receipt time."""
    delay: Duration | None = None
    """How far such a device's stamps lie behind receipt by design (hourly means stamped with the hour's start: 1h)."""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        if zone is not None:
            parse_zone(zone)
        return zone


class FieldModel(_Model):
    """One field of the message and the parameter that it is."""

    parameter: str
    unit: str
    """The unit in the message: UCUM or a usual spelling."""
    basis: str | None = None
    """Nutrients: the ion by which the number is given, e.g. NH4."""
    at_celsius: float | None = Field(None, ge=-50, le=60)
    """Gases: temperature to which the concentration refers, if not 25 °C."""
    missing: tuple[float | str, ...] = ()
    """Codes that stand for "no value" (-999, "N/A"), in the message's own unit: flag 9."""
    text: bool = False
    """True: this maker sends the number as text (`"23.5"`). Otherwise text is refused as wrong-type."""
    plausible: Span | None = None
    """Instead of the catalogue's plausible span (flag 4 outside), in the parameter's canonical unit."""
    suspect: Span | None = None
    """Outside it: flag 3. In the parameter's canonical unit."""


class ExampleModel(_Model):
    """One message, and what it must be read as."""

    topic: str = ""
    message: Any
    """Text as it is sent; a mapping or list stands for its JSON."""
    device: str
    time: str | None = None
    readings: Mapping[str, float | None]
    """Parameter → value in the canonical unit; null for a missing one (flag 9)."""
    flags: Mapping[str, int] = {}
    """Flags that are not 1 (or 9 for a missing value)."""
    refused: Mapping[str, str] = {}
    """Field → reason."""


class TypeModel(_Model):
    """A file of `devices/types`."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: Mapping[str, str]
    description: str = ""
    format: str
    device: DeviceIdModel
    time: TimeModel | None = None
    key: int | None = Field(None, ge=1, le=64, description="plain-value: the topic level (the first is 1) that names the field.")
    interval: Duration
    """How often such a device usually reports."""
    fields: Mapping[str, FieldModel] = Field(min_length=1)
    examples: tuple[ExampleModel, ...] = ()

    @field_validator("title")
    @classmethod
    def _both_languages(cls, title: Mapping[str, str]) -> Mapping[str, str]:
        if not title.get("vi") or not title.get("en"):
            raise ValueError("write the title in both languages: {vi: …, en: …}")
        return title

    @field_validator("fields", mode="before")
    @classmethod
    def _quoted(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and any(isinstance(key, bool) for key in fields):
            raise ValueError('a key such as no or on must be written in quotes: "no"')
        return fields


Decode: TypeAlias = Callable[[bytes, Levels], Decoded | Rejection]


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A compiled type. `decode(payload, topic levels)` is pure and raises for no input."""

    id: str
    title: Mapping[str, str]
    interval_ms: int
    delay_ms: int
    medium: str
    """The medium of most of its fields; values of other media travel in `Decoded.extra`."""
    media: Mapping[str, str]
    """Parameter → medium, for all its fields."""
    fields: Mapping[str, CompiledField]
    device_level: int | None
    """Index (from 0) of the topic level with the device's id, None when the message holds it."""
    decode: Decode
    examples: Sequence[ExampleModel]


_ADAPTER = TypeAdapter(TypeModel)


def parse(data: Mapping[str, Any], catalogue: Catalogue) -> DeviceType:
    """Check and compile one type from parsed data. Raises ConfigError with every problem and its path in `data`."""
    try:
        model = _ADAPTER.validate_python(data)
    except ValidationError as error:
        raise ConfigError(from_pydantic(error)) from None
    problems = _format_problems(model)
    fields: dict[str, CompiledField] = {}
    read_as: dict[str, str] = {}
    for key, entry in model.fields.items():
        try:
            fields[key] = _compiled(key, entry, catalogue)
        except ConfigError as error:
            problems.extend(problem.under("fields", key) for problem in error.problems)
            continue
        other = read_as.setdefault(entry.parameter, key)
        if other != key:
            problems.append(ConfigProblem(("fields", key, "parameter"), f"{entry.parameter} is already read from {other!r}"))
    if problems:
        raise ConfigError(problems)
    medium = _main_medium(fields)
    return DeviceType(
        id=model.id,
        title=model.title,
        interval_ms=model.interval,
        delay_ms=model.time.delay or 0 if model.time else 0,
        medium=medium,
        media={field.parameter: field.medium for field in fields.values()},
        fields=fields,
        device_level=model.device.level - 1 if model.device.level else None,
        decode=_decoder(model, fields, medium),
        examples=model.examples,
    )


def parse_all(types: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> dict[str, DeviceType]:
    """All types by id. Raises ConfigError; paths start with `("types", index)`."""
    problems: list[ConfigProblem] = []
    known: dict[str, DeviceType] = {}
    for index, data in enumerate(types):
        try:
            found = parse(data, catalogue)
        except ConfigError as error:
            problems.extend(problem.under("types", index) for problem in error.problems)
            continue
        if found.id in known:
            problems.append(ConfigProblem(("types", index, "id"), f"type {found.id!r} is there twice"))
        known[found.id] = found
    if problems:
        raise ConfigError(problems)
    return known


def _main_medium(fields: Mapping[str, CompiledField]) -> str:
    """By majority, not by position: the journal holds the type as JSON with sorted keys, and must rebuild the same."""
    media = [field.medium for field in fields.values()]
    return max(("air", "water", "device"), key=media.count)


def _decoder(model: TypeModel, fields: Mapping[str, CompiledField], medium: str) -> Decode:
    zone = parse_zone(model.time.zone) if model.time and model.time.zone else None
    return compile_decoder(
        FORMATS[model.format].read,
        fields,
        medium=medium,
        device_field=model.device.field,
        device_level=model.device.level - 1 if model.device.level else None,
        key_level=model.key - 1 if model.key else None,
        time_field=model.time.field if model.time else None,
        read_time=time_reader(model.time.format, zone) if model.time else None,
    )


def _format_problems(model: TypeModel) -> list[ConfigProblem]:
    known = FORMATS.get(model.format)
    if known is None:
        what = f"unknown format {model.format!r}{did_you_mean(model.format, FORMATS)} (known: {', '.join(FORMATS)})"
        return [ConfigProblem(("format",), what)]
    problems = []
    if known.keyed and model.key is not None:
        problems.append(ConfigProblem(("key",), f"a {known.name} message names its fields itself: leave `key` out"))
    if not known.keyed:
        if model.key is None:
            problems.append(ConfigProblem(("key",), "is missing: the topic level, counted from 1, that names the field"))
        if model.device.field is not None:
            problems.append(ConfigProblem(("device", "field"), "a plain value has no fields: write `device: {level: …}`"))
        if model.time is not None:
            problems.append(ConfigProblem(("time",), "a plain value holds no time: leave `time` out"))
    return problems


def _compiled(key: str, entry: FieldModel, catalogue: Catalogue) -> CompiledField:
    parameter = catalogue.get(entry.parameter)
    if parameter is None:
        message = f"unknown parameter {entry.parameter!r}{did_you_mean(entry.parameter, catalogue)}"
        raise ConfigError([ConfigProblem(("parameter",), message)])
    problems = []
    for name, span in (("plausible", entry.plausible), ("suspect", entry.suspect)):
        if span is not None and not span[0] < span[1]:
            problems.append(ConfigProblem((name,), "the span's first number must be the smaller one"))
    try:
        factor, offset = conversion(entry.unit, parameter, basis=entry.basis, at_celsius=entry.at_celsius)
    except UnitError as error:
        problems.append(ConfigProblem(("unit",), str(error)))
    if problems:
        raise ConfigError(problems)
    return CompiledField(
        key=key,
        parameter=parameter.id,
        medium=parameter.medium,
        factor=factor,
        offset=offset,
        spans=Spans(entry.plausible or parameter.plausible, entry.suspect),
        missing=frozenset(entry.missing),
        text=entry.text,
    )
