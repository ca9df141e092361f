"""`envgw stations acl`: who may say what. That mosquitto reads it so is tested in tests/deploy/test_mosquitto_conf.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.topics import match
from gateway.commands import acl
from gateway.commands.acl import Login
from gateway.core.outcomes import Transition
from gateway.notify.mqtt import level, topic_of
from gateway.settings import ReceiverSection
from tests.gateway.commands.place import REGISTRY, Place
from tests.tools.alerts import transition

CITY = {
    "name": "city",
    "url": "mqtt://127.0.0.1:1",
    "username": "gateway",
    "subscriptions": [{"topic": "sensors/air/+", "type": "air-node"}, {"topic": "$share/two/sensors/met/+", "type": "met-node"}],
}
OTHER = {**CITY, "name": "lora", "subscriptions": [{"topic": "v3/#", "type": "air-node"}]}
DEVICES = """\
      - {id: mn-01, type: met-node, topics: [sensors/met/mn-01, "sensors/met/mn-01/+"], broker: city}
      - {id: zz-01, type: air-node, topics: [v3/zz-01], broker: lora}
      - {id: an-00, type: air-node, topics: [sensors/air/an-00], from: 2026-01-01, to: 2026-02-01}
      - {id: an-99, type: air-node, topics: [sensors/air/an-99], from: 2199-01-01}
"""


def place(folder: Path, registry: str = REGISTRY + DEVICES, brokers: tuple[dict[str, Any], ...] = (CITY, OTHER), **sections: Any) -> Place:
    return Place(folder, registry, brokers=list(brokers), **sections)


def users(text: str) -> dict[str, list[str]]:
    """User → its lines, read by the rules of mosquitto.conf(5)."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("user "):
            here = found.setdefault(line.removeprefix("user "), [])
        elif line and not line.startswith("#"):
            here.append(line)
    return found


def test_each_device_writes_its_own_topics_and_nothing_else(tmp_path: Path) -> None:
    run = place(tmp_path, receivers=[{"name": "boards", "kind": "mqtt", "broker": "city"}]).run("stations", "acl", "--broker", "city")
    assert users(run.stdout) == {
        "gateway": [
            "topic read sensors/air/+",
            "topic read sensors/met/+",
            "topic write envgw/alerts/+/+",
            "topic write envgw/alerts/+/+/+",
        ],
        "an-01": ["topic write sensors/air/an-01"],
        "an-99": ["topic write sensors/air/an-99"],  # comes later: it may be set up today
        "mn-01": ["topic write sensors/met/mn-01", "topic write sensors/met/mn-01/+"],
    }


def test_another_broker_has_its_own_devices_and_no_alerts(tmp_path: Path) -> None:
    run = place(tmp_path, receivers=[{"name": "boards", "kind": "mqtt", "broker": "city"}]).run("stations", "acl", "--broker", "lora")
    found = users(run.stdout)
    assert found["gateway"] == ["topic read v3/#"]
    assert set(found) == {"gateway", "an-01", "an-99", "zz-01"}


def test_others_are_let_in_by_name(tmp_path: Path) -> None:
    arguments = ("--allow", "boards read envgw/alerts/#", "--allow", "lora write v3/#", "--allow", "lora read v3/down/a b")
    run = place(tmp_path, REGISTRY, (CITY,)).run("stations", "acl", *arguments)
    assert users(run.stdout)["boards"] == ["topic read envgw/alerts/#"]
    assert users(run.stdout)["lora"] == ["topic read v3/down/a b", "topic write v3/#"]


def test_it_is_written_in_place(tmp_path: Path) -> None:
    """A file that a container has mounted, or that belongs to mosquitto, stays the same file."""
    here, file = place(tmp_path, REGISTRY, (CITY,)), tmp_path / "acl"
    file.write_text("something much longer than what comes " * 100)
    file.chmod(0o640)
    before = file.stat()
    run = here.run("stations", "acl", "--output", str(file))
    assert run.stdout == ""
    assert file.read_text() == here.run("stations", "acl").stdout
    assert (file.stat().st_ino, file.stat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        ({"brokers": (CITY, OTHER)}, (), "2 brokers are configured (city, lora): say for which one with --broker NAME"),
        ({"brokers": (CITY,)}, ("--broker", "citi"), "there is no broker 'citi' in the configuration; did you mean 'city'?"),
        ({"brokers": ({**CITY, "username": None},)}, (), "broker city has no `username`"),
        ({"brokers": ({**CITY, "username": "an-01"},)}, (), "user 'an-01' would have two meanings"),
        ({"brokers": ({**CITY, "username": "a:b"},)}, (), "mosquitto cannot have a user 'a:b'"),
        ({"brokers": ({**CITY, "username": "a\nuser b"},)}, (), "mosquitto cannot have a user"),
        ({"brokers": (CITY,)}, ("--allow", "an-01 write #"), "user 'an-01' would have two meanings"),
        ({"brokers": (CITY,)}, ("--allow", "boards readwrite #"), "write USER read|write FILTER"),
        ({"brokers": (CITY,)}, ("--allow", "boards read a/#/b"), "`#` must stand alone in the last level"),
        ({"brokers": (CITY,)}, ("--allow", "boards read a\ttopic"), "cannot hold control characters"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, change: dict[str, Any], arguments: tuple[str, ...], says: str) -> None:
    run = place(tmp_path, REGISTRY, **change).run("stations", "acl", *arguments, expect=1)
    assert says in str(run.exception) + run.stderr
    assert run.stdout == ""


def test_devices_that_cannot_be_kept_apart_are_named(tmp_path: Path) -> None:
    shared = (
        '      - {id: an-02, type: air-node, topics: [sensors/air/an-01]}\n      - {id: an-03, type: air-node, topics: ["sensors/air/+"]}\n'
    )
    run = place(tmp_path, REGISTRY + shared, (CITY,)).run("stations", "acl", "--allow", "simulator write sensors/#")
    assert run.stderr.splitlines() == [
        "warning: an-01 and an-02 may both write to sensors/air/an-01: the broker cannot tell one from the other there",
        "warning: an-01 and an-03 may both write to sensors/air/+: the broker cannot tell one from the other there",
    ]


_LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=3).map("/".join)
_FILTERS = st.one_of(_LEVELS, _LEVELS.map(lambda text: text + "/#"))


@given(st.lists(_FILTERS, min_size=1, max_size=6), st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map("/".join))
def test_whoever_shares_a_topic_is_named(filters: list[str], topic: str) -> None:
    """If two devices may both write to some topic, at least the later of them is in a warning."""
    devices = [Login(f"d{number}", (), (pattern,)) for number, pattern in enumerate(filters)]
    writers = [login.user for login in devices if match(login.writes[0], topic)]
    warned = " ".join(acl.shared_topics(devices))
    for user in writers[1:]:
        assert f"and {user} may" in warned


_PARTS = ["alerts", "{rule}", "{station}", "{device}", "{area}", "{severity}", "x-{rule}", "{rule}{area}"]


@given(
    st.lists(st.sampled_from(_PARTS), min_size=1, max_size=5),
    st.one_of(st.just("hai-chau"), st.text(max_size=5)),
    st.text(max_size=5),
    st.sampled_from([None, "d", "a/b"]),
)
def test_no_alert_is_published_beside_its_filters(levels: list[str], station: str, area: str, device: str | None) -> None:
    receiver = ReceiverSection(name="boards", kind="mqtt", broker="city", topic="/".join(levels))
    told: Transition = transition(station=station, area=area, device=device)
    topic = topic_of(receiver.topic, told)
    assert any(match(pattern, topic) for pattern in acl.alert_filters(receiver)), (topic, level(station))
