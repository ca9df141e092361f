"""Bucketed windows against exact ones (semantics C4, E7)."""

from __future__ import annotations

import math
import statistics
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.columns import decode_column, encode_column
from rules.language.nodes import Statistic
from rules.windows import BETWEEN, BUCKETS, ROUNDED, SPREAD, WindowState, new_window, parts_of

MIN = 60_000
HOUR = 60 * MIN
START = 1_773_453_600_000
ALL: tuple[Statistic, ...] = ("avg", "min", "max", "sum", "count", "median", "p95", "stddev", "rate", "delta", "first", "last")

Readings = list[tuple[int, float]]


def window(length_ms: int = HOUR, lateness_ms: int = 10 * MIN) -> WindowState:
    return new_window(length_ms, parts_of(ALL), lateness_ms)


def exact(statistic: Statistic, readings: Readings) -> float | None:
    """The statistic of readings in order of time."""
    values = [value for _, value in readings]
    if statistic == "count":
        return float(len(values))
    if not values:
        return None
    if statistic in ("min", "max"):
        return min(values) if statistic == "min" else max(values)
    if statistic in ("avg", "sum"):
        return math.fsum(values) / (len(values) if statistic == "avg" else 1)
    if statistic == "median":
        return statistics.median(values)
    if statistic == "p95":
        return sorted(values)[math.ceil(0.95 * len(values)) - 1]
    if statistic == "stddev":
        return statistics.stdev(values) if len(values) > 1 else None
    if statistic in ("first", "last"):
        return values[0 if statistic == "first" else -1]
    span = readings[-1][0] - readings[0][0]
    if not span:
        return None
    delta = values[-1] - values[0]
    return delta if statistic == "delta" else delta * HOUR / span


def close(one: float | None, other: float | None, relative: float = 1e-9) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=relative, abs_tol=1e-6)


values = st.floats(-1000, 1000).map(lambda value: round(value, 3))
gaps = st.lists(st.tuples(st.integers(1, 20 * MIN), values), min_size=1, max_size=300)


def series(steps: Readings) -> Readings:
    now, found = START, []
    for gap, value in steps:
        now += gap
        found.append((now, value))
    return found


def reachable(state: WindowState, readings: Readings, at_ms: int) -> list[Readings]:
    """What the window may be taken to hold: the exact one, and those that reach up to one bucket further back."""
    inside = [item for item in readings if item[0] <= at_ms]
    oldest = at_ms - state.length_ms
    starts = [index for index in range(len(inside) + 1) if oldest - state.width_ms < (inside[index][0] if index < len(inside) else at_ms)]
    last = next((index for index, item in enumerate(inside) if item[0] > oldest), len(inside))
    return [inside[index:] for index in starts if index <= last]


@given(gaps)
def test_E7_exact_while_a_bucket_holds_one_reading(steps: Readings) -> None:
    steps = [(max(gap, window().width_ms), value) for gap, value in steps]
    state, readings = window(), series(steps)
    for at_ms, value in readings:
        state.append(at_ms, value)
    for at_ms in (readings[-1][0], readings[-1][0] + 7 * MIN):
        inside = [item for item in readings if at_ms - HOUR < item[0] <= at_ms]
        for statistic in ALL:
            assert close(state.value(statistic, at_ms), exact(statistic, inside)), statistic


@given(gaps, st.sampled_from([10 * MIN, HOUR, 24 * HOUR]))
def test_E7_the_error_is_at_most_one_bucket_at_the_old_end(steps: Readings, length_ms: int) -> None:
    state, readings = window(length_ms), series(steps)
    for at_ms, value in readings:
        state.append(at_ms, value)
    at_ms = readings[-1][0]
    possible = reachable(state, readings, at_ms)
    for statistic in ALL:
        relative = 0.02 if statistic in ("median", "p95") else 1e-9
        found = state.value(statistic, at_ms)
        assert any(close(found, exact(statistic, held), relative) for held in possible), statistic
    assert len(state.times) < BUCKETS
    assert state.width_ms <= -(-4 * length_ms // SPREAD)


@given(gaps, st.randoms(use_true_random=False))
def test_late_readings_go_to_their_bucket(steps: Readings, random: object) -> None:
    """In whatever order they come, as long as none is out of reach, the window holds the same."""
    readings = [item for item in series(steps) if item[0] > series(steps)[-1][0] - HOUR]
    ordered, mixed = window(), window()
    for at_ms, value in readings:
        ordered.append(at_ms, value)
    shuffled = list(readings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for at_ms, value in shuffled:
        mixed.insert(at_ms, value)
    at_ms = readings[-1][0]
    assert list(mixed.times) == list(ordered.times)
    assert list(mixed.counts) == list(ordered.counts)
    for statistic in ALL:
        relative = 0.02 if statistic in ("median", "p95") else 1e-9
        assert close(mixed.value(statistic, at_ms), ordered.value(statistic, at_ms), relative), statistic


@given(gaps, st.integers(0, 10 * MIN))
def test_the_window_of_a_past_instant_within_reach(steps: Readings, back_ms: int) -> None:
    steps = [(max(gap, window().width_ms), value) for gap, value in steps]
    state, readings = window(), series(steps)
    for at_ms, value in readings:
        state.append(at_ms, value)
    at_ms = readings[-1][0] - back_ms
    inside = [item for item in readings if at_ms - HOUR < item[0] <= at_ms]
    for statistic in ALL:
        assert close(state.value(statistic, at_ms), exact(statistic, inside)), statistic


@given(st.lists(st.floats(0.1, 900), min_size=1, max_size=400))
def test_median_and_p95_of_crowded_buckets_are_within_one_percent_and_bounded(many: list[float]) -> None:
    state = window()
    for index, value in enumerate(many):
        state.append(START + index * 50, value)
    readings = [(0, value) for value in many]
    for statistic in ("median", "p95"):
        found, right = state.value(statistic, START + 400 * 50), exact(statistic, readings)
        assert found is not None
        assert right is not None
        assert abs(found - right) <= 0.042 * abs(right)  # 4 % only where a bucket holds more than 128 different values
    assert all(len(bucket) <= 2 * 64 for bucket in state.samples)


@given(gaps, values)
def test_one_more_reading_moves_a_statistic_towards_itself_and_not_beyond(steps: Readings, more: float) -> None:
    """So a reading in the quiet band leaves a statistic in it, as long as none leaves the window."""
    state, readings = window(), series(steps)
    for at_ms, value in readings:
        state.append(at_ms, value)
    at_ms = readings[-1][0]
    before = {statistic: state.value(statistic, at_ms) for statistic in BETWEEN}
    if state.append(at_ms + 1, more):
        return
    for statistic, was in before.items():
        now = state.value(statistic, at_ms + 1)
        assert was is not None
        assert now is not None
        slack = 0.02 * max(abs(more), abs(was), abs(now)) if statistic in ("median", "p95") else 1e-6
        assert min(was, more) - slack <= now <= max(was, more) + slack, statistic


def test_C4_the_old_end_is_outside_and_the_new_end_inside() -> None:
    state = window()
    for minute in range(61):
        state.append(START + minute * MIN, float(minute))
    assert state.value("count", START + HOUR) == 60.0
    assert state.value("first", START + HOUR) == 1.0


def test_a_revision_replaces_the_value() -> None:
    state = window()
    for minute in range(5):
        state.append(START + minute * MIN, 10.0)
    state.revise(START + 2 * MIN, 10.0, 40.0)
    at_ms = START + 4 * MIN
    assert state.value("sum", at_ms) == 80.0
    assert state.value("max", at_ms) == 40.0
    assert state.value("count", at_ms) == 5.0
    state.revise(START + 2 * MIN + 90_000_000, 1.0, 2.0)
    assert state.value("sum", at_ms) == 80.0


def test_a_revision_in_a_crowded_bucket_keeps_sum_and_spread_right() -> None:
    state = window()
    readings = [(START + 1000 * n, float(n)) for n in range(20)]
    for at_ms, value in readings:
        state.append(at_ms, value)
    state.revise(readings[7][0], 7.0, 70.0)
    revised = [(at_ms, 70.0 if value == 7.0 else value) for at_ms, value in readings]
    for statistic in ("avg", "sum", "count", "stddev", "max"):
        assert close(state.value(statistic, readings[-1][0]), exact(statistic, revised)), statistic


def test_nothing_is_known_of_an_empty_window() -> None:
    assert [state for statistic in ALL if (state := window().value(statistic, START)) is not None] == [0.0]


@given(gaps, st.lists(st.integers(1, 40), max_size=300), st.sampled_from(["avg", "max", "stddev", "median", "rate"]))
def test_many_readings_at_once_are_the_same_to_the_bit(steps: Readings, cuts: list[int], statistic: Statistic) -> None:
    """However they are cut: when a window takes them in is not in the state."""
    readings = series([(gap // 20, value) for gap, value in steps])
    single, bulk = (new_window(HOUR, parts_of([statistic]), 10 * MIN) for _ in range(2))
    pairs = array("d", [number for reading in readings for number in reading])
    for at_ms, value in readings:
        single.append(at_ms, value)
    taken = 0
    for size in [*cuts, len(readings)]:
        upto = min(len(pairs), taken + 2 * size)
        if upto > taken:
            bulk.extend(pairs[:upto], taken)
            taken = upto
    assert msgspec.msgpack.encode(bulk, enc_hook=encode_column) == msgspec.msgpack.encode(single, enc_hook=encode_column)


@given(gaps, st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_what_is_between_stays_between(steps: Readings, one: float, other: float) -> None:
    """Once `outside_until` is over, no statistic of `BETWEEN` is outside, unless a reading that came since is."""
    low, high = sorted((one, other))
    state, readings = window(), series(steps)
    newest = -(1 << 62)
    for index, (at_ms, value) in enumerate(readings):
        state.append(at_ms, value)
        if not low <= value <= high:
            newest = at_ms + state.length_ms + state.width_ms
        if index % 7 == 0:
            assert state.outside_until(low, high) <= newest + state.width_ms
        if state.outside_until(low, high) <= at_ms:
            for statistic in BETWEEN - ROUNDED:
                found = state.value(statistic, at_ms)  # type: ignore[arg-type]
                assert found is None or low - 1e-9 <= found <= high + 1e-9


def test_B1_what_may_have_been_there_before_counts_once() -> None:
    state = window()
    state.insert_once(START, 1.0)
    state.insert_once(START + 10 * MIN, 2.0)
    state.insert_once(START, 5.0)
    state.settle()
    assert (state.count, state.total) == (2, 7.0)
    state.insert_once(START + 1, 4.0)  # the bucket holds one reading, of another instant
    state.settle()
    assert (state.count, state.total) == (3, 11.0)
    state.insert_once(START + 1, 9.0)  # … and now two, of which it does not know the instants
    state.settle()
    assert (state.count, state.total) == (3, 11.0)


@pytest.mark.parametrize("width", [5, 20, 43])
def test_B1_what_is_newer_than_all_of_its_bucket_was_not_there_before(width: int) -> None:
    """A backlog that comes in its order after newer readings is all in the window, whatever the buckets, and counts once."""
    state = new_window(HOUR, parts_of(["avg"]), 10 * MIN)
    live = [START + n * MIN for n in range(30)] + [START + 60 * MIN]
    backlog = [START + 30 * MIN + n * width * 1000 for n in range(25 * 60 // width)]
    for at_ms in live:
        state.append(at_ms, 1.0)
    for _ in range(2):
        for at_ms in backlog:
            state.insert_once(at_ms, 1.0)
    assert state.value("sum", START + 60 * MIN) == state.value("count", START + 60 * MIN) == len(live) + len(backlog) - 1


def test_B1_what_is_older_than_all_of_its_bucket_was_not_there_before_either_where_that_is_known() -> None:
    state = new_window(HOUR, parts_of(["avg", "first"]), 10 * MIN)
    state.append(START, 0.0)
    state.append(START + 30 * MIN, 1.0)
    for seconds in (40, 30, 20, 30):
        state.insert_once(START + 10 * MIN + seconds * 1000, 1.0)
    assert state.value("sum", START + 30 * MIN) == 4.0


def test_a_reading_that_never_was_there_is_not_revised() -> None:
    state = window()
    state.append(START, 1.0)
    state.revise(START + 1, 3.0, 4.0)
    assert state.value("sum", START) == 1.0


@given(gaps)
def test_the_state_goes_through_a_snapshot_unchanged(steps: Readings) -> None:
    state = window()
    for at_ms, value in series(steps):
        state.append(at_ms, value)
    data = msgspec.msgpack.encode(state, enc_hook=encode_column)
    again = msgspec.msgpack.decode(data, type=WindowState, dec_hook=decode_column)
    assert again == state
    state.append(series(steps)[-1][0] + MIN, 5.0)
    again.append(series(steps)[-1][0] + MIN, 5.0)
    assert again == state


@given(gaps, st.integers(-(10**9), 10**9))
def test_A1_a_stepped_clock_moves_the_window(steps: Readings, delta_ms: int) -> None:
    state, readings = window(), series(steps)
    for at_ms, value in readings:
        state.append(at_ms, value)
    at_ms = readings[-1][0]
    before = [state.value(statistic, at_ms) for statistic in ALL]
    state.shift(delta_ms)
    assert all(close(state.value(statistic, at_ms + delta_ms), value) for statistic, value in zip(ALL, before, strict=True))


def test_memory_is_what_the_module_says() -> None:
    def size(parts: int) -> int:
        state = new_window(HOUR, parts, 10 * MIN)
        for n in range(3000):
            state.append(START + n * 40_000, float(n))
        columns = [getattr(state, name) for name in state.__struct_fields__ if isinstance(getattr(state, name), array)]
        return sum(column.itemsize * len(column) for column in columns)

    assert size(parts_of(["avg"])) <= 3 * 8 * BUCKETS
    assert size(parts_of(["avg", "max", "stddev", "rate"])) <= 9 * 8 * BUCKETS


def test_a_column_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(("x", b"")), type=array, dec_hook=decode_column)
