"""What happens to an alert: levels with timers, and the episode that they make up, as two tables.

Theory of operation. Each level of a rule is a machine of its own over *Kleene* truths (semantics E1): its `when` and its
`clear` are true, false or unknown. The episode is open while any level is on, and its severity is the worst level that is
on (semantics E3). Everything happens in *event time*: `observe` is called with the instant at which the truths hold,
`elapse` when the station's clock has reached an instant without anything new.

- `for` is due at t0 + for, t0 being the instant at which `when` became true and stayed so (E2).
- Unknown pauses a timer that runs, and never clears. After `silence` of it the timer is reset (E1).
- A level without `for` needs `confirm` true samples in a row (D3).
- Without a `clear` of its own a level is cleared by `not when` (E3); what the engine passes as `clear` is that.

All functions change the `RuleState` that they are given and return what happened, oldest first. The same truths at the same instants
give the same changes wherever calls of `elapse` fall in between: `observe` first does what was due before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from rules.model import Level, Rule

HOLD_INTERVALS = 2.5
"""How many reporting intervals a value is held (semantics C5)."""

SILENCE_INTERVALS = 3
"""Default of `silence.after`, in reporting intervals (semantics E1)."""

Truth: TypeAlias = bool | None
"""None is unknown."""

LEVEL: dict[tuple[str, str], str] = {
    # (state, what happened): next state. What is not here changes nothing.
    ("off", "true"): "pending",
    ("pending", "false"): "off",
    ("pending", "unknown"): "paused",
    ("pending", "due"): "on",
    ("pending", "confirmed"): "on",
    ("paused", "true"): "pending",
    ("paused", "false"): "off",
    ("paused", "silent"): "off",
    ("on", "clear"): "off",
}
"""One level. `due`: held for `for`; `confirmed`: true in so many samples in a row; `silent`: unknown for `silence.after`."""

EPISODE: dict[tuple[str, str], tuple[str, str]] = {
    # (state, what happened): (next state, the reason that the transition gives)
    ("closed", "on"): ("firing", "condition"),
    ("firing", "worse"): ("firing", "escalated"),
    ("firing", "better"): ("firing", "de-escalated"),
    ("firing", "silent"): ("unknown", "data-stopped"),
    ("firing", "doubted"): ("unknown", "data-doubted"),
    ("firing", "off"): ("resolved", "cleared"),
    ("unknown", "worse"): ("firing", "escalated"),
    ("unknown", "better"): ("firing", "de-escalated"),
    ("unknown", "known"): ("firing", "data-returned"),
    ("unknown", "off"): ("resolved", "cleared"),
}
"""The episode. `on`: the first level is; `worse`, `better`: the worst level that is on changed; `off`: none is.

`silent`: nothing usable came for `silence.after`; `doubted`: nor did it, but readings with flag 3 or 4 do.
"""


class LevelState(msgspec.Struct, array_like=True, gc=False):
    """Off: t0 None. Pending: t0 set, `count` true samples so far, `due` if the level has a `for`. On: `on`."""

    t0: int | None = None
    count: int = 0
    due: int | None = None
    on: bool = False
    paused: int | None = None
    """Since when its condition is unknown; only while it is pending."""

    @property
    def name(self) -> str:
        """Its state in the table `LEVEL`."""
        return "on" if self.on else "off" if self.t0 is None else "pending" if self.paused is None else "paused"


class Mark(msgspec.Struct, array_like=True, gc=False):
    """A rule's levels and episode as they were from `at_ms` on: where a late reading is evaluated from."""

    at_ms: int
    levels: list[LevelState]
    started: int | None = None
    severity: int = -1


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
    at_ms: int = 0
    """The latest instant that it was evaluated at."""
    doubt_ms: int | None = None
    """Since when nothing is known of the open episode's levels."""
    marks: list[Mark] = []
    """Oldest first; bounded, see `rules.late`."""

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


class Truths(NamedTuple):
    """What holds of one level: its `when`, and what clears it."""

    when: Truth
    clear: Truth


def tells(level: LevelState, truth: Truths) -> bool:
    """Whether this level says how an open episode stands: it holds, or what would clear it is known.

    A `when` that is false says nothing of a level with a `clear` of its own: `pm25 > 60 and time >= 17:00` is false at midnight
    whether the station speaks or not.
    """
    return truth.when is True or (level.on and truth.clear is not None)


def new_state(rule: Rule) -> RuleState:
    """The state of a rule that has seen nothing."""
    return RuleState(levels=[LevelState() for _ in rule.levels])


def observe(rule: Rule, state: RuleState, truths: Sequence[Truths], at_ms: int, *, sample: bool, silence_ms: int) -> list[Change]:
    """What holds at `at_ms`, which is not before any instant before. `sample`: because of a reading, which counts for `confirm`.

    `silence_ms` is how long a condition may be unknown before its timer is reset and an open episode is marked unknown.
    """
    changes: list[Change] = []
    elapse(rule, state, at_ms, silence_ms, changes)
    known = False
    for level, level_state, truth in zip(rule.levels, state.levels, truths, strict=True):
        _level(level, level_state, truth, at_ms, sample)
        known = known or tells(level_state, truth)
    _settle(rule, state, at_ms, changes)
    if state.started is None:
        state.unknown, state.doubt_ms = False, None
    elif known:
        state.doubt_ms = None
        if state.unknown:
            state.unknown = False
            if not changes or changes[-1].state == "unknown":
                changes.append(_change(state, "unknown", "known", at_ms))
    elif state.doubt_ms is None:
        state.doubt_ms = at_ms
    state.at_ms = at_ms
    return changes


def elapse(rule: Rule, state: RuleState, upto_ms: int, silence_ms: int, changes: list[Change]) -> None:
    """Time went by to `upto_ms` and nothing else: do what was due, in the order of the instants at which it was."""
    while True:
        found = _next(state, silence_ms)
        if found is None or found[0] > upto_ms:
            return
        at_ms, index = found
        if index < 0:
            changes.extend(silent(rule, state, at_ms))
            continue
        level = state.levels[index]
        if level.paused is None:
            for other in state.levels:  # those that are due together are one change: the highest of them (semantics E3)
                if not other.on and other.paused is None and other.due == at_ms:
                    other.on, other.due = True, None  # LEVEL["pending", "due"]
            _settle(rule, state, at_ms, changes)
        else:
            _off(level)  # LEVEL["paused", "silent"]


def silent(rule: Rule, state: RuleState, at_ms: int) -> list[Change]:
    """The data stopped: pending timers are reset, an open episode is marked unknown, once."""
    for level in state.levels:
        if not level.on:
            _off(level)
    if state.started is None or state.unknown:
        return []
    change = _change(state, "firing", "silent", at_ms)
    state.unknown, state.doubt_ms = True, None
    return [change]


def doubted(change: Change) -> Change:
    """The same change, when it turns out that readings come: none of them can be believed."""
    return change._replace(reason=EPISODE["firing", "doubted"][1]) if change.reason == EPISODE["firing", "silent"][1] else change


def next_due(state: RuleState, silence_ms: int) -> int | None:
    """The event time at which `elapse` will next do something, if nothing new comes; None for never."""
    found = _next(state, silence_ms)
    return None if found is None else found[0]


def close(rule: Rule, state: RuleState, event_ms: int, reason: str) -> list[Change]:
    """End the episode from outside (rule changed, device decommissioned, closed by an operator)."""
    for level in state.levels:
        _off(level)
    changes: list[Change] = []
    _settle(rule, state, event_ms, changes, reason=reason)
    state.unknown, state.doubt_ms = False, None
    return changes


def adopt(rule: Rule, state: RuleState, levels: list[LevelState], event_ms: int, reason: str) -> list[Change]:
    """The levels turn out to be others than thought (a late reading). An open episode keeps its start, which is its name."""
    state.levels = levels
    changes: list[Change] = []
    _settle(rule, state, event_ms, changes, reason=reason)
    return changes


def shift(state: RuleState, delta_ms: int) -> None:
    """The clock was stepped: move what is pending with it (semantics A1). An open episode keeps its start: its identity."""
    for level in (*state.levels, *(level for mark in state.marks for level in mark.levels)):
        for name in ("t0", "due", "paused"):
            at_ms = getattr(level, name)
            if at_ms is not None:
                setattr(level, name, at_ms + delta_ms)
    for mark in state.marks:
        mark.at_ms += delta_ms if mark.at_ms else 0
    state.at_ms += delta_ms if state.at_ms else 0
    if state.doubt_ms is not None:
        state.doubt_ms += delta_ms


def copied(levels: Iterable[LevelState]) -> list[LevelState]:
    """The same level states, to be changed by themselves."""
    return [LevelState(level.t0, level.count, level.due, level.on, level.paused) for level in levels]


def diagram() -> str:
    """Both tables as Mermaid state diagrams, for the documentation."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> off"]
    lines += [f"    {state} --> {then}: {event}" for (state, event), then in LEVEL.items()]
    lines += ["```", "", "```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> firing: on (condition)"]
    for (state, event), (then, reason) in EPISODE.items():
        if state != "closed":
            lines.append(f"    {state} --> {then}: {event} ({reason})")
    return "\n".join([*lines, "    resolved --> [*]", "```", ""])


def _next(state: RuleState, silence_ms: int) -> tuple[int, int] | None:
    """(instant, level) of what is due first; level -1 is the open episode's silence."""
    found: tuple[int, int] | None = None
    for index, level in enumerate(state.levels):
        if level.on or level.t0 is None:
            continue
        at_ms = level.due if level.paused is None else level.paused + silence_ms
        if at_ms is not None and (found is None or at_ms < found[0]):
            found = (at_ms, index)
    if state.doubt_ms is not None and not state.unknown and (found is None or state.doubt_ms + silence_ms < found[0]):
        found = (state.doubt_ms + silence_ms, -1)
    return found


def _level(level: Level, state: LevelState, truth: Truths, at_ms: int, sample: bool) -> None:
    """One level takes in what holds at `at_ms`. The events are those of the table `LEVEL`."""
    if state.on:
        if truth.clear:
            _off(state)
    elif truth.when is None:
        if state.t0 is not None and state.paused is None:
            state.paused = at_ms
    elif not truth.when:
        _off(state)
    else:
        if state.t0 is None:
            state.t0 = at_ms
            state.due = at_ms + level.for_ms if level.for_ms else None
        elif state.paused is not None:
            if state.due is not None:
                state.due += at_ms - state.paused
            state.paused = None
        if not level.for_ms:
            state.count += sample
            state.on = level.confirm == 1 or state.count >= level.confirm  # LEVEL["pending", "confirmed"]


def _off(level: LevelState) -> None:
    level.t0, level.count, level.due, level.on, level.paused = None, 0, None, False, None


def _settle(rule: Rule, state: RuleState, event_ms: int, changes: list[Change], *, reason: str = "") -> None:
    """Bring the episode in line with its levels."""
    severity = max((level.severity for level, s in zip(rule.levels, state.levels, strict=True) if s.on), default=-1)
    if severity == state.severity:
        return
    was = "closed" if state.started is None else "unknown" if state.unknown else "firing"
    if severity < 0:
        changes.append(_change(state, was, "off", event_ms, reason))
        state.started, state.severity = None, -1
        return
    if state.started is None:
        state.started = min(s.t0 for s in state.levels if s.on and s.t0 is not None)
        event = "on"
    else:
        event = "worse" if severity > state.severity else "better"
    state.severity = severity
    changes.append(_change(state, was, event, event_ms))


def _change(state: RuleState, was: str, event: str, event_ms: int, reason: str = "") -> Change:
    assert state.started is not None
    name, why = EPISODE[was, event]
    return Change(name, reason or why, event_ms, state.started, state.severity)
