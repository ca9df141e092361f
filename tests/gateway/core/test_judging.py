"""Quality in the core: flags, revisions, neighbours, possible events, restarts (semantics D)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.core import Core, config_text
from gateway.core.inputs import Input, Tick
from gateway.core.outcomes import Outcomes
from tests.tools.town import MIN, NOW, air, plain, started


def town(*, apart: bool = True, **more: Any) -> Core:
    """The town with the default tests, its stations ten kilometres from each other unless said otherwise."""
    data = copy.deepcopy(plain(**more))
    for number, station in enumerate(data["stations"]):
        station["quality"] = {}
        station["lat"] += 0.1 * number if apart else 0.001 * number
    return started(data)


def calm(count: int, station: int = 0) -> list[Input]:
    return [air(station, NOW + n * MIN, pm25=20 + n % 3) for n in range(count)]


def flags(out: Outcomes, station: str = "st-0") -> dict[int, int]:
    """Time → flag of pm25, revisions applied in the order of the lines."""
    found: dict[int, int] = {}
    for line in out.lines:
        if line.medium == "air" and line.station == station:
            for value in line.values:
                if value.parameter == "pm25":
                    found[line.time_ms - NOW] = value.flag
    return found


def test_D2_a_doubted_reading_is_revised_in_the_history_when_three_confirm_it() -> None:
    core = town()
    core.step(calm(40))
    out = core.step([air(0, NOW + (40 + n) * MIN, pm25=400 + n) for n in range(2)])
    assert flags(out) == {40 * MIN: 3, 41 * MIN: 3}
    out = core.step([air(0, NOW + 42 * MIN, pm25=402)])
    assert flags(out) == {40 * MIN: 1, 41 * MIN: 1, 42 * MIN: 1}
    revised = [line for line in out.lines if line.time_ms < NOW + 42 * MIN]
    assert {(line.medium, line.station, line.device, line.area) for line in revised} == {("air", "st-0", "an-0", "hai-chau/part-0")}


def test_a_revision_is_no_new_reading_in_the_accounting() -> None:
    core = town()
    core.step(calm(40))
    before = core.state.readings
    core.step([air(0, NOW + (40 + n) * MIN, pm25=400 + n) for n in range(3)])
    assert core.state.readings == before + 3


def test_D2_a_spike_does_not_alarm_and_smoke_does() -> None:
    rule = {"id": "smoke", "name": {"en": "Smoke"}, "levels": {"warning": {"when": "pm25 > 100", "confirm": 2}}}
    core = town(rules=[rule])
    core.step(calm(40))
    spikes = [air(0, NOW + (40 + n) * MIN, pm25=500 if n % 3 == 0 else 20 + n % 2) for n in range(20)]
    assert [item for item in core.step(spikes).transitions if item.rule == "smoke"] == []
    smoke = [air(0, NOW + (60 + n) * MIN, pm25=50 + 35 * n) for n in range(11)]
    assert [item.state for item in core.step(smoke).transitions if item.rule == "smoke"] == ["firing"]


def smoking() -> Core:
    """An alert is open at 290 µg/m³."""
    core = town(rules=[{"id": "smoke", "name": {"en": "Smoke"}, "levels": {"warning": {"when": "pm25 > 100", "immediate": True}}}])
    opened = core.step([air(0, NOW + n * MIN, pm25=290 + n % 3) for n in range(10)])
    assert [item.state for item in opened.transitions if item.rule == "smoke"] == ["firing"]
    return core


def told(out: Outcomes) -> list[tuple[int, str, str]]:
    return [(item.event_ms - NOW, item.state, item.reason) for item in out.transitions if item.rule == "smoke"]


def test_E1_a_fall_that_the_third_reading_confirms_is_not_told_as_doubt() -> None:
    core, late = smoking(), 5_000  # the third comes a moment after three intervals are over
    out = core.step([air(0, NOW + n * MIN + late, pm25=20 + n % 3) for n in range(10, 13)])
    assert told(out) == [(12 * MIN + late, "resolved", "cleared")]


def test_E1_what_nobody_confirms_is_told_after_four_intervals() -> None:
    core = smoking()
    out = core.step([air(0, NOW + (10 + n) * MIN, pm25=value) for n, value in enumerate((20, 560, 20, 560, 20))])
    assert told(out) == [(13 * MIN, "unknown", "data-doubted")]


def test_D2_a_neighbour_confirms_what_both_see() -> None:
    core = town(apart=False)
    core.step([item for pair in zip(calm(40), calm(40, 1), strict=True) for item in pair])
    first = core.step([air(0, NOW + 40 * MIN, pm25=400)])
    assert flags(first) == {40 * MIN: 3}
    second = core.step([air(1, NOW + 40 * MIN + 1, pm25=380)])
    assert flags(second, "st-0") == {40 * MIN: 1}
    assert flags(second, "st-1") == {40 * MIN + 1: 1}


def test_D2_what_a_neighbour_confirms_keeps_what_other_tests_say_of_it() -> None:
    core = asking({"message": {"consistency": True}}, apart=False, rules=[])
    core.step([item for n in range(40) for item in (air(0, NOW + n * MIN, pm25=20 + n % 3), air(1, NOW + n * MIN + 1, pm25=20 + n % 3))])
    leap = [air(0, NOW + 40 * MIN, pm25=400, pm10=10), air(1, NOW + 40 * MIN + 1, pm25=390, pm10=10)]  # more PM2.5 than PM10
    out = core.step(leap)
    assert flags(out, "st-0")[40 * MIN] == 3
    assert flags(out, "st-1")[40 * MIN + 1] == 3
    assert flags(core.step([air(1, NOW + 41 * MIN, pm25=391)]), "st-1") == {41 * MIN: 1}, "the level itself is confirmed"


def test_D2_stations_far_away_confirm_nothing() -> None:
    core = town()
    core.step([item for pair in zip(calm(40), calm(40, 1), strict=True) for item in pair])
    core.step([air(0, NOW + 40 * MIN, pm25=400)])
    assert flags(core.step([air(1, NOW + 40 * MIN + 1, pm25=380)]), "st-1") == {40 * MIN + 1: 3}


def test_D2_what_is_doubted_for_15_minutes_is_told_once_and_ends() -> None:
    stuck = town()
    stuck.step([air(0, NOW + n * MIN, pm25=33.3) for n in range(60 * 4)])
    stuck.step([air(0, NOW + (240 + n) * MIN, pm25=33.3) for n in range(2)])
    open_ = stuck.devices["an-0"].event_since
    assert open_ is not None
    assert stuck.devices["an-0"].event_parameter == "pm25"
    out = stuck.step([air(0, NOW + (250 + n) * MIN, pm25=33 + n % 4) for n in range(3)])
    over = [item for item in out.transitions if item.kind == "possible-event"]
    assert [(item.state, item.parameter, item.started_ms) for item in over] == [("resolved", "pm25", open_)]


def test_a_type_or_station_may_say_what_is_normal() -> None:
    data = copy.deepcopy(plain())
    data["stations"][0]["quality"] = {"pm25": {"step": 1000, "flat": "off"}}
    core = started(data)
    core.step(calm(40))
    assert flags(core.step([air(0, NOW + 40 * MIN, pm25=900)])) == {40 * MIN: 1}


def test_any_cutting_and_a_restart_give_the_same_flags_and_state() -> None:
    inputs = calm(40) + [air(0, NOW + (40 + n) * MIN, pm25=(22, 300, 310, 305, 21, 800, 20)[n % 7]) for n in range(60)]
    inputs.append(Tick(NOW + 200 * MIN))
    whole = town()
    expected = whole.step(inputs)
    pieces = town()
    text = config_text({**copy.deepcopy(plain()), "stations": _stations(apart=True)})
    lines = []
    for at in range(0, len(inputs), 7):
        lines += pieces.step(inputs[at : at + 7]).lines
        other = Core()
        other.restore(pieces.encode_globals(), iter([(name, pieces.encode_unit(name) or b"") for name in pieces.units()]), text)
        assert other.export() == pieces.export()
        pieces = other
    assert pieces.export() == whole.export()
    assert lines == expected.lines


def _stations(*, apart: bool) -> list[dict[str, Any]]:
    stations = copy.deepcopy(plain()["stations"])
    for number, station in enumerate(stations):
        station["quality"] = {}
        station["lat"] += 0.1 * number if apart else 0.001 * number
    return list(stations)


# ---------------------------------------------------------------- tests that somebody asks for (D5)


def asking(quality: dict[str, Any], *, apart: bool = True, interval: str = "60s", **more: Any) -> Core:
    """The town whose stations ask for these tests."""
    data = copy.deepcopy(plain(**more))
    for number, station in enumerate(data["stations"]):
        station["quality"] = quality
        station["devices"][0]["interval"] = interval
        station["lat"] += 0.1 * number if apart else 0.001 * number
    return started(data)


def test_D5_a_message_that_contradicts_itself_is_doubted_and_rules_do_not_see_it() -> None:
    rule = {"id": "smoke", "name": {"en": "Smoke"}, "levels": {"warning": {"when": "pm25 > 100", "immediate": True}}}
    core = asking({"message": {"consistency": True}}, rules=[rule])
    out = core.step([air(0, NOW + n * MIN, pm25=150, pm10=20) for n in range(3)])
    assert flags(out) == {0: 3, MIN: 3, 2 * MIN: 3}
    assert [item for item in out.transitions if item.rule == "smoke"] == []
    out = core.step([air(0, NOW + 3 * MIN, pm25=150, pm10=200)])
    assert flags(out) == {3 * MIN: 1}
    assert [item.state for item in out.transitions if item.rule == "smoke"] == ["firing"]


def test_D5_a_doubted_reading_is_not_in_its_hour() -> None:
    core = asking({"message": {"consistency": True}}, rules=[])
    core.step([air(0, NOW + n * MIN, pm25=10 if n % 2 else 150, pm10=20) for n in range(60)])
    out = core.step([air(0, NOW + 61 * MIN, pm25=10, pm10=20)])
    (line,) = [line for line in out.lines if line.medium == "air_1h"]
    found = {value.parameter: value.value for value in line.values}
    assert found["pm25"] == 10
    assert dict(line.notes)["pm25_worst"] == 3.0


def test_D2_what_lies_apart_from_its_neighbours_is_doubted_until_three_confirm_it() -> None:
    core = asking({"pm25": {"neighbour": {"deviation": 30, "least": 2}}}, apart=False, rules=[])
    for n in range(40):
        core.step([air(station, NOW + n * MIN + station, pm25=20 + (n + station) % 3) for station in range(3)])
    found: dict[int, int] = {}
    for n in range(40, 46):  # it climbs by steps that the step test allows
        core.step([air(station, NOW + n * MIN - 10 + station, pm25=20 + n % 3) for station in (1, 2)])
        found |= flags(core.step([air(0, NOW + n * MIN, pm25=20 + 25 * (n - 39))]))
    assert found == {40 * MIN: 1, 41 * MIN: 1, 42 * MIN: 1, 43 * MIN: 1, 44 * MIN: 1, 45 * MIN: 1}
    core.step([air(0, NOW + n * MIN, pm25=21) for n in range(46, 50)])
    core.step([air(station, NOW + 49 * MIN + station, pm25=20) for station in (1, 2)])
    assert flags(core.step([air(0, NOW + 50 * MIN, pm25=75)])) == {50 * MIN: 3}, "it came back in between, so it is asked anew"


def test_D2_two_readings_apart_stay_doubted() -> None:
    core = asking({"pm25": {"step": "off", "neighbour": {"deviation": 30, "least": 2}}}, apart=False, rules=[])
    core.step([air(station, NOW + station, pm25=20) for station in range(3)])
    out = core.step([air(0, NOW + MIN, pm25=90), air(0, NOW + 2 * MIN, pm25=91), air(0, NOW + 3 * MIN, pm25=20)])
    assert flags(out) == {MIN: 3, 2 * MIN: 3, 3 * MIN: 1}


@pytest.mark.slow
def test_D2_a_sensor_that_drifts_is_doubted_in_the_end_and_smoke_of_a_day_is_not() -> None:
    rule = {"id": "smoke", "name": {"en": "Smoke"}, "levels": {"warning": {"when": "pm25 > 100", "confirm": 2}}}
    core = asking({"pm25": {"neighbour": {"deviation": 20, "least": 2, "drift": "2d"}}}, apart=False, interval="5m", rules=[rule])
    found: dict[int, int] = {}
    alerts: list[tuple[str, str, int]] = []
    usual = [20 + n % 3 for n in range(12)]
    for n in range(12 * 24 * 7):  # every five minutes for a week
        at = NOW + n * 5 * MIN
        drifting = usual[n % 12] + n * 5 / 60 * 0.6  # 0.6 µg/m³ an hour: 20 too much after a day and a half, 100 after a week
        smoke = usual[n % 12] + (300 if 12 * 24 <= n < 12 * 48 else 0)  # a day of smoke at one station
        out = core.step([air(1, at - 2, pm25=usual[n % 12]), air(2, at - 1, pm25=smoke), air(0, at, pm25=drifting)])
        found |= flags(out)
        alerts += [(item.station, item.state, (item.event_ms - NOW) // 86_400_000) for item in out.transitions if item.rule == "smoke"]
    last = [flag for at, flag in found.items() if at > 5 * 86_400_000]
    assert set(last) == {3}, "it has been apart for more than two days"
    assert {flag for at, flag in found.items() if at < 86_400_000} == {1}
    assert alerts == [("st-2", "firing", 1), ("st-2", "resolved", 2)], "smoke alarms, drift does not"


def test_D5_neighbours_may_be_those_with_a_tag() -> None:
    data = copy.deepcopy(plain(rules=[]))
    for number, station in enumerate(data["stations"]):
        station["quality"] = {"pm25": {"step": "off", "neighbour": {"tag": "roadside", "deviation": 30, "least": 1}}}
        station["lat"] += 0.5 * number
        station["tags"] = ["roadside"] if number == 1 else []
    core = started(data)
    core.step([air(1, NOW, pm25=20), air(2, NOW + 1, pm25=90)])
    assert flags(core.step([air(0, NOW + 2, pm25=90)])) == {2: 3}


def test_D5_a_fixed_rate_is_confirmed_too() -> None:
    core = asking({"pm25": {"step": "off", "spike": "off", "rate": {"suspect": 10, "per": "1m"}}}, rules=[])
    out = core.step([air(0, NOW + n * MIN, pm25=value) for n, value in enumerate([20, 28, 45])])
    assert flags(out) == {0: 1, MIN: 1, 2 * MIN: 3}
    out = core.step([air(0, NOW + n * MIN, pm25=value) for n, value in ((3, 46), (4, 47))])
    assert flags(out)[2 * MIN] == 1


def test_D4_a_fixed_spike_revises_the_reading_before_to_fail() -> None:
    core = asking({"pm25": {"step": "off", "spike": {"suspect": 10, "fail": 50}}}, rules=[])
    out = core.step([air(0, NOW + n * MIN, pm25=value) for n, value in enumerate([20, 40, 20, 90, 20])])
    assert flags(out) == {0: 1, MIN: 3, 2 * MIN: 3, 3 * MIN: 4, 4 * MIN: 1}


def test_D5_tests_survive_a_restart_and_go_with_the_device() -> None:
    quality = {
        "message": {"timing": {"gap": "5m"}, "warm_up": {"lasts": "2m", "silence": "10m"}},
        "pm25": {"attenuated": {"over": "10m", "suspect": 0.5, "fail": 0}, "flat": {"suspect": "5m", "fail": "9m", "tolerance": 2}},
    }
    core = asking(quality, rules=[])
    core.step(calm(12))
    assert core.devices["an-0"].tests is not None
    text = config_text(
        {
            **copy.deepcopy(plain(rules=[])),
            "stations": [{**s, "quality": quality, "lat": s["lat"] + 0.1 * n} for n, s in enumerate(plain()["stations"])],
        }
    )
    head, units = core.snapshots.begin(), []
    complete = False
    while not complete:
        done, complete = core.snapshots.slice(100)
        units += done
    again = Core()
    again.restore(head, iter(units), text)
    rest: list[Input] = [air(0, NOW + (12 + 13 * (n > 4) + n) * MIN, pm25=20 + n % 2) for n in range(12)]
    assert flags(again.step(rest)) == flags(core.step(rest))
    assert again.export() == core.export()
    assert any(flag == 3 for flag in flags(core.step([air(0, NOW + 60 * MIN, pm25=22)])).values()), "warm-up after a silence"


def test_D5_a_doubted_reading_names_the_tests_that_doubt_it_and_no_others() -> None:
    quality = {
        "message": {"warm_up": {"lasts": "2m", "silence": "10m"}, "consistency": True},
        "pm25": {"climatology": [{"hour": [0, 23], "usual": [0, 500], "possible": [0, 800]}]},
    }
    core = asking(quality, rules=[])
    assert named(core.step([air(0, NOW, pm25=20)])) == {}
    assert named(core.step([air(0, NOW + 30 * MIN, pm25=21)])) == {"pm25_by_warm_up": 3.0}
    assert named(core.step([air(0, NOW + 40 * MIN, pm25=22, pm10=10)])) == {"pm25_by_consistency": 3.0, "pm10_by_consistency": 3.0}
    assert named(core.step([air(0, NOW + 41 * MIN, pm25=600)])) == {"pm25_by_climatology": 3.0, "pm25_by_step": 3.0}
    assert named(core.step([air(0, NOW + 42 * MIN, pm25=21)])) == {}
    assert named(core.step([air(0, NOW + 43 * MIN, pm25=3000)])) == {"pm25_by_gross_range": 4.0, "pm25_by_climatology": 4.0}


def named(out: Outcomes) -> dict[str, float]:
    """Field → flag, of what readings say of the tests that doubt them."""
    return {name: float(said) for line in reversed(out.lines) if line.medium == "air" for name, said in line.notes if "_by_" in name}
