"""From the registry to plans, and the tests of a whole message."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from devices.device_type import parse
from devices.interpret import build_interpreter
from devices.loader import catalogue, quality_defaults, shipped_types
from devices.qc.devices import Planner
from devices.qc.judge import About, judge
from devices.qc.plan import DevicePlan
from devices.qc.settings import device_plan
from devices.qc.settings import parse as parse_quality
from devices.qc.state import DeviceQuality
from devices.quality import Spans
from devices.reading import Value
from tests.devices.building import core_config, device, station

NOON = 1_773_453_600_000
QUALITY = {"parameters": {"pm25": {"step": {"floor": 5}}}}


def test_the_type_then_the_station_and_equal_plans_are_shared() -> None:
    types = {**shipped_types()}
    types["air-node"] = {**types["air-node"], "quality": {"parameters": {"pm25": {"flat_line": "off"}}}}
    stations = [
        station("a", device("an-01"), device("an-02", topics=["sensors/air/an-02"])),
        station("b", device("an-03"), quality=QUALITY, limits={"pm25": {"plausible": [0, 500]}}),
    ]
    interpreter = build_interpreter({**core_config(*stations), "types": list(types.values())})
    planner = Planner(interpreter.catalogue, quality_defaults(), UTC)
    kind = interpreter.types["air-node"]
    plans = {}
    for name, entry in interpreter.registry.devices.items():
        plans[name] = planner.plan(entry, kind, entry.placements[-1].station)
    assert plans["an-01"] is plans["an-02"]
    first, other = plans["an-01"].series["pm25"], plans["an-03"].series["pm25"]
    assert first.stuck is None
    assert other.stuck is None
    assert first.learnt is not None
    assert other.learnt is not None
    assert (first.learnt.floor, other.learnt.floor) == (20, 5)
    assert (first.high, other.high) == (1000, 500)


def test_every_shipped_type_has_a_plan_for_all_that_it_gives() -> None:
    known = catalogue()
    for plain in shipped_types().values():
        kind = parse(plain, known)
        plan = device_plan({name: Spans(known[name].plausible) for name in kind.media}, kind.interval_ms, known, quality_defaults())
        assert set(plan.series) == set(kind.media)


def message(quality: dict[str, Any], *names: str) -> DevicePlan:
    known = catalogue()
    spans = {name: Spans(known[name].plausible) for name in names}
    return device_plan(spans, 60_000, known, quality_defaults(), parse_quality({"message": quality}, known))


def flags(plan: DevicePlan, state: DeviceQuality, at: int, values: dict[str, float], about: About | None = None) -> dict[str, int]:
    given = tuple(Value(name, number, 1) for name, number in values.items())
    judged = judge(plan, state, at, given, about=about)
    return {value.parameter: value.flag for value in (given if judged is None else judged.values)}


def test_what_contradicts_itself_is_suspect() -> None:
    plan, state = message({"consistency": ["dust"]}, "pm25", "pm10", "rh"), DeviceQuality()
    assert flags(plan, state, NOON, {"pm25": 10.0, "pm10": 20.0, "rh": 60.0}) == {"pm25": 1, "pm10": 1, "rh": 1}
    assert flags(plan, state, NOON + 60_000, {"pm25": 19.0, "pm10": 2.0, "rh": 61.0}) == {"pm25": 3, "pm10": 3, "rh": 1}


def test_a_device_that_is_not_well_is_suspect_in_all_it_says() -> None:
    plan = message({"health": {"battery_voltage": [3.3, 4.3]}, "warm_up": {"lasts": "10m"}, "moved_m": 200}, "pm25")
    well = About(extra=(Value("battery_voltage", 3.8, 1), Value("uptime", 86_400.0, 1)), position=(16.0, 108.0), place=(16.0, 108.0))
    ill = [
        About(extra=(Value("battery_voltage", 3.0, 1), Value("uptime", 86_400.0, 1))),
        About(extra=(Value("battery_voltage", 3.8, 1), Value("uptime", 30.0, 1))),
        About(extra=(Value("uptime", 86_400.0, 1),), position=(16.1, 108.0), place=(16.0, 108.0)),
    ]
    assert flags(plan, DeviceQuality(), NOON, {"pm25": 10.0}, well) == {"pm25": 1}
    for about in ill:
        assert flags(plan, DeviceQuality(), NOON, {"pm25": 10.0}, about) == {"pm25": 3}


def test_a_gap_says_nothing_against_the_value_after_it() -> None:
    plan, state = message({"timing": {"gap": "1h", "clock": "5m"}}, "pm25"), DeviceQuality()
    assert flags(plan, state, NOON, {"pm25": 10.0}) == {"pm25": 1}
    judged = judge(plan, state, NOON + 7_200_000, (Value("pm25", 11.0, 1),), trace=True)
    assert judged is not None
    assert judged.tests[""] == {"timing": 4}
    assert judged.values[0].flag == 1
    assert flags(plan, state, NOON + 7_260_000, {"pm25": 10.0}, About(offset_ms=600_000)) == {"pm25": 3}
