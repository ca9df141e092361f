"""Late readings: what a rule would have done, had the reading come in time (semantics E4, invariant 8).

Kept for it, and nothing else:

- of each parameter that rules touch: the usable readings of the rule's `lateness` and one before, at most `RECENT`
  (16 bytes each, so at one reading a minute and ten minutes some 350 bytes a parameter, at most 2 KB);
- of each rule that is not at rest: its levels as of each instant at which they changed, within the lateness, at most
  `MARKS` (some 150 bytes each);
- of each episode that ended: when, until the lateness is over, so that it is not recorded twice.

A late reading is put among the others, and each rule that it touches is evaluated again from the instant before
it to the present. A rule at rest has no marks: it is taken to have been at rest when the kept readings begin. Readings
older than what is kept are stored, and rules do not see them. Windows of a past instant may end up to one bucket early
(`rules.windows`); flags, and what other stations hold, are those of the present.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from rules.columns import Numbers
from rules.evaluate import Sight, advance, truths
from rules.model import Rule
from rules.transitions import Change, Mark, RuleState, copied, new_state, observe

RECENT = 128
"""Readings kept of one parameter."""

MARKS = 16
"""Instants kept of one rule."""


def remember(recent: Numbers, at_ms: int, value: float, lateness_ms: int) -> None:
    """Keep a reading that is the newest. `recent` is time, value, time, value …, oldest first."""
    size = len(recent)
    if size and recent[0] < at_ms - 2 * lateness_ms:
        forget(recent, at_ms - lateness_ms)
    elif size >= 2 * RECENT:
        del recent[: RECENT // 2]
    recent.append(at_ms)
    recent.append(value)


def forget(recent: Numbers, before_ms: int) -> None:
    """Drop what is older, but for the newest of it: that is what was held then."""
    gone = bisect_right(recent[::2], before_ms) - 1
    if gone > 0:
        del recent[: 2 * gone]


def reaches(recent: Numbers, at_ms: int, lateness_ms: int) -> bool:
    """Whether a late reading of that instant still finds what was there before and after it."""
    if not recent:
        return False
    complete = len(recent) < 2 * RECENT - RECENT // 2  # nothing was dropped for want of room
    return recent[0] < at_ms or (complete and at_ms >= recent[-2] - lateness_ms)


def place(recent: Numbers, at_ms: int, value: float) -> float | None:
    """Put a late reading among the others. The value that it replaces, if there was a reading of that instant."""
    index = len(recent)
    while index and recent[index - 2] > at_ms:
        index -= 2
    if index and recent[index - 2] == at_ms:
        before, recent[index - 1] = recent[index - 1], value
        return before
    recent[index:index] = array("d", (at_ms, value))
    if len(recent) > 2 * RECENT:
        del recent[:2]
    return None


def held(recent: Numbers, at_ms: int) -> tuple[int, float] | None:
    """(time, value) of the newest kept reading that is not after `at_ms`."""
    index = len(recent)
    while index and recent[index - 2] > at_ms:
        index -= 2
    return (int(recent[index - 2]), recent[index - 1]) if index else None


def shift(recent: Numbers, delta_ms: int) -> None:
    """The clock was stepped: recent readings move with it (semantics A1)."""
    for index in range(0, len(recent), 2):
        recent[index] += delta_ms


def mark(rule: Rule, state: RuleState) -> None:
    """Keep the levels as they are now, if they are others than last time."""
    if not rule.lateness_ms:
        return
    marks = state.marks
    last = marks[-1] if marks else None
    if last is not None and last.levels == state.levels and last.started == state.started:
        return
    marks.append(Mark(state.at_ms, copied(state.levels), state.started, state.severity))
    oldest = state.at_ms - rule.lateness_ms
    while len(marks) > MARKS or (len(marks) > 1 and marks[1].at_ms <= oldest):
        del marks[0]


class Again(NamedTuple):
    """What a rule has become, seen with the late reading, and what happened on the way."""

    state: RuleState
    changes: list[Change]


def again(rule: Rule, state: RuleState | None, sight: Sight, instants: Sequence[int], late_ms: int, silence_ms: int) -> Again | None:
    """Evaluate again from just before `late_ms` over these instants (of readings of the rule's parameters, rising).

    `state` is None for a rule at rest. None if what is kept does not reach back far enough.
    """
    now_ms = instants[-1] if state is None else max(state.at_ms, instants[-1])
    scratch = new_state(rule)
    if state is not None:
        base = next((item for item in reversed(state.marks) if item.at_ms < late_ms), None)
        if base is None:
            return None
        scratch.levels, scratch.started, scratch.severity, scratch.at_ms = copied(base.levels), base.started, base.severity, base.at_ms
        scratch.marks = [item for item in state.marks if item.at_ms <= base.at_ms]
    else:
        mark(rule, scratch)
    changes: list[Change] = []
    for at_ms in instants:
        if at_ms <= scratch.at_ms:
            continue
        if scratch.at_ms:
            changes += advance(rule, scratch, sight, at_ms, silence_ms)
        sight.at_ms = at_ms
        changes += observe(rule, scratch, truths(rule, sight), at_ms, sample=True, silence_ms=silence_ms)
        mark(rule, scratch)
    if scratch.at_ms:
        changes += advance(rule, scratch, sight, now_ms, silence_ms)
    scratch.at_ms = now_ms
    return Again(scratch, changes)


def episodes(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes by the episode that they belong to, in order."""
    found: list[list[Change]] = []
    for change in changes:
        if not found or found[-1][0].started_ms != change.started_ms:
            found.append([])
        found[-1].append(change)
    return found
