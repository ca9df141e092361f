"""Flat line: a value that stays where it is (`ioos_qc.qartod.flat_line_test`).

The window of a threshold holds the newest k + 1 values, k = threshold / reporting interval, rounded down; if they lie within
less than `tolerance` of each other the newest is suspect (fail). Missing values take a place in the window and are not looked
at; gaps are not seen; the first k values are good. A tolerance of 0 never flags.

ioos_qc takes the median distance of the whole series for the interval; a stream does not have it, and takes the nominal one.

Streaming: the smallest and largest value of a window need only those that a later one does not hide (two monotonic queues),
cut at the place where the range reached `tolerance` last: in practice very few.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.quality import FAIL, GOOD, MISSING, SUSPECT

LONGEST = 10_000
"""Values in a window, at most: a longer time is refused with the settings."""


class FlatLine(NamedTuple):
    """Settings: windows in reporting intervals, and the tolerance in the parameter's unit."""

    suspect: int
    fail: int
    tolerance: float

    @classmethod
    def of(cls, suspect_ms: float, fail_ms: float, tolerance: float, interval_ms: int) -> FlatLine:
        """From times; whole seconds count, as in ioos_qc."""
        seconds = interval_ms / 1000
        return cls(int(int(suspect_ms / 1000) / seconds), int(int(fail_ms / 1000) / seconds), tolerance)


class FlatLineState(msgspec.Struct, array_like=True):
    """The end of the series that lies within the tolerance."""

    count: int = 0
    """Values taken in, missing ones included."""
    since: int = 0
    """Number of the first value of that end (missing ones before it included)."""
    low: list[tuple[int, float]] = []
    """(number, value), rising: what may become the smallest."""
    high: list[tuple[int, float]] = []
    """(number, value), falling."""


def step(state: FlatLineState, value: float | None, test: FlatLine) -> int:
    """Take in the next value: its verdict."""
    number = state.count
    state.count = number + 1
    if value is None:
        return MISSING
    low, high = state.low, state.high
    while low and low[-1][1] >= value:
        low.pop()
    low.append((number, value))
    while high and high[-1][1] <= value:
        high.pop()
    high.append((number, value))
    while high[0][1] - low[0][1] >= test.tolerance:
        oldest = low if low[0][0] < high[0][0] else high
        if oldest[0][0] == number:
            # A tolerance of 0: not even one value lies within it.
            state.since = number + 1
            low.clear()
            high.clear()
            return GOOD
        state.since = oldest.pop(0)[0] + 1
    longest = max(test.suspect, test.fail)
    while low[0][0] < number - longest:
        low.pop(0)
    while high[0][0] < number - longest:
        high.pop(0)
    within = number - state.since
    if within >= test.fail and number >= test.fail:
        return FAIL
    return SUSPECT if within >= test.suspect else GOOD
