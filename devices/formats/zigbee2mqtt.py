"""`zigbee2mqtt`: device states of Zigbee2MQTT, `zigbee2mqtt/{friendly name}`.

    who     a topic level (the friendly name), or device.ieeeAddr where the bridge is told to include device information
    when    last_seen, where the bridge is told to send it (ISO 8601, or epoch ms)
    what    the object: paths of fields are inside it
    health  battery (%)

`linkquality` is no signal strength in dBm (0 to 255, of the last hop) and is left to the type. Availability (`online`, `offline`,
also as `{"state": …}`) and what the bridge says of itself are control messages.
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Rejection

_STATES = ("online", "offline")


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    if payload in (b"online", b"offline"):
        return Control(f"availability {payload.decode()}")
    if "bridge" in context.topic[1:2]:
        return Control("the bridge about itself")
    tree = parse_object(payload)
    if isinstance(tree, Rejection):
        return tree
    if len(tree) == 1 and tree.get("state") in _STATES:
        return Control(f"availability {tree['state']}")
    seen = tree.get("last_seen")
    time: Any = seen if isinstance(seen, str) else None
    if isinstance(seen, int) and not isinstance(seen, bool) and 0 <= seen < 1 << 53:
        time = seen
    return [Record(tree, env.text(env.member(tree, "device", "ieeeAddr")), time)]


FORMAT = Format("zigbee2mqtt", reader=reader, nested=True, time=True)
