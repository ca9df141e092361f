"""Timers of rules: what time alone does at a station, and when it must be looked at next.

    for               due at t0 + for, while the value is held; fires at the first input after that (semantics E2)
    silence           by the silence clock of the source, which stands still while that is down (semantics E5); what is only
                      suspect has an interval more, for the third reading confirms it (semantics D2)
    whole minutes     conditions that time alone can change: `age`; clock and `limit` where they change (`rules.language.moments`)
    catching up       an open episode that nobody was told of yet (semantics E4), or that waits for room in its rule's rate
    flapping          it has calmed

A tick changes the state only if something happens: else it is not journalled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core.outcomes import Outcomes
from gateway.core.sights import StationSight
from gateway.core.state import StationState
from gateway.core.telling import CATCH_UP_MS, calm_at
from gateway.core.watching import Watching
from rules import late, transitions
from rules.evaluate import advance, known, stirs, truths
from rules.language.moments import Moments
from rules.model import Rule
from rules.transitions import Change, RuleState

if TYPE_CHECKING:
    from gateway.core import Core

LOOK_BACK_MS = 3_600_000
"""Whole minutes further back than this (the gateway was down) are not looked at any more."""

_NEVER = 1 << 62
_MINUTE_MS = 60_000


class Timers:
    """The time side of the rules. `core` gives state and the heap."""

    def __init__(self, core: Core, watching: Watching) -> None:
        self._core = core
        self._watching = watching
        self._scheduled: dict[str, int] = {}
        """Station → its earliest entry on the heap: one is enough, it is worked out again when it comes up. Derived."""

    def station_due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A timer of this station came up. `due_ms` is its time, `now_ms` that of the input that found it."""
        station = self._core.stations.get(name)
        if self._scheduled.get(name, due_ms) != due_ms:
            return  # overtaken by an earlier entry, which has come up and put another in its place
        self._scheduled.pop(name, None)
        if station is None or name not in self._watching.watches:
            return
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + name)
        live = self._watching.telling.live(station, due_ms)
        for rule_id in sorted(station.rules):  # the order of a restored state too
            rule, state = self._watching.rules[rule_id], station.rules[rule_id]
            sight = self._watching.sights_of(name)[2 if rule.any_quality else 0]
            changes: list[Change] = []
            if live:
                changes = self._due(station, rule, state, sight, due_ms)
            sight.at_ms = due_ms  # not what it happened to look at last: a restart does not know that
            if changes or state.started is not None:
                self._watching.tell(station, rule, state, changes, now_ms, out, sight)
        for rule_id, flap in list(station.flaps.items()):
            known = self._watching.rules.get(rule_id)
            if known is not None and flap.since is not None and calm_at(flap, known) <= due_ms:
                sight = self._watching.sights_of(name)[2 if known.any_quality else 0]
                self._watching.telling.calm(station, known, station.rules.get(rule_id), flap, due_ms, now_ms, out, sight)
        self._watching.settle(station)
        self.schedule_station(station, due_ms)

    def _due(self, station: StationState, rule: Rule, state: RuleState, sight: StationSight, due_ms: int) -> list[Change]:
        """What time alone does to a rule: timers while values are held, and silence by the clock that stands still (E5)."""
        changes: list[Change] = []
        due = transitions.next_due(state, _NEVER)
        if due is not None and due <= due_ms:
            self._core.mark_dirty()
            changes = advance(rule, state, sight, due, _NEVER)
            state.at_ms = max(state.at_ms, due)
            late.mark(rule, state)
        silent_at = self._silent_at(station, rule, state)
        if silent_at is not None and silent_at[0] <= due_ms:
            changes += transitions.silent(rule, state, silent_at[1])
            late.mark(rule, state)
        return changes

    def _silent_at(self, station: StationState, rule: Rule, state: RuleState) -> tuple[int, int] | None:
        """(wall time, event time) at which the open episode's data will have stopped; None if it is no question, or clocks stand still."""
        if state.started is None or state.unknown or not rule.parameters:
            return None
        found: tuple[int, int] | None = None
        for name in rule.parameters:
            state_of = station.parameters.get(name)
            held = None if state_of is None else state_of.held
            if held is None:
                continue
            clock = self._core.silence.clock_of(held.source)
            if clock.paused_since is not None:
                return None
            silence_ms = self._watching.patience_ms(rule, station.parameters[name], held.interval_ms)
            at = held.alive_s + silence_ms + clock.paused_ms, held.last_ms + silence_ms
            if found is None or at > found:
                found = at
        if found is None:
            return None
        sight = self._watching.sights_of(station.id)[2 if rule.any_quality else 0]
        sight.at_ms = max(found[1], state.at_ms)
        return None if known(rule, state, sight) else found  # `age(pm25) > 1h` knows more the longer it is quiet

    def group_due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A group's episode that flaps may have calmed."""
        rule_id, _, key = name.partition("/")
        rule, flap = self._watching.rules.get(rule_id), self._core.state.flaps.get(name)
        if rule is not None and flap is not None and flap.since is not None and calm_at(flap, rule) <= due_ms:
            self._watching.groups.calm(rule, key, flap, due_ms, now_ms, out)

    def minute_due(self, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A whole minute: conditions that time alone can change now. Nothing is remembered unless something happens.

        Of a rule's moments that passed while nobody was there, the last one is looked at.
        """
        plans = self._watching.plans
        changed = {moments for moments in plans.moments if self._passes(moments, due_ms, now_ms)}
        for name, rule in plans.timed if changed else plans.every_minute:
            if not rule.moments.always and rule.moments not in changed:
                continue
            station = self._core.stations[name]
            if not self._watching.telling.live(station, due_ms):
                continue
            sight = self._watching.sights_of(name)[2 if rule.any_quality else 0]
            state = station.rules.get(rule.id)
            sight.at_ms = due_ms
            if state is None and not stirs(rule, sight):
                continue
            if self._core.snapshots.active:
                self._core.snapshots.touch("s:" + name)
            if state is None:
                self._core.mark_dirty()
                self._watching.look(station, rule, sight, due_ms, now_ms, [], out, sample=False)
            elif due_ms > state.at_ms:
                self._again(station, rule, state, sight, due_ms, now_ms, out)
            self._watching.settle(station)
            self.schedule_station(station, due_ms)
        self.schedule_minute(due_ms, now_ms)

    def _again(
        self, station: StationState, rule: Rule, state: RuleState, sight: StationSight, due_ms: int, now_ms: int, out: Outcomes
    ) -> None:
        before = msgspec.structs.replace(state, levels=transitions.copied(state.levels))
        changes = advance(rule, state, sight, due_ms, _NEVER)
        sight.at_ms = due_ms
        changes += transitions.observe(rule, state, truths(rule, sight), due_ms, sample=False, silence_ms=_NEVER)
        if not changes and state.levels == before.levels:
            state.at_ms, state.doubt_ms = before.at_ms, before.doubt_ms
            return
        self._core.mark_dirty()
        late.mark(rule, state)
        self._watching.tell(station, rule, state, changes, now_ms, out, sight)

    def _passes(self, moments: Moments, due_ms: int, now_ms: int) -> bool:
        """Whether `due_ms` is one of them, and either not long ago or the last before `now_ms`."""
        zone = self._watching.zone
        if moments.next_ms(due_ms - 1, zone) != due_ms:
            return False
        later = moments.next_ms(due_ms, zone)
        return due_ms > now_ms - LOOK_BACK_MS or later is None or later > now_ms

    def schedule_minute(self, looked_ms: int, now_ms: int) -> None:
        """Ask to be woken at the next whole minute at which time alone may change something. `looked_ms`: up to when it was looked at."""
        plans = self._watching.plans
        if not plans.timed:
            return
        found = [at_ms for moments in plans.moments if (at_ms := moments.next_ms(looked_ms, self._watching.zone)) is not None]
        if plans.every_minute:
            since_ms = max(looked_ms, now_ms - LOOK_BACK_MS)
            found.append(since_ms - since_ms % _MINUTE_MS + _MINUTE_MS)
        if found:
            self._core.schedule(min(found), "m", "")

    def schedule_station(self, station: StationState, now_ms: int) -> None:
        """Put the station's next due time on the heap. `now_ms` is the latest instant it was looked at."""
        due = _NEVER
        caught_up_at = 0 if station.caught_up else station.late_ms + CATCH_UP_MS
        for rule_id, state in station.rules.items():
            rule = self._watching.rules[rule_id]
            at = transitions.next_due(state, _NEVER)
            if at is not None:
                due = min(due, max(at, caught_up_at))
            if state.started is None:
                continue
            flap = station.flaps.get(rule_id)
            flapping = flap is not None and flap.since is not None
            if self._watching.groups.waits(station, rule) if rule.group else not state.announced and not flapping:
                due = min(due, max(caught_up_at, self._watching.telling.room_at(rule, state.severity, now_ms)))
            silent_at = self._silent_at(station, rule, state)
            if silent_at is not None:
                due = min(due, max(silent_at[0], caught_up_at))
        for rule_id, flap in station.flaps.items():
            if flap.since is not None and rule_id in self._watching.rules:
                due = min(due, calm_at(flap, self._watching.rules[rule_id]))
        known = self._scheduled.get(station.id, _NEVER)
        if due < known or known <= now_ms < due < _NEVER:
            self._scheduled[station.id] = due
            self._core.schedule(due, "s", station.id)

    def reschedule_all(self, now_ms: int) -> None:
        """After a restore, a clock jump or a link change: work out every timer again."""
        self._scheduled.clear()
        for name in sorted(self._watching.watches):
            station = self._core.stations[name]
            if station.rules or station.flaps:
                self.schedule_station(station, now_ms)
        for name, flap in sorted(self._core.state.flaps.items()):
            rule = self._watching.rules.get(name.partition("/")[0])
            if rule is not None and flap.since is not None:
                self._core.schedule(calm_at(flap, rule), "g", name)
        self.schedule_minute(now_ms, now_ms)
