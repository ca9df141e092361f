"""The registry: which stations there are, which devices stand there and since when, and where a device may speak.

    stations:
      - id: hai-chau-01
        name: {vi: "Hải Châu – Bạch Đằng", en: "Hai Chau – Bach Dang"}
        lat: 16.0678
        lon: 108.2208
        area: hai-chau/binh-hien
        medium: air
        devices:
          - {id: an-01, type: air-node, topics: ["sensors/air/an-01"], from: 2026-01-01, interval: 60s}

A device that moves is listed at both stations, with `to` at the old one (the first moment at which it is gone) and `from`
at the new one. `devices.registry` turns these data into objects; here is what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from devices.accumulation import Accumulation
from devices.qc.model import QualityModel
from devices.quality import Spans
from devices.topics import matcher

EVER_MS = 1 << 62
"""Open ends of a period: -EVER_MS and EVER_MS."""


class AreaSince(NamedTuple):
    """The area of a station from `from_ms` until the next one; the first one from ever."""

    path: str
    """`ward` or `ward/part`."""
    from_ms: int


class Maintenance(NamedTuple):
    """Somebody works there from `from_ms` (included) to `to_ms` (excluded). Information: nothing is flagged for it yet."""

    from_ms: int
    to_ms: int
    note: str = ""


_NOTHING_SAID = QualityModel()


@dataclass(frozen=True, slots=True)
class Station:
    """A place where something is measured."""

    id: str
    name: Mapping[str, str]
    """Per language, `vi` and `en`."""
    lat: float
    """Degrees, WGS 84."""
    lon: float
    areas: tuple[AreaSince, ...]
    """Oldest first; never empty."""
    medium: str
    """`air` or `water`."""
    elevation_m: float | None = None
    """Above mean sea level."""
    owner: str = ""
    site: str = ""
    """Kind of site: traffic, background, industrial, river …"""
    spans: Mapping[str, Spans] | None = None
    """Spans that this station has of its own, by parameter."""
    quality: QualityModel = _NOTHING_SAID
    """Quality tests that differ here."""
    department: str = ""
    """Who takes care of it."""
    photo: str = ""
    """Path or URL of a picture."""
    maintenance: tuple[Maintenance, ...] = ()
    """In order of their begin."""
    tags: tuple[str, ...] = ()
    """What rules and lists may choose it by."""

    @property
    def area(self) -> str:
        """The newest area."""
        return self.areas[-1].path

    def area_at(self, at_ms: int) -> str:
        """The area that was valid at that time (semantics C6): the one before the first change for anything older."""
        for area in reversed(self.areas):
            if area.from_ms <= at_ms:
                return area.path
        return self.areas[0].path


Correct: TypeAlias = Callable[[float, float], float]
"""(value, the other parameter that the correction needs, else 0) → corrected value. May give what is not finite."""


class Correction(NamedTuple):
    """One calibration, valid from `from_ms` (included) to `to_ms` (excluded)."""

    from_ms: int
    to_ms: int
    correct: Correct
    by: str | None
    """The other parameter of the same record that it needs."""


class Corrections(NamedTuple):
    """All calibrations of one parameter of one device, oldest first; where two overlap the later one holds."""

    versions: tuple[Correction, ...]
    spans: Spans
    """By which the corrected value is flagged."""

    def at(self, at_ms: int) -> Correction | None:
        """The one that is valid at that time."""
        for version in reversed(self.versions):
            if version.from_ms <= at_ms < version.to_ms:
                return version
        return None


class Placement(NamedTuple):
    """A device stands at a station from `from_ms` (included) to `to_ms` (excluded)."""

    station: Station
    from_ms: int
    to_ms: int
    height_m: float | None = None
    """Of the device above the ground."""
    serial: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """A registered device."""

    id: str
    type: str
    placements: tuple[Placement, ...]
    """Oldest first, not overlapping, never empty."""
    topics: tuple[str, ...]
    """Filters: the only topics on which it may speak (semantics B7)."""
    broker: str | None
    """The only broker through which it may speak; None: any."""
    interval_ms: int
    """How often it usually reports: its own, else its type's."""
    delay_ms: int
    """By how much its stamps lie behind receipt by design (its type says)."""
    matchers: tuple[Callable[[str], bool], ...]
    accumulates: Mapping[str, Accumulation] | None = None
    """Parameters that its type gives as running totals or rates; None: none."""
    corrections: Mapping[str, Corrections] | None = None
    """Calibrations by parameter: its own, else its type's; None: none."""
    maintenance: tuple[Maintenance, ...] = ()
    """In order of their begin."""

    @property
    def commissioned_ms(self) -> int | None:
        """When it was first installed; None when no date is known."""
        first = self.placements[0].from_ms
        return None if first == -EVER_MS else first

    @property
    def decommissioned_ms(self) -> int | None:
        """From when on it stands nowhere; None when no end is known."""
        last = self.placements[-1].to_ms
        return None if last == EVER_MS else last

    def placement_at(self, at_ms: int) -> Placement | None:
        """Where it stands at that time, if anywhere."""
        for placement in reversed(self.placements):
            if placement.from_ms <= at_ms < placement.to_ms:
                return placement
        return None

    def station_at(self, at_ms: int) -> str | None:
        """Id of the station at which it stands at that time."""
        placement = self.placement_at(at_ms)
        return placement.station.id if placement else None

    def may_speak(self, source: str, topic: str) -> bool:
        """Does the registry bind it to this topic and broker?"""
        return (self.broker is None or self.broker == source) and any(fits(topic) for fits in self.matchers)


class Registry:
    """All stations and devices. Immutable by convention; look-ups are one dictionary access."""

    __slots__ = ("_at_station", "_by_topic", "devices", "stations")

    def __init__(self, stations: Mapping[str, Station], devices: Mapping[str, Device]) -> None:
        self.stations = dict(stations)
        self.devices = dict(devices)
        self._at_station: dict[str, list[str]] = {}
        self._by_topic: dict[str, Device | None] = {}
        for device in devices.values():
            for station in dict.fromkeys(placement.station.id for placement in device.placements):
                self._at_station.setdefault(station, []).append(device.id)
            for topic in device.topics:
                if "+" not in topic and "#" not in topic:
                    self._by_topic[topic] = None if topic in self._by_topic else device

    def devices_at(self, station: str, at_ms: int | None = None) -> tuple[str, ...]:
        """Ids of the devices that stand at `station` at that time; without a time, that ever did or will."""
        known = self._at_station.get(station, ())
        if at_ms is None:
            return tuple(known)
        return tuple(device for device in known if self.devices[device].station_at(at_ms) == station)

    def owner_of(self, source: str, topic: str) -> Device | None:
        """The one device that may speak on exactly this topic: whose message it is when the message cannot say."""
        device = self._by_topic.get(topic)
        return device if device is not None and (device.broker is None or device.broker == source) else None


def matchers_of(topics: tuple[str, ...]) -> tuple[Callable[[str], bool], ...]:
    """The topic filters of a device, prepared."""
    return tuple(matcher(topic) for topic in topics)


def area_fits(pattern: str, area: str) -> bool:
    """`hai-chau/*` fits `hai-chau` and all below it; a pattern without `/*` fits that path only."""
    if pattern.endswith("/*"):
        base = pattern[:-2]
        return area == base or area.startswith(base + "/")
    return pattern == "*" or area == pattern
