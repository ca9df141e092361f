"""The slow way of one value: every test, and the confirmation of what is suspect (semantics D2).

    range, flat line, climatology, attenuated, multi-variate, what the message says      count until the value is gone
    spike, step, neighbour                                                               count only until they are confirmed

How what is suspect is confirmed stands in `devices.qc.confirmation`.
"""

from __future__ import annotations

from math import inf, isfinite

from devices.qc import attenuated, climatology, flat_line, multivariate, neighbour, rate, spike
from devices.qc.confirmation import FADES, Around, Found, Revision, confirm, difference, is_confirmed, watch_event
from devices.qc.limits import FORGET, LONGEST, REFRESH
from devices.qc.plan import Plan
from devices.qc.rollup import RANK, worse
from devices.qc.spike import Spike
from devices.qc.state import NEVER_MS, OPEN, Open, SeriesState, Unrest, Windows
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT


def missing(plan: Plan, state: SeriesState, parameter: str, time_ms: int, found: Found, trace: bool) -> None:
    """A place of the series is empty."""
    if time_ms <= state.last_ms:
        _replaced(plan, state, time_ms, None, MISSING)
        return
    unrest = state.unrest
    if unrest is None:
        unrest = _unrest(state)
    if trace and not unrest.missing and state.last_ms and _spikes(plan):
        found.revisions.append(Revision(parameter, state.last_ms, state.last, unrest.flag, {"spike": NOT_EVALUATED}))
    unrest.missing = True
    state.near = -1.0
    if plan.windowed:
        _windows(plan, state, time_ms, None, None, {})


def value(
    plan: Plan,
    state: SeriesState,
    parameter: str,
    time_ms: int,
    number: float,
    said: int,
    found: Found,
    *,
    around: Around | None = None,
    other: float | None = None,
    trace: bool = False,
) -> int:
    """The flag of one value, now. `said` is the worst of what is known of it already; `other` is for the multi-variate test."""
    if not isfinite(number):
        missing(plan, state, parameter, time_ms, found, trace)
        return MISSING
    tests = {"range": plan.spans.flag(number)}
    base = worse(said, tests["range"]) if said != NOT_EVALUATED or tests["range"] != GOOD else said
    if plan.climatology:
        tests["climatology"] = climatology.verdict(time_ms, number, plan.climatology, plan.zone)
        base = _counted(base, tests["climatology"])
    if state.last_ms and time_ms <= state.last_ms:
        _replaced(plan, state, time_ms, number, base)
        if trace:
            found.tests[parameter] = tests | dict.fromkeys(_ordered(plan), NOT_EVALUATED)
        return base
    unrest = state.unrest
    if unrest is None:
        unrest = _unrest(state)
    known = state.last_ms != 0
    gap = time_ms - state.last_ms if known else 0
    move = difference(plan, number, state.last) if known else inf
    if plan.learnt is not None:
        if not known:
            state.scale, state.due_ms = plan.learnt.least, time_ms + REFRESH * plan.interval_ms
        elif time_ms >= state.due_ms:
            passed = (time_ms - state.due_ms) // plan.interval_ms + REFRESH
            state.scale, state.due_ms = plan.learnt.rested(state.scale, passed), time_ms + REFRESH * plan.interval_ms
    base = _flat(plan, state, time_ms, number, move, base, tests)
    if plan.windowed:
        base = _windows(plan, state, time_ms, number, other, tests, base)

    # What counts only until it is confirmed.
    limit = _limit(plan, state, unrest, gap)
    level = unrest.level
    beside = _neighbours(plan, unrest, parameter, number, around, tests)
    if tests["range"] == FAIL:
        away = accepted = False
    else:
        away = level is not None and difference(plan, number, level) > limit
        accepted = not away
    if plan.learnt is not None:
        known_step = level is not None and gap <= FORGET * plan.interval_ms and tests["range"] != FAIL
        tests["step"] = NOT_EVALUATED if not known_step else SUSPECT if away else GOOD
    elif plan.rate is not None:
        tests["step"] = GOOD if not known or unrest.missing else rate.verdict(move, gap, plan.rate)
    _spike_before(plan, state, unrest, parameter, number, away, limit, found, trace)
    confirmed = False
    if accepted:
        # What turns back teaches nothing, else a spiking sensor would make its spikes usual.
        if plan.learnt is not None and level == state.last and not unrest.open and gap <= LONGEST * plan.interval_ms:
            state.scale = plan.learnt.taught(state.scale, move)
        if unrest.open:
            unrest.open = []
        unrest.side = unrest.away = 0
        unrest.level = number
    elif away:
        assert level is not None
        confirmed = is_confirmed(plan, unrest, parameter, number, level, move, limit, around)
    flag = base
    if away and not confirmed:
        flag = worse(flag, tests.get("step", GOOD))
    if beside == SUSPECT and not unrest.excused and not confirmed:
        flag = worse(flag, beside)
    if away:
        if confirmed:
            confirm(plan, state, unrest, parameter, number, found)
        else:
            unrest.open.append(Open(time_ms, number, base, flag))
            del unrest.open[:-OPEN]
    watch_event(plan, unrest, parameter, time_ms, number, flag, tests, found)
    if _spikes(plan):
        tests["spike"] = NOT_EVALUATED
    if trace:
        found.tests[parameter] = tests

    if unrest.stir and not confirmed:
        unrest.stir *= FADES
        if plan.learnt is None or unrest.stir < plan.learnt.floor:
            unrest.stir = 0.0
    unrest.base, unrest.flag = base, flag
    state.before = None if unrest.missing or not known else state.last
    unrest.missing = False
    state.last_ms, state.last = time_ms, number
    _settle(plan, state, unrest, number, move)
    return flag


def _unrest(state: SeriesState) -> Unrest:
    """Of a series that was at rest: the last value is the level."""
    state.unrest = unrest = Unrest(level=state.last if state.last_ms else None)
    return unrest


def _replaced(plan: Plan, state: SeriesState, time_ms: int, number: float | None, base: int) -> None:
    """A late value; at an instant that is known already the new one wins (semantics B1), and the old must not come back by a revision."""
    unrest = state.unrest
    if unrest is not None and unrest.open:
        unrest.open = [reading for reading in unrest.open if reading.time_ms != time_ms]
    if time_ms != state.last_ms:
        return
    if unrest is None:
        unrest = _unrest(state)
    state.near = -1.0
    if number is None:
        unrest.missing = True
        return
    if unrest.level == state.last and plan.spans.flag(number) != FAIL:
        unrest.level = number
    state.last, unrest.base, unrest.flag = number, base, base


def _counted(base: int, verdict: int) -> int:
    """A verdict that says nothing bad changes nothing."""
    return worse(base, verdict) if verdict in (SUSPECT, FAIL) else base


def _spikes(plan: Plan) -> bool:
    return plan.spike is not None or plan.learnt_spike


def _ordered(plan: Plan) -> list[str]:
    """The tests that need order: a late value is not judged by them."""
    names = {
        "spike": _spikes(plan),
        "step": plan.learnt is not None or plan.rate is not None,
        "flat_line": plan.stuck is not None or plan.flat_line is not None,
        "attenuated": plan.attenuated is not None,
        "multivariate": plan.multivariate is not None,
        "neighbour": plan.neighbour is not None,
    }
    return [name for name, on in names.items() if on]


def _limit(plan: Plan, state: SeriesState, unrest: Unrest, gap: int) -> float:
    """How far from the level is not away."""
    if unrest.level is None or gap > FORGET * plan.interval_ms:
        return inf
    if plan.learnt is not None:
        times = gap / plan.interval_ms if gap > LONGEST * plan.interval_ms else 1.0
        return max(plan.learnt.limit(state.scale, unrest.level) * times, unrest.stir)
    if plan.rate is not None:
        return plan.rate.suspect * max(gap, plan.interval_ms) / 1000
    if plan.spike is not None:
        return plan.spike.suspect or plan.spike.fail or inf
    return inf


def _flat(plan: Plan, state: SeriesState, time_ms: int, number: float, move: float, base: int, tests: dict[str, int]) -> int:
    """The default flat-line test. It needs both the time and the repeats: neither a gap nor a fast device can trip it."""
    if plan.stuck is None:
        return base
    if move < plan.repeats:
        if not state.run:
            state.run_ms = state.last_ms
        state.run += 1
    else:
        state.run = 0
    test, verdict = plan.stuck, GOOD
    if state.run:
        times = test.rest_times if test.rest[0] <= number <= test.rest[1] else 1.0
        repeats, lasts = state.run / times, (time_ms - state.run_ms) / times
        if repeats >= test.fail and lasts >= test.fail_ms:
            verdict = FAIL
        elif repeats >= test.suspect and lasts >= test.suspect_ms:
            verdict = SUSPECT
    tests["flat_line"] = verdict
    return _counted(base, verdict)


def _windows(
    plan: Plan, state: SeriesState, time_ms: int, number: float | None, other: float | None, tests: dict[str, int], base: int = GOOD
) -> int:
    """The tests that look at every place of the series, empty ones included."""
    windows = state.windows
    if windows is None:
        windows = state.windows = Windows()
    if plan.flat_line is not None:
        windows.flat_line = windows.flat_line or flat_line.FlatLineState()
        tests["flat_line"] = flat_line.step(windows.flat_line, number, plan.flat_line)
        base = _counted(base, tests["flat_line"])
    if plan.attenuated is not None:
        windows.attenuated = windows.attenuated or attenuated.AttenuatedState()
        tests["attenuated"] = attenuated.step(windows.attenuated, time_ms, number, plan.attenuated)
        base = _counted(base, tests["attenuated"])
    if plan.multivariate is not None:
        windows.multivariate = windows.multivariate or multivariate.MultivariateState()
        tests["multivariate"] = multivariate.step(windows.multivariate, time_ms, number, other, plan.multivariate)
        base = _counted(base, tests["multivariate"])
    return base


def _neighbours(plan: Plan, unrest: Unrest, parameter: str, number: float, around: Around | None, tests: dict[str, int]) -> int:
    if plan.neighbour is None:
        return NOT_EVALUATED
    verdict = neighbour.verdict(number, around(parameter) if around is not None else (), plan.neighbour, plan.turn)
    tests["neighbour"] = verdict
    if verdict == GOOD:
        unrest.excused = False
    return verdict


def _spike_before(
    plan: Plan,
    state: SeriesState,
    unrest: Unrest,
    parameter: str,
    number: float,
    away: bool,
    limit: float,
    found: Found,
    trace: bool,
) -> None:
    """The spike verdict of the last reading, now that the next one is known: it may revise it."""
    if not state.last_ms or not _spikes(plan):
        return
    last_was_open = bool(unrest.open) and unrest.open[-1].time_ms == state.last_ms
    if unrest.missing:
        return  # said when the place was found empty
    if plan.spike is not None:
        verdict = spike.verdict(state.before, state.last, number, plan.spike, plan.turn)
    else:
        # The learnt test: what is away from the level is a spike if the next value turns back as far.
        verdict = spike.verdict(state.before, state.last, number, Spike(limit, None, "differential"), plan.turn)
        if not last_was_open and verdict == SUSPECT:
            verdict = GOOD
    if last_was_open and RANK[verdict] > RANK[unrest.flag]:
        unrest.flag = unrest.open[-1].flag = verdict
        tests = {"spike": verdict} if trace else {}
        found.revisions.append(Revision(parameter, state.last_ms, state.last, verdict, tests))
    elif trace:
        found.revisions.append(Revision(parameter, state.last_ms, state.last, unrest.flag, {"spike": verdict}))


def _settle(plan: Plan, state: SeriesState, unrest: Unrest, number: float, move: float) -> None:
    """Is the series at rest? Then the next value may take the quiet way."""
    quiet = state.scale if plan.learnt is not None else plan.near
    at_rest = (
        state.before is not None
        and unrest.level == number
        and unrest.flag == GOOD
        and not unrest.excused
        and not unrest.stir
        and (plan.learnt is not None or move <= quiet)
        and not plan.busy
    )
    if at_rest:
        state.near, state.unrest = quiet, None
        if plan.learnt is None:
            state.due_ms = NEVER_MS
    else:
        state.near = -1.0
