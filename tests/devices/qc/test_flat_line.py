"""The flat-line test says what ioos_qc says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.flat_line import FlatLine, FlatLineState, step
from tests.devices.qc import oracle


def run(numbers: list[float | None], test: FlatLine) -> list[int]:
    state = FlatLineState()
    return [step(state, number, test) for number in numbers]


@given(
    oracle.series(least=3),
    st.integers(1, 9).map(lambda count: count * oracle.INTERVAL_S + 50),
    st.integers(1, 9).map(lambda count: count * oracle.INTERVAL_S),
    st.sampled_from([0.0, 0.0005, 0.01, 1.0, 30.0]),
)
def test_verdicts_are_those_of_ioos_qc(numbers: list[float | None], suspect: int, fail: int, tolerance: float) -> None:
    theirs = oracle.flags(
        "flat_line_test",
        inp=oracle.array(numbers),
        tinp=oracle.times(len(numbers)),
        suspect_threshold=suspect,
        fail_threshold=fail,
        tolerance=tolerance,
    )
    assert run(numbers, FlatLine.of(suspect * 1000, fail * 1000, tolerance, oracle.INTERVAL_S * 1000)) == theirs


def interval_ms(times: list[Any]) -> int:
    gaps = sorted(oracle.instant_ms(later) - oracle.instant_ms(at) for at, later in pairwise(times))
    return gaps[len(gaps) // 2] if gaps else 1000


@pytest.mark.parametrize("call", oracle.calls("flat_line_test"), ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    test = FlatLine.of(said["suspect_threshold"] * 1000, said["fail_threshold"] * 1000, said["tolerance"], interval_ms(said["tinp"]))
    assert run(said["inp"], test) == call["flags"]


@pytest.mark.parametrize("case", oracle.golden("flat_line_test"), ids=oracle.name)
def test_golden_series(case: dict[str, Any]) -> None:
    said = case["kwargs"]
    test = FlatLine.of(said["suspect_threshold"] * 1000, said["fail_threshold"] * 1000, said["tolerance"], case["step_s"] * 1000)
    assert run(case["inp"], test) == case["flags"]


def test_a_tolerance_of_zero_never_flags() -> None:
    """Domain facts 0.6."""
    assert run([5.0] * 50, FlatLine(3, 5, 0.0)) == [1] * 50


def test_missing_values_take_a_place_and_gaps_are_not_seen() -> None:
    assert run([7.0, None, None, 5.0], FlatLine(2, 9, 0.1)) == [1, 9, 9, 3]


def test_the_state_holds_what_the_window_needs_and_no_more() -> None:
    state, test = FlatLineState(), FlatLine(50, 100, 5.0)
    for number in range(5_000):
        step(state, (number % 97) / 20, test)
        assert len(state.low) <= 101
        assert len(state.high) <= 101
