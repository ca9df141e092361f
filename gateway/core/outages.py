"""Many at once: a whole area gone quiet, a broker lost, a lane that delivers nothing. One alarm instead of forty (issue 6; semantics E5).

An area is quiet when every device there that ever spoke is overdue, at three stations at least. The first ones to be overdue wait for
the others, if those have been quiet for half of their time already and will be overdue soon: either the whole area is, or
somebody speaks and those that wait are said one by one. When somebody of a quiet area speaks, the alarm ends and the
others get their three intervals once more.

A broker is lost when it was down, or still delivering a backlog, for five minutes since it went or the gateway started.

A history or receiver has a backlog when the oldest of what waits for it has waited for ten minutes, and the gateway has run as long; it is
over when that is less than two. Who is told does not go through a history, so a dead one can be told of by those that live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.inputs import Accounting, ClockJump, Command
from gateway.core.outcomes import Intent, Outcomes, Transition
from gateway.core.state import DeviceState
from rules import builtin

if TYPE_CHECKING:
    from gateway.core import Core

AREA_STATIONS = 3
"""An area of fewer stations is not said to be quiet: its devices are."""

LOST_AFTER_MS = 5 * 60_000
"""A broker is lost when it was away so long."""

BACKLOG_S, BACKLOG_OVER_S = 600.0, 120.0
"""A lane has a backlog when it is so far behind; it has caught up when it is less than this behind."""

KINDS = frozenset((builtin.AREA_SILENT.id, builtin.BROKER_LOST.id, builtin.GATEWAY_BACKLOG.id))
"""The alerts that are said here."""


class Outages:
    """Areas, brokers and lanes. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._members: dict[str, tuple[str, ...]] = {}
        """Area → its devices. Derived."""
        self._waiting: set[str] = set()
        """Areas of which some device is overdue without an alarm of its own. Derived."""

    # ------------------------------------------------------------------ areas

    def area_of(self, device: DeviceState) -> str:
        """The area in which the device stands; empty if nowhere."""
        entry = self._core.interpreter.registry.devices.get(device.id)
        if entry is None or not entry.placements:
            return ""
        return entry.placements[-1].station.area

    def overdue(self, device: DeviceState, due_ms: int, now_ms: int, out: Outcomes) -> bool:
        """A device that spoke before is overdue. True if it needs no alarm of its own: its area has one, or may have soon."""
        area = self.area_of(device)
        members = self._spoken(area)
        if len({self._core.interpreter.registry.devices[name].placements[-1].station.id for name in members}) < AREA_STATIONS:
            return False
        patience = self._core.silence.silent_after(device)
        if not all(self._quiet(self._core.devices[name], due_ms, patience) for name in members):
            return False
        device.in_area = True
        self._waiting.add(area)
        if all(self._core.devices[name].silent_since is not None for name in members):
            self._core.state.areas[area] = due_ms
            self._say(builtin.AREA_SILENT, area, "firing", "data-stopped", due_ms, due_ms, now_ms, out)
        return True

    def _quiet(self, device: DeviceState, at_ms: int, patience_ms: int) -> bool:
        if device.silent_since is not None:
            return True
        clock = self._core.silence.clock_of(device.source)
        after = self._core.silence.silent_after(device)
        silent_s = clock.now(at_ms) - device.alive_s
        return clock.paused_since is None and silent_s >= after / 2 and after - silent_s <= patience_ms

    def spoke(self, device: DeviceState, now_ms: int, out: Outcomes) -> None:
        """Somebody spoke: its area is not quiet (any more)."""
        if not self._waiting:
            return
        area = self.area_of(device)
        if area not in self._waiting:
            return
        self._waiting.discard(area)
        since = self._core.state.areas.pop(area, None)
        if since is not None:
            self._say(builtin.AREA_SILENT, area, "resolved", "spoke", since, now_ms, now_ms, out)
        for name in self._spoken(area):
            other = self._core.devices[name]
            if other.in_area:
                self._core.snapshots.touch("d:" + name)
                other.in_area = False
                if other is device:
                    other.silent_since = None
                elif since is None:
                    self._core.silence.say_silent(other, now_ms, out)
                else:
                    other.silent_since = None
                    other.alive_s = self._core.silence.clock_of(other.source).now(now_ms)
                    self._core.silence.schedule_device(other)

    def _spoken(self, area: str) -> tuple[str, ...]:
        if not self._members:
            found: dict[str, list[str]] = {}
            for name in sorted(self._core.devices):
                found.setdefault(self.area_of(self._core.devices[name]), []).append(name)
            self._members = {where: tuple(names) for where, names in found.items() if where}
        return tuple(name for name in self._members.get(area, ()) if self._core.devices[name].spoke)

    def registry_changed(self, now_ms: int, out: Outcomes) -> None:
        """Stations moved, came or went: an area alarm without devices of its own ends; devices that moved are looked at anew."""
        self._members = {}
        for device in self._core.devices.values():
            if device.in_area and self.area_of(device) not in self._waiting:
                device.in_area, device.silent_since = False, None
        for area in sorted(self._core.state.areas):
            if not any(self._core.devices[name].in_area for name in self._spoken(area)):
                self._say(builtin.AREA_SILENT, area, "resolved", "decommissioned", self._core.state.areas.pop(area), now_ms, now_ms, out)
        for source in sorted(set(self._core.state.lost) - set(self._core.interpreter.sources)):
            self._say(builtin.BROKER_LOST, source, "resolved", "decommissioned", self._core.state.lost.pop(source), now_ms, now_ms, out)

    # ------------------------------------------------------------------ brokers

    def link(self, source: str, up: bool, now_ms: int, out: Outcomes) -> None:
        """A broker's link changed."""
        since = self._core.state.lost.pop(source, None) if up else None
        if since is not None:
            self._say(builtin.BROKER_LOST, source, "resolved", "link-up", since, now_ms, now_ms, out)

    def broker_due(self, source: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """A broker was away long enough, unless it came back."""
        at_ms = self._lost_at(source)
        if at_ms is None or at_ms > due_ms:
            return
        self._core.mark_dirty()
        self._core.state.lost[source] = due_ms
        self._say(builtin.BROKER_LOST, source, "firing", "link-down", due_ms, due_ms, now_ms, out)

    def _lost_at(self, source: str) -> int | None:
        clock = self._core.state.sources.get(source)
        if clock is None or clock.paused_since is None or source in self._core.state.lost or source not in self._core.interpreter.sources:
            return None
        return max(clock.paused_since, self._core.state.started_ms) + LOST_AFTER_MS

    # ------------------------------------------------------------------ lanes

    def accounted(self, item: Accounting, out: Outcomes) -> None:
        """The minute's figures are there: which lanes are far behind?"""
        open_, now_ms = self._core.state.backlog, item.now_ms
        ran_s = (now_ms - self._core.state.started_ms) / 1000
        for lane, _, behind_s in item.pending:
            if lane not in open_ and behind_s >= BACKLOG_S and ran_s >= BACKLOG_S:
                open_[lane] = now_ms
                self._say(builtin.GATEWAY_BACKLOG, lane, "firing", "waits", now_ms, now_ms, now_ms, out)
            elif lane in open_ and behind_s < BACKLOG_OVER_S:
                self._say(builtin.GATEWAY_BACKLOG, lane, "resolved", "caught-up", open_.pop(lane), now_ms, now_ms, out)
        for gone in sorted(open_.keys() - {lane for lane, *_ in item.pending}):
            self._say(builtin.GATEWAY_BACKLOG, gone, "resolved", "decommissioned", open_.pop(gone), now_ms, now_ms, out)

    # ------------------------------------------------------------------ all

    def reschedule(self) -> None:
        """After a restore, a start, a clock jump, a link or configuration change: what is derived, and every timer, again."""
        self._members = {}
        self._waiting = {self.area_of(device) for device in self._core.devices.values() if device.in_area}
        for source in sorted(self._core.state.sources):
            at_ms = self._lost_at(source)
            if at_ms is not None:
                self._core.schedule(at_ms, "b", source)

    def jump(self, item: ClockJump) -> None:
        """The clock was stepped."""
        self._core.state.started_ms += item.delta_ms

    def since(self, kind: str, group: str) -> int | None:
        """Start of the open episode of this kind; None if none is open."""
        return self._open(kind).get(group)

    def _open(self, kind: str) -> dict[str, int]:
        state = self._core.state
        return {builtin.AREA_SILENT.id: state.areas, builtin.BROKER_LOST.id: state.lost, builtin.GATEWAY_BACKLOG.id: state.backlog}[kind]

    def mark(self, kind: str, item: Command, group: str, out: Outcomes) -> Transition:
        """Record that somebody knows."""
        since = self.since(kind, group)
        assert since is not None
        self._say(builtin.BUILTINS[kind], group, "firing", item.mark, since, item.now_ms, item.now_ms, out)
        out.intents.pop()
        return out.transitions[-1]

    def adopt(self, last: Transition) -> bool:
        """An alarm that was open before an upgrade keeps its start, which is its name (A5)."""
        group = last.episode.removeprefix(last.kind + "/").rpartition("/")[0]
        if self.since(last.kind, group) is None:
            return False
        self._open(last.kind)[group] = last.started_ms
        return True

    def _say(
        self, what: builtin.Builtin, group: str, state: str, reason: str, started_ms: int, event_ms: int, now_ms: int, out: Outcomes
    ) -> None:
        is_area = what is builtin.AREA_SILENT
        members = tuple(name for name in self._spoken(group) if self._core.devices[name].in_area) if is_area else ()
        transition = Transition(
            episode=f"{what.id}/{group}/{started_ms}",
            rule=what.id,
            kind=what.id,
            severity=what.severity,
            state=state,
            reason=reason,
            station="",
            device="",
            area=group if is_area else "",
            parameter="",
            value=None,
            flag=None,
            unit="",
            limit=None,
            started_ms=started_ms,
            event_ms=event_ms,
            processed_ms=now_ms,
            names={language: f"{text}: {group}" for language, text in what.names.items()},
            advice=what.advice,
            members=members,
        )
        self._core.record(transition, out)
        self._core.hush.intend(Intent(due_ms=now_ms, transition=transition), out)
