"""Reading by reading the judge says what it says of a whole series."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue, quality_defaults
from devices.qc.settings import plan
from devices.quality import Spans
from gateway.commands.source import of_file
from gateway.imports.judging import Judging
from gateway.series.judged import judge

DATA = Path(__file__).parents[2] / "data" / "series"
MINUTE = 60_000


def flags(parameter: str, interval_ms: int, series: list[tuple[int, float | None]]) -> list[int]:
    """As an import keeps them: a revision of a reading changes its flag."""
    entry = catalogue()[parameter]
    judging = Judging(plan(entry, interval_ms, quality_defaults()), Spans(entry.plausible))
    kept: dict[int, int] = {}
    for time_ms, value in series:
        flag, revisions = judging.take(time_ms, value)
        for revision in revisions:
            assert kept[revision.time_ms] == revision.was
            kept[revision.time_ms] = revision.now
        kept[time_ms] = flag
    return [kept[time_ms] for time_ms, _ in series]


steps = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 2, 15]), st.one_of(st.none(), st.sampled_from([10.0, 10.5, 11.0, 300.0, 310.0, 5000.0]))),
    min_size=1,
    max_size=80,
)


@given(st.sampled_from(["pm25", "wind_dir", "water_temp"]), steps)
def test_the_same_as_of_the_whole(parameter: str, moves: list[tuple[int, float | None]]) -> None:
    time_ms, series = 0, []
    for step, value in moves:
        time_ms += step * MINUTE
        series.append((time_ms, value))
    entry = catalogue()[parameter]
    times, values = [at for at, _ in series], [nan if value is None else value for _, value in series]
    whole = judge(plan(entry, MINUTE, quality_defaults()), Spans(entry.plausible), times, values)
    assert flags(parameter, MINUTE, series) == list(whole.flags)


@pytest.mark.parametrize(
    ("name", "map_name"), [("sensorcommunity-15092-july.csv", "sensorcommunity"), ("lro-franklin-2014-summer.csv", "lro")]
)
def test_the_same_of_real_series(name: str, map_name: str) -> None:
    for source in of_file(DATA / name, map_name).sources:
        for parameter, values in source.columns.values.items():
            judging = Judging(source.plans[parameter], source.spans[parameter])
            kept: dict[int, int] = {}
            for time_ms, value in zip(source.columns.times, values, strict=True):
                flag, revisions = judging.take(time_ms, None if value != value else value)
                kept.update((revision.time_ms, revision.now) for revision in revisions)
                kept[time_ms] = flag
            whole = judge(source.plans[parameter], source.spans[parameter], source.columns.times, values).flags
            assert kept == dict(zip(source.columns.times, whole, strict=True)), parameter


def test_a_value_that_came_twice_is_the_later_one() -> None:
    """A spike is seen when it is over: by then another value stands at its time, which is no spike."""
    entry = catalogue()["pm25"]
    judging = Judging(plan(entry, MINUTE, quality_defaults()), Spans(entry.plausible))
    for n in range(5):
        judging.take(n * MINUTE, 10.0 + n % 2)
    judging.take(5 * MINUTE, 900.0)
    judging.take(5 * MINUTE, 11.0)
    _, revisions = judging.take(6 * MINUTE, 10.0)
    assert revisions == ()
