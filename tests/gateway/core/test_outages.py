"""One alarm instead of forty: a whole area gone quiet, a broker lost (semantics E5)."""

from __future__ import annotations

from gateway.core import Core
from gateway.core.inputs import Accounting, Adopt, ClockJump, Command, Input, Link, Start, Tick
from gateway.core.outages import BACKLOG_OVER_S, BACKLOG_S, LOST_AFTER_MS
from gateway.core.outcomes import Outcomes
from tests.tools.town import BROKER, MIN, NOW, air, config, first, plain, started

AREA = "hai-chau/part-0"


def run(core: Core, *inputs: Input) -> Outcomes:
    return core.step(list(inputs))


def said(out: Outcomes) -> list[tuple[str, str, str]]:
    return [(item.rule, item.device or item.area or item.episode.split("/")[1], item.state) for item in out.transitions]


def area(stations: int = 3) -> Core:
    """So many air stations, all in one area, a reading a minute; all spoke at NOW."""
    data = plain(air=stations, water=0, rules=[])
    for station in data["stations"]:
        station["area"] = AREA
    core = started(data)
    run(core, *(air(n, NOW + n, pm25=1) for n in range(stations)))
    return core


def test_a_whole_area_gone_quiet_is_one_alarm_with_its_devices() -> None:
    core = area(10)
    out = run(core, Tick(NOW + 10 * MIN))
    assert said(out) == [("area-silent", AREA, "firing")]
    assert out.transitions[0].members == tuple(f"an-{n}" for n in range(10))
    assert len(out.intents) == 1


def test_it_ends_when_one_speaks_and_the_others_get_their_time_again() -> None:
    core = area(3)
    run(core, Tick(NOW + 10 * MIN))
    out = run(core, air(1, NOW + 20 * MIN, pm25=1))
    assert said(out) == [("area-silent", AREA, "resolved")]
    out = run(core, air(1, NOW + 21 * MIN, pm25=1), air(1, NOW + 22 * MIN, pm25=1), air(0, NOW + 22 * MIN, pm25=1), Tick(NOW + 23 * MIN))
    assert said(out) == [("device-silent", "an-2", "firing")]


def test_one_that_is_overdue_alone_is_said_at_once() -> None:
    core = area(3)
    run(core, *(air(n, NOW + 2 * MIN, pm25=1) for n in (0, 1)))
    assert said(run(core, Tick(NOW + 3 * MIN + 5))) == [("device-silent", "an-2", "firing")]


def test_those_that_wait_for_the_area_are_said_when_somebody_speaks() -> None:
    core = area(3)
    run(core, air(0, NOW + MIN, pm25=1))  # silent for two minutes of three when the others are overdue
    assert said(run(core, Tick(NOW + 3 * MIN + 5))) == []
    out = run(core, air(0, NOW + 3 * MIN + 6, pm25=1))
    assert said(out) == [("device-silent", "an-1", "firing"), ("device-silent", "an-2", "firing")]
    assert out.transitions[0].started_ms == NOW + 3 * MIN + 1
    assert said(run(core, air(1, NOW + 4 * MIN, pm25=1))) == [("device-silent", "an-1", "resolved")]


def test_two_stations_are_no_area() -> None:
    assert said(run(area(2), Tick(NOW + 10 * MIN))) == [("device-silent", "an-0", "firing"), ("device-silent", "an-1", "firing")]


def test_an_area_alarm_is_acknowledged_adopted_and_ends_with_its_stations() -> None:
    core = area(3)
    (alarm,) = run(core, Tick(NOW + 10 * MIN)).transitions
    (mark,) = run(core, Command(NOW + 11 * MIN, "acknowledge", alarm.episode, "Lan")).transitions
    assert (mark.reason, mark.operator) == ("acknowledged", "Lan")
    assert core.silence.adopt(alarm)
    out = run(core, config(plain(air=0, water=0, rules=[]), NOW + 12 * MIN))
    assert said(out) == [("area-silent", AREA, "resolved")]
    assert out.transitions[0].reason == "decommissioned"


def test_E5_a_lost_broker_is_one_alarm_and_no_device_counts_as_quiet() -> None:
    core = area(3)
    run(core, Link(NOW + MIN, BROKER, False))
    assert run(core, Tick(NOW + MIN + LOST_AFTER_MS - 1)).transitions == []
    assert said(run(core, Tick(NOW + 60 * MIN))) == [("broker-lost", BROKER, "firing")]
    out = run(core, Link(NOW + 61 * MIN, BROKER, True))
    assert said(out) == [("broker-lost", BROKER, "resolved")]
    assert said(run(core, Tick(NOW + 62 * MIN))) == []


def test_a_broker_that_comes_back_soon_is_not_lost() -> None:
    core = area(3)
    run(core, Link(NOW + MIN, BROKER, False), Link(NOW + 3 * MIN, BROKER, True))
    assert said(run(core, Tick(NOW + 4 * MIN))) == []


def test_the_time_of_a_broker_counts_from_the_start_of_the_gateway() -> None:
    core = area(3)
    run(core, Link(NOW + MIN, BROKER, False))
    run(core, Start(NOW + 2 * MIN, "test"))
    assert said(run(core, Tick(NOW + MIN + LOST_AFTER_MS))) == []
    assert said(run(core, Tick(NOW + 2 * MIN + LOST_AFTER_MS))) == [("broker-lost", BROKER, "firing")]


def test_a_broker_is_not_lost_because_the_gateway_was_off() -> None:
    core = area(3)
    run(core, Link(NOW + MIN, BROKER, False))
    days = NOW + 3 * 1440 * MIN
    assert said(run(core, Adopt(days, ()), Start(days, "test"), Link(days + 100, BROKER, True), Tick(days + MIN))) == []


def test_A1_a_stepped_clock_loses_no_broker() -> None:
    core = area(3)
    run(core, Link(NOW + MIN, BROKER, False), ClockJump(NOW + 600 * MIN, 599 * MIN))
    assert "broker-lost" not in {item.rule for item in run(core, Tick(NOW + 600 * MIN + 1000)).transitions}


def test_what_waits_survives_a_restart() -> None:
    core = area(3)
    run(core, air(0, NOW + MIN, pm25=1), Tick(NOW + 3 * MIN + 5))
    data = plain(air=3, water=0, rules=[])
    for station in data["stations"]:
        station["area"] = AREA
    again = Core()
    head = core.snapshots.begin()
    units, _ = core.snapshots.slice(100)
    text = next(item.text for item in first(data) if hasattr(item, "text"))
    again.restore(head, iter(units), text)
    assert again.export() == core.export()
    later = [Tick(NOW + 10 * MIN)]
    assert again.step(later).transitions == core.step(later).transitions
    assert again.export() == core.export()


def minute(after_min: float, **behind_s: float) -> Accounting:
    """The figures so long after NOW: lane → how far it is behind."""
    lanes = tuple((lane, 100.0 if seconds else 0.0, seconds) for lane, seconds in sorted(behind_s.items()))
    return Accounting(NOW + round(after_min * MIN), "hue-1", (("received", 1.0),), lanes)


def town() -> Core:
    """Started at NOW, with nobody who could fall silent."""
    core = started(plain(air=0, water=0, rules=[]))
    run(core, Start(NOW, "test"), Link(NOW, BROKER, True))
    return core


def test_a_lane_far_behind_is_one_alarm_until_it_has_caught_up() -> None:
    core = town()
    assert said(run(core, minute(20, city=BACKLOG_S - 1, local=0))) == []
    out = run(core, minute(21, city=BACKLOG_S, local=0))
    assert said(out) == [("gateway-backlog", "city", "firing")]
    assert out.transitions[0].names["en"] == "Gateway backlog: city"
    assert [intent.transition.rule for intent in out.intents] == ["gateway-backlog"]
    assert said(run(core, minute(22, city=BACKLOG_S + 60, local=0), minute(23, city=BACKLOG_OVER_S, local=0))) == []
    out = run(core, minute(24, city=BACKLOG_OVER_S - 1, local=0))
    assert said(out) == [("gateway-backlog", "city", "resolved")]
    assert out.transitions[0].reason == "caught-up"


def test_each_lane_has_its_own_alarm() -> None:
    out = run(town(), minute(20, city=BACKLOG_S, local=2 * BACKLOG_S, mail=0))
    assert said(out) == [("gateway-backlog", "city", "firing"), ("gateway-backlog", "local", "firing")]


def test_after_a_start_a_lane_has_its_time_to_catch_up() -> None:
    """What waited while the gateway was off is no backlog yet."""
    core = town()
    run(core, Start(NOW + 1000 * MIN, "test"), Link(NOW + 1000 * MIN, BROKER, True))
    assert said(run(core, minute(1001, city=60_000), minute(1009, city=60_000))) == []
    assert said(run(core, minute(1010, city=60_000))) == [("gateway-backlog", "city", "firing")]


def test_a_lane_that_is_taken_out_of_the_configuration_has_no_alarm() -> None:
    core = town()
    run(core, minute(20, city=BACKLOG_S, local=0))
    out = run(core, minute(21, local=0))
    assert said(out) == [("gateway-backlog", "city", "resolved")]
    assert out.transitions[0].reason == "decommissioned"


def test_a_backlog_alarm_is_acknowledged_adopted_and_survives_a_restart() -> None:
    core = town()
    (alarm,) = run(core, minute(20, city=BACKLOG_S)).transitions
    (mark,) = run(core, Command(NOW + 21 * MIN, "acknowledge", alarm.episode, "Lan")).transitions
    assert (mark.reason, mark.operator) == ("acknowledged", "Lan")
    assert core.silence.adopt(alarm)
    again = Core()
    again.restore(core.snapshots.begin(), iter(core.snapshots.slice(100)[0]), config(plain(air=0, water=0, rules=[]), NOW).text)
    assert again.export() == core.export()
    assert said(run(again, minute(22, city=BACKLOG_S))) == []
    (over,) = run(again, minute(23, city=0)).transitions
    assert (over.episode, over.state) == (alarm.episode, "resolved")
