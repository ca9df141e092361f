"""What step from one sample to the next is usual, learnt per series (semantics D1).

`scale` follows the 98 % quantile of |x - last|: a sample that moves more lets it grow by a tenth, never beyond that move itself; each that
moves less lets it shrink by 0.2 %. Its equilibrium is where one sample in fifty moves more. One sample can thus change it by a
tenth at most, whatever it says. Only accepted samples teach: a spiking sensor cannot make its spikes usual.

A step is suspect beyond the largest of: `times` the scale, the parameter's floor, and (what has a log-normal distribution: dust,
gases, turbidity) a part of the level. After a gap the limit is larger in proportion; after `FORGET` intervals nothing is said.

The decay is not applied sample by sample but every `REFRESH` intervals, from the time that has passed: that is what lets a quiet
sample cost so little. Everything is deterministic.
"""

from __future__ import annotations

from typing import NamedTuple

GROW = 1.1
DECAY = 0.998
REFRESH = 32
FORGET = 12
"""Reporting intervals without a value, after which the last level says nothing about a step."""
LONGEST = 1.5
"""Reporting intervals between two samples up to which they count as one interval apart."""
_MOST = 40
"""The learnt limit is at most so many floors."""


class Learnt(NamedTuple):
    """A learnt step limit, in the parameter's unit."""

    floor: float
    """A smaller step is never suspect."""
    relative: float = 0.0
    """… nor one smaller than this part of the level."""
    times: float = 3.0

    @property
    def least(self) -> float:
        """The scale's smallest value."""
        return self.floor / self.times

    def limit(self, scale: float, level: float) -> float:
        """The largest step within one reporting interval that is not suspect."""
        return max(self.floor, self.times * scale, self.relative * abs(level))

    def taught(self, scale: float, move: float) -> float:
        """The scale after an accepted sample that moved more than it."""
        return min(scale * GROW, move, _MOST * self.least) if move > scale else scale

    def rested(self, scale: float, intervals: int) -> float:
        """The scale after so many reporting intervals."""
        return max(self.least, scale * DECAY ** min(intervals, 5_000))
