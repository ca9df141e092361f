"""`envgw stations check`: what is not wrong, but will not work as it was meant.

Errors (overlapping placements, unknown types …) are found when the configuration is built, with file and line; here are the
warnings, which nothing stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from devices.topics import unshared
from gateway.config import LoadedConfig
from gateway.config.yamlfile import Document, Problem
from gateway.coreconfig import CoreConfig


def warnings(loaded: LoadedConfig, core: CoreConfig) -> list[Problem]:
    """In the order of files and lines."""
    placed = [
        (document, index, entry) for document in loaded.stations for index, entry in enumerate((document.data or {}).get("stations") or ())
    ]
    found: list[Problem] = []
    routes = [(source, unshared(topic), kind) for source, topic, kind in core.plain["routes"]]
    at: dict[tuple[float, float], str] = {}
    topics: dict[tuple[str, str | None], str] = {}
    for document, index, station in placed:
        path = ("stations", index)
        if not station.get("devices"):
            found.append(document.problem(path, f"station {station['id']!r} has no device: nothing can come from it"))
        where = (station["lat"], station["lon"])
        if where in at:
            found.append(document.problem((*path, "lat"), f"station {station['id']!r} lies exactly where {at[where]!r} does"))
        at.setdefault(where, station["id"])
        if where == (0, 0):
            found.append(document.problem((*path, "lat"), "0, 0 lies in the Gulf of Guinea: are these the coordinates?"))
        for number, device in enumerate(station.get("devices") or ()):
            found += _device(document, (*path, "devices", number), device, routes, topics, core)
    return found


def _device(
    document: Document,
    path: tuple[str | int, ...],
    device: dict[str, Any],
    routes: Sequence[tuple[str, str, str]],
    topics: dict[tuple[str, str | None], str],
    core: CoreConfig,
) -> Iterator[Problem]:
    name, broker = device["id"], device.get("broker")
    if broker is not None and broker not in {source for source, _, _ in routes}:
        yield document.problem((*path, "broker"), f"no broker {broker!r} with subscriptions in the configuration: {name!r} cannot be heard")
        return
    own = [route for route in routes if broker in (None, route[0])]
    for index, topic in enumerate(device["topics"]):
        place = (*path, "topics", index)
        covering = [(source, pattern, kind) for source, pattern, kind in own if overlap(pattern, topic)]
        if not covering:
            what = f"of broker {broker!r} " if broker else ""
            yield document.problem(place, f"no subscription {what}brings {topic!r}: device {name!r} cannot be heard on it")
            continue
        source, pattern, kind = covering[0]
        if kind != device["type"]:
            said = f"what comes on {pattern!r} of broker {source!r} is read as {kind}"
            yield document.problem((*path, "type"), f"{said}, but device {name!r} is a {device['type']}: topic-not-allowed")
        if "+" not in topic and "#" not in topic:
            other = topics.setdefault((topic, broker), name)
            if other != name and core.interpreter.types[device["type"]].device_level is not None:
                yield document.problem(place, f"{topic!r} is bound to {other!r} too, but the topic names only one device")


def overlap(one: str, other: str) -> bool:
    """Is there a topic that both filters match?"""
    if one.startswith("$") != other.startswith("$") and (one[:1] in "+#" or other[:1] in "+#"):
        return False
    left, right = one.split("/"), other.split("/")
    for index in range(max(len(left), len(right))):
        a = left[index] if index < len(left) else None
        b = right[index] if index < len(right) else None
        if a == "#" or b == "#":
            return True
        if a is None or b is None:
            return False
        if a != b and "+" not in (a, b):
            return False
    return True
