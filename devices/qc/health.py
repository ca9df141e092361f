"""Sensor health: what a device says while its battery is low or its fan stands still is suspect, where it reports that.

Each entry names a parameter of the same message (battery, battery_voltage, device_temp, fan speed …) and the span in which the
device works. Below or above it everything else that it says is suspect. A health value that is missing says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.parameters import Span
from devices.quality import GOOD, NOT_EVALUATED, SUSPECT


def verdict(values: Mapping[str, float | None], spans: Mapping[str, Span]) -> int:
    """Of all that the device says in this message; `values` by parameter."""
    found = NOT_EVALUATED
    for parameter, (low, high) in spans.items():
        value = values.get(parameter)
        if value is not None:
            if not low <= value <= high:
                return SUSPECT
            found = GOOD
    return found
