"""Density inversion: lighter water below heavier (`ioos_qc.qartod.density_inversion_test`). For profiles, not for fixed probes.

delta = sign of the change of depth x change of density. Below the threshold (a negative number) both readings of the pair are
flagged, so the verdict on n-1 is there when n comes. A missing density or depth is 9, and so is the reading after it. A single
reading is not evaluated (2). Flags hold for temperature and salinity alike. Unlike `ioos_qc`, a single missing reading is 9, not 2.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import msgspec

from devices.qc.rollup import roll_up
from devices.qc.stream import NEVER, Verdicts, present
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT


class DensityState(msgspec.Struct, array_like=True, gc=False):
    """The newest reading, and what the pair with the one before it said of it."""

    time_ms: int = NEVER
    density: float | None = None
    depth: float | None = None
    flag: int = NOT_EVALUATED


class DensityInversion(NamedTuple):
    """Settings: thresholds in kg/m³, negative; None is none."""

    suspect: float | None = None
    fail: float | None = None

    def start(self) -> DensityState:
        return DensityState()

    def push(self, state: DensityState, time_ms: int, density: float | None, depth: float | None) -> Verdicts:
        """Potential density in kg/m³ (or its anomaly), depth in m or pressure in dbar, growing downwards."""
        density, depth = present(density), present(depth)
        if time_ms < state.time_ms:
            return ((time_ms, MISSING if density is None or depth is None else NOT_EVALUATED),)
        first = state.time_ms == NEVER
        missing = density is None or depth is None
        pair = self._pair(state, density, depth)
        verdicts = () if first else ((state.time_ms, MISSING if state.flag == MISSING else roll_up((state.flag, pair))),)
        after_missing = not first and (state.density is None or state.depth is None)
        state.flag = MISSING if missing or after_missing else NOT_EVALUATED if first else pair
        state.time_ms, state.density, state.depth = time_ms, density, depth
        return verdicts

    def finish(self, state: DensityState) -> Verdicts:
        return () if state.time_ms == NEVER else ((state.time_ms, state.flag),)

    def _pair(self, state: DensityState, density: float | None, depth: float | None) -> int:
        if density is None or depth is None or state.density is None or state.depth is None:
            return GOOD
        way = (depth > state.depth) - (depth < state.depth)
        delta = way * (density - state.density)
        if self.fail is not None and delta < self.fail:
            return FAIL
        return SUSPECT if self.suspect is not None and delta < self.suspect else GOOD


def density(temp: float, salinity: float) -> float:
    """Density of water at the surface, kg/m³, from °C and practical salinity: Millero and Poisson (1981), UNESCO EOS-80."""
    t, s = temp, max(0.0, salinity)
    pure = 999.842594 + t * (6.793952e-2 + t * (-9.095290e-3 + t * (1.001685e-4 + t * (-1.120083e-6 + t * 6.536332e-9))))
    first = 8.24493e-1 + t * (-4.0899e-3 + t * (7.6438e-5 + t * (-8.2467e-7 + t * 5.3875e-9)))
    middle = -5.72466e-3 + t * (1.0227e-4 - t * 1.6546e-6)
    return pure + s * first + s * sqrt(s) * middle + 4.8314e-4 * s * s
