"""The production judge over a series as it comes: what `gateway.series.judged` says of a whole one, reading by reading.

A verdict may change the flag of one of the last few readings (a spike is seen when it is over, a step is believed when two more
confirm it): that comes as a revision, which whoever keeps the readings applies to what is already kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

from devices.qc.judge import Revision, new_state, quiet, slowly
from devices.qc.series_tests import SeriesTestsState
from devices.qc.settings import Plan
from devices.quality import FAIL, GOOD, MISSING, SUSPECT, Spans

REMEMBERED = 64
"""Times that are kept in mind for revisions, which are of the last few readings."""
NOTHING: tuple[Revision, ...] = ()


class Judging:
    """One parameter of one device. Times in ms, values in the canonical unit; None: missing."""

    __slots__ = ("_again", "_plan", "_spans", "_state")

    def __init__(self, plan: Plan, spans: Spans) -> None:
        self._plan, self._spans = plan, spans
        self._state = new_state(plan)
        self._again: deque[int] = deque(maxlen=REMEMBERED)

    def take(
        self, time_ms: int, value: float | None, blamed: int = 0, values: Mapping[str, float | None] = MappingProxyType({})
    ) -> tuple[int, tuple[Revision, ...]]:
        """The reading's flag, and which earlier ones have another flag now.

        `blamed`: 3 or 4 if the message as a whole is doubted. `values`: all of its row.
        """
        state, asked = self._state, self._plan.asked
        said: dict[str, int] = {}
        if asked is not None:
            state.asked = state.asked or SeriesTestsState()
            said = asked.judge(state.asked, time_ms, value, values.get(asked.related))
        if value is None:
            return MISSING, slowly(self._plan, state, time_ms, None, MISSING).revisions
        flag = max(self._spans.flag(value), blamed, *(verdict for verdict in said.values() if verdict in (SUSPECT, FAIL)))
        if quiet(state, time_ms, value, flag):
            return GOOD, NOTHING
        if time_ms <= state.last_ms:
            self._again.append(time_ms)
        verdict = slowly(self._plan, state, time_ms, value, flag)
        if not verdict.revisions or not self._again:
            return verdict.flag, verdict.revisions
        # What came twice is what came last: a verdict on the one before is about nothing that is kept.
        return verdict.flag, tuple(revision for revision in verdict.revisions if revision.time_ms not in self._again)
