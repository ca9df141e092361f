"""The production judge over whole series: the flag of every reading in the end, and what each test said of it.

The same tests, limits and roll-up as in the core (`gateway.core.judging`), with revisions applied (semantics D2, D4): a reading that
three more confirmed is good, though `step` still says 3. Neighbours are not asked, and nothing is known of receipt and position: those
tests say 2.

    judge          one series, default tests only: most readings take the judge's fast way
    judge_device   the series of one device together, with the tests that its type or station asks for
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite, isnan
from typing import NamedTuple

from devices.qc.judge import LEARN_EVERY, Verdict, new_state, slowly
from devices.qc.message_tests import About, MessageTests, MessageTestsState
from devices.qc.series_tests import SeriesTestsState
from devices.qc.settings import Plan
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, Spans

TESTS = ("gross_range", "step", "spike", "flat_line")
"""The default tests, in the order of a reading's verdicts."""
_SPIKE, _FLAT = 2, 3


class Judged(NamedTuple):
    """One series, judged."""

    flags: bytearray
    """The roll-up, one for each reading."""
    usual: tuple[int, ...]
    """What `names` said of most readings …"""
    special: dict[int, tuple[int, ...]]
    """… and of the others, by position."""
    names: tuple[str, ...] = TESTS

    def tests(self, at: int) -> tuple[int, ...]:
        """The verdicts of `names` on one reading."""
        return self.special.get(at, self.usual)


class Series(NamedTuple):
    """One series to judge. Times in ms, values in the canonical unit; NaN and infinities are missing."""

    plan: Plan
    spans: Spans
    times: Sequence[int]
    values: Sequence[float]


def judge(plan: Plan, spans: Spans, times: Sequence[int], values: Sequence[float]) -> Judged:
    """Judge one series in the order given by the default tests."""
    trace = _Trace(plan, times, values, ())
    state = trace.state
    low, high = spans.good
    # `devices.qc.judge.quiet` written out: most of a year's half a million readings end here.
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
                trace.previous = at
                continue
        state.steps = steps
        flag = spans.flag(value) if isfinite(value) else MISSING
        verdict = slowly(plan, state, time_ms, None if flag == MISSING else value, flag)
        trace.note(at, flag, verdict, newest, {})
        newest, last, band, steps = state.last_ms, state.last, state.band, state.steps
    return trace.finished()


def judge_device(series: Mapping[str, Series], tests: MessageTests | None) -> dict[str, Judged]:
    """Judge the series of one device record by record: values of one instant are one message."""
    whole = _names_of(tests)
    traces = {name: _Trace(one.plan, one.times, one.values, whole) for name, one in series.items()}
    state = MessageTestsState()
    for time_ms, places in _records(series):
        values = {name: number if isfinite(number := series[name].values[at]) else None for name, at in places.items()}
        verdicts = None if tests is None else tests.judge(state, time_ms, values, About())
        for earlier in verdicts.earlier if verdicts is not None else ():
            if earlier.parameter in traces:
                traces[earlier.parameter].blame(earlier.time_ms, earlier.flag)
        for name, at in places.items():
            one, trace, value = series[name], traces[name], values[name]
            flag = MISSING if value is None else one.spans.flag(value)
            said, bad = {"gross_range": flag}, flag
            if verdicts is not None:
                said |= verdicts.whole | verdicts.each.get(name, {})
                bad = bad if value is None else max(bad, verdicts.flag(name))
            if one.plan.asked is not None:
                trace.state.asked = trace.state.asked or SeriesTestsState()
                further = one.plan.asked.judge(trace.state.asked, time_ms, value, values.get(one.plan.asked.related))
                said |= further
                bad = bad if value is None else max(bad, *(verdict for verdict in further.values() if verdict in (SUSPECT, FAIL)), 0)
            newest = trace.state.last_ms
            trace.note(at, bad, slowly(one.plan, trace.state, time_ms, value, bad), newest, said)
    return {name: trace.finished() for name, trace in traces.items()}


def _names_of(tests: MessageTests | None) -> tuple[str, ...]:
    if tests is None:
        return ()
    own = (("consistency", tests.consistency), ("health", tests.health), ("density", tests.density))
    return (*tests.whole, *(name for name, asked in own if asked))


def _records(series: Mapping[str, Series]) -> Iterator[tuple[int, dict[str, int]]]:
    """(time, parameter → position) of each message, in the order given. Series with the same times are rows of a file."""
    times = next(iter(series.values())).times if series else ()
    if all(one.times is times for one in series.values()):
        for at, time_ms in enumerate(times):
            yield time_ms, dict.fromkeys(series, at)
        return
    found: dict[tuple[int, int], dict[str, int]] = {}
    for name, one in series.items():
        again = 0
        for at, time_ms in enumerate(one.times):
            again = again + 1 if at and one.times[at - 1] == time_ms else 0
            found.setdefault((time_ms, again), {})[name] = at
    for (time_ms, _), places in sorted(found.items()):
        yield time_ms, places


class _Trace:
    """One series while it is judged: flags, and what each test said."""

    def __init__(self, plan: Plan, times: Sequence[int], values: Sequence[float], more: tuple[str, ...]) -> None:
        self.state = new_state(plan)
        self.previous = -1
        """Position of the newest reading that was in range and in order: the one whose spike verdict is still open."""
        self._times, self._values = times, values
        self._flags = bytearray(b"\x01") * len(times)
        self._special: dict[int, tuple[int, ...]] = {}
        asked = plan.asked.names if plan.asked is not None else ()
        names = (*TESTS, *(name for name in (*asked, *more) if name not in TESTS))
        off = {
            "step": plan.step == inf and plan.rate == inf,
            "spike": plan.spike == inf and plan.fixed_spike is None,
            "flat_line": plan.flat_suspect_ms is None and plan.flat_fail_ms is None and "flat_line" not in asked,
        }
        self._off = frozenset(name for name, is_off in off.items() if is_off)
        self._names = names
        self._usual = tuple(GOOD if name in TESTS and name not in self._off else NOT_EVALUATED for name in names)

    def note(self, at: int, flag: int, verdict: Verdict, newest: int, further: Mapping[str, int]) -> None:
        """Reading number `at`: the flag that the judge was given, its verdict, what further tests said.

        `newest`: the time of the newest reading in range before it.
        """
        state, usual, special = self.state, self._usual, self._special
        time_ms = self._times[at]
        self._flags[at] = verdict.flag
        for revision in verdict.revisions:
            self._flags[self._position(revision.time_ms, revision.value, at)] = revision.now
        said = {**verdict.tests, **further}
        if flag == MISSING:
            special[at] = (MISSING,) * len(usual)
        else:
            found = tuple(
                NOT_EVALUATED if name in self._off else usual[_SPIKE] if name == "spike" else said.get(name, NOT_EVALUATED)
                for name in self._names
            )
            if flag == FAIL or isnan(state.before):
                found = _with_spike(found, NOT_EVALUATED)
            if found != usual:
                special[at] = found
        in_order = state.last_ms == time_ms and flag not in (FAIL, MISSING)
        if self.previous >= 0 and (in_order or flag in (FAIL, MISSING)) and time_ms > newest:
            spike = said.get("spike_before", NOT_EVALUATED)
            before = special.get(self.previous, usual)
            # A reading that had no neighbour before it stays without a verdict.
            if spike != before[_SPIKE] and not (spike == GOOD and before[_SPIKE] == NOT_EVALUATED):
                special[self.previous] = _with_spike(before, spike)
        if in_order:
            self.previous = at

    def blame(self, time_ms: int, flag: int) -> None:
        """The newest reading, which is of this time, is worse than it seemed."""
        at = self.previous
        if at < 0 or self._times[at] != time_ms:
            return
        self._flags[at] = max(self._flags[at], flag)
        self.state.flag = max(self.state.flag, flag)
        place = self._names.index("density")
        tests = self._special.get(at, self._usual)
        self._special[at] = (*tests[:place], flag, *tests[place + 1 :])

    def finished(self) -> Judged:
        """No reading follows: the last one's spike verdict stays open."""
        if self.previous >= 0:
            self._special[self.previous] = _with_spike(self._special.get(self.previous, self._usual), NOT_EVALUATED)
        return Judged(self._flags, self._usual, self._special, self._names)

    def _position(self, time_ms: int, value: float, before: int) -> int:
        """Of the newest reading before `before` with this time and value: a revision is of one of the last few."""
        at = before - 1
        while self._times[at] != time_ms or self._values[at] != value:
            at -= 1
        return at


def _with_spike(tests: tuple[int, ...], spike: int) -> tuple[int, ...]:
    return (*tests[:_SPIKE], spike, *tests[_SPIKE + 1 :])
