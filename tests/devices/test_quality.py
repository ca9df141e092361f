"""The gross range test against flags that ioos_qc gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ioos_qc.qartod import gross_range_test

from devices import quality
from devices.loader import catalogue
from devices.quality import Spans
from devices.reading import Flag

CALLS = json.loads((Path(__file__).parents[1] / "data/qartod/gross_range.json").read_text())


@pytest.mark.parametrize("call", CALLS, ids=[call["id"].rsplit(":", 1)[-1] for call in CALLS])
def test_flags_as_ioos_qc(call: dict[str, list[float]]) -> None:
    spans = Spans((call["fail_span"][0], call["fail_span"][1]), (call["suspect_span"][0], call["suspect_span"][1]))
    flags = [spans.flag(value) for value in call["inp"]]
    assert flags == call["flags"]
    low, high = spans.good
    assert [value is not None and low <= value <= high for value in call["inp"]] == [flag == 1 for flag in flags]


@given(
    st.lists(st.one_of(st.none(), st.integers(-60, 60).map(lambda number: number / 2)), min_size=1),
    st.tuples(st.integers(-20, 0), st.integers(1, 20)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_any_series_is_flagged_as_ioos_qc_does(numbers: list[float | None], fail: tuple[int, int], narrower: tuple[int, int]) -> None:
    middle = sum(fail) / 2
    suspect = (min(middle, fail[0] + narrower[0]), max(middle, fail[1] - narrower[1]))
    theirs = gross_range_test(np.array([np.nan if number is None else number for number in numbers]), fail, suspect)
    assert [Spans(fail, suspect).flag(number) for number in numbers] == [int(flag) for flag in theirs]


def test_flag_numbers_are_qartods() -> None:
    assert tuple(Flag) == (quality.GOOD, quality.NOT_EVALUATED, quality.SUSPECT, quality.FAIL, quality.MISSING)


def test_real_smoke_is_good_without_a_suspect_span() -> None:
    """Semantics D1: 400 µg/m³ lies far outside the analyser's range, and is good all the same."""
    pm25 = catalogue()["pm25"]
    assert pm25.instrument is not None
    assert pm25.instrument[1] < 400
    assert Spans(pm25.plausible).flag(400) == Flag.GOOD
    assert Spans(pm25.plausible).flag(1000.1) == Flag.FAIL
    assert Spans(pm25.plausible).flag(-0.1) == Flag.FAIL
