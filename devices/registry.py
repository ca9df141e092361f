"""Builds the registry from parsed data (the `stations:` of registry files), and finds all that is wrong in it at once.

Dates without a time are the first moment of that day in the city's zone. Errors carry their path, e.g.
`("stations", 3, "devices", 0, "type")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from devices.calibration import CalibrationModel, Calibrations, compile_calibrations
from devices.decoder import legal_device_id
from devices.device_type import DeviceType
from devices.parameters import Catalogue, Span
from devices.problems import ConfigError, ConfigProblem, DataPath, did_you_mean, from_pydantic
from devices.qc.model import QualityModel
from devices.qc.settings import problems as quality_problems
from devices.quality import Spans
from devices.stations import EVER_MS, AreaSince, Corrections, Device, Maintenance, Placement, Registry, Station, matchers_of
from devices.times import Duration, parse_instant, parse_zone
from devices.topics import filter_problem

DEFAULT_ZONE = "Asia/Ho_Chi_Minh"
"""Zone of dates in the registry, unless the configuration names another (the default of `gateway.timezone`)."""

_ID = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_TAG = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_AREA = r"^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*){0,3}$"


def _legal_filter(topic: str) -> str:
    problem = filter_problem(topic)
    if problem is None and topic.startswith("$share/"):
        problem = "write the filter itself, without $share"
    if problem:
        raise ValueError(problem)
    return topic


def _legal_id(text: str) -> str:
    if not legal_device_id(text):
        raise ValueError("a device id is 1 to 64 letters, digits, `.`, `_`, `:` or `-`, and begins with a letter or digit")
    return text


When = date | datetime | str | None
AreaPath = Annotated[str, Field(pattern=_AREA)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AreaModel(_Model):
    """An area and the date since when the station lies in it (wards are renamed and merged)."""

    path: AreaPath
    since: When = Field(None, alias="from")


class LimitsModel(_Model):
    """Spans of one parameter at this station, in its canonical unit. They replace the type's; a plausible span that is left
    out is the catalogue's."""

    plausible: Span | None = None
    suspect: Span | None = None

    @field_validator("plausible", "suspect")
    @classmethod
    def _ordered(cls, span: Span | None) -> Span | None:
        if span is not None and not span[0] < span[1]:
            raise ValueError("the span's first number must be the smaller one")
        return span


class MaintenanceModel(_Model):
    """A time in which somebody works at the station or the device. Shown with it; readings are not flagged for it yet."""

    since: When = Field(alias="from")
    until: When = Field(None, alias="to")
    note: str = Field("", max_length=500)


class DeviceModel(_Model):
    """A device at a station."""

    id: Annotated[str, AfterValidator(_legal_id)]
    type: str
    topics: tuple[Annotated[str, AfterValidator(_legal_filter)], ...] = Field(min_length=1)
    broker: str | None = None
    since: When = Field(None, alias="from")
    until: When = Field(None, alias="to")
    interval: Duration | None = None
    height_m: float | None = Field(None, ge=-500, le=1000, description="Above the ground, or above the river bed; below it: negative.")
    serial: str = Field("", max_length=100)
    note: str = Field("", max_length=500)
    maintenance: tuple[MaintenanceModel, ...] = ()
    calibration: Mapping[str, Calibrations] = {}
    """Parameter → corrections, each with the dates for which it holds. They replace the type's."""


class StationModel(_Model):
    """A station."""

    id: str = Field(pattern=_ID)
    name: Mapping[str, str]
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    area: tuple[AreaModel, ...]
    medium: Literal["air", "water"]
    elevation_m: float | None = Field(None, ge=-500, le=9000)
    owner: str = ""
    department: str = Field("", max_length=200, description="Who takes care of the station.")
    site: str = Field("", description="Kind of site: traffic, background, industrial, river …")
    photo: str = Field("", max_length=500, description="Path or URL of a picture.")
    tags: tuple[Annotated[str, Field(pattern=_TAG)], ...] = Field((), max_length=50, description="What alert rules may choose it by.")
    maintenance: tuple[MaintenanceModel, ...] = ()
    limits: Mapping[str, LimitsModel] = {}
    quality: QualityModel = QualityModel()
    """Quality tests here; they go before the type's."""
    devices: tuple[DeviceModel, ...] = ()

    @field_validator("area", mode="before")
    @classmethod
    def _one_shape(cls, area: Any) -> Any:
        if isinstance(area, str):
            return ({"path": area},)
        if isinstance(area, Sequence) and area:
            return area
        raise ValueError("write a path such as `hai-chau/binh-hien`, or a list of `{path: …, from: date}`")

    @field_validator("name")
    @classmethod
    def _both_languages(cls, name: Mapping[str, str]) -> Mapping[str, str]:
        if not name.get("vi") or not name.get("en"):
            raise ValueError("write the name in both languages: {vi: …, en: …}")
        return name


_STATION = TypeAdapter(StationModel)


class _Entry(NamedTuple):
    """What is needed of one entry until all are known: a tenth of its model."""

    path: DataPath
    topics: tuple[str, ...]
    broker: str | None
    interval: int | None
    calibration: Mapping[str, Calibrations]


@dataclass(slots=True)
class _Found:
    """What the registry's data say of one device, gathered over the stations."""

    type: DeviceType
    entries: list[_Entry] = field(default_factory=list)
    placements: list[tuple[Placement, DataPath]] = field(default_factory=list)
    maintenance: list[Maintenance] = field(default_factory=list)


def parse(
    stations: Iterable[Mapping[str, Any]], types: Mapping[str, DeviceType], catalogue: Catalogue, zone: str = DEFAULT_ZONE
) -> Registry:
    """Build the registry from the entries under `stations:`, looked at one after the other. Raises ConfigError with all problems."""
    builder = _Builder(types, catalogue, parse_zone(zone))
    wrong = []
    # One at a time: a checked model is ten times what is kept of it, and is gone before the next one is made.
    for index, station in enumerate(stations):
        try:
            model = _STATION.validate_python(station)
        except ValidationError as error:
            wrong += from_pydantic(error, ("stations", index))
            continue
        if not wrong:
            builder.station(("stations", index), model)
    if wrong:
        raise ConfigError(wrong)
    devices = {name: builder.device(name, found) for name, found in builder.found.items()}
    if builder.problems:
        raise ConfigError(builder.problems)
    return Registry(builder.stations, devices)


class _Builder:
    def __init__(self, types: Mapping[str, DeviceType], catalogue: Catalogue, zone: tzinfo) -> None:
        self.problems: list[ConfigProblem] = []
        self.stations: dict[str, Station] = {}
        self.found: dict[str, _Found] = {}
        self._types, self._catalogue, self._zone = types, catalogue, zone

    def _problem(self, path: DataPath, message: str) -> None:
        self.problems.append(ConfigProblem(path, message))

    def _instant(self, path: DataPath, value: When, default: int) -> int:
        if value is None:
            return default
        try:
            return parse_instant(value, self._zone)
        except ValueError as error:
            self._problem(path, str(error))
            return default

    def station(self, path: DataPath, model: StationModel) -> None:
        station = Station(
            id=model.id,
            name=model.name,
            lat=model.lat,
            lon=model.lon,
            areas=self._areas((*path, "area"), model.area),
            medium=model.medium,
            elevation_m=model.elevation_m,
            owner=model.owner,
            site=model.site,
            department=model.department,
            photo=model.photo,
            tags=model.tags,
            maintenance=self._maintenance((*path, "maintenance"), model.maintenance),
            spans=self._spans((*path, "limits"), model.limits),
            quality=self._known((*path, "quality"), model.quality),
        )
        if model.id in self.stations:
            self._problem((*path, "id"), f"station {model.id!r} is there twice")
        self.stations[model.id] = station
        for index, entry in enumerate(model.devices):
            self._entry((*path, "devices", index), station, entry)

    def _areas(self, path: DataPath, areas: tuple[AreaModel, ...]) -> tuple[AreaSince, ...]:
        built = [AreaSince(a.path, self._instant((*path, n, "from"), a.since, -EVER_MS)) for n, a in enumerate(areas)]
        for n in range(1, len(built)):
            if built[n].from_ms <= built[n - 1].from_ms:
                self._problem((*path, n), "areas are listed oldest first, each later one with its date: {path: …, from: 2025-07-01}")
        return tuple(built)

    def _maintenance(self, path: DataPath, windows: tuple[MaintenanceModel, ...]) -> tuple[Maintenance, ...]:
        built = []
        for n, window in enumerate(windows):
            start = self._instant((*path, n, "from"), window.since, -EVER_MS)
            end = self._instant((*path, n, "to"), window.until, EVER_MS)
            if start >= end:
                self._problem((*path, n, "to"), "lies before `from`")
            built.append(Maintenance(start, end, window.note))
        return tuple(sorted(built))

    def _spans(self, path: DataPath, limits: Mapping[str, LimitsModel]) -> dict[str, Spans] | None:
        spans = {}
        for name, limit in limits.items():
            parameter = self._catalogue.get(name)
            if parameter is None:
                self._problem((*path, name), f"unknown parameter {name!r}{did_you_mean(name, self._catalogue)}")
            else:
                spans[name] = Spans(limit.plausible or parameter.plausible, limit.suspect)
        return spans or None

    def _known(self, path: DataPath, quality: QualityModel) -> QualityModel:
        for problem in quality_problems(quality, self._catalogue, path):
            self._problem(problem.path, problem.message)
        return quality

    def _entry(self, path: DataPath, station: Station, entry: DeviceModel) -> None:
        kind = self._types.get(entry.type)
        if kind is None:
            self._problem((*path, "type"), f"unknown device type {entry.type!r}{did_you_mean(entry.type, self._types)}")
            return
        start = self._instant((*path, "from"), entry.since, -EVER_MS)
        end = self._instant((*path, "to"), entry.until, EVER_MS)
        if start >= end:
            self._problem((*path, "to"), "lies before `from`")
        found = self.found.setdefault(entry.id, _Found(kind))
        if found.type is not kind:
            self._problem((*path, "type"), f"device {entry.id!r} is a {found.type.id} elsewhere in the registry")
        found.entries.append(_Entry(path, entry.topics, entry.broker, entry.interval, entry.calibration))
        found.placements.append((Placement(station, start, end, entry.height_m, entry.serial, entry.note), path))
        found.maintenance.extend(self._maintenance((*path, "maintenance"), entry.maintenance))

    def device(self, name: str, found: _Found) -> Device:
        """One device from all its entries: topics are united; broker and interval must agree where more than one says them."""
        found.placements.sort(key=lambda item: item[0].from_ms)
        for (earlier, _), (later, path) in zip(found.placements, found.placements[1:], strict=False):
            if later.from_ms < earlier.to_ms:
                where = f"device {name!r} stands at {earlier.station.id!r} and {later.station.id!r} at the same time"
                self._problem((*path, "from"), f"{where}: end the one with `to`, begin the other with `from`")
        topics = tuple(dict.fromkeys(topic for entry in found.entries for topic in entry.topics))
        return Device(
            id=name,
            type=found.type.id,
            placements=tuple(placement for placement, _ in found.placements),
            topics=topics,
            broker=self._agreed(found, name, "broker"),
            interval_ms=self._agreed(found, name, "interval") or found.type.interval_ms,
            delay_ms=found.type.delay_ms,
            matchers=matchers_of(topics),
            accumulates=found.type.accumulates,
            corrections=self._corrections(found),
            maintenance=tuple(sorted(found.maintenance)),
        )

    def _corrections(self, found: _Found) -> Mapping[str, Corrections] | None:
        """The registry's calibrations of all entries together; parameters without one have the type's."""
        compiled = dict(found.type.corrections or {})
        gathered: dict[str, list[CalibrationModel]] = {}
        where: DataPath = ()
        for entry in found.entries:
            for parameter, versions in entry.calibration.items():
                gathered.setdefault(parameter, []).extend(versions)
                where = entry.path
        if gathered:
            own, problems = compile_calibrations(gathered, found.type.spans, self._catalogue, self._zone, (*where, "calibration"))
            self.problems.extend(problems)
            compiled.update(own)
        return compiled or None

    def _agreed(self, found: _Found, name: str, key: str) -> Any:
        said = None
        for entry in found.entries:
            value = getattr(entry, key)
            if value is not None and said is not None and value != said:
                self._problem((*entry.path, key), f"differs from what another entry of device {name!r} says")
            said = said if value is None else value
        return said
