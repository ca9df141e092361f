"""What a message turns into: readings in canonical units, each with its QARTOD flag.

A *reading* is one value of one parameter at one station at one instant. Readings of one message that share
medium, station, device and time travel together as a `Line`, because that is how every history stores them
(one InfluxDB line, one group of DuckDB rows) and because it costs one object a message instead of one a value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from devices.rejection import Reason


class Flag(IntEnum):
    """QARTOD primary flags (IOC 54:V3; the same numbers as `ioos_qc.qartod.QartodFlags`)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Value(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One reading inside a line: parameter id, value in the parameter's canonical unit, flag.

    `value` is None exactly when `flag` is 9 (missing).
    """

    parameter: str
    value: float | None
    flag: int


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The readings of one message for one medium: what a history writes as one point.

    `time_ms` is the event time in milliseconds since the Unix epoch, UTC. `area` is the one that was valid at
    that time (semantics C6). The key of a point is (medium, station, device, area, time_ms): writing the same
    key again replaces the values named (semantics B1, revisions).
    """

    medium: str
    station: str
    device: str
    area: str
    time_ms: int
    values: tuple[Value, ...]
    notes: tuple[tuple[str, str | float], ...] = ()
    """Fields that are no readings: text and numbers of medium `alert` (what happened to an alert). Empty for readings."""


class RefusedField(NamedTuple):
    """A field of an otherwise readable message that could not be read. Its neighbours are kept."""

    field: str
    reason: Reason
    detail: str
