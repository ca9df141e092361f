"""What travels from `envgw import` to the ledger, and what is asked of it there: the gateway takes nobody's word for it.

group    readings of one device at one station: [time in ms, {parameter: [value or null, flag]}], …
line     what histories keep: with the medium from the catalogue and the area that was valid at that time
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TypeAlias

import msgspec

from devices.decoder import legal_device_id
from devices.parameters import Catalogue
from devices.problems import did_you_mean
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT
from devices.reading import Line, Value
from devices.stations import Registry, Station
from gateway.errors import EnvgwError

MOST_LINES = 2_000
"""Of one part of an import: one commit."""
MOST_WAITING = 50_000
"""Lines that may wait for a history before an import waits for it."""
_FLAGS = frozenset((GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING))

Values: TypeAlias = dict[str, tuple[float | None, int]]
"""Parameter → (value in the canonical unit, flag)."""


class Group(msgspec.Struct, frozen=True):
    """Readings of one device at one station."""

    station: str
    device: str
    rows: list[tuple[int, Values]]


class Part(msgspec.Struct, frozen=True):
    """What is committed together."""

    origin: str
    """Name of the file."""
    groups: list[Group]


class CannotImport(EnvgwError):
    """A part of an import that cannot be taken: the text says what is wrong with it."""


def lines_of(part: Part, registry: Registry, catalogue: Catalogue, now_ms: int, ahead_ms: int) -> list[Line]:
    """The lines of a part. Raises CannotImport for what no history should hold."""
    found: list[Line] = []
    for group in part.groups:
        place = registry.stations.get(group.station)
        if place is None:
            raise CannotImport(f"no station {group.station!r} in the registry{did_you_mean(group.station, registry.stations)}")
        if not legal_device_id(group.device):
            raise CannotImport(f"{group.device[:80]!r} is not a legal device id")
        for time_ms, values in group.rows:
            if not 0 <= time_ms <= now_ms + ahead_ms:
                raise CannotImport(f"time {time_ms} ms lies before 1970 or in the future")
            found.extend(_lines(place, group.device, time_ms, values, catalogue))
            if len(found) > MOST_LINES:
                raise CannotImport(f"more than {MOST_LINES} lines at once: send them in several parts")
    return found


def _lines(place: Station, device: str, time_ms: int, values: Values, catalogue: Catalogue) -> Iterator[Line]:
    media: dict[str, list[Value]] = {}
    for name, (value, flag) in values.items():
        parameter = catalogue.get(name)
        if parameter is None:
            raise CannotImport(f"no parameter {name!r} in the catalogue{did_you_mean(name, catalogue)}")
        if flag not in _FLAGS or (value is None) != (flag == MISSING) or not (value is None or isfinite(value)):
            raise CannotImport(
                f"{name} {value} with flag {flag} at {time_ms} ms: flags are 1, 2, 3, 4, and 9 exactly where there is no value"
            )
        media.setdefault(parameter.medium, []).append(Value(name, value, flag))
    for medium, of in media.items():
        yield Line(medium, place.id, device, place.area_at(time_ms), time_ms, tuple(of))


class Gathering:
    """Judged readings on their way into parts of a bounded size. A reading that is revised while it is here is simply changed."""

    def __init__(self, origin: str, most_bytes: int = 48_000) -> None:
        """`most_bytes`: of a part as JSON, about; the API takes 64 KB."""
        self._origin = origin
        self._most_bytes = most_bytes
        self._groups: dict[tuple[str, str], dict[int, Values]] = {}
        self._bytes = self._lines = 0

    def put(self, station: str, device: str, time_ms: int, parameter: str, value: float | None, flag: int) -> bool:
        """Add a reading, or replace the one there; True if the part is full now."""
        group = self._groups.get((station, device))
        if group is None:
            group = self._groups[station, device] = {}
            self._bytes += 60 + len(station) + len(device)
        values = group.get(time_ms)
        if values is None:
            values = group[time_ms] = {}
            self._bytes += 22
            self._lines += 1
        if parameter not in values:
            self._bytes += len(parameter) + 32
        values[parameter] = (value, flag)
        return self._bytes >= self._most_bytes or self._lines >= MOST_LINES // 3  # a row may hold three media

    def take(self) -> Part | None:
        """What has gathered; None if nothing has."""
        if not self._groups:
            return None
        groups = [Group(station, device, list(rows.items())) for (station, device), rows in self._groups.items()]
        self._groups, self._bytes, self._lines = {}, 0, 0
        return Part(self._origin, groups)
