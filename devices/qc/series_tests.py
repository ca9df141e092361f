"""The tests of a series that somebody asked for (semantics D5), joined: what each says of one reading.

They judge beside the default tests of `devices.qc.judge`. Climatology, attenuated signal, flat line with a tolerance and
multi-variate stand as they are; the neighbours' doubt lasts only until it is confirmed (semantics D2), which is the judge's
business: `apart` tells it on which side of the others the reading lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

import msgspec

from devices.qc.attenuated import Attenuated, AttenuatedState
from devices.qc.circular import difference
from devices.qc.climatology import Climatology
from devices.qc.flat_line import FlatLine, FlatLineState
from devices.qc.multivariate import MultiVariate, MultiVariateState
from devices.qc.neighbour import Neighbours
from devices.quality import GOOD, SUSPECT


class Around(NamedTuple):
    """Who is asked about a reading."""

    test: Neighbours
    within_km: float
    tag: str | None
    """Instead of a distance: stations with this tag."""
    drift_ms: int | None = None
    """Apart for longer than this without a break it drifts."""


class SeriesTestsState(msgspec.Struct, array_like=True, gc=False):
    """What the tests of one series remember. As large as `attenuated.over` asks for."""

    attenuated: AttenuatedState | None = None
    flat_line: FlatLineState | None = None
    multivariate: MultiVariateState | None = None
    apart_since: int | None = None
    """Event time since which every reading was far from the neighbours."""


class SeriesTests(NamedTuple):
    """Settings of one series; None: not asked for."""

    climatology: Climatology | None = None
    attenuated: Attenuated | None = None
    flat_line: FlatLine | None = None
    multivariate: MultiVariate | None = None
    related: str = ""
    """The other parameter of `multivariate`."""
    around: Around | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tests that are asked for."""
        named = (
            ("climatology", self.climatology), ("attenuated", self.attenuated), ("flat_line", self.flat_line),
            ("multivariate", self.multivariate), ("neighbour", self.around),
        )  # fmt: skip
        return tuple(name for name, test in named if test is not None)

    def judge(self, state: SeriesTestsState, time_ms: int, value: float | None, related: float | None) -> dict[str, int]:
        """Test → flag of this reading, the neighbours' left out. `state` takes the reading in."""
        said: dict[str, int] = {}
        if self.climatology is not None:
            said["climatology"] = self.climatology.flag(time_ms, value)
        if self.attenuated is not None:
            if state.attenuated is None:
                state.attenuated = self.attenuated.start()
            said["attenuated"] = self.attenuated.push(state.attenuated, time_ms, value)[-1][1]
        if self.flat_line is not None:
            if state.flat_line is None:
                state.flat_line = self.flat_line.start()
            said["flat_line"] = self.flat_line.push(state.flat_line, time_ms, value)[-1][1]
        if self.multivariate is not None:
            if state.multivariate is None:
                state.multivariate = self.multivariate.start()
            said["multivariate"] = self.multivariate.push(state.multivariate, time_ms, value, related)[-1][1]
        return said


class Apart(NamedTuple):
    """What the neighbours say of a reading."""

    flag: int
    side: int | None
    """1 or -1: it is doubted, for it lies above or below them; 3 in a row confirm it (semantics D2). 0: near them. None: nobody to ask."""
    drifts: bool = False
    """It has been apart for so long that it is no event: suspect, whatever comes."""


def apart(around: Around, state: SeriesTestsState, time_ms: int, value: float | None, others: Iterable[float | None]) -> Apart:
    """Compare a reading with what the stations around hold. Smoke leaves again within hours or reaches the others; drift stays."""
    held = [other for other in others if other is not None]
    flag = around.test.flag(value, held)
    if flag != SUSPECT or value is None:
        if flag != GOOD:
            return Apart(flag, None)
        state.apart_since = None
        return Apart(flag, 0)
    if state.apart_since is None or time_ms < state.apart_since:
        state.apart_since = time_ms
    if around.drift_ms is not None and time_ms - state.apart_since >= around.drift_ms:
        return Apart(flag, None, True)
    away = median(difference(value, other) for other in held) if around.test.circular else value - median(held)
    return Apart(flag, 1 if away > 0 else -1)


def shift(state: SeriesTestsState, delta_ms: int) -> None:
    """The gateway's clock was stepped: receipt stamps move with it (semantics A1)."""
    if state.attenuated is not None:
        state.attenuated.times_ms = [at + delta_ms for at in state.attenuated.times_ms]
    if state.flat_line is not None:
        state.flat_line.time_ms += delta_ms
    if state.multivariate is not None:
        state.multivariate.first.time_ms += delta_ms
        state.multivariate.related.time_ms += delta_ms
    if state.apart_since is not None:
        state.apart_since += delta_ms
