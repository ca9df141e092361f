"""Texts that are not UTF-8 are seen before `mqtt5` can panic over them (pyproject.toml makes what a panic leaves an error)."""

from __future__ import annotations

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt.texts import refusal
from tests.gateway.mqtt.support import publish_bytes, variable_length

GOOD = ["", "air/1", "nước/hồ tây", "🌫"]
BAD = [b"\xff", b"air/\xe1\xbb", b"\xed\xa0\x80", b"\xc0\xaf"]
texts = st.sampled_from([*(text.encode() for text in GOOD), *BAD])


def sized(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def said(packet: bytes) -> bool:
    at = next(at for at in range(1, 5) if packet[at] < 128) + 1
    return refusal(packet, packet[0], at, len(packet)) is None


def is_utf8(text: bytes) -> bool:
    return text.decode(errors="replace").encode() == text


OTHERS = st.sampled_from([b"\x01\x01", b"\x02\xff\xfe\xfd\xfc", b"\x09\x00\x02\xff\xfe", b"\x0b\xff\x01", b"\x23\x80\x81"])
"""Properties of a PUBLISH that hold no text, however little like UTF-8 they look."""


@given(topic=texts, name=texts, value=texts, kind=texts, before=st.lists(OTHERS), qos=st.sampled_from([0, 1]))
def test_every_text_of_a_message_counts_and_nothing_else(
    topic: bytes, name: bytes, value: bytes, kind: bytes, before: list[bytes], qos: int
) -> None:
    properties = b"".join(before) + b"\x26" + sized(name) + sized(value) + b"\x03" + sized(kind)
    packet = publish_bytes(topic, b"\xff\xfe", packet_id=0xFFFE, qos=qos, properties=variable_length(len(properties)) + properties)
    assert said(packet) == all(map(is_utf8, (topic, name, value, kind)))


@pytest.mark.parametrize(
    ("head", "body"), [(0x20, b"\0\0"), (0x40, b"\0\7\0"), (0x90, b"\0\7"), (0xB0, b"\0\7"), (0xE0, b"\x8b"), (0xF0, b"\x18")]
)
@pytest.mark.parametrize("reason", [b"busy", *BAD])
def test_the_reason_of_other_packets_counts(head: int, body: bytes, reason: bytes) -> None:
    property_ = b"\x1f" + sized(reason)
    rest = body + variable_length(len(property_)) + property_
    assert said(bytes([head, len(rest)]) + rest) == is_utf8(reason)


@pytest.mark.parametrize("packet", [mqtt5.ConnectPacket("x"), mqtt5.PingReqPacket()], ids=repr)
def test_what_only_clients_send_is_not_read(packet: mqtt5.Packet) -> None:
    assert not said(packet.write())


@pytest.mark.parametrize("length", [6, 7, 13])
def test_a_text_that_goes_on_behind_the_properties_counts(length: int) -> None:
    """The library reads it to its end, into the payload (found by fuzzing)."""
    packet = publish_bytes("a", b"abc\xff\xffxx", properties=bytes([length]) + b"\x26\0\1k\0\x05")
    assert not said(packet)
    assert said(packet.replace(b"\xff", b"x"))


@given(
    head=st.sampled_from([0x20, 0x30, 0x32, 0x3D, 0x40, 0x62, 0x82, 0x90, 0xA2, 0xB0, 0xD0, 0xE0, 0xF0]),
    body=st.lists(st.binary(max_size=4) | st.sampled_from([b"\0\1", b"\0\2", b"\x05", b"\x26", b"\x1f", b"\x03", *BAD]), max_size=12).map(
        b"".join
    ),
)
def test_what_passes_is_read_or_refused_in_an_orderly_way(head: int, body: bytes) -> None:
    packet = bytes([head, len(body)]) + body
    if said(packet):
        try:
            mqtt5.read(memoryview(packet))
        except (ValueError, IndexError):
            pass
