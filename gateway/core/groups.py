"""Rules with `group`: one episode for an area, or for all stations, whose members are the stations where a level is on.

Each station's own machine runs as for any rule; what happens to it is not told by itself but makes it a member, a worse or milder
member, or none. The group's severity is that of its worst member; it is unknown when nothing is known of any member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.core.inputs import Command
from gateway.core.outcomes import Outcomes, Transition
from gateway.core.plans import group_key
from gateway.core.state import FlapState, GroupState, StationState
from gateway.core.telling import Telling, calm_at, flaps, flip, forget_flaps, group_transition, remember_end
from rules.evaluate import Sight
from rules.model import SEVERITIES, Rule
from rules.transitions import EPISODE, Change, RuleState

if TYPE_CHECKING:
    from gateway.core import Core


class Groups:
    """The episodes of groups. `core` gives state and registry."""

    def __init__(self, core: Core, telling: Telling) -> None:
        self._core = core
        self._telling = telling

    def tell(
        self, station: StationState, rule: Rule, state: RuleState, changes: Sequence[Change], received_ms: int, out: Outcomes, sight: Sight
    ) -> None:
        """What happened to one member. As `Telling.tell`."""
        key = self._key(rule, station)
        if changes:
            self._core.mark_dirty()
        group = self._core.state.groups.get(f"{rule.id}/{key}")
        latest: Transition | None = None
        for change in changes:
            if group is None:
                group = self._core.state.groups[f"{rule.id}/{key}"] = GroupState()
            if change.state == "resolved" and rule.lateness_ms:
                remember_end(station, rule, change)
            last = self._telling.transition(station, rule, change, received_ms, sight)
            said = len(out.transitions)
            self._member(rule, key, group, station.id, change, last, received_ms, out)
            if not rule.parameters and len(out.transitions) > said:
                self._list(rule, out, said, sight)
            latest = out.transitions[-1] if len(out.transitions) > said else None
        if group is None:
            return
        live = self._telling.live(station, received_ms)
        flap = self._core.state.flaps.get(f"{rule.id}/{key}")
        if latest is not None and flap is not None and flap.since is None and len(flap.times) >= flips_of(rule):
            self._say_flapping(rule, key, group, flap, latest, received_ms, out)
        elif (
            group.started is not None and not group.announced and live and not flaps(flap)
            and self._telling.room(rule, group.severity, received_ms)
        ):  # fmt: skip
            self._core.mark_dirty()
            group.announced, group.told_severity = True, group.severity
            change = Change("unknown" if group.unknown else "firing", "caught-up", sight.at_ms, group.started, group.severity)
            if latest is None or latest.state != "firing":
                last = self._telling.transition(station, rule, change, received_ms, sight)
                latest = group_transition(rule, key, group.members, change, received_ms, last)
                self._core.record(latest, out)
            self._telling.intend(rule, latest, received_ms, out)
            self._telling.count(rule, received_ms)
        if group.started is None and not group.members:
            del self._core.state.groups[f"{rule.id}/{key}"]

    def _member(
        self, rule: Rule, key: str, group: GroupState, station: str, change: Change, last: Transition, received_ms: int, out: Outcomes
    ) -> None:
        before = dict(group.members)
        if change.state == "resolved":
            group.members.pop(station, None)
        else:
            group.members[station] = change.severity
        severity = max(group.members.values(), default=-1)
        was = "closed" if group.started is None else "unknown" if group.unknown else "firing"
        unknown = bool(group.members) and all(self._unknown(rule, name, station, change) for name in group.members)
        event = _event(was, severity, group.severity, unknown)
        reason = change.reason
        if event is None:
            if before.keys() == group.members.keys():
                return
            state, reason = was, "members"
        elif event == "off":
            state = EPISODE[was, event][0]
        else:
            state, reason = EPISODE[was, "doubted" if event == "silent" and change.reason == "data-doubted" else event]
        if group.started is None:
            group.started = change.started_ms
        if severity >= 0:
            group.severity = severity
        group.unknown = unknown
        if event in ("on", "off") and rule.flapping is not None:
            self._flipped(rule, key, Change(state, reason, change.event_ms, group.started, group.severity), received_ms)
        flapping = flaps(self._core.state.flaps.get(f"{rule.id}/{key}"))
        over = event == "off" and not group.announced and not flapping
        said = group_transition(
            rule,
            key,
            group.members,
            Change(state, reason, change.event_ms, group.started, group.severity),
            received_ms,
            last,
            late=over,
        )
        self._core.record(said, out)
        if group.announced:
            group.told_severity = max(group.told_severity, group.severity)
            quiet = reason in ("members", "data-returned") or flapping
            self._telling.intend(rule, said, received_ms, out, quiet=quiet, peak=group.told_severity)
        if event == "off":
            group.started, group.severity, group.unknown, group.announced, group.told_severity = None, -1, False, False, -1

    # ------------------------------------------------------------------ flapping

    def _flipped(self, rule: Rule, key: str, change: Change, received_ms: int) -> None:
        flap = self._core.state.flaps.get(f"{rule.id}/{key}")
        if flap is None:
            forget_flaps(self._core.state.flaps, received_ms)
            flap = self._core.state.flaps[f"{rule.id}/{key}"] = FlapState()
        flip(flap, rule, change, received_ms)
        if flap.since is not None:
            self._core.schedule(calm_at(flap, rule), "g", f"{rule.id}/{key}")

    def _say_flapping(
        self, rule: Rule, key: str, group: GroupState, flap: FlapState, last: Transition, received_ms: int, out: Outcomes
    ) -> None:
        """Once: it flaps. What follows is recorded, and told when it has calmed."""
        flap.since = received_ms
        self._say(rule, key, group, flap, "flapping", last.event_ms, received_ms, last, out)
        self._core.schedule(calm_at(flap, rule), "g", f"{rule.id}/{key}")

    def calm(self, rule: Rule, key: str, flap: FlapState, at_ms: int, received_ms: int, out: Outcomes) -> None:
        """It has not flipped for long enough: tell how it stands."""
        flap.since = None
        del flap.times[:-1]
        group = self._core.state.groups.get(f"{rule.id}/{key}")
        self._say(rule, key, group, flap, "calmed", at_ms, received_ms, None, out)

    def _say(
        self, rule: Rule, key: str, group: GroupState | None, flap: FlapState, reason: str, at_ms: int, received_ms: int,
        last: Transition | None, out: Outcomes,
    ) -> None:  # fmt: skip
        self._core.mark_dirty()
        change = Change("resolved", reason, at_ms, flap.started_ms, flap.severity)
        members: tuple[str, ...] = ()
        if group is not None and group.started is not None:
            change = Change("unknown" if group.unknown else "firing", reason, at_ms, group.started, group.severity)
            members = tuple(group.members)
            group.announced, group.told_severity = True, max(group.told_severity, group.severity)
        said = group_transition(rule, key, members, change, received_ms, last)
        self._core.record(said, out)
        self._telling.intend(rule, said, received_ms, out)

    @staticmethod
    def _list(rule: Rule, out: Outcomes, said: int, sight: Sight) -> None:
        """A rule that is evaluated once for all lists the stations at which what it asks of them holds."""
        members = tuple(
            str(other.field("id"))
            for level in rule.levels
            for selector, holds in level.elsewhere
            for other in sight.select(selector)
            if holds(other)
        )
        changed = msgspec.structs.replace(out.transitions[said], members=tuple(sorted(set(members))))
        for index, intent in enumerate(out.intents):
            if intent.transition is out.transitions[said]:
                out.intents[index] = msgspec.structs.replace(intent, transition=changed)
        out.transitions[said] = changed

    def _key(self, rule: Rule, station: StationState) -> str:
        """The group that it is a member of, else the one that it would be of: areas change."""
        begins = f"{rule.id}/"
        for name, group in self._core.state.groups.items():
            if name.startswith(begins) and station.id in group.members:
                return name[len(begins) :]
        entry = self._core.interpreter.registry.stations.get(station.id)
        return group_key(rule, entry.area if entry is not None else "")

    def moved(self, rule: Rule, station: str) -> bool:
        """Whether the station is a member of another group than the one that its area says."""
        entry = self._core.interpreter.registry.stations.get(station)
        return rule.group == "area" and entry is not None and self._key(rule, self._core.stations[station]) != entry.area

    def waits(self, station: StationState, rule: Rule) -> bool:
        """Whether the group's episode is open and nobody was told of it yet."""
        group = self._core.state.groups.get(f"{rule.id}/{self._key(rule, station)}")
        flap = self._core.state.flaps.get(f"{rule.id}/{self._key(rule, station)}")
        return group is not None and group.started is not None and not group.announced and not flaps(flap)

    def _unknown(self, rule: Rule, name: str, station: str, change: Change) -> bool:
        if name == station:
            return change.state == "unknown"
        state = self._core.stations[name].rules.get(rule.id) if name in self._core.stations else None
        return state is not None and state.unknown

    def command(self, rule: Rule, item: Command, key: str, start: str, out: Outcomes) -> bool:
        """An operator acknowledges or silences a group's open episode. (It is closed member by member.)"""
        group = self._core.state.groups.get(f"{rule.id}/{key}")
        if group is None or group.started is None or str(group.started) != start or item.action == "close":
            return False
        change = Change("unknown" if group.unknown else "firing", item.mark, item.now_ms, group.started, group.severity)
        said = group_transition(rule, key, group.members, change, item.now_ms, None)
        self._core.record(msgspec.structs.replace(said, operator=item.operator, comment=item.comment), out)
        return True

    def adopt(self, last: Transition) -> bool:
        """A group's episode that was open before an upgrade keeps its start, which is its name (A5)."""
        group = self._core.state.groups.get(last.episode.rpartition("/")[0])
        if group is None or group.started is None:
            return False
        group.started, group.announced = last.started_ms, True
        group.told_severity = max(group.told_severity, SEVERITIES.index(last.severity))
        return True

    def firing(self, counts: dict[str, int]) -> None:
        """Add the open episodes of groups, by severity."""
        for group in self._core.state.groups.values():
            if group.started is not None:
                counts[SEVERITIES[group.severity]] += 1


def flips_of(rule: Rule) -> int:
    """So many flips make it flap."""
    return rule.flapping.flips if rule.flapping is not None else 1 << 62


def _event(was: str, severity: int, before: int, unknown: bool) -> str | None:
    """What happened to the group, in the words of the table `EPISODE`; None if only its members changed."""
    if was == "closed":
        return "on"
    if severity < 0:
        return "off"
    if severity != before:
        return "worse" if severity > before else "better"
    if unknown != (was == "unknown"):
        return "silent" if unknown else "known"
    return None
