"""Hours and days of a station as lines: days of the city's zone, several devices, what belongs to which measurement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.hours import HOUR_MS, Hour, HourState, Kind, hour_of, put
from devices.interpret import build_interpreter
from devices.reading import Line
from gateway.core.summaries import Calendar, LocalDay, write
from tests.tools.town import plain

DA_NANG = ZoneInfo("Asia/Ho_Chi_Minh")
INTERPRETER = build_interpreter(plain())
PLACE = INTERPRETER.registry.stations["st-0"]
NODE = INTERPRETER.registry.devices["an-0"]


class Series(NamedTuple):
    hours: HourState
    kind: Kind = "mean"


def ms(*at: int, zone: Any = UTC) -> int:
    return round(datetime(*at, tzinfo=zone).timestamp() * 1000)  # type: ignore[misc,arg-type]


def medium_of(parameter: str) -> str:
    return INTERPRETER.catalogue[parameter].medium


def said(line: Line) -> dict[str, Any]:
    return {value.parameter: value.value for value in line.values} | dict(line.notes)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Ho_Chi_Minh", date(2026, 3, 14), 24),
        ("Asia/Kolkata", date(2026, 3, 14), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/St_Johns", date(2026, 11, 1), 25),
    ],
)
def test_C4_a_day_has_the_hours_that_begin_in_it(zone: str, day: date, hours: int) -> None:
    city = ZoneInfo(zone)
    midnight = ms(day.year, day.month, day.day, zone=city)
    calendar = Calendar(city, midnight)
    first = hour_of(midnight + 1, calendar.phase_ms)
    assert calendar.day(first) == LocalDay(day, first, first + hours - 1)
    assert calendar.start(first) == midnight
    assert calendar.day(first + hours).first == first + hours
    assert calendar.day(first - 1).last == first - 1
    assert calendar.first_of(first + hours - 1) == first


@given(st.integers(0, 600_000), st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]))
def test_days_follow_each_other_without_gap_or_overlap(hour: int, zone: str) -> None:
    calendar = Calendar(ZoneInfo(zone), hour * HOUR_MS)
    day = calendar.day(hour)
    assert day.first <= hour <= day.last
    assert calendar.day(day.last + 1).first == day.last + 1


def _hour(hour: int, mean: float, used: int = 60) -> Hour:
    return Hour(hour, used, used, mean * used, 0.0, mean - 1, mean + 1, 1)


def test_a_station_of_two_devices_has_two_summaries_and_one_index_of_their_mean() -> None:
    calendar = Calendar(DA_NANG, 0)
    hour = calendar.day(490_000).first + 3
    series = [{"pm25": Series(HourState())}, {"pm25": Series(HourState())}]
    parts = [(NODE, series[0]), (replace(NODE, id="an-x"), series[1])]
    for at in range(hour - 3, hour + 1):
        for of, mean in zip(series, (20.0, 40.0), strict=True):
            put(of["pm25"].hours, _hour(at, mean))
        found = write(PLACE, parts, at, calendar, medium_of)
    assert [(line.medium, line.device) for line in found.lines] == [("air_1h", "an-0"), ("air_1h", "an-x"), ("index", "st-0")]
    assert said(found.lines[-1])["pm25_1h"] == 30.0
    assert found.values["vn_aqi"] == 60.0, "Decision 1459: 30 µg/m³ lies between 25 (50) and 50 (100)"


def test_daily_fields_stand_in_the_line_of_the_first_hour_and_do_not_touch_the_hourly_ones() -> None:
    calendar = Calendar(DA_NANG, 0)
    day = calendar.day(490_000)
    series = {"pm25": Series(HourState())}
    for at in range(day.first, day.last + 1):
        put(series["pm25"].hours, _hour(at, 30.0))
        found = write(PLACE, [(NODE, series)], at, calendar, medium_of, final=True)
    first, last = calendar.start(day.first), calendar.start(day.last)
    assert [(line.medium, line.time_ms) for line in found.lines] == [
        ("air_1h", last), ("air_1d", first), ("index", last), ("index", first),
    ]  # fmt: skip
    daily = said(found.lines[3])
    assert set(daily) == {"vn_aqi_day", "us_aqi_day", "latitude", "longitude"} | {
        f"{name}_day_{of}" for name in ("vn_aqi", "us_aqi") for of in ("category", "dominant")
    }
    assert (said(found.lines[1])["pm25"], said(found.lines[1])["final"]) == (30.0, 1.0)


def test_an_hour_of_nothing_gives_nothing() -> None:
    calendar = Calendar(DA_NANG, 0)
    hour = calendar.day(490_000).first
    assert write(PLACE, [(NODE, {"pm25": Series(HourState())})], hour, calendar, medium_of) == ([], {})
    assert write(PLACE, [], calendar.day(hour).last, calendar, medium_of) == ([], {})


def test_vn_wqi_uses_metals_and_pesticides_where_they_are_measured() -> None:
    calendar = Calendar(DA_NANG, 0)
    hour = calendar.day(490_000).first
    river = {"ph": 7.0, "bod5": 3.0, "cod": 8.0, "nh4_n": 0.1, "coliform": 1_000.0}

    def index(values: dict[str, float]) -> float:
        probe = INTERPRETER.registry.devices["wp-0"]
        series = {name: Series(HourState()) for name in values}
        for name, value in values.items():
            put(series[name].hours, _hour(hour, value, used=12))
        lines = write(INTERPRETER.registry.stations["w-0"], [(probe, series)], hour, calendar, medium_of).lines
        found: float = said(lines[-1])["vn_wqi"]
        return found

    assert index(river) == index(river | {"arsenic": 0.005, "aldrin": 0.05}) == 100.0
    assert index(river | {"arsenic": 0.05}) == 50.0
    assert index(river | {"arsenic": 0.05, "ddt": 2.0}) == 5.0
