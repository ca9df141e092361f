"""The rate-of-change test says what ioos_qc says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.rate import Rate, RateState, step
from tests.devices.qc import oracle


def run(times_ms: list[int], numbers: list[float | None], test: Rate) -> list[int]:
    state = RateState()
    return [step(state, at, number, test) for at, number in zip(times_ms, numbers, strict=True)]


@given(
    oracle.series(least=2),
    st.lists(st.sampled_from([1, 1, 5, 600, 0]), min_size=200, max_size=200),
    st.sampled_from([0.01, 0.3, 5.0]),
    st.sampled_from([None, 0.02, 10.0]),
)
def test_verdicts_are_those_of_ioos_qc(numbers: list[float | None], gaps: list[int], suspect: float, fail: float | None) -> None:
    times = [oracle.START_S + sum(gaps[:index]) for index in range(len(numbers))]
    theirs = oracle.flags("rate_of_change_test", inp=oracle.array(numbers), tinp=times, threshold=suspect, fail_threshold=fail)
    assert run([at * 1000 for at in times], numbers, Rate(suspect, fail)) == theirs


@pytest.mark.parametrize("call", oracle.calls("rate_of_change_test"), ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    times = [oracle.instant_ms(at) for at in said["tinp"]]
    assert run(times, said["inp"], Rate(said["threshold"], said.get("fail_threshold"))) == call["flags"]


def test_the_time_is_cut_to_whole_seconds() -> None:
    """Domain facts 0.6: 1.9 s count as 1 s. Of two values within one second ioos_qc takes the change itself for its rate."""
    assert run([0, 1900], [0.0, 1.5], Rate(1.0)) == [1, 3]
    assert run([0, 900], [0.0, 1.5], Rate(1.0)) == [1, 3]
    assert run([0, 900], [0.0, 0.5], Rate(1.0)) == [1, 1]
    assert run([0, 900], [0.0, 0.0], Rate(1.0)) == [1, 1]


def test_a_value_after_a_missing_one_is_good() -> None:
    assert run([0, 1000, 2000, 3000], [0.0, None, 99.0, 0.0], Rate(1.0)) == [1, 9, 1, 3]
