"""From a concentration to a sub-index: shared points (VN_AQI), bands with gaps (US AQI), quality values (VN_WQI).

They differ, and most public code that says "VN_AQI" mixes them up: VN_AQI interpolates between points that neighbours share
(50 → 100), the US AQI truncates the concentration first and interpolates within bands (51 → 100).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Literal

from devices.indices.reasons import Note, Why
from devices.indices.rounding import NEAR, whole_steps

Above = Literal["cap", "end", "none"]
"""Above a row's end: `cap` the scale ends there and the result is marked as beyond it; `end` the row's last index, because the
table says so; `none` the row does not apply, another averaging time does."""


class Points:
    """Decision 1459, Bảng 2: AQI = (I[i+1] − I[i]) / (BP[i+1] − BP[i]) × (C − BP[i]) + I[i], rounded half up."""

    __slots__ = ("_above", "_concentrations", "_indices", "_slopes", "last_index")

    def __init__(self, points: Sequence[tuple[float, int]], above: Above) -> None:
        """`points`: (concentration, index), both increasing, from (0, 0)."""
        self._concentrations = [float(point[0]) for point in points]
        self._indices = [point[1] for point in points]
        self.last_index = points[-1][1]
        self._slopes = [(right[1] - left[1]) / (right[0] - left[0]) for left, right in pairwise(points)]
        self._above = above

    def raw(self, concentration: float) -> float:
        """Before rounding; 0 below the first point and the last index above the last."""
        if concentration >= self._concentrations[-1]:
            return float(self._indices[-1])
        at = max(bisect_right(self._concentrations, concentration) - 1, 0)
        return self._indices[at] + self._slopes[at] * max(concentration - self._concentrations[at], 0.0)

    def index(self, concentration: float) -> int | Why | None:
        """The sub-index of a finite concentration, or why it has none."""
        if concentration < 0:
            return Why.NEGATIVE
        if concentration > self._concentrations[-1] and self._above == "none":
            return Why.ABOVE_ROW
        raw = self.raw(concentration)
        whole = floor(raw)
        if abs(raw - whole - 0.5) > NEAR:
            return whole + (raw - whole > 0.5)
        return self._exactly(concentration)

    def note_above(self, concentration: float) -> Note | None:
        """What to say of a concentration above the last point, which has the row's last index."""
        return Note.BEYOND if self._above == "cap" and concentration > self._concentrations[-1] else None

    def _exactly(self, concentration: float) -> int:
        """At a tie: with the decimals that are printed."""
        at = bisect_right(self._concentrations, concentration) - 1
        left, right = Fraction(repr(self._concentrations[at])), Fraction(repr(self._concentrations[at + 1]))
        rise = self._indices[at + 1] - self._indices[at]
        return floor(self._indices[at] + rise * (Fraction(repr(concentration)) - left) / (right - left) + Fraction(1, 2))


class Bands:
    """EPA Technical Assistance Document: truncate to the row's step, interpolate within the band, round half up. Exact: in steps."""

    __slots__ = ("_above", "_bands", "_last", "_starts", "_step", "last_index")

    def __init__(self, bands: Sequence[tuple[int, int, float, float]], step: float, above: Above) -> None:
        """`bands`: (index from, to, concentration from, to), each beginning one `step` after the one before."""
        self._bands = [(low, high, whole_steps(start, step), whole_steps(end, step)) for low, high, start, end in bands]
        self._starts = [band[2] for band in self._bands]
        self._last = self._bands[-1][3]
        self.last_index = self._bands[-1][1]
        self._step = step
        self._above = above

    def index(self, concentration: float) -> int | Why | None:
        """The sub-index of a finite concentration in the row's unit, or why it has none; None below the row's first band."""
        steps = whole_steps(concentration, self._step)
        if steps < 0:
            return Why.NEGATIVE
        if steps > self._last:
            return Why.ABOVE_ROW if self._above == "none" else self.last_index
        if steps < self._starts[0]:
            return None
        low, high, start, end = self._bands[bisect_right(self._starts, steps) - 1]
        return low + (2 * (high - low) * (steps - start) + (end - start)) // (2 * (end - start))

    def note_above(self, concentration: float) -> Note | None:
        """What to say of a concentration above the last band, which has the row's last index."""
        if whole_steps(concentration, self._step) <= self._last:
            return None
        return Note.BEYOND if self._above == "cap" else Note.FIXED_AT_ROW_END


class Quality:
    """VN_WQI: q between the points by straight lines, constant outside them, with the jumps that the decision has at either end."""

    __slots__ = ("_above", "_below", "_points", "_starts")

    def __init__(self, points: Sequence[tuple[float, float]], below: float | None, above: float | None) -> None:
        """`points`: (concentration, q), concentrations increasing; `below`/`above`: q before the first and after the last point."""
        self._points = [(float(at), float(q)) for at, q in points]
        self._starts = [at for at, _ in self._points]
        self._below = self._points[0][1] if below is None else float(below)
        self._above = self._points[-1][1] if above is None else float(above)

    def q(self, value: float) -> float:
        """10 to 100."""
        at = bisect_right(self._starts, value)
        if at == 0:
            return self._below
        left, q = self._points[at - 1]
        if at == len(self._points):
            return q if value == left else self._above
        right, q_right = self._points[at]
        return q + (q_right - q) * (value - left) / (right - left)
