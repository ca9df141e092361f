"""What `envgw decode` prints: one message, the readings in it, the fields that were refused. Pure; the CLI only prints.

Here the device need not be registered (then `station` is None) and its own time is printed as it is, however far from receipt:
the question is "what does this message say", not "would it be taken in". A message without a readable time gets `received_ms`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from devices.decoder import Decoded, legal_device_id
from devices.device_type import DeviceType
from devices.parameters import Catalogue
from devices.problems import did_you_mean
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


class _Fit(NamedTuple):
    type: str
    decoded: Decoded

    @property
    def score(self) -> tuple[int, int, int]:
        """More readings fit better, then fewer refused fields, then a time that could be read."""
        decoded = self.decoded
        return len(decoded.values) + len(decoded.extra), -len(decoded.refused), decoded.time_ms is not None


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
        chosen, why = _choose({name: kind.decode(payload, levels) for name, kind in types.items()}, registry)
    else:
        read = types[type_id].decode(payload, levels)
        chosen, why = read if isinstance(read, Rejection) else _Fit(type_id, read), f"type {type_id} was asked for"
    if isinstance(chosen, Rejection):
        return _refused(chosen, None if type_id == AUTO else type_id, why)
    if not legal_device_id(chosen.decoded.device):
        what = f"{chosen.decoded.device[:40]!r} is not a legal device id"
        return _refused(Rejection(Reason.NO_DEVICE, what), chosen.type, why)
    return Answer(True, _rows(chosen.decoded, types[chosen.type], catalogue, registry, received_ms), chosen.type, why)


def _choose(results: Mapping[str, Decoded | Rejection], registry: Registry | None) -> tuple[_Fit | Rejection, str]:
    fits = [_Fit(name, result) for name, result in results.items() if not isinstance(result, Rejection)]
    if not fits:
        return _none_fits(results), "no known type can read it"
    for fit in fits:
        known = registry.devices.get(fit.decoded.device) if registry is not None else None
        if known is not None and known.type == fit.type:
            return fit, f"{fit.type}: the registry says that device {known.id} is one"
    best = max(fit.score for fit in fits)
    equal = [fit for fit in fits if fit.score == best]
    if len(equal) > 1:
        names = [fit.type for fit in equal]
        what = f"the types {' and '.join(names)} fit equally: say which with --type {names[0]} or --type {names[1]}"
        return Rejection(Reason.WRONG_SHAPE, what), what
    fit = equal[0]
    others = [f"{other.type} {other.score[0]}" for other in fits if other is not fit]
    compared = f" (others: {', '.join(others)})" if others else "; no other type can read it"
    return fit, f"{fit.type}: it reads {best[0]} value{'s' if best[0] != 1 else ''}{compared}"


def _none_fits(results: Mapping[str, Decoded | Rejection]) -> Rejection:
    rejections = {name: result for name, result in results.items() if isinstance(result, Rejection)}
    if not rejections:
        return Rejection(Reason.NO_READING, "no device type is known")
    reason, count = Counter(rejection.reason for rejection in rejections.values()).most_common(1)[0]
    if count == len(rejections):
        return next(iter(rejections.values()))
    said = "; ".join(f"{name}: {rejection.reason}" for name, rejection in rejections.items())
    return Rejection(reason, f"no known type can read it ({said})")


def _rows(decoded: Decoded, kind: DeviceType, catalogue: Catalogue, registry: Registry | None, received_ms: int) -> list[dict[str, Any]]:
    time_ms = received_ms if decoded.time_ms is None else decoded.time_ms
    device = registry.devices.get(decoded.device) if registry is not None else None
    placement = device.placement_at(time_ms) if device is not None else None
    own = placement.station.spans or {} if placement is not None else {}
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
            "flag": own[name].flag(number) if name in own else flag,
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
