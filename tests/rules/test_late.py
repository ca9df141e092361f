"""What is kept for late readings, and evaluating again from one (semantics E4)."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from rules import late
from rules.columns import numbers
from rules.late import MARKS, RECENT
from rules.transitions import Change, new_state
from tests.tools.ruled import MIN, RuledStation, rule

TIMES = st.lists(st.integers(1, 5 * MIN), max_size=400)


def kept(recent: array[float]) -> list[tuple[float, float]]:
    return list(zip(recent[::2], recent[1::2], strict=True))


@given(TIMES, st.sampled_from([MIN, 10 * MIN]))
def test_at_least_the_lateness_is_remembered_and_one_reading_before_unless_there_are_too_many(gaps: list[int], lateness_ms: int) -> None:
    recent, now, everything = numbers(), 1_000_000_000, []
    for number, gap in enumerate(gaps):
        now += gap
        late.remember(recent, now, float(number), lateness_ms)
        everything.append((float(now), float(number)))
    assert len(recent) <= 2 * RECENT
    found = kept(recent)
    assert found == everything[len(everything) - len(found) :]
    needed = [item for item in everything if item[0] > now - lateness_ms]
    if len(needed) < RECENT // 2:
        assert found[-len(needed) :] == needed if needed else True
        assert len(found) > len(needed) or len(everything) == len(found)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), min_size=1, max_size=60))
def test_readings_are_kept_in_order_of_time_and_the_newer_value_wins(said: list[tuple[int, int]]) -> None:
    recent = numbers()
    wanted: dict[int, float] = {}
    for at_ms, value in said:
        before = late.place(recent, at_ms, value)
        assert before == wanted.get(at_ms)
        wanted[at_ms] = float(value)
    assert kept(recent) == sorted(wanted.items())
    for at_ms in (-1, *wanted, 100):
        older = [known for known in wanted if known <= at_ms]
        assert late.held(recent, at_ms) == ((max(older), wanted[max(older)]) if older else None)


def test_a_late_reading_reaches_back_as_far_as_what_is_kept_is_whole() -> None:
    recent = numbers()
    assert not late.reaches(recent, 5, 10)
    late.remember(recent, 100, 1.0, 10)
    assert late.reaches(recent, 95, 10)
    assert not late.reaches(recent, 80, 10)
    for n in range(200):
        late.remember(recent, 200 + n, 1.0, 1000)
    assert not late.reaches(recent, int(recent[0]) - 1, 1000), "some were dropped for want of room"


def test_marks_are_bounded_and_keep_one_before_the_lateness() -> None:
    what = rule(warning={"when": "pm25 > 100", "for": "1h"})
    state = new_state(what)
    for n in range(200):
        state.at_ms = n * 30_000
        state.levels[0].t0 = n
        late.mark(what, state)
        late.mark(what, state)  # unchanged: not twice
    assert len(state.marks) <= MARKS
    assert [mark.levels[0].t0 for mark in state.marks] == list(range(200 - len(state.marks), 200))
    few = new_state(what)
    for n in range(5):
        few.at_ms = n * 8 * MIN
        few.levels[0].t0 = n
        late.mark(what, few)
    assert few.marks[0].at_ms <= few.at_ms - what.lateness_ms


def test_again_from_a_mark_is_as_if_the_reading_had_come_in_time() -> None:
    what = rule(warning={"when": "pm25 > 100", "for": "4m", "clear": "pm25 < 50"})
    readings = [(1, 10.0), (3, 150.0), (5, 150.0), (7, 150.0), (9, 40.0)]

    def run(times: list[tuple[int, float]]) -> RuledStation:
        station = RuledStation(what)
        late.mark(what, station.state)
        for minute, value in times:
            station.reading(minute, value)
            late.mark(what, station.state)
        return station

    for missing in range(1, 4):
        station = run([item for index, item in enumerate(readings) if index != missing])
        whole = run(readings)
        past = Past(what, readings)
        found = late.again(what, station.state, past, [minute * MIN for minute, _ in readings], readings[missing][0] * MIN, 0)
        assert found is not None
        assert (found.state.levels, found.state.started) == (whole.state.levels, whole.state.started)
    assert late.again(what, new_state(what), Past(what, readings), [0], 0, 0) is None, "nothing was kept from before"


class Past(RuledStation):
    """A station whose readings of any instant are known."""

    def __init__(self, what: object, readings: list[tuple[int, float]]) -> None:
        super().__init__(what)  # type: ignore[arg-type]
        self._readings = readings

    def value(self, parameter: str) -> float | None:
        past = [(minute * MIN, value) for minute, value in self._readings if minute * MIN <= self.at_ms]
        self.held = {parameter: past[-1]} if past else {}
        return super().value(parameter)

    def expiry_ms(self, parameter: str) -> int | None:
        self.value(parameter)
        return super().expiry_ms(parameter)


def test_changes_by_episode() -> None:
    changes = [Change("firing", "condition", 1, 1, 1), Change("resolved", "cleared", 2, 1, 1), Change("firing", "condition", 5, 4, 1)]
    assert [len(part) for part in late.episodes(changes)] == [2, 1]
    assert late.episodes([]) == []


def test_A1_a_stepped_clock_moves_what_is_kept() -> None:
    recent = array("d", (1.0, 5.0, 2.0, 6.0))
    late.shift(recent, 10)
    assert list(recent) == [11.0, 5.0, 12.0, 6.0]
