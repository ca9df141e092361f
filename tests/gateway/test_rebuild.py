"""Summaries made again from a history are those that the running gateway had written (C4, issue 7 point 3)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.hours import HOUR_MS
from devices.reading import Line
from gateway.core import Core
from gateway.core.inputs import Input
from gateway.core.summaries import Calendar
from gateway.history.base import StoredReading
from gateway.history.duckdb_history import DuckDBHistory
from gateway.rebuild import PART_DAYS, Range, Rebuilding, chosen, query_range
from gateway.reinterpret import merged
from gateway.settings import HistorySection
from tests.gateway.core.test_summing import HOUR, START, probe
from tests.tools.town import MIN, NOW, air, plain, started

DAYS = 3
SUMMARIES = ("_1h", "_1d")
DA_NANG = ZoneInfo("Asia/Ho_Chi_Minh")


def three_days() -> list[Input]:
    """Minutes of two air stations and of a probe: noise, spikes, gaps, a stuck sensor, late readings and corrections."""
    chance = random.Random(7)
    level = {0: 40.0, 1: 25.0}
    found: list[Input] = []
    for minute in range(DAYS * 24 * 60):
        at = NOW + minute * MIN
        for station in level:
            if chance.random() < 0.05 or (station == 1 and 1_900 < minute < 2_500):
                continue  # lost, or off for ten hours
            level[station] = max(1.0, level[station] + chance.gauss(0, 0.6))
            value = level[station] * (8 if chance.random() < 0.004 else 1)
            late = chance.random() < 0.01
            found.append(air(station, at + (100 * MIN if late else station), device_ms=at, pm25=round(value, 2), no2=20 + minute % 7))
            if not late and chance.random() < 0.01:
                found.append(air(station, at + 500, device_ms=at, pm25=round(value + 1, 2), no2=20))
        if minute % 5 == 0:
            found.append(probe(at + 3))
    return sorted(found, key=lambda item: item.received_ms)  # type: ignore[union-attr]


def lived() -> tuple[Core, list[Line]]:
    data = plain(air=2)
    for station in data["stations"]:
        station["quality"] = {}
    core = started(data)
    lines: list[Line] = []
    for item in three_days():
        lines += core.step([item]).lines
    return core, lines


def derived(lines: list[Line], station: str) -> dict[tuple[str, str, int], dict[str, Any]]:
    """What a history has of each key in the end."""
    found: dict[tuple[str, str, int], Line] = {}
    for line in lines:
        if line.station == station and (line.medium == "index" or line.medium.endswith(SUMMARIES)):
            key = line.medium, line.device, line.time_ms
            found[key] = merged(found.get(key), line)
    return {
        key: {value.parameter: value.value for value in line.values}
        | {f"{value.parameter}_qc": value.flag for value in line.values}
        | dict(line.notes)
        for key, line in found.items()
    }


@pytest.fixture(scope="module")
def city() -> tuple[Core, list[Line]]:
    return lived()


@pytest.mark.slow
@pytest.mark.parametrize("station", ["st-0", "st-1", "w-0"])
async def test_C4_what_is_made_again_equals_what_the_live_path_wrote(city: tuple[Core, list[Line]], station: str, tmp_path: Path) -> None:
    core, lines = city
    history = DuckDBHistory(HistorySection(name="local", kind="duckdb"), tmp_path)
    try:
        raw = [line for line in lines if line.medium in ("air", "water", "device")]
        for at in range(0, len(raw), 5_000):
            await history.write(raw[at : at + 5_000], at + 1)
        calendar = core.summing.calendar
        of, more = chosen(calendar, START, NOW + DAYS * 24 * HOUR, core.summing.settled(station, NOW))
        assert not more
        work = Rebuilding(core.interpreter, station, calendar, of)
        since_ms, until_ms = query_range(calendar, of)
        await work.take_all(history.query(station=station, parameters=None, since_ms=since_ms, until_ms=until_ms))
        again = [line for part in work.lines() for line in part]
    finally:
        await history.close()
    was, now = derived(lines, station), derived(again, station)
    end = calendar.start(of.end)
    final = {key: found for key, found in was.items() if key[2] < end and _is_settled(key, calendar, of)}
    assert now.keys() == final.keys()
    assert {key[0] for key in now} == {"water_1h", "water_1d", "index"} if station == "w-0" else {"air_1h", "air_1d", "index"}
    different = [(key, now[key], final[key]) for key in now if _differs(now[key], final[key])]
    assert not different, different[:2]


def _is_settled(key: tuple[str, str, int], calendar: Calendar, of: Range) -> bool:
    """Whole days only; of the last one its hours."""
    medium, _, at = key
    return not medium.endswith("_1d") or calendar.day((at - calendar.phase_ms) // HOUR_MS).last < of.end


def _differs(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.keys() != other.keys():
        return True
    return any(one[name] != (pytest.approx(other[name], rel=1e-9) if isinstance(other[name], float) else other[name]) for name in one)


# ---------------------------------------------------------------- what is chosen


CALENDAR = Calendar(DA_NANG, NOW)
MIDNIGHT = 15 * HOUR + START
DAY = 24 * HOUR


def test_whole_days_are_made_and_what_is_still_revised_is_not() -> None:
    first = (MIDNIGHT - CALENDAR.phase_ms) // HOUR_MS
    settled = first + 24 + 5
    assert chosen(CALENDAR, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR, settled) == (Range(first, first + 24), False)
    assert chosen(CALENDAR, MIDNIGHT + HOUR, MIDNIGHT + 5 * DAY, settled) == (Range(first, settled), False)
    of, more = chosen(CALENDAR, MIDNIGHT + 3 * DAY, MIDNIGHT + 5 * DAY, settled)
    assert (of.hours, more) == (0, False)


@given(st.integers(0, 400 * 24), st.integers(0, 400 * 24), st.integers(0, 400 * 24))
def test_parts_follow_each_other_and_end(start: int, length: int, settled: int) -> None:
    since, until = MIDNIGHT + start * HOUR, MIDNIGHT + (start + length) * HOUR
    limit = MIDNIGHT // HOUR_MS + settled
    made, more, calls = 0, True, 0
    while more:
        of, more = chosen(CALENDAR, since, until, limit)
        assert of.hours <= PART_DAYS * 24
        assert not more or (of.hours and CALENDAR.start(of.end) > since)
        made, since, calls = made + of.hours, CALENDAR.start(of.end), calls + 1
    assert made >= min(length, limit - MIDNIGHT // HOUR_MS - start)
    assert calls <= 400 // PART_DAYS + 2


# ---------------------------------------------------------------- readings that the registry cannot explain


def made(readings: list[StoredReading], *, station: str = "st-0") -> list[Line]:
    first = CALENDAR.first_of((MIDNIGHT - CALENDAR.phase_ms) // HOUR_MS)
    work = Rebuilding(started().interpreter, station, CALENDAR, Range(first, first + 24))
    for reading in readings:
        work.take(reading)
    return [line for part in work.lines() for line in part]


def reading(at_ms: int, value: float | None = 10.0, **more: Any) -> StoredReading:
    return StoredReading(at_ms, "st-0", more.get("device", "an-0"), more.get("area", "x"), "air", more.get("parameter", "pm25"), value, 1)


def test_a_device_that_is_registered_no_more_has_the_interval_of_its_readings() -> None:
    lines = made([reading(MIDNIGHT + 1 + n * 10 * MIN, device="gone") for n in range(6)])
    assert dict(lines[0].notes)["pm25_complete"] == 1.0
    assert lines[0].device == "gone"


def test_readings_of_an_hour_in_two_areas_are_one_hour() -> None:
    old, new = ([reading(MIDNIGHT + 1 + n * MIN, float(n), area=area) for n in of] for area, of in (("b", range(30)), ("a", range(30, 60))))
    (hour, *_) = made([*new, *old])
    assert (dict(hour.notes)["pm25_count"], hour.values[0].value) == (60.0, 29.5)
    assert (dict(hour.notes)["pm25_min"], dict(hour.notes)["pm25_max"]) == (0.0, 59.0)


def test_raw_values_health_and_unknown_parameters_have_no_summaries() -> None:
    readings = [reading(MIDNIGHT + 1, parameter=name) for name in ("pm25_raw", "no_such")]
    readings.append(StoredReading(MIDNIGHT + 1, "st-0", "an-0", "x", "device", "battery", 3.6, 1))
    assert made(readings) == []
