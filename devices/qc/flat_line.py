"""Flat line: the last readings differ by less than the tolerance, for too long (`ioos_qc.qartod.flat_line_test`).

A duration is so many readings of the nominal interval, rounded down: k; then x[n-k] … x[n], k + 1 readings, are looked at. Missing
ones among them count as readings and are else ignored. The first k readings are good (1). A tolerance of 0 never flags: state the
sensor's resolution. Unlike `ioos_qc`, which takes the median interval of the whole series, the interval is a setting; and a series
of fewer than three readings is judged like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.qc.circular import unwrap
from devices.qc.stream import NEVER, Verdicts, late, present
from devices.quality import FAIL, GOOD, MISSING, SUSPECT


class FlatLineState(msgspec.Struct, array_like=True):
    """The longest end of the series that lies within the tolerance: at most as many readings as the longer duration has."""

    time_ms: int = NEVER
    count: int = 0
    """Readings so far, missing ones included."""
    start: int = 0
    """Number of the first reading of that end."""
    last: float = 0.0
    """The newest value (a direction: with its full turns)."""
    lows: list[tuple[int, float]] = []
    """(number, value) of those that are the least of all from there on: the first is the least of all …"""
    highs: list[tuple[int, float]] = []
    """… and of those that are the greatest."""


class FlatLine(NamedTuple):
    """Settings. `tolerance` in the parameter's unit; for directions less than 180."""

    interval_ms: int
    suspect_ms: int
    fail_ms: int
    tolerance: float
    circular: bool = False

    def start(self) -> FlatLineState:
        return FlatLineState()

    def push(self, state: FlatLineState, time_ms: int, value: float | None) -> Verdicts:
        if time_ms < state.time_ms:
            return late(time_ms, value)
        value, number = present(value), state.count
        state.time_ms, state.count = time_ms, number + 1
        if value is None:
            return ((time_ms, MISSING),)
        if self.tolerance <= 0:
            return ((time_ms, GOOD),)
        suspect, fail = self.suspect_ms // self.interval_ms, self.fail_ms // self.interval_ms
        state.last = value = unwrap(value, state.last) if self.circular else value
        _extend(state, number, value, max(suspect, fail))
        while not state.highs[0][1] - state.lows[0][1] < self.tolerance:
            _cut(state, min(state.lows[0][0], state.highs[0][0]) + 1)
        unchanged = number - state.start
        return ((time_ms, FAIL if unchanged >= fail else SUSPECT if unchanged >= suspect else GOOD),)

    def finish(self, state: FlatLineState) -> Verdicts:
        return ()


def _extend(state: FlatLineState, number: int, value: float, longest: int) -> None:
    lows, highs = state.lows, state.highs
    while lows and lows[-1][1] >= value:
        lows.pop()
    lows.append((number, value))
    while highs and highs[-1][1] <= value:
        highs.pop()
    highs.append((number, value))
    if number - state.start > longest:
        _cut(state, number - longest)


def _cut(state: FlatLineState, start: int) -> None:
    """Forget the readings before `start`."""
    state.start = start
    while state.lows and state.lows[0][0] < start:
        del state.lows[0]
    while state.highs and state.highs[0][0] < start:
        del state.highs[0]
