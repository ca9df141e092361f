"""The attenuated-signal test says what ioos_qc says over a time window."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.attenuated import LONGEST, Attenuated, AttenuatedState, step
from tests.devices.qc import oracle


def run(times_ms: list[int], numbers: list[float | None], test: Attenuated) -> list[int]:
    state = AttenuatedState()
    return [step(state, at, number, test) for at, number in zip(times_ms, numbers, strict=True)]


@pytest.mark.parametrize("kind", ["std", "range"])
@given(
    numbers=oracle.series(),
    suspect=st.sampled_from([0.2512345, 2.012345, 20.012345]),
    fail=st.sampled_from([0.0123456, 1.0123456]),
    period=st.integers(1, 12),
    least=st.sampled_from([None, 1, 2, 4]),
)
def test_verdicts_are_those_of_ioos_qc(
    kind: Any, numbers: list[float | None], suspect: float, fail: float, period: int, least: int | None
) -> None:
    times, over = oracle.times(len(numbers)), period * oracle.INTERVAL_S
    theirs = oracle.flags(
        "attenuated_signal_test",
        inp=oracle.array(numbers),
        tinp=times,
        suspect_threshold=suspect,
        fail_threshold=fail,
        test_period=over,
        min_obs=least,
        check_type=kind,
    )
    assert run([at * 1000 for at in times], numbers, Attenuated(suspect, fail, over * 1000, least or 1, kind)) == theirs


@pytest.mark.parametrize("call", [call for call in oracle.calls("attenuated_signal_test") if call["args"]["test_period"]], ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    times = [oracle.instant_ms(at) for at in said["tinp"]]
    least = said["min_obs"] if said["min_obs"] is not None else int(said["min_period"] * 1000 / (times[1] - times[0]))
    test = Attenuated(said["suspect_threshold"], said["fail_threshold"], said["test_period"] * 1000, least, said["check_type"])
    assert run(times, said["inp"], test) == call["flags"]


@pytest.mark.parametrize(
    "call", [call for call in oracle.calls("attenuated_signal_test") if not call["args"]["test_period"]], ids=oracle.name
)
def test_one_value_for_the_whole_series_is_the_newest_of_a_window_as_long(call: dict[str, Any]) -> None:
    """Domain facts 5.2: ioos_qc judges a whole array by one number; a stream knows it only at its end."""
    said = call["args"]
    times = [oracle.instant_ms(at) for at in said["tinp"]]
    test = Attenuated(said["suspect_threshold"], said["fail_threshold"], 1 << 60, 1, said["check_type"])
    assert run(times, said["inp"], test)[-1] == call["flags"][-1]


@pytest.mark.parametrize("case", oracle.golden("attenuated_signal_test"), ids=oracle.name)
def test_golden_series(case: dict[str, Any]) -> None:
    said = case["kwargs"]
    test = Attenuated(said["suspect_threshold"], said["fail_threshold"], said["test_period"] * 1000, said["min_obs"], said["check_type"])
    assert run([at * 1000 for at in oracle.times(len(case["inp"]), case["step_s"])], case["inp"], test) == case["flags"]


def test_a_missing_value_in_the_window_hides_a_range_but_no_deviation() -> None:
    numbers: list[float | None] = [1.0, None, 9.0]
    assert run([1, 2, 3], numbers, Attenuated(1, 0.1, 10, 1, "range"))[-1] == 2
    assert run([1, 2, 3], numbers, Attenuated(1, 0.1, 10, 1, "std"))[-1] == 1


def test_the_window_is_bounded() -> None:
    state, test = AttenuatedState(), Attenuated(1, 0.1, 1 << 60)
    state.window = [(number, 1.0) for number in range(LONGEST)]
    step(state, LONGEST, 1.0, test)
    assert len(state.window) == LONGEST
