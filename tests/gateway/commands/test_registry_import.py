"""`envgw stations import`: tables and maps into the registry, nothing by halves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cliparts import load
from gateway.coreconfig import build
from gateway.errors import EnvgwError
from tests.gateway.commands.place import REGISTRY, Place

CSV = """\
id,name_vi,name_en,lat,lon,area,medium,site,department,device,type,topics,from,interval,height_m,serial
cau-rong,Cầu Rồng,Dragon Bridge,16.0612,108.2275,hai-chau,air,traffic,Environment,an-02,air-node,sensors/air/an-02,2026-02-01,2m,3.5,SN 2
cau-rong,,,16.0612,108.2275,,,,,mn-02,met-node,sensors/met/mn-02 sensors/met/spare,2026-02-01,,,
no-device,Kho,Store,16.07,108.23,son-tra,air,,,,,,,,,
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def stations(place: Place) -> dict[str, dict[str, object]]:
    loaded = load(place.folder / "envgw.yaml")
    return {entry["id"]: entry for entry in build(loaded).plain["stations"]}


@pytest.mark.slow
def test_a_table_is_added_at_the_end_and_comments_stay(place: Place) -> None:
    file = place.write("new.csv", CSV)
    done = json.loads(place.run("stations", "import", str(file), "--json").stdout)
    assert (done["added"], done["changed"], done["same"], done["devices"], done["written"]) == (["cau-rong", "no-device"], [], [], 2, True)
    assert place.registry.read_text().startswith(REGISTRY)
    found = stations(place)
    assert list(found) == ["bach-dang", "cau-rong", "no-device"]
    assert found["cau-rong"] == {
        "id": "cau-rong",
        "name": {"vi": "Cầu Rồng", "en": "Dragon Bridge"},
        "lat": 16.0612,
        "lon": 108.2275,
        "area": "hai-chau",
        "medium": "air",
        "site": "traffic",
        "department": "Environment",
        "devices": [
            {
                "id": "an-02",
                "type": "air-node",
                "topics": ["sensors/air/an-02"],
                "from": "2026-02-01",
                "interval": "2m",
                "height_m": 3.5,
                "serial": "SN 2",
            },
            {"id": "mn-02", "type": "met-node", "topics": ["sensors/met/mn-02", "sensors/met/spare"], "from": "2026-02-01"},
        ],
    }


def test_a_second_time_nothing_changes(place: Place) -> None:
    file = place.write("new.csv", CSV)
    place.run("stations", "import", str(file))
    before = place.registry.read_bytes()
    done = json.loads(place.run("stations", "import", str(file), "--json").stdout)
    assert (done["added"], done["same"], done["written"]) == ([], ["cau-rong", "no-device"], False)
    assert place.registry.read_bytes() == before


def test_a_dry_run_writes_nothing(place: Place) -> None:
    said = place.run("stations", "import", str(place.write("new.csv", CSV)), "--dry-run").stdout
    assert "cau-rong: would be added" in said
    assert place.registry.read_text() == REGISTRY


def test_what_is_there_changes_only_by_force_and_is_kept(place: Place) -> None:
    file = place.write("new.csv", "id;name;lat;lon;area;medium\nbach-dang;Bach Dang;16,07;108,22;hai-chau;air\n")
    refused = place.run("stations", "import", str(file), expect=1)
    assert f"{file}:2: column `id`: station 'bach-dang' is in the registry and would change" in refused.stderr
    assert place.registry.read_text() == REGISTRY
    place.run("stations", "import", str(file), "--force")
    entry = stations(place)["bach-dang"]
    assert (entry["lat"], entry["area"], entry["name"]) == (16.07, "hai-chau", {"vi": "Bach Dang", "en": "Bach Dang"})
    assert len(entry["devices"]) == 1  # type: ignore[arg-type]
    assert (place.folder / "stations.yaml.bak").read_text() == REGISTRY


def test_a_device_that_moved_is_added_to_its_new_station(place: Place) -> None:
    head = "id,name,lat,lon,area,medium,device,type,topics,from,to\n"
    moved = head + (
        "bach-dang,,16.0678,108.2208,,,an-01,air-node,sensors/air/an-01,2026-01-01,2026-03-01\n"
        "cau-rong,Rong,16.06,108.22,hai-chau,air,an-01,air-node,sensors/air/an-01,2026-03-01,\n"
    )
    place.run("stations", "import", str(place.write("moved.csv", moved)), "--force")
    device = build(load(place.folder / "envgw.yaml")).interpreter.registry.devices["an-01"]
    assert [placement.station.id for placement in device.placements] == ["bach-dang", "cau-rong"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,lat,lon,colour\n", "new.csv:1: unknown column 'colour'"),
        ("id,lat\nx,1\n", "new.csv:1: column `lon` is missing"),
        ("id,lat,lon,lat\n", "new.csv:1: column `lat` is there twice"),
        ("id,name,lat,lon,area,medium\nx,X,here,108,a,air\n", "new.csv:2: column `lat`: 'here' is not a number"),
        ("id,name,lat,lon,area,medium\nx,X,1,2,a,air\n,Y,1,2,a,air\n", "new.csv:3: column `id`: is empty"),
        ("id,name,lat,lon,area,medium\nx,X,1,2,a,earth\n", "new.csv:2: column `medium`:"),
        ("id,name,lat,lon,area,medium\nx,X,91,2,a,air\n", "new.csv:2: column `lat`:"),
        ("id,name,lat,lon,area,medium\nx,X,1,2,a,air\nx,X,1,3,a,air\n", "new.csv:3: column `lon`: differs from what line 2 says"),
        ("id,name_vi,lat,lon,area,medium\nx,X,1,2,a,air\n", "new.csv:2: column `name_vi`: write the name in both languages"),
        (
            'id,name,lat,lon,area,medium,device,type,topics\nx,"X\nY",1,2,a,air,d1,air-node,a/d1\nx,,1,2,,,d2,air-nod,a/d2\n',
            "new.csv:4: column `type`: unknown device type 'air-nod'; did you mean",
        ),
        (
            "id,name,lat,lon,area,medium,device,type,topics\nx,X,1,2,a,air,an-01,air-node,sensors/air/an-01\n",
            "device 'an-01' stands at 'x' and 'bach-dang' at the same time",
        ),
        ("id,name,lat,lon,area,medium\nx,X,1,2,a,air,extra\n", "new.csv:2: 7 cells, but 6 columns"),
        ('id,lat,lon\n"x,1,2\n', "new.csv:"),
        (b"id,name,lat,lon\nx,\xff,1,2\n", "new.csv:2: byte 0xff is not UTF-8"),
        ('{"type": "Feature"}', "new.csv:1: a GeoJSON FeatureCollection is due"),
        (
            '{"type": "FeatureCollection",\n "features": [{"type": "Feature",\n "geometry": null}]}',
            "feature 1: a Feature with a Point is due",
        ),
        ('{"type": "FeatureCollection", "features": [', "not JSON"),
        (
            '{"type": "FeatureCollection", "features": [\n'
            '{"type": "Feature", "id": "g", "geometry": {"type": "Point", "coordinates": [1, 2]},\n'
            '"properties": {"name": "G", "area": "a",\n"medium": "soil"}}]}',
            "new.csv:4: feature 1: `medium`:",
        ),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column_and_nothing_is_written(place: Place, text: str | bytes, says: str) -> None:
    refused = place.run("stations", "import", str(place.write("new.csv", text)), expect=1)
    assert says in refused.stderr, refused.stderr
    assert place.registry.read_text() == REGISTRY


def test_a_new_file_is_made(place: Place) -> None:
    target = place.folder / "more.yaml"
    said = place.run("stations", "import", str(place.write("new.csv", CSV)), "--into", str(target))
    assert "under `stations:`" in said.stderr
    assert target.read_text().startswith("stations:\n- id: cau-rong\n")


def test_a_registry_in_another_shape_is_not_touched_without_force(tmp_path: Path) -> None:
    flow = "stations: [{id: a, name: {vi: A, en: A}, lat: 1.0, lon: 2.0, area: x, medium: air}]\n"
    place = Place(tmp_path, flow)
    file = place.write("new.csv", CSV)
    from typer.testing import CliRunner

    from gateway.cli import app

    found = CliRunner().invoke(app, ["stations", "import", str(file), "--config", str(place.folder / "envgw.yaml")])
    assert isinstance(found.exception, EnvgwError)
    assert "--force" in str(found.exception)
    assert place.registry.read_text() == flow
    place.run("stations", "import", str(file), "--force")
    assert list(stations(place)) == ["a", "cau-rong", "no-device"]
