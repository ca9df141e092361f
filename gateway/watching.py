"""Rules at stations: where the pure machines of `rules` meet state, registry and timers.

One message's readings go this way:

    what ran out or came due before them       rules of this station that are not at rest    Watching._bridge
    held values, windows, recent readings      every parameter of the message                Watching.readings
    rules that they touch                      those not at rest, those whose band was left  Watching._evaluate
    rules at other stations                    `any_of` and the like, on held values (C3)    Watching._abroad
    readings older than the newest             evaluated again from then on (E4)             gateway.latecomers

A rule at rest has no state, and as long as its parameters stay within the quiet band of `gateway.plans` it costs nothing. What
happens is told by `gateway.telling`, for rules with `group` by `gateway.groups`. Timers of a station that is still catching up
go by its readings, not by the wall: see docs/decisions/0008. Built-in alerts about the sensors are in `gateway.silence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import msgspec

from devices.reading import Flag, Line, Value
from devices.registry import DEFAULT_ZONE
from devices.times import parse_zone
from devices.timing import Stamp
from gateway.groups import Groups
from gateway.inputs import Command, Message
from gateway.latecomers import Latecomers, moved
from gateway.outcomes import Outcomes, Transition
from gateway.plans import Plan, Plans
from gateway.sights import AnySight, Neighbours, PastSight, StationSight, shown_interval_ms
from gateway.state import Held, ParameterState, Shown, StationState
from gateway.telling import CATCH_UP_MS, Telling, calm_at
from rules import late, transitions
from rules.evaluate import advance, stirs, truths
from rules.model import SEVERITIES, Rule, RuleModel, compile_rule
from rules.transitions import HOLD_INTERVALS, SILENCE_INTERVALS, Change, RuleState
from rules.windows import WindowState, new_window

if TYPE_CHECKING:
    from devices.stations import Device
    from gateway.core import Core

_NEVER = 1 << 62
_NOT_EVALUATED = int(Flag.NOT_EVALUATED)
_MINUTE_MS = 60_000


class Watch:
    """One parameter at one station with the rules on it. Derived: rebuilt from state and configuration."""

    __slots__ = ("any_windows", "bands", "high", "keep_ms", "low", "plan", "state", "windows")

    def __init__(self, plan: Plan, state: ParameterState, windows: list[WindowState], any_windows: list[WindowState]) -> None:
        self.plan = plan
        self.state = state
        self.windows = windows
        self.any_windows = any_windows
        self.bands = plan.bands
        self.keep_ms = plan.keep_ms
        self.low, self.high = plan.low, plan.high


class Watching:
    """The rule side of the core. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.rules: dict[str, Rule] = {}
        self.zone: tzinfo = parse_zone(DEFAULT_ZONE)
        self.telling = Telling(core)
        self._groups = Groups(core, self.telling)
        self._latecomers = Latecomers(core, self.telling)
        self._neighbours = Neighbours(core)
        self._plans = Plans({}, core.interpreter.registry, self._neighbours)
        self._watches: dict[str, dict[str, Watch]] = {}
        """station -> parameter -> watch."""
        self._sights: dict[str, tuple[StationSight, PastSight, AnySight]] = {}

    # ------------------------------------------------------------------ readings

    def readings(self, lines: Sequence[Line], stamped: Stamp, message: Message, entry: Device, silence_s: int, out: Outcomes) -> None:
        """Let the rules of the station see one message's readings."""
        core = self._core
        received_ms = message.received_ms
        interval = entry.interval_ms
        for line in lines:
            station = core.stations[line.station]
            if core.snapshots.active:
                core.snapshots.touch("s:" + station.id)
            event_ms = stamped.rules_ms
            if event_ms is not None:
                mark = event_ms if event_ms < received_ms else received_ms
                if mark > station.watermark_ms:
                    station.watermark_ms = mark
                station.caught_up = event_ms >= received_ms - 2 * interval
                if not station.caught_up:
                    station.late_ms = received_ms
            watches = self._watches[line.station]
            time_ms, device = line.time_ms, line.device
            held = None if event_ms is None else Held(event_ms, interval, silence_s, message.source, device)
            awake = station.rules and event_ms is not None
            before = self._bridge(station, line.values, event_ms) if awake and event_ms is not None else None
            touched: list[Watch] | None = None
            strangers: list[Value] | None = None
            belated: list[tuple[Watch, float]] | None = None
            again = False
            for value in line.values:
                parameter, number, flag = value.parameter, value.value, value.flag
                try:
                    watch = watches[parameter]
                except KeyError:
                    watch = self._new_watch(station, parameter)
                state = watch.state
                previous = state.held
                if watch.plan.any_quality and number is not None and event_ms is not None:
                    strangers = strangers or []
                    strangers.append(value)
                if held is None or number is None or flag > _NOT_EVALUATED or (previous is not None and held.last_ms < previous.last_ms):
                    if held is not None and number is not None and flag <= _NOT_EVALUATED:
                        belated = belated or []
                        belated.append((watch, number))
                    shown = state.shown
                    if shown is None or time_ms >= shown.time_ms:
                        state.other = Shown(time_ms, number, flag, device)
                    continue
                plan = watch.plan
                revised = previous is not None and previous.last_ms == event_ms and previous.device == device
                stirred = not watch.low <= number <= watch.high
                if watch.windows:
                    stirred = self._windows(watch, held.last_ms, number, revised) or stirred
                if watch.keep_ms:
                    recent = state.recent
                    if revised and recent:
                        recent[-1] = number
                    else:
                        late.remember(recent, held.last_ms, number, watch.keep_ms)
                if time_ms != event_ms or state.other is not None:
                    shown = state.shown
                    if shown is not None and time_ms < shown.time_ms:
                        state.other = shown
                    else:
                        state.other = None if time_ms == event_ms else Shown(time_ms, number, flag, device)
                state.held = held
                state.value = number
                state.flag = flag
                again = again or revised
                if stirred or awake or plan.foreign:
                    if touched is None:
                        touched = [watch]
                    else:
                        touched.append(watch)
            if touched is not None and held is not None:
                self._evaluate(station, touched, line.values, held.last_ms, received_ms, before or {}, out, sample=not again)
            if belated is not None and held is not None:
                self._belated(station, belated, held, received_ms, out)
            if strangers is not None:
                self._strangers(station, strangers, line.time_ms, received_ms, out)
            if station.rules:
                self._settle(station)
                self._schedule_station(station, received_ms)

    @staticmethod
    def _windows(watch: Watch, at_ms: int, number: float, revised: bool) -> bool:
        """Put a reading into the windows; whether some statistic left its band."""
        windows = watch.windows
        for window in windows:
            if revised:
                window.revise(at_ms, watch.state.value, number)
            else:
                window.append(at_ms, number)
        for index, statistic, low, high in watch.bands:
            found = windows[index].value(statistic, at_ms)
            if found is not None and not low <= found <= high:
                return True
        return False

    def _bridge(self, station: StationState, values: Iterable[Value], event_ms: int) -> dict[str, list[Change]]:
        """Rules that are not at rest: what ran out and what came due before these readings."""
        names = {value.parameter for value in values if value.value is not None and value.flag <= _NOT_EVALUATED}
        found = {}
        for rule_id, state in station.rules.items():
            rule = self.rules[rule_id]
            if not rule.any_quality and not names.isdisjoint(rule.parameters) and event_ms > state.at_ms:
                sight = self.sight(station.id)
                found[rule_id] = advance(rule, state, sight, event_ms, self._silence_ms(station, rule))
                late.mark(rule, state)
        return found

    def _evaluate(
        self, station: StationState, touched: list[Watch], values: Iterable[Value], event_ms: int, received_ms: int,
        before: dict[str, list[Change]], out: Outcomes, *, sample: bool,
    ) -> None:  # fmt: skip
        sight = self.sight(station.id)
        rules: dict[str, Rule] = {}
        abroad: list[Watch] = []
        for watch in touched:
            plan = watch.plan
            for rule in (*plan.plain, *plan.loud):
                rules[rule.id] = rule
            if plan.foreign:
                abroad.append(watch)
        for rule in rules.values():
            self._look(station, rule, sight, event_ms, received_ms, before.get(rule.id, []), out, sample=sample)
        if abroad:
            for value in values:
                if value.parameter in self._plans.foreign:
                    self._abroad(station, value.parameter, event_ms, received_ms, out, sample=sample)

    def _look(
        self, station: StationState, rule: Rule, sight: StationSight, event_ms: int, received_ms: int, changes: list[Change],
        out: Outcomes, *, sample: bool,
    ) -> None:  # fmt: skip
        """Evaluate one rule at a station at this instant, or at the latest it was evaluated at."""
        state = station.rules.get(rule.id)
        if state is None:
            sight.at_ms = event_ms if len(rule.parameters) == 1 else self._now(station, rule, event_ms)
            if not stirs(rule, sight):
                return
            state = station.rules[rule.id] = transitions.new_state(rule)
            late.mark(rule, state)
            at_ms = sight.at_ms
        else:
            at_ms = sight.at_ms = max(event_ms, state.at_ms)
        silence_ms = self._silence_ms(station, rule)
        changes = changes + transitions.observe(rule, state, truths(rule, sight), at_ms, sample=sample, silence_ms=silence_ms)
        late.mark(rule, state)
        if changes or state.started is not None:
            self._tell(station, rule, state, changes, received_ms, out, sight)

    @staticmethod
    def _now(station: StationState, rule: Rule, event_ms: int) -> int:
        """A rule of several parameters is evaluated at the newest of them."""
        for name in rule.parameters:
            state = station.parameters.get(name)
            if state is not None and state.held is not None and state.held.last_ms > event_ms:
                event_ms = state.held.last_ms
        return event_ms

    def _abroad(self, station: StationState, parameter: str, event_ms: int, received_ms: int, out: Outcomes, *, sample: bool) -> None:
        """Rules at other stations that look at this one."""
        for rule, seen, places in self._plans.foreign[parameter]:
            if station.id not in seen:
                continue
            for name in places:
                if name == station.id and parameter in rule.parameters:
                    continue  # it was just evaluated
                there = self._core.stations[name]
                if self._core.snapshots.active:
                    self._core.snapshots.touch("s:" + name)
                at_ms = max(event_ms, there.watermark_ms)
                state = there.rules.get(rule.id)
                sight = self.sight(name)
                bridged = [] if state is None else advance(rule, state, sight, at_ms, self._silence_ms(there, rule))
                self._look(there, rule, sight, at_ms, received_ms, bridged, out, sample=sample)
                self._settle(there)
                if name != station.id and there.rules:
                    self._schedule_station(there, received_ms)

    def _belated(self, station: StationState, belated: list[tuple[Watch, float]], held: Held, received_ms: int, out: Outcomes) -> None:
        """Readings older than the newest of their parameter: to their place, and the rules that they touch again."""
        at_ms = held.last_ms
        rules: dict[str, Rule] = {}
        for watch, number in belated:
            replaced = None
            recent = watch.state.recent
            if watch.keep_ms and recent and at_ms > recent[0]:
                replaced = late.place(recent, at_ms, number)
            for window in watch.windows:
                if replaced is None:
                    window.insert(at_ms, number)
                else:
                    window.revise(at_ms, replaced, number)
            quiet = watch.low <= number <= watch.high and not watch.bands
            for rule in (*watch.plan.plain, *watch.plan.loud):
                if not quiet or rule.id in station.rules:
                    rules[rule.id] = rule
        sight = self._sights_of(station.id)[1]
        for rule in rules.values():
            silence_ms = self._silence_ms(station, rule)
            self._latecomers.reconsider(station, rule, sight, at_ms, silence_ms, received_ms, out, self._tell)

    def _strangers(self, station: StationState, values: list[Value], time_ms: int, received_ms: int, out: Outcomes) -> None:
        """Rules with `quality: any` look at readings of every flag, by the time at which they are shown."""
        sight = self._sights_of(station.id)[2]
        rules: dict[str, Rule] = {}
        for value in values:
            watch = self._watches[station.id][value.parameter]
            shown = watch.state.shown
            if value.value is None or shown is None or shown.time_ms != time_ms:
                continue
            for window in watch.any_windows:
                window.insert(time_ms, value.value)
            for rule in watch.plan.any_quality:
                rules[rule.id] = rule
        for rule in rules.values():
            state = station.rules.get(rule.id)
            bridged: list[Change] = []
            if state is not None:
                elapsed: list[Change] = []
                transitions.elapse(rule, state, max(time_ms, state.at_ms), self._silence_ms(station, rule), elapsed)
                bridged = elapsed
            self._look(station, rule, sight, time_ms, received_ms, bridged, out, sample=True)

    def _settle(self, station: StationState) -> None:
        """Rules at which nothing is pending or open any more forget their state: it is what a new one would be."""
        for name in [name for name, state in station.rules.items() if state.idle]:
            del station.rules[name]

    def _tell(
        self, station: StationState, rule: Rule, state: RuleState, changes: Sequence[Change], received_ms: int, out: Outcomes,
        sight: StationSight,
    ) -> None:  # fmt: skip
        (self._groups if rule.group else self.telling).tell(station, rule, state, changes, received_ms, out, sight)

    def _silence_ms(self, station: StationState, rule: Rule) -> int:
        """How long a condition may be unknown before timers are reset: `silence.after`, less what values were held."""
        longest = 0
        for name in rule.parameters:
            state = station.parameters.get(name)
            if state is not None and state.held is not None:
                interval_ms = shown_interval_ms(self._core, state) if rule.any_quality else state.held.interval_ms
                longest = max(longest, self._silent_after(rule, interval_ms) - round(HOLD_INTERVALS * interval_ms))
        return longest or max(0, rule.silence_ms or 0)

    @staticmethod
    def _silent_after(rule: Rule, interval_ms: int) -> int:
        """Silence counts from the last reading, and not before it has run out."""
        return max(rule.silence_ms or SILENCE_INTERVALS * interval_ms, round(HOLD_INTERVALS * interval_ms))

    # ------------------------------------------------------------------ derived

    def sight(self, station: str) -> StationSight:
        """The station as its rules see it."""
        return self._sights_of(station)[0]

    def _sights_of(self, station: str) -> tuple[StationSight, PastSight, AnySight]:
        found = self._sights.get(station)
        if found is None:
            given = (self._core, self._core.stations[station], self._neighbours)
            found = self._sights[station] = (StationSight(*given), PastSight(*given), AnySight(*given))
        return found

    def _new_watch(self, station: StationState, parameter: str) -> Watch:
        state = station.parameters.get(parameter)
        if state is None:
            state = station.parameters[parameter] = ParameterState()
        plan = self._plans.plan(station.id, parameter)
        kept: dict[bool, list[WindowState]] = {False: [], True: []}
        for any_quality, windows in ((False, plan.windows), (True, plan.any_windows)):
            for name, length_ms, parts, lateness_ms in windows:
                window = station.windows.get(name)
                if window is None:
                    window = station.windows[name] = new_window(length_ms, parts, lateness_ms)
                kept[any_quality].append(window)
        watch = self._watches[station.id][parameter] = Watch(plan, state, kept[False], kept[True])
        return watch

    # ------------------------------------------------------------------ timers

    def station_due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A timer of this station came up. `due_ms` is its time, `now_ms` that of the input that found it."""
        station = self._core.stations.get(name)
        if station is None or name not in self._watches:
            return
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + name)
        live = self.telling.live(station, due_ms)
        for rule_id in list(station.rules):
            rule, state = self.rules[rule_id], station.rules[rule_id]
            sight = self._sights_of(name)[2 if rule.any_quality else 0]
            changes: list[Change] = []
            if live:
                changes = self._due(station, rule, state, sight, due_ms)
            if changes or state.started is not None:
                self._tell(station, rule, state, changes, now_ms, out, sight)
        for rule_id, flap in list(station.flaps.items()):
            known = self.rules.get(rule_id)
            if known is not None and flap.since is not None and calm_at(flap, known) <= due_ms:
                sight = self._sights_of(name)[2 if known.any_quality else 0]
                self.telling.calm(station, known, station.rules.get(rule_id), flap, due_ms, now_ms, out, sight)
        self._settle(station)
        self._schedule_station(station, due_ms)

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
        for name in sorted(rule.parameters):
            held = station.parameters[name].held if name in station.parameters else None
            if held is None:
                continue
            clock = self._core.silence.clock_of(held.source)
            if clock.paused_since is not None:
                return None
            silence_ms = self._silent_after(rule, held.interval_ms)
            at = held.alive_s + silence_ms + clock.paused_ms, held.last_ms + silence_ms
            if found is None or at > found:
                found = at
        return found

    def minute_due(self, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A whole minute: conditions that time alone can change (`age`, clock, `limit`). Nothing is remembered unless something happens."""
        for name, rule in self._plans.timed:
            station = self._core.stations[name]
            if not self.telling.live(station, due_ms):
                continue
            sight = self._sights_of(name)[2 if rule.any_quality else 0]
            state = station.rules.get(rule.id)
            sight.at_ms = due_ms
            if state is None and not stirs(rule, sight):
                continue
            if self._core.snapshots.active:
                self._core.snapshots.touch("s:" + name)
            if state is None:
                self._core.mark_dirty()
                self._look(station, rule, sight, due_ms, now_ms, [], out, sample=False)
            elif due_ms > state.at_ms:
                self._again(station, rule, state, sight, due_ms, now_ms, out)
            self._settle(station)
            self._schedule_station(station, due_ms)
        self.schedule_minute(due_ms)

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
        self._tell(station, rule, state, changes, now_ms, out, sight)

    def schedule_minute(self, now_ms: int) -> None:
        """Ask to be woken at the next whole minute, if some rule needs it."""
        if self._plans.timed:
            self._core.schedule(now_ms - now_ms % _MINUTE_MS + _MINUTE_MS, "m", "")

    def _schedule_station(self, station: StationState, now_ms: int) -> None:
        """Put the station's next due time on the heap. `now_ms` is the latest instant it was looked at."""
        due = _NEVER
        caught_up_at = 0 if station.caught_up else station.late_ms + CATCH_UP_MS
        for rule_id, state in station.rules.items():
            rule = self.rules[rule_id]
            at = transitions.next_due(state, _NEVER)
            if at is not None:
                due = min(due, max(at, caught_up_at))
            if state.started is None:
                continue
            flap = station.flaps.get(rule_id)
            flapping = flap is not None and flap.since is not None
            if self._groups.waits(station, rule) if rule.group else not state.announced and not flapping:
                due = min(due, max(caught_up_at, self.telling.room_at(rule, state.severity, now_ms)))
            silent_at = self._silent_at(station, rule, state)
            if silent_at is not None:
                due = min(due, max(silent_at[0], caught_up_at))
        for rule_id, flap in station.flaps.items():
            if flap.since is not None and rule_id in self.rules:
                due = min(due, calm_at(flap, self.rules[rule_id]))
        if due < _NEVER:
            self._core.schedule(due, "s", station.id)

    def reschedule_all(self, now_ms: int) -> None:
        """After a restore, a clock jump or a link change: work out every timer again."""
        for name in sorted(self._watches):
            station = self._core.stations[name]
            if station.rules or station.flaps:
                self._schedule_station(station, now_ms)
        self.schedule_minute(now_ms)

    # ------------------------------------------------------------------ configuration

    def load(self, rules: Sequence[dict[str, Any]], zone: str = DEFAULT_ZONE) -> None:
        """Compile rules and rebuild the watches from the state (after a restore). Changes no state."""
        self._take({rule.id: rule for rule in (compile_rule(RuleModel.model_validate(plain)) for plain in rules)}, zone)

    def _take(self, rules: dict[str, Rule], zone: str) -> None:
        registry = self._core.interpreter.registry
        self.zone = parse_zone(zone)
        self.rules = rules
        self._neighbours.clear()
        self._sights.clear()
        self._plans = Plans(rules, registry, self._neighbours)
        self._watches = {}
        for name in registry.stations:
            self._watches[name] = {}
            station = self._core.stations.get(name)
            for parameter in sorted(station.parameters) if station else ():
                assert station is not None
                self._new_watch(station, parameter)

    def configure(self, rules: Sequence[dict[str, Any]], now_ms: int, out: Outcomes, zone: str = DEFAULT_ZONE) -> None:
        """New configuration: episodes of rules that are gone, or watch something else now, end with `rule-changed`."""
        compiled = {rule.id: rule for rule in (compile_rule(RuleModel.model_validate(plain)) for plain in rules)}
        registry = self._core.interpreter.registry
        old = self.rules
        plans = Plans(compiled, registry, self._neighbours)
        for name in sorted(self._core.stations):
            station = self._core.stations[name]
            here = {rule.id: rule for rule in plans.of(name)}
            for rule_id in sorted(station.rules):
                rule = here.get(rule_id)
                if rule is not None and rule_id in old and rule.identity == old[rule_id].identity:
                    continue
                before = old.get(rule_id)
                state = station.rules.pop(rule_id)
                if before is not None and state.started is not None:
                    self._end(station, before, state, now_ms, "rule-changed" if name in registry.stations else "decommissioned", out)
            for rule_id in [rule_id for rule_id in station.flaps if rule_id not in here]:
                del station.flaps[rule_id]
            self._forget(station, plans)
        self._take(compiled, zone)

    @staticmethod
    def _forget(station: StationState, plans: Plans) -> None:
        """Windows that nobody looks at any more, or that must hold something else now, go (they are filled anew, semantics E6)."""
        wanted = {}
        for parameter, state in station.parameters.items():
            plan = plans.plan(station.id, parameter)
            wanted.update({item.name: item for item in (*plan.windows, *plan.any_windows)})
            if not plan.keep_ms:
                del state.recent[:]
        for name in list(station.windows):
            item, window = wanted.get(name), station.windows[name]
            if item is None or item.parts & ~window.parts or new_window(item.length_ms, 0, item.lateness_ms).width_ms != window.width_ms:
                del station.windows[name]

    def _end(self, station: StationState, rule: Rule, state: RuleState, now_ms: int, reason: str, out: Outcomes) -> None:
        changes = transitions.close(rule, state, now_ms, reason)
        known = station.id in self._core.interpreter.registry.stations
        sight = self.sight(station.id) if known or station.id in self._sights else None
        if sight is None:
            return
        sight.at_ms = now_ms
        self._tell(station, rule, state, changes, now_ms, out, sight)

    def command(self, item: Command, out: Outcomes) -> bool:
        """An operator acknowledges or closes an open episode of a rule. False if no such episode is open."""
        rule_id, _, rest = item.episode.partition("/")
        group, _, start = rest.rpartition("/")
        rule = self.rules.get(rule_id)
        if rule is not None and rule.group:
            return self._groups.command(rule, item, group, start, out)
        station = self._core.stations.get(group)
        state = station.rules.get(rule_id) if station else None
        if station is None or rule is None or state is None or state.started is None or str(state.started) != start:
            return False
        if item.action == "close":
            self._core.snapshots.touch("s:" + group)
            self._end(station, rule, state, item.now_ms, "closed-by-operator", out)
            self._settle(station)
            return True
        sight = self.sight(group)
        sight.at_ms = item.now_ms
        change = Change("unknown" if state.unknown else "firing", "acknowledged", item.now_ms, state.started, state.severity)
        transition = self.telling.transition(station, rule, change, item.now_ms, sight)
        self._core.record(msgspec.structs.replace(transition, operator=item.operator, comment=item.comment), out)
        return True

    def adopt(self, last: Transition) -> bool:
        """An episode that was open before an upgrade: if its rule still says so, it keeps its start, which is its name (A5)."""
        if last.kind != "threshold":
            return False
        if not last.station:
            return self._groups.adopt(last)
        station = self._core.stations.get(last.station)
        state = station.rules.get(last.rule) if station else None
        if state is None or state.started is None:
            return False
        state.started, state.announced = last.started_ms, True
        state.told_severity = max(state.told_severity, SEVERITIES.index(last.severity))
        return True

    def jump(self, delta_ms: int) -> None:
        """The clock was stepped: everything pending moves with it (semantics A1)."""
        for station in self._core.stations.values():
            station.watermark_ms += delta_ms
            station.late_ms += delta_ms
            station.ended = moved(station.ended, delta_ms)
            for state in station.parameters.values():
                late.shift(state.recent, delta_ms)
                if state.held is not None:
                    state.other = state.shown
                    state.held = msgspec.structs.replace(state.held, last_ms=state.held.last_ms + delta_ms)
            for window in station.windows.values():
                window.shift(delta_ms)
            for rule_state in station.rules.values():
                transitions.shift(rule_state, delta_ms)
            for flap in station.flaps.values():
                flap.times = [at_ms + delta_ms for at_ms in flap.times]
        for name, times in self._core.state.told.items():
            self._core.state.told[name] = [at_ms + delta_ms for at_ms in times]

    # ------------------------------------------------------------------ views

    def firing(self) -> dict[str, int]:
        """Open episodes of rules by severity, for metrics (built-ins are counted from the ledger)."""
        counts = dict.fromkeys(SEVERITIES, 0)
        for station in self._core.stations.values():
            for name, state in station.rules.items():
                if state.started is not None and name in self.rules and not self.rules[name].group:
                    counts[SEVERITIES[state.severity]] += 1
        self._groups.firing(counts)
        return counts
