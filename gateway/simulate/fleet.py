"""The simulated devices: what each one sends at an instant, true or broken.

    city formulas ─▶ episodes ─▶ faults of values ─▶ payload as the device's maker writes it ─▶ faults of messages

Everything is a function of (seed, device, time). `due` lists who speaks when, so the demo, its 24 hours of history and a
demo that resumes all take the same messages from here.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from devices.times import format_instant, parse_instant
from gateway.settings import parse_duration
from gateway.simulate.city import HOUR, Reading, Site, air, water, weather
from gateway.simulate.noise import key, mix, uniform
from gateway.simulate.scenario import DevicePlan, Fault, Scenario, ScenarioError, drifted


class Outgoing(NamedTuple):
    """One message that a device sends at `time_ms` (when it is sent, not what its clock says)."""

    time_ms: int
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """How a device type of ours measures and writes: (field, parameter, decimals) in the order of its JSON."""

    medium: str
    measure: Callable[[int, Site, int], Reading]
    fields: tuple[tuple[str, str, int], ...]
    topic: str = "sensors/{medium}/{device}"


KINDS: dict[str, Kind] = {
    "air-node": Kind(
        "air",
        air,
        (
            ("pm1", "pm1", 1),
            ("pm25", "pm25", 1),
            ("pm10", "pm10", 1),
            ("no2", "no2", 1),
            ("o3", "o3", 1),
            ("co", "co", 0),
            ("temperature", "air_temp", 1),
            ("humidity", "rh", 1),
        ),
    ),
    "met-node": Kind(
        "air",
        weather,
        (
            ("temperature", "air_temp", 1),
            ("humidity", "rh", 1),
            ("pressure", "pressure", 1),
            ("wind_speed", "wind_speed", 1),
            ("wind_direction", "wind_dir", 0),
            ("rain", "rain", 2),
            ("solar", "solar", 0),
        ),
        topic="sensors/met/{device}",
    ),
    "water-probe": Kind(
        "water",
        water,
        (
            ("temperature", "water_temp", 2),
            ("ph", "ph", 2),
            ("do", "do", 2),
            ("conductivity", "ec", 0),
            ("turbidity", "turbidity", 1),
        ),
    ),
    "level-gauge": Kind("water", water, (("level", "level", 3),), topic="sensors/level/{device}/level"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimDevice:
    """One simulated device."""

    id: str
    station: str
    type: str
    topic: str
    interval_ms: int
    site: Site
    plan: DevicePlan = field(default_factory=DevicePlan)


class Fleet:
    """All devices of a simulation, with what they have done so far (counted, never used to make a message)."""

    def __init__(self, devices: Sequence[SimDevice], *, seed: int, start_ms: int) -> None:
        """`start_ms` is the instant from which the scenario's times are counted."""
        self.devices = list(devices)
        self.seed = seed
        self.start_ms = start_ms
        self.faults: Counter[str] = Counter()

    def due(self, since_ms: int, until_ms: int) -> Iterator[tuple[int, SimDevice]]:
        """(instant, device) for every message due in (since_ms, until_ms], in order of time."""
        return heapq.merge(*(self._times(device, since_ms, until_ms) for device in self.devices), key=lambda item: item[0])

    def _times(self, device: SimDevice, since_ms: int, until_ms: int) -> Iterator[tuple[int, SimDevice]]:
        # Each device has its own phase, as in a city where nobody switched all on at once.
        phase = key(self.seed, device.id, "phase") % device.interval_ms
        first = since_ms + device.interval_ms - (since_ms - phase) % device.interval_ms
        for time_ms in range(first, until_ms + 1, device.interval_ms):
            yield time_ms, device

    def messages(self, since_ms: int, until_ms: int) -> Iterator[Outgoing]:
        """Everything that is sent in (since_ms, until_ms], in order."""
        for time_ms, device in self.due(since_ms, until_ms):
            yield from self.speak(device, time_ms)

    def speak(self, device: SimDevice, time_ms: int) -> list[Outgoing]:
        """What a device sends at an instant: usually one message; none in a drop-out, two with a duplicate."""
        kind = KINDS[device.type]
        plan = device.plan
        values = kind.measure(self.seed, device.site, time_ms)
        for episode in plan.episodes:
            episode.raise_by(time_ms - self.start_ms, values)
        clock_ms, payload, copies = time_ms, None, 1
        for number, fault in enumerate(plan.faults):
            since = fault.since(time_ms - self.start_ms)
            if since is None:
                continue
            stream = key(self.seed, device.id, fault.kind, str(number))
            if fault.share < 1 and uniform(stream, time_ms) >= fault.share:
                continue
            self.faults[fault.kind] += 1
            if fault.kind == "drop-out":
                return []
            if fault.kind == "clock-skew":
                clock_ms += -fault.offset if fault.behind else fault.offset
            elif fault.kind == "duplicate":
                copies = 2
            elif fault.kind == "garbage":
                payload = _garbage(stream, time_ms)
            else:
                self._spoil(device, kind, fault, since, time_ms, values)
        if payload is None:
            payload = encode(device, kind, clock_ms, values)
        return [Outgoing(time_ms, device.topic, payload)] * copies

    def _spoil(self, device: SimDevice, kind: Kind, fault: Fault, since_ms: int, time_ms: int, values: Reading) -> None:
        touched = [fault.parameter] if fault.parameter else [parameter for _, parameter, _ in kind.fields]
        if fault.kind == "stuck":
            held = kind.measure(self.seed, device.site, time_ms - since_ms) if fault.value is None else {}
            for parameter in touched:
                values[parameter] = held[parameter] if fault.value is None else fault.value
        elif fault.kind == "spike":
            for parameter in touched:
                values[parameter] *= fault.size
        else:
            for parameter in touched:
                values[parameter] = drifted(fault, since_ms, values[parameter])


def encode(device: SimDevice, kind: Kind, clock_ms: int, values: Reading) -> bytes:
    """The payload as this device type writes it: flat JSON with its own clock, or one plain number."""
    if device.type == "level-gauge":
        return f"{values['level']:.3f}".encode()
    body: dict[str, Any] = {"device": device.id, "time": format_instant(clock_ms)}
    for name, parameter, decimals in kind.fields:
        body[name] = round(values[parameter], decimals) if decimals else round(values[parameter])
    if device.type == "met-node":
        # The rain gauge tips for what fell since the last message.
        body["rain"] = round(values["rain"] * device.interval_ms / HOUR, 2)
    body["battery"] = 70 + key(0, device.id) % 30
    return orjson.dumps(body)


def _garbage(stream: int, time_ms: int) -> bytes:
    """What comes out of a bad serial line: random bytes, a torn JSON text, or nothing at all."""
    bits = mix(stream ^ time_ms)
    shape = bits % 5
    if shape == 0:
        return b""
    if shape <= 2:
        return b'{"device":"' + str(bits % 1000).encode() + b'","time":"20'
    return b"".join(mix(bits + index).to_bytes(8, "little") for index in range(1 + bits % 7))


def synthetic_fleet(count: int, *, scenario: Scenario, seed: int, start_ms: int, interval_ms: int, device_type: str = "air-node") -> Fleet:
    """`count` stations `sim-00001` … with one device each, of one type."""
    kind = KINDS[device_type]
    devices = []
    for number in range(1, count + 1):
        name = f"sim-{number:05d}"
        devices.append(
            SimDevice(
                id=name,
                station=name,
                type=device_type,
                topic=kind.topic.format(medium=kind.medium, device=name),
                interval_ms=interval_ms,
                site=scenario.site(name, seed),
                plan=scenario.plan(name, name),
            )
        )
    return Fleet(devices, seed=seed, start_ms=start_ms)


def registry_fleet(path: Path, *, scenario: Scenario, seed: int, start_ms: int) -> Fleet:
    """The devices of a registry file (`stations: [{id, devices: [{id, type, topics, interval, to}]}]`) that we can simulate.

    Those that were taken away before `start_ms` say nothing: the gateway would refuse them (`not-installed`).
    """
    try:
        stations = yaml.safe_load(path.read_text(encoding="utf-8"))["stations"]
        devices = [
            SimDevice(
                id=item["id"],
                station=station["id"],
                type=item["type"],
                topic=item["topics"][0],
                interval_ms=parse_duration(item.get("interval", "60s")),
                site=scenario.site(station["id"], seed),
                plan=scenario.plan(item["id"], station["id"]),
            )
            for station in stations
            for item in station.get("devices", [])
            if item["type"] in KINDS and "+" not in item["topics"][0] and "#" not in item["topics"][0]
            if "to" not in item or parse_instant(item["to"], UTC) > start_ms  # the city's zone is not known here: hours do not matter
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ScenarioError(f"{path}: this registry cannot be simulated: {error!r}; `envgw check` tells what is wrong with it") from error
    if not devices:
        raise ScenarioError(f"{path}: none of its devices is of a type that the simulator knows ({', '.join(KINDS)})")
    return Fleet(devices, seed=seed, start_ms=start_ms)
