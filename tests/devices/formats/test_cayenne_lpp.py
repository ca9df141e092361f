"""Cayenne LPP: published messages, every type, bad bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.cayenne_lpp import MAX_VALUES, TYPES, decode, read
from devices.formats.record import Context
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap

NOW = Context()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03670110056700ff", {"temperature_3": 27.2, "temperature_5": 25.5}),
        ("067104d2fb2e0000", {"accelerometer_6.x": 1.234, "accelerometer_6.y": -1.234, "accelerometer_6.z": 0.0}),
        ("018806765ff2960a0003e8", {"gps_1.latitude": 42.3519, "gps_1.longitude": -87.9094, "gps_1.altitude": 10.0}),
    ],
)
def test_akenza_mydevices_cayenne(text: str, expected: dict[str, float]) -> None:
    """akenza-io/device-type-library, types/myDevices/cayenne/uplink.spec.js (the examples of myDevices' own documentation)."""
    assert decode(bytes.fromhex(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("010001", {"digital_in_1": 1}),
        ("0101ff", {"digital_out_1": 255}),
        ("0102ff9c", {"analog_in_1": -1.0}),
        ("01037fff", {"analog_out_1": 327.67}),
        ("0164ffffffff", {"generic_1": 4294967295}),
        ("016503e8", {"luminosity_1": 1000}),
        ("016601", {"presence_1": 1}),
        ("0167ffd7", {"temperature_1": -4.1}),
        ("016882", {"relative_humidity_1": 65.0}),
        ("01732794", {"barometric_pressure_1": 1013.2}),
        ("0174014a", {"voltage_1": 3.3}),
        ("017504d2", {"current_1": 1.234}),
        ("017600000032", {"frequency_1": 50}),
        ("017862", {"percentage_1": 98}),
        ("0179fffb", {"altitude_1": -5}),
        ("017d0190", {"concentration_1": 400}),
        ("018003e8", {"power_1": 1000}),
        ("0182000004d2", {"distance_1": 1.234}),
        ("0183000004d2", {"energy_1": 1.234}),
        ("0184010e", {"direction_1": 270}),
        ("018569b4c220", {"time_1": 1773453856}),
        ("01860064ff9c0000", {"gyrometer_1.x": 1.0, "gyrometer_1.y": -1.0, "gyrometer_1.z": 0.0}),
        ("0187ff8000", {"colour_1.r": 255, "colour_1.g": 128, "colour_1.b": 0}),
        ("018e01", {"switch_1": 1}),
    ],
)
def test_every_type(text: str, expected: dict[str, float]) -> None:
    assert decode(bytes.fromhex(text)) == expected


def test_a_position_places_the_record() -> None:
    found = read(bytes.fromhex("0167001e018806765ff2960a0003e8"), NOW)
    assert isinstance(found, list)
    (record,) = found
    assert (record.pairs["temperature_1"], record.latitude, record.longitude) == (3.0, 42.3519, -87.9094)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("01", Reason.CODEC_FAILED),
        ("0167", Reason.CODEC_FAILED),
        ("016700", Reason.CODEC_FAILED),
        ("01ff00", Reason.CODEC_FAILED),
    ],
)
def test_refusals(text: str, reason: Reason) -> None:
    found = read(bytes.fromhex(text), NOW)
    assert isinstance(found, Rejection)
    assert found.reason is reason


@pytest.mark.parametrize(("rest", "path"), [("02ff00", "byte 5"), ("0267", "byte 5"), ("02670a", "byte 5"), ("02", "byte 5")])
def test_what_stands_before_an_unknown_type_is_kept(rest: str, path: str) -> None:
    found = decode(bytes.fromhex("016700fa" + rest))
    assert isinstance(found, dict)
    assert found["temperature_1"] == 25.0
    refused = found[path]
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.CODEC_FAILED


def test_one_channel_twice_is_refused_for_what_is_meant_cannot_be_known() -> None:
    found = decode(bytes.fromhex("0167000a0167001402670001"))
    assert isinstance(found, dict)
    assert isinstance(found["temperature_1"], Rejection)
    assert found["temperature_2"] == 0.1


@given(st.binary(max_size=300))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(read(payload, NOW), list | Rejection)


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from(sorted(TYPES)), st.binary(min_size=9, max_size=9)), min_size=1, max_size=20))
def test_every_part_of_a_well_formed_payload_is_read(parts: list[tuple[int, int, bytes]]) -> None:
    raw = b"".join(bytes([channel, kind]) + body[: sum(part[1] for part in TYPES[kind][1])] for channel, kind, body in parts)
    found = decode(raw)
    assert isinstance(found, dict)
    assert len(found) == sum(len(TYPES[kind][1]) for _, kind in {(channel, kind) for channel, kind, _ in parts})


@pytest.mark.parametrize("part", ["010001", "0187000000", "0188000000000000000000"])
def test_64_kilobytes_cost_little(part: str) -> None:
    step = bytes.fromhex(part)
    many = b"".join(bytes([n % 256]) + step[1:] for n in range(65_536 // len(step)))
    found = cheap(read, many, NOW)
    assert isinstance(found, list)
    assert len(found[0].pairs) <= MAX_VALUES + 3


def test_values_that_occur_twice_count_too() -> None:
    """Else one channel, said ten thousand times, would be read to the end (found by fuzzing)."""
    found = decode(b"\1\x78\x05" * (MAX_VALUES + 1))
    assert isinstance(found, dict)
    assert found[f"byte {3 * MAX_VALUES + 1}"].reason is Reason.WRONG_SHAPE
    assert len(found) == 2
    assert len(decode(b"\1\x78\x05" * MAX_VALUES)) == 1
