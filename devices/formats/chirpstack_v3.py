"""`chirpstack-v3`: events of ChirpStack v3 (LoRa Server) as JSON, `application/{id}/device/{devEUI}/event/{up,join,…}`.

who     devEUI, in Base64 (as v3 writes it by default) or hex: hex in small letters either way
when    time, else the time of the first gateway that states one, else publishedAt
what    object, or objectJSON (the same as text): paths of fields are inside it; raw: data (Base64) with fPort
health  rssi and loRaSNR of the gateway that heard it best; `status` events: batteryLevel
"""

from __future__ import annotations

import binascii
import re
from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Reason, Rejection

_HEX_EUI = re.compile(r"[0-9a-fA-F]{16}")


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no such event); codec-failed (data is not Base64)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One event."""
    tree = parse_object(payload)
    return tree if isinstance(tree, Rejection) else from_tree(tree)


def from_tree(tree: Any) -> list[Record] | Control | Rejection:
    """One event, parsed."""
    if "devEUI" not in tree:
        return Rejection(Reason.WRONG_SHAPE, "it has no devEUI: this is no event of ChirpStack v3")
    device = eui(tree.get("devEUI"))
    gateways = tree.get("rxInfo") if tree.get("rxInfo").__class__ is list else []
    times = [tree.get("time"), *(env.member(gateway, "time") for gateway in gateways), tree.get("publishedAt")]
    time = next((found for found in map(env.text, times) if found is not None), None)
    if not any(name in tree for name in ("data", "object", "objectJSON")):
        level = env.number(tree.get("batteryLevel"))
        if level is not None and not tree.get("batteryLevelUnavailable") and not tree.get("externalPowerSource"):
            return [Record({}, device, time, health={"battery": level})]
        return Control("event without application payload", device)
    decoded = tree.get("object")
    if decoded is None and isinstance(tree.get("objectJSON"), str) and tree["objectJSON"]:
        decoded = parse_object(tree["objectJSON"].encode("utf-8", "replace"))
        if isinstance(decoded, Rejection):
            return decoded
    return env.uplink(
        device=device,
        time=time,
        raw=env.from_base64(tree.get("data")),
        port=env.port(tree.get("fPort")),
        decoded=decoded,
        health=env.radio(env.receptions(gateways, "rssi", "loRaSNR")),
    )


def eui(said: Any) -> str | None:
    """A devEUI in hex or Base64 as 16 small hex digits; any other text as it is."""
    if not isinstance(said, str) or not said:
        return None
    if _HEX_EUI.fullmatch(said):
        return said.lower()
    try:
        raw = binascii.a2b_base64(said, strict_mode=True)
    except (binascii.Error, ValueError):
        return said
    return raw.hex() if len(raw) == 8 else said


def _likely(payload: bytes) -> bool:
    # A Milesight gateway names the receiving gateway by `mac`, ChirpStack by gatewayID.
    return b'"devEUI"' in payload and b'"applicationID"' in payload and b'"mac"' not in payload


FORMAT = Format("chirpstack-v3", reader=reader, nested=True, device=True, time=True, raw=True, likely=_likely)
