"""Is a value to be believed? QARTOD flags (IOC Manuals and Guides 54:V3): 1 good, 3 suspect, 4 fail, 9 missing.

Issue by issue more tests join; here is the gross range test. A value outside the plausible span fails; outside the suspect
span, which only a device type or a station gives, it is suspect. The instrument's range is never used: see parameters.yaml.
"""

from __future__ import annotations

from typing import NamedTuple

from devices.parameters import Span

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
"""`devices.reading.Flag` as plain integers, which is what lines carry."""


class Spans(NamedTuple):
    """The spans of one parameter, in its canonical unit, ends included."""

    plausible: Span
    suspect: Span | None = None

    def flag(self, value: float | None) -> int:
        """The gross range test (the same verdicts as `ioos_qc.qartod.gross_range_test`)."""
        if value is None:
            return MISSING
        if not self.plausible[0] <= value <= self.plausible[1]:
            return FAIL
        if self.suspect is not None and not self.suspect[0] <= value <= self.suspect[1]:
            return SUSPECT
        return GOOD

    @property
    def good(self) -> Span:
        """Exactly the values that are flagged 1."""
        if self.suspect is None:
            return self.plausible
        return max(self.plausible[0], self.suspect[0]), min(self.plausible[1], self.suspect[1])
