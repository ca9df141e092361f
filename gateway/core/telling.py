"""What happened to an episode, as a transition; and whether receivers are told of it, now, later or not at all.

A transition is always recorded; an intent says that receivers must be told (semantics F1). Nobody is told

- while the station has not caught up (semantics E4): a backdated episode waits until readings describe the present again,
  or 60 s after the last late one; if it is over by then it is recorded as late (invariant 8), see docs/decisions/0008;
- while the rule flaps at this station: it is said once that it does, and how it stands once it has calmed;
- of more new alerts than the rule's `rate` allows: they wait, and are told once there is room. Critical ones never wait;
- while an operator has silenced the episode (`gateway.core.hush`);
- in shadow mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.core.outcomes import Intent, Outcomes, Transition
from gateway.core.state import Ended, FlapState, StationState
from rules.evaluate import Sight
from rules.language.nodes import Reading, Window
from rules.language.view import WindowKey
from rules.model import SEVERITIES, Rule
from rules.transitions import Change, RuleState

if TYPE_CHECKING:
    from gateway.core import Core

CATCH_UP_MS = 60_000
"""A station counts as caught up this long after its last late reading (semantics E4)."""

ENDED = 32
"""Episodes that a station remembers after their end, at most."""

CRITICAL = SEVERITIES.index("critical")


class Telling:
    """Makes transitions and intents of changes. `core` gives state and registry."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @staticmethod
    def live(station: StationState, now_ms: int) -> bool:
        """Whether the station has caught up, or is treated as if it had."""
        return station.caught_up or now_ms >= station.late_ms + CATCH_UP_MS

    def tell(
        self, station: StationState, rule: Rule, state: RuleState, changes: Sequence[Change], received_ms: int, out: Outcomes, sight: Sight
    ) -> None:
        """Record changes; decide which of them receivers are told of, now or later."""
        live = self.live(station, received_ms)
        flap = station.flaps.get(rule.id)
        if changes:
            self._core.mark_dirty()
        for change in changes:
            over = change.state == "resolved" and not state.announced
            late = over and not flaps(flap) and self.room(rule, change.severity, received_ms)
            transition = self.transition(station, rule, change, received_ms, sight, late=late)
            self._core.record(transition, out)
            if change.state == "resolved" and rule.lateness_ms:
                remember_end(station, rule, change)
            if rule.flapping is not None and (change.state == "resolved" or change.reason == "condition"):
                flap = self._flipped(station, rule, change, received_ms)
            if state.announced:
                state.told_severity = max(state.told_severity, change.severity)
                quiet = change.reason == "data-returned" or flaps(flap)
                self.intend(rule, transition, received_ms, out, quiet=quiet, peak=state.told_severity)
            if change.state == "resolved":
                state.announced, state.told_severity = False, -1
        if flap is not None and flap.since is None and rule.flapping is not None and len(flap.times) >= rule.flapping.flips:
            self._say_flapping(station, rule, state, flap, received_ms, out, sight)
        elif (
            state.started is not None and not state.announced and live and not flaps(flap) and self.room(rule, state.severity, received_ms)
        ):
            self._announce(station, rule, state, changes, received_ms, out, sight)

    def _announce(
        self, station: StationState, rule: Rule, state: RuleState, changes: Sequence[Change], received_ms: int, out: Outcomes, sight: Sight
    ) -> None:
        self._core.mark_dirty()
        state.announced, state.told_severity = True, state.severity
        latest = out.transitions[-1] if changes else None
        if latest is None or latest.state != "firing":
            latest = self._as_it_is(station, rule, state, "caught-up", received_ms, sight)
            self._core.record(latest, out)
        self.intend(rule, latest, received_ms, out)
        self.count(rule, received_ms)

    def _as_it_is(self, station: StationState, rule: Rule, state: RuleState, reason: str, received_ms: int, sight: Sight) -> Transition:
        """The open episode as it stands, for a reason that is no change of it."""
        assert state.started is not None
        at_ms = max(state.started, min(sight.at_ms, self._last_ms(station, rule) or state.started))
        change = Change("unknown" if state.unknown else "firing", reason, at_ms, state.started, state.severity)
        return self.transition(station, rule, change, received_ms, sight)

    def mark(
        self, station: StationState, rule: Rule, state: RuleState, reason: str, at_ms: int, received_ms: int, sight: Sight, out: Outcomes
    ) -> Transition:
        """Record a mark beside the state of an open episode: acknowledged, or what late readings have shown."""
        assert state.started is not None
        change = Change("unknown" if state.unknown else "firing", reason, at_ms, state.started, state.severity)
        transition = self.transition(station, rule, change, received_ms, sight)
        self._core.record(transition, out)
        return transition

    @staticmethod
    def _last_ms(station: StationState, rule: Rule) -> int | None:
        lead = rule.lead
        state = None if lead is None else station.parameters.get(lead.parameter)
        return None if state is None else state.last_ms

    # ------------------------------------------------------------------ what is said

    def transition(
        self, station: StationState, rule: Rule, change: Change, processed_ms: int, sight: Sight, *, late: bool = False
    ) -> Transition:
        """A change as it is recorded, with the values that caused it."""
        entry = self._core.interpreter.registry.stations.get(station.id)
        lead, value, flag, device, parameter = rule.lead, None, None, "", ""
        if lead is not None:
            parameter = lead.parameter
            value, flag, device = self._value(station, rule, lead, sight, change)
        return Transition(
            episode=f"{rule.id}/{station.id}/{change.started_ms}",
            rule=rule.id,
            kind="threshold",
            severity=SEVERITIES[change.severity],
            state=change.state,
            reason=change.reason,
            station=station.id,
            device=device,
            area=entry.area if entry else "",
            parameter=parameter,
            value=value,
            flag=flag,
            unit=self._core.unit(parameter) if parameter else "",
            limit=rule.limit(change.severity),
            started_ms=change.started_ms,
            event_ms=change.event_ms,
            processed_ms=processed_ms,
            late=late,
            names=rule.names,
            advice=rule.advice,
            mode=rule.mode,
            values=_causes(rule, change, sight) if entry else {},
        )

    @staticmethod
    def _value(
        station: StationState, rule: Rule, lead: Reading | Window, sight: Sight, change: Change
    ) -> tuple[float | None, int | None, str]:
        """(value, flag, device) of the operand that is named first: what is known of it at that instant, else what was last."""
        state = station.parameters.get(lead.parameter)
        if state is None:
            return None, None, ""
        sight.at_ms = change.event_ms
        if isinstance(lead, Reading):
            found = sight.value(lead.parameter)
        else:
            found = sight.window(WindowKey(lead.parameter, lead.length_ms), lead.statistic, lead.complete)
        shown = state.shown
        if rule.any_quality and shown is not None:
            return shown.value if found is None else found, shown.flag, shown.device
        last = state.value if state.held is not None and isinstance(lead, Reading) else None
        return last if found is None else found, state.flag if state.held else None, state.device

    def intend(self, rule: Rule, transition: Transition, due_ms: int, out: Outcomes, *, quiet: bool = False, peak: int = -1) -> None:
        """The duty to tell, unless the rule is a shadow."""
        if rule.mode == "shadow":
            return
        worst = "" if peak < 0 or SEVERITIES[peak] == transition.severity else SEVERITIES[peak]
        self._core.hush.intend(Intent(due_ms=due_ms, transition=transition, quiet=quiet, peak=worst), out)

    # ------------------------------------------------------------------ rates

    def room(self, rule: Rule, severity: int, now_ms: int) -> bool:
        """Whether a new alert of this rule may be told now."""
        return self.room_at(rule, severity, now_ms) <= now_ms

    def room_at(self, rule: Rule, severity: int, now_ms: int) -> int:
        """When a new alert of this rule may be told."""
        rate = rule.rate
        times = self._core.state.told.get(rule.id)
        if rate is None or severity >= CRITICAL or times is None or len(times) < rate.at_most:
            return now_ms
        return max(now_ms, times[-rate.at_most] + rate.per)

    def count(self, rule: Rule, now_ms: int) -> None:
        """A new alert was told."""
        if rule.rate is not None:
            times = self._core.state.told.setdefault(rule.id, [])
            times.append(now_ms)
            del times[: -rule.rate.at_most]

    # ------------------------------------------------------------------ flapping

    def _flipped(self, station: StationState, rule: Rule, change: Change, received_ms: int) -> FlapState:
        flap = station.flaps.get(rule.id)
        if flap is None:
            forget_flaps(station.flaps, received_ms)
            flap = station.flaps[rule.id] = FlapState()
        flip(flap, rule, change, received_ms)
        return flap

    def _say_flapping(
        self, station: StationState, rule: Rule, state: RuleState, flap: FlapState, received_ms: int, out: Outcomes, sight: Sight
    ) -> None:
        """Once: it flaps. What follows is recorded, and told when it has calmed."""
        flap.since = received_ms
        self._core.mark_dirty()
        name = "resolved" if state.started is None else "unknown" if state.unknown else "firing"
        change = Change(name, "flapping", sight.at_ms, flap.started_ms, flap.severity)
        said = self.transition(station, rule, change, received_ms, sight)
        self._core.record(said, out)
        if state.started is not None:
            state.announced, state.told_severity = True, max(state.told_severity, state.severity)
        self.intend(rule, said, received_ms, out)

    def calm(
        self, station: StationState, rule: Rule, state: RuleState | None, flap: FlapState, at_ms: int, received_ms: int, out: Outcomes,
        sight: Sight,
    ) -> None:  # fmt: skip
        """It has not flipped for long enough: tell how it stands."""
        self._core.mark_dirty()
        flap.since = None
        del flap.times[:-1]
        name, started, severity = "resolved", flap.started_ms, flap.severity
        if state is not None and state.started is not None:
            name, started, severity = "unknown" if state.unknown else "firing", state.started, state.severity
            state.announced, state.told_severity = True, max(state.told_severity, severity)
        sight.at_ms = at_ms
        said = self.transition(station, rule, Change(name, "calmed", at_ms, started, severity), received_ms, sight)
        self._core.record(said, out)
        self.intend(rule, said, received_ms, out)


def remember_end(station: StationState, rule: Rule, change: Change) -> None:
    """Keep what is over until no late reading can make it come out again."""
    kept = [item for item in station.ended if item.ended_ms >= change.event_ms - rule.lateness_ms]
    station.ended = [*kept[1 - ENDED :], Ended(rule.id, change.started_ms, change.event_ms)]


def flip(flap: FlapState, rule: Rule, change: Change, received_ms: int) -> None:
    """The rule went on or off: remember when, as far back as its `flapping` looks."""
    assert rule.flapping is not None
    oldest = received_ms - rule.flapping.within
    lately = [at_ms for at_ms in flap.times if at_ms > oldest]
    flap.times = [*lately[1 - rule.flapping.flips :], received_ms]
    flap.started_ms, flap.severity = change.started_ms, change.severity


def forget_flaps(known: dict[str, FlapState], now_ms: int) -> None:
    """Those that do not flap, and have not flipped for a day."""
    for name in [name for name, flap in known.items() if flap.since is None and flap.times[-1] < now_ms - 86_400_000]:
        del known[name]


def calm_at(flap: FlapState, rule: Rule) -> int:
    """When a flapping rule will have calmed, if it does not flip again: after half the time in which flips are counted."""
    return flap.times[-1] + (rule.flapping.within // 2 if rule.flapping is not None else 0)


def flaps(flap: FlapState | None) -> bool:
    """Whether it flaps now."""
    return flap is not None and flap.since is not None


def _causes(rule: Rule, change: Change, sight: Sight) -> dict[str, float | bool | str | None]:
    level = next((level for level in rule.levels if level.severity == change.severity), rule.levels[-1])
    sight.at_ms = change.event_ms
    return {operand.text: operand.look(sight) for operand in (level.clear_operands if change.state == "resolved" else level.operands)}


def group_transition(
    rule: Rule, key: str, members: Iterable[str], change: Change, processed_ms: int, last: Transition | None, *, late: bool = False
) -> Transition:
    """A change of a group's episode. What was measured is that of the member whose change it is."""
    base = last or Transition(
        episode="", rule=rule.id, kind="threshold", severity="info", state="", reason="", station="", device="", area="", parameter="",
        value=None, flag=None, unit="", limit=None, started_ms=0, event_ms=0, processed_ms=0, names=rule.names, advice=rule.advice,
        mode=rule.mode,
    )  # fmt: skip
    return msgspec.structs.replace(
        base,
        episode=f"{rule.id}/{key}/{change.started_ms}",
        severity=SEVERITIES[change.severity],
        state=change.state,
        reason=change.reason,
        station="",
        area=key if rule.group == "area" else "",
        started_ms=change.started_ms,
        event_ms=change.event_ms,
        processed_ms=processed_ms,
        late=late,
        members=tuple(sorted(members)),
    )
