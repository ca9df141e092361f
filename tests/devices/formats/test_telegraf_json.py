"""Telegraf's JSON cases (json_v2, xpath_json, openweathermap), re-expressed as settings of `nested-json`.

Telegraf's expectation is line protocol, which our own parser reads. Where Telegraf multiplies rows (each element of one array with
each of another), a path with `[*]` gives the list: compared are the distinct values of a field over all rows, in their order.
Values are compared as what they mean: Telegraf's settings convert types (`type = "int"`), here a device type says what it reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.decoder import Decoded
from devices.device_type import parse as parse_type
from devices.formats.line_protocol import Point
from devices.formats.line_protocol import parse as parse_lines
from devices.formats.nested_json import Options, reader
from devices.formats.paths import MISSING, compile_path, flatten
from devices.formats.record import Context
from devices.loader import catalogue
from devices.rejection import Reason, Rejection
from devices.times import parse_zone, time_reader

DATA = Path(__file__).parents[2] / "data" / "formats" / "telegraf"


def points(case: str) -> list[Point]:
    found, bad = parse_lines((DATA / case / "expected.out").read_bytes())
    assert not bad
    return found


def trees(case: str, file: str = "input.json", **options: Any) -> list[dict[str, Any]]:
    found = reader(Options(**options))((DATA / case / file).read_bytes(), Context())
    assert isinstance(found, list), found
    return [record.pairs for record in found]


def meaning(value: object) -> object:
    """One value for 1, 1.0, "1", True and "true": the same thing under Telegraf's conversions."""
    if isinstance(value, bool | int | float):
        return float(value)
    assert isinstance(value, str), value
    if value in ("true", "false"):
        return float(value == "true")
    try:
        return float(value)
    except ValueError:
        return value


def flat_list(value: object) -> list[object]:
    if not isinstance(value, list):
        return [value]
    return [inside for element in value for inside in flat_list(element)]


def said(point: Point) -> dict[str, object]:
    return {**point.tags, **point.fields}


def assert_rows(rows: list[Point], tree: dict[str, Any], paths: dict[str, str]) -> None:
    """Every tag and field of the rows is what stands at its path; `paths`: Telegraf's name → ours."""
    assert {name for row in rows for name in said(row)} == set(paths)
    for name, path in paths.items():
        due = list(dict.fromkeys(meaning(said(row)[name]) for row in rows if name in said(row)))
        assert list(dict.fromkeys(map(meaning, flat_list(compile_path(path)(tree))))) == due, name


ONE_BY_ONE = {
    "json_v2_array_of_objects": ({"each": "features"}, {"properties_mag": "properties.mag"}),
    "json_v2_multiple_timestamps": ({"each": "events"}, {"name": "name"}),
    "json_v2_object_timestamp": ({"each": "events"}, {"id": "id", "value": "value"}),
}


@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_each_element_is_a_record(case: str) -> None:
    options, paths = ONE_BY_ONE[case]
    found, due = trees(case, **options), points(case)
    assert len(found) == len(due)
    for tree, row in zip(found, due, strict=True):
        assert_rows([row], tree, paths)
        # The expected time of multiple_timestamps is not that of its input: Telegraf's test does not compare it.
        if case == "json_v2_object_timestamp":
            assert row.time_ns == int(time_reader("auto", None)(tree["time"])) * 1_000_000
        elif case == "json_v2_multiple_timestamps":
            assert time_reader("epoch_ms", None)(tree["time"]) == 1555745371410


TOGETHER = {
    "json_v2_fields_and_tags": {"status": "fields.status", "duration": "fields.duration", "json_duration": "fields.json[*].duration"},
    "json_v2_mix_field_and_object": {
        "id": "id", "name": "name", "coord_lat": "coord.lat", "coord_lon": "coord.lon", "description": "weather[*].description",
        "summary": "weather[0].main", "main_temp": "main.temp", "wind_speed": "wind.speed",
    },
    "json_v2_multiple_arrays_in_object": {
        "title": "book.title", "author": "book.author", "chapters": "book.chapters", "random": "book.random",
        "name": "book.characters[*].name", "species": "book.characters[*].species",
    },
    "json_v2_object": {
        "name": "root.station[*].name", "destination": "root.station[*].etd[*].destination",
        "minutes": "root.station[*].etd[*].estimate[*].minutes",
    },
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER)
def test_values_at_their_paths(case: str) -> None:
    (tree,) = trees(case)
    assert_rows(points(case), tree, TOGETHER[case])


def test_json_v2_large_numbers() -> None:
    (tree,) = trees("json_v2_large_numbers")
    for kind, row in zip(("int", "uint", "float"), points("json_v2_large_numbers"), strict=True):
        for name, value in row.fields.items():
            found = compile_path(f"{kind}.{name}")(tree)
            assert found == value
            assert kind == "float" or type(found) is int


def test_json_v2_nested_objects_optional() -> None:
    """One list holds values of several types: a condition in the path chooses. (Telegraf cuts the time to seconds; it is kept whole.)"""
    single, *nested = points("json_v2_nested_objects_optional")
    (tree,) = trees("json_v2_nested_objects_optional", "nested_objects_single.json")
    assert_rows([single], tree, {"datatype": "datatype", "name": "name", "value_f": "value"})
    (tree,) = trees("json_v2_nested_objects_optional", "nested_objects_nest.json")
    for row, (kind, short) in zip(nested, {"float": "f", "string": "s", "int": "i", "bool": "b"}.items(), strict=True):
        assert_rows([row], tree, {name: f"metrics[datatype={kind}].{path}" for name, path in {
            "datatype": "datatype", "name": "name", f"value_{short}": "value",
        }.items()})  # fmt: skip
    read = time_reader("epoch_ms", None)
    assert read(tree["timestamp"]) == 1695679077118


def test_json_v2_optional_objects() -> None:
    """Tasmota. What a message does not hold is missing, and nothing else is."""
    meter, bme, tsl = points("json_v2_optional_objects")
    (first,), (second,) = trees("json_v2_optional_objects", "input_1.json"), trees("json_v2_optional_objects", "input_2.json")
    assert_rows([meter], first, {name: f"MT681.{name}" for name in ("Meter_number", "Power_curr", "Total_in")})
    assert_rows([bme], second, {name: f"BME280.{name}" for name in ("Humidity", "Pressure", "Temperature")})
    assert_rows([tsl], second, {"Illuminance": "TSL2561.Illuminance"})
    assert compile_path("BME280.Humidity")(first) is MISSING
    read = time_reader("auto", parse_zone("UTC"))
    for row, tree in ((meter, first), (bme, second)):
        assert row.time_ns == int(read(tree["Time"])) * 1_000_000


def test_json_v2_string_type_objects() -> None:
    """Telegraf writes an object as its JSON text; here it stays the object."""
    (tree,) = trees("json_v2_string_type_objects")
    (row,) = points("json_v2_string_type_objects")
    for name, path in {"metadata": "event.metadata", "active_issues": "active_issues"}.items():
        assert compile_path(path)(tree) == json.loads(str(row.fields.pop(name)))
    assert_rows([row], tree, {
        "controller_id": "controller_id", "event_type": "event.type", "state": "event.state", "severity": "event.severity",
    })  # fmt: skip


def test_json_v2_types() -> None:
    """All but one: Telegraf's `type = "int"` cuts 3.1 to 3, which nothing here does."""
    (tree,) = trees("json_v2_types")
    for row in points("json_v2_types"):
        row.fields.pop("convertfloatointName", None)
        names = {name: "explicitinttype" if name == "uinttype" else name.removesuffix("Name") for name in row.fields}
        assert_rows([row], tree, names)


def test_json_v2_wrong_path() -> None:
    (tree,) = trees("json_v2_wrong_path")
    assert compile_path("wrong")(tree) is MISSING
    assert compile_path("correct.wrong")(tree) is MISSING
    found = reader(Options(each="wrong"))((DATA / "json_v2_wrong_path" / "input.json").read_bytes(), Context())
    assert isinstance(found, Rejection)
    assert found.reason is Reason.WRONG_SHAPE
    assert points("json_v2_wrong_path") == []


def test_xpath_name_expansion() -> None:
    """Telegraf joins with underscores (`phases_0_load`), here the path is `phases[0].load`."""
    for tree, row in zip(trees("xpath_name_expansion", "test.json", each="devices"), points("xpath_name_expansion"), strict=True):
        flat = flatten(tree)
        assert isinstance(flat, dict)
        assert {path.replace("[", "_").replace("].", "_"): value for path, value in flat.items()} == row.fields


@pytest.mark.parametrize("case", ["xpath_json_string_representation", "xpath_json_native_nonnested"])
def test_xpath_whole_objects(case: str) -> None:
    """Telegraf writes objects and arrays as texts, as JSON or as Go prints them (`map[d1:1 …]`); here their members have paths."""
    (tree,) = trees(case, "test.json")
    (row,) = points(case)
    for name in ("d", "e"):
        text = str(row.fields.pop(name))
        if not text.startswith(("map[", "[master")):
            assert tree[name] == json.loads(text)
    assert_rows([row], tree, {name: name for name in ("a", "b", "c", "timestamp")})
    assert flatten(tree) == {
        "a": "a string", "b": 3.1415, "c": True, "d.d1": 1, "d.d2": "foo", "d.d3": True, "d.d4": None,
        "e[0]": "master", "e[1]": 42, "e[2]": True, "timestamp": 1690193829,
    }  # fmt: skip
    assert row.time_ns == int(time_reader("epoch_s", None)(tree["timestamp"])) * 1_000_000


def test_xpath_native_types_json() -> None:
    (tree,) = trees("xpath_native_types_json", "test.json")
    (row,) = points("xpath_native_types_json")
    assert {f"value_{name}": value for name, value in tree.items()} == row.fields


@pytest.mark.parametrize(
    ("case", "time"),
    [
        ("time_float_exponential", {"format": "epoch_ms"}),
        ("time_timezone_Berlin", {"zone": "Europe/Berlin"}),
        ("time_timezone_CEST", {"zone": "CET"}),
        ("time_timezone_MST", {"zone": "MST"}),
    ],
)
def test_xpath_times(case: str, time: dict[str, str]) -> None:
    """Through a whole device type: its id, its time in its zone, its value."""
    kind = parse_type(
        {
            "id": "test", "title": {"vi": "Thử", "en": "Test"}, "format": "nested-json", "interval": "10m",
            "device": {"field": "id"}, "time": {"field": "t", **time}, "fields": {"v": {"parameter": "air_temp", "unit": "degC"}},
        },
        catalogue(),
    )  # fmt: skip
    found = kind.decode((DATA / f"xpath_{case}" / "test.json").read_bytes(), ("x",))
    (row,) = points(f"xpath_{case}")
    assert isinstance(found, Decoded)
    assert (found.device, found.values[0].value) == next(iter(row.fields.items()))
    assert row.time_ns == (found.time_ms or 0) * 1_000_000


def test_openweathermap() -> None:
    """Telegraf fills in 0 for rain, snow and a wind direction that are not there; here they are missing."""
    paths = {
        "city": "name", "city_id": "id", "condition_id": "weather[0].id", "condition_main": "weather[0].main", "country": "sys.country",
        "cloudiness": "clouds.all", "condition_description": "weather[0].description", "condition_icon": "weather[0].icon",
        "feels_like": "main.feels_like", "humidity": "main.humidity", "pressure": "main.pressure", "temperature": "main.temp",
        "visibility": "visibility", "wind_degrees": "wind.deg", "wind_speed": "wind.speed",
    }  # fmt: skip
    for row in points("openweathermap"):
        (tree,) = trees("openweathermap", f"response_weather_{row.tags['city_id']}.json")
        for name in ("rain", "snow"):
            assert row.fields.pop(name) == 0
            assert compile_path(f"{name}.1h")(tree) is MISSING
        for name in ("sunrise", "sunset"):
            assert row.fields.pop(name) == compile_path(f"sys.{name}")(tree) * 1_000_000_000
        assert row.tags.pop("forecast") == "*"
        known = dict(paths)
        if compile_path("wind.deg")(tree) is MISSING:
            assert row.fields.pop("wind_degrees") == 0
            del known["wind_degrees"]
        assert_rows([row], tree, known)
        assert row.time_ns == tree["dt"] * 1_000_000_000
