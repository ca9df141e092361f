"""Gross range: outside the plausible span 4, outside the suspect span 3, ends included (`ioos_qc.qartod.gross_range_test`).

`devices.quality.Spans` is the test; here it has the form of the others. Unlike `ioos_qc`, an infinite value is missing (9, not 4).
"""

from __future__ import annotations

from typing import NamedTuple

from devices.qc.stream import Verdicts, present
from devices.quality import Spans


class GrossRange(NamedTuple):
    """Settings: the spans, in the parameter's canonical unit."""

    spans: Spans

    def start(self) -> None:
        """No state: each value stands for itself."""

    def push(self, state: None, time_ms: int, value: float | None) -> Verdicts:
        return ((time_ms, self.spans.flag(present(value))),)

    def finish(self, state: None) -> Verdicts:
        return ()
