"""What the histories would hold of one station if today's configuration had always been valid (semantics E10).

    journal ──▶ messages of the station's topics ──▶ a core as it was then    ──▶ before ─┐
                                                └──▶ a core as it is now      ──▶ after  ─┴─▶ what differs ──▶ lines to write

Both are scratch cores with nothing but the devices that ever stood at the station, and no rules. They begin where the
journal begins, however late the range does, so that duplicates, clocks, running totals and formats with state are what
they were. Each message keeps its receipt; where a device stood is the registry's word of today. Pure but for the reading:
`gateway.core.inputs.Reinterpreted` carries the result through the pipeline.

A history cannot be told to forget: a reading that would not be there (another station, another time, another parameter)
keeps its value and gets flag 4. Messages that were rejected, and are, are left to `envgw replay --reason`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from devices.quality import FAIL
from devices.reading import Line, Value
from devices.times import format_instant
from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import ClockJump, Config, Input, Message, Reinterpreted, Replayed
from gateway.core.outcomes import Outcomes
from gateway.errors import EnvgwError
from gateway.ledger import LedgerReader

MAX_LINES = 500_000
"""Lines that one run may compare: about 300 MB. A station that reports each minute has 43,000 in a month."""

LINES_AT_ONCE = 500
"""Lines of one `Reinterpreted`."""

Key: TypeAlias = tuple[str, str, str, str, int]
"""(medium, station, device, area, time_ms) of a line."""


class CannotReinterpret(EnvgwError):
    """The range is not in the journal, or too large: the text says what to ask for instead."""


@dataclass(slots=True)
class Change:
    """What becomes of one parameter. `changed`: readings with another value; means are over those."""

    readings: int = 0
    changed: int = 0
    reflagged: int = 0
    added: int = 0
    withdrawn: int = 0
    first_ms: int | None = None
    """Of what differs in any way."""
    last_ms: int | None = None
    sum_before: float = 0.0
    sum_after: float = 0.0

    def seen(self, at_ms: int) -> None:
        """Something differs at that time."""
        self.first_ms = at_ms if self.first_ms is None else min(self.first_ms, at_ms)
        self.last_ms = at_ms if self.last_ms is None else max(self.last_ms, at_ms)

    def document(self, parameter: str, unit: str) -> dict[str, Any]:
        """`models.ParameterChange`."""
        mean_before = self.sum_before / self.changed if self.changed else None
        mean_after = self.sum_after / self.changed if self.changed else None
        return {
            "parameter": parameter,
            "unit": unit,
            "readings": self.readings,
            "changed": self.changed,
            "reflagged": self.reflagged,
            "added": self.added,
            "withdrawn": self.withdrawn,
            "mean_before": mean_before,
            "mean_after": mean_after,
            "mean_shift": None if mean_before is None or mean_after is None else mean_after - mean_before,
            "first": None if self.first_ms is None else format_instant(self.first_ms),
            "last": None if self.last_ms is None else format_instant(self.last_ms),
        }


@dataclass(slots=True)
class Plan:
    """What would be written."""

    messages: int = 0
    """Messages of the station in the range that were stored, and are read again."""
    left_rejected: int = 0
    """Messages of the station that were rejected and could be read now. They are not brought in here."""
    lines: list[Line] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)

    def inputs(self, station: str, now_ms: int) -> Iterator[Reinterpreted]:
        """The lines in handy parts, oldest first."""
        for start in range(0, len(self.lines), LINES_AT_ONCE):
            yield Reinterpreted(now_ms, station, tuple(self.lines[start : start + LINES_AT_ONCE]))


def plan(ledger: LedgerReader, config: str, station: str, since_ms: int, until_ms: int) -> Plan:
    """Compare the readings of `station` with since < time <= until, as they are, with what `config` makes of their messages.

    `config` is the canonical text of the core's configuration now. Takes about a second per 250,000 journalled messages, whosever they are.
    Raises CannotReinterpret.
    """
    bounds = ledger.journal_bounds()
    if bounds is None:
        raise CannotReinterpret("the journal is empty: nothing can be read again")
    whole = bounds.first_seq == 1
    if not whole and since_ms < bounds.first_ms:
        raise CannotReinterpret(_beyond(bounds.first_ms, bounds.last_ms))
    work = _Work(ledger, json.loads(config), station, since_ms, until_ms, None if whole else ledger.config_at(bounds.first_seq - 1))
    for _, inputs in ledger.journal(upto=bounds.last_seq):
        for item in inputs:
            work.take(item)
    if work.blind_until_ms is not None and since_ms < work.blind_until_ms and not whole:
        raise CannotReinterpret(_beyond(work.blind_until_ms, bounds.last_ms))
    return work.result()


def _beyond(first_ms: int, last_ms: int) -> str:
    return (
        f"the journal holds {format_instant(first_ms)} to {format_instant(last_ms)} only (ledger.journal_retention, journal_max_size): "
        f"ask for --since {format_instant(first_ms)} or later"
    )


class _Work:
    """The two cores and what they say differently."""

    def __init__(self, ledger: LedgerReader, now: Mapping[str, Any], station: str, since_ms: int, until_ms: int, first: str | None) -> None:
        self._station, self._since_ms, self._until_ms = station, since_ms, until_ms
        self._devices = _devices_at(station, [now, *(json.loads(text) for text in ledger.config_texts())])
        self._before, self._after = Core(), Core()
        self._configure(self._after, now, 0)
        self._known = first is not None
        if first is not None:
            self._configure(self._before, json.loads(first), 0)
        self.blind_until_ms: int | None = None
        """Until then it is not known what the configuration was."""
        self._concerns: dict[tuple[str, str], bool] = {}
        self._held: dict[Key, tuple[dict[str, Value], dict[str, Value]]] = {}
        self._derived: dict[Key, list[Line | None]] = {}
        """Hourly summaries and indices: the line as it is, and as it would be."""
        self._left: set[tuple[int, str, str]] = set()
        self._plan = Plan()

    def take(self, item: Input) -> None:
        """One input of the journal, in order."""
        if isinstance(item, Message):
            if self._known and self._is_of_ours(item):
                self._message(item, item)
        elif isinstance(item, Replayed):
            if self._known and self._is_of_ours(item.message):
                self._message(item, item.message)
        elif isinstance(item, Config):
            if not self._known:
                self.blind_until_ms = item.now_ms
            self._known = True
            self._configure(self._before, json.loads(item.text), item.now_ms)
        elif isinstance(item, ClockJump):
            self._before.step([item])
            self._after.step([item])
        elif isinstance(item, Reinterpreted):
            for line in item.lines:
                if _is_derived(line):
                    if line.station == self._station and self._in_range(line):
                        held = self._derived.setdefault(_key(line), [None, None])
                        held[0] = merged(held[0], line)
                elif self._in_range(line) and (item.station == self._station or _key(line) in self._held):
                    self._at(line)[0].update(_values(line))

    def _configure(self, core: Core, plain: Mapping[str, Any], now_ms: int) -> None:
        stations = [entry for entry in plain["stations"] if entry["id"] == self._station or _ids(entry) & self._devices]
        text = config_text({**plain, "stations": stations, "rules": []})
        core.step([Config(now_ms, config_digest(text), text)])
        self._concerns = {}

    def _is_of_ours(self, message: Message) -> bool:
        where = message.source, message.topic
        found = self._concerns.get(where)
        if found is None:
            if len(self._concerns) > 50_000:
                self._concerns.clear()
            found = self._concerns[where] = any(_concerns(core, *where) for core in (self._before, self._after))
        return found

    def _message(self, item: Message | Replayed, message: Message) -> None:
        before, after = (self._step(core, item) for core in (self._before, self._after))
        were, are = _readings(before), _readings(after)
        for side, out in enumerate((before, after)):
            for line in out.lines:
                if _is_derived(line) and self._in_range(line) and line.station == self._station:
                    held = self._derived.setdefault(_key(line), [None, None])
                    held[side] = merged(held[side], line)
        if not any(self._in_range(line) and line.station == self._station for line in (*were, *are)):
            return
        this = message.received_ms, message.source, message.topic
        if before.rejections:
            self._left.add(this)
            return
        if isinstance(item, Replayed):
            if not before.replayed:
                return
            self._left.discard(this)
        self._plan.messages += 1
        for side, lines in enumerate((were, are)):
            for line in lines:
                if self._in_range(line):
                    self._at(line)[side].update(_values(line))

    @staticmethod
    def _step(core: Core, item: Message | Replayed) -> Outcomes:
        if isinstance(item, Replayed):  # it is counted off; the message may be older than the journal
            rejected = core.state.rejected
            rejected[item.reason] = rejected.get(item.reason, 0) + 1
        return core.step([item])

    def _in_range(self, line: Line) -> bool:
        return self._since_ms < line.time_ms <= self._until_ms

    def _at(self, line: Line) -> tuple[dict[str, Value], dict[str, Value]]:
        key = _key(line)
        found = self._held.get(key)
        if found is None:
            if len(self._held) >= MAX_LINES:
                raise CannotReinterpret(f"more than {MAX_LINES} lines in this range: ask for a shorter one with --until")
            found = self._held[key] = ({}, {})
        return found

    def result(self) -> Plan:
        """What differs, oldest first."""
        self._plan.left_rejected = len(self._left)
        for key in sorted(self._held, key=lambda key: (key[4], key)):
            before, after = self._held[key]
            values = list(self._different(key[4], before, after))
            if values:
                self._plan.lines.append(Line(*key, tuple(values)))
        # Summaries and indices follow their readings: written whole, with their extremes and texts.
        changed = [after for before, after in self._derived.values() if after is not None and after != before]
        self._plan.lines.extend(sorted(changed, key=lambda line: (line.time_ms, _key(line))))
        return self._plan

    def _different(self, at_ms: int, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[Value]:
        for parameter in sorted(before.keys() | after.keys()):
            was, will = before.get(parameter), after.get(parameter)
            change = self._plan.changes.setdefault(parameter, Change())
            change.readings += 1
            if was == will:
                continue
            if will is None:
                assert was is not None
                if was.value is None or was.flag == FAIL:
                    continue
                change.withdrawn += 1
                will = Value(parameter, was.value, FAIL)
            elif was is None:
                change.added += 1
            elif was.value == will.value:
                change.reflagged += 1
            elif was.value is None or will.value is None:
                change.added += was.value is None
                change.withdrawn += will.value is None
            else:
                change.changed += 1
                change.sum_before += was.value
                change.sum_after += will.value
            change.seen(at_ms)
            yield will


def _devices_at(station: str, configs: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Ids of the devices that any of the configurations puts there."""
    return frozenset(name for plain in configs for entry in plain["stations"] if entry["id"] == station for name in _ids(entry))


def _ids(station: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(device["id"] for device in station.get("devices") or ())


def _concerns(core: Core, source: str, topic: str) -> bool:
    """May one of the devices speak there, or does somebody set there what a format remembers (births)?"""
    interpreter = core.interpreter
    if any(device.may_speak(source, topic) for device in interpreter.registry.devices.values()):
        return True
    kind = interpreter.type_on(source, topic)
    return kind is not None and kind.state_key is not None


def _readings(out: Outcomes) -> Sequence[Line]:
    return [line for line in out.lines if line.values and line.medium != "alert" and not _is_derived(line)]


def _is_derived(line: Line) -> bool:
    return line.medium == "index" or line.medium.endswith(("_1h", "_1d"))


def merged(old: Line | None, new: Line) -> Line:
    """What a history has of a key after both were written: each field as it was written last."""
    if old is None:
        return new
    values = {value.parameter: value for value in (*old.values, *new.values)}
    return Line(*_key(new), tuple(values.values()), tuple({**dict(old.notes), **dict(new.notes)}.items()))


def _key(line: Line) -> Key:
    return line.medium, line.station, line.device, line.area, line.time_ms


def _values(line: Line) -> dict[str, Value]:
    return {value.parameter: value for value in line.values}
