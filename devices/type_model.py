"""What one YAML file of a device type may say. `devices.device_type` checks it against the catalogue and compiles it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from devices.calibration import Calibrations
from devices.codecs.model import CodecModel
from devices.formats.paths import compile_path
from devices.formats.topic_template import compile_template
from devices.formats.unwrap import unwrapper
from devices.parameters import Span
from devices.qc.model import QualityModel
from devices.times import Duration, TimeFormat, parse_zone
from devices.topics import filter_problem


def _path(text: str) -> str:
    compile_path(text)
    return text


class Model(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceIdModel(Model):
    """Where the device's id stands: a field of the message, a level of the topic (the first is 1), or a name in `topic`."""

    field: str | None = None
    level: int | None = Field(None, ge=1, le=64)
    or_level: int | None = Field(None, ge=1, le=64)
    """With `field`: the topic level that is the id where the message has no such field."""
    capture: str | None = None
    """A name in the type's topic template; `device` where the template has one and nothing else is said."""

    @model_validator(mode="after")
    def _one(self) -> DeviceIdModel:
        if sum(item is not None for item in (self.field, self.level, self.capture)) != 1:
            raise ValueError("say either `field: name`, `level: number` of the topic, or `capture: name` of the topic template")
        if self.field is not None:
            _path(self.field)
        elif self.or_level is not None:
            raise ValueError("`or_level` goes with `field`")
        return self


class TimeModel(Model):
    """Where the device's own time stands, and how it is written."""

    field: str | tuple[str, ...] | None = None
    """Path in the message, or several: the first at which something stands counts. Without it the time that the format itself states
    (a network server, SenML …)."""
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

    @field_validator("field")
    @classmethod
    def _a_path(cls, field: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for path in (field,) if isinstance(field, str) else field or ():
            _path(path)
        if isinstance(field, tuple) and not field:
            raise ValueError("write a path, or several")
        return field


class PositionModel(Model):
    """Where latitude and longitude (degrees, WGS 84) stand in the message."""

    lat: str
    lon: str

    @field_validator("lat", "lon")
    @classmethod
    def _a_path(cls, field: str) -> str:
        return _path(field)


class FieldModel(Model):
    """One field of the message and the parameter that it is."""

    parameter: str
    unit: str
    """The unit in the message: UCUM or a usual spelling."""
    unit_at: str | None = None
    """Path at which the message itself says the unit (`TempUnit`); `units` says what may stand there."""
    units: Mapping[str, str] = {}
    """Text at `unit_at` → unit. Nothing there means `unit`; a text that is not listed refuses the field."""
    factor_at: str | None = None
    """Path of a number of the message by which this one is multiplied, before its unit counts (a maker's slope)."""
    offset_at: str | None = None
    """Path of a number of the message that is added then."""
    basis: str | None = None
    """Nutrients: the ion by which the number is given, e.g. NH4."""
    at_celsius: float | None = Field(None, ge=-50, le=60)
    """Gases: temperature to which the concentration refers, if not 25 °C."""
    missing: tuple[float | str, ...] = ()
    """Codes that stand for "no value" (-999, "N/A"), in the message's own unit: flag 9."""
    text: bool = False
    """True: this maker sends the number as text (`"23.5"`). Otherwise text is refused as wrong-type."""
    suffix: str = ""
    """Taken off the end of such a text (` dBm`)."""
    only_if: Mapping[str, bool | float | str] = {}
    """Path → what must stand there; otherwise the reading is missing (`sensor.is_valid: true`)."""
    rank: int | None = Field(None, ge=0, le=100)
    """Several fields may be the same parameter if each has a rank: of those with a value the least one counts."""
    accumulation: Literal["interval", "counter", "rate"] | None = None
    """How rain and other sums are given: since the last message (interval), as a running total (counter), or per time (rate)."""
    rollover: float | None = Field(None, gt=0)
    """Counters: the number, in the message's own unit, at which it begins again from zero."""
    plausible: Span | None = None
    """Instead of the catalogue's plausible span (flag 4 outside), in the parameter's canonical unit."""
    suspect: Span | None = None
    """Outside it: flag 3. In the parameter's canonical unit."""

    @model_validator(mode="after")
    def _whole(self) -> FieldModel:
        if (self.unit_at is None) != (not self.units):
            raise ValueError("`unit_at` and `units` belong together")
        for path in (self.unit_at, self.factor_at, self.offset_at, *self.only_if):
            if path is not None:
                _path(path)
        if self.suffix and not self.text:
            raise ValueError("`suffix` is for numbers sent as text: add `text: true`")
        if self.rollover is not None and self.accumulation != "counter":
            raise ValueError("`rollover` is for `accumulation: counter`")
        return self


class RecogniseModel(Model):
    """By what `--type auto` knows a message of this type. All that is said must hold."""

    has: tuple[str, ...] = ()
    """Paths at which something stands, null included."""
    has_any: tuple[str, ...] = ()
    """Paths at one of which something stands."""
    equals: Mapping[str, bool | float | str] = {}
    """Path → what stands there."""
    lacks: tuple[str, ...] = ()
    """Paths at which nothing stands."""
    topic: str | None = None
    """A topic filter (`tele/+/SENSOR`). A message without a topic is not held against it."""
    mentions: tuple[str, ...] = ()
    """Texts, one of which occurs in the message, in capitals or not (a product's name in a network server's message)."""
    ports: tuple[int, ...] = ()
    """LoRaWAN ports on which this product speaks."""

    @model_validator(mode="after")
    def _legal(self) -> RecogniseModel:
        for path in (*self.has, *self.has_any, *self.equals, *self.lacks):
            _path(path)
        if self.topic is not None and (problem := filter_problem(self.topic)) is not None:
            raise ValueError(problem)
        return self


class HintsModel(Model):
    """What speaks for this type where a LoRaWAN message is still encoded and several types could read it. None of it must hold.

    That the network server names `maker` and `product` speaks for it without being said here.
    """

    names: tuple[str, ...] = ()
    """Other names of the product, as network servers have them (`tbhh100` for "TABS TBHH100")."""
    ports: tuple[int, ...] = ()
    """The ports on which the maker's nodes send readings."""
    eui: tuple[str, ...] = ()
    """How the device EUIs of the maker begin: the hexadecimal digits that the IEEE gave it."""

    @field_validator("eui")
    @classmethod
    def _hexadecimal(cls, eui: tuple[str, ...]) -> tuple[str, ...]:
        for start in eui:
            if not re.fullmatch(r"[0-9a-f]{6,16}", start):
                raise ValueError(f"{start[:40]!r} is no beginning of an EUI: write 6 to 16 digits, 0-9 and a-f")
        return eui


class ExampleModel(Model):
    """One message, and what it must be read as."""

    topic: str = ""
    message: Any = None
    """Text as it is sent; a mapping or list stands for its JSON."""
    hex: str | None = None
    """Instead of `message`: its bytes. With `port`: the bytes of a LoRaWAN application payload alone."""
    port: int | None = Field(None, ge=0, le=255)
    format: str | None = None
    """Of a type with several formats: the one that this message is in (default: found out)."""
    device: str = ""
    time: str | None = None
    readings: Mapping[str, float | None]
    """Parameter → value in the canonical unit; null for a missing one (flag 9)."""
    flags: Mapping[str, int] = {}
    """Flags that are not 1 (or 9 for a missing value)."""
    refused: Mapping[str, str] = {}
    """Field → reason."""
    record: int = Field(0, ge=0)
    """Of a message with several records: which one (from 0) this example is about."""
    source: str = ""
    """Who published this message (repository and path, page, issue), and its licence."""

    @model_validator(mode="after")
    def _one_message(self) -> ExampleModel:
        if (self.message is None) == (self.hex is None):
            raise ValueError("write either `message` or `hex`")
        if self.port is not None and self.hex is None:
            raise ValueError("`port` goes with `hex`: the bytes of an application payload")
        if self.hex is not None:
            try:
                bytes.fromhex(self.hex)
            except ValueError:
                raise ValueError("`hex` holds bytes as pairs of hexadecimal digits") from None
        if self.port is None and not self.device:
            raise ValueError("say which `device` speaks")
        return self


class TypeModel(Model):
    """A file of `devices/types`."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: Mapping[str, str]
    description: str = ""
    maker: str = ""
    product: str = ""
    url: str = ""
    """The maker's page or documentation of the message."""
    format: str | tuple[str, ...] = Field(description="One format or several (tried in order); `lorawan`: those of all network servers.")
    options: Mapping[str, Any] = {}
    """Settings of the format: see docs/reference/formats.md."""
    unwrap: tuple[str, ...] = ()
    """What is taken off before the format reads: gzip, zlib, deflate, base64, hex, text; in this order."""
    codec: CodecModel | None = None
    """Reads application payloads: a binary layout, or a JavaScript file of the maker."""
    topic: str | None = None
    """Topic template, `sensors/{medium}/{device}/{parameter}`: `device` is the device's id, `parameter` names the field."""
    device: DeviceIdModel | None = None
    """May be left out where the format or the topic template says who speaks."""
    time: TimeModel | None = None
    position: PositionModel | None = None
    key: int | None = Field(None, ge=1, le=64, description="The topic level (the first is 1) that names the field or its object.")
    interval: Duration
    """How often such a device usually reports."""
    fields: Mapping[str, FieldModel] = Field(min_length=1)
    calibration: Mapping[str, Calibrations] = {}
    """Parameter → correction that every device of this type gets, unless the registry gives it one of its own."""
    quality: QualityModel = QualityModel()
    """Quality tests that the defaults lack, or that do not fit such a device."""
    recognise: RecogniseModel | None = None
    hints: HintsModel = HintsModel()
    examples: tuple[ExampleModel, ...] = ()

    @field_validator("title")
    @classmethod
    def _both_languages(cls, title: Mapping[str, str]) -> Mapping[str, str]:
        if not title.get("vi") or not title.get("en"):
            raise ValueError("write the title in both languages: {vi: …, en: …}")
        return title

    @field_validator("unwrap")
    @classmethod
    def _known_wrappers(cls, unwrap: tuple[str, ...]) -> tuple[str, ...]:
        if unwrap:
            unwrapper(unwrap)
        return unwrap

    @field_validator("topic")
    @classmethod
    def _a_template(cls, topic: str | None) -> str | None:
        if topic is not None:
            compile_template(topic)
        return topic

    @field_validator("fields", mode="before")
    @classmethod
    def _quoted(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and any(isinstance(key, bool) for key in fields):
            raise ValueError('a key such as no or on must be written in quotes: "no"')
        return fields


__all__ = [
    "DeviceIdModel",
    "ExampleModel",
    "FieldModel",
    "HintsModel",
    "Model",
    "PositionModel",
    "RecogniseModel",
    "TimeModel",
    "TypeModel",
]
