"""Messages of makers' firmware and bridges, where a format does more than hand its object on: control messages, times, places."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.decoder import Decoded
from devices.device_type import parse
from devices.formats import FORMATS, Context, Control, Record
from devices.loader import catalogue
from devices.rejection import Rejection


def say(form: str, message: Any, topic: str = "") -> list[Record] | Control | Rejection:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return FORMATS[form].parse(payload, Context(tuple(topic.split("/")) if topic else ()))


def one(form: str, message: Any, topic: str = "") -> Record:
    found = say(form, message, topic)
    assert isinstance(found, list), found
    return found[0]


def typed(form: str, fields: dict[str, dict[str, Any]], **more: Any) -> Any:
    return parse({"id": "x", "title": {"vi": "x", "en": "x"}, "format": form, "interval": "1m", "fields": fields, **more}, catalogue())


TEMPERATURE = {"parameter": "air_temp", "unit": "°C"}


# ---------------------------------------------------------------- Tasmota


@pytest.mark.parametrize("words", [b"Online", b"Offline"])
def test_tasmota_last_words_are_controls(words: bytes) -> None:
    assert say("tasmota", words, "tele/x/LWT") == Control(words.decode().lower())


def test_tasmota_state_says_how_it_is_heard() -> None:
    state = {"Time": "2026-03-14T09:00:00", "Uptime": "0T01:00:00", "UptimeSec": 3600, "Wifi": {"RSSI": 100, "Signal": -48}}
    record = one("tasmota", state)
    assert (record.time, record.health) == ("2026-03-14T09:00:00", {"rssi": -48.0})
    kind = typed("tasmota", {"UptimeSec": {"parameter": "uptime", "unit": "s"}}, device={"level": 2}, time={"zone": "Asia/Ho_Chi_Minh"})
    read = kind.decode(json.dumps(state).encode(), ("tele", "node-1", "STATE"))
    assert isinstance(read, Decoded)
    assert (read.device, read.time_ms) == ("node-1", 1_773_453_600_000)
    assert [(value.parameter, value.value) for value in read.values] == [("uptime", 3600), ("rssi", -48.0)]


@pytest.mark.parametrize(("unit", "due"), [("C", 20.0), ("F", -6.666666666666667), ("K", None)])
def test_tasmota_says_its_unit_beside(unit: str, due: float | None) -> None:
    field = {**TEMPERATURE, "unit_at": "TempUnit", "units": {"C": "°C", "F": "°F"}}
    kind = typed("tasmota", {"BME280.Temperature": field}, device={"level": 1})
    read = kind.decode(json.dumps({"BME280": {"Temperature": 20}, "TempUnit": unit}).encode(), ("x",))
    if due is None:
        assert isinstance(read, Rejection)
        assert (read.reason.value, "'K'" in read.detail) == ("wrong-type", True)
    else:
        assert read.values[0].value == pytest.approx(due)


# ---------------------------------------------------------------- Zigbee2MQTT, Home Assistant


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        (b"online", "zigbee2mqtt/x/availability"),
        ({"state": "offline"}, "zigbee2mqtt/x/availability"),
        ({"version": "1"}, "zigbee2mqtt/bridge/info"),
    ],
)
def test_zigbee2mqtt_controls(message: Any, topic: str) -> None:
    assert isinstance(say("zigbee2mqtt", message, topic), Control)


def test_zigbee2mqtt_device_and_last_seen() -> None:
    said = {"temperature": 21, "last_seen": "2026-03-14T09:00:00+07:00", "device": {"ieeeAddr": "0xa4c1"}}
    assert one("zigbee2mqtt", said)[1:3] == ("0xa4c1", "2026-03-14T09:00:00+07:00")
    assert one("zigbee2mqtt", {"temperature": 21, "last_seen": 1_773_453_600_000}).time == 1_773_453_600_000
    assert one("zigbee2mqtt", {"temperature": 21, "last_seen": True}).time is None


@pytest.mark.parametrize("text", ["unknown", "unavailable", "nan", "None", " NaN\n"])
def test_home_assistant_has_words_for_no_value(text: str) -> None:
    kind = typed("home-assistant", {"t": TEMPERATURE}, topic="{device}/sensor/{parameter}/state")
    read = kind.decode(text.encode(), ("n-1", "sensor", "t", "state"))
    assert isinstance(read, Decoded)
    assert (read.values[0].value, read.values[0].flag) == (None, 9)


def test_home_assistant_value_object_and_discovery() -> None:
    kind = typed(
        "home-assistant",
        {"t": TEMPERATURE, "attributes.t": {**TEMPERATURE, "parameter": "device_temp"}},
        topic="{device}/sensor/{parameter}/state",
    )
    assert kind.decode(b"21.5", ("n-1", "sensor", "t", "state")).values[0].value == 21.5
    assert kind.decode(b'{"t":3}', ("n-1", "sensor", "attributes", "state")).extra[0].value == 3
    assert kind.decode(b"21.5", ("n-1", "other")).reason.value == "unknown-topic"
    assert say("home-assistant", {"name": "x"}, "homeassistant/sensor/x/config") == Control("discovery")


# ---------------------------------------------------------------- Shelly


def test_shelly_first_generation_topics() -> None:
    assert one("shelly", b"27.5", "shellies/ht-1/sensor/temperature") == Record({"sensor.temperature": 27.5}, "ht-1")
    assert one("shelly", {"tmp": {"tC": 21}}, "shellies/ht-1/info").device == "ht-1"
    assert isinstance(say("shelly", b"\xff", "shellies/ht-1/sensor/temperature"), Rejection)
    assert isinstance(say("shelly", b"27.5", "other/ht-1/sensor/temperature"), Rejection)


def test_shelly_component_topics_say_who_speaks() -> None:
    assert one("shelly", {"id": 0, "tC": 27.5}, "garden/ht-3/status/temperature:0").device == "ht-3"
    assert one("shelly", {"id": 0, "mac": "AABB"}, "ht-3/status/sys").device == "ht-3"
    assert one("shelly", {"src": "s", "method": "NotifyStatus", "params": {}}, "ht-3/events/rpc").device == "s"


def test_shelly_notifications_and_component_topics() -> None:
    told = {
        "src": "shellyhtg3-1",
        "dst": "x/events",
        "method": "NotifyFullStatus",
        "params": {"ts": 1735694700.5, "temperature:0": {"id": 0, "tC": 19.9}},
    }
    assert one("shelly", told)[:3] == ({"ts": 1735694700.5, "temperature:0.id": 0, "temperature:0.tC": 19.9}, "shellyhtg3-1", 1735694700500)
    assert one("shelly", {"id": 0, "tC": 21.3}, "shellyht-1/status/temperature:0").pairs == {
        "temperature:0.id": 0,
        "temperature:0.tC": 21.3,
    }


@pytest.mark.parametrize(
    "message", [b"true", b"false", {"src": "s", "method": "NotifyEvent", "params": {}}, {"id": 1, "src": "s", "result": {}}]
)
def test_shelly_controls(message: Any) -> None:
    assert isinstance(say("shelly", message), Control)


@pytest.mark.parametrize("stamp", [0, None, 5.01, "x", 1e12])
def test_shelly_with_a_clock_that_was_never_set_has_no_time(stamp: Any) -> None:
    assert one("shelly", {"sys": {"unixtime": stamp}, "temperature:0": {"tC": 1}}).time is None


# ---------------------------------------------------------------- NGSI


def test_ngsi_notifications_hold_several_entities() -> None:
    entities = [{"id": f"urn:x:{n}", "type": "T", "pm25": {"type": "Number", "value": n, "metadata": {}}} for n in range(3)]
    for told in ({"subscriptionId": "s", "data": entities}, {"id": "n", "type": "Notification", "data": entities}, entities):
        found = say("ngsi", told)
        assert isinstance(found, list)
        assert [(record.device, record.pairs["pm25"]) for record in found] == [("urn:x:0", 0), ("urn:x:1", 1), ("urn:x:2", 2)]
    assert isinstance(say("ngsi", {"subscriptionId": "s", "data": []}), Control)


def test_ngsi_ld_property_units_time_and_place() -> None:
    """The example of the Smart Data Models' own documentation, in the shape of Da Nang's first station."""
    entity = {
        "id": "urn:ngsi-ld:AirQualityObserved:danang-ST01", "type": "AirQualityObserved",
        "dateObserved": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-14T02:00:00Z"}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.2208, 16.0678]}},
        "pm25": {"type": "Property", "value": 105.2, "unitCode": "GQ", "observedAt": "2026-03-14T01:59:00Z"},
        "refDevice": {"type": "Relationship", "object": "urn:d:1"}, "@context": ["x"],
    }  # fmt: skip
    record = one("ngsi", entity)
    assert (record.time, record.latitude, record.longitude) == ("2026-03-14T02:00:00Z", 16.0678, 108.2208)
    assert (record.pairs["pm25"], record.pairs["pm25.unitCode"], record.pairs["refDevice"]) == (105.2, "GQ", "urn:d:1")
    del entity["dateObserved"]
    assert one("ngsi", entity).time == "2026-03-14T01:59:00Z"


@pytest.mark.parametrize("message", [{"pm25": 1}, [], [1], {"id": 1, "type": "T"}, [{"id": "a", "type": "T"}, {}]])
def test_ngsi_refuses_what_is_no_entity(message: Any) -> None:
    found = say("ngsi", message)
    assert isinstance(found, Rejection)
    assert found.reason.value == "wrong-shape"


# ---------------------------------------------------------------- names and values, records of an array


def test_nested_json_many_records_of_one_message() -> None:
    kind = typed(
        "nested-json", {"v.t": TEMPERATURE}, options={"each": "data", "shared": ["id"]}, device={"field": "id"}, time={"field": "at"}
    )
    message = {"id": "a", "data": [{"v": {"t": 1}, "at": 1_773_453_600}, {"v": {"t": 2}, "at": 1_773_453_660, "id": "b"}, {"v": {}}]}
    read = kind.decode(json.dumps(message).encode(), ())
    assert [(record.device, record.time_ms, record.values[0].value) for record in read] == [
        ("a", 1_773_453_600_000, 1),
        ("b", 1_773_453_660_000, 2),
    ]
    assert [(field.field, field.reason.value) for field in read[0].refused] == [("record 3", "no-reading")]


def test_a_name_and_value_list_the_first_of_a_name_counts_and_ranks_choose() -> None:
    fields = {
        "s[n=a].v": {"parameter": "pm25", "unit": "µg/m³", "text": True, "rank": 1},
        "s[n=b].v": {"parameter": "pm25", "unit": "µg/m³", "text": True, "rank": 0, "missing": ["-1"]},
    }
    kind = typed("nested-json", fields, device={"level": 1})

    def value(*entries: tuple[str, str]) -> float | None:
        read = kind.decode(json.dumps({"s": [{"n": name, "v": text} for name, text in entries]}).encode(), ("d",))
        assert [each.parameter for each in read.values] == ["pm25"]
        found: float | None = read.values[0].value
        return found

    assert value(("a", "1"), ("b", "2")) == 2
    assert value(("a", "1"), ("a", "9")) == 1
    assert value(("a", "1"), ("b", "-1")) == 1
    assert value(("b", "-1")) is None


def test_a_reading_that_the_message_itself_calls_invalid_is_missing() -> None:
    field = {"parameter": "co2", "unit": "ppm", "only_if": {"sensor.is_valid": True}}
    kind = typed("nested-json", {"sensor.ppm": field}, device={"level": 1})
    for said, due in ((True, 500.0), (False, None)):
        assert kind.decode(json.dumps({"sensor": {"is_valid": said, "ppm": 500}}).encode(), ("d",)).values[0].value == due
    assert kind.decode(b'{"sensor":{"ppm":500}}', ("d",)).values[0].flag == 9


# ---------------------------------------------------------------- one value that a member names


NAMED = {"options": {"name_at": "sensor", "value_at": "value"}, "device": {"field": "node"}, "time": {"field": ["timestamp", "datetime"]}}
NAMED_FIELDS = {"TC": {**TEMPERATURE, "text": True}, "HUM": {"parameter": "rh", "unit": "%", "text": True}}


@pytest.mark.parametrize(
    ("message", "due", "time_ms"),
    [
        ({"node": "n", "sensor": "TC", "value": "25.6", "timestamp": "2018-07-19T11:01:41+03:00"}, {"air_temp": 25.6}, 1_531_987_301_000),
        ({"node": "n", "sensor": "HUM", "value": 60, "datetime": 1_531_987_301, "timestamp": None}, {"rh": 60}, 1_531_987_301_000),
        ({"node": "n", "sensor": "HUM", "value": 60}, {"rh": 60}, None),
    ],
)
def test_a_value_stands_under_the_name_that_the_record_gives_it(message: Any, due: dict[str, float], time_ms: int | None) -> None:
    found = typed("nested-json", NAMED_FIELDS, **NAMED).decode(json.dumps(message).encode(), ())
    assert isinstance(found, Decoded)
    assert {value.parameter: value.value for value in found.values} == due
    assert found.time_ms == time_ms


def test_named_values_of_an_array_are_records_and_a_member_of_that_name_is_left_as_it_is() -> None:
    options = FORMATS["nested-json"].options
    assert options is not None
    chosen = options.model_validate({"each": "all", "shared": ["node"], "name_at": "s", "value_at": "v"})
    rows = [{"s": "a", "v": 1}, {"s": "v", "v": 2}, {"s": 7, "v": 3}, {"s": "b"}, {"v": 4}, {"s": "", "v": 5}]
    found = FORMATS["nested-json"].parse(json.dumps({"node": "n", "all": rows}).encode(), Context(), chosen)
    assert isinstance(found, list)
    assert [record.pairs.get("a") for record in found] == [1, None, None, None, None, None]
    assert [record.pairs.get("v") for record in found] == [1, 2, 3, None, 4, 5]
    for form in ("cbor", "msgpack"):
        assert FORMATS[form].options is options


# ---------------------------------------------------------------- slope and offset beside the value


SCALED = {"co": {"parameter": "co", "unit": "µg/m³", "factor_at": "slope", "offset_at": "zero", "missing": [-999]}}


@pytest.mark.parametrize(
    ("message", "due"),
    [
        ({"co": 444.39, "slope": 1.0574, "zero": -76.2663}, 393.631686),
        ({"co": 444, "slope": 2, "zero": 0}, 888.0),
        ({"co": -999, "slope": 1, "zero": 0}, None),
        ({"co": -999, "slope": None, "zero": None}, None),
        ({"co": None, "slope": 1, "zero": 0}, None),
        ({"co": 1, "slope": None, "zero": 0}, "refused"),
        ({"co": 1, "zero": 0}, "refused"),
        ({"co": 1, "slope": "2", "zero": 0}, "refused"),
        ({"co": 1, "slope": True, "zero": 0}, "refused"),
        ({"co": "1", "slope": 1, "zero": 0}, "refused"),
        ({"co": 1e300, "slope": 1e300, "zero": 0}, "refused"),
        ({"co": 10**400, "slope": 1, "zero": 0}, "refused"),
    ],
)
def test_a_message_may_say_how_its_value_is_corrected(message: Any, due: float | str | None) -> None:
    kind = typed("nested-json", {**SCALED, "rh": {"parameter": "rh", "unit": "%"}}, device={"level": 1})
    found = kind.decode(json.dumps({**message, "rh": 50}).encode(), ("n",))
    assert isinstance(found, Decoded)
    values = {value.parameter: value.value for value in found.values}
    if due == "refused":
        assert [field.field for field in found.refused] == ["co"]
        assert "co" not in values
    else:
        assert values["co"] == pytest.approx(due)


def test_numbers_that_are_texts_are_corrected_by_texts() -> None:
    fields = {"co": {**SCALED["co"], "text": True}}
    found = typed("nested-json", fields, device={"level": 1}).decode(b'{"co":"10","slope":"1.5","zero":"2"}', ("n",))
    assert isinstance(found, Decoded)
    assert found.values[0].value == 17.0


# ---------------------------------------------------------------- units that the format states


@pytest.mark.parametrize(
    ("unit", "value", "due"),
    [("Cel", 25.5, 25.5), ("K", 298.65, 25.5), (None, 25.5, 25.5), ("my unit", 25.5, 25.5), ("degF", 77.9, 25.5)],
)
def test_senml_the_stated_unit_counts_before_the_types(unit: str | None, value: float, due: float) -> None:
    record: dict[str, Any] = {"bn": "n:", "n": "t", "v": value}
    found = typed("senml", {"t": TEMPERATURE}).decode(json.dumps([{**record, "u": unit} if unit else record]).encode(), ())
    assert isinstance(found, Decoded)
    assert found.values[0].value == pytest.approx(due)


def test_senml_ratios_and_units_that_cannot_be() -> None:
    fields = {"h": {"parameter": "rh", "unit": "%"}, "t": TEMPERATURE, "n": {"parameter": "nh4_n", "unit": "mg/L", "basis": "NH4"}}
    pack = [{"bn": "x:", "n": "h", "u": "/", "v": 0.5}, {"n": "t", "u": "m", "v": 20}, {"n": "n", "u": "mg/l", "v": 1}]
    found = typed("senml", fields).decode(json.dumps(pack).encode(), ())
    assert isinstance(found, Decoded)
    values = {value.parameter: value.value for value in (*found.values, *found.extra)}
    assert values == {"rh": 50.0, "nh4_n": pytest.approx(0.7764, abs=1e-3)}
    assert [(field.field, field.detail) for field in found.refused] == [("t", "the message gives its unit as 'm', which cannot be")]
