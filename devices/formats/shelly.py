"""`shelly`: status of Shelly devices, first generation (`/status`), second and later (`Shelly.GetStatus`, NotifyStatus, components).

    {"temperature:0": {"tC": 21.3}, "sys": {…}}                      status of the whole device
    {"src": …, "method": "NotifyStatus", "params": {"ts": …, …}}     {prefix}/events/rpc: what has changed
    {"id": 0, "tC": 21.3} on {prefix}/status/temperature:0           one component: its name is taken from the topic
    21.3 on shellies/{device}/sensor/temperature                     first generation: `sensor.temperature`

    who     sys.id, src, mac, else the topic's {prefix} or {device}
    when    params.ts, sys.unixtime or unixtime, if the device's clock is set (not 0 or null)
    what    the object of components: `temperature:0.tC`
    health  wifi.rssi or wifi_sta.rssi

`online` topics (`true`, `false`), other methods and answers are control messages.
"""

from __future__ import annotations

from typing import Any

from devices.formats import envelope as env
from devices.formats import plain_value
from devices.formats.base import Context, Control, Format, Record, RecordReader
from devices.formats.json_text import parse_object
from devices.rejection import Rejection

_NOTIFICATIONS = ("NotifyStatus", "NotifyFullStatus")
_MOST_LEVELS = 4
"""Levels of a first generation topic that name a value."""
_EARLIEST_S = 1_000_000_000
"""A clock that was never set counts from 1970."""


def reader(options: None) -> RecordReader:
    """Rejections: those of `json_text`."""
    return read


def read(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
    """One message."""
    if payload in (b"true", b"false"):
        return Control("online" if payload == b"true" else "offline")
    topic = context.topic
    if payload[:1] != b"{" and len(topic) >= 4 and topic[0] == "shellies":
        plain = plain_value.read(payload)
        if isinstance(plain, Rejection):
            return plain
        branch: Any = plain[""]
        for level in reversed(topic[2:][:_MOST_LEVELS]):
            branch = {level: branch}
        return [Record(branch, topic[1])]
    tree = parse_object(payload)
    if isinstance(tree, Rejection):
        return tree
    device = env.text(tree.get("src"))
    prefix = None
    if "method" in tree or (device is not None and "id" in tree and "result" in tree):
        if tree.get("method") not in _NOTIFICATIONS or tree.get("params").__class__ is not dict:
            return Control(f"message {str(tree.get('method') or 'answer')[:40]}", device)
        tree = tree["params"]
    elif len(topic) >= 3 and topic[-2] == "status":
        tree, prefix = {topic[-1]: tree}, topic[-3]
    elif len(topic) >= 3 and topic[0] == "shellies":
        prefix = topic[1]
    device = device or env.text(env.member(tree, "sys", "id")) or env.text(tree.get("mac")) or prefix
    signal = env.number(env.member(tree, "wifi", "rssi"))
    if signal is None:
        signal = env.number(env.member(tree, "wifi_sta", "rssi"))
    return [Record(tree, device, _time(tree), health={} if signal is None else {"rssi": signal})]


def _time(tree: Any) -> int | None:
    for said in (tree.get("ts"), env.member(tree, "sys", "unixtime"), tree.get("unixtime")):
        seconds = env.number(said)
        if seconds is not None and _EARLIEST_S <= seconds < 1e11:
            return round(seconds * 1000)
    return None


FORMAT = Format("shelly", reader=reader, nested=True, device=True, time=True)
