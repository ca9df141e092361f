"""What `envgw decode` prints: one message, the readings in it, the fields that were refused. Pure; the CLI only prints.

Here the device need not be registered (then `station` is None) and its own time is printed as it is, however far from receipt:
the question is "what does this message say", not "would it be taken in". A message without a readable time gets `received_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from devices.choose import choose, fit_of
from devices.decoder import Decoded, legal_device_id
from devices.device_type import DeviceType
from devices.formats.record import Control
from devices.parameters import Catalogue
from devices.problems import did_you_mean
from devices.quality import NOT_EVALUATED
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
    the type that fits best (`devices.choose`). Two types that fit equally are a refusal that names them.
    """
    if type_id != AUTO and type_id not in types:
        raise UnknownType(f"unknown device type {type_id!r}{did_you_mean(type_id, types)} (known: {', '.join(types)}, auto)")
    if topic and (problem := topic_problem(topic)) is not None:
        return _refused(Rejection(Reason.UNKNOWN_TOPIC, problem), None, "")
    if not payload:
        return _refused(Rejection(Reason.EMPTY, "the payload is empty"), None if type_id == AUTO else type_id, "")
    levels = tuple(topic.split("/")) if topic else ()
    if type_id == AUTO:
        chosen, why = choose(types, payload, levels, received_ms, registry)
    else:
        read = types[type_id].decode(payload, levels, received_ms, {})
        chosen, why = fit_of(type_id, read), f"type {type_id} was asked for"
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
