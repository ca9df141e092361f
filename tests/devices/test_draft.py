"""`envgw types new`: a type begun from one message loads, and reads that message as its example says."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.device_type import DeviceType, parse
from devices.draft import CannotDraft, draft
from devices.examples import check_example, payload_of
from devices.loader import catalogue
from devices.names import guess
from devices.units import conversion
from gateway.config import yamlfile
from tests.devices.building import NOON


def begun(payload: bytes, topic: str = "sensors/air/x-1", format_: str = "auto") -> tuple[dict[str, Any], DeviceType, str]:
    """The type as data, compiled, and its text; loaded as the gateway loads it, its example green."""
    text = draft(payload, type_id="my-node", topic=topic, received_ms=NOON, format_=format_, catalogue=catalogue())
    document = yamlfile.parse(text, "my-node.yaml")
    assert document.problems == [], text
    kind = parse(document.data, catalogue())
    assert [check_example(kind, example) for example in kind.examples] == [[]], text
    assert payload_of(kind.examples[0]) == payload
    return document.data, kind, text


def fields(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {path: (field["parameter"], field["unit"]) for path, field in data["fields"].items()}


def test_flat_json_that_no_type_knows() -> None:
    message = {"sn": "AQ-77", "ts": 1773453600, "fw": "1.2", "mode": "eco"} | {
        "pm2_5": 12.5,
        "pm10_0": 20,
        "tempC": 29.5,
        "hum": 71,
        "no2_ppb": 8,
    }
    data, _, text = begun(json.dumps(message).encode())
    assert data["format"] == "flat-json"
    assert data["device"] == {"field": "sn"}
    assert data["time"] == {"field": "ts"}
    assert fields(data) == {
        "pm2_5": ("pm25", "µg/m³"),
        "pm10_0": ("pm10", "µg/m³"),
        "tempC": ("air_temp", "°C"),
        "hum": ("rh", "%"),
        "no2_ppb": ("no2", "ppb"),
    }
    assert "# fw: {parameter: …, unit: …}  # 1.2: which parameter?" in text
    assert "# mode: {parameter: …, unit: …}  # eco: not a number" in text
    assert data["examples"][0]["time"] == "2026-03-14T02:00:00Z"


def test_a_list_of_names_and_values_goes_by_the_names() -> None:
    values = [
        {"value_type": "SDS_P1", "value": "20.1"},
        {"value_type": "SDS_P2", "value": "12.5"},
        {"value_type": "humidity", "value": "70"},
    ]
    data, _, _ = begun(json.dumps({"esp8266id": "1234", "sensordatavalues": values}).encode())
    assert data["format"] == "nested-json"
    assert data["device"] == {"field": "esp8266id"}
    assert fields(data) == {
        "sensordatavalues[value_type=SDS_P1].value": ("pm10", "µg/m³"),
        "sensordatavalues[value_type=SDS_P2].value": ("pm25", "µg/m³"),
        "sensordatavalues[value_type=humidity].value": ("rh", "%"),
    }
    assert all(field["text"] for field in data["fields"].values())
    assert data["examples"][0]["readings"] == {"pm10": 20.1, "pm25": 12.5, "rh": 70.0}


@pytest.mark.parametrize(
    "message",
    [
        {"sensor": "temperature", "value": "25.6", "node": "n-1", "ts": 1773453600},
        {"name": "temperature", "val": 25.6, "node": "n-1", "ts": 1773453600},
        [{"node": "n-1", "ts": 1773453600, "type": "temperature", "V": 25.6, "unit": "C"}, {"node": "n-1", "type": "rh", "V": 50}],
    ],
)
def test_a_record_that_names_its_one_value(message: Any) -> None:
    data, _, text = begun(json.dumps(message).encode())
    assert data["format"] == "nested-json"
    assert set(data["options"]) == {"name_at", "value_at"}
    assert fields(data) == {"temperature": ("air_temp", "°C")}
    assert data["device"] == {"field": "node"}
    assert "add a field for each name" in text


def test_a_record_with_names_that_say_nothing_is_read_member_by_member() -> None:
    data, _, _ = begun(b'{"sensor": "A1", "value": 7.1, "node": "n-1", "ph": 7.2}')
    assert "options" not in data
    assert "ph" in fields(data)


def test_nested_json_with_local_time_and_the_device_in_the_topic() -> None:
    message = {"Time": "2026-03-14T09:00:00", "SDS0X1": {"PM2.5": 3.4, "PM10": 9}, "BME280": {"Temperature": 31.5, "Pressure": 100812}}
    data, _, text = begun(json.dumps(message).encode(), "tele/roof-7/SENSOR")
    assert data["device"] == {"level": 2}
    assert data["time"] == {"field": "Time", "zone": "Asia/Ho_Chi_Minh"}
    assert "is this the right one?" in text
    assert fields(data) == {
        "SDS0X1.PM2.5": ("pm25", "µg/m³"),
        "SDS0X1.PM10": ("pm10", "µg/m³"),
        "BME280.Temperature": ("air_temp", "°C"),
        "BME280.Pressure": ("pressure", "Pa"),
    }
    assert data["examples"][0]["readings"]["pressure"] == pytest.approx(1008.12)


def test_a_network_server_says_device_and_time_itself() -> None:
    message = {
        "end_device_ids": {"device_id": "river-1", "dev_eui": "70B3D57ED0000001", "application_ids": {"application_id": "a"}},
        "received_at": "2026-03-14T02:00:01Z",
        "uplink_message": {"f_port": 2, "frm_payload": "AQ==", "decoded_payload": {"water_temp": 21.5, "pH": 7.2, "DO": 6.1, "BatV": 3.6}},
    }
    data, _, _ = begun(json.dumps(message).encode())
    assert data["format"] == "ttn-v3"
    assert "device" not in data
    assert "time" not in data
    assert {field["parameter"] for field in data["fields"].values()} == {"water_temp", "ph", "do", "battery_voltage"}
    del message["uplink_message"]["decoded_payload"]  # type: ignore[attr-defined]
    with pytest.raises(CannotDraft, match="still encoded"):
        begun(json.dumps(message).encode())


def test_one_value_a_topic() -> None:
    data, _, _ = begun(b"23.5", "sensors/roof/temperature")
    assert (data["format"], data["key"], data["device"]) == ("plain-value", 3, {"level": 2})
    assert fields(data) == {"temperature": ("air_temp", "°C")}
    with pytest.raises(CannotDraft, match="--topic"):
        begun(b"23.5", "")


@pytest.mark.parametrize(
    ("payload", "format_", "expected"),
    [
        (b"air,device=x7 pm25=3.5,temp=20 1773453600000000000", "line-protocol", {"pm25", "air_temp"}),
        (
            b"PASSKEY=AB12&dateutc=2026-03-14+02:00:00&tempf=86.0&humidity=70&baromrelin=29.92&pm25_ch1=12",
            "form",
            {"air_temp", "rh", "pressure"},
        ),
        (bytes.fromhex("a2626964637831326470 6d3235fb4029000000000000".replace(" ", "")), "cbor", {"pm25"}),
        (bytes.fromhex("82a26964a3783132a4706d3235cb4029000000000000"), "msgpack", {"pm25"}),
        (b'[{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1773453600,"n":"temperature","u":"Cel","v":25.5}]', "senml", {"air_temp"}),
    ],
)
def test_other_formats(payload: bytes, format_: str, expected: set[str]) -> None:
    data, _, _ = begun(payload)
    assert data["format"] == format_
    assert expected <= {field["parameter"] for field in data["fields"].values()}


def test_a_message_whose_names_say_nothing_loads_and_says_so() -> None:
    data, _, text = begun(b'{"id": "x", "zz1": 23.5, "zz2": 4}')
    assert list(data["fields"]) == ["zz1"]
    assert "CHANGE THIS" in text
    assert "# zz2" in text


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "empty"),
        (b'{"id": "x", "state": "on"}', "no number"),
        (b"\xff\x00\x01", "codec"),
        (b'{"a": 1', "no format reads"),
    ],
)
def test_what_cannot_be_begun(payload: bytes, says: str) -> None:
    with pytest.raises(CannotDraft, match=says):
        begun(payload)


def test_a_format_that_is_not_there() -> None:
    with pytest.raises(CannotDraft, match="flat-json"):
        begun(b"{}", format_="flatjson")


@pytest.mark.parametrize(
    ("name", "value", "parameter", "unit"),
    [
        ("pm2_5", 1, "pm25", "µg/m³"),
        ("PM2.5", 1, "pm25", "µg/m³"),
        ("pm25_value", 1, "pm25", "µg/m³"),
        ("tempf", 80, "air_temp", "°F"),
        ("temp_c", 20, "air_temp", "°C"),
        ("outdoorTemperature", 20, "air_temp", "°C"),
        ("water_temperature", 20, "water_temp", "°C"),
        ("O3_ppb", 20, "o3", "ppb"),
        ("batt_mV", 3600, "battery_voltage", "mV"),
        ("vbat", 3.6, "battery_voltage", "V"),
        ("windspeedmph", 3, "wind_speed", "mph"),
        ("EC", 400, "ec", "µS/cm"),
        ("uv", 3, "uvi", catalogue()["uvi"].unit),
    ],
)
def test_names(name: str, value: float, parameter: str, unit: str) -> None:
    assert guess(name, value, catalogue()) == (parameter, unit)


def test_every_parameter_by_its_own_name_has_a_unit_that_a_type_takes() -> None:
    known = catalogue()
    for name, parameter in known.items():
        meant = guess(name, parameter.plausible[0], known)
        if meant is not None:
            conversion(meant.unit, known[meant.parameter])


@pytest.mark.parametrize("name", ["", "count", "fw_version", "error", "x", "seq"])
def test_names_that_say_nothing(name: str) -> None:
    assert guess(name, 1.0, catalogue()) is None


_NAMES = st.one_of(
    st.sampled_from(["id", "time", "temp", "pm2_5", "a.b", 'q"', "x: y", "#", "n", "v", "", "ồ", "\u2028", "no"]), st.text(max_size=8)
)
_VALUES = st.recursive(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**12), 10**12), st.text(max_size=10), st.none(), st.booleans()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=8,
)


@given(st.one_of(st.dictionaries(_NAMES, _VALUES, max_size=6).map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)))
@example(b'{"id": "0\\u001f"}')
def test_whatever_the_message_a_type_that_loads_or_a_reason(payload: bytes) -> None:
    with contextlib.suppress(CannotDraft):
        begun(payload, "a/b-1/c")
