"""What both sources promise, against real brokers: mosquitto (both versions) and iotcore (both listeners)."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from iotcore import Broker as IotcoreBroker

from gateway.mqtt.factory import make_source
from gateway.mqtt.session import SessionMemory
from gateway.mqtt.source import Source
from tests.gateway.mqtt.support import broker, numbered, publish, publish_bytes, rng, running, until
from tests.tools.mosquitto import Mosquitto, free_port, password_file
from tests.tools.proxy import Proxy

pytestmark = pytest.mark.server


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def source(url: str, protocol: str, *topics: str, memory: SessionMemory | None = None, **options: object) -> Source:
    return make_source(
        broker(url, *topics, protocol=protocol, **options), gateway_id="test", max_payload=256 * 1024, rng=rng(), memory=memory
    )


async def test_delivers_in_order_and_acknowledges(mosquitto: Mosquitto, protocol: str) -> None:
    city = source(mosquitto.url, protocol)
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        await publish(mosquitto.port, numbered(2000))
        await until(lambda: len(consumer.messages) == 2000)
        await until(lambda: city.health.unacknowledged == 0)
    assert consumer.payloads == [payload for _, payload in numbered(2000)]
    again = source(mosquitto.url, protocol)
    async with running(again) as consumer:
        await until(lambda: again.health.drained)
        assert again.health.session_present is True
    assert consumer.messages == []


async def test_cut_mid_packet_loses_nothing(mosquitto: Mosquitto, protocol: str) -> None:
    async with Proxy(mosquitto.port) as proxy:
        city = source(proxy.url, protocol)
        async with running(city) as consumer:
            await until(lambda: city.health.drained)
            for round_number, cut in enumerate((7, 100, 333)):
                proxy.cut_after(cut)
                proxy.segment = 5
                await publish(mosquitto.port, numbered(40, start=40 * round_number))
                await until(lambda expected=40 * (round_number + 1): len(set(consumer.payloads)) == expected)
            await until(lambda: city.health.drained)
    assert city.health.reconnects == 3
    assert sorted(set(consumer.payloads)) == [payload for _, payload in numbered(120)]


async def test_A4_acknowledgements_of_an_old_connection_are_dropped(mosquitto: Mosquitto, protocol: str) -> None:
    async with Proxy(mosquitto.port) as proxy:
        city = source(proxy.url, protocol)
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
            consumer.held.clear()
            proxy.cut()
            await until(lambda: len(consumer.held) == 20, "all twenty are still the broker's")
            assert {delivery.connection for delivery in consumer.held} == {3}
            assert all(delivery.message.dup for delivery in consumer.held)


async def test_kill_9_of_the_broker_loses_nothing(make_mosquitto: Callable[..., Mosquitto], protocol: str) -> None:
    server = make_mosquitto().start()
    city = source(server.url, protocol)
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        consumer.acknowledge = False
        await publish(server.port, numbered(50))
        await until(lambda: len(consumer.messages) == 50)
        server.save()
        server.kill()
        await until(lambda: not city.health.connected)
        await server.start_async()
        await until(lambda: len(consumer.messages) == 100)
        assert all(m.dup for m in consumer.messages[50:])
        assert consumer.payloads[50:] == consumer.payloads[:50]
        consumer.release()
        await until(lambda: city.health.drained)
    assert city.health.sessions_lost == 0
    assert consumer.links[:3] == [True, False, True]


async def test_lost_session_is_noticed_across_a_restart_of_the_gateway(
    make_mosquitto: Callable[..., Mosquitto], protocol: str, tmp_path: Path
) -> None:
    server = make_mosquitto().start()
    memory = tmp_path / "sessions.json"
    first = source(server.url, protocol, memory=SessionMemory(memory))
    async with running(first):
        await until(lambda: first.health.drained)
        assert first.health.sessions_lost == 0
    server.stop()
    server.forget()
    await server.start_async()
    second = source(server.url, protocol, memory=SessionMemory(memory))
    async with running(second):
        await until(lambda: second.health.drained)
    assert second.health.sessions_lost == 1


async def test_topics_taken_out_of_the_configuration_are_unsubscribed(mosquitto: Mosquitto, protocol: str, tmp_path: Path) -> None:
    memory = tmp_path / "sessions.json"
    first = source(mosquitto.url, protocol, "air/#", "noise/#", memory=SessionMemory(memory))
    async with running(first):
        await until(lambda: first.health.drained)
    second = source(mosquitto.url, protocol, "air/#", "water/+", memory=SessionMemory(memory))
    async with running(second) as consumer:
        await until(lambda: second.health.drained)
        await publish(mosquitto.port, [("noise/1", b"n"), ("water/1", b"w"), ("air/1/x", b"a")])
        await until(lambda: len(consumer.messages) == 2)
    assert {m.topic for m in consumer.messages} == {"water/1", "air/1/x"}


async def test_B2_retained_messages_come_once_per_subscription(mosquitto: Mosquitto, protocol: str, tmp_path: Path) -> None:
    await publish(mosquitto.port, [("air/1", b"old")], retain=True)
    memory = tmp_path / "sessions.json"
    first = source(mosquitto.url, protocol, memory=SessionMemory(memory))
    async with running(first) as consumer:
        await until(lambda: first.health.drained)
        assert [(m.payload, m.retain) for m in consumer.messages] == [(b"old", True)]
        await publish(mosquitto.port, [("air/1", b"live")], retain=True)
        await until(lambda: len(consumer.messages) == 2)
        assert consumer.messages[1].retain is False
    again = source(mosquitto.url, protocol, memory=SessionMemory(memory))
    async with running(again) as consumer:
        await until(lambda: again.health.drained)
    assert consumer.messages == []


async def test_keep_alive_is_served_while_nothing_is_taken_in(make_mosquitto: Callable[..., Mosquitto], protocol: str) -> None:
    server = make_mosquitto().start()
    city = source(server.url, protocol, receive_maximum=10, keep_alive="1s")
    async with running(city) as consumer:
        await until(lambda: city.health.drained)
        city.pause()
        consumer.take.clear()
        await publish(server.port, [("air/1", b"%05d" % n + b"x" * 1000) for n in range(300)])
        await asyncio.sleep(3)  # twice what a broker waits for a silent client (1.5 × keep-alive)
        assert city.health.connected
        assert city.health.reconnects == 0
        assert 10 <= city.health.unacknowledged <= 10 + 200
        city.resume()
        consumer.take.set()
        await until(lambda: len(consumer.messages) == 300)
        assert city.health.reconnects == 0
    assert [payload[:5] for payload in consumer.payloads] == [b"%05d" % n for n in range(300)]


async def test_a_broker_that_hangs_is_noticed(make_mosquitto: Callable[..., Mosquitto], protocol: str) -> None:
    server = make_mosquitto().start()
    city = source(server.url, protocol, keep_alive="1s")
    async with running(city):
        await until(lambda: city.health.drained)
        server.freeze()
        await until(lambda: not city.health.connected)
        assert "PINGREQ" in city.health.reason
        server.thaw()
        await until(lambda: city.health.drained)


async def test_wrong_password_is_named(make_mosquitto: Callable[..., Mosquitto], protocol: str, tmp_path: Path) -> None:
    server = make_mosquitto(anonymous=False)
    passwords = password_file(server.folder / "passwords", gateway="right")
    server._config.insert(0, f"password_file {passwords}")
    await server.start_async()
    wrong = source(server.url, protocol, username="gateway", password="wr0ng-secret")
    async with running(wrong):
        await until(lambda: "password" in wrong.health.reason)
        assert "gateway" in wrong.health.reason
        assert "wr0ng-secret" not in wrong.health.reason
    right = source(server.url, protocol, username="gateway", password="right")
    async with running(right):
        await until(lambda: right.health.drained)
        assert right.health.reason == ""


async def test_nobody_listens_is_named(protocol: str) -> None:
    city = source(f"mqtt://127.0.0.1:{free_port()}", protocol)
    async with running(city):
        await until(lambda: "nothing listens on 127.0.0.1" in city.health.reason)
        await until(lambda: city.health.reconnects >= 2)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca, server (for localhost), client, and another CA that signed nothing of it; made with openssl."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for ca in ("ca", "other"):
        openssl("req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "30", "-subj", f"/CN={ca} of the tests")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30"),
            *("-out", f"{name}.pem", "-extfile", "names"),
        )
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


async def test_tls_with_client_certificate(make_mosquitto: Callable[..., Mosquitto], protocol: str, certificates: Path) -> None:
    folder = certificates
    server = make_mosquitto(
        listener=(
            f"cafile {folder}/ca.pem",
            f"certfile {folder}/server.pem",
            f"keyfile {folder}/server.key",
            "require_certificate true",
            "use_identity_as_username true",
        )
    )
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    await server.start_async()
    url = f"mqtts://localhost:{server.port}"
    certificate = {"cert_file": folder / "client.pem", "key_file": folder / "client.key"}
    city = source(url, protocol, ca_file=folder / "ca.pem", **certificate)
    async with running(city) as consumer:
        await until(lambda: city.health.drained, f"TLS: {city.health.reason}")
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
        context.check_hostname = False
        await publish(server.port, [("air/1", b"%04d" % n + b"x" * 500) for n in range(1000)], tls_context=context)
        await until(lambda: len(consumer.messages) == 1000)
        await until(lambda: city.health.unacknowledged == 0)
        assert [payload[:4] for payload in consumer.payloads] == [b"%04d" % n for n in range(1000)]
    stranger = source(url, protocol, ca_file=folder / "other.pem", **certificate)
    async with running(stranger):
        await until(lambda: "ca_file" in stranger.health.reason)
        assert "not trusted" in stranger.health.reason
    missing = source(url, protocol, ca_file=folder / "nowhere.pem")
    async with running(missing):
        await until(lambda: "nowhere.pem cannot be used" in missing.health.reason)
    wrong_name = source(f"mqtts://127.0.0.1:{server.port}", protocol, ca_file=folder / "ca.pem", **certificate)
    async with running(wrong_name):
        await until(lambda: "host name" in wrong_name.health.reason)
    uncertified = source(url, protocol, ca_file=folder / "ca.pem")
    async with running(uncertified):
        await until(lambda: uncertified.health.reconnects > 0)
        assert not uncertified.health.connected
        assert uncertified.health.reason
    plain = source(f"mqtt://localhost:{server.port}", protocol, connect_timeout="1s")
    async with running(plain):
        await until(lambda: "TLS or plain" in plain.health.reason or "MQTT port" in plain.health.reason)


IOTCORE = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 10000
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "sensors"
listen = "127.0.0.1:{v4}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 5000
max_payload_size = 2000000
max_inflight_count = 100
[v5.1]
name = "gateway"
listen = "127.0.0.1:{v5}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 2000000
max_inflight_count = 100
"""


@pytest.fixture
def iotcore(tmp_path: Path) -> Iterator[dict[str, int]]:
    ports = {"3.1.1": free_port(), "5": free_port()}
    path = tmp_path / "mqtt.toml"
    path.write_text(IOTCORE.format(v4=ports["3.1.1"], v5=ports["5"]))
    server = IotcoreBroker(config_path=str(path))
    server.start()
    yield ports
    server.stop()


async def test_iotcore_delivers_in_order(iotcore: dict[str, int], protocol: str) -> None:
    city = source(f"mqtt://127.0.0.1:{iotcore[protocol]}", protocol, receive_maximum=50)
    async with running(city) as consumer:
        await until(lambda: city.health.drained, lambda: repr(city.health))
        await publish(iotcore["3.1.1"], numbered(1000))
        await until(lambda: len(consumer.messages) == 1000)
        assert city.health.reconnects == 0
    assert consumer.payloads == [payload for _, payload in numbered(1000)]


async def test_iotcore_forwards_topics_that_are_illegal(iotcore: dict[str, int], protocol: str) -> None:
    """It does (measured); each one is delivered, so that the core can reject it, and the connection lives on."""
    city = source(f"mqtt://127.0.0.1:{iotcore[protocol]}", protocol)
    async with running(city) as consumer:
        await until(lambda: city.health.drained, lambda: repr(city.health))
        _, writer = await asyncio.open_connection("127.0.0.1", iotcore["5"])
        writer.write(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01p")
        for number, topic in enumerate(("", "air\x00/1", "air/#", "air/+", "air/1"), start=1):
            writer.write(publish_bytes(topic, b"%d" % number, packet_id=number))
        await writer.drain()
        await until(lambda: b"5" in consumer.payloads, "the good one behind the bad ones")
        writer.close()
        assert city.health.reconnects == 0
        await until(lambda: city.health.unacknowledged == 0)
    topics = {m.payload: m.topic for m in consumer.messages}
    assert topics[b"5"] == "air/1"
    for payload, topic in topics.items():
        assert payload == b"5" or not topic or set(topic) & set("\x00+#")


async def test_iotcore_wrong_protocol_version_is_explained(iotcore: dict[str, int], protocol: str) -> None:
    other = "3.1.1" if protocol == "5" else "5"
    city = source(f"mqtt://127.0.0.1:{iotcore[other]}", protocol)
    async with running(city):
        await until(lambda: f"protocol: {other}" in city.health.reason)
