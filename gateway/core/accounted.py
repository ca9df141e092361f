"""The lines of the gateway's own accounting (`gateway.accounting`), made in the core like all other lines."""

from __future__ import annotations

from devices.reading import Flag, Line, Value
from gateway.core.inputs import Accounting

OWN_MEDIUM = "gateway"
"""The measurement."""

WHOLE = "-"
"""Tag `device` of the line about the gateway as a whole: no lane can have this name."""


def own_lines(item: Accounting) -> list[Line]:
    """The lines of one accounting; pure. The gateway counts itself: its figures are good."""

    def line(device: str, fields: tuple[tuple[str, float], ...]) -> Line:
        values = tuple(Value(name, float(value), Flag.GOOD) for name, value in fields)
        return Line(OWN_MEDIUM, item.gateway, device, "", item.now_ms, values)

    return [line(WHOLE, item.fields), *(line(lane, (("pending", waits), ("behind_s", behind_s))) for lane, waits, behind_s in item.pending)]
