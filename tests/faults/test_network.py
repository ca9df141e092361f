"""The network between broker and gateway: cut in the middle of packets, in halves, slow, standing still. Nothing lost, nothing doubled.

The messages carry no device time, so a redelivery that is not recognised would be a reading too many.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.tools.background import Background, background
from tests.tools.mosquitto import Mosquitto
from tests.tools.proxy import Proxy
from tests.tools.publisher import Load, air
from tests.tools.site import Site, running

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
QUICK = {"backoff_max": "300ms", "connect_timeout": "1s", "keep_alive": "2s"}


def check(site: Site, count: int) -> None:
    """Every message that was sent is one reading; redelivered ones are counted as that and nothing else."""
    status = site.until(lambda s: s["stored"] >= count and not any(s["pending"].values()))
    site.until_connected()
    status = site.until_delivered(count)
    assert status["stored"] == count
    assert status["rejected"] == {}
    assert status["shed"] == 0
    assert sorted(row["value"] for row in site.rows(parameter="pm25")) == [float(n) for n in range(count)]


@PROTOCOLS
def test_cut_in_the_middle_of_packets(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    rng = random.Random(7)
    with background() as loop:
        proxy = loop.enter(Proxy(mosquitto.port))
        site = Site(tmp_path / "site", proxy.url, protocol=protocol, broker=QUICK)
        with running(site):
            site.until_connected()
            with Load(mosquitto.port, lambda n: air(1 + n % 3, pm25=n), per_s=500) as load:
                for _ in range(10):
                    before = proxy.connections
                    loop.call(proxy.cut_after, rng.randrange(1, 4000))
                    wait_connections(proxy, before + 1)
                load.finish()
            check(site, load.sent)
            assert proxy.connections >= 11


def wait_connections(proxy: Proxy, least: int, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while proxy.connections < least:
        assert time.monotonic() < deadline, f"{proxy.connections} connections, not {least}"
        time.sleep(0.01)


@PROTOCOLS
def test_segments_of_any_size_and_a_slow_line(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    with background() as loop:
        proxy = loop.enter(Proxy(mosquitto.port))
        site = Site(tmp_path / "site", proxy.url, protocol=protocol, broker=QUICK)
        with running(site):
            site.until_connected()
            with Load(mosquitto.port, lambda n: air(1 + n % 3, pm25=n), per_s=300) as load:
                proxy.halve = True
                load.wait_acknowledged(150)
                proxy.halve, proxy.segment = False, 7
                load.wait_acknowledged(300)
                proxy.segment, proxy.delay_s = 4096, 0.05
                load.wait_acknowledged(500)
                load.finish()
            check(site, load.sent)
            assert proxy.connections == 1, "no reason to reconnect"


@PROTOCOLS
def test_a_line_that_stands_still_is_noticed_and_made_up_for(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    with background() as loop:
        proxy = loop.enter(Proxy(mosquitto.port))
        site = Site(tmp_path / "site", proxy.url, protocol=protocol, broker=QUICK)
        with running(site):
            site.until_connected()
            with Load(mosquitto.port, lambda n: air(1 + n % 3, pm25=n), per_s=100) as load:
                load.wait_acknowledged(50)
                loop.call(proxy.pause)
                parts = site.until_ready(lambda ready, parts: not ready and parts["source city"]["colour"] == "red")
                assert "answer" in parts["source city"]["reason"], parts["source city"]
                restart(loop, proxy)
                load.finish()
            check(site, load.sent)


def restart(loop: Background, proxy: Proxy) -> None:
    """What was held back is thrown away with its connections, as a router does that was switched off and on."""
    loop.call(proxy.cut)
    loop.call(proxy.resume)
