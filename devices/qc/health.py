"""Sensor health: what a low battery or a stopped fan says of the other values of the same message.

A device type names which of its own parameters (battery, supply voltage, fan) are to be within which spans, and which readings
depend on them: a particle counter without its fan measures the air in its case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from devices.qc.rollup import roll_up
from devices.qc.stream import present
from devices.quality import GOOD, Spans


class Health(NamedTuple):
    """Settings of one health parameter."""

    parameter: str
    spans: Spans
    """Outside them the readings named below are suspect, or fail."""
    affects: frozenset[str]


def health_flags(rules: Iterable[Health], values: Mapping[str, float | None]) -> dict[str, int]:
    """Parameter → flag of the readings of one message that its device's health makes doubtful; the others are not in it.

    A health value that the message lacks, or that is missing, says nothing.
    """
    flags: dict[str, int] = {}
    for rule in rules:
        health = present(values.get(rule.parameter))
        if health is None:
            continue
        flag = rule.spans.flag(health)
        if flag != GOOD:
            for parameter in sorted(rule.affects & values.keys()):
                flags[parameter] = roll_up((flag, flags.get(parameter, GOOD)))
    return flags
