"""Which program answers at the address of an `influxdb` history: four kinds, which differ in everything but the line protocol.

kind             GET /ping                                                          known from
InfluxDB 1.x     204, `X-Influxdb-Version: 1.6.7~rc0`                               1.6.7, run
InfluxDB 2.x     204, `X-Influxdb-Version: v2.7.12`                                 2.7.12, recorded
InfluxDB 3 Core  200, `{"version": "3.9.0", …}`                                     3.9, its source
VictoriaMetrics  204 without a version; `/metrics` has its command-line flags       1.79.5, run
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

import orjson

from gateway.errors import Retryable
from gateway.history.influx_http import Answer, InfluxHttp

_FLAG = re.compile(r'^flag\{name="([^"]+)", value="((?:[^"\\]|\\.)*)"', re.MULTILINE)
_METRICS_BYTES = 8 * 1024**2
_VICTORIA_VERSION = re.compile(r'^vm_app_version\{[^}]*short_version="([^"]*)"', re.MULTILINE)


class Kind(StrEnum):
    """What it is. The value is what people read."""

    V1 = "InfluxDB 1.x"
    V2 = "InfluxDB 2.x"
    V3 = "InfluxDB 3 Core"
    VICTORIA = "VictoriaMetrics"


class Server(NamedTuple):
    """What answers."""

    kind: Kind
    version: str
    """As it says; empty if it does not."""
    ahead_s: float | None
    """How far its clock is ahead of ours, to about a second; None if it sends no date."""
    flags: Mapping[str, str] = {}
    """VictoriaMetrics' command-line flags with their values, set or not."""

    @property
    def number(self) -> tuple[int, int]:
        """(major, minor) of the version; (0, 0) if unknown."""
        found = re.match(r"v?(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


async def identify(http: InfluxHttp, *, wall: Callable[[], float] = time.time) -> Server:
    """Ask who is there. Raises `Retryable`: nobody answers, or it is none of the four."""
    began = wall()
    answer = await http.exchange("GET", "/ping", {})
    ahead_s = _ahead_s(answer, (began + wall()) / 2)
    version = answer.headers.get("x-influxdb-version", "") or _json_version(answer)
    if re.match(r"v?[123]\.", version) and "x-server-hostname" not in answer.headers:
        return Server({"1": Kind.V1, "2": Kind.V2, "3": Kind.V3}[version.lstrip("v")[0]], version, ahead_s)
    if answer.ok:
        metrics = await http.exchange("GET", "/metrics", {}, most_bytes=_METRICS_BYTES)
        text = metrics.body.decode("utf-8", "replace")
        if metrics.ok and "vm_app_version" in text:
            found = _VICTORIA_VERSION.search(text)
            return Server(Kind.VICTORIA, found[1] if found else "", ahead_s, dict(_FLAG.findall(text)))
    http.raise_unless_about_lines(answer)
    raise Retryable(
        f"{http.where} is neither InfluxDB nor VictoriaMetrics (/ping: {answer.status} {answer.message}): check the url", red=True
    )


def _json_version(answer: Answer) -> str:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ""
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, str) else ""


def _ahead_s(answer: Answer, now_s: float) -> float | None:
    """From the header Date, which counts whole seconds: half of one is added."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp() + 0.5 - now_s
    except (KeyError, TypeError, ValueError):
        return None
