"""The embedded broker: both listeners, taken ports, interrupts, and stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import aiomqtt
import pytest

from gateway.embedded import EmbeddedBroker, EmbeddedBrokerError, EmbeddedOptions, PortTakenError, claim_port
from gateway.simulate.options import BrokerOptions, SimulateOptions
from gateway.simulate.publisher import simulate

FREE = EmbeddedOptions(sensors_port=0, gateway_port=0)


async def through(broker: EmbeddedBroker, count: int) -> int:
    """Publish on the sensors' listener (3.1.1), count on the gateway's (5)."""
    async with aiomqtt.Client("127.0.0.1", broker.gateway_port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("sensors/#", qos=1)
        publishing = asyncio.create_task(
            simulate(SimulateOptions(broker=BrokerOptions(url=broker.sensors_url), stations=20, rate=20_000, count=count))
        )
        got: set[tuple[str, bytes]] = set()
        async with asyncio.timeout(30):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                got.add((str(message.topic), message.payload))
                if len(got) == count:
                    break
        assert (await publishing).published == count
        return len(got)


@pytest.mark.slow
async def test_sensors_on_one_listener_reach_the_gateway_on_the_other() -> None:
    async with EmbeddedBroker(FREE) as broker:
        assert broker.running
        assert await through(broker, 3000) == 3000
    assert not broker.running


async def test_ports_are_free_again_after_stop_and_it_can_start_again() -> None:
    broker = EmbeddedBroker(FREE)
    await broker.start()
    ports = (broker.sensors_port, broker.gateway_port)
    await broker.start()  # already running: nothing changes
    assert (broker.sensors_port, broker.gateway_port) == ports
    await broker.stop()
    await broker.stop()
    again = EmbeddedBroker(EmbeddedOptions(sensors_port=ports[0], gateway_port=ports[1]))
    await again.start()
    assert await through(again, 10) == 10
    await again.stop()


@pytest.mark.parametrize("which", ["sensors_port", "gateway_port"])
async def test_a_taken_port_is_named_with_what_to_do(which: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        options = EmbeddedOptions(**({"sensors_port": 0, "gateway_port": 0} | {which: port}))
        broker = EmbeddedBroker(options)
        with pytest.raises(PortTakenError) as caught:
            await broker.start()
        assert caught.value.port == port
        assert f"port {port} on 127.0.0.1 is already in use" in str(caught.value)
        assert "choose another port" in str(caught.value)
        assert not broker.running


def test_claiming_port_zero_gives_a_port_that_can_be_listened_on() -> None:
    port = claim_port("127.0.0.1", 0, "a test")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(PortTakenError, match="a test should listen"):
            claim_port("127.0.0.1", port, "a test")


async def test_one_port_for_both_is_refused() -> None:
    port = claim_port("127.0.0.1", 0, "a test")
    with pytest.raises(EmbeddedBrokerError, match="two different ones"):
        await EmbeddedBroker(EmbeddedOptions(sensors_port=port, gateway_port=port)).start()


async def test_ctrl_c_does_not_take_the_broker_away_before_the_gateway_is_done() -> None:
    async with EmbeddedBroker(FREE) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGINT)
        assert await through(broker, 50) == 50
        assert broker.running
