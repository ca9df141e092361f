"""Bytes to readings: what one message costs in each wire format, by a shipped device type and a message of its examples.

The four commonest with five parameters have a budget; the others are shown. Registry and rules are not in it. Of the network
servers two messages are measured: a compact one, and a whole published envelope with five parameters decoded in it, as their
integrations send it (which gives seven readings: rssi and snr too). Flat and nested JSON are measured as compact JSON, and with
blanks and numbers like `12.30`, as small devices write them.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from devices.decoder import Decode
from devices.device_type import parse
from devices.examples import payload_of
from devices.loader import catalogue, shipped_types
from tests.bench.measure import Table, middle

BUDGET_US = 4.0
_PAYLOADS = Path(__file__).parents[1] / "data/payloads"
_VALUES = {"pm25": 12.3, "pm10": 20.1, "no2": 15.0, "o3": 61.5, "co": 420.0}
_FIELDS = {name: {"parameter": name, "unit": "µg/m³"} for name in _VALUES}
_TITLE = {"vi": "Đo", "en": "Bench"}


def measure(table: Table, *, count: int, rounds: int) -> None:
    """`count` messages a round, CPU of this process."""
    for name, plain, body, what in _commonest():
        micro = middle([_cost(parse(plain, catalogue()).decode, body, ("a", "b"), count) for _ in range(rounds)])
        path = f"{name}, 5 parameters, {what} ({len(body):,} bytes): bytes to readings"
        table.add(path, f"{micro:.1f} µs CPU a message", "≤ 4", micro <= BUDGET_US)
    seen: set[str] = set()
    for type_id, plain in shipped_types().items():
        kind = parse(plain, catalogue())
        for example in kind.examples:
            form = example.format or kind.formats[0].name
            if form in seen or example.port is not None:
                continue
            seen.add(form)
            decode, levels = kind.by_format.get(form, kind.decode), tuple((example.topic or "a/b").split("/"))
            micro = middle([_cost(decode, payload_of(example), levels, count // 4) for _ in range(rounds)])
            table.add(f"{form}: an example of `{type_id}`, {len(example.readings)} readings", f"{micro:.1f} µs CPU a message")


def _commonest() -> list[tuple[str, dict[str, Any], bytes, str]]:
    """(format, type, message, what kind of message)."""
    common = {"id": "bench", "title": _TITLE, "interval": "60s", "fields": _FIELDS}
    nested = {f"data.{name}": entry for name, entry in _FIELDS.items()}
    stamp = "2026-03-14T02:00:00Z"
    ids = {"device_id": "an-01", "dev_eui": "70B3D57ED0000001", "application_ids": {"application_id": "city"}}
    ttn = {"end_device_ids": ids, "received_at": stamp, "uplink_message": {"f_port": 1, "decoded_payload": _VALUES, "received_at": stamp}}
    chirp = {"time": stamp, "deviceInfo": {"devEui": "70b3d57ed0000001", "deviceName": "an-01"}, "fPort": 1, "object": _VALUES}
    here = {"device": {"field": "device"}, "time": {"field": "time"}}
    flat = {**common, **here, "format": "flat-json"}
    deep = {**common, **here, "format": "nested-json", "fields": nested}
    said = {"device": "an-01", "time": stamp, **_VALUES}
    said_deep = {"device": "an-01", "time": stamp, "data": _VALUES}
    of_ttn, of_chirp = {**common, "format": "ttn-v3"}, {**common, "format": "chirpstack-v4"}
    whole_ttn = _published("dc_decentlab_dl-pm_thingsstackcommunity")
    whole_ttn["uplink_message"]["decoded_payload"] = _VALUES
    whole_chirp = {**_published("dc_milesight_am319_chirpstack"), "object": _VALUES}
    return [
        ("flat-json", flat, _json(said), "compact"),
        ("flat-json", flat, _as_printed(said), "with blanks"),
        ("nested-json", deep, _json(said_deep), "compact"),
        ("nested-json", deep, _as_printed(said_deep), "with blanks"),
        ("ttn-v3", of_ttn, _json(ttn), "compact"),
        ("ttn-v3", of_ttn, _json(whole_ttn), "a published envelope"),
        ("chirpstack-v4", of_chirp, _json(chirp), "compact"),
        ("chirpstack-v4", of_chirp, _json(whole_chirp), "a published envelope"),
    ]


def _published(stem: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.loads((_PAYLOADS / f"{stem}.json").read_text())["payload_raw"])
    return found


def _as_printed(value: object) -> bytes:
    """`{"pm25": 12.30, …}`."""
    return re.sub(r"(\.\d)\b", r"\g<1>0", json.dumps(value)).encode()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _cost(decode: Decode, payload: bytes, levels: tuple[str, ...], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        decode(payload, levels)
    return (time.process_time() - began) / count * 1e6
