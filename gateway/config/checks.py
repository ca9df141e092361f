"""What is wrong in a configuration although every value by itself is legal: names, references, files, topics.

The checks read the plain data, not the validated settings, so that they are reported together with everything else: a
model's own validators do not run while one of its fields is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from gateway.config.messages import suggestion
from gateway.config.yamlfile import PathTuple

_SCHEMES = {"mqtt": 1883, "mqtts": 8883}


def check(data: dict[str, Any], folder: Path) -> list[tuple[PathTuple, str]]:
    """(path, sentence) for every finding. `folder` is what relative paths are relative to."""
    return [*_names(data), *_gateway(data), *_brokers(data, folder), *_histories(data, folder), *_receivers(data)]


def _items(data: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    items = data.get(key)
    if isinstance(items, list):
        yield from ((n, item) for n, item in enumerate(items) if isinstance(item, dict))


def _names(data: dict[str, Any]) -> Iterator[tuple[PathTuple, str]]:
    for key in ("brokers", "history", "receivers"):
        first: dict[str, int] = {}
        for n, item in _items(data, key):
            name = item.get("name")
            if isinstance(name, str) and first.setdefault(name, n) != n:
                yield (key, n, "name"), f"the name {name!r} is used twice in `{key}`: each needs its own"


def _gateway(data: dict[str, Any]) -> Iterator[tuple[PathTuple, str]]:
    section = data.get("gateway")
    zone = section.get("timezone") if isinstance(section, dict) else None
    if isinstance(zone, str):
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, LookupError):
            yield ("gateway", "timezone"), f"{zone!r} is not a time zone: write its IANA name, for example Asia/Ho_Chi_Minh"


def _brokers(data: dict[str, Any], folder: Path) -> Iterator[tuple[PathTuple, str]]:
    for n, broker in _items(data, "brokers"):
        here = ("brokers", n)
        url = broker.get("url")
        scheme = ""
        if isinstance(url, str) and url:
            problem, scheme = _broker_url(url)
            if problem:
                yield (*here, "url"), problem
        for key in ("ca_file", "cert_file", "key_file"):
            yield from _file(broker, here, key, folder)
            if scheme == "mqtt" and broker.get(key):
                yield (*here, key), f"`{key}` is for TLS, but the url begins with mqtt://: write mqtts://, or remove `{key}`"
        if bool(broker.get("cert_file")) != bool(broker.get("key_file")):
            there = "cert_file" if broker.get("cert_file") else "key_file"
            yield (*here, there), "a client certificate needs both `cert_file` and `key_file`"
        if broker.get("password") and not broker.get("username"):
            yield (*here, "password"), "there is a password, but no `username`: add it"
        yield from _subscriptions(broker, here, bool(data.get("rules")))


def _broker_url(url: str) -> tuple[str, str]:
    """(what is wrong, scheme)."""
    example = "write mqtt://host:1883, or mqtts://host:8883 for TLS"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"this is not the address of a broker: {example}", ""
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return f"this is not the address of a broker: {example}", ""
    if parts.username is not None or parts.password is not None:
        return "the url holds a user name or password: write them as `username` and `password` (with !env or !file)", parts.scheme
    if port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment:
        return f"after the host there can be a port and nothing else: {example}", parts.scheme
    return "", parts.scheme


def _subscriptions(broker: dict[str, Any], here: PathTuple, rules: bool) -> Iterator[tuple[PathTuple, str]]:
    first: dict[str, int] = {}
    for m, subscription in _items(broker, "subscriptions"):
        topic = subscription.get("topic")
        if not isinstance(topic, str):
            continue
        at = (*here, "subscriptions", m, "topic")
        problem = topic_filter_problem(topic)
        if problem:
            yield at, problem
        elif topic.startswith("$share/"):
            yield from ((at, complaint) for complaint in _share_problem(topic, broker.get("protocol"), rules))
        if first.setdefault(topic, m) != m:
            yield at, f"{topic!r} is subscribed to twice: the first would win, so remove one"


def _share_problem(topic: str, protocol: object, rules: bool) -> Iterator[str]:
    """Semantics B3: none of the gateways that share a station sees its whole series, so windows, timers and silence are wrong in each.

    (A share partitioned by topic, where each gateway has filters of its own, needs no `$share`: that is what to write instead.)
    """
    plain = topic.split("/", 2)[2]
    if str(protocol) == "3.1.1":
        yield f"`$share` needs MQTT 5: write `protocol: 5`, or the plain filter {plain!r}"
    if rules:
        yield (
            "`$share` splits a station's readings over gateways, so alert rules would be wrong: "
            f"write {plain!r} and give each gateway topics of its own, or remove `rules` here"
        )


def topic_filter_problem(topic: str) -> str:
    """Empty if `topic` is a legal MQTT topic filter (MQTT 5 section 4.7, `$share` 4.8.2), else what is wrong with it."""
    if not topic or "\0" in topic or len(topic.encode("utf-8", "surrogatepass")) > 65535:
        return "a topic filter has 1 to 65,535 bytes and no NUL character"
    levels = topic.split("/")
    if levels[0] == "$share":
        if len(levels) < 3 or not levels[1] or any(character in levels[1] for character in "+#") or not "/".join(levels[2:]):
            return f"{topic!r} is not a shared subscription: write $share/GROUP/FILTER"
        levels = levels[2:]
    for n, level in enumerate(levels):
        if "#" in level and (level != "#" or n != len(levels) - 1):
            return f"in {topic!r} the `#` must be a level of its own and the last: write for example city/air/#"
        if "+" in level and level != "+":
            return f"in {topic!r} the `+` must be a level of its own: write for example city/+/up"
    return ""


def _histories(data: dict[str, Any], folder: Path) -> Iterator[tuple[PathTuple, str]]:
    for n, history in _items(data, "history"):
        here = ("history", n)
        url = history.get("url")
        if isinstance(url, str) and url and not _is_http(url):
            yield (*here, "url"), "this is not the address of a history: write http://host:8086 or https://…"
        yield from _file(history, here, "ca_file", folder)
        if history.get("kind") == "influxdb" and history.get("api", "v2") == "v1" and history.get("token"):
            yield (*here, "token"), "`token` is for api v2: for v1 write `username` and `password`"


def _receivers(data: dict[str, Any]) -> Iterator[tuple[PathTuple, str]]:
    brokers = [str(broker.get("name")) for _, broker in _items(data, "brokers")]
    for n, receiver in _items(data, "receivers"):
        here = ("receivers", n)
        broker, url = receiver.get("broker"), receiver.get("url")
        if receiver.get("kind") == "mqtt" and isinstance(broker, str) and broker not in brokers:
            hint = suggestion(broker, brokers) if brokers else ": there are no `brokers` in this file"
            yield (*here, "broker"), f"no broker has the name {broker!r}{hint}"
        if receiver.get("kind") == "webhook" and isinstance(url, str) and url and not _is_http(url):
            yield (*here, "url"), "this is not the address of a webhook: write http://… or https://…"  # not shown: it may hold a token


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _file(section: dict[str, Any], here: PathTuple, key: str, folder: Path) -> Iterator[tuple[PathTuple, str]]:
    name = section.get(key)
    if isinstance(name, str) and name and "\0" not in name and not (folder / name).is_file():
        yield (*here, key), f"there is no file {str(folder / name)!r}: `{key}` is relative to the configuration file"
