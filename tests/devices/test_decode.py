"""What `envgw decode` prints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.decode import Answer, UnknownType, decode
from devices.device_type import parse_all
from devices.loader import catalogue, shipped_types
from tests.devices.building import NOON, city

TYPES = parse_all(list(shipped_types().values()), catalogue())
AIR = b'{"device":"an-01","time":"2026-03-14T02:00:00.5Z","pm25":12.3,"so2":"7","battery":88}'


def ask(payload: bytes, type_id: str = "auto", **more: Any) -> Answer:
    return decode(TYPES, catalogue(), type_id=type_id, payload=payload, received_ms=NOON, **more)


def test_rows_as_the_interface_says() -> None:
    answer = ask(AIR, "air-node")
    assert answer.ok
    assert answer.rows == [
        {"time": "2026-03-14T02:00:00.500Z", "station": None, "device": "an-01", "medium": "air", "parameter": "pm25",
         "value": 12.3, "unit": "ug/m3", "flag": 1},
        {"time": "2026-03-14T02:00:00.500Z", "station": None, "device": "an-01", "medium": "device", "parameter": "battery",
         "value": 88.0, "unit": "%", "flag": 1},
        {"parameter": "so2", "reason": "wrong-type", "detail": "text '7' where a number is due"},
    ]  # fmt: skip


def test_a_registered_device_has_its_station() -> None:
    assert ask(AIR, "air-node", registry=city().registry).rows[0]["station"] == "st-1"


def test_without_a_time_the_time_of_receipt() -> None:
    answer = ask(b"1.5", topic="sensors/level/lg-01/level")
    assert answer.type == "level-gauge"
    assert answer.rows[0]["time"] == "2026-03-14T02:00:00Z"
    refused = ask(b'{"device":"x","time":"soon","pm25":1}', "air-node").rows
    assert (refused[0]["time"], refused[1]["parameter"], refused[1]["reason"]) == ("2026-03-14T02:00:00Z", "time", "bad-time")


@pytest.mark.parametrize(
    ("payload", "type_id", "reason"),
    [
        (b"", "auto", "empty"),
        (b"{", "air-node", "not-json"),
        (b"{", "auto", "not-json"),
        (b'{"device":"x","foo":1}', "auto", "no-reading"),
        (b'{"device":"x y","pm25":1}', "air-node", "no-device"),
        (b'{"pm25":1}', "air-node", "no-device"),
        (b"1.5", "level-gauge", "no-device"),
    ],
)
def test_one_rejection(payload: bytes, type_id: str, reason: str) -> None:
    answer = ask(payload, type_id)
    assert not answer.ok
    assert [set(row) for row in answer.rows] == [{"reason", "detail"}]
    assert answer.rows[0]["reason"] == reason


def test_auto_takes_the_type_that_reads_most_and_says_why() -> None:
    assert ask(AIR).type == "air-node"
    assert "met-node" in ask(AIR).why
    assert ask(b'{"device":"m","wind_speed":3,"temperature":20,"humidity":60}').type == "met-node"
    assert ask(b'{"device":"w","ph":7,"temperature":20}').type == "water-probe"


def test_auto_refuses_when_two_fit_equally_and_names_them() -> None:
    answer = ask(b'{"device":"m","temperature":20,"humidity":60}')
    assert not answer.ok
    assert "air-node" in answer.rows[0]["detail"]
    assert "met-node" in answer.rows[0]["detail"]


def test_auto_goes_by_the_registry_where_it_knows_the_device() -> None:
    answer = ask(b'{"device":"an-01","temperature":20,"humidity":60}', registry=city().registry)
    assert answer.type == "air-node"
    assert "registry" in answer.why


def test_unknown_type_is_wrong_usage() -> None:
    with pytest.raises(UnknownType, match="did you mean 'air-node'"):
        ask(AIR, "air-nod")


@given(st.binary(max_size=200), st.sampled_from([*TYPES, "auto"]), st.text(max_size=30))
def test_no_bytes_raise(payload: bytes, type_id: str, topic: str) -> None:
    answer = ask(payload, type_id, topic=topic)
    assert answer.ok or len(answer.rows) == 1
