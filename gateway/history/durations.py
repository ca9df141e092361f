"""Durations as servers of histories write them, and as our configuration does."""

from __future__ import annotations

import re

DAY_MS = 86_400_000
_MONTH_MS = 31 * DAY_MS
_UNIT_MS = {
    "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000,
    "d": DAY_MS, "w": 7 * DAY_MS, "y": 365 * DAY_MS,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w|y)")


def duration_ms(text: str) -> float | None:
    """`168h0m0s` (InfluxDB), `1ms`, `2y`, or a bare number of months (VictoriaMetrics' -retentionPeriod) in ms; None if it is none."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text) * _MONTH_MS
    parts: list[tuple[str, str]] = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return float(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))


def shown(ms: float) -> str:
    """A duration as it is written in our configuration, in the largest unit that is not larger than it."""
    for unit, length in (("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms >= length:
            return f"{round(ms / length, 5):.15g}{unit}"
    return f"{ms:.15g}ms"
