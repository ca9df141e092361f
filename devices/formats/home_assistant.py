"""`home-assistant`: state topics of Home Assistant's MQTT world (ESPHome, and whatever is found by its discovery).

    homeassistant/sensor/…/config    discovery: a control message
    {node}/sensor/{object}/state     one plain value; the topic says of which device and parameter (ESPHome)
    a state topic with an object     its members, as paths

`unknown`, `unavailable` and `None` of Home Assistant, and ESPHome's `nan`, are no value: the reading is missing. `online` and
`offline` (availability) are control messages.
"""

from __future__ import annotations

from devices.formats import plain_value
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Rejection

_NO_VALUE = ("unknown", "unavailable", "none", "nan")


def reader(options: None) -> RecordReader:
    """Rejections: those of `plain-value` and `json_text`."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    if payload in (b"online", b"offline"):
        return Control(f"availability {payload.decode()}")
    if payload[:1] == b"{":
        tree = parse_object(payload)
        if isinstance(tree, Rejection):
            return tree
        if context.topic[-1:] == ("config",):
            return Control("discovery")
        return [Record(tree)]
    pairs = plain_value.read(payload)
    if isinstance(pairs, Rejection):
        return pairs
    said = pairs[""]
    lower = payload.strip().lower()
    if lower.decode("latin-1") in _NO_VALUE:
        said = None
    return [Record({"": said})]


FORMAT = Format("home-assistant", reader=reader, nested=True, keyed=False)
