"""The default quality tests of one series, streaming, and their roll-up (semantics D1, D2, D5).

    range      done when the message was decoded: values arrive flagged 1, 3, 4 or 9
    step       |x - last| beyond the limit: the verdict of `rate_of_change_test`, per reading instead of per second
    spike      the reading before, when both its neighbours lie on one side of it (`spike_test`, method "differential")
    flat line  no change at all for a given time (`flat_line_test` with a tolerance below the resolution)

**Limits are of neighbouring readings, and learnt** (D1): the larger of the plan's limit and `LEARNT` times the mean change that
the series showed lately; in the beginning, when nothing is known of it, only what would be much for a whole hour is doubted. The
catalogue's rates are for hourly means and are never applied per second to raw samples.

**A real event is let through** (D2). A reading beyond the limit from the *accepted* level is suspect until `CONFIRM` readings in
a row lie on its side of that level, or a neighbour confirms
it: then the roll-up flag of those readings becomes 1, as a revision. The tests' own verdicts stay. A reading that is back at
the accepted level is good at once.

Nearly every reading lies within a narrow band around the last one: `judge` then stores it and is done. Everything else
is `_slowly`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf, nan
from typing import NamedTuple

import msgspec

from devices.qc.circular import difference
from devices.qc.series_tests import SeriesTestsState
from devices.qc.series_tests import shift as shift_asked
from devices.qc.settings import Plan

CONFIRM = 3
"""Consecutive readings that confirm what steps, spikes and neighbours doubted (D2)."""
LEARNT = 8.0
"""Times the mean change of the series that one change may be. Of normal noise that is nine standard deviations."""
LEARN_EVERY = 32
"""Changes from which a new mean is made, and so how fast a limit follows."""
REVISABLE = 3
"""Doubted readings that a late confirmation still makes good: as many as are remembered."""
GAP_INTERVALS = 10
"""After a longer gap the first reading begins anew: nothing is known of what lay between."""
EVENT_MS = 900_000
"""Readings doubted for so long are a possible event, which a person must look at (D2)."""

GOOD, SUSPECT, FAIL = 1, 3, 4
_NEVER = 1 << 62


class SeriesState(msgspec.Struct, array_like=True, gc=False):
    """One parameter of one device. 200 to 300 bytes; a run of doubts adds at most `REVISABLE` pairs."""

    last_ms: int = -_NEVER
    """Event time of the newest reading that was in the plausible range."""
    last: float = nan
    before: float = nan
    """The value before it; NaN when it does not follow directly."""
    accepted: float = nan
    """During a run of doubts: the last value before it, which was believed. Else it means nothing."""
    band: float = -1.0
    """Changes up to this need no look."""
    limit: float = -1.0
    """The step limit now in force."""
    moved: float = 0.0
    steps: int = 0
    mean: float = 0.0
    """Mean change of neighbouring readings, as learnt."""
    learnt: bool = False
    flat_since: int = 0
    """Event time since which the value has not changed."""
    flat_ms: int = _NEVER
    """How long it may stand before anybody looks."""
    run: list[tuple[int, float]] = []
    """Doubted readings in a row, oldest first."""
    side: int = 0
    """Where they lie: 1 above the accepted level, -1 below it."""
    doubted_since: int | None = None
    told: bool = False
    """The possible event was told."""
    flag: int = GOOD
    """Roll-up flag of the newest reading."""
    bases: list[int] = []
    """What else is said of each reading of `run`: the flag that it gets when it is confirmed."""
    apart: bool = False
    """The series is far from its neighbours, and that has been confirmed: it is no reason for doubt until it is back."""
    asked: SeriesTestsState | None = None
    """What further tests remember, where somebody asked for them."""


class Revision(NamedTuple):
    """An earlier reading has another flag now."""

    time_ms: int
    value: float
    was: int
    now: int


class Verdict(NamedTuple):
    """What the slow way found out about one reading."""

    flag: int
    tests: dict[str, int]
    """Test → flag; of `spike` the verdict on the reading *before*, under `spike_before`."""
    revisions: tuple[Revision, ...] = ()
    possible_event: bool = False
    """The series has been doubted for 15 minutes: said once."""
    doubt: int = 0
    """1 or -1 when this reading began a run of doubts, for neighbours to confirm; else 0."""


def new_state(plan: Plan) -> SeriesState:
    """A series that has seen nothing."""
    state = SeriesState()
    _set_limits(state, plan)
    return state


def quiet(state: SeriesState, time_ms: int, value: float, flag: int) -> bool:
    """The fast way: True if the reading is good and remembered. False: call `slowly`. Nothing has changed then."""
    change = value - state.last
    if flag == 1 and -state.band <= change <= state.band and time_ms > state.last_ms and state.steps < LEARN_EVERY:
        if change != 0.0:
            state.flat_since = time_ms
        elif time_ms - state.flat_since >= state.flat_ms:
            return False
        state.before = state.last
        state.last = value
        state.last_ms = time_ms
        state.moved += change if change > 0.0 else -change
        state.steps += 1
        return True
    return False


def slowly(plan: Plan, state: SeriesState, time_ms: int, value: float | None, flag: int, apart: int | None = None) -> Verdict:
    """Everything that is not quiet: the whole of the tests.

    `flag` is what range and further tests said of the reading. `apart`: 1 or -1 where its neighbours doubt it because it lies above or
    below them, 0 where it is near them, None where nobody was asked.
    """
    if value is None or flag == 9:
        state.before = nan
        return Verdict(flag, {"gross_range": 9})
    if time_ms <= state.last_ms:
        # Older than the newest, or a revision of it: the tests of order cannot be asked again.
        return Verdict(flag, {"gross_range": flag, "step": 2, "spike": 2, "flat_line": 2})
    if flag == FAIL:
        # Not a level that anything may be compared with: the neighbours close ranks around it.
        return _doubted_by_range(state, time_ms, flag)
    gap = time_ms - state.last_ms
    first = state.last != state.last or gap > GAP_INTERVALS * plan.interval_ms
    said = GOOD if flag == 2 else flag
    tests = {"gross_range": flag}
    revisions: list[Revision] = []
    if first:
        _accept(state)
        state.doubted_since, state.told = None, False
        state.before, state.flat_since = nan, time_ms
        tests |= {"step": 1 if state.last != state.last else 2, "flat_line": 1}
        flat, doubt = GOOD, 0
        if apart:
            state.accepted = value
            doubt = _doubt(plan, state, time_ms, value, said, apart, revisions)
    else:
        change = _difference(value, state.last, plan.circular)
        allowed = min(state.limit * max(1.0, gap / plan.interval_ms), plan.rate * gap / 1000)
        tests["step"] = SUSPECT if abs(change) > allowed else GOOD
        tests["spike_before"] = spike = _spike(state, plan, value, change)
        if spike > 2:
            _revise_spike(state, spike, revisions)
        _learn(state, plan, abs(change))
        flat = _flat(plan, state, time_ms, value, change)
        tests["flat_line"] = flat
        flat = GOOD if flat == 2 else flat
        doubt = _accept_or_doubt(plan, state, time_ms, value, max(said, flat), allowed, apart, revisions)
    rolled = SUSPECT if state.run else GOOD
    now = max(said, rolled, flat)
    event = _event(state, time_ms, now)
    state.before, state.last, state.last_ms, state.flag = (nan if first else state.last), value, time_ms, now
    if now > 2:
        state.band = -1.0  # until it is good again, everything is looked at
    elif state.band < 0.0:
        _set_limits(state, plan)
    return Verdict(now, tests, tuple(revisions), event, doubt)


def confirm(state: SeriesState) -> tuple[Revision, ...]:
    """A neighbour saw the same: what is doubted is good (D2), as far as nothing else is said of it."""
    if not state.run:
        return ()
    revisions = tuple(_confirmed(state))
    state.flag = _bases(state)[-1]
    _accept(state)
    state.doubted_since, state.told = None, False
    return revisions


def shift(state: SeriesState, delta_ms: int) -> None:
    """The clock was stepped: receipt stamps move with it (semantics A1)."""
    state.last_ms += delta_ms
    state.flat_since += delta_ms
    state.run = [(at + delta_ms, value) for at, value in state.run]
    if state.doubted_since is not None:
        state.doubted_since += delta_ms
    if state.asked is not None:
        shift_asked(state.asked, delta_ms)


def _set_limits(state: SeriesState, plan: Plan) -> None:
    learnt = LEARNT * state.mean if plan.learn else 0.0
    known = state.learnt or not plan.learn
    state.limit = max(plan.step if known else plan.first, learnt)
    # The band must be as narrow as the narrowest test, and no way round: directions always take the slow way.
    state.flat_ms = min(plan.flat_suspect_ms or _NEVER, plan.flat_fail_ms or _NEVER)
    state.band = (
        -1.0 if plan.looks_at_each or state.run else min(state.limit, max(plan.spike if known else 0.75 * plan.first, 0.75 * learnt))
    )


def _learn(state: SeriesState, plan: Plan, change: float) -> None:
    """The mean change of neighbouring readings. A change beyond the limit counts as twice the mean at most, or as the shipped limit.

    So a series learns to be rough only if half of its changes are large: a sensor that spikes at every fifth reading does not.
    """
    if state.limit < inf:
        if change > state.limit:
            change = min(state.limit, max(plan.step, 2.0 * state.mean))
        state.moved += change
        state.steps += 1
    if state.steps >= LEARN_EVERY:
        fresh = state.moved / state.steps
        state.mean = fresh if not state.mean else 0.7 * state.mean + 0.3 * fresh
        state.moved, state.steps, state.learnt = 0.0, 0, True
        _set_limits(state, plan)


def _spike(state: SeriesState, plan: Plan, value: float, change: float) -> int:
    """Of the reading before: beyond both its neighbours by more than the limit."""
    if state.before != state.before:
        return 2
    if plan.fixed_spike is not None:
        return plan.fixed_spike.flag(state.before, state.last, value)
    if plan.spike == inf:
        return 2
    rise = _difference(state.last, state.before, plan.circular)
    if rise * change >= 0.0:
        return GOOD
    learnt = 0.75 * LEARNT * state.mean if plan.learn else 0.0
    least = plan.spike if state.learnt or not plan.learn else 0.75 * plan.first
    return SUSPECT if min(abs(rise), abs(change)) > max(least, learnt) else GOOD


def _revise_spike(state: SeriesState, spike: int, revisions: list[Revision]) -> None:
    """The reading before was a spike: its flag is the worse of what it had and this."""
    if not state.run:
        if spike > state.flag or state.flag == 2:
            revisions.append(Revision(state.last_ms, state.last, state.flag, spike))
    elif spike == FAIL:
        # It is doubted already, and the next ones may confirm it (D2); but what fails stays failed.
        bases = state.bases = _bases(state)
        if bases[-1] < FAIL:
            revisions.append(Revision(state.last_ms, state.last, SUSPECT, FAIL))
        bases[-1] = FAIL


def _flat(plan: Plan, state: SeriesState, time_ms: int, value: float, change: float) -> int:
    if change != 0.0:
        state.flat_since = time_ms
        return GOOD
    if plan.flat_suspect_ms is None and plan.flat_fail_ms is None:
        return 2
    stood = time_ms - state.flat_since
    if value <= plan.rest_below or value in plan.rest:
        return GOOD
    if plan.flat_fail_ms is not None and stood >= plan.flat_fail_ms:
        return FAIL
    return SUSPECT if plan.flat_suspect_ms is not None and stood >= plan.flat_suspect_ms else GOOD


def _accept_or_doubt(
    plan: Plan, state: SeriesState, time_ms: int, value: float, said: int, allowed: float, apart: int | None, revisions: list[Revision]
) -> int:
    """Semantics D2: believe the reading, doubt it, or believe it and those before it. Returns the side of a doubt that began."""
    if not state.run:
        state.accepted = state.last
    if apart == 0:
        state.apart = False
    away = _difference(value, state.accepted, plan.circular)
    if abs(away) > allowed:
        return _doubt(plan, state, time_ms, value, said, 1 if away > 0 else -1, revisions)
    if apart and not state.apart:
        return _doubt(plan, state, time_ms, value, said, apart, revisions)
    if state.run:
        _accept(state)
        _set_limits(state, plan)
    return 0


def _doubt(plan: Plan, state: SeriesState, time_ms: int, value: float, said: int, side: int, revisions: list[Revision]) -> int:
    """One more reading on this side: doubted with those before it, or the one that confirms them."""
    began = 0
    if not state.run or side != state.side:
        state.run, state.bases, state.side, began = [], [], side, side
    state.bases = [*_bases(state), said][-REVISABLE:]
    state.run = [*state.run, (time_ms, value)][-REVISABLE:]
    state.band = -1.0
    if len(state.run) < CONFIRM:
        return began
    revisions.extend(revision for revision in _confirmed(state) if revision.time_ms != time_ms)
    # What follows goes on as it went within the event, and comes back from it in steps: neither is a reason for doubt any more.
    numbers = [number for _, number in state.run]
    inside = max(abs(_difference(later, sooner, plan.circular)) for sooner, later in pairwise(numbers))
    leap = min(abs(_difference(number, state.accepted, plan.circular)) for number in numbers)
    if plan.learn:
        state.mean = max(state.mean, 1.5 * inside / LEARNT, 0.5 * leap / LEARNT)
    _accept(state)
    state.apart = True
    _set_limits(state, plan)
    return 0


def _bases(state: SeriesState) -> list[int]:
    """One for each reading of the run (a state of an earlier version has none)."""
    return [GOOD] * (len(state.run) - len(state.bases)) + state.bases


def _confirmed(state: SeriesState) -> Iterator[Revision]:
    """What confirmation makes of the run, oldest first."""
    for (at, number), base in zip(state.run, _bases(state), strict=True):
        if base <= GOOD:
            yield Revision(at, number, SUSPECT, GOOD)


def _accept(state: SeriesState) -> None:
    state.run, state.bases, state.side = [], [], 0


def _doubted_by_range(state: SeriesState, time_ms: int, flag: int) -> Verdict:
    state.before = nan
    _event(state, time_ms, flag)
    return Verdict(flag, {"gross_range": flag})


def _event(state: SeriesState, time_ms: int, flag: int) -> bool:
    """Whether the series has now been doubted for `EVENT_MS`. What fails is a broken sensor, not an event."""
    if flag != SUSPECT:
        state.doubted_since, state.told = None, False
        return False
    if state.doubted_since is None:
        state.doubted_since = time_ms
        return False
    if state.told or time_ms - state.doubted_since < EVENT_MS:
        return False
    state.told = True
    return True


def _difference(one: float, other: float, circular: bool) -> float:
    """one - other; of directions the shorter way round, -180 … 180."""
    return difference(one, other) if circular else one - other
