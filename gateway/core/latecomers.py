"""Late readings at stations: what rules would have done, brought together with what they did (semantics E4, invariant 8).

begun and over, and never recorded     recorded with `late: true`, nobody told
open, and nobody knew                  opens now, with its true start; told once the station has caught up
open, and begun at another time        keeps its name; a mark says what was found (`late-data`)
open, but by now it would be over      ends now (`late-data`): what was told is never undone
over, and recorded                     stays as it is
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.outcomes import Outcomes
from gateway.core.plans import group_key
from gateway.core.sights import PastSight
from gateway.core.state import Ended, ParameterState, StationState
from gateway.core.telling import Telling, group_transition, remember_end
from rules import late, transitions
from rules.model import Rule
from rules.transitions import Change, RuleState

if TYPE_CHECKING:
    from gateway.core import Core


class Latecomers:
    """Evaluates rules again from a late reading on."""

    def __init__(self, core: Core, telling: Telling) -> None:
        self._core = core
        self._telling = telling

    def reconsider(
        self, station: StationState, rule: Rule, sight: PastSight, late_ms: int, silence_ms: int, received_ms: int, out: Outcomes,
        tell: Callable[..., None],
    ) -> None:  # fmt: skip
        """One rule that the reading touches."""
        state = station.rules.get(rule.id)
        instants = _instants(station.parameters, rule)
        if not instants or late_ms < instants[-1] - rule.lateness_ms:
            return
        found = late.again(rule, state, sight, instants, late_ms, silence_ms)
        if found is None:
            return
        final = found.state
        for episode in late.episodes(found.changes):
            if episode[0].reason == "condition" and episode[-1].state == "resolved" and not self._known(station, rule, state, episode):
                self._record(station, rule, episode, sight, received_ms, out)
        if state is None:
            if final.idle:
                return
            self._core.mark_dirty()
            station.rules[rule.id] = final
            opening = [change for change in found.changes if change.started_ms == final.started] if final.started is not None else []
            tell(station, rule, final, opening, received_ms, out, sight)
            return
        thought = state.marks[-1].started if state.marks else state.started
        changes = self._join(rule, state, final, found.changes, late_ms)
        news = final.started not in (None, thought, state.started)
        if state.started is not None and final.started is not None and news and not changes and not rule.group:
            self._telling.mark(station, rule, state, "late-data", final.started, received_ms, sight, out)
        if changes or state.started is not None:
            tell(station, rule, state, changes, received_ms, out, sight)
        if state.idle:
            del station.rules[rule.id]

    @staticmethod
    def _join(rule: Rule, state: RuleState, final: RuleState, happened: list[Change], late_ms: int) -> list[Change]:
        """The live state takes over what was found."""
        ends = [change.event_ms for change in happened if change.state == "resolved"]
        over = state.started is not None and final.started is None
        opens = state.started is None and final.started is not None
        at_ms = (ends[-1] if ends else late_ms) if over else final.at_ms
        changes = transitions.adopt(rule, state, final.levels, at_ms, "late-data" if over else "")
        state.at_ms, state.marks = final.at_ms, final.marks
        if over:
            state.unknown, state.doubt_ms = False, None
        if opens:
            state.started = final.started
            return [change for change in happened if change.started_ms == final.started]
        return changes

    @staticmethod
    def _known(station: StationState, rule: Rule, state: RuleState | None, episode: list[Change]) -> bool:
        """Whether an episode of that time is recorded, or open."""
        start, end = episode[0].started_ms, episode[-1].event_ms
        if state is not None and state.started is not None and state.started <= end:
            return True
        return any(item.rule == rule.id and item.started_ms <= end and start <= item.ended_ms for item in station.ended)

    def _record(self, station: StationState, rule: Rule, episode: list[Change], sight: PastSight, received_ms: int, out: Outcomes) -> None:
        self._core.mark_dirty()
        for change in episode:
            said = self._telling.transition(station, rule, change, received_ms, sight, late=True)
            if rule.group:
                key = group_key(rule, said.area)
                said = group_transition(rule, key, (station.id,), change, received_ms, said, late=True)
            self._core.record(said, out)
        remember_end(station, rule, episode[-1])


def _instants(parameters: dict[str, ParameterState], rule: Rule) -> list[int]:
    """When the kept readings of the rule's parameters were, rising."""
    found: set[int] = set()
    for name in rule.parameters:
        state = parameters.get(name)
        if state is not None:
            found.update(int(at_ms) for at_ms in state.recent[::2])
    return sorted(found)


def moved(ended: list[Ended], delta_ms: int) -> list[Ended]:
    """The clock was stepped (semantics A1)."""
    return [Ended(item.rule, item.started_ms, item.ended_ms + delta_ms) for item in ended]
