"""Which type a message is of: encoded LoRaWAN uplinks (`devices.choose`). All else is in test_decode and test_type_options."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from devices.decode import Answer, decode
from devices.device_type import parse_all
from devices.loader import catalogue, shipped_types

TYPES = parse_all(list(shipped_types().values()), catalogue())
EUI = "0011223344556677"
ELSYS = "0100e202290400270506060308070d62"
AM319 = "0367ee0004687c05000106cb02077da803087d2500097366270a7d04000b7d20000c7d3000"
EM400 = "01755c0367010104824408050000"
CTD10 = "0207d9000390888081006400000c60"
VICKI = "4400e35200b98112929f4edede11f030"


def ask(raw: str, port: int = 1, types: Any = TYPES, eui: str = EUI, **more: Any) -> Answer:
    """In a ChirpStack v4 event."""
    info = {"devEui": eui, **more.pop("info", {})}
    event = {"deviceInfo": info, "fPort": port, "data": base64.b64encode(bytes.fromhex(raw)).decode(), **more}
    return decode(types, catalogue(), type_id="auto", payload=json.dumps(event).encode(), received_ms=0)


def test_bytes_with_a_signature_need_no_name() -> None:
    answer = ask(AM319, 85)
    assert answer.type == "milesight-am319"
    assert "its layout accounts for all 37 bytes" in answer.why
    assert "port 85 is the maker's" in answer.why


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        ({"info": {"deviceProfileName": "Elsys ERS2 CO2"}}, "deviceProfileName is 'Elsys ERS2 CO2'"),
        ({"info": {"deviceName": "ers2-co2-roof"}}, "deviceName is 'ers2-co2-roof'"),
        ({"info": {"tags": {"kind": "ERS2-CO2"}}}, "kind is 'ERS2-CO2'"),
    ],
)
def test_the_name_in_the_envelope_decides_between_types_of_one_layout(envelope: dict[str, Any], why: str) -> None:
    answer = ask(ELSYS, 5, **envelope)
    assert answer.type == "elsys-ers2-co2"
    assert why in answer.why


def test_the_profile_counts_before_the_devices_name() -> None:
    assert ask(EM400, 85, info={"deviceProfileName": "EM400-TLD", "deviceName": "was EM400-MUD"}).type == "milesight-em400-tld"


def test_the_things_stacks_version_ids() -> None:
    up = {"f_port": 5, "frm_payload": base64.b64encode(bytes.fromhex(ELSYS)).decode(), "version_ids": {"brand_id": "elsys"}}
    message: dict[str, Any] = {"end_device_ids": {"device_id": "x", "dev_eui": EUI}, "uplink_message": up}
    for model, due in (("ers2-co2", "elsys-ers2-co2"), ("ers-co2", "elsys-ers-co2"), ("erseye", None)):
        up["version_ids"]["model_id"] = model
        answer = decode(TYPES, catalogue(), type_id="auto", payload=json.dumps(message).encode(), received_ms=0)
        assert answer.type == due
    assert answer.rows == [
        {
            "reason": "no-reading",
            "detail": "model_id is 'erseye', and no known type is that product: add one (its maker's codec can be dropped in)",
        }
    ]


def test_thingparks_driver() -> None:
    report = {"DevEUI": EUI, "FPort": 1, "payload_hex": CTD10, "DriverCfg": {"mod": {"pId": "dl", "mId": "dl-ctd10b"}}}
    answer = decode(TYPES, catalogue(), type_id="auto", payload=json.dumps({"DevEUI_uplink": report}).encode(), received_ms=0)
    assert answer.type == "decentlab-dl-ctd10b"


def test_the_eui_tells_makers_apart() -> None:
    assert ask("cc5609c001ec01096c7fff", 2).type is None
    answer = ask("cc5609c001ec01096c7fff", 2, eui="a84041f621857cd2")
    assert "dragino-lht65n-ne117 and dragino-lht65n fit equally" in answer.why


@pytest.mark.parametrize(
    ("raw", "port", "these"),
    [
        (ELSYS, 5, ["elsys-ers-co2", "elsys-ers2-co2"]),
        (EM400, 85, ["milesight-em400-mud", "milesight-em400-tld"]),
        (CTD10, 1, ["decentlab-dl-ctd10", "decentlab-dl-ctd10b"]),
        ("0207d900020c60", 1, ["decentlab-dl-ctd10", "decentlab-dl-tbrg"]),
    ],
)
def test_types_that_fit_equally_are_named(raw: str, port: int, these: list[str]) -> None:
    answer = ask(raw, port)
    assert not answer.ok
    assert "fit equally" in answer.rows[0]["detail"]
    assert all(name in answer.rows[0]["detail"] for name in these)


def test_of_types_that_read_the_same_it_is_the_one_that_lacks_nothing() -> None:
    """An AM104's message holds all that an AM104 says, and half of what an AM107 does."""
    assert ask("01756403671001046871056a490006651c0079001400", 85).type == "milesight-am104"


def test_a_payload_that_fits_by_accident_is_not_taken_for_anything() -> None:
    answer = ask(VICKI, 2, info={"deviceProfileName": "MClimate Vicki"}, object={"SensorTemperature": 23.06, "RelativeHumidity": 30.47})
    assert answer.type is None
    assert "deviceProfileName is 'MClimate Vicki', which no known type is" in answer.rows[0]["detail"]
    assert "fit no type better than chance" in answer.rows[0]["detail"]


def test_a_name_is_not_believed_when_what_it_leads_to_cannot_be() -> None:
    """As in ThingsBoard's own example, where a rain gauge's profile carries a water probe's bytes: 3,700 mm of rain."""
    answer = ask(CTD10, 1, info={"deviceProfileName": "DL-TBRG"})
    assert answer.type is None
    assert "decentlab-dl-tbrg reads in it what cannot be, and decentlab-dl-ctd10" in answer.rows[0]["detail"]


def test_a_product_that_is_named_but_cannot_read_it_is_the_answer() -> None:
    answer = ask("ff00ff", 1, info={"deviceProfileName": "Decentlab DL-PM"})
    assert answer.rows[0]["reason"] == "codec-failed"
    assert "deviceProfileName is 'Decentlab DL-PM', but decentlab-dl-pm cannot read it: protocol_version is 255" in answer.rows[0]["detail"]


def test_a_makers_codec_that_was_dropped_in_is_known_by_its_name() -> None:
    own = {
        "id": "acme-x1",
        "title": {"vi": "x", "en": "x"},
        "maker": "Acme",
        "product": "X1",
        "format": "lorawan",
        "codec": {"javascript": {"file": "a.js", "source": "function decodeUplink(i){return {data:{t:(i.bytes[0]<<8|i.bytes[1])/10}}}"}},
        "interval": "10m",
        "fields": {"t": {"parameter": "air_temp", "unit": "°C"}},
    }
    types = {**TYPES, **parse_all([own], catalogue())}
    assert ask("00e1", 2, types, info={"deviceProfileName": "Acme X1 rev B"}).type == "acme-x1"
    assert ask("00e1", 2, types).type is None


def test_a_named_types_control_message_is_not_another_types_reading() -> None:
    """Four bytes on port 5 are an LHT65N's status; a TABS TBHH100 would read them as a climate."""
    answer = ask("0bb80101", 5, info={"deviceName": "lht65n-1"})
    assert answer.rows == [{"reason": "no-reading", "detail": "a control message (device status), without readings"}]
    assert answer.why == "dragino-lht65n reads it as a control message"


def test_a_status_event_is_its_named_types() -> None:
    event = {"deviceInfo": {"devEui": EUI, "deviceProfileName": "AM319"}, "batteryLevel": 75.5}
    answer = decode(TYPES, catalogue(), type_id="auto", payload=json.dumps(event).encode(), received_ms=0)
    assert (answer.type, answer.rows[0]["parameter"]) == ("milesight-am319", "battery")
    event["deviceInfo"] = {"devEui": EUI}
    refused = decode(TYPES, catalogue(), type_id="auto", payload=json.dumps(event).encode(), received_ms=0).rows[0]["detail"]
    assert "more fit equally" in refused
