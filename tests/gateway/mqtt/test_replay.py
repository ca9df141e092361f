"""Full speed, under uvloop, against the replay server, which checks the order of every acknowledgement."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from gateway.mqtt.mqtt5_source import Mqtt5Source
from tests.gateway.mqtt.support import broker, rng, running, until
from tests.tools.proxy import Proxy
from tests.tools.replay_server import ReplayServer

MESSAGES = [(f"air/{n % 100}", b"%06d" % n) for n in range(20_000)]


@pytest.mark.slow
@pytest.mark.parametrize("receive_maximum", [1, 50, 2000])
def test_order_and_receive_maximum_under_uvloop(receive_maximum: int) -> None:
    messages = MESSAGES[: receive_maximum * 200]

    async def play() -> None:
        async with ReplayServer(messages) as server:
            city = Mqtt5Source(broker(server.url, receive_maximum=receive_maximum), gateway_id="test", rng=rng())
            async with running(city) as consumer:
                await asyncio.wait_for(server.done.wait(), 30)
                await until(lambda: city.health.drained)
            assert consumer.payloads == [payload for _, payload in messages]
            assert (server.out_of_order, server.unexpected, server.connections) == (0, 0, 1)
            assert server.largest_window <= receive_maximum

    uvloop.run(play())


def test_cuts_under_uvloop() -> None:
    async def play() -> None:
        async with ReplayServer(MESSAGES[:5000], window=100) as server, Proxy(server.port) as proxy:
            city = Mqtt5Source(broker(proxy.url), gateway_id="test", rng=rng())
            async with running(city) as consumer:
                for wanted in (500, 2000, 3500):
                    await until(lambda wanted=wanted: server.acknowledged >= wanted)
                    proxy.cut_after(wanted + 1)
                await asyncio.wait_for(server.done.wait(), 30)
            assert sorted(set(consumer.payloads)) == [payload for _, payload in MESSAGES[:5000]]
            assert (server.out_of_order, server.unexpected) == (0, 0)
            assert server.connections >= 2

    uvloop.run(play())
