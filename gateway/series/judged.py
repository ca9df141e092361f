"""The production judge over a whole series: the flag of every reading in the end, and what each test said of it.

The same tests, limits and roll-up as in the running core (`gateway.judging`), with revisions applied (semantics D2, D4): a reading that
three more confirmed is good, though `step` still says 3. Only neighbours are not asked: one series is judged by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan
from typing import NamedTuple

from devices.qc.judge import LEARN_EVERY, new_state, slowly
from devices.qc.settings import Plan
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, Spans

TESTS = ("gross_range", "step", "spike", "flat_line")
"""In the order of a reading's verdicts."""
_RANGE, _STEP, _SPIKE, _FLAT = range(4)
_ABSENT = (MISSING,) * 4


class Judged(NamedTuple):
    """One series, judged."""

    flags: bytearray
    """The roll-up, one for each reading."""
    usual: tuple[int, int, int, int]
    """What `TESTS` said of most readings …"""
    special: dict[int, tuple[int, int, int, int]]
    """… and of the others, by position."""

    def tests(self, at: int) -> tuple[int, int, int, int]:
        """The verdicts of `TESTS` on one reading."""
        return self.special.get(at, self.usual)


def judge(plan: Plan, spans: Spans, times: Sequence[int], values: Sequence[float]) -> Judged:
    """Judge one series in the order given. Times in ms, values in the canonical unit; NaN and infinities are missing."""
    flags = bytearray(b"\x01") * len(times)
    special: dict[int, tuple[int, int, int, int]] = {}
    tested = (
        GOOD,
        NOT_EVALUATED if plan.step == inf else GOOD,
        NOT_EVALUATED if plan.spike == inf else GOOD,
        NOT_EVALUATED if plan.flat_suspect_ms is None and plan.flat_fail_ms is None else GOOD,
    )
    state = new_state(plan)
    low, high = spans.good
    # `devices.qc.judge.quiet` written out: most of a year's half a million readings end here.
    previous = -1
    """Position of the newest reading that was in range and in order: the one whose spike verdict is still open."""
    newest, last, band, steps = state.last_ms, state.last, state.band, state.steps
    for at, (time_ms, value) in enumerate(zip(times, values, strict=True)):
        change = value - last
        if -band <= change <= band and low <= value <= high and time_ms > newest and steps < LEARN_EVERY:
            if change:
                state.flat_since = time_ms
                state.moved += change if change > 0.0 else -change
            if change or time_ms - state.flat_since < state.flat_ms:
                state.before = last
                state.last = state.accepted = last = value
                state.last_ms = newest = time_ms
                steps += 1
                previous = at
                continue
        state.steps = steps
        flag = MISSING if isnan(value) or value in (inf, -inf) else spans.flag(value)
        verdict = slowly(plan, state, time_ms, None if flag == MISSING else value, flag)
        flags[at] = verdict.flag
        for revision in verdict.revisions:
            found = _position(times, values, revision.time_ms, revision.value, at)
            flags[found] = revision.now
        said = verdict.tests
        if flag == MISSING:
            special[at] = _ABSENT
        else:
            special[at] = (
                flag,
                NOT_EVALUATED if plan.step == inf else said.get("step", NOT_EVALUATED),
                said.get("spike", tested[_SPIKE]),
                NOT_EVALUATED if tested[_FLAT] == NOT_EVALUATED else said.get("flat_line", NOT_EVALUATED),
            )
            if flag == FAIL or isnan(state.before):
                special[at] = _with_spike(special[at], NOT_EVALUATED)
            if special[at] == tested:
                del special[at]
        in_order = state.last_ms == time_ms and flag not in (FAIL, MISSING)
        if previous >= 0 and (in_order or flag in (FAIL, MISSING)) and time_ms > newest:
            spike = said.get("spike_before", NOT_EVALUATED)
            before = special.get(previous, tested)
            # A reading that had no neighbour before it stays without a verdict.
            if spike != before[_SPIKE] and not (spike == GOOD and before[_SPIKE] == NOT_EVALUATED):
                special[previous] = _with_spike(before, spike)
        if in_order:
            previous = at
        newest, last, band, steps = state.last_ms, state.last, state.band, state.steps
    if previous >= 0:
        special[previous] = _with_spike(special.get(previous, tested), NOT_EVALUATED)
    return Judged(flags, tested, special)


def _with_spike(tests: tuple[int, int, int, int], spike: int) -> tuple[int, int, int, int]:
    return tests[_RANGE], tests[_STEP], spike, tests[_FLAT]


def _position(times: Sequence[int], values: Sequence[float], time_ms: int, value: float, before: int) -> int:
    """Of the newest reading before `before` with this time and value: a revision is of one of the last few."""
    at = before - 1
    while times[at] != time_ms or values[at] != value:
        at -= 1
    return at
