"""Bytes to deliveries: the same whatever TCP does to the bytes, and nothing raises but `Malformed`."""

from __future__ import annotations

from itertools import pairwise

import mqtt5
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mqtt.source import Delivery
from gateway.mqtt.wire import Malformed, Reader
from tests.gateway.mqtt.support import publish_bytes, variable_length

MAX_PACKET = 300
MAX_PAYLOAD = 200


def read(stream: bytes, cuts: list[int], max_packet: int = MAX_PACKET) -> tuple[list[Delivery], list[str], str | None, int, int]:
    """(deliveries, control packets, why it ended, malformed, oversized) for the stream cut at these places."""
    reader = Reader("city", 1, max_packet=max_packet, max_payload=MAX_PAYLOAD)
    out: list[Delivery] = []
    control: list[str] = []
    edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    why = None
    for start, end in pairwise(edges):
        try:
            reader.feed(stream[start:end], 7, out, lambda packet: control.append(repr(packet)))
        except Malformed as error:
            why = error.reason
            break
    assert reader.delivered == len([1 for delivery in out if delivery.message.qos])
    return out, control, why, reader.malformed, reader.oversized


topics = st.sampled_from(["air/1", "", "a/#", "nul\x00", "nước/hồ tây"]) | st.text(max_size=20)
raw_topics = topics.map(str.encode) | st.binary(max_size=20)
publishes = st.builds(
    publish_bytes,
    raw_topics,
    st.binary(max_size=150) | st.binary(min_size=250, max_size=600),
    packet_id=st.integers(0, 65_535),
    qos=st.sampled_from([0, 1, 1, 1, 2]),
    properties=st.sampled_from([b"\x00", b"\x00", b"\x00", b"\x02\x01\x01", b"\x02\x01\xff", b"\x05\x26\x00\x01\xff\x00", b"\x7f"]),
)
controls = st.sampled_from(
    [
        mqtt5.PingRespPacket().write(),
        mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write(),
        mqtt5.ConnAckPacket().write(),
        mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY).write(),
        mqtt5.PubRelPacket(9).write(),
    ]
)
garbage = st.binary(min_size=1, max_size=12)
streams = st.lists(publishes | controls, max_size=8).map(b"".join)
dirty_streams = st.lists(publishes | controls | garbage, max_size=8).map(b"".join)
cuts = st.lists(st.integers(0, 5000), max_size=30)


@given(streams, cuts)
@example(publish_bytes("air/1", b"x" * 100) * 3, list(range(400)))
@example(publish_bytes("air/1", b"x" * 500) + publish_bytes("air/2", b"y"), list(range(600)))
def test_any_segmentation_gives_the_same_deliveries(stream: bytes, where: list[int]) -> None:
    whole = read(stream, [])
    assert read(stream, where) == whole
    assert read(stream, list(range(len(stream)))) == whole


@given(dirty_streams, cuts)
def test_garbage_ends_the_connection_at_the_same_place(stream: bytes, where: list[int]) -> None:
    assert read(stream, where) == read(stream, [])


@given(st.binary(max_size=400), cuts)
def test_random_bytes_raise_nothing_else(stream: bytes, where: list[int]) -> None:
    read(stream, where)


@given(
    st.lists(st.tuples(topics.filter(lambda t: t and "\x00" not in t), st.binary(max_size=100), st.sampled_from([0, 1])), max_size=10), cuts
)
def test_what_was_published_is_delivered(messages: list[tuple[str, bytes, int]], where: list[int]) -> None:
    stream = b"".join(publish_bytes(topic, payload, packet_id=number + 1, qos=qos) for number, (topic, payload, qos) in enumerate(messages))
    out, control, why, malformed, oversized = read(stream, where)
    assert (control, why, malformed, oversized) == ([], None, 0, 0)
    assert [(d.message.topic, d.message.payload, d.message.qos, d.message.packet_id) for d in out] == [
        (topic, payload, qos, number + 1 if qos else None) for number, (topic, payload, qos) in enumerate(messages)
    ]


def test_flags_are_read() -> None:
    frame = bytearray(publish_bytes("a", b"b", packet_id=3))
    frame[0] |= 8 | 1
    (delivery,), *_ = read(bytes(frame), [])
    assert (delivery.message.dup, delivery.message.retain, delivery.message.qos) == (True, True, 1)
    assert (delivery.message.received_ms, delivery.message.source, delivery.connection) == (7, "city", 1)


def test_topic_that_is_not_utf8_is_delivered_as_an_illegal_one() -> None:
    out, _, why, malformed, _ = read(publish_bytes(b"air/\xff", b"1", packet_id=5) + publish_bytes("air/1", b"2"), [])
    assert why is None
    assert malformed == 1
    assert [(d.message.topic, d.message.payload, d.message.packet_id) for d in out] == [("\x00air/�", b"1", 5), ("air/1", b"2", 1)]


def test_bad_properties_do_not_cost_the_reading() -> None:
    """A broken user property is malformed MQTT, but what was measured can be told for certain."""
    out, _, why, malformed, _ = read(publish_bytes("air/1", b"1", packet_id=5, properties=b"\x05\x26\x00\x01\xff\x00"), [])
    assert (why, malformed) == (None, 1)
    assert [(d.message.topic, d.message.payload) for d in out] == [("air/1", b"1")]


def test_property_length_beyond_the_packet_is_illegal_but_acknowledged() -> None:
    out, *_ = read(publish_bytes("air/1", b"1", packet_id=5, properties=b"\x7f"), [])
    assert [(d.message.topic[0], d.message.packet_id) for d in out] == [("\x00", 5)]


def test_oversized_is_cut_and_delivered_and_the_rest_goes_on() -> None:
    stream = publish_bytes("air/1", b"x" * 100_000, packet_id=5) + publish_bytes("air/2", b"y", packet_id=6)
    for cuts_at in ([], list(range(0, 100_000, 777))):
        out, _, why, malformed, oversized = read(stream, cuts_at)
        assert (why, malformed, oversized) == (None, 0, 1)
        assert [(d.message.topic, len(d.message.payload), d.message.packet_id) for d in out] == [
            ("air/1", MAX_PAYLOAD + 1, 5),
            ("air/2", 1, 6),
        ]


def test_packet_above_its_limit_with_a_payload_within_its_own_is_whole() -> None:
    (delivery,), *_ = read(publish_bytes("air/1", b"x" * 150), [], max_packet=100)
    assert delivery.message.payload == b"x" * 150


def test_an_oversized_packet_is_not_held_in_memory() -> None:
    reader = Reader("city", 1, max_packet=MAX_PACKET, max_payload=MAX_PAYLOAD)
    size = 200_000_000
    reader.feed(b"\x32" + variable_length(size) + b"\x00\x01a\x00\x05\x00", 7, [], lambda packet: None)
    out: list[Delivery] = []
    piece = bytes(1_000_000)
    for _ in range(199):
        reader.feed(piece, 7, out, lambda packet: None)
        assert len(reader._big) < 140_000
    assert out == []
    reader.feed(bytes(1_000_000 - 6) + publish_bytes("b", b"1"), 7, out, lambda packet: None)
    assert [d.message.topic for d in out] == ["a", "b"]


@pytest.mark.parametrize(
    "stream",
    [b"\x36\x05\x00\x01a\x00\x01", b"\x00\x00", b"\xf0\x00\x00", b"\x30\xff\xff\xff\xff\x01", b"\x20\x01\x00", b"\x90\xff\xff\xff\x7f"],
    ids=["qos 3", "type 0", "auth without property length", "five length bytes", "short connack", "huge suback"],
)
def test_what_is_not_mqtt_is_refused_after_what_came_before(stream: bytes) -> None:
    out, _, why, _, _ = read(publish_bytes("air/1", b"1") + stream, [])
    assert why
    assert len(out) == 1
