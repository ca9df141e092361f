"""What every format promises: no bytes raise, records are what records may be, and 64 KB cost little. New formats are in at once."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats import FORMATS
from devices.formats.record import Context, Control, Record
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, mutations, payloads

NOW = 1_773_453_600_000
TOPICS = {"sparkplug-b": ("spBv1.0", "city", "NBIRTH", "gw1"), "shelly": ("shellies", "s1", "status", "temperature:0")}

EVENT = {
    "deviceInfo": {"devEui": "0102030405060708"}, "devEUI": "0102030405060708", "EUI": "0102030405060708",
    "cmd": "rx", "ts": NOW, "port": 1,
    "DevEUI_uplink": {"DevEUI": "0102030405060708", "payload_hex": "0a", "FPort": "1", "Time": "2026-03-14T02:00:00Z"},
    "end_device_ids": {"device_id": "d", "dev_eui": "0102030405060708"}, "received_at": "2026-03-14T02:00:00Z",
    "uplink_message": {"f_port": 1, "frm_payload": "Cg==", "decoded_payload": {"t": 1.5}, "rx_metadata": [{"rssi": -100, "snr": 7.5}]},
    "object": {"t": 1.5, "a": [1, {"b": None}]}, "rxInfo": [{"rssi": -100, "loRaSNR": 7.5}],
    "data": "Cg==", "fPort": 1, "time": "2026-03-14T02:00:00Z",
    "Time": "2026-03-14T02:00:00", "BME280": {"Temperature": 20.5}, "Wifi": {"Signal": -60}, "last_seen": NOW, "battery": 50,
    "temperature:0": {"tC": 21.5}, "sys": {"mac": "AABB", "unixtime": 1}, "src": "s", "params": {"ts": 1.5}, "method": "NotifyStatus",
    "id": "urn:ngsi-ld:AirQualityObserved:a", "type": "AirQualityObserved",
    "dateObserved": {"type": "DateTime", "value": "2026-03-14T02:00:00Z"},
    "location": {"type": "geo:json", "value": {"type": "Point", "coordinates": [108.2, 16.0]}}, "NO2": {"value": 69, "metadata": {}},
}  # fmt: skip
"""Something of every JSON envelope, so that mutations go deep into each."""
HOLES: list[Any] = [
    None,
    True,
    0,
    -1,
    1e400,
    2**70,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"a": {}},
    "2026",
    "\ud800x".encode("utf-8", "replace").decode(),
]


def holed(path: int, hole: Any) -> bytes:
    """The event with one of its parts replaced by something that is not due there."""
    tree = json.loads(json.dumps(EVENT))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(tree)
    node, key = places[path % len(places)]
    node[key] = hole
    return json.dumps(tree).encode()


MESSAGES = st.one_of(
    st.builds(holed, st.integers(0, 200), st.sampled_from(HOLES)),
    mutations(
        [
            json.dumps(EVENT).encode(),
            json.dumps([EVENT]).encode(),
            b'[{"n":"a","v":1}]',
            b"m t=1\n",
            b"a=1&b=2",
            b"1,2\n",
            b"23.5",
            cbor2.dumps(EVENT),
        ]
    ),
    payloads([b"{", b"}", b"[", b"]", b'"a"', b":", b",", b"1", b"null", b"\x00", b"\xff"]),
)


def plain(value: object) -> bool:
    """What pairs may hold: values of a tree, and refusals."""
    if isinstance(value, Rejection):
        return isinstance(value.reason, Reason) and len(value.detail) < 300
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(inside) for key, inside in value.items())
    if isinstance(value, list):
        return all(plain(inside) for inside in value)
    return value is None or isinstance(value, bool | int | float | str | bytes)


def keeps_the_contract(found: object) -> None:
    if isinstance(found, Rejection):
        assert plain(found), found
        return
    if isinstance(found, Control):
        assert isinstance(found.what, str)
        return
    assert isinstance(found, list)
    for record in found:
        assert isinstance(record, Record)
        assert isinstance(record.pairs, dict)
        assert plain(record.pairs)
        assert isinstance(record.device, str | None)
        assert isinstance(record.time, int | float | str | None)
        assert isinstance(record.raw, bytes | None)
        assert isinstance(record.port, int | None)
        for number in (*record.health.values(), record.latitude, record.longitude):
            assert number is None or (isinstance(number, int | float) and not isinstance(number, bool)), number


@pytest.mark.parametrize("name", FORMATS)
@given(payload=MESSAGES)
def test_no_bytes_break_the_contract(name: str, payload: bytes) -> None:
    form = FORMATS[name]
    state: dict[str, object] = {}
    context = Context(TOPICS.get(name, ("a", "st01")), NOW, state)
    keeps_the_contract(form.records()(payload, context))
    keeps_the_contract(form.parse(payload, context))
    if form.read is not None:
        read: Any = form.read(payload)
        assert isinstance(read, Rejection) or plain(read)
    if form.likely is not None:
        assert isinstance(form.likely(payload), bool)
    assert (form.state_key is not None) or state == {}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state)) == state


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


LONG = {
    "a long text": b'{"device":"' + b"x" * 65_000 + b'"}',
    "members": b"{" + b",".join(b'"k%d":1' % n for n in range(6_000)) + b"}",
    "elements": b'{"a":[' + b"1," * 32_000 + b"1]}",
    "objects": b'{"a":[' + b"{}," * 20_000 + b"{}]}",
    "long keys": b'{"' + b"k" * 400 + b'":{"' + b"k" * 90 + b'":[' + b"1," * 30_000 + b"1]}}",
    "records": b"[" + b'{"a":1},' * 8_000 + b'{"a":1}]',
    "twice": b'{"a":1,"a":2,"b":[' + b"1," * 30_000 + b"1]}",
    "deep": deep(5_000),
    "brackets": b"[" * 65_536,
    "backslashes": b'{"a":"' + b"\\\\" * 32_000 + b'"}',
    "no end": b'{"a":"' + b"x" * 65_000,
    "an uplink": json.dumps(EVENT | {"object": {f"k{n}": n for n in range(4_000)}}).encode(),
    "metadata": json.dumps(EVENT | {"rxInfo": [{"rssi": -1}] * 3_000}).encode(),
    "attributes": json.dumps(EVENT | {f"k{n}": {"type": "Number", "value": n, "metadata": {}} for n in range(1_000)}).encode(),
    "nothing": b"\x00" * 65_536,
    "digits": b"1" * 65_536,
    "blanks": b" " * 65_536,
    "high bytes": b"\xff" * 65_536,
    "letters": b"a" * 65_536,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("name", FORMATS)
def test_64_kilobytes_cost_little(name: str, kind: str) -> None:
    keeps_the_contract(cheap(FORMATS[name].records(), LONG[kind][:65_536], Context(TOPICS.get(name, ("a", "st01")), NOW, {})))
