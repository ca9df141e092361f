"""The density-inversion test says what ioos_qc says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.density import Density, profile
from tests.devices.qc import oracle

POINTS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 400).map(lambda n: 1024 + n / 100)),
        st.one_of(st.none(), st.integers(0, 8).map(float)),
    ),
    min_size=2,
    max_size=30,
)


@given(POINTS, st.sampled_from([None, -0.0151]), st.sampled_from([None, -0.0351, -0.0051]))
def test_verdicts_are_those_of_ioos_qc(points: list[tuple[float | None, float | None]], suspect: float | None, fail: float | None) -> None:
    densities, depths = [point[0] for point in points], [point[1] for point in points]
    theirs = oracle.flags(
        "density_inversion_test", inp=oracle.array(densities), zinp=oracle.array(depths), suspect_threshold=suspect, fail_threshold=fail
    )
    assert profile(densities, depths, Density(suspect, fail)) == theirs


@pytest.mark.parametrize("call", oracle.calls("density_inversion_test"), ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    assert profile(said["inp"], said["zinp"], Density(said["suspect_threshold"], said["fail_threshold"])) == call["flags"]


def test_a_missing_point_hides_the_next_one_too() -> None:
    """Domain facts 5.2."""
    assert profile([1025, None, 1025, 1026], [1, 2, 3, 4], Density(-0.01)) == [1, 9, 9, 1]
    assert profile([1025], [1], Density(-0.01)) == [2]
