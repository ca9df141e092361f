"""`envgw stations export`: what it writes is what `stations import` reads, and a map is valid GeoJSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.cliparts import load
from gateway.coreconfig import build
from tests.gateway.commands.place import Place

FULL = """\
stations:
  - id: a
    name: {vi: "Trạm A", en: "Station A"}
    lat: 16.0678
    lon: 108.2208
    area: [{path: hai-chau/cu}, {path: hai-chau/moi, from: 2025-07-01}]
    medium: air
    elevation_m: 7.5
    owner: City
    department: Environment
    site: traffic
    photo: https://example.org/a.jpg
    limits: {pm25: {suspect: [0, 300]}}
    maintenance: [{from: 2026-02-01, to: 2026-02-02, note: "cleaned, twice"}]
    devices:
      - id: an-01
        type: air-node
        topics: [sensors/air/an-01, sensors/b/+]
        broker: city
        from: 2026-01-01
        to: 2026-03-01
        interval: 90s
        height_m: 3.5
      - {id: mn-01, type: met-node, topics: [sensors/met/mn-01], serial: "007", note: "=1+1"}
  - {id: b, name: {vi: B, en: B}, lat: -16, lon: 0.5, area: son-tra, medium: water}
"""


def plain(folder: Path) -> object:
    return build(load(folder / "envgw.yaml")).plain["stations"]


@pytest.mark.parametrize("form", ["geojson", "yaml"])
def test_the_whole_registry_goes_out_and_in(tmp_path: Path, form: str) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = Place(tmp_path / "one", FULL), Place(tmp_path / "other", "stations: []\n")
    text = one.run("stations", "export", "--format", form).stdout
    if form == "yaml":
        other.registry.write_text(text)
    else:
        other.run("stations", "import", str(other.write("map.geojson", text)))
    assert plain(other.folder) == plain(one.folder)


def test_a_map_is_geojson(tmp_path: Path) -> None:
    found = json.loads(Place(tmp_path, FULL).run("stations", "export").stdout)
    assert set(found) == {"type", "features"}
    assert found["type"] == "FeatureCollection"
    for feature in found["features"]:
        assert {"type", "geometry", "properties"} <= set(feature)
        assert feature["type"] == "Feature"
        assert feature["geometry"]["type"] == "Point"
        longitude, latitude = feature["geometry"]["coordinates"]
        assert -180 <= longitude <= 180
        assert -90 <= latitude <= 90
    first = found["features"][0]
    assert first["geometry"]["coordinates"] == [108.2208, 16.0678]
    assert (first["id"], first["properties"]["name_vi"], first["properties"]["name_en"]) == ("a", "Trạm A", "Station A")
    assert [device["id"] for device in first["properties"]["devices"]] == ["an-01", "mn-01"]


def test_a_table_says_what_it_has_no_place_for(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = Place(tmp_path / "one", FULL)
    done = one.run("stations", "export", "--format", "csv")
    assert "a: limits, maintenance, earlier areas" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["id"], row["device"], row["topics"]) for row in rows] == [
        ("a", "an-01", "sensors/air/an-01 sensors/b/+"),
        ("a", "mn-01", "sensors/met/mn-01"),
        ("b", "", ""),
    ]
    other = Place(tmp_path / "other", "stations: []\n")
    other.run("stations", "import", str(other.write("table.csv", done.stdout)))
    again = build(load(other.folder / "envgw.yaml")).interpreter.registry
    assert again.devices["an-01"].interval_ms == 90_000
    assert again.devices["mn-01"].placements[0].serial == "007"
    assert again.stations["a"].area == "hai-chau/moi"
