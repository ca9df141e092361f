"""(source, topic, payload) → readings of a registered device, or one rejection with its reason. Pure: the core's first step.

    which type speaks on this topic?          routes (the subscriptions, first fit wins)      unknown-topic
    empty, too large?                                                                         empty, too-large
    what does it say?                         devices.decoder                                 not-json, wrong-type, …
    who is it, and may it speak here?         devices.stations                                unknown-device, topic-not-allowed
    where did it stand at that time?          `Interpreter.lines`, once the time is settled   not-installed

Who speaks is settled before what it says: garbage on a topic that belongs to one device counts for that device, and an
unregistered device is `unknown-device` whatever its fields hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from devices import calibration
from devices import registry as registry_data
from devices.decoder import Decoded, Levels, legal_device_id
from devices.device_type import Decode, DeviceType, parse_all
from devices.formats.record import Control
from devices.loader import catalogue as shipped_catalogue
from devices.parameters import RAW_SUFFIX, Catalogue
from devices.problems import ConfigError, ConfigProblem, did_you_mean
from devices.qc.message_tests import MessageTests, message_tests
from devices.qc.model import QualityModel, SeriesModel
from devices.reading import Line, RefusedField, Value
from devices.rejection import Reason, Rejection
from devices.stations import Device, Registry, Station
from devices.topics import matcher, topic_problem

_CACHED_TOPICS = 50_000
_CACHED_TOPIC_CHARACTERS = 256
"""What is remembered about topics is bounded: beyond it, it is found out again."""


class Route(NamedTuple):
    """What is said on topics that fit `filter`, on broker `source`, is of device type `type`."""

    source: str
    filter: str
    type: str


class Interpreted(msgspec.Struct, frozen=True, gc=False):
    """The readings of one message, before time, place and area are settled."""

    device: Device
    time_ms: int | None
    """The device's own time; None when it says none that can be read."""
    values: list[Value]
    """Of the type's main medium."""
    extra: list[Value]
    """Of other media (battery, signal …)."""
    refused: list[RefusedField]
    position: tuple[float, float] | None = None
    """Latitude and longitude that the message says, degrees."""


class Controlled(NamedTuple):
    """A declared control message (a birth, a join): accounted as stored, without readings (semantics B4)."""

    what: str
    device: Device | None
    """The registered device whose it is, if it can be told."""


Outcome: TypeAlias = Interpreted | list[Interpreted] | Controlled | Rejection
"""Of one message. Several records come as a list, in the message's order; each of them may be of another device."""

StateOf: TypeAlias = Callable[[str], dict[str, object]]
"""Name → what the format has kept under it, to be changed in place."""


def _forgetful(name: str) -> dict[str, object]:
    return {}


class _Topic:
    """What is known of one topic on one source."""

    __slots__ = ("decode", "device", "kind", "levels", "state")

    def __init__(self, kind: DeviceType, source: str, levels: Levels) -> None:
        self.kind = kind
        self.decode: Decode = kind.decode
        self.levels = levels
        key = kind.state_key(levels) if kind.state_key is not None else None
        self.state = None if key is None else f"{source}/{key}"
        """Name of the format's state for who speaks here; None: it has none."""
        self.device: Device | None = None
        """The device that was last found to be allowed here: nearly always the only one."""


class Interpreter:
    """Configured once, then called for each message. Its caches change nothing but speed."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        types: Mapping[str, DeviceType],
        registry: Registry,
        routes: Sequence[Route],
        max_payload: int,
    ) -> None:
        self.catalogue = catalogue
        self.types = dict(types)
        self.registry = registry
        self.sources = frozenset(route.source for route in routes)
        """Brokers that messages may come from."""
        self._max_payload = max_payload
        self._routes = [(route.source, matcher(route.filter), types[route.type]) for route in routes]
        self._devices = registry.devices
        self._topics: dict[tuple[str, str], _Topic] = {}
        self.state_of: StateOf = _forgetful
        """Where formats keep state from message to message: the core sets it, for it belongs to the core's state."""

    def interpret(self, source: str, topic: str, payload: bytes, received_ms: int) -> Outcome:
        """One message. `received_ms` is for formats with relative times (SenML)."""
        known = self._topics.get((source, topic))
        if known is None:
            found = self._find(source, topic)
            if isinstance(found, Rejection):
                return found
            known = found
        if not payload:
            return self._rejected(known, source, topic, Rejection(Reason.EMPTY, "the payload is empty"))
        if len(payload) > self._max_payload:
            what = f"{len(payload)} bytes, at most {self._max_payload} are taken in (limits.max_payload)"
            return self._rejected(known, source, topic, Rejection(Reason.TOO_LARGE, what))
        if known.state is None:
            decoded = known.decode(payload, known.levels, received_ms)
        else:
            decoded = known.decode(payload, known.levels, received_ms, self.state_of(known.state))
        if decoded.__class__ is not Decoded:
            return self._unusual(known, source, topic, decoded)
        device = self._devices.get(decoded.device)
        if device is None or device is not known.device:
            refusal = self._admit(known, device, decoded.device, source, topic)
            if refusal is not None:
                return refusal
            assert device is not None
        return Interpreted(device, decoded.time_ms, decoded.values, decoded.extra, decoded.refused, decoded.place)

    def _unusual(self, known: _Topic, source: str, topic: str, decoded: Any) -> Outcome:
        """A rejection, a control message, or several records."""
        if isinstance(decoded, Rejection):
            return self._rejected(known, source, topic, decoded)
        if isinstance(decoded, Control):
            device = self._devices.get(decoded.device or "")
            if device is None or self._admit(known, device, device.id, source, topic) is not None:
                device = self.registry.owner_of(source, topic)
            return Controlled(decoded.what, device)
        found: list[Interpreted] = []
        refusals: list[RefusedField] = []
        first: Rejection | None = None
        records: list[Decoded] = decoded
        for number, record in enumerate(records):
            device = self._devices.get(record.device)
            refusal = None if device is not None and device is known.device else self._admit(known, device, record.device, source, topic)
            if refusal is None:
                assert device is not None
                found.append(Interpreted(device, record.time_ms, record.values, record.extra, record.refused, record.place))
            else:
                first = first or refusal
                refusals.append(RefusedField(f"record {number + 1}", refusal.reason, refusal.detail))
        if not found:
            assert first is not None
            return first
        found[0].refused.extend(refusals)
        return found if len(found) > 1 else found[0]

    def lines(self, interpreted: Interpreted, event_ms: int) -> tuple[Line, ...] | Rejection:
        """The readings as lines, at the station and in the area that were right at `event_ms`; `not-installed` when there is none."""
        device = interpreted.device
        placement = device.placements[-1]
        if not placement.from_ms <= event_ms < placement.to_ms:
            earlier = device.placement_at(event_ms)
            if earlier is None:
                return Rejection(Reason.NOT_INSTALLED, f"device {device.id!r} stands at no station at that time", device.id)
            placement = earlier
        station = placement.station
        area = station.areas[0].path if len(station.areas) == 1 else station.area_at(event_ms)
        kind = self.types[device.type]
        values, extra = interpreted.values, interpreted.extra
        if device.corrections is not None:
            values, extra = calibration.apply(values, extra, device.corrections, event_ms)
        if station.spans is not None:
            values, extra = _regraded(values, station), _regraded(extra, station)
        if not extra:
            return (Line(kind.medium, station.id, device.id, area, event_ms, tuple(values)),)
        media: dict[str, list[Value]] = {kind.medium: list(values)} if values else {}
        for value in extra:
            media.setdefault(_medium(kind, value.parameter), []).append(value)
        return tuple([Line(medium, station.id, device.id, area, event_ms, tuple(of)) for medium, of in media.items()])

    def quality_layers(self, device: Device, station: str) -> tuple[QualityModel, ...]:
        """What its type and the station say about quality tests, weakest first."""
        place = self.registry.stations.get(station)
        return (self.types[device.type].quality, *((place.quality,) if place else ()))

    def quality_of(self, device: Device, station: str, parameter: str) -> tuple[SeriesModel, ...]:
        """What they say about the tests of a parameter."""
        layers = self.quality_layers(device, station)
        return tuple(layer.parameters[parameter] for layer in layers if parameter in layer.parameters)

    def message_tests(self, device: Device, station: str) -> MessageTests | None:
        """The tests of its messages as a whole that they ask for; None: none."""
        return message_tests(*(layer.message for layer in self.quality_layers(device, station)))

    def unit(self, parameter: str) -> str:
        """The parameter's unit as people write it (`µg/m³`); empty for an unknown one."""
        known = self.catalogue.get(parameter)
        return known.display if known else ""

    def type_on(self, source: str, topic: str) -> DeviceType | None:
        """The device type that the subscriptions expect on this topic; None: it is not covered."""
        return next((kind for of, fits, kind in self._routes if of == source and fits(topic)), None)

    def _find(self, source: str, topic: str) -> _Topic | Rejection:
        problem = topic_problem(topic)
        if problem is not None:
            return Rejection(Reason.UNKNOWN_TOPIC, problem)
        for of, fits, kind in self._routes:
            if of == source and fits(topic):
                known = _Topic(kind, source, tuple(topic.split("/")))
                if len(topic) <= _CACHED_TOPIC_CHARACTERS:
                    if len(self._topics) >= _CACHED_TOPICS:
                        self._topics.clear()
                    self._topics[source, topic] = known
                return known
        return Rejection(Reason.UNKNOWN_TOPIC, f"no subscription of broker {source!r} covers this topic")

    def _admit(self, known: _Topic, device: Device | None, claimed: str, source: str, topic: str) -> Rejection | None:
        """Why the device may not speak here, or None (which is remembered)."""
        if device is None:
            if not legal_device_id(claimed):
                return Rejection(Reason.NO_DEVICE, f"{claimed[:40]!r} is not a legal device id")
            return Rejection(Reason.UNKNOWN_DEVICE, f"device {claimed!r} is not in the registry", claimed)
        if not device.may_speak(source, topic):
            what = f"device {device.id!r} may not speak on this topic of broker {source!r}"
            return Rejection(Reason.TOPIC_NOT_ALLOWED, what, device.id)
        if device.type != known.kind.id:
            what = f"device {device.id!r} is a {device.type}, but the subscription of this topic says {known.kind.id}"
            return Rejection(Reason.TOPIC_NOT_ALLOWED, what, device.id)
        known.device = device
        return None

    def _rejected(self, known: _Topic, source: str, topic: str, rejection: Rejection) -> Rejection:
        """A message that cannot be read, with the device that sent it, as far as topic or message tell."""
        claimed = rejection.device
        level = known.kind.device_level
        if claimed is None and level is not None and level < len(known.levels) and legal_device_id(known.levels[level]):
            claimed = known.levels[level]
        if claimed is None:
            owner = self.registry.owner_of(source, topic)
            return rejection if owner is None else rejection._replace(device=owner.id)
        refusal = self._admit(known, self._devices.get(claimed), claimed, source, topic)
        return rejection._replace(device=claimed) if refusal is None else refusal


def _medium(kind: DeviceType, parameter: str) -> str:
    """Also of `pm25_raw`, which a correction left beside `pm25`."""
    return kind.media.get(parameter) or kind.media[parameter.removesuffix(RAW_SUFFIX)]


def _regraded(values: list[Value], station: Station) -> list[Value]:
    """The same values with the flags of a station that has spans of its own."""
    spans = station.spans or {}
    return [
        Value(value.parameter, value.value, spans[value.parameter].flag(value.value)) if value.parameter in spans else value
        for value in values
    ]


def build_interpreter(core_config: Mapping[str, Any], catalogue: Catalogue | None = None) -> Interpreter:
    """An interpreter from plain data, as it stands in the journal's `Config` records.

    Keys: `types` (list of device types), `stations` (stations, one after the other), `routes` (list of [source, filter, type]),
    `max_payload` (bytes), and optionally `timezone` (IANA, of dates in the registry). Others are ignored. Raises ConfigError
    with every problem and its path.
    """
    known = shipped_catalogue() if catalogue is None else catalogue
    types = parse_all(core_config["types"], known)
    zone = core_config.get("timezone") or registry_data.DEFAULT_ZONE
    registry = registry_data.parse(core_config["stations"], types, known, zone)
    routes = [Route(*route) for route in core_config["routes"]]
    problems = [
        ConfigProblem(("routes", index, 2), f"unknown device type {route.type!r}{did_you_mean(route.type, types)}")
        for index, route in enumerate(routes)
        if route.type not in types
    ]
    if problems:
        raise ConfigError(problems)
    return Interpreter(catalogue=known, types=types, registry=registry, routes=routes, max_payload=core_config["max_payload"])
