"""New windows are filled from the journal before they go live (semantics E6): an hour's average need not wait an hour.

A scratch core takes in the journal's messages of the longest window under the new configuration; what its windows then hold
travels in the `Config` input, so that a restart finds the same. Nothing it says about alerts counts. Where the journal begins
after the window does (it was pruned), the rest comes from the history (`gateway.prehistory`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec

from devices import loader
from devices.hours import HOUR_MS
from devices.reading import Flag, Line
from gateway.core import Core, config_digest, config_text
from gateway.core.conditions import vocabulary
from gateway.core.inputs import ClockJump, Config, Link, Message, Start, received
from gateway.history.base import StoredReading
from gateway.ledger import LedgerReader
from rules.columns import encode_column
from rules.model import Conditions, RuleModel, compile_rule
from rules.windows import WindowState, new_window

Shape: TypeAlias = tuple[int, int]
"""(parts, width in ms) of a window."""

BUCKETS_BACK = 24
"""A window of which the oldest bucket is only in part inside holds the whole of it: no bucket is longer than this part of a window."""


class Known(NamedTuple):
    """What a station of the running core has."""

    parameters: frozenset[str]
    windows: Mapping[str, Shape]


class Gap(NamedTuple):
    """What the journal is too young for."""

    since_ms: int
    """The oldest bucket of the longest of the new windows begins here …"""
    until_ms: int
    """… and the journal here: `since_ms < time <= until_ms` must come from elsewhere."""
    parameters: Mapping[str, tuple[str, ...]]
    """Station → parameters of its new windows."""


@dataclass(slots=True)
class Coverage:
    """How much of a new window could be filled."""

    window: str
    length_ms: int
    covered_ms: int
    """At the station where it is least."""
    stations: int = 0


@dataclass(slots=True)
class Hydration:
    """What the new windows hold, and how far that reaches."""

    windows: tuple[tuple[str, str, bytes], ...] = ()
    """(station, window, its state as msgpack)."""
    coverage: list[Coverage] = field(default_factory=list)


class Hydrating:
    """One hydration. `take_in` may be called again and again until the journal has nothing new; then `result`."""

    def __init__(self, plain: Mapping[str, Any], known: Mapping[str, Known], now_ms: int) -> None:
        """`plain` is the new configuration, `known` what the running core has, by station."""
        self._known, self._now_ms = known, now_ms
        self._core = Core()
        text = config_text(dict(plain))
        self._start = Config(now_ms, config_digest(text), text)
        self._seq: int | None = None
        self._first_ms = now_ms
        self._longest_ms = 0
        self._lacking: dict[str, set[str]] = {}
        """Station → parameters of the windows that it lacks."""
        self._gap: Gap | None = None
        self._known_rows: set[tuple[str, str, int]] = set()
        """(device, parameter, time as rules see it) of what the journal gave of the time before its begin (it came late), and of hours."""
        self._oldest: dict[str, int] = {}
        """Station → its oldest reading from the history."""
        if not _has_windows(plain) or not any(there.parameters for there in known.values()):
            return  # a core of its own costs as much as a start
        self._core.step([self._start])
        plans = self._core.watching.plans
        for name, there in known.items():
            for parameter in there.parameters if name in self._core.stations else ():
                plan = plans.plan(name, parameter)
                for item in (*plan.windows, *plan.any_windows):
                    if there.windows.get(item.name) != (item.parts, new_window(item.length_ms, 0, item.lateness_ms).width_ms):
                        self._longest_ms = max(self._longest_ms, item.length_ms)
                        self._lacking.setdefault(name, set()).add(parameter)

    @property
    def needed(self) -> bool:
        """Whether some window is not there yet, or has another shape."""
        return self._longest_ms > 0

    def take_in(self, ledger: LedgerReader) -> int:
        """Read the journal from where the longest window begins, or from where the last call ended. How many messages were new."""
        if self._seq is None:
            self._gap = self._find_gap(ledger)
            self._seq = _seq_at(ledger, self._now_ms - self._longest_ms)
            self._core = Core()
        count = 0
        for seq, inputs in ledger.journal(after=self._seq):
            self._seq = seq
            for item in inputs:
                if isinstance(item, Message | Link | Start | ClockJump):
                    if not count and not self._core.state.config:
                        self._first_ms = received(item)
                        self._core.step([msgspec.structs.replace(self._start, now_ms=self._first_ms)])
                    count += isinstance(item, Message)
                    lines = self._core.step([item]).lines
                    if self._gap is not None:
                        self._remember(lines, self._gap.until_ms)
        return count

    def _find_gap(self, ledger: LedgerReader) -> Gap | None:
        bounds = ledger.journal_bounds()
        first = None if bounds is None else next(ledger.journal(after=bounds.first_seq - 1), None)
        begin_ms = self._now_ms if first is None or not first[1] else received(first[1][0])
        since_ms = self._now_ms - self._longest_ms - self._longest_ms // BUCKETS_BACK
        if begin_ms <= since_ms:
            return None
        return Gap(since_ms, begin_ms, {name: tuple(sorted(self._lacking[name])) for name in sorted(self._lacking)})

    def _remember(self, lines: Sequence[Line], until_ms: int) -> None:
        for line in lines:
            derived = line.medium == "index"  # rules saw it at its hour's end
            if derived or line.time_ms <= until_ms:
                at_ms = line.time_ms + HOUR_MS if derived else line.time_ms
                self._known_rows.update((line.device, value.parameter, at_ms) for value in line.values)

    @property
    def gap(self) -> Gap | None:
        """What `fill` should be given, if anything. Known after the first `take_in`."""
        return self._gap

    def fill(self, station: str, rows: Iterable[StoredReading]) -> None:
        """Put what the history has of the gap at one station into the windows that it lacks. Call it once a station, after `take_in`."""
        assert self._gap is not None
        if not self._core.state.config:
            self._first_ms = self._gap.until_ms
            self._core.step([msgspec.structs.replace(self._start, now_ms=self._first_ms)])
        watching, state = self._core.watching, self._core.stations[station]
        watches = watching.watches[station]
        for row in sorted(rows, key=lambda row: row.time_ms):
            if row.value is None or (row.device, row.parameter, row.time_ms) in self._known_rows:
                continue
            watch = watches.get(row.parameter) or watching.new_watch(state, row.parameter)
            if row.flag <= Flag.NOT_EVALUATED:
                for kept in watch.windows:
                    kept.window.insert(row.time_ms, row.value)
            for window in watch.any_windows:
                window.insert(row.time_ms, row.value)
            self._oldest[station] = min(row.time_ms, self._oldest.get(station, row.time_ms))

    def result(self) -> Hydration:
        """The windows that the running core lacks."""
        found = Hydration()
        windows: list[tuple[str, str, bytes]] = []
        coverage: dict[str, Coverage] = {}
        self._core.watching.fold_all()
        for name in sorted(self._core.stations):
            for window, state in sorted(self._core.stations[name].windows.items()):
                there = self._known.get(name)
                if there is not None and there.windows.get(window) == shape_of(state):
                    continue
                windows.append((name, window, msgspec.msgpack.encode(state, enc_hook=encode_column)))
                first_ms = min(self._first_ms, self._oldest.get(name, self._first_ms))
                said = coverage.setdefault(window, Coverage(window, state.length_ms, state.length_ms))
                said.covered_ms = min(said.covered_ms, max(0, self._now_ms - first_ms))
                said.stations += 1
        found.windows, found.coverage = tuple(windows), [coverage[window] for window in sorted(coverage)]
        return found


def _has_windows(plain: Mapping[str, Any]) -> bool:
    condition = Conditions(vocabulary(loader.catalogue()))
    rules = (compile_rule(RuleModel.model_validate(rule), condition) for rule in plain["rules"])
    return any(rule.windows or rule.foreign_windows for rule in rules)


def shape_of(window: WindowState) -> Shape:
    """What must be the same for a window to go on under a new configuration."""
    return window.parts, window.width_ms


def known(core: Core) -> dict[str, Known]:
    """What a core has, by station."""
    return {
        name: Known(frozenset(station.parameters), {window: shape_of(state) for window, state in station.windows.items()})
        for name, station in core.stations.items()
    }


def _seq_at(ledger: LedgerReader, at_ms: int) -> int:
    """The last batch of the journal that was taken in before this time (found by halving: a batch's first input says when)."""
    bounds = ledger.journal_bounds()
    if bounds is None:
        return 0
    low, high = bounds.first_seq - 1, bounds.last_seq
    while low < high:
        middle = (low + high) // 2
        first = next(ledger.journal(after=middle), None)
        if first is None or not first[1] or received(first[1][0]) >= at_ms:
            high = middle
        else:
            low = max(middle + 1, first[0])
    return low
