"""`envgw stations acl`: mosquitto's access list, made from the registry and the configuration.

    user gateway                  the gateway's own login at this broker: reads what it subscribes to, writes its alerts
    user an-01                    one login a device, named like the device: writes its own topics, reads nothing
    user boards                   whoever is added with `--allow "boards read envgw/alerts/#"`

What is not listed is forbidden, `$SYS` included. The registry refuses a device on a foreign topic too, but only the broker knows
who is really speaking; so a device that is stolen can lie about itself and about nothing else.

The file's form is that of mosquitto.conf(5), `acl_file`: a line `user NAME`, then its lines `topic read|write FILTER`, filters up to
the end of the line. mosquitto asks the list when a message is published and again when it is handed to a subscriber; a
subscription to what one may not read is granted and stays silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from devices.problems import did_you_mean
from devices.stations import EVER_MS, Device, Registry
from devices.topics import filter_problem, unshared
from gateway.commands.registry_check import overlap
from gateway.errors import EnvgwError
from gateway.settings import BrokerSection, ReceiverSection, Settings

_USER = re.compile(r"[^\s:#\x00-\x1f\x7f][^:\x00-\x1f\x7f]*")
"""A user name that a line of the list and a line `user:hash` of the password file can hold."""
_ALLOW = re.compile(r"(?P<user>\S+) (?P<access>read|write) (?P<filter>.+)")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


class Login(NamedTuple):
    """What one user may do: filters, in the order of the file."""

    user: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def logins(settings: Settings, registry: Registry, broker: str | None, allow: Sequence[str], now_ms: int) -> list[Login]:
    """Everybody who may do something at `broker` (None: the only one): the gateway, devices by name, then `allow` by name.

    Devices that stand nowhere any more at `now_ms` have lost their login. Raises EnvgwError for what cannot be written so.
    """
    section = _broker(settings, broker)
    if not section.username:
        raise EnvgwError(f"broker {section.name} has no `username`: give the gateway a login there, the list goes by user names")
    alerts = [topic for receiver in settings.receivers if receiver.broker == section.name for topic in alert_filters(receiver)]
    gateway = Login(section.username, _unique(unshared(subscription.topic) for subscription in section.subscriptions), _unique(alerts))
    devices = [
        Login(device.id, (), _unique(unshared(topic) for topic in device.topics))
        for _, device in sorted(registry.devices.items())
        if device.broker in (None, section.name) and _stands(device, now_ms)
    ]
    found = [gateway, *devices, *_allowed(allow)]
    _check(found)
    return found


def text(found: Sequence[Login]) -> str:
    """The access list as mosquitto reads it. Same registry, same text: a change of it is a change of rights."""
    lines = [
        "# Made by `envgw stations acl` from the registry: change the registry and make it anew, not this file.",
        "# What is not listed is forbidden.",
    ]
    for login in found:
        lines += ["", f"user {login.user}"]
        lines += [f"topic read {pattern}" for pattern in login.reads]
        lines += [f"topic write {pattern}" for pattern in login.writes]
    return "\n".join(lines) + "\n"


def shared_topics(devices: Sequence[Login]) -> list[str]:
    """Sentences about devices that may write to one and the same topic: the broker cannot keep these apart."""
    exact: dict[str, str] = {}
    wild: list[tuple[str, str]] = []
    said = []
    for user, pattern in ((login.user, pattern) for login in devices for pattern in login.writes):
        is_wild = "+" in pattern or "#" in pattern
        near = [*wild, *exact.items()] if is_wild else [*wild, (pattern, exact.get(pattern, user))]
        other = next((who for topic, who in near if who != user and overlap(topic, pattern)), None)
        if other is not None:
            said.append(f"{other} and {user} may both write to {pattern}: the broker cannot tell one from the other there")
        if is_wild:
            wild.append((pattern, user))
        else:
            exact.setdefault(pattern, user)
    return said


def alert_filters(receiver: ReceiverSection) -> Iterator[str]:
    """Filters of all topics to which an mqtt receiver may publish (see `gateway.notify.mqtt.topic_of`): none for other kinds."""
    if receiver.kind != "mqtt":
        return
    levels = ["+" if _PLACEHOLDER.search(level) else level for level in receiver.topic.split("/")]
    yield "/".join(levels)
    if "{device}" not in receiver.topic:
        yield "/".join([*levels, "+"])


def _broker(settings: Settings, name: str | None) -> BrokerSection:
    known = {section.name: section for section in settings.brokers}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name is None:
        raise EnvgwError(f"{len(known)} brokers are configured ({', '.join(known) or 'none'}): say for which one with --broker NAME")
    if name not in known:
        raise EnvgwError(f"there is no broker {name!r} in the configuration{did_you_mean(name, known)}")
    return known[name]


def _stands(device: Device, now_ms: int) -> bool:
    return (device.decommissioned_ms or EVER_MS) > now_ms


def _allowed(allow: Sequence[str]) -> list[Login]:
    given: dict[str, tuple[list[str], list[str]]] = {}
    for line in allow:
        match = _ALLOW.fullmatch(line.strip())
        problem = filter_problem(match["filter"]) if match else None
        if match is None or problem:
            raise EnvgwError(f'--allow {line!r}: {problem or "write USER read|write FILTER"}, for example "boards read envgw/alerts/#"')
        reads, writes = given.setdefault(match["user"], ([], []))
        (reads if match["access"] == "read" else writes).append(match["filter"])
    return [Login(user, _unique(reads), _unique(writes)) for user, (reads, writes) in sorted(given.items())]


def _check(found: Sequence[Login]) -> None:
    """No user twice, and nothing that a line cannot hold: it would give rights to somebody else, or to all."""
    seen: set[str] = set()
    for login in found:
        if not _USER.fullmatch(login.user) or login.user != login.user.strip():
            raise EnvgwError(
                f"mosquitto cannot have a user {login.user!r}: no colon, no control characters, no blank at its ends, no leading #"
            )
        if login.user in seen:
            raise EnvgwError(f"user {login.user!r} would have two meanings: the gateway's `username`, device ids and --allow must differ")
        seen.add(login.user)
        for pattern in (*login.reads, *login.writes):
            if pattern != pattern.strip() or any(ord(character) < 32 or ord(character) == 127 for character in pattern):
                raise EnvgwError(f"topic {pattern!r} of {login.user}: an access list cannot hold control characters or blanks at an end")


def _unique(filters: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filters))
