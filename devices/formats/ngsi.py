"""`ngsi`: FIWARE context entities, NGSI v2 and NGSI-LD, normalised, concise or keyValues, alone, in arrays or in notifications.

    {"id": …, "type": "AirQualityObserved", "NO2": 69, …}                                        keyValues
    {"id": …, "NO2": {"type": "Number", "value": 69, "metadata": {"unitCode": {"value": "GQ"}}}}   v2
    {"id": …, "no2": {"type": "Property", "value": 69, "unitCode": "GQ", "observedAt": …}}         LD
    {"subscriptionId": …, "data": [entity, …]}                                                   notification

All become one record an entity: attribute → value, and `attribute.unitCode` → the unit's code where the message has one.

    who     id
    when    dateObserved (of an interval its end), else observationDateTime, dateModified, or the newest observedAt
    place   location, a GeoJSON point (longitude first)
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Pairs, Record, RecordReader
from devices.formats.json_text import parse
from devices.formats.limits import MAX_RECORDS
from devices.formats.paths import flatten
from devices.rejection import Reason, Rejection

_NOT_ATTRIBUTES = ("@context",)
_WHEN = ("dateObserved", "observationDateTime", "observedAt", "dateModified", "modifiedAt", "TimeInstant")


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no entity, no `id`)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One entity, several, or a notification of them."""
    tree = parse(payload)
    if isinstance(tree, Rejection):
        return tree
    entities = tree
    if tree.__class__ is dict:
        data = tree.get("data")
        told = data.__class__ is list and ("subscriptionId" in tree or tree.get("type") == "Notification")
        entities = data if told else [tree]
        if not entities:
            return Control("notification without entities")
    if len(entities) > MAX_RECORDS:
        return Rejection(Reason.WRONG_SHAPE, f"{len(entities)} entities, at most {MAX_RECORDS} are taken from one message")
    records = []
    for entity in entities:
        record = _entity(entity)
        if isinstance(record, Rejection):
            return record
        records.append(record)
    return records or Rejection(Reason.WRONG_SHAPE, "an entity is due, this array is empty")


def _entity(entity: Any) -> Record | Rejection:
    if entity.__class__ is not dict or not isinstance(entity.get("id"), str) or not isinstance(entity.get("type"), str | list):
        return Rejection(Reason.WRONG_SHAPE, "an entity has an `id` and a `type`: this is none")
    values: dict[str, Any] = {}
    units: Pairs = {}
    newest: str | None = None
    for name, said in entity.items():
        if name in _NOT_ATTRIBUTES:
            continue
        value, unit, seen = _attribute(said) if name not in ("id", "type") else (said, None, None)
        values[name] = value
        if unit is not None:
            units[f"{name}.unitCode"] = unit
        if seen is not None and (newest is None or seen > newest):
            newest = seen
    pairs = flatten(values)
    if isinstance(pairs, Rejection):
        return pairs
    times = (_when(values.get(name)) for name in _WHEN)
    time = next((found for found in times if found is not None), newest)
    place = values.get("location")
    spot = env.member(place, "coordinates") if env.member(place, "type") == "Point" else None
    longitude, latitude = (spot[0], spot[1]) if spot.__class__ is list and len(spot) >= 2 else (None, None)
    return Record({**pairs, **units}, entity["id"], time, latitude=env.number(latitude), longitude=env.number(longitude))


def _attribute(said: Any) -> tuple[Any, str | None, str | None]:
    """(value, unit code, observed at) of an attribute in any of the notations."""
    if said.__class__ is not dict:
        return said, None, None
    if "value" not in said:
        if said.get("type") == "Relationship" and "object" in said:
            return said["object"], None, None
        return said, None, None
    unit = env.text(said.get("unitCode")) or env.text(env.member(said, "metadata", "unitCode", "value"))
    seen = env.text(said.get("observedAt")) or env.text(env.member(said, "metadata", "observedAt", "value"))
    return said["value"], unit, seen


def _when(said: Any) -> str | None:
    if said.__class__ is dict:
        said = said.get("@value")
    found = env.text(said)
    return None if found is None else found.rpartition("/")[2]


def _likely(payload: bytes) -> bool:
    return b'"id"' in payload and b'"type"' in payload


FORMAT = Format("ngsi", reader=reader, device=True, time=True, likely=_likely)
