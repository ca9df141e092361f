"""Rules at stations: where the pure machines of `rules` meet state, registry and timers.

One message's readings go this way:

    what ran out or came due before them       rules of this station that are not at rest    Watching._bridge
    held values, windows, recent readings      every parameter of the message                Watching.readings
    rules that they touch                      those not at rest, those whose band was left  Watching._evaluate
    rules at other stations                    `any_of` and the like, on held values (C3)    Watching._abroad
    readings older than the newest             evaluated again from then on (E4)             gateway.core.latecomers

A rule at rest has no state, and as long as its parameters stay within the quiet band of `gateway.core.plans` it costs nothing. What
happens is told by `gateway.core.telling`, for rules with `group` by `gateway.core.groups`. Timers of a station that is still catching up
go by its readings, not by the wall: see docs/decisions/0008. They are in `gateway.core.timers`, changes of the rules in
`gateway.core.rulebook`. Built-in alerts about the sensors are in `gateway.core.silence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from devices.qc.judge import CONFIRM
from devices.reading import Flag, Line, Value
from devices.registry import DEFAULT_ZONE
from devices.times import parse_zone
from devices.timing import Stamp
from gateway.core.groups import Groups
from gateway.core.inputs import Message
from gateway.core.latecomers import Latecomers
from gateway.core.outcomes import Outcomes
from gateway.core.plans import Plans
from gateway.core.sights import AnySight, Neighbours, PastSight, StationSight, shown_interval_ms
from gateway.core.state import Held, ParameterState, Shown, StationState
from gateway.core.telling import Telling
from gateway.core.watches import Watch
from rules import late, transitions
from rules.evaluate import advance, stirs, truths
from rules.model import Rule
from rules.transitions import HOLD_INTERVALS, SILENCE_INTERVALS, Change, RuleState
from rules.windows import WindowState, new_window

if TYPE_CHECKING:
    from devices.stations import Device
    from gateway.core import Core

CONFIRMED_WITHIN = CONFIRM + 1
"""Reporting intervals in which suspect readings are confirmed, if they are."""

_CONFIRMED_OR_MAY_BE = (Flag.SUSPECT, Flag.GOOD)
_NEVER = 1 << 62
_FULL = 2 * late.RECENT
_NOT_EVALUATED = int(Flag.NOT_EVALUATED)


class Watching:
    """The rule side of the core. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.rules: dict[str, Rule] = {}
        self.zone: tzinfo = parse_zone(DEFAULT_ZONE)
        self.telling = Telling(core)
        self.groups = Groups(core, self.telling)
        self.latecomers = Latecomers(core, self.telling)
        self.neighbours = Neighbours(core)
        self.plans = Plans({}, core.interpreter.registry, self.neighbours)
        self.watches: dict[str, dict[str, Watch]] = {}
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
            event_ms, was_late = stamped.rules_ms, not station.caught_up
            if event_ms is not None:
                mark = event_ms if event_ms < received_ms else received_ms
                if mark > station.watermark_ms:
                    station.watermark_ms = mark
                station.caught_up = event_ms >= received_ms - 2 * interval
                if not station.caught_up:
                    station.late_ms = received_ms
            watches = self.watches[line.station]
            time_ms, device = line.time_ms, line.device
            held = None if event_ms is None else Held(event_ms, interval, silence_s, message.source, device)
            awake = station.rules and event_ms is not None
            before = self._bridge(station, line.values, event_ms) if awake and event_ms is not None else None
            touched: list[tuple[Watch, bool]] | None = None
            strangers: list[tuple[Value, Shown | None]] | None = None
            belated: list[tuple[Watch, float]] | None = None
            again = False
            for value in line.values:
                parameter, number, flag = value.parameter, value.value, value.flag
                try:
                    watch = watches[parameter]
                except KeyError:
                    watch = self.new_watch(station, parameter)
                state = watch.state
                previous = state.held
                if watch.strange and number is not None and event_ms is not None:
                    strangers = strangers or []
                    strangers.append((value, state.shown))
                if event_ms is None or number is None or flag > _NOT_EVALUATED or (previous is not None and event_ms < previous.last_ms):
                    if event_ms is not None and number is not None and flag <= _NOT_EVALUATED:
                        belated = belated or []
                        belated.append((watch, number))
                    shown = state.shown
                    if shown is None or time_ms >= shown.time_ms:
                        state.other = Shown(time_ms, number, flag, device)
                    continue
                revised = previous is not None and previous.last_ms == event_ms and previous.device == device
                recent = state.recent
                calm = watch.wild_ms <= event_ms <= watch.until_ms and watch.calm_low <= number <= watch.calm_high
                if calm and not revised and len(recent) < _FULL:  # nearly always, and all that `Watch.take` does then
                    recent.append(event_ms)
                    recent.append(number)
                    stirred = False
                else:
                    stirred = watch.kept and watch.take(event_ms, number, state.value if revised else None)
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
                if stirred or (awake and watch.kept) or watch.foreign:
                    if touched is None:
                        touched = [(watch, stirred)]
                    else:
                        touched.append((watch, stirred))
            if touched is not None and held is not None:
                self._evaluate(station, touched, line.values, held.last_ms, received_ms, before or {}, out, sample=not again)
            if belated is not None and held is not None:
                self._belated(station, belated, held, received_ms, out)
            if strangers is not None:
                self._strangers(station, strangers, time_ms, device, received_ms, out)
            # Where no rule looks at what was said, and nobody is late, no timer is another one now.
            if station.rules and (touched or belated or strangers or was_late or not station.caught_up):
                self.settle(station)
                self._core.timers.schedule_station(station, received_ms)

    def _bridge(self, station: StationState, values: Iterable[Value], event_ms: int) -> dict[str, list[Change]]:
        """Rules that are not at rest: what ran out and what came due before these readings."""
        names = {value.parameter for value in values if value.value is not None and value.flag <= _NOT_EVALUATED}
        found = {}
        for rule_id, state in sorted(station.rules.items()):
            rule = self.rules[rule_id]
            if not rule.any_quality and not names.isdisjoint(rule.parameters) and event_ms > state.at_ms:
                sight = self.sight(station.id)
                found[rule_id] = advance(rule, state, sight, event_ms, self.silence_ms(station, rule))
                late.mark(rule, state)
        return found

    def _evaluate(
        self, station: StationState, touched: list[tuple[Watch, bool]], values: Iterable[Value], event_ms: int, received_ms: int,
        before: dict[str, list[Change]], out: Outcomes, *, sample: bool,
    ) -> None:  # fmt: skip
        sight = self.sight(station.id)
        rules: dict[str, Rule] = {}
        abroad = False
        for watch, stirred in touched:
            plan = watch.plan
            for rule in (*plan.plain, *plan.loud):
                if stirred or rule.id in station.rules:  # else it is at rest, and stays so
                    rules[rule.id] = rule
            abroad = abroad or plan.foreign
        for rule in rules.values():
            self.look(station, rule, sight, event_ms, received_ms, before.pop(rule.id, None), out, sample=sample)
        if abroad:
            for value in values:
                if value.parameter in self.plans.foreign:
                    self._abroad(station, value.parameter, event_ms, received_ms, out, sample=sample)

    def look(
        self, station: StationState, rule: Rule, sight: StationSight, event_ms: int, received_ms: int, bridged: list[Change] | None,
        out: Outcomes, *, sample: bool,
    ) -> None:  # fmt: skip
        """Evaluate one rule at a station at this instant, or at the latest it was evaluated at.

        `bridged`: what ran out and came due until now, if that was looked at before the reading was taken in; None if it was not.
        """
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
        silence_ms = _NEVER if bridged is not None else self.silence_ms(station, rule)
        changes = (bridged or []) + transitions.observe(rule, state, truths(rule, sight), at_ms, sample=sample, silence_ms=silence_ms)
        late.mark(rule, state)
        if changes or state.started is not None:
            self.tell(station, rule, state, changes, received_ms, out, sight)

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
        for rule, seen, places in self.plans.foreign[parameter]:
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
                bridged = [] if state is None else advance(rule, state, sight, at_ms, self.silence_ms(there, rule))
                self.look(there, rule, sight, at_ms, received_ms, bridged, out, sample=sample)
                self.settle(there)
                if name != station.id and there.rules:
                    self._core.timers.schedule_station(there, received_ms)

    def _belated(self, station: StationState, belated: list[tuple[Watch, float]], held: Held, received_ms: int, out: Outcomes) -> None:
        """Readings older than the newest of their parameter: to their place, and the rules that they touch again."""
        at_ms = held.last_ms
        rules: dict[str, Rule] = {}
        for watch, number in belated:
            watch.insert(at_ms, number)
            quiet = watch.low <= number <= watch.high and not watch.plan.bands
            for rule in (*watch.plan.plain, *watch.plan.loud):
                if not quiet or rule.id in station.rules:
                    rules[rule.id] = rule
        sight = self.sights_of(station.id)[1]
        for rule in rules.values():
            silence_ms = self.silence_ms(station, rule)
            self.latecomers.reconsider(station, rule, sight, at_ms, silence_ms, received_ms, out, self.tell)

    def _strangers(
        self, station: StationState, values: list[tuple[Value, Shown | None]], time_ms: int, device: str, received_ms: int, out: Outcomes
    ) -> None:
        """Rules with `quality: any` look at readings of every flag, by the time at which they are shown.

        With each comes what was shown before.
        """
        sight = self.sights_of(station.id)[2]
        rules: dict[str, Rule] = {}
        again = False
        for value, before in values:
            watch = self.watches[station.id][value.parameter]
            shown = watch.state.shown
            if value.value is None or shown is None or shown.time_ms != time_ms:
                continue
            replaced = before.value if before is not None and before.time_ms == time_ms and before.device == device else None
            again = again or replaced is not None
            for window in watch.any_windows:
                if replaced is None:
                    window.insert(time_ms, value.value)
                else:
                    window.revise(time_ms, replaced, value.value)
            for rule in watch.plan.any_quality:
                rules[rule.id] = rule
        for rule in rules.values():
            state = station.rules.get(rule.id)
            bridged: list[Change] = []
            if state is not None:
                elapsed: list[Change] = []
                transitions.elapse(rule, state, max(time_ms, state.at_ms), self.silence_ms(station, rule), elapsed)
                bridged = elapsed
            self.look(station, rule, sight, time_ms, received_ms, bridged, out, sample=not again)

    def settle(self, station: StationState) -> None:
        """Rules at which nothing is pending or open any more forget their state: it is what a new one would be."""
        for name in [name for name, state in station.rules.items() if state.idle]:
            del station.rules[name]

    def tell(
        self, station: StationState, rule: Rule, state: RuleState, changes: Sequence[Change], received_ms: int, out: Outcomes,
        sight: StationSight,
    ) -> None:  # fmt: skip
        if any(change.state == "unknown" for change in changes):
            changes = [transitions.doubted(change) if sight.doubts(rule.parameters, change.event_ms) else change for change in changes]
        (self.groups if rule.group else self.telling).tell(station, rule, state, changes, received_ms, out, sight)

    def silence_ms(self, station: StationState, rule: Rule) -> int:
        """How long a condition may be unknown before timers are reset: `silence.after`, less what values were held."""
        longest = 0
        for name in rule.parameters:
            state = station.parameters.get(name)
            if state is not None and state.held is not None:
                interval_ms = shown_interval_ms(self._core, state) if rule.any_quality else state.held.interval_ms
                longest = max(longest, self.patience_ms(rule, state, interval_ms) - round(HOLD_INTERVALS * interval_ms))
        return longest or max(0, rule.silence_ms or 0)

    @staticmethod
    def silent_after(rule: Rule, interval_ms: int) -> int:
        """Silence counts from the last reading, and not before it has run out."""
        return max(rule.silence_ms or SILENCE_INTERVALS * interval_ms, round(HOLD_INTERVALS * interval_ms))

    def patience_ms(self, rule: Rule, parameter: ParameterState, interval_ms: int) -> int:
        """`silent_after`, and not less than `CONFIRMED_WITHIN` while the newest readings are only suspect.

        So the end of a real event looks until the third reading confirms it (semantics D2), and nobody is told of doubts in between.
        """
        held, shown = parameter.held, parameter.other
        after_ms = self.silent_after(rule, interval_ms)
        if rule.any_quality or held is None or shown is None or shown.time_ms <= held.last_ms:
            return after_ms
        if shown.flag not in _CONFIRMED_OR_MAY_BE:
            return after_ms
        return max(after_ms, CONFIRMED_WITHIN * interval_ms)

    # ------------------------------------------------------------------ windows

    def fold(self, station: str, parameter: str) -> None:
        """Let the windows of this parameter take the readings that have come since: somebody is about to look at them."""
        watches = self.watches.get(station)
        watch = None if watches is None else watches.get(parameter)
        if watch is not None:
            watch.fold()

    def fold_station(self, station: str) -> None:
        """As `fold`, for all its windows, and sum them up: what is written down of them is the same whenever it is."""
        for watch in self.watches.get(station, {}).values():
            watch.settle()

    def fold_all(self) -> None:
        """As `fold`, for all stations. What windows hold may change otherwise after it."""
        for watches in self.watches.values():
            for watch in watches.values():
                watch.settle()
                watch.doubt()

    # ------------------------------------------------------------------ derived

    def take(self, rules: dict[str, Rule], zone: tzinfo) -> None:
        """These rules are in force from here on: rebuild what is derived. Changes no state but by adding empty windows."""
        registry = self._core.interpreter.registry
        self.zone = zone
        self.rules = rules
        self.neighbours.clear()
        self._sights.clear()
        self.plans = Plans(rules, registry, self.neighbours)
        self.watches = {}
        for name in registry.stations:
            self.watches[name] = {}
            station = self._core.stations.get(name)
            for parameter in sorted(station.parameters) if station else ():
                assert station is not None
                self.new_watch(station, parameter)

    def sight(self, station: str) -> StationSight:
        """The station as its rules see it."""
        return self.sights_of(station)[0]

    def sights_of(self, station: str) -> tuple[StationSight, PastSight, AnySight]:
        found = self._sights.get(station)
        if found is None:
            given = (self._core, self._core.stations[station], self.neighbours)
            found = self._sights[station] = (StationSight(*given), PastSight(*given), AnySight(*given))
        return found

    def new_watch(self, station: StationState, parameter: str) -> Watch:
        state = station.parameters.get(parameter)
        if state is None:
            state = station.parameters[parameter] = ParameterState()
        plan = self.plans.plan(station.id, parameter)
        kept: dict[bool, list[WindowState]] = {False: [], True: []}
        for any_quality, windows in ((False, plan.windows), (True, plan.any_windows)):
            for name, length_ms, parts, lateness_ms in windows:
                window = station.windows.get(name)
                if window is None:
                    window = station.windows[name] = new_window(length_ms, parts, lateness_ms)
                kept[any_quality].append(window)
        watch = self.watches[station.id][parameter] = Watch(plan, state, kept[False], kept[True])
        return watch
