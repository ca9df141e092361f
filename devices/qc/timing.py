"""Timing of a series: gaps, duplicates, and clocks (`ioos_qc.qartod.time_gap_test` for the first).

gap         the time since the value before is more than `gap_ms`: fail, as in ioos_qc; the first value has the second's verdict,
            which a stream can give only then (it is returned with it)
duplicate   the same instant again: suspect (semantics B1: the new value wins, and it is counted)
clock       the device's time lies further from receipt than `clock_ms`: suspect (semantics C1 decides which time counts)
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.quality import FAIL, GOOD, NOT_EVALUATED, SUSPECT


class Timing(NamedTuple):
    """Settings, in ms; None is off."""

    gap_ms: int | None = None
    clock_ms: int | None = None


class TimingState(msgspec.Struct, array_like=True, gc=False):
    """The newest instant; 0: none yet."""

    last_ms: int = 0
    count: int = 0


def step(state: TimingState, time_ms: int, test: Timing, offset_ms: int | None = None) -> tuple[int | None, int]:
    """(verdict of the first value, once the second tells it; verdict of this one). `offset_ms`: received - device time."""
    late = time_ms < state.last_ms
    now, first = GOOD, None
    if state.count == 0:
        now = NOT_EVALUATED
    elif time_ms == state.last_ms:
        now = SUSPECT
    elif test.gap_ms is not None and time_ms - state.last_ms > test.gap_ms:
        now = FAIL
    if late:
        now = NOT_EVALUATED
    elif state.count == 1:
        first = now
    if not late:
        state.last_ms, state.count = time_ms, min(state.count + 1, 2)
    if test.clock_ms is not None and offset_ms is not None and abs(offset_ms) > test.clock_ms and now != FAIL:
        now = SUSPECT
    return first, now
