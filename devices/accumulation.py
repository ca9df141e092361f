"""Rain and other sums, however a device gives them, become the amount of one interval: what sums may be made of (semantics C7).

    interval   the amount since the last message: taken as it is
    counter    a running total: the difference to the last one. Beginning again from zero (a restart, midnight, the counter's
               end) is seen by the total getting smaller, and no amount is ever counted twice
    rate       an amount per time: times the time since the last message

The step is pure; what it remembers per device and parameter (`Mark`) belongs to the core's state. A first total, and one that
is older than the last, say nothing about an amount: the reading is missing (flag 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from devices.quality import MISSING, Spans
from devices.reading import Value

LONGEST_RATE_INTERVALS = 2.5
"""A rate holds for at most so many reporting intervals (the life of a held value, semantics C5)."""


class Accumulation(NamedTuple):
    """How one parameter of a type accumulates."""

    kind: Literal["counter", "rate"]
    spans: Spans
    """Of the interval's amount."""
    rollover: float | None = None
    """Counters: the canonical value at which it begins again from zero."""
    per_ms: float = 3_600_000
    """Rates: the time of their unit."""


Mark = tuple[int, float]
"""(event time of the last message that counted, ms; its total or rate)."""


def accumulate(
    values: list[Value], kinds: Mapping[str, Accumulation], marks: dict[str, Mark], event_ms: int, interval_ms: int
) -> list[Value]:
    """The values with totals and rates made into amounts; `marks` is brought up to date in place."""
    return [_amount(value, kinds[value.parameter], marks, event_ms, interval_ms) if value.parameter in kinds else value for value in values]


def _amount(value: Value, how: Accumulation, marks: dict[str, Mark], event_ms: int, interval_ms: int) -> Value:
    said = value.value
    if said is None:
        return value
    last = marks.get(value.parameter)
    if last is not None and event_ms <= last[0]:
        return Value(value.parameter, None, MISSING)
    marks[value.parameter] = (event_ms, said)
    if how.kind == "rate":
        span = interval_ms if last is None else min(event_ms - last[0], LONGEST_RATE_INTERVALS * interval_ms)
        return _flagged(value.parameter, said * span / how.per_ms, how)
    if last is None:
        return Value(value.parameter, None, MISSING)
    return _flagged(value.parameter, _grown(last[1], said, how.rollover), how)


def _grown(before: float, now: float, rollover: float | None) -> float:
    """By how much the total grew. After a reset what is on the counter was certainly counted since: no more is claimed."""
    if now >= before:
        return now - before
    if rollover is not None and before < rollover:
        wrapped = rollover - before + now
        # Over its end it goes on from nearby; a restart leaves from anywhere.
        if wrapped <= rollover / 2:
            return wrapped
    return max(now, 0.0)


def _flagged(parameter: str, amount: float, how: Accumulation) -> Value:
    # Differences of totals such as 0.3 - 0.1 are rounded to what a gauge can say, lest 0.19999999999999998 be stored.
    amount = round(amount, 9) + 0.0
    return Value(parameter, amount, how.spans.flag(amount))
