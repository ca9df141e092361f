"""What `envgw decode` prints: one message, the readings in it, the fields that were refused. Pure; the CLI only prints.

Here the device need not be registered (then `station` is None) and its own time is printed as it is, however far from receipt:
the question is "what does this message say", not "would it be taken in". A message without a readable time gets `received_ms`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from devices.decoder import Decoded, Levels, Result, legal_device_id
from devices.device_type import DeviceType
from devices.formats.record import Control
from devices.parameters import Catalogue
from devices.problems import did_you_mean
from devices.quality import NOT_EVALUATED
from devices.recognise import Openings, Sign
from devices.rejection import Reason, Rejection
from devices.stations import Registry
from devices.times import format_instant
from devices.topics import topic_problem

AUTO = "auto"


class Answer(NamedTuple):
    """`rows` are to be printed, one JSON object a line; `ok` False means one rejection and exit code 1."""

    ok: bool
    rows: list[dict[str, Any]]
    type: str | None
    """The type that was used; None when `auto` found none."""
    why: str
    """For a person: how the type was chosen."""


class UnknownType(ValueError):
    """The type that was asked for does not exist (wrong usage: exit code 2)."""


_NO_SIGN = Sign(0, "")


class _Fit(NamedTuple):
    type: str
    records: list[Decoded]
    sign: Sign = _NO_SIGN

    @property
    def readings(self) -> int:
        """How many values it reads."""
        return sum(len(record.values) + len(record.extra) for record in self.records)

    @property
    def score(self) -> tuple[int, int, int, int]:
        """What the type itself knows it by, then more readings, then fewer refused fields, then a time that could be read."""
        refused = sum(len(record.refused) for record in self.records)
        return self.sign.strength, self.readings, -refused, self.records[0].time_ms is not None


def decode(
    types: Mapping[str, DeviceType],
    catalogue: Catalogue,
    *,
    type_id: str,
    payload: bytes,
    received_ms: int,
    topic: str = "",
    registry: Registry | None = None,
) -> Answer:
    """Read one message as `type_id`, or with `auto` as the type that fits best. Raises UnknownType; nothing else for any payload.

    `auto` takes the registered type of the device if the message names a registered one and that type can read it; otherwise
    the type that reads most of it. Two types that fit equally are a refusal that names them.
    """
    if type_id != AUTO and type_id not in types:
        raise UnknownType(f"unknown device type {type_id!r}{did_you_mean(type_id, types)} (known: {', '.join(types)}, auto)")
    if topic and (problem := topic_problem(topic)) is not None:
        return _refused(Rejection(Reason.UNKNOWN_TOPIC, problem), None, "")
    if not payload:
        return _refused(Rejection(Reason.EMPTY, "the payload is empty"), None if type_id == AUTO else type_id, "")
    levels = tuple(topic.split("/")) if topic else ()
    if type_id == AUTO:
        chosen, why = _choose(types, payload, levels, received_ms, registry)
    else:
        read = types[type_id].decode(payload, levels, received_ms, {})
        chosen, why = _fit(type_id, read), f"type {type_id} was asked for"
    if isinstance(chosen, Rejection):
        return _refused(chosen, None if type_id == AUTO else type_id, why)
    if isinstance(chosen, Control):
        what = f"a control message ({chosen.what}), without readings"
        return _refused(Rejection(Reason.NO_READING, what), None if type_id == AUTO else type_id, why)
    rows: list[dict[str, Any]] = []
    for record in chosen.records:
        if not legal_device_id(record.device):
            what = f"{record.device[:40]!r} is not a legal device id"
            return _refused(Rejection(Reason.NO_DEVICE, what), chosen.type, why)
        rows += _rows(record, types[chosen.type], catalogue, registry, received_ms)
    return Answer(True, rows, chosen.type, why)


def _fit(type_id: str, read: Result, sign: Sign = _NO_SIGN) -> _Fit | Control | Rejection:
    if isinstance(read, Control | Rejection):
        return read
    return _Fit(type_id, read if isinstance(read, list) else [read], sign)


def _choose(
    types: Mapping[str, DeviceType], payload: bytes, levels: Levels, received_ms: int, registry: Registry | None
) -> tuple[_Fit | Control | Rejection, str]:
    openings = Openings(payload, levels, received_ms)
    fits: list[_Fit] = []
    rejections: dict[str, Rejection] = {}
    control: tuple[Control, str] | None = None
    for name, kind in types.items():
        sign: Sign | None = _NO_SIGN
        if kind.recognise is not None:
            sign = kind.recognise(payload, levels, openings)
        if sign is None:
            continue
        found = _fit(name, kind.decode(payload, levels, received_ms, {}), sign)
        if isinstance(found, Control):
            control = control or (found, name)
        elif isinstance(found, Rejection):
            rejections[name] = found
        else:
            fits.append(found)
    if not fits:
        if control is not None:
            return control[0], f"{control[1]} reads it as a control message"
        return _none_fits(rejections), "no known type can read it"
    for fit in fits:
        known = registry.devices.get(fit.records[0].device) if registry is not None else None
        if known is not None and known.type == fit.type:
            return fit, f"{fit.type}: the registry says that device {known.id} is one"
    best = max(fit.score for fit in fits)
    equal = [fit for fit in fits if fit.score == best]
    if len(equal) > 1:
        names = [fit.type for fit in equal]
        what = f"the types {' and '.join(names)} fit equally: say which with --type {names[0]} or --type {names[1]}"
        return Rejection(Reason.WRONG_SHAPE, what), what
    fit = equal[0]
    others = [f"{other.type} {other.readings}" for other in fits if other is not fit]
    compared = f" (others: {', '.join(others)})" if others else "; no other type can read it"
    known_by = f"{fit.sign.why}; " if fit.sign.why else ""
    return fit, f"{fit.type}: {known_by}it reads {fit.readings} value{'s' if fit.readings != 1 else ''}{compared}"


_FAR = (Reason.NO_READING, Reason.WRONG_TYPE, Reason.OUT_OF_BOUNDS)


def _none_fits(rejections: Mapping[str, Rejection]) -> Rejection:
    if not rejections:
        return Rejection(Reason.NO_READING, "no device type knows such a message")
    # A type that got as far as fields says more about the message than those whose format it is not.
    far = [rejection.reason for rejection in rejections.values() if rejection.reason in _FAR]
    reason, count = Counter(far or [rejection.reason for rejection in rejections.values()]).most_common(1)[0]
    if count == len(rejections):
        return next(iter(rejections.values()))
    said = "; ".join(f"{name}: {rejection.reason}" for name, rejection in list(rejections.items())[:10])
    more = f"; and {len(rejections) - 10} more" if len(rejections) > 10 else ""
    return Rejection(reason, f"no known type can read it ({said}{more})")


def _rows(decoded: Decoded, kind: DeviceType, catalogue: Catalogue, registry: Registry | None, received_ms: int) -> list[dict[str, Any]]:
    time_ms = received_ms if decoded.time_ms is None else decoded.time_ms
    device = registry.devices.get(decoded.device) if registry is not None else None
    placement = device.placement_at(time_ms) if device is not None else None
    own = placement.station.spans or {} if placement is not None else {}
    # A running total or a rate is no amount yet: one message does not say how much fell since the last.
    totals = kind.accumulates or {}
    common = {
        "time": format_instant(time_ms),
        "station": placement.station.id if placement is not None else None,
        "device": decoded.device,
    }
    rows: list[dict[str, Any]] = [
        {
            **common,
            "medium": kind.media[name],
            "parameter": name,
            "value": number,
            "unit": catalogue[name].unit,
            "flag": NOT_EVALUATED if name in totals and number is not None else own[name].flag(number) if name in own else flag,
        }
        for name, number, flag in ((value.parameter, value.value, value.flag) for value in (*decoded.values, *decoded.extra))
    ]
    for refused in decoded.refused:
        field = kind.fields.get(refused.field)
        name = field.parameter if field is not None else refused.field
        rows.append({"parameter": name, "reason": refused.reason.value, "detail": refused.detail})
    return rows


def _refused(rejection: Rejection, type_id: str | None, why: str) -> Answer:
    return Answer(False, [{"reason": rejection.reason.value, "detail": rejection.detail}], type_id, why)
