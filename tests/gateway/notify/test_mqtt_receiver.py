"""One retained topic per alert, on a real mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from gateway.errors import EnvgwError, Retryable
from gateway.notify.mqtt import MqttReceiver, check_template, level, topic_of
from gateway.settings import BrokerSection, ReceiverSection
from tests.tools.alerts import DESCRIBER, START_MS, intent, transition
from tests.tools.sinks import Mosquitto, listening, until

TOPIC = "envgw/alerts/pm25-high/hai-chau"


@pytest.fixture
async def broker(tmp_path: Path, real_server: None) -> AsyncIterator[Mosquitto]:
    server = Mosquitto(tmp_path)
    await server.start()
    yield server
    server.stop()


def receiver(broker: Mosquitto, protocol: str = "5", password: str | None = None, **settings: object) -> MqttReceiver:
    section = BrokerSection.model_validate(
        {
            "name": "city",
            "url": f"mqtt://127.0.0.1:{broker.port}",
            "protocol": protocol,
            "username": "gw" if password else None,
            "password": password,
            "subscriptions": [{"topic": "#", "type": "x"}],
        }
    )
    values = {"name": "duty", "kind": "mqtt", "broker": "city", "timeout": 3, **settings}
    return MqttReceiver(ReceiverSection.model_validate(values), section, DESCRIBER)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_open_alert_is_retained_and_a_closed_one_leaves_nothing(broker: Mosquitto, protocol: str) -> None:
    mqtt = receiver(broker, protocol)
    async with listening(broker.port) as live:
        await mqtt.send(intent("firing"))
        async with listening(broker.port) as late:
            await until(lambda: len(late) == 1)
        assert (late[0].topic.value, late[0].retain) == (TOPIC, True)
        document = orjson.loads(late[0].payload)
        assert document["state"] == "firing"
        assert document["id"] == f"pm25-high/hai-chau/{START_MS}"
        assert (document["value"], document["limit"], document["unit"]) == (178.25, 75.0, "ug/m3")
        assert document["since"] == "2026-11-23T07:00:00.000Z"
        assert document["station_names"] == {"vi": "Trạm Hải Châu", "en": "Hai Chau station"}
        await mqtt.send(intent("resolved"))
        await until(lambda: len(live) == 3)
        assert [orjson.loads(m.payload)["state"] if m.payload else "" for m in live] == ["firing", "resolved", ""]
        await mqtt.send(intent("firing", rule="marker", episode="marker/hai-chau/1"))
        async with listening(broker.port) as later:
            await until(lambda: len(later) == 1)
        assert later[0].topic.value == "envgw/alerts/marker/hai-chau", "of the closed alert nothing stays"
    await mqtt.close()


async def test_without_send_resolved_the_retained_alert_is_still_withdrawn(broker: Mosquitto) -> None:
    mqtt = receiver(broker, send_resolved=False)
    async with listening(broker.port) as live:
        await mqtt.send(intent("firing"))
        await mqtt.send(intent("resolved"))
        await until(lambda: len(live) == 2)
    assert live[1].payload in (b"", None)
    await mqtt.close()


async def test_the_connection_stays_and_comes_back_by_itself(broker: Mosquitto) -> None:
    """A broker restarted between two alerts costs no failed delivery: the second is sent on a new connection at once."""
    mqtt = receiver(broker)
    await mqtt.send(intent("firing"))
    broker.stop()
    await broker.start()
    await mqtt.send(intent("unknown"))
    async with listening(broker.port) as late:
        await until(lambda: len(late) == 1)
    assert orjson.loads(late[0].payload)["state"] == "unknown"
    await mqtt.close()


@pytest.mark.server
async def test_a_wrong_password_is_red(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("gw:not-a-hash\n")
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    await broker.start()
    mqtt = receiver(broker, password="wrong-password")
    with pytest.raises(Retryable) as caught:
        await mqtt.send(intent())
    broker.stop()
    assert caught.value.red
    assert "password" in caught.value.reason
    assert "wrong-password" not in caught.value.reason


@pytest.mark.server
async def test_an_alert_that_the_broker_refuses_is_not_delivered(tmp_path: Path) -> None:
    """mosquitto answers PUBACK 0x87 where its ACL forbids the topic; aiomqtt alone would take that for success."""
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    acl.chmod(0o600)
    broker = Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {acl}")
    await broker.start()
    mqtt = receiver(broker)
    for _ in range(2):
        with pytest.raises(Retryable, match="Not authorized") as caught:
            await mqtt.send(intent())
        assert caught.value.red
    await mqtt.close()
    broker.stop()


@pytest.mark.slow
async def test_a_broker_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    section = BrokerSection.model_validate(
        {"name": "city", "url": f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", "subscriptions": [{"topic": "#", "type": "x"}]}
    )
    mqtt = MqttReceiver(ReceiverSection(name="duty", kind="mqtt", broker="city", timeout=0.3), section, DESCRIBER)
    with pytest.raises(Retryable, match="receiver duty"):
        async with asyncio.timeout(5):
            await mqtt.send(intent())
    await mqtt.close()
    server.close()


def test_values_cannot_leave_their_level_of_the_topic() -> None:
    hostile = transition(station="a/b/+/#\x00{rule}", area="", device="", severity="$SYS")
    assert topic_of("x/{station}/{area}/{severity}", hostile) == "x/a_b_____{rule}/_/_SYS"
    assert level("Hải Châu") == "Hải Châu"
    assert level("$SYS") == "_SYS"
    assert len(level("x" * 1000)) == 200


def test_two_devices_of_a_station_do_not_share_a_topic() -> None:
    """Else the end of one silence would clear the other from the broker, and silence would read as all clear."""
    silent = {"rule": "device-silent", "kind": "device-silent", "parameter": ""}
    topics = {
        topic_of("envgw/alerts/{rule}/{station}", transition(device=device, episode=f"device-silent/{device}/1", **silent))
        for device in ("hc-1", "hc-2")
    }
    assert topics == {"envgw/alerts/device-silent/hai-chau/hc-1", "envgw/alerts/device-silent/hai-chau/hc-2"}
    assert topic_of("a/{device}", transition(episode="device-silent/hc-1/1", **silent)) == "a/hc-1"


@pytest.mark.parametrize("template", ["a/{value}", "a/+/{rule}", "#", "", "a/{rule", "{}", "{rule.__class__}", "{0}"])
def test_templates_that_are_none(template: str) -> None:
    with pytest.raises(EnvgwError):
        check_template(template)
