"""Silence and wrong clocks: the built-in alerts about the sensors themselves (invariant 5, semantics C1, E5).

A device is overdue when its *silence clock* (which stands still while its broker is down or still draining a backlog)
has run for three reporting intervals since its last stored message. A device that never spoke is part of its station's
`never-spoke` alert as long as no device of that station has spoken, and has one of its own after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from devices.timing import shift as shift_clock
from gateway.core import outages
from gateway.core.inputs import ClockJump, Command, Message
from gateway.core.outcomes import Intent, Outcomes, Transition
from gateway.core.state import DeviceState, SilenceClock, StationState
from rules import builtin

if TYPE_CHECKING:
    from gateway.core import Core

_NEVER = 1 << 62


class Silence:
    """The device side of the core. `core` gives state, registry and timers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._scheduled: dict[str, int] = {}
        """Device → its earliest entry on the heap: one is enough, it is worked out again when it comes up. Derived."""

    def clock_of(self, source: str) -> SilenceClock:
        """The silence clock of a source; for "" (not bound, never heard) the first by name; stopped if there is none."""
        sources = self._core.state.sources
        if source in sources:
            return sources[source]
        return sources[min(sources)] if sources and not source else SilenceClock(0, 0)

    def silent_after(self, device: DeviceState) -> int:
        """How long it may be quiet, in ms."""
        entry = self._core.interpreter.registry.devices[device.id]
        after = builtin.SILENT_AFTER_INTERVALS * entry.interval_ms
        return after if device.spoke else max(after, builtin.NEVER_SPOKE_AFTER_MS)

    def schedule_device(self, device: DeviceState) -> None:
        """Ask to be woken when it will be overdue."""
        clock = self.clock_of(device.source)
        if clock.paused_since is None and device.silent_since is None:
            due = device.alive_s + self.silent_after(device) + clock.paused_ms
            if due < self._scheduled.get(device.id, _NEVER):
                self._scheduled[device.id] = due
                self._core.schedule(due, "d", device.id)

    def device_due(self, name: str, due_ms: int, now_ms: int, out: Outcomes) -> None:
        """The silence timer of a device came up: it may have spoken since."""
        device = self._core.devices.get(name)
        if self._scheduled.get(name, due_ms) != due_ms:
            return  # overtaken by an earlier entry, which has come up and put another in its place
        self._scheduled.pop(name, None)
        if device is None or device.silent_since is not None:
            return
        clock = self.clock_of(device.source)
        if clock.paused_since is not None:
            return
        if clock.now(due_ms) - device.alive_s < self.silent_after(device):
            self.schedule_device(device)
            return
        self._core.mark_dirty()
        if self._core.snapshots.active:
            self._core.snapshots.touch("d:" + name)
        device.silent_since = due_ms
        station = self._station_of(device, due_ms)
        if not device.spoke and station is not None and not self._any_spoke(station.id):
            if station.never_since is None:
                if self._core.snapshots.active:
                    self._core.snapshots.touch("s:" + station.id)
                station.never_since = due_ms
                self._say(builtin.NEVER_SPOKE, station.id, "", "firing", "never-spoke", due_ms, due_ms, now_ms, out)
            return
        if not (device.spoke and self._core.outages.overdue(device, due_ms, now_ms, out)):
            self.say_silent(device, now_ms, out)

    def say_silent(self, device: DeviceState, now_ms: int, out: Outcomes) -> None:
        """An overdue device raises an alarm of its own."""
        since = device.silent_since
        assert since is not None
        station = self._station_of(device, since)
        reason = "data-stopped" if device.spoke else "never-spoke"
        self._say(builtin.DEVICE_SILENT, station.id if station else "", device.id, "firing", reason, since, since, now_ms, out)

    def spoke(self, device: DeviceState, message: Message, silence_s: int, out: Outcomes) -> None:
        """A sign of life: a stored message that was not retained."""
        first = not device.spoke
        device.alive_s, device.source = silence_s, message.source
        if first:
            device.spoke = True
            self._first_words(device, message.received_ms, out)
            self.schedule_device(device)
        was_silent = device.silent_since is not None
        self._core.outages.spoke(device, message.received_ms, out)
        if device.silent_since is None:
            if was_silent:
                self.schedule_device(device)
            return
        since, device.silent_since = device.silent_since, None
        if not first or self._was_said_silent(device, since):
            station = self._station_of(device, message.received_ms)
            self._say(
                builtin.DEVICE_SILENT, station.id if station else "", device.id, "resolved", "spoke",
                since, message.received_ms, message.received_ms, out,
            )  # fmt: skip
        self.schedule_device(device)

    def _was_said_silent(self, device: DeviceState, since: int) -> bool:
        """Whether a never-heard device had an episode of its own, rather than being part of its station's."""
        station = self._station_of(device, since)
        return station is None or station.never_since is None or station.never_since > since

    def _first_words(self, device: DeviceState, now_ms: int, out: Outcomes) -> None:
        station = self._station_of(device, now_ms)
        if station is None or station.never_since is None:
            return
        if self._core.snapshots.active:
            self._core.snapshots.touch("s:" + station.id)
        since, station.never_since = station.never_since, None
        self._say(builtin.NEVER_SPOKE, station.id, "", "resolved", "spoke", since, now_ms, now_ms, out)
        for other in sorted(self._core.interpreter.registry.devices_at(station.id)):
            state = self._core.devices[other]
            if state.silent_since is not None and not state.spoke and other != device.id:
                self._core.snapshots.touch("d:" + other)
                state.silent_since = now_ms
                self._say(builtin.DEVICE_SILENT, station.id, other, "firing", "never-spoke", now_ms, now_ms, now_ms, out)
        if device.silent_since is not None:
            device.silent_since = None

    def clock_fault(self, device: DeviceState, event_ms: int, now_ms: int, began: bool, out: Outcomes) -> None:
        """The device's clock went wrong, or is right again (semantics C1)."""
        station = self._station_of(device, now_ms)
        where = station.id if station else ""
        if began:
            device.fault_since = event_ms
            self._say(builtin.CLOCK_FAULT, where, device.id, "firing", "condition", event_ms, event_ms, now_ms, out)
        elif device.fault_since is not None:
            since, device.fault_since = device.fault_since, None
            self._say(builtin.CLOCK_FAULT, where, device.id, "resolved", "clock-mended", since, event_ms, now_ms, out)

    def possible_event(
        self, device: DeviceState, parameter: str, value: float | None, flag: int, at_ms: int, now_ms: int, began: bool, out: Outcomes
    ) -> None:
        """A series has been doubted for 15 minutes, or is believed again (semantics D2). One episode a device at a time."""
        if began == (device.event_since is not None) or (not began and device.event_parameter != parameter):
            return
        since = at_ms if device.event_since is None else device.event_since
        device.event_since, device.event_parameter = (at_ms, parameter) if began else (None, "")
        station = self._station_of(device, at_ms)
        where = station.id if station else ""
        state, reason = ("firing", "condition") if began else ("resolved", "cleared")
        self._say(builtin.POSSIBLE_EVENT, where, device.id, state, reason, since, at_ms, now_ms, out)
        told = msgspec.structs.replace(out.transitions[-1], parameter=parameter, value=value, flag=flag, unit=self._core.unit(parameter))
        out.transitions[-1], out.intents[-1] = told, Intent(due_ms=now_ms, transition=told)

    def clock_jumped(self, item: ClockJump, out: Outcomes) -> None:
        """The gateway's own clock was stepped: the one alarm that a step raises (A6), over as soon as it is said."""
        for state in ("firing", "resolved"):
            self._say(builtin.CLOCK_JUMP, "", "", state, "clock-jump", item.now_ms, item.now_ms, item.now_ms, out)
            told = msgspec.structs.replace(out.transitions[-1], parameter="clock_skew", value=item.delta_ms / 1000, unit="s")
            out.transitions[-1] = told
            out.intents[-1] = Intent(due_ms=item.now_ms, transition=told, quiet=state == "resolved")

    def _any_spoke(self, station: str) -> bool:
        devices = self._core.devices
        return any(devices[name].spoke for name in self._core.interpreter.registry.devices_at(station) if name in devices)

    def _station_of(self, device: DeviceState, at_ms: int) -> StationState | None:
        entry = self._core.interpreter.registry.devices.get(device.id)
        name = entry.station_at(at_ms) if entry else None
        return self._core.stations.get(name) if name else None

    def _say(
        self, what: builtin.Builtin, station: str, device: str, state: str, reason: str, started_ms: int, event_ms: int,
        now_ms: int, out: Outcomes,
    ) -> None:  # fmt: skip
        entry = self._core.interpreter.registry.stations.get(station)
        skew = self._core.devices[device].clock.offset_ms if device in self._core.devices and what is builtin.CLOCK_FAULT else None
        transition = Transition(
            episode=f"{what.id}/{device or station or 'gateway'}/{started_ms}",
            rule=what.id,
            kind=what.id,
            severity=what.severity,
            state=state,
            reason=reason,
            station=station,
            device=device,
            area=entry.area if entry else "",
            parameter="clock_skew" if skew is not None else "",
            value=None if skew is None else skew / 1000,
            flag=None,
            unit="s" if skew is not None else "",
            limit=None,
            started_ms=started_ms,
            event_ms=event_ms,
            processed_ms=now_ms,
            names=what.names,
            advice=what.advice,
        )
        self._core.record(transition, out)
        self._core.hush.intend(Intent(due_ms=now_ms, transition=transition), out)

    def decommission(self, device: DeviceState, now_ms: int, out: Outcomes) -> None:
        """The device is no longer in the registry: its own alerts end."""
        if device.silent_since is not None and device.spoke and not device.in_area:
            self._say(builtin.DEVICE_SILENT, "", device.id, "resolved", "decommissioned", device.silent_since, now_ms, now_ms, out)
        if device.fault_since is not None:
            self._say(builtin.CLOCK_FAULT, "", device.id, "resolved", "decommissioned", device.fault_since, now_ms, now_ms, out)
        if device.event_since is not None:
            self._say(builtin.POSSIBLE_EVENT, "", device.id, "resolved", "decommissioned", device.event_since, now_ms, now_ms, out)

    def command(self, item: Command, out: Outcomes) -> bool:
        """An operator acknowledges or silences an open built-in alert. (It is closed by what it is about, not by hand.)"""
        kind, _, rest = item.episode.partition("/")
        what, (group, _, start) = builtin.BUILTINS.get(kind), rest.rpartition("/")
        if what is None or item.action == "close" or self._since(kind, group) != start:
            return False
        if what.id in outages.KINDS:
            said = self._core.outages.mark(kind, item, group, out)
            out.transitions[-1] = msgspec.structs.replace(said, operator=item.operator, comment=item.comment)
            return True
        station, device = (group, "") if what is builtin.NEVER_SPOKE else ("", group)
        if device:
            found = self._station_of(self._core.devices[device], item.now_ms)
            station = found.id if found else ""
        self._say(what, station, device, "firing", item.mark, int(start), item.now_ms, item.now_ms, out)
        out.intents.pop()
        out.transitions[-1] = msgspec.structs.replace(out.transitions[-1], operator=item.operator, comment=item.comment)
        return True

    def adopt(self, last: Transition) -> bool:
        """A built-in alert that was open before an upgrade: if it still is, it keeps its start, which is its name (A5)."""
        if last.kind in outages.KINDS:
            return self._core.outages.adopt(last)
        group = last.device if last.kind != builtin.NEVER_SPOKE.id else last.station
        if last.kind not in builtin.BUILTINS or not self._since(last.kind, group):
            return False
        if last.kind == builtin.NEVER_SPOKE.id:
            self._core.stations[group].never_since = last.started_ms
        elif last.kind == builtin.DEVICE_SILENT.id:
            self._core.devices[group].silent_since = last.started_ms
        elif last.kind == builtin.POSSIBLE_EVENT.id:
            self._core.devices[group].event_since = last.started_ms
        else:
            self._core.devices[group].fault_since = last.started_ms
        return True

    def _since(self, kind: str, group: str) -> str:
        """Start of the open episode of this kind and group, as text; empty if none is open."""
        since = None
        if kind in outages.KINDS:
            since = self._core.outages.since(kind, group)
        elif kind == builtin.NEVER_SPOKE.id and group in self._core.stations:
            since = self._core.stations[group].never_since
        elif group in self._core.devices:
            device = self._core.devices[group]
            if kind == builtin.DEVICE_SILENT.id:
                since = None if device.in_area else device.silent_since
            else:
                since = device.event_since if kind == builtin.POSSIBLE_EVENT.id else device.fault_since
        return "" if since is None else str(since)

    def reschedule_all(self) -> None:
        """After a restore, a clock jump, a link or configuration change: work out every timer again."""
        self._scheduled.clear()
        for name in sorted(self._core.devices):
            self.schedule_device(self._core.devices[name])

    def jump(self, delta_ms: int) -> None:
        """The gateway's clock was stepped: receipt stamps move with it (semantics A1)."""
        for device in self._core.devices.values():
            shift_clock(device.clock, delta_ms)
