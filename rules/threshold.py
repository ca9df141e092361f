"""The state machine of a threshold rule at one station: levels with timers, and the episode they make up.

Theory of operation. Each level is a machine of its own: off, pending (its condition holds since `t0`, its timer is
due at `due`), or on. The episode is open while any level is on; its severity is the highest that is on (semantics
E3). Everything happens in *event time*: `on_value` is called with the instant the reading describes, `on_time` when
the station's clock has reached an instant without a reading.

A held value lives until the next reading or 2.5 reporting intervals (semantics C5); past that the condition is
unknown, which pauses a `for` timer, never clears, and resets the timer once the silence has lasted
`silence_ms` (semantics E1). The pause needs no timer of its own: it is worked out when the next reading comes.

All functions change the `RuleState` they are given and return what happened, oldest first. The same readings in the
same order give the same changes, wherever calls of `on_time` fall in between: `on_value` first does what was due
before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from rules.model import Level, Rule

HOLD_INTERVALS = 2.5
"""How many reporting intervals a value is held (semantics C5)."""

SILENCE_INTERVALS = 3
"""Default of `silence.after`, in reporting intervals (semantics E1)."""


class LevelState(msgspec.Struct, array_like=True):
    """Off: t0 None. Pending: t0 set, `count` true samples so far, `due` if the level has a `for`. On: `on`."""

    t0: int | None = None
    count: int = 0
    due: int | None = None
    on: bool = False


class RuleState(msgspec.Struct, array_like=True):
    """A rule at one station. `severity` is an index into SEVERITIES, -1 when no episode is open."""

    levels: list[LevelState]
    started: int | None = None
    severity: int = -1
    unknown: bool = False
    announced: bool = False
    """Receivers were told of this episode (or an intent was committed)."""
    told_severity: int = -1
    """The worst severity that receivers were told of."""

    @property
    def idle(self) -> bool:
        """Nothing pending, nothing on."""
        return self.started is None and all(level.t0 is None and not level.on for level in self.levels)


class Change(NamedTuple):
    """Something that happened to an episode."""

    state: str
    reason: str
    event_ms: int
    started_ms: int
    severity: int
    limit: float


def new_state(rule: Rule) -> RuleState:
    """The state of a rule that has seen nothing."""
    return RuleState(levels=[LevelState() for _ in rule.levels])


def on_value(
    rule: Rule, state: RuleState, value: float, event_ms: int, *, previous_ms: int | None, interval_ms: int, silence_ms: int
) -> list[Change]:
    """Take in a usable reading (flag 1 or 2). `event_ms` must not be before `previous_ms`, the last usable one."""
    changes: list[Change] = []
    if previous_ms is not None:
        _bridge_gap(rule, state, previous_ms, event_ms, round(HOLD_INTERVALS * interval_ms), silence_ms, changes)
        _fire_due(rule, state, event_ms, changes)
    was_unknown, state.unknown = state.unknown, False
    for level, level_state in zip(rule.levels, state.levels, strict=True):
        _evaluate(level, level_state, value, event_ms)
    _settle(rule, state, event_ms, changes)
    if was_unknown and state.started is not None and (not changes or changes[-1].state == "unknown"):
        changes.append(_change(rule, state, "firing", "data-returned", event_ms))
    return changes


def on_time(rule: Rule, state: RuleState, now_ms: int, *, previous_ms: int, interval_ms: int) -> list[Change]:
    """The station's clock reached `now_ms` without a reading: fire what was due while the last value is held."""
    changes: list[Change] = []
    held_until = previous_ms + round(HOLD_INTERVALS * interval_ms)
    _fire_due(rule, state, min(now_ms, held_until), changes)
    return changes


def next_due(state: RuleState, *, previous_ms: int, interval_ms: int) -> int | None:
    """The event time at which `on_time` will next do something, if the value stays as it is; None for never."""
    held_until = previous_ms + round(HOLD_INTERVALS * interval_ms)
    dues = [level.due for level in state.levels if level.due is not None and not level.on and level.due <= held_until]
    return min(dues) if dues else None


def on_silence(rule: Rule, state: RuleState, event_ms: int) -> list[Change]:
    """The data stopped for `silence_ms`: pending timers are reset, an open episode is marked unknown, once."""
    _reset_pending(state)
    if state.started is None or state.unknown:
        return []
    state.unknown = True
    return [_change(rule, state, "unknown", "data-stopped", event_ms)]


def close(rule: Rule, state: RuleState, event_ms: int, reason: str) -> list[Change]:
    """End the episode from outside (rule changed, device decommissioned, closed by an operator)."""
    for level in state.levels:
        level.t0, level.count, level.due, level.on = None, 0, None, False
    changes: list[Change] = []
    _settle(rule, state, event_ms, changes, reason=reason)
    state.unknown = False
    return changes


def shift(state: RuleState, delta_ms: int) -> None:
    """The clock was stepped: move what is pending with it (semantics A1). An open episode keeps its start: its identity."""
    for level in state.levels:
        if level.t0 is not None:
            level.t0 += delta_ms
        if level.due is not None:
            level.due += delta_ms


def quiet_band(pairs: Iterable[tuple[Rule, RuleState]]) -> tuple[float, float]:
    """The closed interval of values at which none of these rules would do anything: what makes a reading cheap.

    Empty (low > high) as soon as one rule is not idle.
    """
    low, high = -math.inf, math.inf
    for rule, state in pairs:
        if not state.idle:
            return math.inf, -math.inf
        for level in rule.levels:
            if level.when_high == math.inf:
                high = min(high, math.nextafter(level.when_low, -math.inf))
            else:
                low = max(low, math.nextafter(level.when_high, math.inf))
    return low, high


def _bridge_gap(
    rule: Rule, state: RuleState, previous_ms: int, event_ms: int, hold_ms: int, silence_ms: int, changes: list[Change]
) -> None:
    """What the time without data between two readings meant: nothing, a paused timer, or silence."""
    held_until = previous_ms + hold_ms
    if event_ms <= held_until:
        return
    _fire_due(rule, state, held_until, changes)
    if event_ms - previous_ms >= silence_ms:
        changes.extend(on_silence(rule, state, previous_ms + silence_ms))
        return
    for level in state.levels:
        if level.due is not None and not level.on:
            level.due += event_ms - held_until


def _fire_due(rule: Rule, state: RuleState, upto_ms: int, changes: list[Change]) -> None:
    """Switch on, in the order of their times, the levels whose timer is due by `upto_ms`."""
    while True:
        due = [(level.due, index) for index, level in enumerate(state.levels) if not level.on and level.due is not None]
        if not due or min(due)[0] > upto_ms:
            return
        at, index = min(due)
        state.levels[index].on = True
        state.levels[index].due = None
        _settle(rule, state, at, changes)


def _evaluate(level: Level, state: LevelState, value: float, event_ms: int) -> None:
    if state.on:
        if level.clear_low <= value <= level.clear_high:
            state.on, state.t0, state.count, state.due = False, None, 0, None
        return
    if not level.when_low <= value <= level.when_high:
        state.t0, state.count, state.due = None, 0, None
        return
    if state.t0 is None:
        state.t0 = event_ms
        state.due = event_ms + level.for_ms if level.for_ms else None
    state.count += 1
    if not level.for_ms and state.count >= level.confirm:
        state.on = True


def _reset_pending(state: RuleState) -> None:
    for level in state.levels:
        if not level.on:
            level.t0, level.count, level.due = None, 0, None


def _settle(rule: Rule, state: RuleState, event_ms: int, changes: list[Change], *, reason: str = "cleared") -> None:
    """Bring the episode in line with its levels."""
    severity = max((level.severity for level, s in zip(rule.levels, state.levels, strict=True) if s.on), default=-1)
    if severity == state.severity:
        return
    if severity < 0:
        changes.append(_change(rule, state, "resolved", reason, event_ms))
        state.started, state.severity = None, -1
        return
    if state.started is None:
        state.started = min(s.t0 for s in state.levels if s.on and s.t0 is not None)
        state.severity, why = severity, "condition"
    else:
        why = "escalated" if severity > state.severity else "de-escalated"
        state.severity = severity
    changes.append(_change(rule, state, "firing", why, event_ms))


def _change(rule: Rule, state: RuleState, name: str, reason: str, event_ms: int) -> Change:
    assert state.started is not None
    limit = next(level.limit for level in rule.levels if level.severity == state.severity)
    return Change(name, reason, event_ms, state.started, state.severity, limit)
