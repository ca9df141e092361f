"""From topic and payload to lines: who may speak, where it stood, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.interpret import Interpreted, build_interpreter
from devices.loader import shipped_types
from devices.problems import ConfigError
from devices.reading import Line, Value
from devices.rejection import Reason, Rejection
from devices.times import parse_instant, parse_zone
from tests.devices.building import NOON, city, core_config, device, station

AIR = b'{"device":"an-01","time":"2026-03-14T02:00:00Z","pm25":12.3,"no2":15,"battery":88,"foo":1}'
CITY = city()


def interpreted(result: Interpreted | Rejection) -> Interpreted:
    assert isinstance(result, Interpreted), result
    return result


def rejection(result: Any) -> tuple[str, str | None]:
    assert isinstance(result, Rejection), result
    assert result.detail
    return result.reason.value, result.device


def test_one_message_becomes_one_line_a_medium() -> None:
    read = interpreted(CITY.interpret("main", "sensors/air/an-01", AIR, NOON + 5))
    assert read.time_ms == NOON
    assert read.device.id == "an-01"
    assert CITY.lines(read, NOON) == (
        Line("air", "st-1", "an-01", "hai-chau/binh-hien", NOON, (Value("pm25", 12.3, 1), Value("no2", 15.0, 1))),
        Line("device", "st-1", "an-01", "hai-chau/binh-hien", NOON, (Value("battery", 88.0, 1),)),
    )


def test_a_message_of_device_health_alone_has_no_empty_line() -> None:
    read = interpreted(CITY.interpret("main", "sensors/level/lg-01/battery", b"77", NOON))
    assert read.time_ms is None
    assert CITY.lines(read, NOON) == (Line("device", "st-2", "lg-01", "son-tra", NOON, (Value("battery", 77.0, 1),)),)


def test_plain_values_take_device_and_parameter_from_the_topic() -> None:
    read = interpreted(CITY.interpret("main", "sensors/level/lg-01/level", b"1.42\n", NOON))
    assert CITY.lines(read, NOON) == (Line("water", "st-2", "lg-01", "son-tra", NOON, (Value("level", 1.42, 1),)),)


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("", AIR, ("unknown-topic", None)),
        ("sensors/air/+", AIR, ("unknown-topic", None)),
        ("sensors/air/\0", AIR, ("unknown-topic", None)),
        ("elsewhere", AIR, ("unknown-topic", None)),
        ("sensors/air/an-01", b"", ("empty", "an-01")),
        ("sensors/air/an-01", b"x" * 65_537, ("too-large", "an-01")),
        ("sensors/air/an-01", b"garbage", ("not-json", "an-01")),
        ("sensors/air/nobody", b"garbage", ("not-json", None)),
        ("sensors/air/an-02", AIR, ("topic-not-allowed", "an-01")),
        ("sensors/air/an-01", b'{"device":"ghost","pm25":1}', ("unknown-device", "ghost")),
        ("sensors/air/an-01", b'{"device":"ghost","pm25":"x"}', ("unknown-device", "ghost")),
        ("sensors/air/an-02", b'{"device":"an-01","pm25":"x"}', ("topic-not-allowed", "an-01")),
        ("sensors/air/an-01", b'{"device":"an-01","pm25":"x"}', ("wrong-type", "an-01")),
        ("sensors/air/an-01", b'{"device":"../../etc","pm25":1}', ("no-device", None)),
        ("sensors/air/an-01", b'{"pm25":1}', ("no-device", "an-01")),
        ("sensors/level/lg-01/level", b"", ("empty", "lg-01")),
        ("sensors/level/lg-01/level", b"1,42", ("wrong-type", "lg-01")),
        ("sensors/level/lg-99/level", b"1.42", ("unknown-device", "lg-99")),
        ("sensors/level/lg-99/level", b"", ("unknown-device", "lg-99")),
        ("sensors/level/lg-01/mood", b"1.42", ("no-reading", "lg-01")),
        ("sensors/level", b"1.42", ("no-device", None)),
        ("sensors/level/lg-01", b"1.42", ("topic-not-allowed", "lg-01")),
    ],
)
def test_rejections_and_whose_they_are(topic: str, payload: bytes, expected: tuple[str, str | None]) -> None:
    for _ in range(2):  # the second time from the cache
        assert rejection(CITY.interpret("main", topic, payload, NOON)) == expected


def test_the_same_topic_on_another_broker_is_not_covered() -> None:
    assert rejection(CITY.interpret("other", "sensors/air/an-01", AIR, NOON)) == ("unknown-topic", None)


def test_spoofing_is_refused_also_after_the_rightful_device_spoke_b7() -> None:
    assert interpreted(CITY.interpret("main", "sensors/air/an-01", AIR, NOON))
    spoofed = AIR.replace(b"an-01", b"an-02")
    assert rejection(CITY.interpret("main", "sensors/air/an-01", spoofed, NOON)) == ("topic-not-allowed", "an-02")
    assert interpreted(CITY.interpret("main", "sensors/air/an-01", AIR, NOON))


def test_a_device_bound_to_another_broker_is_refused_b7() -> None:
    town = build_interpreter(core_config(station("st-1", device("an-01", broker="second"))))
    assert rejection(town.interpret("main", "sensors/air/an-01", AIR, NOON)) == ("topic-not-allowed", "an-01")


def test_a_device_of_another_type_than_its_topics_is_refused() -> None:
    town = build_interpreter(core_config(station("st-1", device("an-01", "met-node"))))
    result = town.interpret("main", "sensors/air/an-01", b'{"device":"an-01","temperature":20}', NOON)
    assert rejection(result) == ("topic-not-allowed", "an-01")
    assert "met-node" in str(result)


def test_the_first_route_that_fits_wins() -> None:
    routes = [["main", "sensors/air/an-01", "met-node"], ["main", "sensors/#", "air-node"]]
    town = build_interpreter(core_config(station("st-1", device("an-01", "met-node"), device("an-02")), routes=routes))
    assert interpreted(town.interpret("main", "sensors/air/an-01", b'{"device":"an-01","wind_speed":2}', NOON))
    assert interpreted(town.interpret("main", "sensors/air/an-02", b'{"device":"an-02","pm25":2}', NOON))


def test_where_it_stood_at_that_time() -> None:
    zone = parse_zone("Asia/Ho_Chi_Minh")
    moved = parse_instant("2026-03-01", zone)
    town = build_interpreter(
        core_config(
            station("old", device("an-01", **{"from": "2026-01-01", "to": "2026-03-01"})),
            station("new", device("an-01", **{"from": "2026-03-01"}), area=[{"path": "a"}, {"path": "b", "from": "2026-04-01"}]),
        )
    )
    read = interpreted(town.interpret("main", "sensors/air/an-01", AIR, NOON))
    for at_ms, place in (
        (moved - 1, ("old", "hai-chau/binh-hien")),
        (moved, ("new", "a")),
        (parse_instant("2026-04-01", zone), ("new", "b")),
    ):
        lines = town.lines(read, at_ms)
        assert isinstance(lines, tuple)
        assert (lines[0].station, lines[0].area) == place
    before = town.lines(read, parse_instant("2025-12-31", zone))
    assert rejection(before) == ("not-installed", "an-01")


def test_a_stations_own_spans_decide_its_flags() -> None:
    limits = {"pm25": {"suspect": [0, 10]}, "battery": {"plausible": [90, 100]}}
    town = build_interpreter(core_config(station("st-1", device("an-01"), limits=limits)))
    lines = town.lines(interpreted(town.interpret("main", "sensors/air/an-01", AIR, NOON)), NOON)
    assert isinstance(lines, tuple)
    assert {value.parameter: value.flag for line in lines for value in line.values} == {"pm25": 3, "no2": 1, "battery": 4}


def test_dates_go_by_the_configured_zone() -> None:
    town = build_interpreter(core_config(station("st-1", device("an-01", **{"from": "2026-01-01"})), timezone="UTC"))
    assert town.registry.devices["an-01"].commissioned_ms == parse_instant("2026-01-01", parse_zone("UTC"))


def test_built_from_json_it_reads_the_same() -> None:
    """A restart builds the core from the journal's canonical JSON."""
    plain = core_config(station("st-1", device("an-01")))
    again = build_interpreter(json.loads(json.dumps(plain, sort_keys=True)))
    one = build_interpreter(plain)
    lines = [town.lines(interpreted(town.interpret("main", "sensors/air/an-01", AIR, NOON)), NOON) for town in (one, again)]
    assert lines[0] == lines[1]


def test_configuration_problems_name_their_place() -> None:
    with pytest.raises(ConfigError) as caught:
        build_interpreter(core_config(routes=[["main", "a/#", "air-nod"]]))
    assert [problem.path for problem in caught.value.problems] == [("routes", 0, 2)]
    with pytest.raises(ConfigError) as caught:
        build_interpreter({**core_config(), "types": [*shipped_types().values(), {"id": "x"}]})
    assert all(problem.path[:2] == ("types", len(shipped_types())) for problem in caught.value.problems)


def test_units_for_people() -> None:
    assert CITY.unit("pm25") == "µg/m³"
    assert CITY.unit("nothing") == ""


def test_many_topics_do_not_grow_the_cache_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.interpret._CACHED_TOPICS", 100)
    town = city()
    for n in range(1000):
        town.interpret("main", f"sensors/air/{n}", AIR, NOON)
    assert len(town._topics) <= 100
    town.interpret("main", "sensors/level/" + "x" * 300, b"1", NOON)
    assert all(len(topic) <= 256 for _, topic in town._topics)
    assert interpreted(town.interpret("main", "sensors/air/an-01", AIR, NOON))


@given(
    topic=st.sampled_from(["sensors/air/an-01", "sensors/water/wp-01", "sensors/level/lg-01/level"]) | st.text(max_size=20),
    payload=st.binary(max_size=120) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    event_ms=st.integers(-(2**62), 2**62),
)
def test_no_message_raises(topic: str, payload: bytes, event_ms: int) -> None:
    result = CITY.interpret("main", topic, payload, NOON)
    if isinstance(result, Rejection):
        assert isinstance(result.reason, Reason)
    else:
        CITY.lines(result, event_ms)
