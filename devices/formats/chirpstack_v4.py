"""`chirpstack-v4`: events of ChirpStack v4 as JSON, `application/{id}/device/{devEui}/event/{up,join,status,…}`.

    who     deviceInfo.devEui
    when    time (of the network server)
    what    object: paths of fields are inside it; raw: data (Base64) with fPort
    health  rssi and snr of the gateway that heard it best; `status` events: batteryLevel

Other events (join, ack, txack, log, location, integration) are control messages. As with `ttn-v3` the common message goes
through a typed reader, and what that one refuses is read again as a tree.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader, Uplink
from devices.formats.json_text import NOT_SHALLOW, no_key_twice, parse_object, shallow_object
from devices.rejection import Reason, Rejection

_dumps = orjson.dumps


class _Device(msgspec.Struct, gc=False):
    devEui: str  # noqa: N815 - as ChirpStack writes it


class _Event(msgspec.Struct, gc=False):
    deviceInfo: _Device  # noqa: N815
    object: msgspec.Raw
    data: str | None = None
    fPort: int | None = None  # noqa: N815
    time: str | None = None
    rxInfo: tuple[env.Reception, ...] = ()  # noqa: N815


_decode = msgspec.json.Decoder(_Event).decode


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no such event); codec-failed (data is not Base64)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One event."""
    try:
        event = _decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        tree = parse_object(payload)
        return tree if isinstance(tree, Rejection) else from_tree(tree)
    decoded = parse_object(bytes(event.object))
    if isinstance(decoded, Rejection):
        if decoded.reason is not Reason.WRONG_SHAPE:
            return decoded
        decoded = {}
    heard = event.rxInfo
    if len(heard) == 1 and heard[0].rssi is not None and heard[0].snr is not None:
        health = {"rssi": heard[0].rssi, "snr": heard[0].snr}
    else:
        health = env.radio((each.rssi, each.snr) for each in heard)
    raw = env.from_base64(event.data)
    port = event.fPort if event.fPort is not None and 0 <= event.fPort <= 255 else None
    if decoded and not isinstance(raw, Rejection):
        return [Record(decoded, event.deviceInfo.devEui or None, event.time or None, raw, port, health)]
    return env.uplink(device=event.deviceInfo.devEui or None, time=event.time or None, raw=raw, port=port, decoded=decoded, health=health)


def quick(payload: bytes) -> Uplink | None:
    """An uplink that is decoded: what `read` gives of it, without a record."""
    try:
        event = _decode(payload)
        decoded = shallow_object(event.object)
        again = _dumps(decoded)
    except NOT_SHALLOW:
        return None
    device, heard, raw = event.deviceInfo.devEui, event.rxInfo, bytes(event.object)
    if not decoded or not device or (again != raw and not no_key_twice(raw, again)):
        return None
    if not heard:
        return decoded, device, event.time or None, None, None, None
    best = heard[0] if len(heard) == 1 else env.loudest(heard)
    return None if best is None else (decoded, device, event.time or None, best.rssi, best.snr, None)


def from_tree(tree: Any) -> list[Record] | Control | Rejection:
    """The same from a parsed event."""
    info = tree.get("deviceInfo")
    device = env.text(env.member(info, "devEui"))
    if info.__class__ is not dict:
        return Rejection(Reason.WRONG_SHAPE, "it has no deviceInfo: this is no event of ChirpStack v4")
    time = env.text(tree.get("time"))
    if "data" in tree or "object" in tree:
        return env.uplink(
            device=device,
            time=time,
            raw=env.from_base64(tree.get("data")),
            port=env.port(tree.get("fPort")),
            decoded=tree.get("object"),
            health=env.radio(env.receptions(tree.get("rxInfo"), "rssi", "snr")),
        )
    level = env.number(tree.get("batteryLevel"))
    if level is not None and not tree.get("batteryLevelUnavailable") and not tree.get("externalPowerSource"):
        return [Record({}, device, time, health={"battery": level})]
    return Control("event without application payload", device)


def _likely(payload: bytes) -> bool:
    return b'"deviceInfo"' in payload


FORMAT = Format("chirpstack-v4", reader=reader, nested=True, device=True, time=True, raw=True, quick=quick, likely=_likely)
