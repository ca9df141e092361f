"""What all tests of one series have in common, so that a command over a file and the core call them alike.

    settings = Spike(suspect=3, fail=10)
    state = settings.start()
    for time_ms, value in series:
        verdicts += settings.push(state, time_ms, value)
    verdicts += settings.finish(state)        # only to look: the state stays as it is

Every reading gets exactly one verdict, in the order of the readings; most tests give it at once, some (spike, density) when the
next reading comes. Readings come in order of time; one that is older than the newest is `late`: it is not evaluated (flag 2) and
changes nothing. States are bounded and survive `msgspec` encoding in every format.
"""

from __future__ import annotations

from math import isfinite
from typing import Protocol, TypeAlias, TypeVar

from devices.quality import MISSING, NOT_EVALUATED

NEVER = -(1 << 62)
"""Earlier than every reading, ms."""

Verdicts: TypeAlias = tuple[tuple[int, int], ...]
"""(time of the reading in ms, flag), oldest first."""

S = TypeVar("S")


class SeriesTest(Protocol[S]):
    """A quality test of one series: immutable settings that judge with a state kept elsewhere."""

    def start(self) -> S:
        """The state before the first reading."""

    def push(self, state: S, time_ms: int, value: float | None) -> Verdicts:
        """One reading; None, NaN and infinite values are missing."""

    def finish(self, state: S) -> Verdicts:
        """The verdicts of readings that still wait for the next one, as if none came. Does not change the state."""


def present(value: float | None) -> float | None:
    """The value, or None where there is none: infinity and NaN are no values (domain.md 5.2)."""
    return value if value is not None and isfinite(value) else None


def late(time_ms: int, value: float | None) -> Verdicts:
    """The verdict of a reading that is older than the newest."""
    return ((time_ms, NOT_EVALUATED if present(value) is not None else MISSING),)


def graded(size: float, suspect: float | None, fail: float | None) -> int:
    """4 above `fail`, 3 above `suspect`, else 1; a threshold of None is no test."""
    if fail is not None and size > fail:
        return 4
    if suspect is not None and size > suspect:
        return 3
    return 1
