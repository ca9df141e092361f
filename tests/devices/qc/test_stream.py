"""What holds for every test of a series: one verdict a reading, any cutting, late readings, bounded state."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.qc.attenuated import MOST, Attenuated
from devices.qc.climatology import Climatology, Member
from devices.qc.density import DensityInversion
from devices.qc.flat_line import FlatLine
from devices.qc.gross_range import GrossRange
from devices.qc.multivariate import MultiVariate
from devices.qc.rate import Rate
from devices.qc.spike import Spike
from devices.qc.stream import graded, present
from devices.qc.warmup import WarmUp
from devices.quality import Spans
from tests.devices.qc.series import CODECS, QUARTERS, T0, flags, flags_in_batches, rows, values

ONE_VALUE: tuple[Any, ...] = (
    GrossRange(Spans((-8.0, 8.0), (-5.0, 5.0))),
    Climatology((Member((0, 11), (-5.0, 5.0), (-8.0, 8.0), "hour"),)),
    Spike(1.0, 3.0, "average"),
    Spike(1.0, 3.0),
    Spike(1.0, 3.0, circular=True),
    Rate(0.01, 0.05),
    Rate(0.01, 0.05, circular=True),
    FlatLine(60_000, 120_000, 300_000, 0.3),
    FlatLine(60_000, 120_000, 300_000, 0.3, circular=True),
    Attenuated(300_000, 1.0, 0.1, 2),
    Attenuated(300_000, 1.0, 0.1, 2, "range"),
    WarmUp(120_000, 90_000),
)
TWO_VALUES: tuple[Any, ...] = (DensityInversion(-0.25, -1.0), MultiVariate(Rate(0.01), Rate(0.01)))
ODD = st.none() | st.sampled_from((inf, -inf, nan)) | QUARTERS
STEPS = st.sampled_from((0, 1, 60_000, 60_000, 60_000, 400_000, -30_000))


@pytest.mark.slow
@pytest.mark.parametrize("test", ONE_VALUE, ids=lambda test: type(test).__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_batches_and_a_restart_between_give_the_same_flags(test: Any, data: st.DataObject) -> None:
    series = rows(data.draw(values()))
    _same_in_batches(test, series, data)


@pytest.mark.parametrize("test", TWO_VALUES, ids=lambda test: type(test).__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_batches_of_pairs_too(test: Any, data: st.DataObject) -> None:
    one, other = data.draw(values()), data.draw(values())
    _same_in_batches(test, [(*row, second) for row, second in zip(rows(one), other, strict=False)], data)


def _same_in_batches(test: Any, series: list[Any], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(series))))
    assert flags_in_batches(test, series, sorted(cuts), data.draw(st.sampled_from(CODECS))) == flags(test, series)


@pytest.mark.slow
@pytest.mark.parametrize("test", ONE_VALUE + TWO_VALUES, ids=lambda test: type(test).__name__)
@settings(max_examples=40, deadline=None)
@given(found=st.lists(st.tuples(STEPS, ODD, ODD), max_size=40))
def test_one_verdict_a_reading_whatever_comes(test: Any, found: list[tuple[int, float | None, float | None]]) -> None:
    """Jumps back in time, the same instant twice, infinities: every reading has one flag, and a missing one is 9 or unjudged."""
    state, time, verdicts, pushed = test.start(), T0, [], []
    for step, value, other in found:
        time += step
        pushed.append((time, value))
        verdicts += test.push(state, time, value, *((other,) if test in TWO_VALUES else ()))
    verdicts += test.finish(state)
    assert sorted(at for at, _ in verdicts) == sorted(at for at, _ in pushed)
    assert {flag for _, flag in verdicts} <= {1, 2, 3, 4, 9}
    missing = sum(present(value) is None for _, value in pushed)
    assert sum(flag == 9 for _, flag in verdicts) >= missing


@pytest.mark.parametrize("test", ONE_VALUE, ids=lambda test: type(test).__name__)
def test_states_are_bounded(test: Any) -> None:
    """A day of minutes that creep, spread, and stand still."""
    state, most = test.start(), 0
    for number in range(1500):
        test.push(state, T0 + 60_000 * number, (number % 500) * 0.01 if number % 700 else None)
        most = max(most, len(msgspec.msgpack.encode(state)))
    assert most <= 400


@pytest.mark.slow
def test_attenuation_keeps_so_many_readings_at_most() -> None:
    test = Attenuated(1 << 50, 1.0, 0.1)
    state = test.start()
    for number in range(MOST + 10):
        test.push(state, T0 + number, float(number % 7))
    assert len(state.values) == len(state.times_ms) == MOST


@pytest.mark.parametrize("value", [None, nan, inf, -inf])
def test_what_is_missing(value: float | None) -> None:
    assert present(value) is None
    assert present(0.0) == 0.0


def test_thresholds_are_met_only_beyond_them() -> None:
    assert [graded(size, 1.0, 2.0) for size in (1.0, 1.5, 2.0, 2.5, inf)] == [1, 3, 3, 4, 4]
    assert [graded(9.0, suspect, fail) for suspect, fail in ((None, None), (1.0, None), (None, 1.0))] == [1, 3, 4]
