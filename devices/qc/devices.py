"""The plans of a registered device at one of its stations: spans and settings of type and station, settled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from devices.device_type import DeviceType
from devices.parameters import RAW_SUFFIX, Catalogue
from devices.qc.plan import DevicePlan
from devices.qc.settings import ParameterQuality, device_plan
from devices.quality import Spans
from devices.stations import Device, Station


class Planner:
    """Makes plans, and shares those that are equal: by (type, station or none that says something, interval, corrections)."""

    def __init__(self, catalogue: Catalogue, defaults: Mapping[str, ParameterQuality], zone: tzinfo) -> None:
        self._catalogue, self._defaults, self._zone = catalogue, defaults, zone
        self._made: dict[tuple[str, str, int, frozenset[str]], DevicePlan] = {}

    def plan(self, device: Device, kind: DeviceType, station: Station) -> DevicePlan:
        """The plans of `device`, which is of type `kind`, while it stands at `station`."""
        own = station.spans is not None or bool(station.quality.model_fields_set)
        corrected = frozenset(device.corrections or ())
        key = (kind.id, station.id if own else "", device.interval_ms, corrected)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = device_plan(
                self.spans(kind, station, corrected),
                device.interval_ms,
                self._catalogue,
                self._defaults,
                kind.quality,
                station.quality,
                self._zone,
            )
        return made

    def spans(self, kind: DeviceType, station: Station, corrected: frozenset[str]) -> dict[str, Spans]:
        """The gross range of each parameter that can come: the station's, else the type's, else the catalogue's."""
        found = {name: Spans(self._catalogue[name].plausible) for name in kind.media}
        found |= kind.spans
        found |= {name + RAW_SUFFIX: found[name] for name in corrected if name in found}
        return found | {name: spans for name, spans in (station.spans or {}).items() if name in found}
