"""Density inversion: water that is lighter below than above (`ioos_qc.qartod.density_inversion_test`). For profiles only.

From one point to the next, δ = sign of the change of depth x change of density; below a (negative) threshold both points are
flagged. A missing density or depth is missing (9), and so is the point after it. A profile of one point is not evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from devices.qc.rollup import worse
from devices.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT


class Density(NamedTuple):
    """Thresholds in kg/m³, negative; None is off."""

    suspect: float | None = None
    fail: float | None = None


class DensityState(msgspec.Struct, array_like=True, gc=False):
    """The point before."""

    density: float | None = None
    depth: float | None = None
    flag: int = 0
    """0: there was none."""


def step(state: DensityState, density: float | None, depth: float | None, test: Density) -> tuple[int | None, int]:
    """Take in the next point of a profile: (verdict of the one before, verdict of this one for now)."""
    first = state.flag == 0
    before: int | None = None if first else state.flag
    if density is None or depth is None:
        now = MISSING
        if before == NOT_EVALUATED:
            before = GOOD
    elif first:
        now = NOT_EVALUATED
    elif state.density is None or state.depth is None:
        now = MISSING
    else:
        rise = depth - state.depth
        change = (density - state.density) * (1 if rise > 0 else -1 if rise < 0 else 0)
        now = FAIL if test.fail is not None and change < test.fail else GOOD
        if now == GOOD and test.suspect is not None and change < test.suspect:
            now = SUSPECT
        if before != MISSING:
            before = worse(before or GOOD, now)
    state.density, state.depth, state.flag = density, depth, now
    return before, now


def profile(densities: Sequence[float | None], depths: Sequence[float | None], test: Density) -> list[int]:
    """Verdicts of a whole profile."""
    state, found = DensityState(), list[int]()
    for density, depth in zip(densities, depths, strict=True):
        before, now = step(state, density, depth, test)
        if before is not None:
            found[-1] = before
        found.append(now)
    return found
