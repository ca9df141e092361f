"""Stations as points on a map (GeoJSON, RFC 7946), each with the newest reading of every parameter in a period.

Properties are flat, because that is what map programs can style and filter by: `pm25`, `pm25_unit`, `pm25_flag`, `pm25_time`. The
newest reading is given whatever its flag; who draws a map leaves 3 (suspect), 4 (fail) and 9 (missing) out.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson

from devices.stations import Registry
from devices.times import iso
from gateway.export import manifest
from gateway.export.files import Order, single
from gateway.export.manifest import Tally
from gateway.export.stretches import readings
from gateway.history.base import StoredReading


class Newest:
    """The newest reading of every parameter at every station, in whatever order they come."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, StoredReading]] = {}
        """Station → parameter → reading."""

    def add(self, rows: list[StoredReading]) -> None:
        """Look at these."""
        for row in rows:
            here = self.found.setdefault(row.station, {})
            known = here.get(row.parameter)
            if known is None or row.time_ms >= known.time_ms:
                here[row.parameter] = row


async def geojson_file(order: Order, path: Path, registry: Registry) -> dict[str, Any]:
    """Write the FeatureCollection; returns the manifest, which stands beside it. Its `rows` are the readings given.

    A station that is not in the registry any more has no place: its geometry is null, as RFC 7946 has it.
    """
    newest, seen = Newest(), 0

    def passed(until_ms: int) -> None:
        order.told(seen, until_ms)

    async with aclosing(readings(order.ask, order.whole, passed=passed)) as lists:
        async for found in lists:
            rows = order.wanted(found)
            seen += len(rows)
            newest.add(rows)
    tally = Tally()
    for here in newest.found.values():
        tally.add(list(here.values()))
    features = [_feature(order, registry, station, newest.found[station]) for station in sorted(newest.found)]
    part = manifest.part_of(path)
    try:
        part.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features}, option=orjson.OPT_APPEND_NEWLINE))
        manifest.put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)
    return single(order, path, tally)


def _feature(order: Order, registry: Registry, station: str, newest: dict[str, StoredReading]) -> dict[str, Any]:
    entry = registry.stations.get(station)
    last = max(newest.values(), key=lambda row: row.time_ms)
    properties: dict[str, Any] = {"area": last.area, "time": iso(last.time_ms)}
    if entry is not None:
        properties |= {"name_vi": entry.name.get("vi", ""), "name_en": entry.name.get("en", ""), "medium": entry.medium}
    for parameter, row in sorted(newest.items()):
        properties[parameter] = row.value
        properties[f"{parameter}_unit"] = order.unit_of(parameter)
        properties[f"{parameter}_flag"] = row.flag
        properties[f"{parameter}_time"] = iso(row.time_ms)
    geometry = None if entry is None else {"type": "Point", "coordinates": [entry.lon, entry.lat]}
    return {"type": "Feature", "id": station, "geometry": geometry, "properties": properties}
