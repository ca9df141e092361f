"""deploy/mosquitto/mosquitto.conf on a real mosquitto: who may log in, and who may say what."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from tests.tools.mosquitto import Mosquitto

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    subprocess.run([DEPLOY / "make-secrets.sh"], env={"SECRETS_DIR": str(tmp_path / "secrets"), "PATH": "/usr/bin:/bin"}, check=True)
    return tmp_path / "secrets"


@pytest.fixture
def broker(make_mosquitto: Callable[..., Mosquitto], secrets: Path) -> Mosquitto:
    """The deployed configuration; only its paths and its port are this test's."""
    server = make_mosquitto()
    for name in ("mosquitto_passwords",):
        (server.folder / name).write_text((secrets / name).read_text())
    (server.folder / "acl").write_text((DEPLOY / "mosquitto" / "acl").read_text())
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    for deployed, here in (
        ("/run/secrets/", f"{server.folder}/"),
        ("/mosquitto/config/", f"{server.folder}/"),
        ("/mosquitto/data/", f"{server.folder}/"),
        ("\nlistener 1883", f"\nlistener {server.port} 127.0.0.1"),
    ):
        assert deployed in text
        text = text.replace(deployed, here)
    # As root it would become user `mosquitto`, who cannot read this test's folder; in the image that user owns it.
    server._config = [*(["user root"] if os.getuid() == 0 else []), *text.splitlines()]
    return server.start()


def client(broker: Mosquitto, secrets: Path, user: str | None, password: str | None = None) -> aiomqtt.Client:
    if user is not None and password is None:
        password = (secrets / f"mqtt_{user}_password").read_text()
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password=password, protocol=aiomqtt.ProtocolVersion.V5)


@pytest.mark.parametrize(("user", "password"), [(None, None), ("gateway", "wrong"), ("nobody", "wrong"), ("gateway", "")])
async def test_strangers_are_refused(broker: Mosquitto, secrets: Path, user: str | None, password: str | None) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with client(broker, secrets, user, password):
            pass


async def test_sensors_publish_and_the_gateway_reads(broker: Mosquitto, secrets: Path) -> None:
    async with client(broker, secrets, "gateway") as gateway, client(broker, secrets, "sensors") as sensors:
        await gateway.subscribe("sensors/#", qos=1)
        await sensors.publish("sensors/air/an-01", b"{}", qos=1)
        async with asyncio.timeout(5):
            message = await anext(aiter(gateway.messages))
        assert (str(message.topic), message.payload, message.qos) == ("sensors/air/an-01", b"{}", 1)


async def test_the_gateway_writes_alerts_and_boards_read_them(broker: Mosquitto, secrets: Path) -> None:
    async with client(broker, secrets, "gateway") as gateway, client(broker, secrets, "boards") as boards:
        await boards.subscribe("envgw/alerts/#", qos=1)
        await gateway.publish("envgw/alerts/smoke/hai-chau-01", b"{}", qos=1, retain=True)
        async with asyncio.timeout(5):
            message = await anext(aiter(boards.messages))
        assert str(message.topic) == "envgw/alerts/smoke/hai-chau-01"


async def test_sensors_cannot_raise_alerts(broker: Mosquitto, secrets: Path) -> None:
    """What is not allowed arrives nowhere: the allowed message sent after it is the first that comes."""
    async with client(broker, secrets, "boards") as boards, client(broker, secrets, "gateway") as gateway:
        await boards.subscribe("envgw/alerts/#", qos=1)
        login = ["-u", "sensors", "-P", (secrets / "mqtt_sensors_password").read_text()]
        message = ["-p", str(broker.port), "-q", "1", "-t", "envgw/alerts/false/alarm", "-m", "!"]
        publisher = await asyncio.create_subprocess_exec("mosquitto_pub", *login, *message)
        await publisher.wait()  # refused or dropped without a word, by the version spoken
        await gateway.publish("envgw/alerts/true/alarm", b"{}", qos=1)
        async with asyncio.timeout(5):
            received = await anext(aiter(boards.messages))
        assert str(received.topic) == "envgw/alerts/true/alarm"
