"""What is tested, for one parameter of one device type at one station: settings, compiled. Plans are shared and never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from math import inf
from typing import Any

import msgspec

from devices.parameters import Span
from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Member
from devices.qc.flat_line import FlatLine
from devices.qc.limits import FORGET, LONGEST, Learnt
from devices.qc.multivariate import Multivariate
from devices.qc.neighbour import Neighbour
from devices.qc.rate import Rate
from devices.qc.spike import Spike
from devices.qc.timing import Timing
from devices.qc.warm_up import WarmUp
from devices.quality import Spans

EVENT_MS = 15 * 60_000
"""Suspect for so long: a possible event (semantics D2)."""


class Stuck(msgspec.Struct, frozen=True):
    """The default flat-line test: equal values, counted without the missing ones."""

    suspect_ms: int
    fail_ms: int
    suspect: int
    """The same in repeats."""
    fail: int
    rest: Span = (inf, -inf)
    """Values at which this parameter may rest (100 % of humidity, a gas below its detection limit) …"""
    rest_times: float = inf
    """… so many times as long as elsewhere."""


class Plan(msgspec.Struct, frozen=True):
    """One parameter. The first six fields are what the quiet way looks at."""

    low: float
    high: float
    """Within them the gross range is good."""
    repeats: float
    """A step below it is a repeat. -1: repeats are not looked at."""
    few: int
    """So many repeats in a row need no look."""
    longest_ms: int
    """Two samples further apart than this take the slow way."""
    shortest_ms: int
    spans: Spans
    interval_ms: int
    turn: bool = False
    """A direction: differences are taken modulo 360."""
    learnt: Learnt | None = None
    rate: Rate | None = None
    spike: Spike | None = None
    near: float = -1.0
    """Of a plan without a learnt limit: the step up to which nothing needs a look."""
    learnt_spike: bool = False
    stuck: Stuck | None = None
    flat_line: FlatLine | None = None
    climatology: tuple[Member, ...] = ()
    zone: tzinfo = UTC
    """Where months and hours are counted."""
    attenuated: Attenuated | None = None
    neighbour: Neighbour | None = None
    multivariate: Multivariate | None = None
    event_ms: int = EVENT_MS
    event_within: Span = (-inf, inf)
    """Only values in it can be a possible event."""

    @property
    def windowed(self) -> bool:
        """Some test needs to see every place of the series, the quiet way included."""
        return self.flat_line is not None or self.attenuated is not None or self.multivariate is not None

    @property
    def busy(self) -> bool:
        """No value may take the quiet way."""
        return self.windowed or self.turn or bool(self.climatology) or self.neighbour is not None


class LinePlan(msgspec.Struct, frozen=True):
    """What is tested of a whole message of a device."""

    consistency: tuple[str, ...] = ()
    timing: Timing | None = None
    warm_up: WarmUp | None = None
    health: Mapping[str, Span] = {}
    moved_m: float | None = None


class DevicePlan(msgspec.Struct, frozen=True):
    """All of one device: plans by parameter, and of the message."""

    series: Mapping[str, Plan]
    line: LinePlan | None = None


def plan(
    spans: Spans,
    interval_ms: int,
    *,
    learnt: Learnt | None = None,
    learnt_spike: bool = False,
    rate: Rate | None = None,
    spike: Spike | None = None,
    stuck: Stuck | None = None,
    **more: Any,
) -> Plan:
    """A plan whose quiet way agrees with its tests. `more`: the other fields of `Plan`."""
    longest, shortest = int(interval_ms * LONGEST), 0
    near = inf
    if learnt is not None:
        near = -1.0
    elif rate is not None:
        shortest = max(1000, interval_ms // 2)
        near = min(near, rate.suspect * (shortest // 1000), rate.fail * (shortest // 1000) if rate.fail is not None else inf)
    if spike is not None:
        near = min([near, *(threshold for threshold in (spike.suspect, spike.fail) if threshold)])
    low, high = spans.good
    if learnt is None and rate is None and spike is None:
        longest = FORGET * interval_ms
    return Plan(
        low=low,
        high=high,
        repeats=_LEAST_STEP if stuck is not None else -1.0,
        few=stuck.suspect - 1 if stuck is not None else 0,
        longest_ms=longest,
        shortest_ms=shortest,
        spans=spans,
        interval_ms=interval_ms,
        learnt=learnt,
        learnt_spike=learnt_spike,
        rate=rate,
        spike=spike,
        near=near,
        stuck=stuck,
        **more,
    )


_LEAST_STEP = 1e-9
"""Two values closer than this are equal: it is below every instrument's resolution in every canonical unit."""
