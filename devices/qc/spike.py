"""Spike: a value that lies apart from both its neighbours (`ioos_qc.qartod.spike_test`).

    average        |x - (before + after) / 2|
    differential   the smaller of both differences, if they have opposite signs: a step is no spike

The verdict needs the next value, so it is about the reading before: it revises that one. Time is not looked at. The first and
the last value of a series, and the neighbours of a missing one, are not evaluated (2).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

Method = Literal["average", "differential"]


class Spike(NamedTuple):
    """Settings. A threshold of None or 0 is off, as in ioos_qc."""

    suspect: float | None
    fail: float | None = None
    method: Method = "average"


class SpikeState(msgspec.Struct, array_like=True, gc=False):
    """The last two values; None: missing, or there was none."""

    before: float | None = None
    last: float | None = None
    count: int = 0


def verdict(before: float | None, value: float | None, after: float | None, test: Spike, turn: bool = False) -> int:
    """Of `value` between its neighbours. `turn`: directions, differences are taken modulo 360."""
    if value is None:
        return MISSING
    if before is None or after is None:
        return NOT_EVALUATED
    rise, fall = value - before, after - value
    if turn:
        rise, fall = (rise + 180) % 360 - 180, (fall + 180) % 360 - 180
    if test.method == "average":
        height = abs(rise - fall) / 2 if turn else abs(value - (before + after) / 2)
    else:
        height = min(abs(rise), abs(fall)) if rise * fall < 0 else 0.0
    if test.fail and height > test.fail:
        return FAIL
    if test.suspect and height > test.suspect:
        return SUSPECT
    return GOOD


def step(state: SpikeState, value: float | None, test: Spike) -> int | None:
    """Take in the next value; the verdict of the one before it, None if there was none."""
    found: int | None = None
    if state.count:
        found = verdict(state.before if state.count > 1 else None, state.last, value, test)
    state.before, state.last, state.count = state.last, value, min(state.count + 1, 2)
    return found


def end(state: SpikeState) -> int | None:
    """The verdict of the last value, for now."""
    if not state.count:
        return None
    return MISSING if state.last is None else NOT_EVALUATED
