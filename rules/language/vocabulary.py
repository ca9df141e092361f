"""What names a condition may use: parameters, registry fields, limits, stations, areas, tags. Given to the checker, never looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from devices.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """A parameter as a condition sees it. Derived ones (`pm25_1h`, `vn_aqi`) have no entry in the catalogue."""

    unit: str
    """Canonical, UCUM; `1` for an index."""
    display: str
    """The unit as people write it; "" for an index."""
    of: Parameter | None = None
    """The measured parameter whose unit and molar mass it shares: `o3` for `o3_8h`."""

    @classmethod
    def measured(cls, parameter: Parameter) -> ParameterInfo:
        """As the catalogue has it."""
        return cls(unit=parameter.unit, display="" if parameter.unit == "1" else parameter.display, of=parameter)


class LimitKey(NamedTuple):
    """What `limit(…)` asks for. `category` is None where the standard has no classes."""

    standard: str
    parameter: str
    averaging: str
    category: str | None = None


class Limits(Protocol):
    """The dated tables of standards."""

    def keys(self) -> Collection[LimitKey]:
        """All that there is, in force or not."""

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        """In the parameter's canonical unit; None when nothing is in force at that time."""

    def changes(self, key: LimitKey) -> Sequence[int]:
        """When another number comes into force, or none any more: whole minutes, ms since the epoch, rising."""


class NoLimits:
    """No standard at all."""

    def keys(self) -> Collection[LimitKey]:
        return ()

    def value(self, key: LimitKey, at_ms: int) -> float | None:
        return None

    def changes(self, key: LimitKey) -> Sequence[int]:
        return ()


class FieldInfo(NamedTuple):
    """A field of the registry. `unit` is None for a text; `choices` are all that such a text can be."""

    unit: str | None
    about: str
    choices: tuple[str, ...] = ()


FIELDS: Mapping[str, FieldInfo] = {
    "id": FieldInfo(None, "the station's id"),
    "medium": FieldInfo(None, "`'air'` or `'water'`", ("air", "water")),
    "area": FieldInfo(None, "the area that was valid at the reading's time, such as `'hai-chau/binh-hien'`"),
    "site": FieldInfo(None, "kind of site: `'traffic'`, `'background'`, `'industrial'`, `'river'` …"),
    "owner": FieldInfo(None, "who owns it"),
    "department": FieldInfo(None, "who takes care of it"),
    "elevation": FieldInfo("m", "above mean sea level, metres"),
    "lat": FieldInfo("deg", "latitude, degrees, WGS 84"),
    "lon": FieldInfo("deg", "longitude, degrees, WGS 84"),
}
"""`station.…`: what `View.field` answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """All names at once. Stations, areas and tags that are None are not checked."""

    catalogue: Mapping[str, Parameter]
    derived: Mapping[str, ParameterInfo] = field(default_factory=dict)
    limits: Limits = field(default_factory=NoLimits)
    stations: Collection[str] | None = None
    areas: Collection[str] | None = None
    tags: Collection[str] | None = None

    def parameter(self, name: str) -> ParameterInfo | None:
        """Measured, as measured (`pm25_raw`) or derived; None if there is none of that name."""
        derived = self.derived.get(name)
        if derived is not None:
            return derived
        measured = self.catalogue.get(name)
        return None if measured is None else ParameterInfo.measured(measured)

    def parameters(self) -> Iterator[str]:
        """Every name that may be meant."""
        yield from self.catalogue
        yield from self.derived
