"""The MQTT 5 source against a server of ours that sends what no real broker sends."""

from __future__ import annotations

import asyncio

import mqtt5
import pytest

from gateway.mqtt.mqtt5_source import Mqtt5Source
from tests.gateway.mqtt.support import FakeBroker, broker, publish_bytes, rng, running, until


def source(url: str, *topics: str, **options: object) -> Mqtt5Source:
    return Mqtt5Source(broker(url, *topics, **options), gateway_id="test", rng=rng())


async def test_connect_packet_says_what_is_configured() -> None:
    async with FakeBroker() as fake:
        options = {"receive_maximum": 77, "session_expiry": "1h", "keep_alive": "45s", "max_packet_size": "100KB"}
        city = source(fake.url, "air/+", "water/#", username="u", password="p", **options)
        async with running(city):
            await until(lambda: city.health.drained)
        await until(lambda: fake.of(mqtt5.DisconnectPacket), "a DISCONNECT in order at the end")
    (connect,) = fake.of(mqtt5.ConnectPacket)
    assert connect.client_id == "envgw-test-city"
    assert connect.clean_start is False
    assert (connect.receive_max, connect.session_expiry_interval, connect.keep_alive) == (77, 3600, 45)
    assert (connect.max_packet_size, connect.topic_alias_max, connect.username, connect.password) == (102_400, 0, "u", b"p")
    (subscribe,) = fake.of(mqtt5.SubscribePacket)
    assert [(f.pattern, int(f.max_qos), f.retain_as_published) for f in subscribe.topic_filters] == [
        ("air/+", 1, False),
        ("water/#", 1, False),
    ]
    once = mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
    assert all(f.retain_handling == once for f in subscribe.topic_filters)


async def test_acknowledges_in_order_and_poison_does_not_loop() -> None:
    async with FakeBroker() as fake:
        city = source(fake.url)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            frames = [
                publish_bytes("a", b"1", 5),
                publish_bytes(b"\xff", b"2", 3),
                publish_bytes("", b"3", 9),
                publish_bytes("b\x00", b"4", 1),
            ]
            fake.send(b"".join(frames))
            await until(lambda: len(fake.acknowledged()) == 4)
            assert fake.acknowledged() == [5, 3, 9, 1]
            assert city.health.malformed == 2  # not UTF-8, and empty without an alias
            assert fake.connections == 1
        assert consumer.payloads == [b"1", b"2", b"3", b"4"]


async def test_oversized_from_a_broker_that_ignores_maximum_packet_size() -> None:
    async with FakeBroker() as fake:
        city = Mqtt5Source(broker(fake.url, max_packet_size="2KB"), gateway_id="test", max_payload=1000)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            fake.send(publish_bytes("a", b"x" * 3_000_000, 5) + publish_bytes("b", b"ok", 6))
            await until(lambda: fake.acknowledged() == [5, 6])
        assert [len(payload) for payload in consumer.payloads] == [1001, 2]
        assert (city.health.oversized, fake.connections) == (1, 1)


async def test_malformed_bytes_reconnect() -> None:
    async with FakeBroker() as fake:
        city = source(fake.url)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            fake.send(publish_bytes("a", b"1", 5) + b"\x00\x00garbage")
            await until(lambda: fake.connections == 2 and city.health.drained)
            assert city.health.malformed == 1
            assert consumer.payloads == [b"1"]
        assert consumer.links[:3] == [True, False, True]
        codes = [packet.reason_code for number, packet in fake.received if isinstance(packet, mqtt5.DisconnectPacket) and number == 1]
        assert codes == [mqtt5.DisconnectReasonCode.MALFORMED_PACKET]


async def test_qos2_that_nobody_asked_for_is_handled() -> None:
    async with FakeBroker() as fake:
        city = source(fake.url)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            fake.send(publish_bytes("a", b"1", 5, qos=2) + publish_bytes("a", b"2", 6))
            await until(lambda: fake.of(mqtt5.PubRecPacket))
            fake.send(mqtt5.PubRelPacket(5).write())
            await until(lambda: fake.of(mqtt5.PubCompPacket))
            assert fake.of(mqtt5.PubCompPacket)[0].packet_id == 5
            assert fake.acknowledged() == [6]
            assert fake.connections == 1
        assert consumer.payloads == [b"1", b"2"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER, "another client uses our client id"),
        (mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN, "server shutting down"),
    ],
)
async def test_disconnect_of_the_server_is_shown(code: mqtt5.DisconnectReasonCode, words: str) -> None:
    async with FakeBroker() as fake:
        city = source(fake.url)
        async with running(city):
            await until(lambda: city.health.drained)
            fake.send(mqtt5.DisconnectPacket(reason_code=code, reason_str="because").write())
            await until(lambda: words in city.health.reason)
            assert "because" in city.health.reason
            await until(lambda: city.health.connected, "and connects again")


async def test_refused_topic_is_named_and_the_others_go_on() -> None:
    def answer(number: int, packet: mqtt5.Packet) -> bytes | None:
        if isinstance(packet, mqtt5.SubscribePacket):
            codes = [mqtt5.SubAckReasonCode.NOT_AUTHORIZED, mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
            codes.append(mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE)
            return mqtt5.SubAckPacket(packet.packet_id, codes).write()
        return None

    async with FakeBroker(answer) as fake:
        city = source(fake.url, "secret/#", "air/#", "water/#")
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            assert "'secret/#' refused (not authorized)" in city.health.reason
            assert "access list" in city.health.reason
            assert "'water/#' granted at QoS 0 only" in city.health.reason
            assert "air/#" not in city.health.reason
            fake.send(publish_bytes("air/1", b"1"))
            await until(lambda: consumer.payloads == [b"1"])


@pytest.mark.slow
async def test_nothing_granted_is_never_up() -> None:
    def answer(number: int, packet: mqtt5.Packet) -> bytes | None:
        if isinstance(packet, mqtt5.SubscribePacket):
            return mqtt5.SubAckPacket(packet.packet_id, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write()
        return None

    async with FakeBroker(answer) as fake:
        city = source(fake.url, keep_alive="1s")
        async with running(city) as consumer:
            await until(lambda: len(fake.of(mqtt5.PingReqPacket)) >= 2)
            assert not city.health.drained
            assert city.health.connected
        assert consumer.links == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, "check username and password"),
        (mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "protocol: 3.1.1"),
        (mqtt5.ConnAckReasonCode.SERVER_BUSY, "server busy"),
    ],
)
async def test_refused_connection_says_what_to_do(code: mqtt5.ConnAckReasonCode, words: str) -> None:
    def answer(number: int, packet: mqtt5.Packet) -> bytes:
        return mqtt5.ConnAckPacket(reason_code=code).write()

    async with FakeBroker(answer) as fake:
        city = source(fake.url, username="u")
        async with running(city):
            await until(lambda: words in city.health.reason)
            await until(lambda: fake.connections >= 2)
            assert city.health.connected is False


@pytest.mark.slow
async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with FakeBroker(lambda number, packet: b"") as fake:
        city = source(fake.url, connect_timeout="300ms")
        async with running(city):
            await until(lambda: "does not answer CONNECT" in city.health.reason)


@pytest.mark.slow
async def test_a_broker_that_ignores_receive_maximum_is_held_by_tcp_and_kept_alive() -> None:
    async with FakeBroker() as fake:
        city = source(fake.url, receive_maximum=100, keep_alive="1s")
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            consumer.acknowledge = False
            total = 20_000
            before = len(fake.of(mqtt5.PingReqPacket))
            for start in range(0, total, 1000):
                fake.send(b"".join(publish_bytes("a", b"%06d" % n + b"x" * 1000, n % 65_535 + 1) for n in range(start, start + 1000)))
            await until(lambda: len(consumer.messages) > 100)
            await until(lambda: len(fake.of(mqtt5.PingReqPacket)) >= before + 2, "pings while the socket is not read")
            assert fake.connections == 1
            assert len(consumer.messages) < 2000
            assert city.health.unacknowledged == len(consumer.messages)
            consumer.release()
            await until(lambda: len(consumer.messages) == total)
            await until(lambda: len(fake.acknowledged()) == total)
            assert fake.connections == 1
        assert fake.acknowledged() == [n % 65_535 + 1 for n in range(total)]


@pytest.mark.slow
async def test_reconnects_do_not_fill_the_inbox_while_nothing_is_committed() -> None:
    """Invariant 6: each connection brings the same messages again; the queue must not grow with every one."""

    def answer(number: int, packet: mqtt5.Packet) -> bytes | None:
        if isinstance(packet, mqtt5.SubscribePacket):
            burst = b"".join(publish_bytes("a", b"%d" % n, n + 1) for n in range(50))
            return FakeBroker.sane(packet) + burst
        return None

    async with FakeBroker(answer) as fake:
        city = source(fake.url, receive_maximum=50, backoff_max="10ms", keep_alive="1s")
        async with running(city) as consumer:
            consumer.take.clear()
            for _ in range(20):
                before = fake.connections
                await until(lambda: city.health.unacknowledged > 0)
                fake.writers[-1].transport.abort()  # noticed at the next PINGREQ at the latest, should the socket not be read
                await until(lambda seen=before: fake.connections > seen or "waits to connect" in city.health.reason)
                if "waits to connect" in city.health.reason:
                    break
            assert "waits to connect" in city.health.reason
            assert len(consumer.inbox) + 50 <= 250
            connections = fake.connections
            await asyncio.sleep(0.2)  # for what must not happen
            assert fake.connections == connections
            consumer.take.set()
            await until(lambda: fake.connections > connections)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
async def test_bytes_may_come_in_any_pieces(chunk: int) -> None:
    async with FakeBroker() as fake:
        city = source(fake.url)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            stream = b"".join(publish_bytes(f"air/{n}", b"v" * n, n + 1) for n in range(40))
            for start in range(0, len(stream), chunk):
                fake.send(stream[start : start + chunk])
                await asyncio.sleep(0)
            await until(lambda: len(consumer.messages) == 40)
            assert [m.topic for m in consumer.messages] == [f"air/{n}" for n in range(40)]
