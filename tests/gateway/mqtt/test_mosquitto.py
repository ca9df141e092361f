"""The MQTT 5 source against a real mosquitto: nothing acknowledged is lost, and what it says of itself is true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.mqtt.mqtt5_source import Mqtt5Source
from tests.gateway.mqtt.support import broker, numbered, publish, rng, running, until
from tests.tools.mosquitto import Mosquitto
from tests.tools.proxy import Proxy

pytestmark = pytest.mark.server


def source(url: str, *topics: str, **options: object) -> Mqtt5Source:
    return Mqtt5Source(broker(url, *topics, **options), gateway_id="test", rng=rng())


async def test_delivers_and_acknowledges_in_order(mosquitto: Mosquitto) -> None:
    city = source(mosquitto.url, "air/+", "water/#")
    async with running(city) as consumer:
        await until(lambda: city.health.drained, "drained")
        await publish(mosquitto.port, numbered(3000))
        await until(lambda: len(consumer.messages) == 3000)
        await until(lambda: city.health.unacknowledged == 0)
    assert consumer.payloads == [payload for _, payload in numbered(3000)]
    assert {(m.topic, m.source, m.qos, m.retain, m.dup) for m in consumer.messages} == {("air/1", "city", 1, False, False)}
    stamps = [m.received_ms for m in consumer.messages]
    assert stamps == sorted(stamps)
    assert consumer.links[0] is True
    # The broker holds nothing back: a second run gets nothing again.
    again = source(mosquitto.url, "air/+", "water/#")
    async with running(again) as consumer:
        await until(lambda: again.health.drained)
        assert again.health.session_present is True
    assert consumer.messages == []


async def test_B1_kill_of_broker_redelivers_with_dup(make_mosquitto: Callable[..., Mosquitto]) -> None:
    server = make_mosquitto().start()
    city = source(server.url)
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        consumer.acknowledge = False
        await publish(server.port, numbered(50))
        await until(lambda: len(consumer.messages) == 50)
        server.save()
        server.kill()
        await until(lambda: not city.health.connected)
        assert "city" in city.health.reason
        await server.start_async()
        await until(lambda: len(consumer.messages) == 100, "all 50 again")
        first, second = consumer.messages[:50], consumer.messages[50:]
        assert [m.payload for m in second] == [m.payload for m in first]
        assert all(m.dup for m in second)
        assert [m.packet_id for m in second] == [m.packet_id for m in first]
        assert city.health.sessions_lost == 0
        consumer.release()  # the first fifty belong to the old connection: only the second fifty may go out
        await until(lambda: city.health.unacknowledged == 0)
        await publish(server.port, numbered(10, start=50))
        await until(lambda: len(consumer.messages) == 110)
        await until(lambda: city.health.drained)
    assert city.health.malformed == 0
    assert consumer.links[:3] == [True, False, True]


async def test_A4_acknowledgements_of_an_old_connection_are_dropped(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as proxy:
        city = source(proxy.url)
        async with running(city) as consumer:
            consumer.acknowledge = False
            await until(lambda: city.health.drained)
            await publish(mosquitto.port, numbered(20))
            await until(lambda: len(consumer.held) == 20)
            old = list(consumer.held)
            proxy.cut()
            await until(lambda: len(consumer.held) == 40)
            city.acknowledge(old)
            await until(lambda: city.health.unacknowledged == 20)
            # Still all twenty are the broker's: cut again, and they come again.
            consumer.held.clear()
            proxy.cut()
            await until(lambda: len(consumer.held) == 20)
            assert {delivery.connection for delivery in consumer.held} == {3}


async def test_broker_that_forgot_the_session_is_reported(make_mosquitto: Callable[..., Mosquitto]) -> None:
    server = make_mosquitto(persistence=False).start()
    city = source(server.url)
    async with running(city):
        await until(lambda: city.health.drained)
        assert city.health.sessions_lost == 0
        server.kill()
        await until(lambda: not city.health.connected)
        await server.start_async()
        await until(lambda: city.health.drained)
        assert city.health.sessions_lost == 1
        assert city.health.session_present is False
    across_restart = Mqtt5Source(broker(server.url, client_id="other"), gateway_id="test", expect_session=True)
    async with running(across_restart):
        await until(lambda: across_restart.health.drained)
    assert across_restart.health.sessions_lost == 1


async def test_receive_maximum_holds_and_links_wait_for_the_backlog(mosquitto: Mosquitto) -> None:
    first = source(mosquitto.url)
    async with running(first):
        await until(lambda: first.health.drained)
    await publish(mosquitto.port, numbered(500))
    city = source(mosquitto.url, receive_maximum=100)
    async with running(city) as consumer:
        consumer.acknowledge = False
        await until(lambda: len(consumer.messages) == 100)
        await asyncio.sleep(0.4)  # for what must not happen: more messages, or a link
        assert len(consumer.messages) == city.health.unacknowledged == 100
        assert consumer.links == []
        assert not city.health.drained
        consumer.release()
        await until(lambda: len(consumer.messages) == 500)
        await until(lambda: city.health.drained)
    assert consumer.payloads == [payload for _, payload in numbered(500)]


async def test_drained_under_steady_traffic(mosquitto: Mosquitto) -> None:
    """E5 must not wait for a silence that a busy city never has."""
    async with Proxy(mosquitto.port) as proxy:
        proxy.delay_s = 0.01
        stop = asyncio.Event()
        busy = asyncio.create_task(_keep_publishing(mosquitto.port, stop))
        city = source(proxy.url)
        try:
            async with running(city) as consumer:
                await until(lambda: len(consumer.messages) > 20)
                await until(lambda: city.health.drained)
        finally:
            stop.set()
            await busy


async def _keep_publishing(port: int, stop: asyncio.Event) -> None:
    start = 0
    while not stop.is_set():
        await publish(port, numbered(20, start=start))
        start += 20


async def test_cut_mid_packet_loses_nothing(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as proxy:
        city = source(proxy.url)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            sent = 0
            for cut in (7, 100, 333):
                proxy.cut_after(cut)
                proxy.segment = 5
                await publish(mosquitto.port, numbered(40, start=sent))
                sent += 40
                await until(lambda expected=sent: len(set(consumer.payloads)) == expected)
            await until(lambda: city.health.drained)
    assert proxy.connections == 4
    assert city.health.reconnects == 3
    assert sorted(set(consumer.payloads)) == [payload for _, payload in numbered(sent)]


async def test_retained_only_with_a_new_subscription(mosquitto: Mosquitto) -> None:
    """B2: Retain Handling 1, and a live message published with RETAIN=1 is not delivered as retained."""
    await publish(mosquitto.port, [("air/1", b"old")], retain=True)
    city = source(mosquitto.url)
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        assert [(m.payload, m.retain) for m in consumer.messages] == [(b"old", True)]
        await publish(mosquitto.port, [("air/1", b"live")], retain=True)
        await until(lambda: len(consumer.messages) == 2)
        assert (consumer.messages[1].payload, consumer.messages[1].retain) == (b"live", False)
    again = source(mosquitto.url)
    async with running(again) as consumer:
        await until(lambda: again.health.drained)
    assert consumer.messages == []


async def test_resubscribes_when_topics_change(mosquitto: Mosquitto) -> None:
    known: list[list[str]] = []
    first = Mqtt5Source(broker(mosquitto.url, "air/#", "noise/#"), gateway_id="test", remember=lambda f: known.append(list(f)))
    async with running(first):
        await until(lambda: first.health.drained)
    assert known[-1] == ["air/#", "noise/#"]
    second = Mqtt5Source(
        broker(mosquitto.url, "air/#", "water/#"),
        gateway_id="test",
        previous_filters=known[-1],
        expect_session=True,
        remember=lambda f: known.append(list(f)),
    )
    async with running(second) as consumer:
        await until(lambda: second.health.drained)
        await publish(mosquitto.port, [("noise/1", b"n"), ("water/1", b"w"), ("air/1", b"a")])
        await until(lambda: len(consumer.messages) == 2)
    assert known[-2:] == [["air/#", "water/#", "noise/#"], ["air/#", "water/#"]]
    assert {m.topic for m in consumer.messages} == {"water/1", "air/1"}
    assert second.health.sessions_lost == 0


async def test_keep_alive_is_served_while_nothing_is_taken_in(make_mosquitto: Callable[..., Mosquitto]) -> None:
    server = make_mosquitto().start()
    city = source(server.url, receive_maximum=10, keep_alive="1s")
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        city.pause()
        consumer.take.clear()
        await publish(server.port, numbered(30))
        await asyncio.sleep(3)  # twice what a broker waits for a silent client (1.5 × keep-alive)
        assert city.health.connected
        assert city.health.reconnects == 0
        city.resume()
        consumer.take.set()
        await until(lambda: len(consumer.messages) == 30)
    assert "timeout" not in server.log()


async def test_a_broker_that_hangs_is_noticed(make_mosquitto: Callable[..., Mosquitto]) -> None:
    server = make_mosquitto().start()
    city = source(server.url, keep_alive="1s")
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        server.freeze()
        await until(lambda: not city.health.connected)
        assert "PINGREQ" in city.health.reason
        server.thaw()
        await until(lambda: city.health.drained)
    assert consumer.links[:3] == [True, False, True]


async def test_qos0_is_shed_and_counted(mosquitto: Mosquitto) -> None:
    city = Mqtt5Source(broker(mosquitto.url, qos=0), gateway_id="test")
    async with running(city, qos0_limit=100, max_batch=50) as consumer:
        await until(lambda: city.health.drained)
        consumer.take.clear()
        await publish(mosquitto.port, numbered(1000))
        await until(lambda: consumer.inbox.shed_total.get("city", 0) >= 800)
        consumer.take.set()
        await until(lambda: len(consumer.messages) + consumer.shed == 1000)
        assert consumer.shed == consumer.inbox.shed_total["city"]
        assert {m.packet_id for m in consumer.messages} == {None}


async def test_oversized_is_refused_by_the_broker_and_the_rest_goes_on(mosquitto: Mosquitto) -> None:
    city = source(mosquitto.url, max_packet_size="10KB")
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        await publish(mosquitto.port, [("air/1", b"a"), ("air/1", b"x" * 20_000), ("air/1", b"b")])
        await until(lambda: len(consumer.messages) == 2)
    assert set(consumer.payloads) == {b"a", b"b"}


async def test_second_gateway_with_the_same_id_is_named(mosquitto: Mosquitto) -> None:
    one = source(mosquitto.url, backoff_max="30s")
    async with running(one):
        await until(lambda: one.health.drained)
        other = source(mosquitto.url)
        async with running(other):
            await until(lambda: other.health.connected)
            await until(lambda: "another client uses our client id 'envgw-test-city'" in one.health.reason + other.health.reason)
