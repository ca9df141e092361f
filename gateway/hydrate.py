"""New windows are filled from the journal before they go live (semantics E6): an hour's average need not wait an hour.

A scratch core takes in the journal's messages of the longest window under the new configuration; what its windows then hold
travels in the `Config` input, so that a restart finds the same. Nothing it says about alerts counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec

from devices import loader
from gateway.conditions import vocabulary
from gateway.core import Core, config_digest, config_text
from gateway.inputs import ClockJump, Config, Link, Message, Start, received
from gateway.ledger import LedgerReader
from rules.columns import encode_column
from rules.model import Conditions, RuleModel, compile_rule
from rules.windows import WindowState, new_window

Shape: TypeAlias = tuple[int, int]
"""(parts, width in ms) of a window."""


class Known(NamedTuple):
    """What a station of the running core has."""

    parameters: frozenset[str]
    windows: Mapping[str, Shape]


@dataclass(slots=True)
class Coverage:
    """How much of a new window the journal could fill."""

    window: str
    length_ms: int
    covered_ms: int
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

    @property
    def needed(self) -> bool:
        """Whether some window is not there yet, or has another shape."""
        return self._longest_ms > 0

    def take_in(self, ledger: LedgerReader) -> int:
        """Read the journal from where the longest window begins, or from where the last call ended. How many messages were new."""
        if self._seq is None:
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
                    self._core.step([item])
        return count

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
                reach = min(state.length_ms, max(0, self._now_ms - self._first_ms))
                coverage.setdefault(window, Coverage(window, state.length_ms, reach)).stations += 1
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
