"""One rule at one station: what holds there now, and what became of it since the last look.

`Sight` is a station as the engine shows it: the `View` that conditions look at, whose instant can be set, and which
knows when the values that it holds run out (semantics C5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from rules.language.nodes import Reading, Window
from rules.language.view import View
from rules.model import Level, Rule
from rules.transitions import Change, RuleState, Truths, elapse, observe, tells


class Sight(View, Protocol):
    """A station that can be looked at as of any instant."""

    def expiry_ms(self, parameter: str) -> int | None:
        """From when on the value held at `at_ms` is unknown; None if nothing is held."""


def truths(rule: Rule, sight: View) -> list[Truths]:
    """What holds of each level at `sight.at_ms`."""
    found = []
    for level in rule.levels:
        when = level.when.evaluate(sight)
        known = None if when is None else bool(when)
        found.append(Truths(known, _clear(level, known, sight)))
    return found


def _clear(level: Level, when: bool | None, sight: View) -> bool | None:
    if level.clear is None:
        return None if when is None else not when
    clear = level.clear.evaluate(sight)
    return None if clear is None else bool(clear)


def stirs(rule: Rule, sight: View) -> bool:
    """Whether a rule at rest would do anything: some level's condition is true."""
    return any(level.when.evaluate(sight) for level in rule.levels)


def known(rule: Rule, state: RuleState, sight: View) -> bool:
    """Whether anything is known at `sight.at_ms` of what keeps the episode open, or begins another level."""
    return any(tells(level, truth) for truth, level in zip(truths(rule, sight), state.levels, strict=True))


def advance(rule: Rule, state: RuleState, sight: Sight, upto_ms: int, silence_ms: int) -> list[Change]:
    """Time goes by to `upto_ms` without a reading: values run out one after the other, and timers come due in between."""
    changes: list[Change] = []
    sight.at_ms = state.at_ms
    ends = {end for name in rule.parameters if (end := sight.expiry_ms(name)) is not None and state.at_ms < end <= upto_ms}
    for end in sorted(ends):
        sight.at_ms = end
        changes += observe(rule, state, truths(rule, sight), end, sample=False, silence_ms=silence_ms)
    elapse(rule, state, upto_ms, silence_ms, changes)
    return changes


class Bands(NamedTuple):
    """Where values may lie while nothing can begin: low … high of the readings, and of statistics of windows."""

    low: float
    high: float
    windows: tuple[tuple[Window, float, float], ...]


def quiet_bands(rules: Iterable[Rule], parameter: str) -> Bands | None:
    """What a reading of `parameter` must stay within so that none of these rules, all at rest, does anything.

    None if one of them compares more than this parameter with constants: then its conditions must be evaluated.
    """
    low, high = -math.inf, math.inf
    windows: dict[Window, tuple[float, float]] = {}
    for rule in rules:
        for level in rule.levels:
            band = level.when.band
            if band is None or band.operand.parameter != parameter or band.operand.station is not None:  # type: ignore[union-attr]
                return None
            if isinstance(band.operand, Reading):
                low, high = _outside(low, high, band.low, band.high)
            elif isinstance(band.operand, Window):
                inside = windows.get(band.operand, (-math.inf, math.inf))
                windows[band.operand] = _outside(*inside, band.low, band.high)
    return Bands(low, high, tuple((window, *limits) for window, limits in windows.items()))


def _outside(low: float, high: float, band_low: float, band_high: float) -> tuple[float, float]:
    """The part of low … high in which a condition that is true within the band is false."""
    if band_high == math.inf:
        return low, min(high, math.nextafter(band_low, -math.inf))
    if band_low == -math.inf:
        return max(low, math.nextafter(band_high, math.inf)), high
    return (low, min(high, math.nextafter(band_low, -math.inf))) if band_low > 0 else (max(low, math.nextafter(band_high, math.inf)), high)
