"""The climatology test says what ioos_qc says, but for missing values, where ioos_qc is wrong."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.qc.climatology import PERIODS, Member, verdict
from tests.devices.qc import oracle

MEMBERS = st.lists(
    st.tuples(
        st.sampled_from([None, *PERIODS]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(-30, 20),
        st.integers(0, 40),
        st.booleans(),
        st.sampled_from([None, (0.0, 10.0)]),
    ),
    max_size=4,
)


@given(oracle.series(), MEMBERS, st.integers(1, 40), st.sampled_from([None, 5.0, 20.0]))
def test_verdicts_are_those_of_ioos_qc(numbers: list[float | None], drawn: list[Any], hours: int, depth: float | None) -> None:
    times = oracle.times(len(numbers), hours * 3600)
    ours, theirs = [], []
    for period, first, second, low, width, fails, depths in drawn:
        when = tuple(sorted((first, second)))
        if period is None:
            when = tuple((oracle.START_S + end * 86_400) for end in when)
        member = Member(
            (when[0] * 1000.0, when[1] * 1000.0) if period is None else (when[0], when[1]),
            (low, low + width),
            (low - 10.0, low + width + 10.0) if fails else None,
            depths,
            period,
        )
        ours.append(member)
        span = tuple(pd.Timestamp(end, unit="s") for end in when) if period is None else when
        theirs.append({"tspan": span, "vspan": member.usual, "fspan": member.possible, "zspan": depths, "period": period})
    expected = oracle.flags(
        "climatology_test",
        config=theirs,
        inp=oracle.array(numbers),
        tinp=np.array(times, dtype="datetime64[s]"),
        zinp=oracle.array([depth] * len(numbers)),
    )
    found = [verdict(at * 1000, number, ours, UTC, depth) for at, number in zip(times, numbers, strict=True)]
    known = [index for index, number in enumerate(numbers) if number is not None]
    assert [found[index] for index in known] == [expected[index] for index in known]
    assert all(found[index] == 9 for index in range(len(numbers)) if index not in known)


@pytest.mark.parametrize("call", oracle.calls("climatology_test"), ids=oracle.name)
def test_recorded_calls(call: dict[str, Any]) -> None:
    said = call["args"]
    members = []
    for entry in said["config"]["members"]:
        ends = entry["tspan"]["minv"], entry["tspan"]["maxv"]
        if entry["period"] is None:
            ends = tuple(oracle.instant_ms(end) for end in ends)
        spans = {key: None if entry[key] is None else (entry[key]["minv"], entry[key]["maxv"]) for key in ("vspan", "fspan", "zspan")}
        assert spans["vspan"] is not None
        members.append(Member(ends, spans["vspan"], spans["fspan"], spans["zspan"], entry["period"]))
    found = [
        verdict(oracle.instant_ms(at), number, members, UTC, depth)
        for at, number, depth in zip(said["tinp"], said["inp"], said["zinp"], strict=True)
    ]
    assert found == call["flags"]


@pytest.mark.parametrize("period", ["month", "dayofyear", "hour"])
def test_a_missing_value_is_missing_where_ioos_qc_calls_it_good(period: Any) -> None:
    """Domain facts 0.6 and 5.2: a fault of ioos_qc 3.0.0 that is not followed."""
    member = {"tspan": (0, 400), "vspan": (0, 50), "period": period}
    theirs = oracle.flags(
        "climatology_test",
        config=[member],
        inp=np.array([np.nan, 5]),
        tinp=np.array(oracle.times(2), "datetime64[s]"),
        zinp=np.array([np.nan] * 2),
    )
    assert theirs == [1, 1]
    assert [verdict(oracle.START_S * 1000, number, [Member((0, 400), (0, 50), None, None, period)], UTC) for number in (None, 5)] == [9, 1]


def test_hours_are_counted_in_the_citys_zone() -> None:
    night = Member((0, 5), (0, 10), None, None, "hour")
    at = oracle.instant_ms("2026-03-01T18:00:00")  # 01:00 in Da Nang
    assert verdict(at, 99.0, [night], ZoneInfo("Asia/Ho_Chi_Minh")) == 3
    assert verdict(at, 99.0, [night], UTC) == 2
