"""The registry: placements and areas in time, topic binding, and every problem with its path."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from devices.device_type import parse_all
from devices.loader import catalogue, shipped_types
from devices.problems import ConfigError
from devices.registry import parse
from devices.times import parse_instant, parse_zone
from tests.devices.building import device, station

TYPES = parse_all(list(shipped_types().values()), catalogue())


def registry(*stations: dict[str, Any]) -> Any:
    return parse(list(stations), TYPES, catalogue())


def ms(text: str) -> int:
    return parse_instant(text, parse_zone("Asia/Ho_Chi_Minh"))


def test_a_device_that_moved_is_where_it_was_at_each_time() -> None:
    built = registry(
        station("a", device("an-01", **{"from": date(2026, 1, 1), "to": "2026-03-01"})),
        station("b", device("an-01", topics=["sensors/b/an-01"], **{"from": "2026-03-01"})),
    )
    moved = built.devices["an-01"]
    assert moved.station_at(ms("2025-12-31")) is None
    assert moved.station_at(ms("2026-01-01")) == "a"
    assert moved.station_at(ms("2026-03-01") - 1) == "a"
    assert moved.station_at(ms("2026-03-01")) == "b"
    assert moved.topics == ("sensors/air/an-01", "sensors/b/an-01")
    assert moved.commissioned_ms == ms("2026-01-01")
    assert moved.decommissioned_ms is None
    assert built.devices_at("a") == ("an-01",)
    assert built.devices_at("a", ms("2026-06-01")) == ()
    assert built.devices_at("b", ms("2026-06-01")) == ("an-01",)


def test_a_renamed_ward_starts_at_its_date_c6() -> None:
    built = registry(station("a", area=[{"path": "thanh-khe/tam-thuan"}, {"path": "thanh-khe", "from": "2025-07-01"}]))
    place = built.stations["a"]
    assert place.area_at(ms("2025-06-30")) == "thanh-khe/tam-thuan"
    assert place.area_at(ms("2025-07-01")) == "thanh-khe"
    assert place.area == "thanh-khe"


def test_topic_binding_b7() -> None:
    built = registry(station("a", device("an-01", topics=["x/+/an-01", "y"], broker="main"), device("an-02", topics=["z"])))
    bound = built.devices["an-01"]
    assert bound.may_speak("main", "x/1/an-01")
    assert bound.may_speak("main", "y")
    assert not bound.may_speak("main", "x/1/an-02")
    assert not bound.may_speak("other", "y")
    assert built.owner_of("main", "y") is bound
    assert built.owner_of("other", "y") is None
    assert built.owner_of("anything", "z") is built.devices["an-02"]


def test_a_topic_of_two_devices_belongs_to_neither() -> None:
    built = registry(station("a", *(device(f"an-{n}", topics=["shared"]) for n in range(3))))
    assert built.owner_of("main", "shared") is None


def test_interval_is_the_devices_or_its_types() -> None:
    built = registry(station("a", device("an-01", interval="5m"), device("an-02")))
    assert built.devices["an-01"].interval_ms == 300_000
    assert built.devices["an-02"].interval_ms == 60_000


@pytest.mark.parametrize(
    ("stations", "path", "says"),
    [
        ([station("a", device("x", "air-nod"))], ("stations", 0, "devices", 0, "type"), "did you mean 'air-node'"),
        ([station("a"), station("a")], ("stations", 1, "id"), "twice"),
        ([station("a", lat=91)], ("stations", 0, "lat"), "90"),
        ([station("a", medium="soil")], ("stations", 0, "medium"), "'air' or 'water'"),
        ([station("a", name={"vi": "x"})], ("stations", 0, "name"), "both languages"),
        ([station("a", area="Hải Châu")], ("stations", 0, "area", 0, "path"), ""),
        ([station("a", area=7)], ("stations", 0, "area"), "hai-chau"),
        ([station("a", area=[{"path": "x"}, {"path": "y"}])], ("stations", 0, "area", 1), "oldest first"),
        ([station("a", colour=1)], ("stations", 0, "colour"), "unknown key"),
        ([station("a", device("x", topics=[]))], ("stations", 0, "devices", 0, "topics"), ""),
        ([station("a", device("x", topics=["a", "b#"]))], ("stations", 0, "devices", 0, "topics", 1), "`#`"),
        ([station("a", device("bad id"))], ("stations", 0, "devices", 0, "id"), "64 letters"),
        ([station("a", device("x", **{"from": "soon"}))], ("stations", 0, "devices", 0, "from"), "2026-01-31"),
        ([station("a", device("x", **{"from": "2026-02-01", "to": "2026-01-01"}))], ("stations", 0, "devices", 0, "to"), "before"),
        ([station("a", device("x", interval="x"))], ("stations", 0, "devices", 0, "interval"), "duration"),
        ([station("a", device("x")), station("b", device("x"))], ("stations", 1, "devices", 0, "from"), "same time"),
        ([station("a", device("x", to="2026-01-01")), station("b", device("x", "met-node", **{"from": "2026-01-01"}))],
         ("stations", 1, "devices", 0, "type"), "elsewhere"),
        ([station("a", limits={"pm52": {"suspect": [0, 1]}})], ("stations", 0, "limits", "pm52"), "did you mean 'pm25'"),
    ],
)  # fmt: skip
def test_problems_name_their_place(stations: list[dict[str, Any]], path: tuple[str | int, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry(*stations)
    assert [problem for problem in caught.value.problems if problem.path == path and says in problem.message], caught.value.problems


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        registry(station("a", device("x", "nope"), device("y", **{"from": "?"})), station("a"))
    assert len(caught.value.problems) == 3


@pytest.mark.slow
def test_5000_devices_are_found_by_id() -> None:
    built = registry(*(station(f"st-{n}", device(f"an-{n}", **{"from": "2026-01-01"})) for n in range(5000)))
    assert len(built.devices) == 5000
    assert built.devices["an-4999"].station_at(ms("2026-01-02")) == "st-4999"


def test_what_the_registry_tells_people() -> None:
    visit = {"from": "2026-02-01T08:00:00+07:00", "to": "2026-02-01T10:00:00+07:00", "note": "filter"}
    built = registry(
        station(
            "a",
            device("an-01", height_m=3.5, serial="SN-7", note="north mast", maintenance=[visit]),
            owner="City",
            department="Environment",
            site="traffic",
            photo="photos/a.jpg",
            maintenance=[{"from": "2026-03-01"}, visit],
        )
    )
    place = built.stations["a"]
    assert (place.owner, place.department, place.site, place.photo) == ("City", "Environment", "traffic", "photos/a.jpg")
    assert [(window.from_ms, window.note) for window in place.maintenance] == [
        (ms("2026-02-01T08:00:00"), "filter"),
        (ms("2026-03-01"), ""),
    ]
    stands = built.devices["an-01"]
    assert [(window.from_ms, window.to_ms) for window in stands.maintenance] == [(ms("2026-02-01T08:00:00"), ms("2026-02-01T10:00:00"))]
    assert (stands.placements[0].height_m, stands.placements[0].serial, stands.placements[0].note) == (3.5, "SN-7", "north mast")


def test_a_maintenance_window_that_ends_before_it_begins_is_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        registry(station("a", maintenance=[{"from": "2026-02-01", "to": "2026-01-01"}]))
    assert [(problem.path, problem.message) for problem in error.value.problems] == [
        (("stations", 0, "maintenance", 0, "to"), "lies before `from`")
    ]


def test_a_swapped_device_leaves_each_reading_with_the_one_that_stood_there() -> None:
    built = registry(
        station(
            "a",
            device("an-old", to="2026-03-01T09:00:00", height_m=3.0),
            device("an-new", **{"from": "2026-03-01T10:00:00"}, height_m=4.0),
        )
    )
    old, new = built.devices["an-old"], built.devices["an-new"]
    for at, stands in (("2026-03-01T08:59:59", (old,)), ("2026-03-01T09:30:00", ()), ("2026-03-01T10:00:00", (new,))):
        assert built.devices_at("a", ms(at)) == tuple(item.id for item in stands), at
        assert [item.placement_at(ms(at)) is not None for item in (old, new)] == [item in stands for item in (old, new)]
    assert old.decommissioned_ms == ms("2026-03-01T09:00:00")
    assert new.commissioned_ms == ms("2026-03-01T10:00:00")


def test_a_device_that_comes_back_stands_at_each_place_in_its_time() -> None:
    built = registry(
        station("a", device("an-01", to="2026-02-01"), device("an-01", **{"from": "2026-03-01"}, height_m=9.0)),
        station("b", device("an-01", **{"from": "2026-02-01", "to": "2026-03-01"})),
    )
    came_back = built.devices["an-01"]
    assert [placement.station.id for placement in came_back.placements] == ["a", "b", "a"]
    assert [came_back.station_at(ms(day)) for day in ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01")] == ["a", "b", "b", "a"]
    assert came_back.placements[2].height_m == 9.0
    assert built.devices_at("a") == ("an-01",)
