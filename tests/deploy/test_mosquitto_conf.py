"""deploy/mosquitto, exactly as it ships, on a real mosquitto: who may log in, who may say and hear what, and that nothing is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import aiomqtt
import pytest

from devices.topics import match
from gateway.commands import acl
from gateway.commands.acl import Login
from tests.tools.mosquitto import Mosquitto, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
SHIPPED = (DEPLOY / "mosquitto" / "acl").read_text()


class Deployed:
    """A mosquitto with the deployed configuration; only its paths and its port are the test's own."""

    def __init__(self, server: Mosquitto, secrets: Path) -> None:
        self.server = server
        self.secrets = secrets
        self.allow(SHIPPED)
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        for deployed, here in (
            ("/run/secrets/", f"{secrets}/"),
            ("/mosquitto/config/", f"{server.folder}/"),
            ("/mosquitto/data/", f"{server.folder}/"),
            ("\nlistener 1883", f"\nlistener {server.port} 127.0.0.1"),
        ):
            assert deployed in text
            text = text.replace(deployed, here)
        # As root it would become user `mosquitto`, who cannot read this test's folder; in the image that user owns it.
        self.lines = [*(["user root"] if os.getuid() == 0 else []), *text.splitlines()]

    def allow(self, text: str) -> None:
        """Put another access list there, and make the secrets of its users, as an operator does."""
        (self.server.folder / "acl").write_text(text)
        environment = {"SECRETS_DIR": str(self.secrets), "ACL": str(self.server.folder / "acl"), "PATH": "/usr/bin:/bin"}
        subprocess.run([DEPLOY / "make-secrets.sh"], env=environment, check=True, capture_output=True)

    def start(self) -> Deployed:
        self.server._config = self.lines
        self.server.start()
        return self

    def password(self, user: str) -> str:
        return (self.secrets / "mqtt" / user).read_text()

    def client(self, user: str | None, password: str | None = None, identifier: str | None = None, **options: object) -> aiomqtt.Client:
        if user is not None and password is None:
            password = self.password(user)
        return aiomqtt.Client(
            "127.0.0.1", self.server.port, username=user, password=password, identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V5, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    async def publish_lines(self, user: str, topic: str, lines: Sequence[str]) -> None:
        """A message a line, at QoS 1."""
        command = [
            "mosquitto_pub",
            "-p",
            str(self.server.port),
            "-V",
            "5",
            "-u",
            user,
            "-P",
            self.password(user),
            "-q",
            "1",
            "-t",
            topic,
            "-l",
        ]
        program = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        await program.communicate("\n".join(lines).encode() + b"\n")
        assert program.returncode == 0


@pytest.fixture
def deployed(make_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> Deployed:
    return Deployed(make_mosquitto(), tmp_path / "secrets")


@pytest.fixture
def broker(deployed: Deployed) -> Deployed:
    return deployed.start()


def of_file(text: str) -> dict[str, Login]:
    """What an access list says, by user."""
    found: dict[str, Login] = {}
    for line in text.splitlines():
        if line.startswith("user "):
            user = line.removeprefix("user ")
            found[user] = Login(user)
        elif line.startswith("topic read "):
            found[user] = found[user]._replace(reads=(*found[user].reads, line.removeprefix("topic read ")))
        elif line.startswith("topic write "):
            found[user] = found[user]._replace(writes=(*found[user].writes, line.removeprefix("topic write ")))
    return found


async def verdicts(broker: Deployed, login: Login, topics: Sequence[str]) -> list[str]:
    """The topics on which the broker takes a message of this user."""
    taken = await asyncio.gather(*(takes(broker, login.user, topic) for topic in topics))
    return [topic for topic, yes in zip(topics, taken, strict=True) if yes]


async def takes(broker: Deployed, user: str, topic: str) -> bool:
    """A refusal comes with the PUBACK (MQTT 5), and then the connection is closed."""
    command = ["mosquitto_pub", "-p", str(broker.server.port), "-V", "5", "-u", user, "-P", broker.password(user), "-q", "1"]
    program = await asyncio.create_subprocess_exec(*command, "-t", topic, "-m", "{}", stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(20):
        said = (await program.communicate())[1].decode()
    assert program.returncode == 0, said
    assert said in ("", "Warning: Publish 1 failed: Not authorized.\n")
    return not said


async def takes_login(broker: Deployed, user: str) -> bool:
    with contextlib.suppress(aiomqtt.MqttError):
        async with broker.client(user):
            return True
    return False


@pytest.mark.parametrize(
    ("user", "password"), [(None, None), ("gateway", "wrong"), ("nobody", "wrong"), ("gateway", ""), ("an-01", "an-01")]
)
async def test_strangers_are_refused(broker: Deployed, user: str | None, password: str | None) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with broker.client(user, password):
            pass


async def test_each_may_write_what_its_lines_say_and_nothing_else(broker: Deployed) -> None:
    topics = [
        "sensors/air/an-01", "sensors/air/an-07", "sensors/air/an-01/x", "sensors/air", "sensors/met/mn-01", "sensors/water/wp-01",
        "sensors/level/lg-01/level", "sensors/level/lg-01", "sensors/level/lg-02/level", "envgw/alerts/pm25-smoke/hai-chau-01",
        "envgw/alerts/silent/hai-chau-01/an-01", "envgw/alerts", "envgw/other/a/b", "$SYS/broker/uptime", "anything",
    ]  # fmt: skip
    logins = of_file(SHIPPED)
    assert set(logins) >= {"gateway", "an-01", "lg-01", "boards", "simulator"}
    for login in logins.values():
        expected = [topic for topic in topics if any(match(pattern, topic) for pattern in login.writes)]
        assert await verdicts(broker, login, topics) == expected, login.user


async def test_the_gateway_hears_the_sensors(broker: Deployed) -> None:
    async with broker.client("gateway") as gateway, broker.client("an-01") as sensor:
        await gateway.subscribe("sensors/air/+", qos=1)
        await sensor.publish("sensors/air/an-01", b"{}", qos=1)
        async with asyncio.timeout(5):
            message = await anext(aiter(gateway.messages))
        assert (str(message.topic), message.payload, message.qos) == ("sensors/air/an-01", b"{}", 1)


async def test_boards_hear_alerts_and_nothing_else(broker: Deployed) -> None:
    """What may not be heard comes never: the alert that was sent after it is the first that comes, also of what is retained."""
    async with broker.client("an-01") as sensor, broker.client("gateway") as gateway, broker.client("boards") as boards:
        await sensor.publish("sensors/air/an-01", b"{}", qos=1, retain=True)
        for pattern in ("#", "$SYS/#", "sensors/#", "envgw/alerts/#"):
            await boards.subscribe(pattern, qos=1)
        await sensor.publish("sensors/air/an-01", b"{}", qos=1)
        await gateway.publish("envgw/alerts/smoke/hai-chau-01", b"!", qos=1, retain=True)
        async with asyncio.timeout(5):
            message = await anext(aiter(boards.messages))
        assert str(message.topic) == "envgw/alerts/smoke/hai-chau-01"


async def test_a_sensor_hears_nothing(broker: Deployed) -> None:
    async with broker.client("gateway") as gateway, broker.client("mn-01") as other, broker.client("an-01") as sensor:
        await gateway.subscribe("sensors/met/+", qos=1)
        await sensor.subscribe("#", qos=1)
        await other.publish("sensors/met/mn-01", b"{}", qos=1)
        async with asyncio.timeout(5):
            await anext(aiter(gateway.messages))  # it was handed out to all
        await sensor.publish("sensors/air/an-01", b"{}", qos=1)  # its PUBACK comes after whatever was handed to this client
        assert len(sensor.messages) == 0


async def test_every_line_means_to_mosquitto_what_it_means_to_us(deployed: Deployed) -> None:
    """Blanks inside, other alphabets, wildcards at the first level, `%u`, many users."""
    filters = [
        "a b/c d",
        "trạm/khí/một",
        "+/x",
        "#",
        "+",
        "a/+/c",
        "a/#",
        "%u/x",
        "%c",
        "/lead",
        "tail/",
        "a//b",
        "topic write x",
        "user x",
    ]
    logins = [Login(f"u{number}", (), (pattern,)) for number, pattern in enumerate(filters)]
    topics = [
        "a b/c d",
        "a",
        "trạm/khí/một",
        "q/x",
        "a/b/c",
        "a/b",
        "u7/x",
        "%u/x",
        "%c",
        "/lead",
        "tail/",
        "a//b",
        "topic write x",
        "user x",
    ]
    deployed.allow(acl.text(logins))
    deployed.start()
    for login in logins:
        expected = [topic for topic in topics if match(login.writes[0], topic)]
        assert await verdicts(deployed, login, topics) == expected, login.writes


async def test_new_rights_are_taken_in_without_a_restart(broker: Deployed) -> None:
    """`envgw stations acl`, make-secrets.sh, SIGHUP: a new device may log in, an old one may not, nobody else is disturbed."""
    old = broker.password("an-07")
    passwords = (broker.secrets / "mosquitto_passwords").stat().st_ino
    async with broker.client("gateway") as gateway:
        await gateway.subscribe("sensors/air/+", qos=1)
        broker.allow(SHIPPED.replace("an-07", "an-08"))
        assert (broker.secrets / "mosquitto_passwords").stat().st_ino == passwords  # docker mounted this file
        assert broker.server._process is not None
        broker.server._process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while not await takes_login(broker, "an-08"):
                await asyncio.sleep(0.01)
        async with broker.client("an-08") as sensor:
            await sensor.publish("sensors/air/an-08", b"{}", qos=1)
        with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
            async with broker.client("an-07", old):
                pass
        async with asyncio.timeout(5):
            assert str((await anext(aiter(gateway.messages))).topic) == "sensors/air/an-08"


async def test_the_secrets_stay_when_nothing_changed(broker: Deployed) -> None:
    def made() -> dict[str, tuple[str, int]]:
        return {str(path): (path.read_text(), path.stat().st_mtime_ns) for path in broker.secrets.rglob("*") if path.is_file()}

    before = made()
    broker.allow(SHIPPED)
    assert made() == before


async def heard_after(broker: Deployed, messages: int, meanwhile: Callable[[], None]) -> int:
    """How many of so many messages the gateway gets that was away while they came."""
    session = {"identifier": "envgw-test", "clean_start": False, "properties": expiry(3600)}
    async with broker.client("gateway", **session) as gateway:  # type: ignore[arg-type]
        await gateway.subscribe("sensors/air/+", qos=1)
    await broker.publish_lines("an-01", "sensors/air/an-01", [str(number) for number in range(messages)])
    meanwhile()
    heard: list[int] = []
    async with broker.client("gateway", **session) as gateway:  # type: ignore[arg-type]
        incoming = aiter(gateway.messages)
        async with broker.client("an-07") as sensor:
            await sensor.publish("sensors/air/an-07", b"last", qos=1)
        async with asyncio.timeout(30):
            while (payload := (await anext(incoming)).payload) != b"last":
                assert isinstance(payload, bytes)
                heard.append(int(payload))
    assert heard == sorted(set(heard))
    return len(heard)


def expiry(seconds: int) -> object:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = seconds
    return properties


def restart(server: Mosquitto) -> None:
    server.stop()
    server.start()


def crash(server: Mosquitto) -> None:
    server.save()  # what `autosave_interval` does every 30 s
    server.kill()
    server.start()


@pytest.mark.parametrize("meanwhile", [lambda server: None, restart, crash], ids=["nothing", "restart", "crash"])
async def test_five_thousand_messages_wait_for_a_gateway_that_is_away(broker: Deployed, meanwhile: Callable[[Mosquitto], None]) -> None:
    assert await heard_after(broker, 5_000, lambda: meanwhile(broker.server)) == 5_000


async def test_without_the_two_limits_most_of_them_are_lost(deployed: Deployed) -> None:
    """What the lines in mosquitto.conf are for: this is mosquitto's default."""
    lines = [line for line in deployed.lines if not line.startswith(("max_queued_messages", "max_inflight_messages"))]
    assert len(lines) == len(deployed.lines) - 2
    deployed.lines = lines
    assert await heard_after(deployed.start(), 5_000, lambda: None) < 1_100


async def test_the_listener_with_tls(deployed: Deployed) -> None:
    """Its lines taken in, sensors outside log in as those inside do; a renewed certificate is read at SIGHUP."""
    folder, port = deployed.server.folder, free_port()
    self_signed(folder)
    text = "\n".join(deployed.lines)
    opened = re.sub(r"(?m)^# (listener 8883|certfile .*|keyfile .*|tls_version .*)$", r"\1", text)
    assert len(opened) == len(text) - 4 * len("# ")
    deployed.lines = opened.replace("listener 8883", f"listener {port} 127.0.0.1").split("\n")
    deployed.start()

    def certificate() -> str:
        return ssl.get_server_certificate(("127.0.0.1", port))

    command = [
        "mosquitto_pub",
        "-h",
        "localhost",
        "-p",
        str(port),
        "--cafile",
        str(folder / "server.crt"),
        "-V",
        "5",
        "-q",
        "1",
        "-m",
        "{}",
    ]
    for user, topic, taken in (("an-01", "sensors/air/an-01", True), ("an-01", "sensors/air/an-07", False), ("nobody", "x", False)):
        login = ["-u", user, "-P", deployed.password(user) if user == "an-01" else "wrong", "-t", topic]
        program = await asyncio.create_subprocess_exec(*command, *login, stderr=asyncio.subprocess.PIPE)
        said = (await program.communicate())[1].decode()
        assert ("ot authori" not in said and program.returncode == 0) == taken, (user, topic, said)
    before = certificate()
    assert before == (folder / "server.crt").read_text()
    self_signed(folder)
    assert deployed.server._process is not None
    deployed.server._process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(10):
        while await asyncio.to_thread(certificate) == before:
            await asyncio.sleep(0.01)
    assert certificate() == (folder / "server.crt").read_text()


def self_signed(folder: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "server.key")]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "30", "-out", str(folder / "server.crt")]
    subprocess.run(["openssl", "req", "-x509", *key, *names], check=True, capture_output=True)


DEBIANS = """\
# Place your local configuration in /etc/mosquitto/conf.d/
pid_file /run/mosquitto/mosquitto.pid
persistence true
persistence_location /var/lib/mosquitto/
log_dest file /var/log/mosquitto/mosquitto.log
include_dir /etc/mosquitto/conf.d
"""
"""The lines of /etc/mosquitto/mosquitto.conf of Debian's package (2.0.11 and 2.0.18)."""


async def test_the_file_for_debian_works_beside_debians_own(deployed: Deployed) -> None:
    """It says the same as the deployed one: the same limits, the same rights."""
    folder = deployed.server.folder
    text = (DEPLOY / "mosquitto" / "debian" / "envgw.conf").read_text()
    own = {line for line in text.splitlines() if line and not line.startswith(("#", "listener", "acl_file", "password_file"))}
    assert own < set((DEPLOY / "mosquitto" / "mosquitto.conf").read_text().splitlines())
    (folder / "conf.d").mkdir()
    text = text.replace("/etc/mosquitto/envgw.passwords", str(deployed.secrets / "mosquitto_passwords"))
    text = text.replace("/etc/mosquitto/envgw.acl", str(folder / "acl")).replace("listener 1883", f"listener {deployed.server.port}")
    (folder / "conf.d" / "envgw.conf").write_text(text)
    debians = DEBIANS
    for place in ("/run/mosquitto", "/var/lib/mosquitto", "/var/log/mosquitto", "/etc/mosquitto"):
        debians = debians.replace(place, str(folder))
    deployed.lines = [*(["user root"] if os.getuid() == 0 else []), *debians.splitlines()]
    deployed.start()
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with deployed.client(None):
            pass
    assert await heard_after(deployed, 2_000, lambda: restart(deployed.server)) == 2_000
    assert await verdicts(deployed, of_file(SHIPPED)["an-01"], ["sensors/air/an-01", "sensors/air/an-07"]) == ["sensors/air/an-01"]
