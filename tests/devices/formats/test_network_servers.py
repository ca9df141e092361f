"""Envelopes of LoRaWAN network servers: who, when, what, and how it was heard; control messages; the fast ways."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.decoder import Decode, Decoded
from devices.device_type import parse
from devices.formats import FORMATS, Context, Control, Record
from devices.formats.chirpstack_v3 import eui
from devices.loader import catalogue
from devices.rejection import Rejection
from tests.devices.formats.costs import mutations

PAYLOADS = Path(__file__).parents[2] / "data/payloads"
EUI = "24e124136b502217"


def say(form: str, message: Any) -> list[Record] | Control | Rejection:
    return FORMATS[form].parse(message if isinstance(message, bytes) else json.dumps(message).encode(), Context())


def one(form: str, message: Any) -> Record:
    found = say(form, message)
    assert isinstance(found, list), found
    (record,) = found
    return record


def ttn(**up: Any) -> dict[str, Any]:
    return {"end_device_ids": {"device_id": "d-1", "dev_eui": EUI.upper()}, "received_at": "2026-03-14T02:00:01Z", "uplink_message": up}


def v4(**event: Any) -> dict[str, Any]:
    return {"deviceInfo": {"devEui": EUI, "deviceName": "x"}, "time": "2026-03-14T02:00:00Z", **event}


def v3(**event: Any) -> dict[str, Any]:
    return {"applicationID": "1", "devEUI": EUI, "fPort": 85, **event}


# ---------------------------------------------------------------- The Things Stack


@pytest.mark.parametrize("wrapper", ["result", "data"])
def test_ttn_answers_of_the_storage_and_events_hold_the_message(wrapper: str) -> None:
    message = ttn(f_port=2, frm_payload="AQI=", received_at="2026-03-14T02:00:00Z")
    assert one("ttn-v3", {"name": "as.up.data.forward", wrapper: message}) == one("ttn-v3", message)


def test_ttn_takes_the_network_clock_the_best_gateway_and_the_devices_place() -> None:
    heard = [{"rssi": -100, "snr": 3}, {"rssi": -40.5, "snr": 9.5}, {"snr": 1}, {}, {"rssi": "?"}]
    places = {"frm-payload": {"latitude": 1, "longitude": 2}, "user": {"latitude": 16.06, "longitude": 108.22}}
    record = one("ttn-v3", ttn(f_port=2, frm_payload="AQI=", received_at="2026-03-14T02:00:00Z", rx_metadata=heard, locations=places))
    assert record == Record({}, EUI.upper(), "2026-03-14T02:00:00Z", b"\x01\x02", 2, {"rssi": -40.5, "snr": 9.5}, 16.06, 108.22)


def test_ttn_without_an_eui_is_known_by_its_device_id_and_without_a_time_by_the_outer_one() -> None:
    message = ttn(decoded_payload={"t": 1})
    del message["end_device_ids"]["dev_eui"]
    assert one("ttn-v3", message)[:3] == ({"t": 1}, "d-1", "2026-03-14T02:00:01Z")


@pytest.mark.parametrize("kind", ["join_accept", "downlink_ack", "location_solved", "service_data"])
def test_ttn_other_messages_are_controls(kind: str) -> None:
    message = {key: value for key, value in ttn().items() if key != "uplink_message"} | {kind: {}}
    assert say("ttn-v3", message) == Control(kind, EUI.upper())


def test_an_uplink_of_the_network_alone_is_a_control() -> None:
    assert say("ttn-v3", ttn(f_cnt=7)) == Control("uplink without application payload", EUI.upper())
    assert say("chirpstack-v4", v4(data="", fPort=0)) == Control("uplink without application payload", EUI)


def test_a_payload_that_is_no_base64_counts_only_where_nothing_else_is_there() -> None:
    assert one("ttn-v3", ttn(frm_payload="?", decoded_payload={"t": 1}))[:5] == ({"t": 1}, EUI.upper(), "2026-03-14T02:00:01Z", None, None)
    found = say("ttn-v3", ttn(frm_payload="?"))
    assert isinstance(found, Rejection)
    assert found.reason.value == "codec-failed"


@pytest.mark.parametrize("places", [{}, {"user": {"latitude": 16.06, "longitude": 108.22}}])
def test_of_two_equal_keys_in_an_envelope_the_last_one_counts_with_a_place_or_without(places: Any) -> None:
    text = json.dumps(ttn(decoded_payload={"t": 1}, f_port=2, locations=places)).replace('"f_port": 2', '"f_port": 1, "f_port": 2').encode()
    assert one("ttn-v3", text).port == 2
    assert FAST["ttn-v3"](text, ()) == GENERAL["ttn-v3"](text, ())
    assert FAST["ttn-v3"](text, ()).place == ((16.06, 108.22) if places else None)


def test_a_key_twice_in_what_the_sensor_says_is_refused() -> None:
    text = json.dumps(ttn(decoded_payload={"t": 1})).replace('{"t": 1}', '{"t": 1, "t": 2}').encode()
    found = say("ttn-v3", text)
    assert isinstance(found, Rejection)
    assert found.reason.value == "duplicate-key"


# ---------------------------------------------------------------- ChirpStack


def test_chirpstack_status_is_the_battery() -> None:
    assert one("chirpstack-v4", v4(margin=10, batteryLevel=82.5)).health == {"battery": 82.5}
    assert isinstance(say("chirpstack-v4", v4(batteryLevel=0, externalPowerSource=True)), Control)
    assert isinstance(say("chirpstack-v4", v4(batteryLevel=0, batteryLevelUnavailable=True)), Control)
    kind = typed("chirpstack-v4")
    read = kind.decode(json.dumps(v4(batteryLevel=82.5)).encode(), ())
    assert [(value.parameter, value.value) for value in (*read.values, *read.extra)] == [("battery", 82.5)]


def test_chirpstack_v3_writes_euis_in_base64() -> None:
    assert eui("JOEkE2tQIhc=") == EUI
    assert eui(EUI.upper()) == EUI
    assert eui("sensor-1") == "sensor-1"
    assert eui(7) is None


def test_chirpstack_v3_object_as_text_and_the_gateways_time() -> None:
    record = one(
        "chirpstack-v3", v3(objectJSON='{"t":1.5}', data="AQI=", rxInfo=[{"rssi": -51, "loRaSNR": 13.8, "time": "2022-12-27T07:21:27Z"}])
    )
    assert record[:6] == ({"t": 1.5}, EUI, "2022-12-27T07:21:27Z", b"\x01\x02", 85, {"rssi": -51.0, "snr": 13.8})


# Published by Milesight on its support page "How to use payload codec on Milesight gateway".
MILESIGHT = b'{"applicationID":"1","applicationName":"cloud","data":"A2fqAARoTwUAAA==","devEUI":"24e124136b502217","deviceName":"EM300-TH","fCnt":128,"fPort":85,"rxInfo":[{"altitude":0,"latitude":0,"loRaSNR":13.8,"longitude":0,"mac":"24e124fffef54092","name":"Local Gateway","rssi":-51,"time":"2022-12-27T07:21:27.078763Z"}],"time":"2022-12-27T07:21:27.078763Z","txInfo":{"adr":true,"codeRate":"4/5","frequency":868100000},"metadata":{"mqtt_topic":"/mqtttest"}}'  # noqa: E501


def test_milesight_gateway_raw_and_decoded() -> None:
    raw = bytes.fromhex("0367ea0004684f050000")
    assert one("milesight-gateway", MILESIGHT)[:5] == ({}, EUI, "2022-12-27T07:21:27.078763Z", raw, 85)
    beside = json.loads(MILESIGHT) | {"temperature": 23.4, "humidity": 39.5}
    assert one("milesight-gateway", beside).pairs == {"temperature": 23.4, "humidity": 39.5}
    assert one("milesight-gateway", beside | {"object": {"temperature": 1}}).pairs == {"temperature": 1}


# ---------------------------------------------------------------- LORIOT, ThingPark


def test_loriot() -> None:
    gateways = [{"rssi": -90, "snr": 5}, {"rssi": -119, "snr": -15}]
    record = one("loriot", {"cmd": "gw", "EUI": EUI, "ts": 1_501_064_048_945, "port": 1, "data": "0102", "gws": gateways})
    assert record[:6] == ({}, EUI, 1_501_064_048_945, b"\x01\x02", 1, {"rssi": -90.0, "snr": 5.0})
    assert one("loriot", {"cmd": "rx", "EUI": EUI, "decoded": {"data": {"t": 1}}}).pairs == {"t": 1}
    assert say("loriot", {"cmd": "txd", "EUI": EUI}) == Control("txd", EUI)


def test_thingpark_with_numbers_as_text() -> None:
    up = {"DevEUI": EUI, "Time": "2026-03-14T02:00:00.5+07:00", "FPort": "2", "payload_hex": "0A", "LrrRSSI": "-114.0", "LrrSNR": "4.75"}
    record = one("thingpark", {"DevEUI_uplink": up})
    assert record[:6] == ({}, EUI, "2026-03-14T02:00:00.5+07:00", b"\n", 2, {"rssi": -114.0, "snr": 4.75})
    assert say("thingpark", {"DevEUI_location": {"DevEUI": EUI}}) == Control("DevEUI_location", EUI)


@pytest.mark.parametrize("form", ["ttn-v3", "chirpstack-v4", "chirpstack-v3", "loriot", "thingpark", "milesight-gateway"])
def test_another_message_is_of_the_wrong_shape(form: str) -> None:
    found = say(form, {"device": "x", "pm25": 1})
    assert isinstance(found, Rejection)
    assert found.reason.value == "wrong-shape"


# ---------------------------------------------------------------- types of several servers, the fast ways


def typed(form: Any, **more: Any) -> Any:
    fields = {"t": {"parameter": "air_temp", "unit": "°C"}, "n.h": {"parameter": "rh", "unit": "%"}}
    data = {"id": "x", "title": {"vi": "x", "en": "x"}, "format": form, "interval": "10m", "fields": fields, **more}
    return parse(data, catalogue())


def test_one_type_reads_the_messages_of_all_servers() -> None:
    kind = typed("lorawan")
    body = {"t": 21.5}
    for message in (
        ttn(decoded_payload=body),
        v4(object=body),
        v3(object=body),
        json.loads(MILESIGHT) | body,
        {"cmd": "rx", "EUI": EUI, "decoded": body},
        {"DevEUI_uplink": {"DevEUI": EUI, "payload": body}},
    ):
        read = kind.decode(json.dumps(message).encode(), ())
        assert isinstance(read, Decoded), (message, read)
        assert read.values[0].value == 21.5
        assert read.device.lower() == EUI


def test_a_message_of_none_of_them_says_so() -> None:
    found = typed("lorawan").decode(b'{"t":1}', ())
    assert isinstance(found, Rejection)
    assert found.reason.value == "wrong-shape"


def test_a_payload_that_is_still_encoded_needs_a_codec() -> None:
    found = typed("lorawan").decode(MILESIGHT, ())
    assert isinstance(found, Rejection)
    assert (found.reason.value, found.device) == ("codec-failed", EUI)
    codec = {"binary": {"steps": [{"skip": 2}, {"name": "t", "type": "i16", "endian": "little", "scale": 0.1}, {"skip": 6}]}}
    read = typed("lorawan", codec=codec).decode(MILESIGHT, ())
    assert [(value.parameter, value.value) for value in (*read.values, *read.extra)] == [("air_temp", 23.4), ("rssi", -51.0), ("snr", 13.8)]


HEARD = st.lists(
    st.fixed_dictionaries({}, optional={"rssi": st.sampled_from([-40, -90.5, 99, None]), "snr": st.sampled_from([9.5, -3])}), max_size=3
)
BODY = st.dictionaries(
    st.sampled_from(["t", "n", "x"]), st.one_of(st.floats(-50, 150), st.none(), st.text(max_size=3), st.just({"h": 5})), max_size=3
)
TIMES = st.sampled_from(["2026-03-14T02:00:00.123456789Z", "soon", "", None])
PLACES = st.sampled_from(
    [
        None,
        {},
        {"user": {"latitude": 16.06, "longitude": 108.22}},
        {"user": {"latitude": 0, "longitude": 0}},
        {"user": {}, "frm-payload": {"latitude": 16, "longitude": 108}},
        {"x": {"latitude": 95.5, "longitude": 0.0, "altitude": 3}},
        {"user": {"latitude": "16.06", "longitude": 108.22}},
        [],
    ]
)


def published(stem: str, body: Any) -> bytes:
    """A published envelope with something decoded in it, as compact as a server sends it."""
    message = json.loads(json.loads((PAYLOADS / f"{stem}.json").read_text())["payload_raw"])
    message.get("uplink_message", message).update(body)
    return json.dumps(message, separators=(",", ":")).encode()


VALID = [
    json.dumps(ttn(decoded_payload={"t": 1.5}, rx_metadata=[{"rssi": -1, "snr": 2}])).encode(),
    json.dumps(v4(object={"t": 1.5}, rxInfo=[{"rssi": -1, "snr": 2}])).encode(),
    published("dc_decentlab_dl-pm_thingsstackcommunity", {"decoded_payload": {"t": 1.5, "n": {"h": 50}}}),
    published(
        "dc_milesight_am319_thingsstackcommunity",
        {"decoded_payload": {"t": 21}, "locations": {"user": {"latitude": 16.1, "longitude": 108}}},
    ),
    published("dc_milesight_am319_chirpstack", {"object": {"t": 1.5, "x": "y", "n": {"h": 50.0}}}),
    published("dc_elsys_ers2_co2_chirpstack", {"object": {"n": None, "t": -40.0}}),
]


@given(
    body=BODY, heard=HEARD, time=TIMES, device=st.sampled_from([EUI, "", None]), port=st.sampled_from([1, None, 300, "2"]), places=PLACES
)
@example(body={"t": None}, heard=[{}], time="", device=EUI, port=1, places=None)
def test_the_fast_ways_read_what_the_general_way_reads(body: Any, heard: Any, time: Any, device: Any, port: Any, places: Any) -> None:
    up = {"decoded_payload": body, "rx_metadata": heard, "received_at": time, "f_port": port, "locations": places}
    for form, message in (
        ("ttn-v3", {"end_device_ids": {"dev_eui": device}, "uplink_message": up}),
        ("chirpstack-v4", {"deviceInfo": {"devEui": device}, "object": body, "rxInfo": heard, "time": time, "fPort": port}),
    ):
        payload = json.dumps(message).encode()
        same(form, payload)


@pytest.mark.parametrize(
    ("form", "payload"), [("ttn-v3", VALID[at]) for at in (0, 2, 3)] + [("chirpstack-v4", VALID[at]) for at in (1, 4, 5)]
)
def test_published_envelopes_go_the_fast_way(form: str, payload: bytes) -> None:
    quick = FORMATS[form].quick
    assert quick is not None
    assert quick(payload) is not None
    same(form, payload)


@given(st.sampled_from(["ttn-v3", "chirpstack-v4"]), mutations(VALID))
def test_the_fast_ways_agree_on_damaged_messages_too(form: str, payload: bytes) -> None:
    same(form, payload)


def general(form: str) -> Decode:
    """As if the format had no fast way."""
    with patch.dict(FORMATS, {form: replace(FORMATS[form], quick=None)}):
        decode: Decode = typed(form).decode
        return decode


FAST = {form: typed(form).decode for form in ("ttn-v3", "chirpstack-v4")}
GENERAL = {form: general(form) for form in FAST}


def same(form: str, payload: bytes) -> None:
    """What each says must be the same."""
    assert FAST[form](payload, ()) == GENERAL[form](payload, ()), payload


def test_a_status_events_battery_counts_though_a_field_gives_it_in_uplinks() -> None:
    field = {"battery": {"parameter": "battery", "unit": "%"}, "t": {"parameter": "air_temp", "unit": "°C"}}
    kind = parse({"id": "x", "title": {"vi": "x", "en": "x"}, "format": "lorawan", "interval": "1m", "fields": field}, catalogue())
    status = kind.decode(json.dumps(v4(batteryLevel=75.5, margin=7)).encode(), ())
    assert isinstance(status, Decoded)
    assert [(value.parameter, value.value) for value in (*status.values, *status.extra)] == [("battery", 75.5)]
    both = kind.decode(json.dumps(v4(object={"t": 21.5, "battery": 60})).encode(), ())
    assert isinstance(both, Decoded)
    assert [(value.parameter, value.value) for value in both.extra] == [("battery", 60.0)]
