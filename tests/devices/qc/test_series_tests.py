"""The tests of a series that somebody asks for, joined."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue, quality_defaults
from devices.qc.model import SeriesModel
from devices.qc.neighbour import Neighbours
from devices.qc.series_tests import Around, SeriesTests, SeriesTestsState, apart, shift
from devices.qc.settings import plan

MIN = 60_000
NOON = 1_773_464_400_000  # 2026-03-14T05:00Z


def asking(**said: object) -> SeriesTests:
    found = plan(catalogue()["do"], MIN, quality_defaults(), (SeriesModel.model_validate(said),)).asked
    assert found is not None
    return found


ALL = asking(
    climatology=[{"month": [1, 12], "usual": [2, 9], "possible": [0, 20]}],
    attenuated={"over": "5m", "suspect": 0.2, "fail": 0.05},
    flat={"suspect": "3m", "fail": "6m", "tolerance": 0.1},
    multivariate={"other": "water_temp", "suspect": 1, "other_suspect": 0.5, "per": "1m"},
)


def run(of: SeriesTests, rows: list[tuple[float | None, float | None]]) -> list[dict[str, int]]:
    state = SeriesTestsState()
    return [of.judge(state, NOON + n * MIN, value, related) for n, (value, related) in enumerate(rows)]


def test_each_says_what_it_says_alone() -> None:
    said = run(ALL, [(5, 20), (9.5, 20.1), (25, 20.2), (None, 20.2), (5, 20.2), *[(5.01, 20.2)] * 6])
    assert [verdicts["climatology"] for verdicts in said] == [1, 3, 4, 9, 1, *[1] * 6]
    assert [verdicts["multivariate"] for verdicts in said[:4]] == [2, 3, 3, 9]
    assert said[-1]["flat_line"] == 4
    assert said[-1]["attenuated"] == 4
    assert ALL.names == ("climatology", "attenuated", "flat_line", "multivariate")


def test_only_what_is_asked_for_speaks() -> None:
    assert run(asking(climatology=[{"hour": [0, 11], "usual": [2, 9]}]), [(1.0, None)]) == [{"climatology": 3}]


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 40).map(lambda n: n / 4), st.none() | st.integers(78, 84).map(lambda n: n / 4))),
    st.data(),
)
def test_a_restart_and_a_stepped_clock_change_nothing(rows: list[tuple[float | None, float | None]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    state, again = SeriesTestsState(), SeriesTestsState()
    for number, (value, related) in enumerate(rows):
        if number == cut:
            again = msgspec.msgpack.decode(msgspec.msgpack.encode(again), type=SeriesTestsState)
            shift(again, 7_000)
        late = 7_000 if number >= cut else 0
        of = ALL._replace(climatology=None)
        assert of.judge(state, NOON + number * MIN, value, related) == of.judge(again, NOON + number * MIN + late, value, related)


def test_neighbours_say_on_which_side_a_reading_lies() -> None:
    def said(of: Around, value: float, *others: float | None) -> tuple[int, int | None]:
        found = apart(of, SeriesTestsState(), NOON, value, others)
        return found.flag, found.side

    around = Around(Neighbours(10.0), 5.0, None)
    assert said(around, 40.0, 20.0, 21.0, None, 22.0) == (3, 1)
    assert said(around, 5.0, 20.0, 21.0, 22.0) == (3, -1)
    assert said(around, 25.0, 20.0, 21.0, 22.0) == (1, 0)
    assert said(around, 40.0, 20.0, 21.0) == (2, None)
    north = Around(Neighbours(30.0, circular=True), 5.0, None)
    assert said(north, 50.0, 355.0, 0.0, 5.0) == (3, 1)
    assert said(north, 300.0, 355.0, 0.0, 5.0) == (3, -1)
    assert said(north, 350.0, 355.0, 0.0, 5.0) == (1, 0)


def test_what_stays_apart_without_a_break_drifts() -> None:
    around, state = Around(Neighbours(10.0, minimum=1), 5.0, None, drift_ms=60 * MIN), SeriesTestsState()
    assert [apart(around, state, NOON + n * MIN, 40.0, (20.0,)).drifts for n in (0, 30, 59, 60, 61)] == [False, False, False, True, True]
    assert not apart(around, state, NOON + 62 * MIN, 40.0, ()).drifts
    assert apart(around, state, NOON + 63 * MIN, 40.0, (20.0,)).drifts, "that nobody could be asked meanwhile says nothing"
    assert not apart(around, state, NOON + 64 * MIN, 21.0, (20.0,)).drifts
    assert [apart(around, state, NOON + n * MIN, 40.0, (20.0,)).side for n in (65, 66)] == [1, 1], "it came back: asked anew"
