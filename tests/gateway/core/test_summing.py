"""Hours in the core: summaries, indices, what rules see of them, late data and restarts (semantics C3, C4)."""

from __future__ import annotations

import copy
import json
from typing import Any

from gateway.core import Core, config_text
from gateway.core.inputs import Input, Link, Start, Tick
from gateway.core.outcomes import Outcomes
from tests.tools.town import MIN, NOW, air, plain, raw, started

HOUR = 60 * MIN
START = NOW - 1
"""The start of the hour that NOW is in: 02:00 UTC, 09:00 in Da Nang."""


def town(**more: Any) -> Core:
    return started(plain(**more))


def lines(out: Outcomes, medium: str, station: str = "st-0") -> list[Any]:
    return [line for line in out.lines if line.medium == medium and line.station == station]


def said(line: Any) -> dict[str, Any]:
    return {value.parameter: value.value for value in line.values} | dict(line.notes)


def probe(at_ms: int) -> Input:
    return raw(
        "sensors/water/wp-0", json.dumps({"device": "wp-0", "time": at_ms, "ph": 7.2, "do": 6.5, "water_temp": 28.0}).encode(), at_ms
    )


def hours(level: float, count: int, *, station: int = 0, start: int = 0) -> list[Input]:
    """`count` hours of minutes at this station."""
    return [air(station, NOW + start * HOUR + n * MIN, pm25=level + n % 3, no2=20.0 + n % 2) for n in range(count * 60)]


def test_C4_an_hour_is_written_with_its_start_when_the_next_one_begins() -> None:
    core = town()
    assert lines(core.step(hours(30, 1)), "air_1h") == []
    out = core.step([air(0, NOW + HOUR, pm25=31, no2=20)])
    (line,) = lines(out, "air_1h")
    assert line.time_ms == START
    assert (line.device, line.area) == ("an-0", "hai-chau/part-0")
    found = said(line)
    assert (found["pm25"], found["pm25_min"], found["pm25_max"], found["pm25_count"]) == (31.0, 30.0, 32.0, 60.0)
    assert (found["pm25_complete"], found["pm25_worst"], found["final"]) == (1.0, 1.0, 0.0)


def test_C4_an_hour_closes_by_the_clock_five_minutes_after_its_end() -> None:
    core = town()
    core.step(hours(30, 1))
    assert lines(core.step([Tick(START + HOUR + 5 * MIN - 1)]), "air_1h") == []
    out = core.step([Tick(START + HOUR + 5 * MIN)])
    assert len(lines(out, "air_1h")) == 1
    assert out.journal == [0], "a tick that does something is journalled"
    assert lines(core.step([air(0, NOW + HOUR + 6 * MIN, pm25=30)]), "air_1h") == []


def test_an_incomplete_hour_has_a_mean_that_is_not_evaluated_and_no_index() -> None:
    core = town()
    core.step([air(0, NOW + n * MIN, pm25=30 + n % 2) for n in range(30)])
    out = core.step([air(0, NOW + HOUR, pm25=31)])
    (line,) = lines(out, "air_1h")
    assert [value.flag for value in line.values] == [2]
    (index,) = lines(out, "index")
    assert said(index)["vn_aqi_why"]
    assert said(index)["vn_aqi"] is None
    missing = [value.parameter for value in index.values if value.flag == 9]
    assert missing == ["vn_aqi", "us_aqi"], "a value that stood there from an earlier revision is taken back"


def test_vn_aqi_comes_from_the_nowcast_and_says_what_dominates() -> None:
    core = town()
    core.step(hours(44, 3))
    out = core.step([air(0, NOW + 3 * HOUR, pm25=44, no2=20)])
    (index,) = lines(out, "index")
    found = said(index)
    assert (index.device, index.time_ms) == ("st-0", START + 2 * HOUR)
    assert found["pm25_1h"] == 45.0
    assert (found["vn_aqi"], found["vn_aqi_dominant"], found["vn_aqi_category"]) == (90.0, "pm25", "moderate")
    assert found["us_aqi"] > 100


def test_invariant_7_a_stuck_sensor_moves_no_index() -> None:
    data = plain()
    for station in data["stations"]:
        station["quality"] = {}
    core = started(data)
    core.step(hours(44, 3))
    stuck = [air(0, NOW + 3 * HOUR + n * MIN, pm25=900.0) for n in range(14 * 60)]
    out = core.step(stuck)
    last = said(lines(out, "index")[-1])
    assert last.get("vn_aqi") is None
    assert [line.values[0].flag for line in out.lines if line.medium == "air"][-1] == 4


def test_C4_a_late_reading_revises_its_hour_and_the_indices_after_it() -> None:
    core = town()
    core.step([item for item in hours(44, 3) if item.received_ms % HOUR < 50 * MIN])  # type: ignore[union-attr]
    core.step([air(0, NOW + 3 * HOUR, pm25=44, no2=20)])
    late = [air(0, NOW + 3 * HOUR + MIN, device_ms=NOW + HOUR + n * MIN, pm25=144, no2=20) for n in range(50, 60)]
    out = core.step(late)
    assert lines(out, "air_1h") == [], "they settle first"
    out = core.step([Tick(NOW + 3 * HOUR + 2 * MIN)])
    assert {line.time_ms for line in lines(out, "air_1h")} == {START + HOUR, START + 2 * HOUR}
    hour = next(line for line in lines(out, "air_1h") if line.time_ms == START + HOUR)
    assert said(hour)["pm25_count"] == 60.0
    assert said(hour)["pm25_max"] == 144.0
    assert len(lines(out, "index")) == 2


def test_C4_an_hour_is_final_after_six() -> None:
    core = town()
    out = core.step([*hours(30, 8), air(0, NOW + 8 * HOUR, pm25=30)])
    finals = [line.time_ms for line in lines(out, "air_1h") if said(line)["final"] == 1.0]
    assert finals == [START, START + HOUR]


def test_the_daily_index_is_written_after_local_midnight() -> None:
    core = town()
    out = core.step([*hours(44, 15), air(0, NOW + 15 * HOUR, pm25=44)])  # 09:00 to midnight in Da Nang
    (day,) = [line for line in lines(out, "index") if "vn_aqi_day" in said(line) or "vn_aqi_day_why" in said(line)]
    assert day.time_ms == START - 9 * HOUR
    assert said(day)["vn_aqi_day_why"], "15 hours are no day"
    out = core.step([*hours(44, 24, start=15), air(0, NOW + 39 * HOUR, pm25=44)])
    (day,) = [line for line in lines(out, "index") if "vn_aqi_day" in said(line)]
    assert (day.time_ms, said(day)["vn_aqi_day"]) == (START + 15 * HOUR, 90.0)


def test_rules_see_indices_as_parameters() -> None:
    rule = {"id": "aqi", "name": {"en": "AQI"}, "levels": {"warning": {"when": "vn_aqi > 100", "immediate": True}}}
    core = town(rules=[rule])
    out = core.step([*hours(100, 3), air(0, NOW + 3 * HOUR, pm25=100)])
    found = [(item.state, item.event_ms) for item in out.transitions if item.rule == "aqi"]
    assert found == [("firing", START + 2 * HOUR)], "two hours are enough for a NowCast"


def test_water_has_its_index_or_says_why_not() -> None:
    core = town()
    core.step([probe(NOW + n * 5 * MIN) for n in range(12)])
    out = core.step([probe(NOW + HOUR)])
    (index,) = lines(out, "index", "w-0")
    assert said(index)["vn_wqi_why"]


def test_any_cutting_and_a_restart_give_the_same_state_and_lines() -> None:
    inputs = [*hours(44, 9), *(air(1, NOW + n * 7 * MIN, pm25=20 + n % 5) for n in range(70))]
    inputs.sort(key=lambda item: item.received_ms)  # type: ignore[union-attr]
    inputs.append(Tick(NOW + 10 * HOUR))
    whole = town()
    out = whole.step(inputs)
    pieces, found = town(), []
    for at in range(0, len(inputs), 37):
        found += pieces.step(inputs[at : at + 37]).lines
        if at == 37 * 8:
            text = config_text(plain())
            other = Core()
            units = [(name, pieces.encode_unit(name) or b"") for name in pieces.units()]
            other.restore(pieces.encode_globals(), iter(units), text)
            assert other.export() == pieces.export()
            pieces = other
    assert pieces.export() == whole.export()
    assert found == out.lines


def test_a_backlog_closes_hours_by_its_readings_not_by_the_wall() -> None:
    data = copy.deepcopy(plain())
    core = started(data)
    core.step(hours(30, 1))
    # The gateway was down for ten hours; what the broker held comes now, all at once.
    core.step([Start(NOW + 11 * HOUR, "test")])
    backlog = [air(0, NOW + 11 * HOUR, device_ms=NOW + HOUR + n * MIN, pm25=30 + n % 3) for n in range(600)]
    out = core.step([*backlog, Link(NOW + 11 * HOUR, "city", True)])
    counts = [said(line)["pm25_count"] for line in lines(out, "air_1h") if said(line)["final"] == 0.0]
    assert counts[1:] == [60.0] * (len(counts) - 1)
    assert len(counts) >= 9


# ---------------------------------------------------------------- days

MIDNIGHT = START + 15 * HOUR
"""The local midnight after START."""


def test_C4_a_day_is_written_when_its_last_hour_closes_stamped_with_local_midnight() -> None:
    core = town()
    core.step([*hours(30, 15), *hours(30, 23, start=15)])
    out = core.step([*hours(40, 1, start=38), air(0, NOW + 39 * HOUR, pm25=30, no2=20)])
    (line,) = lines(out, "air_1d")
    assert (line.time_ms, line.device, line.area) == (MIDNIGHT, "an-0", "hai-chau/part-0")
    found = said(line)
    assert found["pm25"] == (23 * 31 + 41) / 24
    assert (found["pm25_min"], found["pm25_max"], found["pm25_count"], found["pm25_complete"]) == (30.0, 42.0, 1440.0, 1.0)
    assert (found["pm25_worst"], found["final"]) == (1.0, 0.0)
    assert [(value.parameter, value.flag) for value in line.values] == [("no2", 1), ("pm25", 1)]


def test_C4_a_day_is_final_with_its_last_hour() -> None:
    core = town()
    core.step([*hours(30, 15), *hours(30, 24, start=15)])
    out = core.step([*hours(30, 5, start=39), air(0, NOW + 44 * HOUR, pm25=30)])
    assert [said(line)["final"] for line in lines(out, "air_1d")] == [0.0], "six hours are not over"
    out = core.step([air(0, NOW + 45 * HOUR, pm25=30)])
    (mark,) = lines(out, "air_1d")
    assert (mark.time_ms, mark.values, mark.notes) == (MIDNIGHT, (), (("final", 1.0),))


def test_C4_a_late_reading_revises_its_day_and_there_are_never_two() -> None:
    core = town()
    out = core.step([*hours(30, 15), *hours(30, 24, start=15), air(0, NOW + 39 * HOUR, pm25=30)])
    found = lines(out, "air_1d")
    late = air(0, NOW + 41 * HOUR, device_ms=NOW + 38 * HOUR + 30_000, pm25=95)
    out = core.step([*hours(30, 2, start=39)[1:], late, *hours(30, 6, start=41)[1:]])
    (revised, mark) = lines(out, "air_1d")
    assert (said(revised)["pm25_count"], said(revised)["pm25_max"], said(revised)["final"]) == (1441.0, 95.0, 0.0)
    assert said(mark) == {"final": 1.0}
    first_day = [line for line in [*found, revised, mark] if line.time_ms == MIDNIGHT]
    assert len({(line.medium, line.station, line.device, line.area, line.time_ms) for line in first_day}) == 1


def test_a_day_whose_evening_is_missing_is_written_all_the_same() -> None:
    core = town()
    core.step([*hours(30, 15), *hours(44, 20, start=15)])
    found = []
    for hour in range(35, 47):  # nobody says anything more: the clock closes the hours
        found += core.step([Tick(START + hour * HOUR + 5 * MIN)]).lines
    days = [line for line in found if line.medium == "air_1d" and line.time_ms == MIDNIGHT]
    assert [said(line).get("pm25_complete") for line in days] == [20 / 24, None]
    (index,) = [line for line in found if line.medium == "index" and line.time_ms == MIDNIGHT]
    assert said(index)["vn_aqi_day"] == 90.0


def test_a_gap_in_a_backlog_closes_the_hours_and_the_day_before_it() -> None:
    core = town()
    core.step([*hours(30, 15), *hours(30, 20, start=15)])
    core.step([Start(NOW + 70 * HOUR, "test")])
    out = core.step([air(0, NOW + 70 * HOUR, device_ms=NOW + 60 * HOUR, pm25=30)])
    (hour, *marks) = lines(out, "air_1h")
    assert (hour.time_ms, said(hour)["pm25_count"], said(hour)["final"]) == (START + 34 * HOUR, 60.0, 0.0)
    assert [(mark.time_ms - START) // HOUR for mark in marks] == [*range(28, 35)], "all of them are final now"
    (day, mark) = lines(out, "air_1d")
    assert (day.time_ms, said(day)["pm25_complete"], said(mark)) == (MIDNIGHT, 20 / 24, {"final": 1.0})


def test_rules_see_the_index_of_the_day_at_its_end() -> None:
    rule = {"id": "aqi", "name": {"en": "AQI"}, "levels": {"warning": {"when": "vn_aqi_day > 80", "immediate": True}}}
    core = town(rules=[rule])
    out = core.step([*hours(44, 39), air(0, NOW + 39 * HOUR, pm25=44)])
    assert [(item.state, item.event_ms) for item in out.transitions if item.rule == "aqi"] == [("firing", MIDNIGHT + 24 * HOUR)]


def test_days_survive_a_restart_byte_for_byte_and_any_cutting() -> None:
    inputs = [*hours(44, 47), *(probe(NOW + n * 5 * MIN) for n in range(47 * 12))]
    inputs.sort(key=lambda item: item.received_ms)  # type: ignore[union-attr]
    whole = town()
    out = whole.step(inputs)
    pieces, found = town(), []
    for at in range(0, len(inputs), 211):
        found += [line for line in pieces.step(inputs[at : at + 211]).lines if line.medium.endswith("_1d")]
        other = Core()
        other.restore(
            pieces.encode_globals(), iter([(name, pieces.encode_unit(name) or b"") for name in pieces.units()]), config_text(plain())
        )
        assert other.export() == pieces.export()
        pieces = other
    assert pieces.export() == whole.export()
    days = [line for line in out.lines if line.medium.endswith("_1d")]
    assert found == days
    assert {line.medium for line in days} == {"air_1d", "water_1d"}


# ---------------------------------------------------------------- corrections


def test_D4_a_spike_that_ends_an_hour_is_in_neither_its_mean_nor_its_extremes() -> None:
    data = plain()
    for station in data["stations"]:
        station["quality"] = {}
    core = started(data)
    core.step([*hours(30, 1)[:-1], air(0, NOW + 59 * MIN, pm25=95.0, no2=20)])
    found = core.step([air(0, NOW + HOUR + n * MIN, pm25=31 + n % 2, no2=20) for n in range(3)])
    out = core.step([Tick(NOW + HOUR + 5 * MIN)])
    (line,) = [line for line in [*found.lines, *out.lines] if line.medium == "air_1h"][-1:]
    assert line.time_ms == START
    assert (said(line)["pm25_count"], said(line)["pm25_max"], said(line)["pm25_worst"]) == (59.0, 32.0, 3.0)


def test_B1_a_correction_is_not_counted_twice_and_the_newest_one_replaces_its_reading() -> None:
    core = town()
    core.step(hours(30, 1))
    core.step([air(0, NOW + HOUR, device_ms=NOW + 59 * MIN, pm25=80, no2=20), air(0, NOW + HOUR + 1, device_ms=NOW + 50 * MIN, pm25=99)])
    out = core.step([air(0, NOW + HOUR + MIN, pm25=30, no2=20)])
    (line,) = lines(out, "air_1h")
    assert (said(line)["pm25_count"], said(line)["pm25_max"]) == (60.0, 80.0)
    core.step([air(0, NOW + HOUR + 2 * MIN, device_ms=NOW + 59 * MIN, pm25=70, no2=20)])
    out = core.step([Tick(NOW + HOUR + 3 * MIN)])
    (line,) = lines(out, "air_1h")
    assert (said(line)["pm25_count"], said(line)["pm25_max"]) == (60.0, 70.0)


def test_what_is_corrected_by_one_device_is_new_from_another() -> None:
    core = town()
    for n in range(40):  # (every thirty-second reading of a series takes the whole of the tests)
        at = NOW + n * MIN
        core.step([air(0, at, pm25=90), air(0, at, pm25=30 + n % 2), air(1, at, pm25=30 + n % 3, timed=False)])
    out = core.step([air(1, NOW + HOUR, pm25=30, timed=False), air(0, NOW + HOUR, pm25=30)])
    corrected, other = (said(lines(out, "air_1h", station)[0]) for station in ("st-0", "st-1"))
    assert (corrected["pm25_count"], corrected["pm25"], corrected["pm25_max"]) == (40.0, 30.5, 31.0)
    assert other["pm25_count"] == 40.0
