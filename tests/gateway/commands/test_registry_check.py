"""`envgw stations check|list|show`: errors and warnings with file and line, and what the registry says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.topics import match
from gateway.commands.registry_check import overlap
from tests.gateway.commands.place import REGISTRY, Place


def check(folder: Path, registry: str, expect: int = 0) -> list[tuple[int, str]]:
    place = Place(folder, registry)
    found = json.loads(place.run("stations", "check", "--json", expect=expect).stdout)
    assert found["ok"] == (expect == 0)
    return [(problem["line"], problem["message"]) for problem in found["problems"] + found["warnings"]]


def test_a_good_registry_has_no_warnings(tmp_path: Path) -> None:
    assert check(tmp_path, REGISTRY) == []
    assert "1 stations, 1 devices: no errors, 0 warnings" in Place(tmp_path).run("stations", "check").stdout


def station(name: str, *devices: str, lat: float = 1.0) -> str:
    lines = [
        f"  - id: {name}",
        f"    name: {{vi: {name}, en: {name}}}",
        f"    lat: {lat}",
        "    lon: 2.0",
        "    area: x",
        "    medium: air",
    ]
    return "\n".join([*lines, *(["    devices:"] if devices else []), *(f"      - {device}" for device in devices)]) + "\n"


@pytest.mark.parametrize(
    ("stations", "line", "says"),
    [
        (station("a"), 2, "has no device"),
        (station("a", "{id: d, type: air-node, topics: [elsewhere/d]}"), 9, "no subscription brings 'elsewhere/d'"),
        (station("a", "{id: d, type: air-node, topics: [sensors/air/d], broker: other}"), 9, "no broker 'other'"),
        (station("a", "{id: d, type: met-node, topics: [sensors/air/d]}"), 9, "is read as air-node, but device 'd' is a met-node"),
        (
            station("a", "{id: d, type: air-node, topics: [sensors/air/d]}")
            + station("b", "{id: e, type: air-node, topics: [sensors/air/e]}"),
            12,
            "lies exactly where 'a' does",
        ),
    ],
)
def test_warnings(tmp_path: Path, stations: str, line: int, says: str) -> None:
    found = check(tmp_path, "stations:\n" + stations)
    assert [(at, says in message) for at, message in found] == [(line, True)], found


def test_overlapping_placements_are_errors_with_their_line(tmp_path: Path) -> None:
    device = "{id: d, type: air-node, topics: [sensors/air/d]}"
    found = check(tmp_path, "stations:\n" + station("a", device) + station("b", device, lat=3.0), expect=1)
    assert [(at, "stands at 'a' and 'b' at the same time" in message) for at, message in found] == [(17, True)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "+/b", True),
        ("a/#", "a", True),
        ("#", "a/b/c", True),
        ("a/b", "a/b/c", False),
        ("a/+", "b/+", False),
        ("a/+/c", "a/b/d", False),
        ("#", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
    ],
)
def test_filters_that_meet(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected
    if "+" not in other and "#" not in other:
        assert match(one, other) is expected


def test_show_tells_everything_and_does_without_a_running_gateway(tmp_path: Path) -> None:
    more = (
        REGISTRY.rstrip("\n").removesuffix("}")
        + ", height_m: 3.5, serial: SN-1, maintenance: [{from: 2026-02-01, to: 2026-02-02, note: filter}]}\n"
        "    photo: a.jpg\n    owner: City\n"
    )
    place = Place(tmp_path, more)
    shown = json.loads(place.run("stations", "show", "bach-dang", "--json").stdout)
    (device,) = shown["devices"]
    assert (device["from"], device["to"], device["height_m"], device["serial"]) == ("2025-12-31T17:00:00Z", None, 3.5, "SN-1")
    assert device["maintenance"] == [{"from": "2026-01-31T17:00:00Z", "to": "2026-02-01T17:00:00Z", "note": "filter"}]
    assert (shown["photo"], shown["owner"], shown["device_health"]) == ("a.jpg", "City", [])
    text = place.run("stations", "show", "bach-dang").stdout
    assert "device an-01 (air-node), 2025-12-31T17:00:00Z to now" in text
    assert "height m   3.5" in text
    place.run("stations", "show", "bach-dan", expect=2)
    assert "bach-dang" in place.run("stations", "list").stdout
