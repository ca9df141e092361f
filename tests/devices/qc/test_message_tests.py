"""The tests of a message as a whole, joined: whom they blame."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.message_tests import About, Earlier, MessageTests, MessageTestsState, Verdicts, message_tests, shift
from devices.qc.model import MessageModel

MIN = 60_000
NOON = 1_773_464_400_000
NOTHING = About()


def asking(**said: object) -> MessageTests:
    found = message_tests(MessageModel.model_validate(said))
    assert found is not None
    return found


def once(of: MessageTests, about: About = NOTHING, **values: float | None) -> Verdicts:
    return of.judge(MessageTestsState(), NOON, values, about)


def test_nothing_asked_nothing_done() -> None:
    assert message_tests(MessageModel(), MessageModel()) is None
    assert message_tests(MessageModel(consistency=True), MessageModel(consistency=False)) is None, "the station's word"


def test_the_stations_word_replaces_that_of_the_type() -> None:
    of_type = MessageModel.model_validate({"warm_up": {"lasts": "2m"}, "consistency": True})
    found = message_tests(of_type, MessageModel.model_validate({"warm_up": {"lasts": "5m", "silence": "1h"}}))
    assert found is not None
    assert found.warm_up is not None
    assert (found.consistency, found.warm_up.duration_ms, found.warm_up.gap_ms) == (True, 5 * MIN, 60 * MIN)


def test_consistency_blames_those_compared() -> None:
    said = once(asking(consistency=True), pm25=80.0, pm10=20.0, no2=9.0)
    assert (said.flag("pm25"), said.flag("pm10"), said.flag("no2")) == (3, 3, 0)


def test_a_device_that_just_started_is_doubted_as_a_whole() -> None:
    of = asking(warm_up={"lasts": "2m"})
    assert once(of, pm25=8.0, uptime=30.0).flag("pm25") == 3
    assert once(of, pm25=8.0, uptime=130.0).flag("pm25") == 0
    assert once(of, pm25=8.0).whole == {"warm_up": 1}


def test_a_device_that_was_carried_away_is_doubted() -> None:
    of = asking(moved=500)
    here = (16.06, 108.22)
    assert once(of, About(position=here, place=here), pm25=8.0).flag("pm25") == 0
    assert once(of, About(position=(16.07, 108.22), place=here), pm25=8.0).flag("pm25") == 3
    assert once(of, About(position=None, place=here), pm25=8.0).whole == {"location": 9}
    assert once(of, About(position=None, place=here), pm25=8.0).flag("pm25") == 0


def test_a_gap_blames_nobody_and_a_wrong_clock_does() -> None:
    of, state = asking(timing={"gap": "10m", "ahead": "1m", "age": "1d"}), MessageTestsState()
    assert of.judge(state, NOON, {"pm25": 1.0}, About(NOON)).whole == {"timing": 1}
    after = of.judge(state, NOON + 60 * MIN, {"pm25": 1.0}, About(NOON + 60 * MIN))
    assert (after.whole, after.flag("pm25")) == ({"timing": 4}, 0)
    ahead = of.judge(state, NOON + 70 * MIN, {"pm25": 1.0}, About(NOON + 61 * MIN))
    assert (ahead.whole, ahead.flag("pm25")) == ({"timing": 4}, 4)


def test_health_blames_what_depends_on_it() -> None:
    of = asking(health={"battery_voltage": {"good": [3.5, 4.3], "usable": [3.0, 5.0]}})
    assert once(of, pm25=8.0, battery_voltage=3.3).flag("pm25") == 3
    assert once(of, pm25=8.0, battery_voltage=2.9).flag("pm25") == 4
    assert once(of, pm25=8.0, battery_voltage=2.9).flag("battery_voltage") == 0
    named = asking(health={"battery_voltage": {"good": [3.5, 4.3], "affects": ["no2"]}})
    assert once(named, pm25=8.0, no2=3.0, battery_voltage=3.3).flag("pm25") == 0
    assert once(named, pm25=8.0, no2=3.0, battery_voltage=0.0).flag("no2") == 3, "without `usable` nothing fails"


def test_density_doubts_both_readings_of_a_pair() -> None:
    of, state = asking(density={"suspect": -0.03}), MessageTestsState()
    heavy = {"water_temp": 20.0, "salinity": 30.0, "depth": 1.0}
    light = {"water_temp": 25.0, "salinity": 10.0, "depth": 5.0}
    assert of.judge(state, NOON, heavy, NOTHING).each == {"water_temp": {"density": 2}, "salinity": {"density": 2}}
    said = of.judge(state, NOON + MIN, light, NOTHING)
    assert (said.flag("water_temp"), said.flag("salinity"), said.flag("depth")) == (3, 3, 0)
    assert said.earlier == (Earlier(NOON, "water_temp", 3), Earlier(NOON, "salinity", 3))
    assert of.judge(state, NOON + 2 * MIN, {"water_temp": 20.0}, NOTHING).earlier == (), "no profile"


@given(st.lists(st.tuples(st.integers(-2, 90), st.none() | st.integers(0, 400), st.integers(0, 40)), max_size=30), st.data())
def test_a_restart_and_a_stepped_clock_change_nothing(steps: list[tuple[int, int | None, int]], data: st.DataObject) -> None:
    of = asking(
        consistency=True, timing={"gap": "10m", "ahead": "5m"}, warm_up={"lasts": "2m", "silence": "30m"}, density={"suspect": -0.03}
    )  # fmt: skip
    cut = data.draw(st.integers(0, len(steps)))
    state, again, at = MessageTestsState(), MessageTestsState(), NOON
    for number, (minutes, uptime, salinity) in enumerate(steps):
        if number == cut:
            again = msgspec.msgpack.decode(msgspec.msgpack.encode(again), type=MessageTestsState)
            shift(again, 7_000)
        late = 7_000 if number >= cut else 0
        at += minutes * MIN
        values = {
            "uptime": None if uptime is None else float(uptime),
            "water_temp": 20.0,
            "salinity": float(salinity),
            "depth": float(number),
        }
        one = of.judge(state, at, values, About(NOON + number * MIN))
        two = of.judge(again, at + late, values, About(NOON + number * MIN + late))
        assert (one.whole, one.each, one.blamed) == (two.whole, two.each, two.blamed)
        assert [item._replace(time_ms=0) for item in one.earlier] == [item._replace(time_ms=0) for item in two.earlier]
