"""The device type and the registry that let the gateway read what `simulate --replay` publishes.

Both are built from the map, in the form of `devices/types/*.yaml` and of a registry file, so that a real series takes
the same way through the gateway as any sensor: source unit → canonical unit, plausible span, flag.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.series.maps import ColumnMap, SeriesMap


def device_type_for(series_map: SeriesMap) -> dict[str, Any]:
    """A device type `series-<map>`: flat JSON keyed by parameter id, epoch-ms time, device id on the third topic level."""
    time: dict[str, Any] = {"field": "time", "format": "epoch_ms"}
    if series_map.time.marks == "hour-start":
        time["delay"] = "1h"  # an hourly mean labelled by its start arrives an hour later: not a wrong clock (semantics C1)
    return {
        "id": f"series-{series_map.map}",
        "title": {"vi": f"Chuỗi số liệu {series_map.map}", "en": f"Series {series_map.map}"},
        "description": series_map.description,
        "format": "flat-json",
        "device": {"level": 3},
        "time": time,
        "interval": series_map.interval,
        "fields": {column.parameter: _field(column) for column in series_map.columns},
    }


def _field(column: ColumnMap) -> dict[str, Any]:
    field: dict[str, Any] = {"parameter": column.parameter, "unit": column.unit}
    return field if column.plausible is None else {**field, "plausible": list(column.plausible)}


def registry_for(series_map: SeriesMap, stations: Iterable[str], *, since: str, lat: float = 0.0, lon: float = 0.0) -> dict[str, Any]:
    """A registry with one station and one device of that type for each station id of a series. `since`: a date, `1990-01-01`."""
    return {
        "stations": [
            {
                "id": station,
                "name": {"vi": station, "en": station},
                "lat": lat,
                "lon": lon,
                "area": f"series/{series_map.map}",
                "medium": series_map.medium,
                "devices": [
                    {
                        "id": station,
                        "type": f"series-{series_map.map}",
                        "topics": [f"series/{series_map.map}/{station}"],
                        "from": since,
                        "interval": series_map.interval,
                    }
                ],
            }
            for station in stations
        ]
    }
