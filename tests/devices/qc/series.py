"""Series to judge, and ways to run a test over them: whole, or cut anywhere with the state encoded in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

T0 = 1_750_000_000_000
Rows = Sequence[tuple[Any, ...]]
"""(time in ms, value, further arguments of `push`)."""


def flags(test: Any, rows: Rows) -> list[int]:
    """One flag a row. Fails if a verdict is missing, given twice, or out of order."""
    state = test.start()
    verdicts = [verdict for row in rows for verdict in test.push(state, *row)]
    verdicts += test.finish(state)
    assert [time for time, _ in verdicts] == [row[0] for row in rows]
    return [flag for _, flag in verdicts]


def flags_in_batches(test: Any, rows: Rows, cuts: Sequence[int], codec: Any) -> list[int]:
    """As `flags`; before each row numbered in `cuts` the verdicts so far are asked for, and the state is written and read back."""
    state = test.start()
    found: list[int] = []
    for number, row in enumerate(rows):
        if number in cuts:
            test.finish(state)
            if state is not None:
                state = codec.decode(codec.encode(state), type=type(state))
        found += [flag for _, flag in test.push(state, *row)]
    return found + [flag for _, flag in test.finish(state)]


CODECS = (msgspec.json, msgspec.msgpack)

QUARTERS = st.integers(-40, 40).map(lambda number: number / 4)
"""Exact in binary, and few enough that thresholds are met exactly."""


@st.composite
def values(draw: st.DrawFn, element: st.SearchStrategy[float] = QUARTERS, least: int = 3) -> list[float | None]:
    """Runs of values, runs of one value, and runs of missing ones (domain.md 5.2)."""
    run = st.one_of(
        st.lists(element, min_size=1, max_size=12),
        st.builds(lambda value, length: [value] * length, element, st.integers(1, 12)),
        st.integers(1, 5).map(lambda length: [None] * length),
    )
    found = [value for part in draw(st.lists(run, min_size=1, max_size=6)) for value in part]
    return found + draw(st.lists(element, min_size=least - len(found), max_size=least - len(found))) if len(found) < least else found


def rows(series: Sequence[float | None], step_s: int = 60) -> list[tuple[int, float | None]]:
    """A regular series of whole seconds."""
    return [(T0 + 1000 * step_s * number, value) for number, value in enumerate(series)]
