"""The core: (state, inputs) -> (state, outcomes), deterministic, without I/O and without a clock of its own.

One message's way through `Core.step`:

    what is due by its received_ms fires first            Core._advance        (semantics A1)
    taken in: readings, a duplicate or a rejection        gateway.core.taking
    judged, and put into its hour                         gateway.core.judging, gateway.core.summing
    rules of the station, timers, silence, clocks         gateway.core.watching, gateway.core.timers, gateway.core.silence
    outcomes: lines, rejections, transitions, intents     gateway.core.outcomes

The same inputs give the same outcomes and the same state, however they are cut into batches: that is what makes a
journal and a snapshot enough to restart from (DESIGN section 2).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import xxhash

from devices import loader
from devices.interpret import Interpreter, build_interpreter
from devices.reading import Line
from devices.registry import DEFAULT_ZONE
from devices.timing import DeviceClock, Window
from gateway.core.accounted import own_lines
from gateway.core.hush import Hush
from gateway.core.inputs import (
    Accounting,
    Adopt,
    ClockJump,
    Command,
    Config,
    Imported,
    Input,
    Link,
    Message,
    Reinterpreted,
    Replayed,
    Shed,
    Start,
    Tick,
    received,
)
from gateway.core.judging import Judging
from gateway.core.outages import Outages
from gateway.core.outcomes import Intent, Outcomes, Transition
from gateway.core.rulebook import Rulebook
from gateway.core.silence import Silence
from gateway.core.snapshots import Snapshotter
from gateway.core.state import Counts, DeviceState, FormatState, Globals, SilenceClock, StationState
from gateway.core.summing import Summing
from gateway.core.taking import Taking
from gateway.core.timers import Timers
from gateway.core.watching import Watching
from rules.columns import decode_column, encode_column


def config_text(plain: dict[str, Any]) -> str:
    """Canonical JSON of a core configuration: same content, same text, same digest."""
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def config_digest(text: str) -> str:
    """xxh3-128 of the canonical text, hex."""
    return xxhash.xxh3_128_hexdigest(text.encode())


class Core:
    """See the module's docstring. Not thread-safe: one event loop steps it."""

    def __init__(self, prepared: tuple[str, Interpreter] | None = None) -> None:
        """`prepared` is (digest, interpreter) of a configuration that is compiled already: it is not compiled again."""
        self._prepared = prepared or ("", None)
        self.state = Globals()
        self.devices: dict[str, DeviceState] = {}
        self.stations: dict[str, StationState] = {}
        self.formats: dict[str, FormatState] = {}
        self.interpreter: Interpreter = build_interpreter({"types": [], "stations": [], "routes": [], "max_payload": 262144})
        self.window = Window(120_000, 604_800_000)
        self.snapshots = Snapshotter(self)
        self.taking = Taking(self)
        self.silence = Silence(self)
        self.outages = Outages(self)
        self.hush = Hush(self)
        self.judging = Judging(self)
        self.summing = Summing(self)
        self.watching = Watching(self)
        self.timers = Timers(self, self.watching)
        self.rulebook = Rulebook(self, self.watching)
        self._timers: list[tuple[int, str, str]] = []
        """(due, "d", "s", "b", "g", "h" or "m", id): a heap with stale entries, which are worked out again when they come up. Derived."""
        self._dirty = False

    def prepare(self, digest: str, interpreter: Interpreter) -> None:
        """A configuration of this digest is about to come, and is compiled already."""
        self._prepared = digest, interpreter

    # ------------------------------------------------------------------ stepping

    def step(self, inputs: Sequence[Input]) -> Outcomes:
        """Take in these inputs in order. Never raises for what came from outside; see `Reason.INTERNAL`."""
        out = Outcomes()
        take_in = self.taking.message
        for index, item in enumerate(inputs):
            if item.__class__ is Message:
                now = item.received_ms
                timers = self._timers
                if timers and now >= timers[0][0]:
                    self._advance(now, out)
                self.state.last_received_ms = now
                take_in(index, item, out)
                out.journal.append(index)
            elif self._other(index, item, out):
                out.journal.append(index)
        return out

    def _other(self, index: int, item: Input, out: Outcomes) -> bool:
        """All inputs but messages; returns whether it must be journalled."""
        if isinstance(item, Imported):
            out.archive.extend(item.lines)
            return True
        now = received(item)
        if isinstance(item, Tick):
            if now < self.next_due_ms():
                return False
            self._dirty = False
            self._advance(now, out)
            if self._dirty:
                self.state.last_received_ms = max(self.state.last_received_ms, now)
            return self._dirty
        if isinstance(item, ClockJump):
            self._jump(item, out)
            return True
        self._dirty = False
        if isinstance(item, Start | Adopt):
            # Nobody listened since the last input: what time alone does waits until the brokers' backlog is in (E5), and
            # nobody was lost to a gateway that did not run.
            self.state.started_ms = now
            for clock in self.state.sources.values():
                clock.pause(self.state.last_received_ms)
        self._advance(now, out)
        if isinstance(item, Command):
            done = self.rulebook.command(item, out) or self.silence.command(item, out)
            if done and item.action == "silence":
                self.hush.silence(item, out)
            if done or self._dirty:
                self.state.last_received_ms = max(self.state.last_received_ms, now)
            return done or self._dirty
        self.state.last_received_ms = max(self.state.last_received_ms, now)
        if isinstance(item, Config):
            self._configure(item, out)
        elif isinstance(item, Start):
            self.state.starts += 1
            self.state.version = item.version
            self.outages.reschedule()
        elif isinstance(item, Adopt):
            self._adopt(item, out)
        elif isinstance(item, Link):
            self._link(item, out)
        elif isinstance(item, Shed):
            self.state.unknown.shed += item.count
            out.shed += item.count
            out.received += item.count
        elif isinstance(item, Replayed):
            self.taking.replay(item, out)
        elif isinstance(item, Reinterpreted):
            out.lines.extend(item.lines)
            out.revisions += len(item.lines)
            self.state.revisions += len(item.lines)
        elif isinstance(item, Accounting):
            out.lines.extend(own_lines(item))
            self.outages.accounted(item, out)
        return True

    # ------------------------------------------------------------------ time

    def schedule(self, due_ms: int, kind: str, name: str) -> None:
        """Ask for `kind`/`name` to be looked at when an input has received_ms >= due_ms."""
        heapq.heappush(self._timers, (due_ms, kind, name))

    def record(self, transition: Transition, out: Outcomes) -> None:
        """Record a transition, and give it to the histories as a line of medium `alert` (DESIGN section 5)."""
        out.transitions.append(transition)
        station = self.stations.get(transition.station)
        if station is None:
            return  # about the gateway, or a device that stands nowhere: the ledger has it
        if self.snapshots.active:
            self.snapshots.touch("s:" + station.id)
        # Two rules may say something about one reading: their lines must not overwrite each other.
        at = transition.event_ms
        at, station.alert_ms = (station.alert_line_ms + 1, at) if at == station.alert_ms else (at, at)
        station.alert_line_ms = at
        notes: list[tuple[str, str | float]] = [
            (name, text)
            for name in ("rule", "kind", "severity", "state", "reason", "parameter", "episode")
            if (text := getattr(transition, name))
        ]
        if transition.value is not None:
            notes.append(("value", transition.value))
        # Since the episode began: of an acknowledgement, how long it took (InfluxQL cannot take one time from another).
        notes.append(("open_s", max(0.0, (transition.event_ms - transition.started_ms) / 1000)))
        device = transition.device or station.id
        out.lines.append(Line("alert", station.id, device, transition.area, at, (), tuple(notes)))

    def mark_dirty(self) -> None:
        """Something changed: the tick that caused it must be journalled."""
        self._dirty = True

    def _reschedule(self, now_ms: int) -> None:
        self._timers = []
        self.silence.reschedule_all()
        self.outages.reschedule()
        self.summing.reschedule_all()
        self.timers.reschedule_all(now_ms)

    def next_due_ms(self) -> int:
        """When something may be due that needs no message; far in the future if nothing is."""
        return self._timers[0][0] if self._timers else 1 << 62

    def _advance(self, now_ms: int, out: Outcomes) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now_ms:
            due, kind, name = heapq.heappop(timers)
            if kind == "d":
                self.silence.device_due(name, due, now_ms, out)
            elif kind == "b":
                self.outages.broker_due(name, due, now_ms, out)
            elif kind == "g":
                self.timers.group_due(name, due, now_ms, out)
            elif kind == "m":
                self.timers.minute_due(due, now_ms, out)
            elif kind == "h":
                self.summing.due(name, due, now_ms, out)
            else:
                self.timers.station_due(name, due, now_ms, out)

    def _link(self, item: Link, out: Outcomes) -> None:
        clock = self.state.sources.setdefault(item.source, SilenceClock(0, item.now_ms))
        if item.up:
            clock.resume(item.now_ms)
            self._reschedule(item.now_ms)
        else:
            clock.pause(item.now_ms)
            self.outages.reschedule()
        self.outages.link(item.source, item.up, item.now_ms, out)

    def _adopt(self, item: Adopt, out: Outcomes) -> None:
        """Semantics A5: episodes that were announced go on under their name, or end with the reason `upgraded`."""
        self.snapshots.touch_all()
        for last in item.open:
            if self.rulebook.adopt(last) or self.silence.adopt(last):
                continue
            over = msgspec.structs.replace(last, state="resolved", reason="upgraded", event_ms=item.now_ms, processed_ms=item.now_ms)
            self.record(over, out)
            if last.mode != "shadow":
                out.intents.append(Intent(due_ms=item.now_ms, transition=over))
        self._reschedule(item.now_ms)

    def _jump(self, item: ClockJump, out: Outcomes) -> None:
        """Semantics A1, A6: pending deadlines, watermarks and last receipt stamps move by the step."""
        self.state.clock_jumps += 1
        self.state.last_received_ms = item.now_ms
        for clock in self.state.sources.values():
            if clock.paused_since is None:
                clock.paused_ms += item.delta_ms
            else:
                clock.paused_since += item.delta_ms
                clock.paused_ms += item.delta_ms
        self.snapshots.touch_all()
        self.silence.jump(item.delta_ms)
        self.rulebook.jump(item.delta_ms)
        self.outages.jump(item)
        self.hush.jump(item.delta_ms)
        self.judging.jump(item.delta_ms)
        self.summing.jump(item.delta_ms)
        self._reschedule(item.now_ms)
        self.silence.clock_jumped(item, out)

    # ------------------------------------------------------------------ configuration and state

    def _configure(self, item: Config, out: Outcomes) -> None:
        plain = json.loads(item.text)
        self._load_config(plain, item.digest)
        self.state.config = item.digest
        self.snapshots.touch_all()
        self._adopt_registry(item.now_ms, out)
        self.outages.registry_changed(item.now_ms, out)
        zone = plain.get("timezone", DEFAULT_ZONE)
        self.rulebook.configure(plain["rules"], item.now_ms, out, zone, item.windows)
        self._reschedule(item.now_ms)

    def _load_config(self, plain: dict[str, Any], digest: str) -> None:
        known, interpreter = self._prepared
        self.interpreter = interpreter if interpreter is not None and known == digest else build_interpreter(plain)
        self.interpreter.state_of = self.taking.format_state
        self.window = Window(plain["time"]["ahead_ms"], plain["time"]["past_ms"])
        self.judging.forget()
        self.summing.configure(plain.get("timezone", DEFAULT_ZONE), self.state.last_received_ms)

    def _adopt_registry(self, now_ms: int, out: Outcomes) -> None:
        registry = self.interpreter.registry
        for source in sorted(self.interpreter.sources):
            self.state.sources.setdefault(source, SilenceClock(0, now_ms))
        for gone in sorted(set(self.devices) - set(registry.devices)):
            state = self.devices.pop(gone)
            self.silence.decommission(state, now_ms, out)
            for field in ("stored", "rejected", "duplicate", "shed"):
                setattr(self.state.retired, field, getattr(self.state.retired, field) + getattr(state.counts, field))
        for name in registry.stations:
            if name not in self.stations:
                self.stations[name] = StationState(id=name)
        for name, device in registry.devices.items():
            if name not in self.devices:
                source = device.broker or ""
                alive = self.silence.clock_of(source).now(now_ms)
                self.devices[name] = DeviceState(id=name, clock=DeviceClock(), counts=Counts(), alive_s=alive, source=source)

    def unit(self, parameter: str) -> str:
        """Canonical unit of a parameter or of what is derived, UCUM; empty if neither table has it."""
        known = self.interpreter.catalogue.get(parameter) or loader.derived_table().get(parameter)
        return known.unit if known else ""

    def units(self) -> list[str]:
        """Names of all units, in canonical order."""
        units: dict[str, Iterable[str]] = {"d": self.devices, "s": self.stations, "f": self.formats}
        return [f"{kind}:{name}" for kind, names in units.items() for name in sorted(names)]

    def encode_unit(self, name: str) -> bytes | None:
        """One unit as msgpack, None if it no longer exists. Dictionaries in key order, so equal states are equal bytes."""
        units: dict[str, dict[str, Any]] = {"d": self.devices, "s": self.stations, "f": self.formats}
        unit = units[name[0]].get(name[2:])
        if name[0] == "s":
            self.watching.fold_station(name[2:])
        return None if unit is None else _encode(unit)

    def encode_globals(self) -> bytes:
        """What belongs to no unit."""
        return _encode(self.state)

    def export(self) -> bytes:
        """The whole state as bytes: for comparing two cores."""
        parts = [self.encode_globals()] + [self.encode_unit(name) or b"" for name in self.units()]
        return b"\n".join(parts)

    def restore(self, globals_: bytes, units: Iterator[tuple[str, bytes]], text: str) -> None:
        """Load a snapshot that was made under the configuration `text`. Replaces everything.

        Raises msgspec.DecodeError or ValueError if it is not a whole snapshot; then this core is of no use any more.
        """
        plain = json.loads(text)
        self.state = msgspec.msgpack.decode(globals_, type=Globals)
        self.devices, self.stations, self.formats, self._timers = {}, {}, {}, []
        for name, data in units:
            if name[0] == "d":
                self.devices[name[2:]] = msgspec.msgpack.decode(data, type=DeviceState)
            elif name[0] == "f":
                self.formats[name[2:]] = msgspec.msgpack.decode(data, type=FormatState)
            else:
                self.stations[name[2:]] = msgspec.msgpack.decode(data, type=StationState, dec_hook=decode_column)
        self._load_config(plain, self.state.config)
        registry = self.interpreter.registry
        if self.devices.keys() != registry.devices.keys() or not registry.stations.keys() <= self.stations.keys():
            raise ValueError("the snapshot lacks devices or stations of its own configuration")
        self.rulebook.load(plain["rules"], plain.get("timezone", DEFAULT_ZONE))
        self._reschedule(self.state.last_received_ms)


_ENCODER = msgspec.msgpack.Encoder(order="deterministic", enc_hook=encode_column)


def _encode(value: object) -> bytes:
    return _ENCODER.encode(value)
