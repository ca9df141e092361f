"""What a compiled condition looks at: one station at one instant of event time. The engine provides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from rules.language.moments import NEVER, Moments
from rules.language.nodes import Node, Selector, Statistic


class WindowKey(NamedTuple):
    """A window that the engine must keep: readings of `parameter` over `length_ms`. Several statistics may share it."""

    parameter: str
    length_ms: int


class View(Protocol):
    """A station as it is at `at_ms` (ms since the epoch, UTC): held values (semantics C5), windows, registry, neighbours."""

    at_ms: int

    def value(self, parameter: str) -> float | None:
        """The held value in its canonical unit; None when it is unknown."""

    def flag(self, parameter: str) -> int | None:
        """QARTOD flag of the newest reading, whatever it is; None before the first."""

    def age_ms(self, parameter: str) -> int | None:
        """ms since the newest usable reading; None before the first."""

    def window(self, key: WindowKey, statistic: Statistic, complete: float) -> float | None:
        """A statistic over `(at - length, at]`; None when too little is there. `rate` is per hour."""

    def field(self, name: str) -> float | str | None:
        """A registry field of the station, valid at `at_ms`; None when it is not given."""

    def local_ms(self) -> tuple[int, int, int, int]:
        """(ms since local midnight, weekday 1…7, day of month, month) in the city's zone."""

    def station(self, name: str) -> View | None:
        """Another station, at the same instant; None if there is none of that id."""

    def select(self, selector: Selector) -> Sequence[View]:
        """The stations that fit, in the order of their ids, at the same instant."""


Evaluate: TypeAlias = Callable[[View], float | bool | None]
"""None is *unknown* (semantics E1): neither true nor false."""


@dataclass(frozen=True, slots=True)
class Band:
    """A condition that only compares one operand with constants: true exactly for low <= operand <= high. The engine's shortest way."""

    operand: Node
    """A `Reading` of this station, or a `Window`."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Compiled:
    """A checked condition, ready to run."""

    text: str
    node: Node
    evaluate: Evaluate
    parameters: frozenset[str]
    """Whose readings at this station can change it (windows, ages and flags included)."""
    windows: frozenset[WindowKey]
    """At this station."""
    foreign: tuple[Selector, ...] = ()
    """Stations whose readings can change it too …"""
    foreign_parameters: frozenset[str] = frozenset()
    """… and of which parameters."""
    foreign_windows: frozenset[WindowKey] = frozenset()
    timed: bool = False
    """Time alone can change it (`age`, clock, `limit`) …"""
    moments: Moments = NEVER
    """… at these moments."""
    band: Band | None = None
