"""Taking in one message: interpret, recognise what was there before, settle whose time counts, hand on to the rules.

    interpret: records, a control message, or a rejection   devices.interpret
    duplicate?                                              Taking._is_duplicate   (semantics B1)
    whose time counts                                       devices.timing         (semantics C1, C2)
    running totals and rates as amounts of one interval     devices.accumulation   (semantics C7)
    lines: station, area and flags at that time             devices.interpret
    is it to be believed? its hour                          gateway.core.judging, gateway.core.summing
    rules of the station                                    gateway.core.watching, gateway.core.silence

Accounting is per message (semantics B4): counts are the last thing that a message changes, so whatever stumbles before
costs this message only, and it is counted as rejected for `internal` (invariant 3).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import xxhash

from devices.accumulation import Mark, accumulate
from devices.codecs import Stopped
from devices.interpret import Controlled, Interpreted, Outcome
from devices.rejection import Reason, Rejection
from devices.timing import receipt, stamp
from gateway.core.inputs import Message, Replayed
from gateway.core.outcomes import Outcomes, Rejected
from gateway.core.state import Counts, DeviceState, FormatState, SilenceClock

if TYPE_CHECKING:
    from gateway.core import Core

RECENT = 16
"""How many messages with device time are remembered per device (semantics B1b)."""

FORMAT_STATES = 10_000
"""Speakers whose format state is kept; beyond it an eighth, the least recently used, is forgotten (they must begin anew)."""

_RECENT = struct.Struct("<qQQ")
_RECENT_BYTES = (RECENT - 1) * _RECENT.size
_CACHED_TOPICS = 50_000
_digest = xxhash.xxh3_64_intdigest
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Taking:
    """The message side of the core. `core` gives state, interpreter and what watches."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._topics: dict[str, int] = {}
        """Digests of topics. Derived."""
        self.corrected_ms: int | None = None
        """Device time of the record in hand, if it is one of before with other values."""
        self._aside = False
        """The message in hand must not change what formats keep: it was taken in before."""

    def message(self, index: int, message: Message, out: Outcomes) -> None:
        """Input `index` of the step. Never raises.

        Of a message at which we stumble no reading is stored. What the rules had already said of it stays: their state is not taken
        back, and an alert that is open must be told.
        """
        out.received += 1
        lines = len(out.lines)
        try:
            self._take_in(index, message, out)
        except Exception as error:  # noqa: BLE001 - isolates one message: counted as `internal`, its bytes kept
            del out.lines[lines:]
            self._reject(index, message, Rejection(Reason.INTERNAL, f"{type(error).__name__}: {error}"), out)

    def _take_in(self, index: int, message: Message, out: Outcomes) -> None:
        self._aside = message.redelivered
        result: Outcome
        if message.stopped is None:
            result = self._core.interpreter.interpret(message.source, message.topic, message.payload, message.received_ms)
            if result.__class__ is Stopped:
                out.stopped.append((index, result.detail, result.device))
        else:
            result = Rejection(Reason.CODEC_FAILED, *message.stopped)
        if message.redelivered:
            self._duplicate(result, out)
        elif result.__class__ is Interpreted:
            self._record(index, message, result, out)
        elif isinstance(result, Rejection):
            self._reject(index, message, result, out)
        elif isinstance(result, Controlled):
            self._counts(None if result.device is None else result.device.id).stored += 1
            out.stored += 1
        elif isinstance(result, list):
            self._records(index, message, result, out)

    # ------------------------------------------------------------------ records

    def _record(self, index: int, message: Message, result: Interpreted, out: Outcomes) -> None:
        """A message of one record: nearly every message."""
        device_ms = result.time_ms
        if message.retain and device_ms is None:
            self._reject(index, message, _retained(result), out)
            return
        device = self._touched(result)
        if device_ms is not None:
            topic = self._topics.get(message.topic)
            if topic is None:
                topic = self._digest_topic(message.topic)
            if self._is_duplicate(device, device_ms, topic, _digest(message.payload), out):
                self._duplicate(result, out)
                return
        else:
            self.corrected_ms = None
        refusal = self._store(message, result, device, out)
        if refusal is not None:
            self._reject(index, message, refusal, out)
            return
        out.stored += 1
        device.counts.stored += 1
        self._count_values(device, result)

    def _records(self, index: int, message: Message, records: list[Interpreted], out: Outcomes) -> None:
        """One message of several records: stored if one of them is, a duplicate if all of them are (semantics B4)."""
        stored: list[tuple[DeviceState, Interpreted]] = []
        duplicate: Interpreted | None = None
        refused: list[tuple[Interpreted, Rejection]] = []
        for record in records:
            if message.retain and record.time_ms is None:
                refused.append((record, _retained(record)))
                continue
            device = self._touched(record)
            self.corrected_ms = None
            if record.time_ms is not None and self._is_duplicate(device, record.time_ms, *_record_digests(message, record), out):
                duplicate = duplicate or record
                continue
            refusal = self._store(message, record, device, out)
            if refusal is not None:
                refused.append((record, refusal))
            else:
                stored.append((device, record))
        if stored:
            out.stored += 1
            stored[0][0].counts.stored += 1
            for device, record in stored:
                self._count_values(device, record)
            for record, _ in refused:
                # The message is stored, so what it lost is counted in values (its bytes are in the journal).
                lost = len(record.values) + len(record.extra)
                self._core.devices[record.device.id].refused_values += lost
                self._core.state.refused_values += lost
        elif refused:
            self._reject(index, message, refused[0][1], out)
        else:
            self._duplicate(duplicate or records[0], out)

    def _touched(self, result: Interpreted) -> DeviceState:
        """The state of the device that speaks, about to be changed."""
        core = self._core
        device = core.devices[result.device.id]
        if core.snapshots.active:
            core.snapshots.touch("d:" + device.id)
        return device

    def _store(self, message: Message, result: Interpreted, device: DeviceState, out: Outcomes) -> Rejection | None:
        """The readings of one record; counts are the caller's. A rejection: it stands nowhere at that time."""
        core, entry, received_ms = self._core, result.device, message.received_ms
        state = core.state
        stamped = stamp(device.clock, result.time_ms, received_ms, entry.interval_ms, entry.delay_ms, core.window)
        event_ms = stamped.event_ms
        if entry.accumulates is not None:
            result = _amounts(result, device.marks, event_ms)
        lines = core.interpreter.lines(result, event_ms)
        if isinstance(lines, Rejection):
            return lines
        if stamped.rules_ms == event_ms:
            lines = core.judging.lines(lines, device, entry, received_ms, out, result.position)
        out.lines.extend(lines)
        if device.last_ms is None or event_ms > device.last_ms:
            device.last_ms = event_ms
        source = state.sources.get(message.source)
        if source is None:
            source = state.sources[message.source] = SilenceClock(0, received_ms)
        silence_s = source.now(received_ms)
        if not message.retain:
            core.silence.spoke(device, message, silence_s, out)
        if stamped.fault_began or stamped.fault_ended:
            core.silence.clock_fault(device, event_ms, received_ms, stamped.fault_began, out)
        core.watching.readings(lines, stamped, message, entry, silence_s, out)
        if stamped.rules_ms == event_ms:
            core.summing.passed(core.stations[lines[0].station], event_ms, received_ms, out)
        return None

    def _count_values(self, device: DeviceState, result: Interpreted) -> None:
        values = len(result.values) + len(result.extra)
        device.values += values
        self._core.state.readings += values
        if result.refused:
            device.refused_values += len(result.refused)
            self._core.state.refused_values += len(result.refused)

    # ------------------------------------------------------------------ duplicates and rejections

    def _is_duplicate(self, device: DeviceState, device_ms: int, topic: int, digest: int, out: Outcomes) -> bool:
        """Semantics B1b; also counts revisions: the same key with another value."""
        recent = device.recent
        self.corrected_ms = None
        if device_ms <= device.newest_ms:
            same_key = False
            for at, its_topic, its_digest in _RECENT.iter_unpack(recent):
                if at == device_ms and its_topic == topic:
                    if its_digest == digest:
                        return True
                    same_key = True
            if same_key:
                self.corrected_ms = device_ms
                device.revisions += 1
                self._core.state.revisions += 1
                out.revisions += 1
        else:
            device.newest_ms = device_ms
        device.recent = recent[-_RECENT_BYTES:] + _RECENT.pack(device_ms, topic, digest)
        return False

    def _digest_topic(self, topic: str) -> int:
        if len(self._topics) >= _CACHED_TOPICS:
            self._topics.clear()
        found = self._topics[topic] = _digest(topic.encode())
        return found

    def _duplicate(self, result: Outcome, out: Outcomes) -> None:
        first = result[0] if isinstance(result, list) else result
        speaker = first.device
        name = speaker if speaker is None or isinstance(speaker, str) else speaker.id
        self._counts(name).duplicate += 1
        out.duplicate += 1

    def _reject(self, index: int, message: Message, rejection: Rejection, out: Outcomes) -> None:
        rejected = self._core.state.rejected
        self._counts(rejection.device).rejected += 1
        # Its receipt stamp is taken now: when it is replayed after a mend, no neighbour of the same millisecond has it too (C2).
        speaker = self._core.devices.get(rejection.device or "")
        received_ms = message.received_ms if speaker is None else receipt(speaker.clock, message.received_ms)
        rejected[rejection.reason.value] = rejected.get(rejection.reason.value, 0) + 1
        out.rejections.append(
            Rejected(
                index=index,
                received_ms=received_ms,
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
        core = self._core
        if device is None or device not in core.devices:
            return core.state.unknown
        if core.snapshots.active:
            core.snapshots.touch("d:" + device)
        return core.devices[device].counts

    # ------------------------------------------------------------------ replay

    def replay(self, item: Replayed, out: Outcomes) -> None:
        """Take in again what was rejected: history and counts only, never rules (semantics B4, E10)."""
        message, state = item.message, self._core.state
        self._aside = True
        try:
            result = self._core.interpreter.interpret(message.source, message.topic, message.payload, message.received_ms)
        except Exception:  # noqa: BLE001 - isolates one message: it stays among the rejections, with its bytes
            return
        if isinstance(result, Rejection):
            return
        taken: list[DeviceState] = []
        for record in _records_of(result):
            if message.retain and record.time_ms is None:
                continue
            at_ms = self._replayed_at(record, message.received_ms)
            if record.device.accumulates is not None:
                # What the total was before is not known any more: totals are missing, rates hold for one interval.
                record = _amounts(record, {}, at_ms)
            lines = self._core.interpreter.lines(record, at_ms)
            if isinstance(lines, Rejection):
                continue
            device = self._touched(record)
            self._count_values(device, record)
            out.lines.extend(lines)
            taken.append(device)
        if not taken and not isinstance(result, Controlled):
            return
        self._counts(item.device).rejected -= 1
        state.rejected[item.reason] -= 1
        if not state.rejected[item.reason]:
            del state.rejected[item.reason]
        counts = taken[0].counts if taken else self._counts(None)
        counts.stored += 1
        out.stored += 1
        out.replayed.append(item.rejection)

    def _replayed_at(self, record: Interpreted, received_ms: int) -> int:
        """The record's own time where it may be believed (C1), else that of its receipt."""
        at = record.time_ms
        if at is None:
            return received_ms
        behind, window = received_ms - at, self._core.window
        return received_ms if behind < -window.ahead_ms or (window.past_ms is not None and behind > window.past_ms) else at

    # ------------------------------------------------------------------ formats with state

    def format_state(self, name: str) -> dict[str, object]:
        """What a format has kept under `name`, about to be changed in place. For a message taken in before: a copy."""
        core = self._core
        held = core.formats.get(name)
        if self._aside:
            return {} if held is None else _copied(held.data)
        if held is None:
            if len(core.formats) >= FORMAT_STATES:
                self._forget_formats()
            held = core.formats[name] = FormatState(id=name)
        elif core.snapshots.active:
            core.snapshots.touch("f:" + name)
        held.used_ms = core.state.last_received_ms
        return held.data

    def _forget_formats(self) -> None:
        formats = self._core.formats
        oldest = sorted(formats.values(), key=lambda state: (state.used_ms, state.id))[: max(1, FORMAT_STATES // 8)]
        for state in oldest:
            self._core.snapshots.touch("f:" + state.id)
            del formats[state.id]


def _records_of(result: Interpreted | list[Interpreted] | Controlled) -> Sequence[Interpreted]:
    return result if isinstance(result, list) else () if isinstance(result, Controlled) else (result,)


def _amounts(result: Interpreted, marks: dict[str, Mark], event_ms: int) -> Interpreted:
    """Running totals and rates as amounts of one interval (semantics C7)."""
    entry = result.device
    kinds = entry.accumulates or {}
    values = accumulate(result.values, kinds, marks, event_ms, entry.interval_ms)
    extra = accumulate(result.extra, kinds, marks, event_ms, entry.interval_ms)
    return Interpreted(entry, result.time_ms, values, extra, result.refused, result.position)


def _retained(result: Interpreted) -> Rejection:
    return Rejection(Reason.RETAINED, "retained, and without device time", result.device.id)


def _record_digests(message: Message, record: Interpreted) -> tuple[int, int]:
    """Of one of several records: it is known by its parameters, and equal by its values."""
    values = [*record.values, *record.extra]
    where = message.topic + "\0" + "\0".join(value.parameter for value in values)
    return _digest(where.encode()), _digest(_encode(values))


def _copied(value: Any) -> Any:
    """A copy of plain data, as deep as it is."""
    return msgspec.msgpack.decode(_encode(value))
