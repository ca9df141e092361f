"""`envgw stations export`: the registry as GeoJSON (RFC 7946), CSV or YAML. What `stations import` reads is what this writes.

GeoJSON: one Feature with a Point (longitude, latitude) a station; names are the properties `name_vi` and `name_en`, everything
else has the registry's own keys. The elevation stays a property: RFC 7946 counts altitude from the ellipsoid, not from the sea.
CSV: one row a device; what a table has no place for (limits, maintenance, dated areas) is said on stderr.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

STATION_COLUMNS = ("id", "name_vi", "name_en", "lat", "lon", "area", "medium", "elevation_m", "owner", "department", "site", "photo")
DEVICE_COLUMNS = ("device", "type", "topics", "broker", "from", "to", "interval", "height_m", "serial", "note")
"""`topics` are separated by blanks."""


def geojson(stations: Sequence[Mapping[str, Any]]) -> str:
    """A FeatureCollection."""
    features = [
        {
            "type": "Feature",
            "id": station["id"],
            "geometry": {"type": "Point", "coordinates": [station["lon"], station["lat"]]},
            "properties": {
                "name_vi": station["name"].get("vi", ""),
                "name_en": station["name"].get("en", ""),
                **{key: value for key, value in station.items() if key not in ("id", "name", "lat", "lon")},
            },
        }
        for station in stations
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1) + "\n"


def table(stations: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """CSV, and what it could not say."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*STATION_COLUMNS, *DEVICE_COLUMNS])
    lost = []
    for station in stations:
        area = station["area"]
        dated = not isinstance(area, str) and len(area) > 1
        left_out = [key for key in ("limits", "maintenance") if station.get(key)] + (["earlier areas"] if dated else [])
        own = {**station, "name_vi": station["name"].get("vi", ""), "name_en": station["name"].get("en", "")}
        own["area"] = area if isinstance(area, str) else area[-1]["path"]
        head = [own.get(column, "") for column in STATION_COLUMNS]
        devices = station.get("devices") or [{}]
        for device in devices:
            left_out += [f"{key} of {device['id']}" for key in sorted(set(device) - {*DEVICE_COLUMNS, "id"}) if device[key]]
            plain = {**device, "device": device.get("id", ""), "topics": " ".join(device.get("topics") or ())}
            writer.writerow([*head, *(_cell(plain.get(column)) for column in DEVICE_COLUMNS)])
        if left_out:
            lost.append(f"{station['id']}: {', '.join(left_out)}")
    return out.getvalue(), lost


def _cell(value: Any) -> Any:
    return "" if value is None else value


def yaml_text(stations: Sequence[Mapping[str, Any]]) -> str:
    """A registry file."""
    return yaml.safe_dump({"stations": [dict(station) for station in stations]}, allow_unicode=True, sort_keys=False, width=140)
