"""NowCast: a mean of the last 12 hours that leans on the newest ones the more, the more the air changes.

    w* = min / max of the hours present,   w = max(w*, 1/2),   NowCast = Σ wⁱ·cᵢ / Σ wⁱ     (i = 0 for the newest hour)

Sources: Decision 1459/QĐ-TCMT, section 1.2 of its method; US EPA's PM NowCast (AirNow), which is the same with truncation.
A missing hour has weight 0. At least 2 of the 3 newest hours are needed. Negative hours (noise around zero) count as they are,
as AirNow counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

from devices.indices.averages import usable
from devices.indices.rounding import settled, truncated

HOURS = 12
LEAST_WEIGHT = 0.5
_HALVES = tuple(LEAST_WEIGHT**hour for hour in range(HOURS))
_ALL_HALVES = sum(_HALVES)


def nowcast(hours: Sequence[float | None], *, literal: bool = False) -> float | None:
    """NowCast of hourly means, newest last (more than 12 may be given), in their unit; None with fewer than 2 of the newest 3.

    `literal=True`, for audits: the decision's own formula for w = 1/2, Σ (1/2)ⁱ·cᵢ for i = 1 … 12, is not divided by its
    weights. With twelve values that is 0.024 % too little; with gaps it is wrong (17.6 instead of 35.3 when the newest is missing).
    """
    recent = usable(hours[-HOURS:])
    recent.reverse()
    if sum(hour is not None for hour in recent[:3]) < 2:
        return None
    present = [hour for hour in recent if hour is not None]
    most = max(present)
    weight = max(min(present) / most, LEAST_WEIGHT) if most > 0 else LEAST_WEIGHT
    if weight == LEAST_WEIGHT and len(present) == HOURS:
        total = sum(map(mul, _HALVES, present))
        return settled(total / 2 if literal else total / _ALL_HALVES)
    if weight == LEAST_WEIGHT:
        total = weights = 0.0
        for factor, hour in zip(_HALVES, recent, strict=False):
            if hour is not None:
                total += factor * hour
                weights += factor
        return settled(total / 2 if literal else total / weights)
    total = weights = 0.0
    factor = 1.0
    for hour in recent:
        if hour is not None:
            total += factor * hour
            weights += factor
        factor *= weight
    return settled(total / weights)


def epa_nowcast(hours: Sequence[float | None], step: float = 0.1) -> float | None:
    """EPA's PM NowCast: truncated, PM2.5 to 0.1 µg/m³, PM10 to 1."""
    value = nowcast(hours)
    return None if value is None else truncated(value, step)
