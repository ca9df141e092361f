"""Simulation and replay through a real mosquitto, counted by an independent client."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic import SecretStr

from gateway.series.maps import load_map
from gateway.series.read import read_series
from gateway.simulate.link import BrokerUnreachableError
from gateway.simulate.options import BrokerOptions, SimulateOptions
from gateway.simulate.publisher import simulate
from gateway.simulate.scenario import ScenarioError
from tests.tools.mosquitto import Mosquitto, free_port

DATA = Path(__file__).parents[2] / "data" / "series"
START = 1_773_594_000_000


class Listener:
    """Counts what a broker hands out."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, int]] = []
        self._changed = asyncio.Event()

    async def run(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            self.messages.append((str(message.topic), message.payload, message.qos))
            self._changed.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.messages) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(broker: Mosquitto, topic: str = "#", **options: Any) -> AsyncIterator[Listener]:
    async with aiomqtt.Client("127.0.0.1", broker.port, **options) as client:
        await client.subscribe(topic, qos=1)
        listener = Listener()
        task = asyncio.create_task(listener.run(client))
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("connections", [1, 3])
async def test_count_messages_arrive_once_each(mosquitto: Mosquitto, protocol: str, qos: int, connections: int) -> None:
    async with listening(mosquitto) as listener:
        broker = BrokerOptions(url=mosquitto.url, protocol=protocol, qos=qos, connections=connections, inflight=20)  # type: ignore[arg-type]
        summary = await simulate(SimulateOptions(broker=broker, stations=7, rate=50_000, count=1234))
        await listener.wait_for(1234)
    assert summary.published == 1234
    assert summary.devices == 7
    assert {got for _, _, got in listener.messages} == {qos}
    assert len(set(listener.messages)) == 1234
    for device in {topic for topic, _, _ in listener.messages}:
        times = [datetime.fromisoformat(json.loads(payload)["time"]) for topic, payload, _ in listener.messages if topic == device]
        assert times == sorted(times), "a device's messages must stay in order"


async def test_the_same_options_give_the_same_bytes(mosquitto: Mosquitto) -> None:
    runs = []
    for _ in range(2):
        async with listening(mosquitto) as listener:
            await simulate(
                SimulateOptions(broker=BrokerOptions(url=mosquitto.url), stations=5, rate=20_000, count=300, start_ms=START, seed=9)
            )
            await listener.wait_for(300)
        runs.append(listener.messages)
    assert runs[0] == runs[1]


async def test_rate_and_seconds_bound_a_run(mosquitto: Mosquitto) -> None:
    summary = await simulate(SimulateOptions(broker=BrokerOptions(url=mosquitto.url), stations=10, rate=400, seconds=1.0))
    assert 0.9 <= summary.seconds <= 6
    assert 1 <= summary.published <= 400 * summary.seconds + 1, "never faster than asked for"


async def test_stop_ends_it_and_all_that_was_counted_arrived(mosquitto: Mosquitto) -> None:
    stop = asyncio.Event()
    async with listening(mosquitto) as listener:
        task = asyncio.create_task(simulate(SimulateOptions(broker=BrokerOptions(url=mosquitto.url), rate=2000), stop=stop))
        await listener.wait_for(50)
        stop.set()
        summary = await asyncio.wait_for(task, 10)
        await listener.wait_for(summary.published)
    assert len(listener.messages) == summary.published


async def test_a_broker_stopped_and_started_again_loses_nothing_that_was_counted(make_mosquitto: Callable[..., Mosquitto]) -> None:
    """A session that the broker keeps for somebody who is away (persistence on) must hold every message afterwards."""
    broker = make_mosquitto().start()
    away = {"identifier": "away", "clean_session": False}
    async with listening(broker, **away):
        pass
    options = SimulateOptions(broker=BrokerOptions(url=broker.url, inflight=50), stations=20, rate=1500, count=3000, start_ms=START)
    task = asyncio.create_task(simulate(options))
    async with listening(broker) as progress:
        await progress.wait_for(300)
    broker.stop()
    broker.start()
    summary = await asyncio.wait_for(task, 60)
    async with listening(broker, **away) as back:
        await back.wait_for(3000)
        while len(set(back.messages)) < 3000:  # more than 3,000 if some were sent twice
            await back.wait_for(len(back.messages) + 1)
    assert summary.published == 3000
    assert summary.reconnects >= 1
    assert "reconnected" in summary.text()


async def test_a_real_series_arrives_row_by_row_with_its_own_time(mosquitto: Mosquitto) -> None:
    series_map = load_map("airnow")
    rows = list(read_series(DATA / "airnow-hanoi-2016.csv", series_map))
    async with listening(mosquitto, "series/#") as listener:
        summary = await simulate(
            SimulateOptions(broker=BrokerOptions(url=mosquitto.url), replay=DATA / "airnow-hanoi-2016.csv", map="airnow", speed="max")
        )
        await listener.wait_for(len(rows))
    assert summary.published == summary.rows == len(rows)
    assert {topic for topic, _, _ in listener.messages} == {"series/airnow/us-embassy-hanoi"}
    assert [json.loads(payload) for _, payload, _ in listener.messages] == [{"time": row.time_ms, **row.values} for row in rows]


async def test_replay_keeps_its_pace_and_can_be_moved_to_now(mosquitto: Mosquitto) -> None:
    options = SimulateOptions(
        broker=BrokerOptions(url=mosquitto.url),
        replay=DATA / "sensorcommunity-15092.csv",
        map="sensorcommunity",
        speed=12_000,  # 38 gaps of about 150 s in half a second
        shift_to_now=True,
    )
    async with listening(mosquitto, "series/#") as listener:
        summary = await simulate(options)
        await listener.wait_for(summary.published)
    times = [json.loads(payload)["time"] for _, payload, _ in listener.messages]
    original = [row.time_ms for row in read_series(DATA / "sensorcommunity-15092.csv", load_map("sensorcommunity"))]
    assert [time - times[0] for time in times] == [time - original[0] for time in original]
    assert summary.seconds >= (original[-1] - original[0]) / 1000 / 12_000
    assert times[0] > START


async def test_unreadable_lines_of_a_series_are_counted_and_named(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "torn.csv"
    lines = (DATA / "sensorcommunity-15092.csv").read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:5], lines[5][:40], lines[6].replace(";", ";x", 20), *lines[7:10]]) + "\n", encoding="utf-8")
    summary = await simulate(SimulateOptions(broker=BrokerOptions(url=mosquitto.url), replay=file, map="sensorcommunity", speed="max"))
    assert (summary.published, summary.skipped) == (7, 2)
    assert summary.problems[0].startswith(f"{file}:6: ")


def password_file(path: Path, user: str, password: str) -> Path:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(path), user, password], check=True, capture_output=True)
    path.chmod(0o644)
    return path


async def test_user_and_password(make_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    file = password_file(tmp_path / "passwords", "probe", "s3cret")
    broker = make_mosquitto(anonymous=False, config=(f"password_file {file}",)).start()
    good = BrokerOptions(url=broker.url, username="probe", password=SecretStr("s3cret"))
    assert (await simulate(SimulateOptions(broker=good, rate=1000, count=5))).published == 5
    bad = BrokerOptions(url=broker.url, username="probe", password=SecretStr("wrong-pass"))
    with pytest.raises(BrokerUnreachableError) as caught:
        await simulate(SimulateOptions(broker=bad, rate=1000, count=5))
    assert "wrong-pass" not in str(caught.value)


async def test_no_broker_there_says_where() -> None:
    port = free_port()
    with pytest.raises(BrokerUnreachableError, match=f"127.0.0.1:{port}"):
        await simulate(SimulateOptions(broker=BrokerOptions(url=f"mqtt://127.0.0.1:{port}"), rate=10, count=1))


async def test_a_replay_without_a_map_is_refused() -> None:
    with pytest.raises(ScenarioError, match="--map"):
        await simulate(SimulateOptions(replay=DATA / "usgs-iv.json"))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    certificate, key = folder / "server.pem", folder / "server.key"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *kind, *subject, *files], check=True, capture_output=True)
    key.chmod(0o644)
    return certificate, key


async def test_tls_with_a_ca_of_our_own_and_refusal_without_it(make_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    broker = make_mosquitto(listener=(f"certfile {certificate}", f"keyfile {key}")).start()
    url = f"mqtts://localhost:{broker.port}"
    trusting = BrokerOptions(url=url, ca_file=certificate)
    assert (await simulate(SimulateOptions(broker=trusting, rate=1000, count=20))).published == 20
    with pytest.raises(BrokerUnreachableError, match=f"localhost:{broker.port}"):
        await simulate(SimulateOptions(broker=BrokerOptions(url=url), rate=1000, count=1))
    with pytest.raises(BrokerUnreachableError, match="certificates"):
        await simulate(SimulateOptions(broker=BrokerOptions(url=url, ca_file=tmp_path / "absent.pem"), rate=1000, count=1))
