"""Published messages of sensors and network servers, one test a message, named after its source.

Each is read twice: path by path against an independent walk over its JSON, and as readings by a device type. What their
sources say wrongly is said here in words (`WRONG`). Messages that nobody may redistribute are not in this repository: those
tests are collected only where the folder that `ENVGW_PAYLOADS` names (default: `shared/payloads` beside the repository) has them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devices.decoder import Decoded
from devices.device_type import parse_all
from devices.formats import FORMATS, Control
from devices.formats.base import Context
from devices.loader import catalogue, shipped_types
from devices.rejection import Rejection
from devices.times import format_instant
from tests.devices.payload_cases import CASES, WRONG

ROOT = Path(__file__).parents[2]
OURS = ROOT / "tests" / "data" / "payloads"
THEIRS = Path(os.environ.get("ENVGW_PAYLOADS", ROOT.parent / "shared" / "payloads"))

FILES = {path.stem: path for path in sorted(THEIRS.glob("*/*.json"))} | {path.stem: path for path in sorted(OURS.glob("*.json"))}
TYPES = parse_all(list(shipped_types().values()), catalogue())


FORMAT_OF = {
    "airgradient": "nested-json",
    "airrohr": "nested-json",
    "chirpstack-v4": "chirpstack-v4",
    "fiware-ngsi": "ngsi",
    "loriot": "loriot",
    "shelly": "shelly",
    "tasmota": "tasmota",
    "the-things-stack-v3": "ttn-v3",
    "thingpark": "thingpark",
    "zigbee2mqtt": "zigbee2mqtt",
    "ha-mqtt-discovery": "home-assistant",
}
PRESENT = [name for name in CASES if name in FILES]


def message(name: str) -> tuple[dict[str, Any], bytes, tuple[str, ...]]:
    data = json.loads(FILES[name].read_text("utf-8"))
    topic = CASES[name].get("topic") or data.get("topic") or ""
    return data, data["payload_raw"].encode(), tuple(topic.split("/")) if topic else ()


@pytest.mark.parametrize("name", PRESENT)
def test_readings(name: str) -> None:
    case = CASES[name]
    _, payload, levels = message(name)
    if "type" not in case:
        assert isinstance(FORMATS[case["format"]].parse(payload, Context(levels)), Control)
        return
    kind = TYPES[case["type"]] if isinstance(case["type"], str) else case["type"]
    found = kind.decode(payload, levels)
    if case.get("control"):
        assert isinstance(found, Control)
        assert found.device == case["device"]
        return
    if "rejected" in case:
        assert isinstance(found, Rejection)
        assert (found.reason.value, found.device) == (case["rejected"], case["device"])
        return
    assert isinstance(found, Decoded), found
    values = {value.parameter: value for value in (*found.values, *found.extra)}
    assert {name: value.value for name, value in values.items()} == {key: pytest.approx(due) for key, due in case["readings"].items()}
    assert {name: value.flag for name, value in values.items() if value.flag != 1} == case.get("flags", {})
    assert {field.field: field.reason.value for field in found.refused} == case.get("refused", {})
    assert found.device == case["device"]
    assert (None if found.time_ms is None else format_instant(found.time_ms)) == case.get("time")


def walked(node: Any, path: str = "") -> dict[str, Any]:
    """Every value under the path that a person would write; an oracle that shares nothing with `devices.formats.paths`."""
    if isinstance(node, dict) and node:
        return {key: value for name, inner in node.items() for key, value in walked(inner, f"{path}.{name}" if path else name).items()}
    if isinstance(node, list) and node:
        return {key: value for index, inner in enumerate(node) for key, value in walked(inner, f"{path}[{index}]").items()}
    return {path: node}


def body(family: str, tree: dict[str, Any]) -> dict[str, Any]:
    """What of the message is the sensor's, by the makers' documentation."""
    if family == "the-things-stack-v3":
        inner = tree["data"] if "uplink_message" not in tree else tree
        return inner["uplink_message"].get("decoded_payload") or {}
    if family == "chirpstack-v4":
        return tree.get("object") or {}
    if family == "tasmota":
        return tree.get("StatusSNS") or tree
    return {} if family in ("loriot", "thingpark") else tree


@pytest.mark.parametrize("name", [name for name in PRESENT if not CASES[name].get("control")])
def test_path_by_path(name: str) -> None:
    data, payload, levels = message(name)
    family = data["family"]
    found = FORMATS[FORMAT_OF[family]].parse(payload, Context(levels))
    assert isinstance(found, list)
    (record,) = found
    tree = json.loads(payload)
    if family == "fiware-ngsi":
        plain = {
            key: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
            for key, entry in tree.items()
            if key != "@context"
        }
        plain = {key: entry["object"] if isinstance(entry, dict) and "object" in entry else entry for key, entry in plain.items()}
        units = {
            f"{key}.unitCode": entry["metadata"]["unitCode"]["value"]
            for key, entry in tree.items()
            if isinstance(entry, dict) and "metadata" in entry
        }
        assert record.pairs == {**walked(plain), **units}
        return
    due = body(family, tree)
    assert record.pairs == (walked(due) if due else {})
    if not due:
        assert record.raw is not None
        assert record.port is not None


EQUAL = {
    "dc_decentlab_dl-ctd10_chirpstack": ("decentlab-dl-ctd10 and decentlab-dl-ctd10b fit equally",),
    "dc_decentlab_dl-ctd10_thingsstackcommunity": ("decentlab-dl-ctd10 and decentlab-dl-ctd10b fit equally",),
    "dc_decentlab_dl-ctd10_thingpark": ("pro is 'DL/TBRG'", "reads in it what cannot be", "decentlab-dl-ctd10 does not"),
    "dc_elsys_ers2_co2_chirpstack": ("elsys-ers-co2 and elsys-ers2-co2 fit equally",),
    "dc_elsys_ers2_co2_thingsstackcommunity": ("elsys-ers-co2 and elsys-ers2-co2 fit equally",),
    "iob_565_00044df5_up": ("model_id is 'r718g', and no known type is that product",),
    "iob_563_o_modbus_up": ("no type better than chance",),
    "iob_661_21857cd2_up": ("no type better than chance",),
    "iob_712_d301b3cc_up": ("no type better than chance",),
    "iob_873_d300ed31_up": ("without readings",),
    "tts_ttnclient_default_valid": ("no type better than chance",),
    "tts_ttnclient_default_no_decoded_payload": ("no type better than chance",),
    "hadisc_tasmota_sds_pm10": ("no known type can read it",),
    "hadisc_z2m_aqara_voltage": ("no known type can read it",),
}
"""Messages that do not say what they are of: of products that differ in nothing on the air, or that no type knows. And one whose
envelope says a rain gauge, though its source (and its bytes) say a water probe."""


@pytest.mark.parametrize("name", PRESENT)
def test_auto_knows_it_or_says_between_what_it_cannot_choose(name: str) -> None:
    from devices.decode import decode

    case = CASES[name]
    _, payload, levels = message(name)
    answer = decode(TYPES, catalogue(), type_id="auto", payload=payload, received_ms=0, topic="/".join(levels))
    if name not in EQUAL:
        assert answer.type == case["type"], answer.why
        return
    assert not answer.ok
    assert all(part in answer.rows[0]["detail"] for part in EQUAL[name]), answer.rows


def test_every_message_that_is_here_is_in_the_table() -> None:
    """… or in the tests of its own format (SenML, Sparkplug, Ecowitt and the codecs have theirs)."""
    ours = {path.stem for path in OURS.glob("*.json")}
    assert ours <= set(CASES)
    assert ours <= set(FILES)
    assert set(WRONG) <= set(CASES)
    others = {path.stem for family in FORMAT_OF for path in (THEIRS / family).glob("*.json")}
    assert others <= set(CASES)
