"""The core: (state, inputs) -> (state, outcomes), deterministic, without I/O and without a clock of its own.

One message's way through `Core.step`:

    what is due by its received_ms fires first            Core._advance        (semantics A1)
    interpret: readings, or a rejection with its reason   devices.interpret
    duplicate?                                            Core._is_duplicate   (semantics B1)
    whose time counts                                     devices.timing       (semantics C1, C2)
    lines: station, area and flags at that time           devices.interpret
    rules of the station                                  gateway.watching, gateway.silence
    outcomes: lines, rejections, transitions, intents     gateway.outcomes

The same inputs give the same outcomes and the same state, however they are cut into batches: that is what makes a
journal and a snapshot enough to restart from (DESIGN section 2).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import xxhash

from devices.accumulation import Mark, accumulate
from devices.interpret import Controlled, Interpreted, Interpreter, Outcome, build_interpreter
from devices.rejection import Reason, Rejection
from devices.timing import DeviceClock, Window, stamp
from gateway.inputs import ClockJump, Command, Config, Input, Link, Message, Reinterpreted, Replayed, Shed, Start, Tick, received
from gateway.outcomes import Outcomes, Rejected
from gateway.silence import Silence
from gateway.snapshots import Snapshotter
from gateway.state import Counts, DeviceState, FormatState, Globals, SilenceClock, StationState
from gateway.watching import Watching

RECENT = 16
"""How many messages with device time are remembered per device (semantics B1b)."""

FORMAT_STATES = 10_000
"""Speakers whose format state is kept; beyond it an eighth, the least recently used, is forgotten (they must begin anew)."""


def config_text(plain: dict[str, Any]) -> str:
    """Canonical JSON of a core configuration: same content, same text, same digest."""
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def config_digest(text: str) -> str:
    """xxh3-128 of the canonical text, hex."""
    return xxhash.xxh3_128_hexdigest(text.encode())


class Core:
    """See the module's docstring. Not thread-safe: one event loop steps it."""

    def __init__(self) -> None:
        self.state = Globals()
        self.devices: dict[str, DeviceState] = {}
        self.stations: dict[str, StationState] = {}
        self.formats: dict[str, FormatState] = {}
        self._aside = False
        """The message in hand must not change what formats keep: it was taken in before."""
        self.interpreter: Interpreter = build_interpreter({"types": [], "stations": [], "routes": [], "max_payload": 262144})
        self._window = Window(120_000, 604_800_000)
        self.snapshots = Snapshotter(self)
        self.silence = Silence(self)
        self.watching = Watching(self)
        self._timers: list[tuple[int, str, str]] = []
        """(due, "d" or "s", id): a heap with stale entries, which are worked out again when they come up. Derived."""
        self._dirty = False

    # ------------------------------------------------------------------ stepping

    def step(self, inputs: Sequence[Input]) -> Outcomes:
        """Take in these inputs in order. Never raises for what came from outside; see `Reason.INTERNAL`."""
        out = Outcomes()
        for index, item in enumerate(inputs):
            if isinstance(item, Message):
                now = item.received_ms
                if now >= self._next_due():
                    self._advance(now, out)
                self.state.last_received_ms = now
                self._message(index, item, out)
                out.journal.append(index)
            elif self._other(index, item, out):
                out.journal.append(index)
        return out

    def _other(self, index: int, item: Input, out: Outcomes) -> bool:
        """All inputs but messages; returns whether it must be journalled."""
        now = received(item)
        if isinstance(item, Tick):
            if now < self._next_due():
                return False
            self._dirty = False
            self._advance(now, out)
            if self._dirty:
                self.state.last_received_ms = max(self.state.last_received_ms, now)
            return self._dirty
        if isinstance(item, ClockJump):
            self._jump(item)
            return True
        if isinstance(item, Command):
            # One that does nothing is not journalled, so it must not change the state either.
            self._dirty = False
            self._advance(now, out)
            done = self.watching.command(item, out) or self.silence.command(item, out)
            if done or self._dirty:
                self.state.last_received_ms = max(self.state.last_received_ms, now)
            return done or self._dirty
        self._advance(now, out)
        self.state.last_received_ms = max(self.state.last_received_ms, now)
        if isinstance(item, Config):
            self._configure(item, out)
        elif isinstance(item, Start):
            self.state.starts += 1
            for clock in self.state.sources.values():
                clock.pause(now)
        elif isinstance(item, Link):
            self._link(item)
        elif isinstance(item, Shed):
            self.state.unknown.shed += item.count
            out.shed += item.count
            out.received += item.count
        elif isinstance(item, Replayed):
            self._replay(index, item, out)
        elif isinstance(item, Reinterpreted):
            out.lines.extend(item.lines)
            out.revisions += len(item.lines)
            self.state.revisions += len(item.lines)
        return True

    # ------------------------------------------------------------------ one message

    def _message(self, index: int, message: Message, out: Outcomes) -> None:
        out.received += 1
        result: Outcome
        try:
            self._aside = message.redelivered
            result = self.interpreter.interpret(message.source, message.topic, message.payload, message.received_ms)
        except Exception as error:  # noqa: BLE001 - isolates one message: counted as `internal`, its bytes kept
            result = Rejection(Reason.INTERNAL, f"{type(error).__name__}: {error}")
        if message.redelivered:
            self._duplicate(result, out)
        elif isinstance(result, Rejection):
            self._reject(index, message, result, out)
        elif isinstance(result, Controlled):
            self._counts(None if result.device is None else result.device.id).stored += 1
            out.stored += 1
        elif isinstance(result, list):
            self._records(index, message, result, out)
        elif message.retain and result.time_ms is None:
            self._reject(index, message, _retained(result), out)
        else:
            device = self._touched(result)
            if result.time_ms is not None and self._is_duplicate(device, result.time_ms, *_digests(message), out):
                self._duplicate(result, out)
                return
            refusal = self._store(message, result, device, out)
            if refusal is not None:
                self._reject(index, message, refusal, out)
                return
            out.stored += 1
            device.counts.stored += 1

    def _records(self, index: int, message: Message, records: list[Interpreted], out: Outcomes) -> None:
        """One message of several records: stored if one of them is, a duplicate if all of them are (semantics B4)."""
        stored: DeviceState | None = None
        duplicate: Interpreted | None = None
        refused: list[tuple[Interpreted, Rejection]] = []
        for record in records:
            if message.retain and record.time_ms is None:
                refused.append((record, _retained(record)))
                continue
            device = self._touched(record)
            if record.time_ms is not None and self._is_duplicate(device, record.time_ms, *_record_digests(message, record), out):
                duplicate = duplicate or record
                continue
            refusal = self._store(message, record, device, out)
            if refusal is not None:
                refused.append((record, refusal))
            elif stored is None:
                stored = device
        if stored is not None:
            out.stored += 1
            stored.counts.stored += 1
            for record, _ in refused:
                # The message is stored, so what it lost is counted in values (its bytes are in the journal).
                lost = len(record.values) + len(record.extra)
                self.devices[record.device.id].refused_values += lost
                self.state.refused_values += lost
        elif refused:
            self._reject(index, message, refused[0][1], out)
        else:
            self._duplicate(duplicate or records[0], out)

    def _touched(self, result: Interpreted) -> DeviceState:
        """The state of the device that speaks, about to be changed."""
        device = self.devices[result.device.id]
        if self.snapshots.active:
            self.snapshots.touch("d:" + device.id)
        return device

    def _store(self, message: Message, result: Interpreted, device: DeviceState, out: Outcomes) -> Rejection | None:
        """The readings of one record; counts of messages are the caller's. A rejection: it stands nowhere at that time."""
        entry = result.device
        stamped = stamp(device.clock, result.time_ms, message.received_ms, entry.interval_ms, entry.delay_ms, self._window)
        if entry.accumulates is not None:
            result = self._amounts(result, device.marks, stamped.event_ms)
        lines = self.interpreter.lines(result, stamped.event_ms)
        if isinstance(lines, Rejection):
            return lines
        out.lines.extend(lines)
        values = 0
        for line in lines:
            values += len(line.values)
        device.values += values
        self.state.readings += values
        if result.refused:
            device.refused_values += len(result.refused)
            self.state.refused_values += len(result.refused)
        if device.last_ms is None or stamped.event_ms > device.last_ms:
            device.last_ms = stamped.event_ms
        source = self.state.sources.get(message.source)
        if source is None:
            source = self.state.sources[message.source] = SilenceClock(0, message.received_ms)
        silence_s = source.now(message.received_ms)
        if not message.retain:
            self.silence.spoke(device, message, silence_s, out)
        if stamped.fault_began or stamped.fault_ended:
            self.silence.clock_fault(device, stamped.event_ms, message.received_ms, stamped.fault_began, out)
        self.watching.readings(lines, stamped, message, entry, silence_s, out)
        return None

    @staticmethod
    def _amounts(result: Interpreted, marks: dict[str, Mark], event_ms: int) -> Interpreted:
        """Running totals and rates as amounts of one interval (semantics C7)."""
        entry = result.device
        kinds = entry.accumulates or {}
        values = accumulate(result.values, kinds, marks, event_ms, entry.interval_ms)
        extra = accumulate(result.extra, kinds, marks, event_ms, entry.interval_ms)
        return Interpreted(entry, result.time_ms, values, extra, result.refused)

    def _is_duplicate(self, device: DeviceState, device_ms: int, topic: int, digest: int, out: Outcomes) -> bool:
        """Semantics B1b; also counts revisions: the same key with another value."""
        recent = device.recent
        if device_ms <= device.newest_ms:
            same_key = False
            for at, its_topic, its_digest in recent:
                if at == device_ms and its_topic == topic:
                    if its_digest == digest:
                        return True
                    same_key = True
            if same_key:
                device.revisions += 1
                self.state.revisions += 1
                out.revisions += 1
        else:
            device.newest_ms = device_ms
        recent.append((device_ms, topic, digest))
        if len(recent) > RECENT:
            del recent[0]
        return False

    def _duplicate(self, result: Outcome, out: Outcomes) -> None:
        first = result[0] if isinstance(result, list) else result
        speaker = first.device
        name = speaker if speaker is None or isinstance(speaker, str) else speaker.id
        self._counts(name).duplicate += 1
        out.duplicate += 1

    def _reject(self, index: int, message: Message, rejection: Rejection, out: Outcomes) -> None:
        self._counts(rejection.device).rejected += 1
        self.state.rejected[rejection.reason.value] = self.state.rejected.get(rejection.reason.value, 0) + 1
        out.rejections.append(
            Rejected(
                index=index,
                received_ms=message.received_ms,
                source=message.source,
                topic=message.topic,
                payload=message.payload,
                qos=message.qos,
                retain=message.retain,
                device=rejection.device or "?",
                reason=rejection.reason.value,
                detail=rejection.detail,
            )
        )

    def _counts(self, device: str | None) -> Counts:
        if device is None or device not in self.devices:
            return self.state.unknown
        if self.snapshots.active:
            self.snapshots.touch("d:" + device)
        return self.devices[device].counts

    def _replay(self, index: int, item: Replayed, out: Outcomes) -> None:
        """Take in again what was rejected: history and counts only, never rules (semantics B4, E10)."""
        message = item.message
        self._aside = True
        result = self.interpreter.interpret(message.source, message.topic, message.payload, message.received_ms)
        if isinstance(result, Rejection):
            return
        taken: list[DeviceState] = []
        for record in _records_of(result):
            if message.retain and record.time_ms is None:
                continue
            at_ms = self._replayed_at(record, message.received_ms)
            if record.device.accumulates is not None:
                # What the total was before is not known any more: totals are missing, rates hold for one interval.
                record = self._amounts(record, {}, at_ms)
            lines = self.interpreter.lines(record, at_ms)
            if isinstance(lines, Rejection):
                continue
            device = self._touched(record)
            values = sum(len(line.values) for line in lines)
            device.values += values
            self.state.readings += values
            out.lines.extend(lines)
            taken.append(device)
        if not taken and not isinstance(result, Controlled):
            return
        before = self._counts(item.device)
        before.rejected -= 1
        self.state.rejected[item.reason] -= 1
        if not self.state.rejected[item.reason]:
            del self.state.rejected[item.reason]
        counts = taken[0].counts if taken else self._counts(None)
        counts.stored += 1
        out.stored += 1
        out.replayed.append(item.rejection)

    def _replayed_at(self, record: Interpreted, received_ms: int) -> int:
        """The record's own time where it may be believed (C1), else that of its receipt."""
        at = record.time_ms
        if at is None:
            return received_ms
        behind = received_ms - at
        past = self._window.past_ms
        return received_ms if behind < -self._window.ahead_ms or (past is not None and behind > past) else at

    # ------------------------------------------------------------------ formats with state

    def _format_state(self, name: str) -> dict[str, object]:
        """What a format has kept under `name`, about to be changed in place. For a message taken in before: a copy."""
        held = self.formats.get(name)
        if self._aside:
            return {} if held is None else _copied(held.data)
        if held is None:
            if len(self.formats) >= FORMAT_STATES:
                self._forget_formats()
            held = self.formats[name] = FormatState(id=name)
        elif self.snapshots.active:
            self.snapshots.touch("f:" + name)
        held.used_ms = self.state.last_received_ms
        return held.data

    def _forget_formats(self) -> None:
        oldest = sorted(self.formats.values(), key=lambda state: (state.used_ms, state.id))[: max(1, FORMAT_STATES // 8)]
        for state in oldest:
            self.snapshots.touch("f:" + state.id)
            del self.formats[state.id]

    # ------------------------------------------------------------------ time

    def schedule(self, due_ms: int, kind: str, name: str) -> None:
        """Ask for `kind`/`name` to be looked at when an input has received_ms >= due_ms."""
        heapq.heappush(self._timers, (due_ms, kind, name))

    def mark_dirty(self) -> None:
        """Something changed: the tick that caused it must be journalled."""
        self._dirty = True

    def _reschedule(self, now_ms: int) -> None:
        self._timers = []
        self.silence.reschedule_all()
        self.watching.reschedule_all(now_ms)

    def _next_due(self) -> int:
        return self._timers[0][0] if self._timers else 1 << 62

    def _advance(self, now_ms: int, out: Outcomes) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now_ms:
            due, kind, name = heapq.heappop(timers)
            if kind == "d":
                self.silence.device_due(name, due, now_ms, out)
            else:
                self.watching.station_due(name, due, now_ms, out)

    def _link(self, item: Link) -> None:
        clock = self.state.sources.setdefault(item.source, SilenceClock(0, item.now_ms))
        if item.up:
            clock.resume(item.now_ms)
            self._reschedule(item.now_ms)
        else:
            clock.pause(item.now_ms)

    def _jump(self, item: ClockJump) -> None:
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
        self.watching.jump(item.delta_ms)
        self._reschedule(item.now_ms)

    # ------------------------------------------------------------------ configuration and state

    def _configure(self, item: Config, out: Outcomes) -> None:
        plain = json.loads(item.text)
        self._load_config(plain)
        self.state.config = item.digest
        self.snapshots.touch_all()
        self._adopt_registry(item.now_ms, out)
        self.watching.configure(plain["rules"], item.now_ms, out)
        self._reschedule(item.now_ms)

    def _load_config(self, plain: dict[str, Any]) -> None:
        self.interpreter = build_interpreter(plain)
        self.interpreter.state_of = self._format_state
        self._window = Window(plain["time"]["ahead_ms"], plain["time"]["past_ms"])

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
        """Canonical unit of a parameter, UCUM; empty if the catalogue lacks it."""
        known = self.interpreter.catalogue.get(parameter)
        return known.unit if known else ""

    def units(self) -> list[str]:
        """Names of all units, in canonical order."""
        return [f"d:{name}" for name in sorted(self.devices)] + [f"s:{name}" for name in sorted(self.stations)] + [
            f"f:{name}" for name in sorted(self.formats)
        ]

    def encode_unit(self, name: str) -> bytes | None:
        """One unit as msgpack, None if it no longer exists. Dictionaries in key order, so equal states are equal bytes."""
        units: dict[str, dict[str, Any]] = {"d": self.devices, "s": self.stations, "f": self.formats}
        unit = units[name[0]].get(name[2:])
        return None if unit is None else _encode(unit)

    def encode_globals(self) -> bytes:
        """What belongs to no unit."""
        return _encode(self.state)

    def export(self) -> bytes:
        """The whole state as bytes: for comparing two cores."""
        parts = [self.encode_globals()] + [self.encode_unit(name) or b"" for name in self.units()]
        return b"\n".join(parts)

    def restore(self, globals_: bytes, units: Iterator[tuple[str, bytes]], text: str) -> None:
        """Load a snapshot that was made under the configuration `text`. Replaces everything."""
        plain = json.loads(text)
        self.state = msgspec.msgpack.decode(globals_, type=Globals)
        self.devices, self.stations, self.formats, self._timers = {}, {}, {}, []
        for name, data in units:
            if name[0] == "d":
                self.devices[name[2:]] = msgspec.msgpack.decode(data, type=DeviceState)
            elif name[0] == "f":
                self.formats[name[2:]] = msgspec.msgpack.decode(data, type=FormatState)
            else:
                self.stations[name[2:]] = msgspec.msgpack.decode(data, type=StationState)
        self._load_config(plain)
        self.watching.load(plain["rules"])
        self._reschedule(self.state.last_received_ms)


def _records_of(result: Interpreted | list[Interpreted] | Controlled) -> list[Interpreted]:
    return result if isinstance(result, list) else [] if isinstance(result, Controlled) else [result]


def _retained(result: Interpreted) -> Rejection:
    return Rejection(Reason.RETAINED, "retained, and without device time", result.device.id)


def _digests(message: Message) -> tuple[int, int]:
    """Of topic and payload: with device and device time, what makes two messages the same (semantics B1b)."""
    return xxhash.xxh3_64_intdigest(message.topic.encode()), xxhash.xxh3_64_intdigest(message.payload)


def _record_digests(message: Message, record: Interpreted) -> tuple[int, int]:
    """The same for one of several records: it is known by its parameters, and equal by its values."""
    values = [*record.values, *record.extra]
    where = message.topic + "\0" + "\0".join(value.parameter for value in values)
    return xxhash.xxh3_64_intdigest(where.encode()), xxhash.xxh3_64_intdigest(_encode(values))


def _copied(value: Any) -> Any:
    """A copy of plain data, as deep as it is."""
    return msgspec.msgpack.decode(_encode(value))


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def _encode(value: object) -> bytes:
    return _ENCODER.encode(value)
