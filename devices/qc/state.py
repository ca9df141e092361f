"""What quality control remembers: plain structs, so that they can stand in a snapshot.

A series at rest (the last value good, different from the one before, nothing suspect, missing or opt-in) is eight fields, about 200 bytes.
All else hangs on `Unrest` and is dropped when the series is at rest again. Everything is bounded.
"""

from __future__ import annotations

import msgspec

from devices.qc.attenuated import AttenuatedState
from devices.qc.flat_line import FlatLineState
from devices.qc.multivariate import MultivariateState
from devices.qc.timing import TimingState
from devices.qc.warm_up import WarmUpState

NEVER_MS = 1 << 62
"""Due time of what is never due: a series whose limit is not learnt."""

OPEN = 16
"""Readings of a series that can still be confirmed; beyond it the oldest stay as they are."""


class Open(msgspec.Struct, array_like=True, gc=False):
    """A reading that is suspect only until others confirm it."""

    time_ms: int
    value: float
    base: int
    """The roll-up of the tests that no confirmation overrules."""
    flag: int
    """The flag that it has."""


class Unrest(msgspec.Struct, array_like=True):
    """A series of which something is to be watched."""

    level: float | None = None
    """The last accepted value; None: there is none."""
    missing: bool = False
    """The place before the next value was empty."""
    side: int = 0
    """Where the open readings lie: 1 above the level, -1 below, 0: none are open."""
    away: int = 0
    """Consecutive readings on that side."""
    moved: bool = False
    """They differ from each other."""
    open: list[Open] = []
    base: int = 1
    """Of the last reading: the roll-up of the tests that no confirmation overrules …"""
    flag: int = 1
    """… and the flag that it has."""
    suspect_ms: int | None = None
    """Since when every reading has been suspect for what could be an event."""
    suspects: int = 0
    """How many they are; counted as far as it matters."""
    told: bool = False
    """It was said."""
    stir: float = 0.0
    """What a confirmed change left behind: for a while steps of this size are usual. It fades."""
    excused: bool = False
    """A confirmed event goes on: deviating from the neighbours does not count."""


class Windows(msgspec.Struct, array_like=True):
    """Of the tests that a type or station asked for."""

    flat_line: FlatLineState | None = None
    attenuated: AttenuatedState | None = None
    multivariate: MultivariateState | None = None


class SeriesState(msgspec.Struct, array_like=True, gc=False):
    """One parameter of one device."""

    last_ms: int = 0
    """Event time of the newest value; 0: there was none."""
    last: float = 0.0
    before: float | None = None
    """The value before it; None: missing, or there was none."""
    near: float = -1.0
    """At rest: a step up to which nothing needs a look. Otherwise -1: everything does."""
    scale: float = 0.0
    """The learnt step (`devices.qc.limits`)."""
    due_ms: int = 0
    """When the learnt step is brought up to date."""
    run: int = 0
    """How often the last value repeated the one before it."""
    run_ms: int = 0
    """Event time of the first of them."""
    unrest: Unrest | None = None
    windows: Windows | None = None


class LineState(msgspec.Struct, array_like=True):
    """What is remembered of a device's messages, where a type or station asked for it."""

    timing: TimingState | None = None
    warm_up: WarmUpState | None = None


class DeviceQuality(msgspec.Struct, array_like=True):
    """Quality control's state of one device."""

    series: dict[str, SeriesState] = {}
    line: LineState | None = None


def forget_plans(state: DeviceQuality) -> None:
    """Call it when plans changed (a new configuration): the next value of each series takes the slow way and goes by the new one."""
    for series in state.series.values():
        series.near = -1.0
        if series.due_ms == NEVER_MS:
            series.due_ms = 0
