"""Every test gives the verdicts of `ioos_qc` 3.0.0, on series as domain.md 5.2 asks; what differs is named, one test a difference."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import inf, nan
from types import ModuleType
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Climatology, Member
from devices.qc.density import DensityInversion
from devices.qc.flat_line import FlatLine
from devices.qc.gross_range import GrossRange
from devices.qc.location import Place
from devices.qc.rate import Rate
from devices.qc.rollup import roll_up
from devices.qc.spike import Spike
from devices.qc.timing import Timing
from devices.quality import Spans
from tests.devices.qc.series import QUARTERS, T0, flags, rows, values

pytestmark = pytest.mark.slow

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Oracle = Callable[..., list[int]]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    """Call a test of `ioos_qc` by name. It takes seconds to import, hence here and only here."""
    qartod: ModuleType = importlib.import_module("ioos_qc.qartod")
    numpy: ModuleType = importlib.import_module("numpy")

    def call(name: str, *args: Any, **kwargs: Any) -> list[int]:
        with numpy.errstate(all="ignore"):
            found = getattr(qartod, name)(*args, **kwargs)
        return [int(flag) for flag in numpy.ma.filled(found, 255)]

    return call


def _numbers(series: Sequence[float | None]) -> list[float]:
    return [nan if value is None else value for value in series]


def _times(count: int, step_ms: int = 60_000) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.array([T0 + number * step_ms for number in range(count)], dtype="datetime64[ms]").astype("datetime64[ns]")


@FEW
@given(values(), st.booleans())
def test_gross_range(oracle: Oracle, series: list[float | None], with_suspect: bool) -> None:
    suspect = (-5.0, 5.0) if with_suspect else None
    ours = flags(GrossRange(Spans((-8.0, 8.0), suspect)), rows(series))
    assert ours == oracle("gross_range_test", _numbers(series), fail_span=(-8.0, 8.0), suspect_span=suspect)


@FEW
@given(
    values(),
    st.sampled_from(("average", "differential")),
    st.sampled_from((None, 0, 0.5, 2.0)),
    st.sampled_from((None, 0, 1.0, 4.0)),
)
@example([1.0, 1.0, None, 3.0, 9.0, 3.0], "differential", 2.0, 4.0)
def test_spike(
    oracle: Oracle, series: list[float | None], method: Literal["average", "differential"], suspect: float | None, fail: float | None
) -> None:
    ours = flags(Spike(suspect, fail, method), rows(series))
    assert ours == oracle("spike_test", _numbers(series), suspect_threshold=suspect, fail_threshold=fail, method=method)


@FEW
@given(values(), st.sampled_from((1, 7, 60, 900)), st.sampled_from((None, 0.02)))
def test_rate_of_change(oracle: Oracle, series: list[float | None], step_s: int, fail: float | None) -> None:
    ours = flags(Rate(0.005, fail), rows(series, step_s))
    assert ours == oracle("rate_of_change_test", _numbers(series), _times(len(series), step_s * 1000), threshold=0.005, fail_threshold=fail)


@FEW
@given(values(), st.integers(0, 700), st.integers(0, 900), st.sampled_from((0, 0.25, 0.3, 1.0, 5.0)))
def test_flat_line(oracle: Oracle, series: list[float | None], suspect_s: int, fail_s: int, tolerance: float) -> None:
    """Not multiples of the interval, a fail sooner than the suspect and durations below one interval included."""
    ours = flags(FlatLine(60_000, suspect_s * 1000, fail_s * 1000, tolerance), rows(series))
    theirs = oracle(
        "flat_line_test",
        _numbers(series),
        _times(len(series)),
        suspect_threshold=suspect_s,
        fail_threshold=fail_s,
        tolerance=tolerance,
    )
    assert ours == theirs


@FEW
@given(values(), st.integers(30, 900), st.sampled_from((1, 2, 4)), st.sampled_from(("std", "range")))
def test_attenuated_signal(oracle: Oracle, series: list[float | None], period_s: int, min_obs: int, check: Literal["std", "range"]) -> None:
    """Thresholds that no deviation of quarters meets exactly: `ioos_qc` carries the rounding errors of a rolling sum along."""
    ours = flags(Attenuated(period_s * 1000, 1.2345678, 0.1234567, min_obs, check), rows(series))
    theirs = oracle(
        "attenuated_signal_test",
        _numbers(series),
        _times(len(series)),
        suspect_threshold=1.2345678,
        fail_threshold=0.1234567,
        test_period=period_s,
        min_obs=min_obs,
        check_type=check,
    )
    assert ours == theirs


@FEW
@given(st.lists(st.tuples(st.none() | QUARTERS, st.none() | QUARTERS), min_size=2, max_size=40), st.sampled_from((None, -0.5)))
def test_density_inversion(oracle: Oracle, profile: list[tuple[float | None, float | None]], fail: float | None) -> None:
    ours = flags(DensityInversion(-0.25, fail), [(T0 + number, density, depth) for number, (density, depth) in enumerate(profile)])
    theirs = oracle(
        "density_inversion_test",
        _numbers([density for density, _ in profile]),
        _numbers([depth for _, depth in profile]),
        suspect_threshold=-0.25,
        fail_threshold=fail,
    )
    assert ours == theirs


_PERIODS = {"month": (1, 12), "week": (1, 53), "dayofyear": (1, 366), "hour": (0, 23), "quarter": (1, 4)}


@st.composite
def _members(draw: st.DrawFn) -> Member:
    def span(numbers: st.SearchStrategy[float]) -> tuple[float, float]:
        one, other = sorted(draw(st.tuples(numbers, numbers)))
        return one, other

    period = draw(st.sampled_from((None, *_PERIODS)))
    moments = st.integers(T0 // 1000, T0 // 1000 + 400 * 86_400).map(lambda second: second * 1000)
    times = span(moments if period is None else st.integers(*_PERIODS[period]))
    return Member(
        times,
        span(QUARTERS),
        span(QUARTERS) if draw(st.booleans()) else None,
        period,  # type: ignore[arg-type]
        span(QUARTERS) if draw(st.booleans()) else None,
    )


@FEW
@given(
    st.lists(_members(), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 400 * 86_400), QUARTERS, QUARTERS), min_size=1, max_size=12, unique_by=lambda row: row[0]),
    st.booleans(),
)
def test_climatology(oracle: Oracle, members: list[Member], found: list[tuple[int, float, float]], with_depths: bool) -> None:
    """Without missing values, and depths in all readings or in none: see the differences below."""
    series = [(T0 + 1000 * second, value, depth if with_depths else None) for second, value, depth in sorted(found)]
    times = importlib.import_module("numpy").array([row[0] for row in series], dtype="datetime64[ms]").astype("datetime64[ns]")
    config = [_config(member) for member in members]
    theirs = oracle("climatology_test", config, [row[1] for row in series], times, _numbers([row[2] for row in series]))
    assert flags(Climatology(tuple(members)), series) == theirs


def _config(member: Member) -> dict[str, Any]:
    times = member.times if member.period else tuple(map(_stamp, member.times))
    return {"tspan": times, "vspan": member.values, "fspan": member.fail, "zspan": member.depths, "period": member.period}


def _stamp(time_ms: float) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC).replace(tzinfo=None)


_ODD = st.sampled_from((None, 0.0, 90.0, -90.0, 90.5, 180.0, -180.0, 180.5, 500.5))


@FEW
@given(st.lists(st.tuples(_ODD, _ODD), min_size=1, max_size=8))
def test_location(oracle: Oracle, places: list[tuple[float | None, float | None]]) -> None:
    theirs = oracle("location_test", _numbers([longitude for _, longitude in places]), _numbers([latitude for latitude, _ in places]))
    assert [Place(0.0, 0.0, inf).flag(*place) for place in places] == theirs


@FEW
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=20))
def test_time_gap_after_the_first(oracle: Oracle, steps_s: list[int]) -> None:
    times = [T0 + 1000 * sum(steps_s[:number]) for number in range(len(steps_s) + 1)]
    timing = Timing(gap_ms=2 * 3_600_000)
    state = timing.start()
    stamps = importlib.import_module("numpy").array(times, dtype="datetime64[ms]")
    assert [timing.push(state, time).flag for time in times][1:] == oracle("time_gap_test", stamps, fail_span=2)[1:]


@FEW
@given(st.lists(st.lists(st.sampled_from((1, 2, 3, 4, 9)), min_size=3, max_size=3), min_size=1, max_size=6))
def test_roll_up(oracle: Oracle, vectors: list[list[int]]) -> None:
    numpy = importlib.import_module("numpy")
    theirs = oracle("qartod_compare", [numpy.array(vector) for vector in vectors])
    assert [roll_up(column) for column in zip(*vectors, strict=True)] == theirs


# ---- What differs, and is meant to (domain.md 0.6, 5.2)


def test_difference_infinity_is_missing_where_ioos_qc_fails_it(oracle: Oracle) -> None:
    series = [1.0, inf, -inf]
    assert oracle("gross_range_test", series, fail_span=(0, 5)) == [1, 4, 4]
    assert flags(GrossRange(Spans((0, 5))), rows(series)) == [1, 9, 9]


@pytest.mark.parametrize("period", ["month", "dayofyear", "hour"])
def test_difference_missing_stays_missing_in_a_climatology_with_a_period(oracle: Oracle, period: Any) -> None:
    config = [{"tspan": _PERIODS[period], "vspan": (0.0, 5.0), "period": period}]
    assert oracle("climatology_test", config, [nan, 1.0], _times(2), [nan, nan]) == [1, 1]
    assert flags(Climatology((Member(_PERIODS[period], (0.0, 5.0), period=period),)), rows([None, 1.0])) == [9, 1]


@pytest.mark.parametrize("period", ["month", "dayofyear", "hour"])
def test_difference_a_reading_without_depth_is_not_judged_by_a_member_with_depths(oracle: Oracle, period: Any) -> None:
    """The same fault of `ioos_qc`: with these periods, and a depth elsewhere in the series, the missing one counts as within the span."""
    member = Member(_PERIODS[period], (0.0, 5.0), None, period, (0.0, 1.0))
    assert oracle("climatology_test", [_config(member)], [1.0, 9.0], _times(2), [0.0, nan]) == [1, 3]
    assert flags(Climatology((member,)), [(T0, 1.0, 0.0), (T0 + 60_000, 9.0, None)]) == [1, 2]


@pytest.mark.parametrize("period", [None, "week"])
def test_missing_is_missing_in_the_other_climatologies_of_ioos_qc_too(oracle: Oracle, period: Any) -> None:
    times = (T0, T0 + 86_400_000) if period is None else (1, 53)
    spans = [_stamp(time) for time in times] if period is None else times
    config = [{"tspan": spans, "vspan": (0.0, 5.0), "period": period}]
    assert oracle("climatology_test", config, [nan, 1.0], _times(2), [nan, nan]) == [9, 1]
    assert flags(Climatology((Member(times, (0.0, 5.0), period=period),)), rows([None, 1.0])) == [9, 1]


def test_difference_milliseconds_count_in_a_rate(oracle: Oracle) -> None:
    """0 → 1 in 1.9 s: `ioos_qc` makes it 1 s."""
    times = _times(2, 1900)
    assert oracle("rate_of_change_test", [0.0, 1.0], times, threshold=0.6) == [1, 3]
    assert flags(Rate(0.6), [(T0, 0.0), (T0 + 1900, 1.0)]) == [1, 1]


def test_same_instant_is_an_infinite_rate_as_in_ioos_qc(oracle: Oracle) -> None:
    series = [(T0, 0.0), (T0, 1.0), (T0, 1.0)]
    assert flags(Rate(0.6), series) == oracle("rate_of_change_test", [0.0, 1.0, 1.0], _times(3, 0), threshold=0.6) == [1, 3, 1]


def test_tolerance_zero_never_flags_as_in_ioos_qc(oracle: Oracle) -> None:
    theirs = oracle("flat_line_test", [5.0] * 9, _times(9), suspect_threshold=120, fail_threshold=240)
    assert flags(FlatLine(60_000, 120_000, 240_000, 0.0), rows([5.0] * 9)) == theirs == [1] * 9


def test_difference_flat_line_has_a_nominal_interval_not_the_median_of_all_the_series(oracle: Oracle) -> None:
    """Every other message is lost: of the median 120 s two intervals are 240 s, of the nominal 60 s they are four readings."""
    series = [(T0 + 120_000 * number, 5.0) for number in range(6)]
    theirs = oracle("flat_line_test", [5.0] * 6, _times(6, 120_000), suspect_threshold=240, fail_threshold=9999, tolerance=0.1)
    assert theirs == [1, 1, 3, 3, 3, 3]
    assert flags(FlatLine(60_000, 240_000, 9_999_000, 0.1), series) == [1, 1, 1, 1, 3, 3]


def test_difference_flat_line_judges_short_series_too(oracle: Oracle) -> None:
    """`ioos_qc` calls all of fewer than three readings good, even the missing ones: a stream cannot know how long it will be."""
    assert oracle("flat_line_test", [nan, 5.0], _times(2), suspect_threshold=0, fail_threshold=600, tolerance=0.1) == [1, 1]
    assert flags(FlatLine(60_000, 0, 600_000, 0.1), rows([None, 5.0])) == [9, 3]


def test_first_reading_has_no_range_and_fails_without_min_obs_as_in_ioos_qc(oracle: Oracle) -> None:
    theirs = oracle(
        "attenuated_signal_test", [1.0, 9.0], _times(2), suspect_threshold=2, fail_threshold=1, test_period=600, check_type="range"
    )
    assert flags(Attenuated(600_000, 2, 1, 1, "range"), rows([1.0, 9.0])) == theirs == [4, 1]


def test_difference_attenuation_always_has_a_period(oracle: Oracle) -> None:
    """Without one `ioos_qc` gives every reading the verdict on the whole series; a stream knows it only at its end."""
    theirs = oracle("attenuated_signal_test", [1.0, 2.0, 30.0], _times(3), suspect_threshold=5, fail_threshold=1, check_type="range")
    assert theirs == [1, 1, 1]
    assert flags(Attenuated(1 << 50, 5, 1, 2, "range"), rows([1.0, 2.0, 30.0])) == [2, 3, 1]


def test_difference_one_missing_point_of_a_profile_is_missing(oracle: Oracle) -> None:
    assert oracle("density_inversion_test", [nan], [1.0], suspect_threshold=-1) == [2]
    assert flags(DensityInversion(-1), [(T0, None, 1.0)]) == [9]
    assert flags(DensityInversion(-1), [(T0, 1025.0, 1.0)]) == oracle("density_inversion_test", [1025.0], [1.0]) == [2]


def test_difference_a_single_reading_is_no_spike_and_when_missing_is_missing(oracle: Oracle) -> None:
    assert flags(Spike(1.0), rows([None])) == [9]
    assert flags(Spike(1.0), rows([5.0])) == [2] == oracle("spike_test", [5.0, 6.0], suspect_threshold=1)[:1]


def test_difference_first_time_is_good_where_ioos_qc_copies_the_second(oracle: Oracle) -> None:
    """And a single time, at which `ioos_qc` raises, is good too."""
    timing = Timing(gap_ms=3_600_000)
    stamps = _times(2, 7_200_000)
    assert oracle("time_gap_test", stamps, fail_span=1) == [4, 4]
    state = timing.start()
    assert [timing.push(state, T0).flag, timing.push(state, T0 + 7_200_000).flag] == [1, 4]
    with pytest.raises(IndexError):
        oracle("time_gap_test", stamps[:1], fail_span=1)


def test_difference_late_readings_are_not_evaluated_and_change_nothing(oracle: Oracle) -> None:
    """`ioos_qc` takes a step back in time for a negative duration, whose rate no threshold catches or every one."""
    test = Rate(0.1)
    series = [(T0, 0.0), (T0 - 60_000, 50.0), (T0 + 60_000, 1.0)]
    assert flags(test, series) == [1, 2, 1]
    stamps = importlib.import_module("numpy").array([row[0] for row in series], dtype="datetime64[ms]").astype("datetime64[ns]")
    assert oracle("rate_of_change_test", [row[1] for row in series], stamps, threshold=0.1) == [1, 3, 3]
