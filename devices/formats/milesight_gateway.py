"""`milesight-gateway`: what the network server inside Milesight gateways (UG56, UG65, UG67) sends by MQTT or HTTP.

The shape is that of `chirpstack-v3` with a devEUI in hex; where the gateway's own payload codec is on, the decoded values stand
under `object`, or beside the envelope's members at the top. Paths of fields are inside `object`, or those at the top.
"""

from __future__ import annotations

from typing import Any

from devices.formats import chirpstack_v3
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Reason, Rejection

_ENVELOPE = frozenset(
    [
        "applicationID",
        "applicationName",
        "cellularIP",
        "data",
        "devEUI",
        "deviceID",
        "deviceName",
        "fCnt",
        "fPort",
        "gatewaySN",
        "gatewayTime",
        "metadata",
        "object",
        "rxInfo",
        "time",
        "timestamp",
        "txInfo",
    ]
)


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no devEUI); codec-failed (data is not Base64)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    tree = parse_object(payload)
    if isinstance(tree, Rejection):
        return tree
    if "devEUI" not in tree:
        return Rejection(Reason.WRONG_SHAPE, "it has no devEUI: this is no message of a Milesight gateway")
    if tree.get("object").__class__ is not dict:
        beside: dict[str, Any] = {name: value for name, value in tree.items() if name not in _ENVELOPE}
        tree = {**tree, "object": beside}
    return chirpstack_v3.from_tree(tree)


def _likely(payload: bytes) -> bool:
    return b'"devEUI"' in payload and b'"mac"' in payload


FORMAT = Format("milesight-gateway", reader=reader, nested=True, device=True, time=True, raw=True, likely=_likely)
