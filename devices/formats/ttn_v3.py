"""`ttn-v3`: The Things Stack v3 (The Things Network), `v3/{application}@{tenant}/devices/{device}/up` and its siblings.

    who     end_device_ids.dev_eui, else device_id
    when    uplink_message.received_at, the network's clock
    what    uplink_message.decoded_payload: paths of fields are inside it; raw: frm_payload (Base64) with f_port
    health  rssi and snr of the gateway that heard it best
    place   uplink_message.locations (user, else gps, else any), of the device

Joins, acknowledgements and the like are control messages. The storage integration's form (under `result`) and the event's (under
`data`) are read as well. The common message goes through a typed reader that skips what is not asked for; whatever that one refuses is read
again as a tree, forgivingly.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import orjson

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader, Uplink
from devices.formats.json_text import NOT_SHALLOW, no_key_twice, parse_object, shallow_object
from devices.rejection import Reason, Rejection

_CONTROLS = (
    "join_accept",
    "downlink_ack",
    "downlink_nack",
    "downlink_sent",
    "downlink_failed",
    "downlink_queued",
    "downlink_queue_invalidated",
    "location_solved",
    "service_data",
    "uplink_normalized",
)

_dumps = orjson.dumps


class _Place(msgspec.Struct, gc=False):
    latitude: float
    longitude: float


class _Uplink(msgspec.Struct, gc=False):
    decoded_payload: msgspec.Raw
    f_port: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    frm_payload: str | None = None
    rx_metadata: tuple[env.Reception, ...] = ()
    received_at: str | None = None
    locations: dict[str, _Place] = {}


class _Ids(msgspec.Struct, gc=False):
    device_id: str | None = None
    dev_eui: str | None = None


class _Message(msgspec.Struct, gc=False):
    end_device_ids: _Ids
    uplink_message: _Uplink
    received_at: str | None = None


_decode = msgspec.json.Decoder(_Message).decode


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no such message); codec-failed (frm_payload is not Base64)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    try:
        message = _decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        tree = parse_object(payload)
        return tree if isinstance(tree, Rejection) else from_tree(tree)
    up = message.uplink_message
    decoded = parse_object(bytes(up.decoded_payload))
    if isinstance(decoded, Rejection):
        if decoded.reason is not Reason.WRONG_SHAPE:
            return decoded
        decoded = {}
    heard = up.rx_metadata
    if len(heard) == 1 and heard[0].rssi is not None and heard[0].snr is not None:
        health = {"rssi": heard[0].rssi, "snr": heard[0].snr}
    else:
        health = env.radio((each.rssi, each.snr) for each in heard)
    ids = message.end_device_ids
    raw = env.from_base64(up.frm_payload)
    device, time = ids.dev_eui or ids.device_id or None, up.received_at or message.received_at or None
    place = _place(up) if up.locations else (None, None)
    if decoded and not isinstance(raw, Rejection):
        return [Record(decoded, device, time, raw, up.f_port, health, *place)]
    return env.uplink(device=device, time=time, raw=raw, port=up.f_port, decoded=decoded, health=health, place=place)


def _place(up: _Uplink) -> tuple[float | None, float | None]:
    known = up.locations
    where = known.get("user") or known.get("frm-payload") or next(iter(known.values()))
    return env.known_place(where.latitude, where.longitude)


def quick(payload: bytes) -> Uplink | None:
    """An uplink that is decoded: what `read` gives of it, without a record."""
    try:
        message = _decode(payload)
        up = message.uplink_message
        decoded = shallow_object(up.decoded_payload)
        again = _dumps(decoded)
    except NOT_SHALLOW:
        return None
    ids, heard, raw = message.end_device_ids, up.rx_metadata, bytes(up.decoded_payload)
    device = ids.dev_eui or ids.device_id
    if not decoded or not device or (again != raw and not no_key_twice(raw, again)):
        return None
    rssi = snr = place = None
    if heard:
        best = heard[0] if len(heard) == 1 else env.loudest(heard)
        if best is None:
            return None
        rssi, snr = best.rssi, best.snr
    if up.locations:
        place = _place(up)
    return decoded, device, up.received_at or message.received_at or None, rssi, snr, place


def from_tree(tree: Any) -> list[Record] | Control | Rejection:
    """The same from a parsed message."""
    for wrapper in ("result", "data"):  # the storage integration's answers, and events
        inner = tree.get(wrapper)
        if "end_device_ids" not in tree and inner.__class__ is dict and "end_device_ids" in inner:
            tree = inner
    device = env.text(env.member(tree, "end_device_ids", "dev_eui")) or env.text(env.member(tree, "end_device_ids", "device_id"))
    up = tree.get("uplink_message")
    if up.__class__ is not dict:
        said = next((name for name in _CONTROLS if name in tree), None)
        if said is not None:
            return Control(said, device)
        return Rejection(Reason.WRONG_SHAPE, "it has no uplink_message: this is no uplink of The Things Stack v3")
    places = up.get("locations")
    known = places if places.__class__ is dict else {}
    place = known.get("user") or known.get("frm-payload") or next(iter(known.values()), None)
    return env.uplink(
        device=device,
        time=env.text(up.get("received_at")) or env.text(tree.get("received_at")),
        raw=env.from_base64(up.get("frm_payload")),
        port=env.port(up.get("f_port")),
        decoded=up.get("decoded_payload"),
        health=env.radio(env.receptions(up.get("rx_metadata"), "rssi", "snr")),
        place=env.position(place),
    )


def _likely(payload: bytes) -> bool:
    return b'"end_device_ids"' in payload


FORMAT = Format("ttn-v3", reader=reader, nested=True, device=True, time=True, raw=True, quick=quick, likely=_likely)
