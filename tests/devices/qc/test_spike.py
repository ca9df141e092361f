"""The spike test says what ioos_qc says, one value later."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.spike import Spike, SpikeState, end, step, verdict
from tests.devices.qc import oracle


def run(numbers: list[float | None], test: Spike) -> list[int]:
    state, found = SpikeState(), []
    for number in numbers:
        before = step(state, number, test)
        if before is not None:
            found.append(before)
    last = end(state)
    return found if last is None else [*found, last]


@pytest.mark.parametrize("method", ["average", "differential"])
@given(numbers=oracle.series(), suspect=st.sampled_from([None, 0.0, 0.5, 3.0, 20.0]), fail=st.sampled_from([None, 0.0, 1.0, 10.0, 60.0]))
def test_verdicts_are_those_of_ioos_qc(method: Any, numbers: list[float | None], suspect: float | None, fail: float | None) -> None:
    theirs = oracle.flags("spike_test", inp=oracle.array(numbers), suspect_threshold=suspect, fail_threshold=fail, method=method)
    assert run(numbers, Spike(suspect, fail, method)) == theirs


@pytest.mark.parametrize("call", oracle.calls("spike_test"), ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    test = Spike(said["suspect_threshold"], said.get("fail_threshold"), said.get("method", "average"))
    assert run(said["inp"], test) == call["flags"]


@pytest.mark.parametrize("case", oracle.golden("spike_test"), ids=oracle.name)
def test_golden_series(case: dict[str, Any]) -> None:
    said = case["kwargs"]
    assert run(case["inp"], Spike(said["suspect_threshold"], said["fail_threshold"], said["method"])) == case["flags"]


def test_a_lone_spike_also_raises_its_neighbours_in_the_average() -> None:
    """Domain facts 5.2: by half its height."""
    assert run([0, 0, 10, 0, 0], Spike(4, None, "average")) == [2, 3, 3, 3, 2]


def test_a_step_is_no_spike_in_the_differential() -> None:
    assert run([0, 0, 10, 10, 10], Spike(4, None, "differential")) == [2, 1, 1, 1, 2]
    assert run([0, 0, 10, 10, 10], Spike(4, None, "average")) == [2, 3, 3, 1, 2]


def test_directions_turn_by_the_short_way() -> None:
    north = Spike(30, None, "differential")
    assert verdict(350.0, 10.0, 355.0, north) == 3
    assert verdict(350.0, 10.0, 355.0, north, turn=True) == 1
    assert verdict(350.0, 90.0, 355.0, north, turn=True) == 3
    assert verdict(350.0, 90.0, 355.0, Spike(inf, 40), turn=True) == 4
