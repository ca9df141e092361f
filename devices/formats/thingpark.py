"""`thingpark`: Actility ThingPark reports (`{"DevEUI_uplink": {…}}`), numbers as numbers or as text.

    who     DevEUI
    when    Time
    what    payload (or payload_fields), where a ThingPark driver decodes; raw: payload_hex with FPort
    health  LrrRSSI and LrrSNR of the best gateway

Other reports (joins, downlinks, locations, notifications) are control messages.
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Reason, Rejection


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no DevEUI_… report); codec-failed (payload_hex is not hex)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One report."""
    tree = parse_object(payload)
    return tree if isinstance(tree, Rejection) else from_tree(tree)


def from_tree(tree: Any) -> list[Record] | Control | Rejection:
    """One report, parsed."""
    up = tree.get("DevEUI_uplink")
    if up.__class__ is not dict:
        other = next((name for name in tree if name.startswith("DevEUI_")), None)
        if other is not None:
            return Control(other[:40], env.text(env.member(tree, other, "DevEUI")))
        return Rejection(Reason.WRONG_SHAPE, "it has no DevEUI_uplink: this is no report of ThingPark")
    heard = [(env.number(up.get("LrrRSSI")), env.number(up.get("LrrSNR")))]
    decoded = up.get("payload")
    return env.uplink(
        device=env.text(up.get("DevEUI")),
        time=env.text(up.get("Time")),
        raw=env.from_hex(up.get("payload_hex")),
        port=env.port(up.get("FPort")),
        decoded=decoded if decoded.__class__ is dict else up.get("payload_fields"),
        health=env.radio(heard),
        place=(env.number(up.get("DevLAT")), env.number(up.get("DevLON"))),
    )


def _likely(payload: bytes) -> bool:
    return b'"DevEUI_' in payload


FORMAT = Format("thingpark", reader=reader, nested=True, device=True, time=True, raw=True, likely=_likely)
