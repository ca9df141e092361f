"""The demo's files hold together, and its city tells the story that the demo promises."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict

import pytest
import yaml

from devices.interpret import build_interpreter
from devices.loader import catalogue, shipped_types
from devices.rejection import Rejection
from devices.topics import matcher
from gateway import config
from gateway.core.conditions import vocabulary
from gateway.core.inputs import Message
from gateway.demo.backfill import backfill
from gateway.demo.city import DemoCity, RealSeries, demo_file
from gateway.simulate.city import DAY, HOUR, MINUTE
from rules.model import Conditions, RuleModel, check_rules
from rules.operands import limit_of

pytestmark = pytest.mark.slow

START = 1_795_392_000_000  # 23 November 2026
STATIONS = yaml.safe_load(demo_file("stations.yaml").read_text(encoding="utf-8"))["stations"]
CONFIG = yaml.safe_load(demo_file("envgw.yaml").read_text(encoding="utf-8"))
RULES = yaml.safe_load(demo_file("rules.yaml").read_text(encoding="utf-8"))["rules"]


def test_nine_air_and_three_water_stations_of_da_nang_and_one_real_series() -> None:
    media = Counter(station["medium"] for station in STATIONS if station["id"] != "ha-noi-us-embassy")
    assert media == {"air": 9, "water": 3}
    for station in STATIONS[:12]:
        assert 15.8 < station["lat"] < 16.2
        assert 108.0 < station["lon"] < 108.4
    assert len({(station["lat"], station["lon"]) for station in STATIONS}) == 13


def test_the_demo_configuration_loads() -> None:
    loaded = config.load(demo_file("envgw.yaml"), environ={})
    assert loaded.settings.gateway.city == "Đà Nẵng"
    assert len(loaded.stations) == 1
    assert len(loaded.rules) == 1


def test_the_rules_are_legal_and_name_stations_that_are_there() -> None:
    models = [RuleModel.model_validate(rule) for rule in RULES]
    assert check_rules(models, Conditions(vocabulary(catalogue()))) == []
    stations = {station["id"] for station in STATIONS}
    for model in models:
        assert set(model.where.station or []) <= stations
        assert {"vi", "en"} == set(model.name) == set(model.advice)


@pytest.fixture(scope="module")
def taken_in() -> dict[str, list[tuple[Message, object]]]:
    """Seven hours of demo and the day before, interpreted by the registry and types that the demo configures."""
    interpreter = build_interpreter(
        {
            "types": list(shipped_types().values()),
            "stations": STATIONS,
            "routes": [["demo", item["topic"], item["type"]] for item in CONFIG["brokers"][0]["subscriptions"]],
            "max_payload": 262_144,
        }
    )
    city = DemoCity(start_ms=START)
    messages = list(backfill(city, START)) + list(backfill(city, START + 7 * HOUR, length_ms=7 * HOUR))
    by_topic = defaultdict(list)
    for message in messages:
        by_topic[message.topic].append((message, interpreter.interpret("demo", message.topic, message.payload, message.received_ms)))
    return by_topic


def test_only_the_broken_device_is_ever_rejected(taken_in: dict[str, list[tuple[Message, object]]]) -> None:
    rejected = Counter(topic for topic, items in taken_in.items() for _, found in items if isinstance(found, Rejection))
    assert set(rejected) == {"sensors/air/an-09"}
    assert rejected.total() > 50
    reasons = {found.reason.value for _, found in taken_in["sensors/air/an-09"] if isinstance(found, Rejection)}
    assert "unknown-device" not in reasons
    assert len(reasons) >= 2


def test_every_registered_device_speaks_on_a_topic_that_is_subscribed(taken_in: dict[str, list[tuple[Message, object]]]) -> None:
    topics = {device["topics"][0] for station in STATIONS for device in station["devices"]}
    assert set(taken_in) == topics
    filters = [matcher(item["topic"]) for item in CONFIG["brokers"][0]["subscriptions"]]
    assert all(any(fits(topic) for fits in filters) for topic in topics)


def test_smoke_comes_within_a_minute_and_clears_within_ninety_seconds_of_real_time() -> None:
    smoke = RuleModel.model_validate(next(rule for rule in RULES if rule["id"] == "pm25-smoke")).levels["warning"]
    series = [
        (message.time_ms - START, json.loads(message.payload)["pm25"])
        for message in DemoCity(start_ms=START).messages(START, START + 6 * HOUR)
        if message.topic == "sensors/air/an-01"
    ]
    line = limit(smoke.when)
    above = [offset for offset, value in series if value > line]
    fires_ms = above[0] + smoke.for_ms
    assert fires_ms / 240 < 45_000, "45 s of real time leave 15 for starting up"
    assert all(value > line for offset, value in series if above[0] <= offset <= fires_ms)
    assert smoke.clear is not None
    cleared = next(offset for offset, value in series if offset > fires_ms and value < limit(smoke.clear))
    assert cleared / 240 < 80_000
    assert max(value for offset, value in series if offset > cleared) < line


def limit(text: str | None) -> float:
    assert text is not None
    found = limit_of(Conditions(vocabulary(catalogue()))(text))
    assert found is not None
    return found


def test_the_stuck_sensor_reads_an_impossible_value() -> None:
    plausible = catalogue()["pm25"].plausible
    bodies = [message.payload for message in DemoCity(start_ms=START).messages(START, START + HOUR) if message.topic == "sensors/air/an-09"]
    values = {json.loads(body)["pm25"] for body in bodies if body.endswith(b"}")}
    assert values == {1200.0}
    assert plausible[1] < 1200


def test_backfill_is_a_day_in_order_and_is_what_the_city_would_have_said() -> None:
    past = list(backfill(DemoCity(start_ms=START), START))
    assert 8_000 < len(past) < 13_000
    assert all(earlier.received_ms <= later.received_ms for earlier, later in itertools.pairwise(past))
    assert past[0].received_ms > START - DAY
    assert past[-1].received_ms <= START
    said = list(DemoCity(start_ms=START).messages(START - DAY, START))
    assert [(message.topic, message.payload) for message in past] == [(topic, payload) for _, topic, payload in said]


def test_a_demo_that_resumes_goes_on_where_it_was() -> None:
    city = DemoCity(start_ms=START)
    whole = list(city.messages(START, START + 3 * HOUR))
    parts = [message for part in range(18) for message in city.messages(START + part * 10 * MINUTE, START + (part + 1) * 10 * MINUTE)]
    assert whole == parts


def test_the_real_series_repeats_every_twelve_weeks_and_keeps_its_gaps() -> None:
    series = RealSeries()
    one = list(series.messages(START, START + 84 * DAY))
    two = list(series.messages(START + 84 * DAY, START + 168 * DAY))
    assert len(one) == len(two) > 1800
    assert [json.loads(message.payload)["pm25"] for message in one] == [json.loads(message.payload)["pm25"] for message in two]
    assert any(json.loads(message.payload)["pm25"] is None for message in one)
    assert {message.time_ms % HOUR for message in one} == {0}
    original = 1_570_510_800_000  # 8 October 2019, 12:00 in Hanoi: label "12:00 PM"
    turns = -(-(START - original) // (84 * DAY))
    noon = next(message for message in one if message.time_ms == original + turns * 84 * DAY)
    line = next(text for text in demo_file("hanoi-pm25-2019.csv").read_text().splitlines() if "2019-10-08 12:00 PM" in text)
    assert json.loads(noon.payload)["pm25"] == float(line.split(",")[2])
