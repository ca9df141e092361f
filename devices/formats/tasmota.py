"""`tasmota`: telemetry of Tasmota firmware, `tele/{device}/SENSOR`, `tele/{device}/STATE`, `stat/{device}/STATUS…`, `tele/{device}/LWT`.

    who     a topic level (the type says which; with Tasmota's default %prefix%/%topic%/ the second)
    when    Time: the device's local time (a type's `time.zone` says which), also as `2018.02.01 22:52:09`
    what    the object itself; of a status answer what stands under StatusSNS, StatusSTS …
    health  Wifi.Signal (dBm)

`LWT` (Online, Offline) and messages without any object are control messages. A member's name may hold points (`PM2.5`).
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Rejection

_LAST_WORDS = (b"Online", b"Offline")


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    if payload in _LAST_WORDS:
        return Control(payload.decode().lower())
    tree = parse_object(payload)
    if isinstance(tree, Rejection):
        return tree
    if len(tree) == 1:
        ((name, inner),) = tree.items()
        if name.startswith("Status") and inner.__class__ is dict:
            tree = inner
    return [Record(tree, time=env.text(tree.get("Time")), health=_health(tree))]


def _health(tree: Any) -> dict[str, float]:
    signal = env.number(env.member(tree, "Wifi", "Signal"))
    return {} if signal is None else {"rssi": signal}


FORMAT = Format("tasmota", reader=reader, nested=True, time=True)
