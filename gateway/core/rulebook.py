"""Which rules are in force: loading and changing them, and what that does to episodes; operators' commands, upgrades, stepped clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from devices.registry import DEFAULT_ZONE
from devices.times import parse_zone
from gateway.core.conditions import vocabulary
from gateway.core.inputs import Command
from gateway.core.latecomers import moved
from gateway.core.outcomes import Outcomes, Transition
from gateway.core.plans import Plans
from gateway.core.state import StationState
from gateway.core.watching import Watching
from rules import late, transitions
from rules.columns import decode_column
from rules.model import SEVERITIES, Conditions, Rule, RuleModel, compile_rule
from rules.transitions import Change, RuleState
from rules.windows import WindowState, new_window

if TYPE_CHECKING:
    from gateway.core import Core


class Rulebook:
    """The rules of the configuration. `core` gives state and registry, `watching` runs what is decided here."""

    def __init__(self, core: Core, watching: Watching) -> None:
        self._core = core
        self._watching = watching

    def rule(self, name: str) -> Rule:
        """The rule of this id. Raises KeyError."""
        return self._watching.rules[name]

    def load(self, rules: Sequence[dict[str, Any]], zone: str = DEFAULT_ZONE) -> None:
        """Compile rules and rebuild the watches from the state (after a restore). Changes no state."""
        self._take(self._compile(rules), zone)

    def _compile(self, rules: Sequence[dict[str, Any]]) -> dict[str, Rule]:
        condition = Conditions(vocabulary(self._core.interpreter.catalogue))
        compiled = (compile_rule(RuleModel.model_validate(plain), condition) for plain in rules)
        return {rule.id: rule for rule in compiled}

    def _take(self, rules: dict[str, Rule], zone: str) -> None:
        self._watching.take(rules, parse_zone(zone))

    def configure(
        self, rules: Sequence[dict[str, Any]], now_ms: int, out: Outcomes, zone: str, windows: Sequence[tuple[str, str, bytes]] = ()
    ) -> None:
        """New configuration: episodes of rules that are gone, or watch something else now, end with `rule-changed`."""
        compiled = self._compile(rules)
        registry = self._core.interpreter.registry
        old = self._watching.rules
        self._watching.fold_all()
        self._watching.neighbours.clear()
        plans = Plans(compiled, registry, self._watching.neighbours)
        for name in sorted(self._core.stations):
            station = self._core.stations[name]
            here = {rule.id: rule for rule in plans.of(name)}
            for rule_id in sorted(station.rules):
                rule = here.get(rule_id)
                same = rule is not None and rule_id in old and rule.identity == old[rule_id].identity
                if rule is not None and same and not self._watching.groups.moved(rule, name):
                    continue
                before = old.get(rule_id)
                state = station.rules.pop(rule_id)
                if before is not None and state.started is not None:
                    self._end(station, before, state, now_ms, "rule-changed" if name in registry.stations else "decommissioned", out)
            for rule_id in [rule_id for rule_id in station.flaps if rule_id not in here]:
                del station.flaps[rule_id]
            self._forget(station, plans)
        for name in [name for name in self._core.state.flaps if not _flaps_in_groups(compiled.get(name.partition("/")[0]))]:
            del self._core.state.flaps[name]
        for name, window, data in windows:
            if name in self._core.stations:
                self._hydrate(self._core.stations[name], window, data)
        self._take(compiled, zone)

    @staticmethod
    def _hydrate(station: StationState, name: str, data: bytes) -> None:
        """Put in a window that was filled from the journal (semantics E6), and what has come since, as far as it is kept."""
        if name in station.windows:
            return
        window = station.windows[name] = msgspec.msgpack.decode(data, type=WindowState, dec_hook=decode_column)
        parameter = None if name.endswith("/any") else station.parameters.get(name.partition("/")[0])
        recent = parameter.recent if parameter is not None else []
        newest = window.times[-1] if window.times else None
        for index in range(0, len(recent), 2):
            if newest is None or recent[index] > newest:
                window.insert(int(recent[index]), recent[index + 1])
        window.settle()

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
        sight = self._watching.sight(station.id)
        sight.at_ms = now_ms
        self._watching.tell(station, rule, state, changes, now_ms, out, sight)

    def command(self, item: Command, out: Outcomes) -> bool:
        """An operator acknowledges, silences or closes an open episode of a rule. False if no such episode is open."""
        rule_id, _, rest = item.episode.partition("/")
        group, _, start = rest.rpartition("/")
        rule = self._watching.rules.get(rule_id)
        if rule is not None and rule.group:
            return self._watching.groups.command(rule, item, group, start, out)
        station = self._core.stations.get(group)
        state = station.rules.get(rule_id) if station else None
        if station is None or rule is None or state is None or state.started is None or str(state.started) != start:
            return False
        if item.action == "close":
            self._core.snapshots.touch("s:" + group)
            self._end(station, rule, state, item.now_ms, "closed-by-operator", out)
            self._watching.settle(station)
            return True
        sight = self._watching.sight(group)
        sight.at_ms = item.now_ms
        change = Change("unknown" if state.unknown else "firing", item.mark, item.now_ms, state.started, state.severity)
        transition = self._watching.telling.transition(station, rule, change, item.now_ms, sight)
        self._core.record(msgspec.structs.replace(transition, operator=item.operator, comment=item.comment), out)
        return True

    def adopt(self, last: Transition) -> bool:
        """An episode that was open before an upgrade: if its rule still says so, it keeps its start, which is its name (A5)."""
        if last.kind != "threshold":
            return False
        if not last.station:
            return self._watching.groups.adopt(last)
        station = self._core.stations.get(last.station)
        state = station.rules.get(last.rule) if station else None
        if state is None or state.started is None:
            return False
        state.started, state.announced = last.started_ms, True
        state.told_severity = max(state.told_severity, SEVERITIES.index(last.severity))
        return True

    def jump(self, delta_ms: int) -> None:
        """The clock was stepped: everything pending moves with it (semantics A1)."""
        self._watching.fold_all()
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
        for flap in self._core.state.flaps.values():
            flap.times = [at_ms + delta_ms for at_ms in flap.times]
        for name, times in self._core.state.told.items():
            self._core.state.told[name] = [at_ms + delta_ms for at_ms in times]

    # ------------------------------------------------------------------ views

    def firing(self) -> dict[str, int]:
        """Open episodes of rules by severity, for metrics (built-ins are counted from the ledger)."""
        counts = dict.fromkeys(SEVERITIES, 0)
        for station in self._core.stations.values():
            for name, state in station.rules.items():
                if state.started is not None and name in self._watching.rules and not self._watching.rules[name].group:
                    counts[SEVERITIES[state.severity]] += 1
        self._watching.groups.firing(counts)
        return counts


def _flaps_in_groups(rule: Rule | None) -> bool:
    return rule is not None and bool(rule.group) and rule.flapping is not None
