"""One parameter at one station as its rules watch it: which values leave it at rest, and the windows that it fills.

Most readings change no window that anybody looks at. So they only join the recent ones (`rules.late`), and windows take them from
there when somebody looks (`fold`): a rule, `explain`, a snapshot. What a window holds then is, bit for bit, what it would hold had it
taken each as it came, so *when* it was folded is nowhere in the state.

    the reading is within the bands, and so is all that its windows hold    nothing: no mean can be outside
    else                                                                    fold, and look whether some statistic is outside

A window that took a reading outside its bands is looked at until that has left it again (`KeptWindow.wild_ms`). Sums, counts and
slopes are looked at with each reading: they move further than their readings. All of this is derived, and made again
from state and configuration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.core.plans import Plan, WindowBand
from gateway.core.state import ParameterState
from rules import late
from rules.windows import BETWEEN, ROUNDED, WindowState

_UNKNOWN = 1 << 62
"""What the window holds was not looked at yet."""
_MARGIN = 1e-9
"""A mean of equal numbers may differ from them by its rounding."""


class KeptWindow:
    """A window of a parameter, and where its statistics may lie while nothing can begin."""

    __slots__ = ("bands", "between", "high", "low", "rounded", "wild_ms", "window")

    def __init__(self, window: WindowState, bands: Sequence[WindowBand]) -> None:
        self.window = window
        self.bands = tuple((band.statistic, band.low, band.high) for band in bands)
        self.between = all(band.statistic in BETWEEN for band in bands)
        """No statistic leaves its band while every reading is between `low` and `high`."""
        self.rounded = any(band.statistic in ROUNDED for band in bands)
        """… and every one as the window keeps it: it may have been rounded."""
        self.low = max((_further(band.low, 1.0) for band in bands), default=-math.inf)
        self.high = min((_further(band.high, -1.0) for band in bands), default=math.inf)
        self.wild_ms = _UNKNOWN
        """From this event time on all that the window holds is between `low` and `high`, as far as is known."""

    def rests(self, at_ms: int, value: float) -> bool:
        """Whether every statistic is in its band, now that the window holds this reading, its newest."""
        if self.between:
            window = self.window
            if self.wild_ms == _UNKNOWN:
                self.wild_ms = window.outside_until(self.low, self.high)
            tame = self.low <= value <= self.high
            if self.rounded:
                samples = window.samples[-1]
                tame = tame and self.low <= samples[0] and samples[-2] <= self.high
            if not tame:
                self.wild_ms = max(self.wild_ms, at_ms + window.length_ms + window.width_ms)
            elif at_ms >= self.wild_ms:
                return True
        return self._in_bands(at_ms)

    def _in_bands(self, at_ms: int) -> bool:
        window = self.window
        for statistic, low, high in self.bands:
            found = window.value(statistic, at_ms)
            if found is not None and not low <= found <= high:
                return False
        return True


def _further(limit: float, sign: float) -> float:
    return limit + sign * _MARGIN * max(1.0, abs(limit)) if math.isfinite(limit) else limit


class Watch:
    """One parameter at one station with the rules on it."""

    __slots__ = (
        "any_windows", "calm_high", "calm_low", "foreign", "high", "keep_ms", "kept", "looked_at", "low", "plan", "state", "strange",
        "taken", "until_ms", "wild_ms", "windows",
    )  # fmt: skip

    def __init__(self, plan: Plan, state: ParameterState, windows: list[WindowState], any_windows: list[WindowState]) -> None:
        self.plan = plan
        self.state = state
        self.windows = [KeptWindow(window, [band for band in plan.bands if band.number == number]) for number, window in enumerate(windows)]
        self.any_windows = any_windows
        self.keep_ms = plan.keep_ms
        self.low, self.high = plan.low, plan.high
        self.foreign, self.strange = plan.foreign, bool(plan.any_quality)
        self.kept = bool(plan.plain or plan.loud or windows)
        """Its readings mean something here."""
        self.looked_at = [kept for kept in self.windows if kept.bands]
        lazy = all(kept.between and not kept.rounded for kept in self.looked_at)
        self.calm_low = max((self.low, *(kept.low for kept in self.looked_at))) if lazy else math.inf
        self.calm_high = min((self.high, *(kept.high for kept in self.looked_at))) if lazy else -math.inf
        """A reading between these, from `wild_ms` on, leaves every rule at rest."""
        self.wild_ms = -_UNKNOWN if not self.looked_at else _UNKNOWN
        self.until_ms = -_UNKNOWN
        """So long none of the recent readings is to be forgotten, unless there is no room."""
        self.taken = len(state.recent)
        """So far into the recent readings the windows have taken them."""

    def take(self, at_ms: int, value: float, replaced: float | None) -> bool:
        """The newest reading, or another value of it instead of `replaced`. Whether it may stir a rule at rest."""
        self._keep(at_ms, value, replaced)
        stirred = not self.low <= value <= self.high
        if self.looked_at and (at_ms < self.wild_ms or not self.calm_low <= value <= self.calm_high):
            return self._look(at_ms, value) or stirred
        return stirred

    def _keep(self, at_ms: int, value: float, replaced: float | None) -> None:
        """Among the recent readings, and for the windows."""
        recent = self.state.recent
        self.fold()
        if replaced is not None or not self.keep_ms:
            for kept in self.windows:
                if replaced is not None and kept.window.times:
                    kept.window.revise(at_ms, replaced, value)
                else:
                    kept.window.append(at_ms, value)
            if replaced is not None:
                self.doubt()
            if self.keep_ms and recent:
                recent[-1] = value
            elif self.keep_ms:
                late.remember(recent, at_ms, value, self.keep_ms)
            self.taken = len(recent)
        else:
            late.remember(recent, at_ms, value, self.keep_ms)
            self.taken = len(recent) - 2
        self.until_ms = int(recent[0]) + 2 * self.keep_ms if self.keep_ms else -_UNKNOWN

    def insert(self, at_ms: int, value: float) -> None:
        """A reading older than the newest: to its place, and instead of one of the same instant. Out of reach it is forgotten."""
        self.fold()
        recent, replaced, whole = self.state.recent, None, False
        count = len(recent) // 2
        reached = bool(self.keep_ms) and late.reaches(recent, at_ms, self.keep_ms)
        if reached:
            whole = recent[0] <= at_ms
            replaced = late.place(recent, at_ms, value)
        self.taken = len(recent)
        for kept in self.windows:
            if replaced is not None:
                kept.window.revise(at_ms, replaced, value)
            elif whole or (reached and sum(kept.window.counts) <= count):
                kept.window.insert(at_ms, value)
            else:
                kept.window.insert_once(at_ms, value)
        self.doubt()

    def fold(self) -> None:
        """Let the windows take what has come since."""
        recent = self.state.recent
        if self.taken < len(recent):
            for kept in self.windows:
                kept.window.extend(recent, self.taken)
            self.taken = len(recent)

    def settle(self) -> None:
        """Let the windows take what has come since, and sum it up."""
        self.fold()
        for kept in self.windows:
            kept.window.settle()
        for window in self.any_windows:
            window.settle()

    def _look(self, at_ms: int, value: float) -> bool:
        """Whether some window's statistic has left its band with the reading just kept."""
        self.fold()
        stirred, wild_ms = False, -_UNKNOWN
        for kept in self.looked_at:
            stirred = not kept.rests(at_ms, value) or stirred
            wild_ms = max(wild_ms, kept.wild_ms)
        self.wild_ms = wild_ms
        return stirred

    def doubt(self) -> None:
        """Something but the newest end of the windows changed: what they hold must be looked at again."""
        self.until_ms = -_UNKNOWN
        for kept in self.looked_at:
            self.wild_ms = kept.wild_ms = _UNKNOWN
