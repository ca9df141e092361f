"""Rules at stations: where the pure machines of `rules` meet state, registry and timers, and become transitions.

A transition is always recorded; an intent says that receivers must be told (semantics F1). Built-in alerts about the
sensors themselves are in `gateway.silence`.

Whether an episode is told at once depends on whether the station has caught up (semantics E4): a backdated one waits
until readings describe the present again, or 60 s after the last late one; if it is over by then it is recorded as
late and nobody is woken (invariant 8). For the same reason timers of a station that is still catching up go by its
readings, not by the wall: see docs/decisions/0008.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from devices.reading import Flag, Line
from devices.timing import Stamp
from gateway.inputs import Command, Message
from gateway.outcomes import Intent, Outcomes, Transition
from gateway.state import Held, ParameterState, Shown, StationState
from rules import threshold
from rules.model import SEVERITIES, Rule, RuleModel, compile_rule

if TYPE_CHECKING:
    from devices.stations import Device
    from gateway.core import Core

CATCH_UP_MS = 60_000
"""A station counts as caught up this long after its last late reading (semantics E4)."""

_NEVER = 1 << 62
_EVERY_VALUE = (math.inf, -math.inf)
_NOT_EVALUATED = int(Flag.NOT_EVALUATED)


class Plan(NamedTuple):
    """The rules on one parameter, and the closed interval of values at which none of them, at rest, does anything."""

    rules: tuple[Rule, ...]
    low: float
    high: float


class Watch:
    """One parameter at one station with the rules on it. Derived: rebuilt from state and configuration.

    While all its rules are at rest there are no states (`pairs` is empty) and a value within low … high costs one comparison.
    """

    __slots__ = ("high", "low", "pairs", "parameter", "plan", "state")

    def __init__(self, parameter: str, state: ParameterState, plan: Plan) -> None:
        self.parameter = parameter
        self.state = state
        self.plan = plan
        self.pairs: list[tuple[Rule, threshold.RuleState]] = []
        self.low, self.high = plan.low, plan.high

    def wake(self, station: StationState) -> None:
        """Something may begin: every rule gets its state, and every value is looked at."""
        states = station.rules
        self.pairs = [(rule, states.setdefault(rule.id, threshold.new_state(rule))) for rule in self.plan.rules]
        self.low, self.high = _EVERY_VALUE

    def settle(self, station: StationState) -> None:
        """If nothing is pending or open any more, forget the states: they are what new ones would be."""
        if self.pairs and all(state.idle for _, state in self.pairs):
            for rule, _ in self.pairs:
                del station.rules[rule.id]
            self.pairs = []
            self.low, self.high = self.plan.low, self.plan.high


class Watching:
    """The rule side of the core. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rules: dict[str, Rule] = {}
        self._watches: dict[str, dict[str, Watch]] = {}
        """station -> parameter -> watch."""
        self._plans: dict[tuple[str, ...], Plan] = {}
        """(parameter, rule ids) -> what the watches on it share."""

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
            for value in line.values:
                parameter, number, flag = value.parameter, value.value, value.flag
                try:
                    watch = watches[parameter]
                except KeyError:
                    watch = self._new_watch(station, parameter)
                state = watch.state
                previous = state.held
                if held is None or number is None or flag > _NOT_EVALUATED or (previous is not None and held.last_ms < previous.last_ms):
                    shown = state.shown
                    if shown is None or time_ms >= shown.time_ms:
                        state.other = Shown(time_ms, number, flag, device)
                    continue
                if not watch.low <= number <= watch.high:
                    self._evaluate(station, watch, number, held.last_ms, flag, entry, received_ms, out)
                if time_ms != event_ms or state.other is not None:
                    shown = state.shown
                    if shown is not None and time_ms < shown.time_ms:
                        state.other = shown
                    else:
                        state.other = None if time_ms == event_ms else Shown(time_ms, number, flag, device)
                state.held = held
                state.value = number
                state.flag = flag
                if watch.pairs:
                    self._schedule_station(station, received_ms)

    def _evaluate(
        self, station: StationState, watch: Watch, value: float, event_ms: int, flag: int, entry: Device, received_ms: int, out: Outcomes
    ) -> None:
        held = watch.state.held
        previous_ms, interval_ms = (None, entry.interval_ms) if held is None else (held.last_ms, held.interval_ms or entry.interval_ms)
        if not watch.pairs:
            watch.wake(station)
        for rule, rule_state in watch.pairs:
            silence = rule.silence_ms or threshold.SILENCE_INTERVALS * entry.interval_ms
            changes = threshold.on_value(
                rule, rule_state, value, event_ms, previous_ms=previous_ms, interval_ms=interval_ms, silence_ms=silence
            )
            if changes or rule_state.started is not None:
                self._tell(station, watch, rule, rule_state, changes, received_ms, out, value=value, flag=flag, device=entry.id)
        watch.settle(station)

    def _new_watch(self, station: StationState, parameter: str) -> Watch:
        state = station.parameters.get(parameter)
        if state is None:
            state = station.parameters[parameter] = ParameterState()
        watch = self._watches[station.id][parameter] = Watch(parameter, state, self._plan(parameter, station.id))
        if any(rule.id in station.rules for rule in watch.plan.rules):
            watch.wake(station)
        return watch

    def _plan(self, parameter: str, station: str) -> Plan:
        rules = tuple(rule for rule in self._rules.values() if rule.parameter == parameter and self._applies(rule, station))
        key = (parameter, *(rule.id for rule in rules))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(rules, *threshold.quiet_band((rule, threshold.new_state(rule)) for rule in rules))
        return plan

    def _applies(self, rule: Rule, station: str) -> bool:
        entry = self._core.interpreter.registry.stations[station]
        return rule.watches(station=station, area=entry.area, media=frozenset((entry.medium,)))

    # ------------------------------------------------------------------ telling

    def _tell(
        self,
        station: StationState,
        watch: Watch,
        rule: Rule,
        state: threshold.RuleState,
        changes: Sequence[threshold.Change],
        received_ms: int,
        out: Outcomes,
        *,
        value: float | None,
        flag: int | None,
        device: str,
    ) -> None:
        """Record changes; decide which of them receivers are told of, now or later."""
        live = self._live(station, received_ms)
        if changes:
            self._core.mark_dirty()
        for change in changes:
            transition = self._transition(
                station, watch, rule, change.state, change.reason, change.severity, change.limit, change.started_ms,
                change.event_ms, received_ms, value=value, flag=flag, device=device,
                late=change.state == "resolved" and not state.announced,
            )  # fmt: skip
            self._core.record(transition, out)
            if state.announced:
                state.told_severity = max(state.told_severity, change.severity)
                self._intend(rule, transition, received_ms, out, quiet=change.reason == "data-returned", peak=state.told_severity)
            if change.state == "resolved":
                state.announced, state.told_severity = False, -1
        if state.started is not None and not state.announced and live:
            self._core.mark_dirty()
            state.announced, state.told_severity = True, state.severity
            latest = out.transitions[-1] if changes else None
            if latest is None or latest.state != "firing":
                limit = next(level.limit for level in rule.levels if level.severity == state.severity)
                name = "unknown" if state.unknown else "firing"
                latest = self._transition(
                    station, watch, rule, name, "caught-up", state.severity, limit, state.started,
                    watch.state.last_ms or state.started, received_ms, value=value, flag=flag, device=device,
                )  # fmt: skip
                self._core.record(latest, out)
            self._intend(rule, latest, received_ms, out)

    def _live(self, station: StationState, now_ms: int) -> bool:
        return station.caught_up or now_ms >= station.late_ms + CATCH_UP_MS

    def _transition(
        self, station: StationState, watch: Watch, rule: Rule, state: str, reason: str, severity: int, limit: float, started_ms: int,
        event_ms: int, processed_ms: int, *, value: float | None, flag: int | None, device: str, late: bool = False,
    ) -> Transition:  # fmt: skip
        registry = self._core.interpreter.registry
        entry = registry.stations.get(station.id)
        return Transition(
            episode=f"{rule.id}/{station.id}/{started_ms}",
            rule=rule.id,
            kind="threshold",
            severity=SEVERITIES[severity],
            state=state,
            reason=reason,
            station=station.id,
            device=device,
            area=entry.area if entry else "",
            parameter=watch.parameter,
            value=value,
            flag=flag,
            unit=self._core.unit(watch.parameter),
            limit=limit,
            started_ms=started_ms,
            event_ms=event_ms,
            processed_ms=processed_ms,
            late=late,
            names=rule.names,
            advice=rule.advice,
            mode=rule.mode,
        )

    def _intend(self, rule: Rule, transition: Transition, due_ms: int, out: Outcomes, *, quiet: bool = False, peak: int = -1) -> None:
        if rule.mode == "shadow":
            return
        worst = "" if peak < 0 or SEVERITIES[peak] == transition.severity else SEVERITIES[peak]
        out.intents.append(Intent(due_ms=due_ms, transition=transition, quiet=quiet, peak=worst))

    # ------------------------------------------------------------------ timers

    def station_due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A timer of this station came up. `due_ms` is its time, `now_ms` that of the input that found it."""
        station = self._core.stations.get(name)
        if station is None or name not in self._watches:
            return
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + name)
        live = self._live(station, due_ms)
        for watch in self._watches[name].values():
            state, held = watch.state, watch.state.held
            if held is None or not watch.pairs:
                continue
            clock = self._core.silence.clock_of(held.source)
            for rule, rule_state in watch.pairs:
                changes: list[threshold.Change] = []
                if live:
                    changes += threshold.on_time(rule, rule_state, due_ms, previous_ms=held.last_ms, interval_ms=held.interval_ms)
                silence = rule.silence_ms or threshold.SILENCE_INTERVALS * held.interval_ms
                if rule_state.started is not None and live and clock.now(due_ms) - held.alive_s >= silence:
                    changes += threshold.on_silence(rule, rule_state, held.last_ms + silence)
                if changes or rule_state.started is not None:
                    self._tell(
                        station, watch, rule, rule_state, changes, now_ms, out,
                        value=state.value, flag=state.flag, device=state.device,
                    )  # fmt: skip
        self._schedule_station(station, due_ms)

    def _schedule_station(self, station: StationState, now_ms: int) -> None:
        """Put the station's next due time on the heap. `now_ms` is the latest instant it was looked at."""
        due = _NEVER
        caught_up_at = 0 if station.caught_up else station.late_ms + CATCH_UP_MS
        for watch in self._watches[station.id].values():
            held = watch.state.held
            if held is None or not watch.pairs:
                continue
            clock = self._core.silence.clock_of(held.source)
            for rule, rule_state in watch.pairs:
                at = threshold.next_due(rule_state, previous_ms=held.last_ms, interval_ms=held.interval_ms)
                if at is not None:
                    due = min(due, max(at, caught_up_at))
                if rule_state.started is None:
                    continue
                if not rule_state.announced:
                    due = min(due, max(caught_up_at, now_ms))
                if not rule_state.unknown and clock.paused_since is None:
                    silence = rule.silence_ms or threshold.SILENCE_INTERVALS * held.interval_ms
                    due = min(due, max(held.alive_s + silence + clock.paused_ms, caught_up_at))
        if due < _NEVER:
            self._core.schedule(due, "s", station.id)

    def reschedule_all(self, now_ms: int) -> None:
        """After a restore, a clock jump or a link change: work out every timer again."""
        for name in sorted(self._watches):
            self._schedule_station(self._core.stations[name], now_ms)

    # ------------------------------------------------------------------ configuration

    def load(self, rules: Sequence[dict[str, Any]]) -> None:
        """Compile rules and rebuild the watches from the state (after a restore). Changes no state."""
        compiled = [compile_rule(RuleModel.model_validate(plain)) for plain in rules]
        self._rules = {rule.id: rule for rule in compiled}
        self._watches, self._plans = {}, {}
        for name in self._core.interpreter.registry.stations:
            self._watches[name] = {}
            station = self._core.stations.get(name)
            for parameter in sorted(station.parameters) if station else ():
                assert station is not None
                self._new_watch(station, parameter)

    def configure(self, rules: Sequence[dict[str, Any]], now_ms: int, out: Outcomes) -> None:
        """New configuration: episodes of rules that are gone, or watch something else now, end with `rule-changed`."""
        compiled = {rule.id: rule for rule in (compile_rule(RuleModel.model_validate(plain)) for plain in rules)}
        registry = self._core.interpreter.registry
        old, self._rules = self._rules, compiled
        for name in sorted(self._core.stations):
            station = self._core.stations[name]
            for rule_id in sorted(station.rules):
                rule = compiled.get(rule_id)
                kept = rule is not None and name in registry.stations and self._applies(rule, name)
                if kept and rule_id in old and rule is not None and rule.identity == old[rule_id].identity:
                    continue
                before = old.get(rule_id)
                state = station.rules.pop(rule_id)
                if before is not None and state.started is not None:
                    self._end(station, before, state, now_ms, "rule-changed" if name in registry.stations else "decommissioned", out)
        self.load(rules)

    def _end(self, station: StationState, rule: Rule, state: threshold.RuleState, now_ms: int, reason: str, out: Outcomes) -> None:
        parameter = station.parameters.get(rule.parameter) or ParameterState()
        watch = Watch(rule.parameter, parameter, Plan((rule,), 0.0, 0.0))
        changes = threshold.close(rule, state, now_ms, reason)
        self._tell(station, watch, rule, state, changes, now_ms, out, value=parameter.value, flag=parameter.flag, device=parameter.device)

    def command(self, item: Command, out: Outcomes) -> bool:
        """An operator acknowledges or closes an open episode of a rule. False if no such episode is open."""
        rule_id, _, rest = item.episode.partition("/")
        station_id = rest.partition("/")[0]
        station = self._core.stations.get(station_id)
        rule = self._rules.get(rule_id)
        state = station.rules.get(rule_id) if station else None
        if station is None or rule is None or state is None or state.started is None:
            return False
        if f"{rule_id}/{station_id}/{state.started}" != item.episode:
            return False
        if item.action == "close":
            self._core.snapshots.touch("s:" + station_id)
            self._end(station, rule, state, item.now_ms, "closed-by-operator", out)
            for watch in self._watches[station_id].values():
                watch.settle(station)
            return True
        watch = self._watches[station_id][rule.parameter]
        limit = next(level.limit for level in rule.levels if level.severity == state.severity)
        transition = self._transition(
            station, watch, rule, "unknown" if state.unknown else "firing", "acknowledged", state.severity, limit, state.started,
            item.now_ms, item.now_ms, value=watch.state.value, flag=watch.state.flag, device=watch.state.device,
        )  # fmt: skip
        self._core.record(msgspec.structs.replace(transition, operator=item.operator, comment=item.comment), out)
        return True

    def adopt(self, last: Transition) -> bool:
        """An episode that was open before an upgrade: if its rule still says so, it keeps its start, which is its name (A5)."""
        station = self._core.stations.get(last.station)
        state = station.rules.get(last.rule) if station else None
        if last.kind != "threshold" or state is None or state.started is None:
            return False
        state.started, state.announced = last.started_ms, True
        state.told_severity = max(state.told_severity, SEVERITIES.index(last.severity))
        return True

    def jump(self, delta_ms: int) -> None:
        """The clock was stepped: everything pending moves with it (semantics A1)."""
        for station in self._core.stations.values():
            station.watermark_ms += delta_ms
            station.late_ms += delta_ms
            for state in station.parameters.values():
                if state.held is not None:
                    state.other = state.shown
                    state.held = msgspec.structs.replace(state.held, last_ms=state.held.last_ms + delta_ms)
            for rule_state in station.rules.values():
                threshold.shift(rule_state, delta_ms)

    # ------------------------------------------------------------------ views

    def firing(self) -> dict[str, int]:
        """Open episodes of rules by severity, for metrics (built-ins are counted from the ledger)."""
        counts = dict.fromkeys(SEVERITIES, 0)
        for station in self._core.stations.values():
            for state in station.rules.values():
                if state.started is not None:
                    counts[SEVERITIES[state.severity]] += 1
        return counts
