"""Stations on a map with what they said last."""

from __future__ import annotations

import json
from pathlib import Path

from devices.stations import AreaSince, Registry, Station
from gateway.export.files import beside
from gateway.export.points import geojson_file
from gateway.history.base import StoredReading
from tests.gateway.export.test_files import order
from tests.gateway.export.test_stretches import Held, ms

PLACES = Registry({"a": Station("a", {"vi": "Trạm A", "en": "Station A"}, 16.06, 108.22, (AreaSince("hai-chau", 0),), "air")}, {})


async def test_the_newest_reading_of_each_parameter_with_its_flag(tmp_path: Path) -> None:
    held = Held([])
    held.rows = [
        StoredReading(ms("2024-05-10T00:00"), "a", "d1", "hai-chau", "air", "pm25", 5.0, 1),
        StoredReading(ms("2024-05-10T02:00"), "a", "d1", "hai-chau", "air", "pm25", 7.0, 3),
        StoredReading(ms("2024-05-10T01:00"), "a", "d2", "hai-chau", "air", "pm25", 6.0, 1),
        StoredReading(ms("2024-05-10T00:30"), "a", "d1", "hai-chau", "air", "no2", None, 9),
        StoredReading(ms("2024-05-10T00:30"), "gone", "d9", "son-tra", "air", "pm25", 1.0, 1),
    ]
    path = tmp_path / "map.geojson"
    found = await geojson_file(order(held), path, PLACES)
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    first, second = document["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [108.22, 16.06]}
    assert first["properties"] == {
        "area": "hai-chau", "time": "2024-05-10T02:00:00.000Z", "name_vi": "Trạm A", "name_en": "Station A", "medium": "air",
        "no2": None, "no2_unit": "", "no2_flag": 9, "no2_time": "2024-05-10T00:30:00.000Z",
        "pm25": 7.0, "pm25_unit": "ug/m3", "pm25_flag": 3, "pm25_time": "2024-05-10T02:00:00.000Z",
    }  # fmt: skip
    assert (second["id"], second["geometry"]) == ("gone", None)
    assert found["rows"] == 3
    assert json.loads(beside(path).read_text()) == found
