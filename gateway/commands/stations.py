"""`envgw stations list`."""

from __future__ import annotations

from typing import Any

from devices.stations import Registry


def rows(registry: Registry) -> list[dict[str, Any]]:
    """One row a station, by id."""
    return [
        {
            "id": name,
            "name": dict(station.name),
            "latitude": station.lat,
            "longitude": station.lon,
            "area": station.area,
            "medium": station.medium,
            "devices": sorted(registry.devices_at(name)),
        }
        for name, station in sorted(registry.stations.items())
    ]
