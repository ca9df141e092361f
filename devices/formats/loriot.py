"""`loriot`: messages of a LORIOT application server (`{"cmd":"rx","EUI":…,"data":"0A1B…"}`).

    who     EUI
    when    ts (ms since the epoch)
    what    decoded.data, or decoded, where the server decodes; raw: data (hex) with port
    health  rssi and snr; of a `gw` message those of the gateway that heard it best

`rx` and `gw` are uplinks (the server sends `gw` as well when asked for extended information: the same instant, so it revises
rather than repeats). Every other `cmd` is a control message.
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Reason, Rejection


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`; wrong-shape (no cmd); codec-failed (data is not hex)."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    tree = parse_object(payload)
    return tree if isinstance(tree, Rejection) else from_tree(tree)


def from_tree(tree: Any) -> list[Record] | Control | Rejection:
    """One message, parsed."""
    command = env.text(tree.get("cmd"))
    if command is None:
        return Rejection(Reason.WRONG_SHAPE, "it has no cmd: this is no message of LORIOT")
    device = env.text(tree.get("EUI"))
    if command not in ("rx", "gw"):
        return Control(command[:40], device)
    decoded = tree.get("decoded")
    inner = env.member(decoded, "data")
    stamp = env.number(tree.get("ts"))
    return env.uplink(
        device=device,
        time=None if stamp is None or not 0 <= stamp < 1e15 else int(stamp),
        raw=env.from_hex(tree.get("data")),
        port=env.port(tree.get("port")),
        decoded=inner if inner.__class__ is dict else decoded,
        health=env.radio([(env.number(tree.get("rssi")), env.number(tree.get("snr"))), *env.receptions(tree.get("gws"), "rssi", "snr")]),
    )


def _likely(payload: bytes) -> bool:
    return b'"cmd"' in payload and b'"EUI"' in payload


FORMAT = Format("loriot", reader=reader, nested=True, device=True, time=True, raw=True, likely=_likely)
