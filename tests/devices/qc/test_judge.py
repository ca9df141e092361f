"""The default tests and their roll-up (semantics D): real events pass, broken sensors do not."""

from __future__ import annotations

import csv
from itertools import pairwise
from math import cos, pi, sin
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue, quality_defaults
from devices.qc.judge import LEARN_EVERY, SeriesState, confirm, new_state, quiet, slowly
from devices.qc.settings import Plan, plan

MIN = 60_000
T0 = 1_773_453_600_001
SDS011 = Path(__file__).parents[2] / "data" / "series" / "sensorcommunity-15092-july.csv"


def plan_of(parameter: str, interval_ms: int = MIN) -> Plan:
    return plan(catalogue()[parameter], interval_ms, quality_defaults())


def judged(how: Plan, values: list[float | None], *, start: int = T0, state: SeriesState | None = None) -> list[int]:
    """The flags in the end, revisions applied."""
    state = state or new_state(how)
    flags: dict[int, int] = {}
    for number, value in enumerate(values):
        at = start + number * how.interval_ms
        if value is not None and quiet(state, at, value, 1):
            flags[at] = 1
            continue
        verdict = slowly(how, state, at, value, 9 if value is None else 1)
        flags[at] = verdict.flag
        for revision in verdict.revisions:
            assert flags[revision.time_ms] == revision.was
            flags[revision.time_ms] = revision.now
    return list(flags.values())


def calm(number: int, level: float = 20.0, swing: float = 1.0) -> list[float]:
    """A quiet series that is never flat: deterministic, like a sensor's noise."""
    return [level + swing * sin(n * 1.7) + swing * 0.3 * sin(n * 0.31) for n in range(number)]


# ---------------------------------------------------------------- what must pass


@pytest.mark.parametrize(("interval_ms", "climb"), [(MIN, 10), (5 * MIN, 2), (15 * MIN, 1)])
def test_D1_smoke_from_50_to_400_in_ten_minutes_stays_usable(interval_ms: int, climb: int) -> None:
    how = plan_of("pm25", interval_ms)
    before = calm(100, 50.0, 2.0)
    ramp = [before[-1] + (400 - before[-1]) * (n + 1) / climb for n in range(climb)]
    smoke = [400 + value - 50 for value in calm(60, 50.0, 12.0)]
    flags = judged(how, [*before, *ramp, *smoke])
    assert flags == [1] * len(flags)


def test_D1_a_whole_day_of_a_real_sensor_is_not_doubted_throughout() -> None:
    """The catalogue's hourly rate over 3,600 would mark 16 % of these samples."""
    with SDS011.open() as file:
        rows = [float(row["P2"]) for row in csv.DictReader(file, delimiter=";") if row["P2"]]
    flags = judged(plan_of("pm25", 150_000), list(rows))
    assert sum(flag > 2 for flag in flags) / len(flags) < 0.002


def test_D1_a_series_of_which_nothing_is_known_yet_may_do_what_an_hour_may() -> None:
    how = plan_of("pm25")
    assert judged(how, [10.0, 150.5, 150.5, 20.0]) == [1, 1, 1, 1]
    assert judged(how, [10.0, 200.0, 12.0]) == [1, 3, 1]
    told = how._replace(first=30.0, step=30.0, spike=25.0)
    assert judged(told, [10.0, 50.0, 12.0]) == [1, 3, 1], "somebody who knows the sensor said more"


def test_D2_a_doubted_step_is_good_after_three_readings_and_so_are_the_ones_before() -> None:
    how = plan_of("level", 5 * MIN)
    state = new_state(how)
    assert judged(how, calm(50, 1.0, 0.01), state=state) == [1] * 50
    at = T0 + 50 * 5 * MIN
    first, second, third = (slowly(how, state, at + n * 5 * MIN, 2.0 + n * 0.01, 1) for n in range(3))
    assert (first.flag, second.flag, third.flag) == (3, 3, 1)
    assert first.doubt == 1
    assert [(revision.value, revision.was, revision.now) for revision in third.revisions] == [(2.0, 3, 1), (2.01, 3, 1)]
    assert first.tests["step"] == 3, "the test's own verdict stays"


def test_D2_a_chemical_spill_is_usable_after_three_readings() -> None:
    for parameter, level, swing, spill in (("ph", 7.5, 0.02, 5.2), ("ec", 300.0, 3.0, 9000.0), ("do", 7.0, 0.05, 1.5)):
        flags = judged(plan_of(parameter, 15 * MIN), [*calm(60, level, swing), *calm(20, spill, swing), *calm(20, level, swing)])
        assert flags == [1] * 100, parameter


def test_D2_a_neighbour_confirms_at_once() -> None:
    how = plan_of("pm25")
    state = new_state(how)
    judged(how, list(calm(40)), state=state)
    assert slowly(how, state, T0 + 40 * MIN, 300.0, 1).flag == 3
    assert [(revision.value, revision.now) for revision in confirm(state)] == [(300.0, 1)]
    assert judged(how, [302.0, 299.0], start=T0 + 41 * MIN, state=state) == [1, 1]


def test_typhoon_values_are_plausible() -> None:
    how = plan_of("wind_speed")
    assert judged(how, [2 + n * 1.1 + sin(n) * 3 for n in range(60)]) == [1] * 60


# ---------------------------------------------------------------- what must not


def test_D2_a_spiking_sensor_is_doubted_at_every_spike_and_good_between() -> None:
    values = calm(200)
    for at in range(49, 200, 13):
        values[at] = 400.0 + at
    flags = judged(plan_of("pm25"), list(values))
    assert [n for n, flag in enumerate(flags) if flag == 3] == list(range(49, 200, 13))


@pytest.mark.parametrize("every", [5, 7, 13])
def test_D2_a_sensor_that_goes_on_spiking_is_not_believed_in_the_end(every: int) -> None:
    """Limits grow with what a series does by itself; spikes every so many readings must not be what they learn."""
    values = calm(3 * 1440)
    at = list(range(60, len(values), every))
    for n in at:
        values[n] = 400.0 + n * 7 % 90
    flags = judged(plan_of("pm25"), list(values))
    assert [n for n, flag in enumerate(flags) if flag > 2] == at


def test_a_series_that_is_rough_by_nature_is_believed_in_the_end() -> None:
    values = [50.0 + 45.0 * sin(n * 2.1) + 60.0 * sin(n * 0.9) for n in range(400)]
    how = plan_of("pm25")._replace(first=10.0, step=10.0, spike=7.5)
    flags = judged(how, [value + 60.0 for value in values])
    assert set(flags[250:]) == {1}


def test_D2_a_spill_that_ebbs_in_steps_is_believed_all_along() -> None:
    how = plan_of("ec", 15 * MIN)
    spill = [14_000.0, 13_000.0, 14_200.0, 11_100.0, 10_500.0, 8_100.0, 6_000.0]
    state = new_state(how)
    judged(how, calm(60, 400.0, 2.0), state=state)
    came = [slowly(how, state, T0 + (60 + n) * 15 * MIN, value, 1).flag for n, value in enumerate(spill)]
    assert came == [3, 3, 1, 1, 1, 1, 1]


def test_D4_a_spike_smaller_than_a_step_is_found_by_the_reading_after_it() -> None:
    how = plan_of("pm25")
    values = calm(60, 20.0, 0.1)
    values[50] = 72.0
    state = new_state(how)
    assert judged(how, list(values), state=state)[50] == 3
    first = slowly(how, new_state(how), T0, 20.0, 1)
    assert first.flag == 1


def test_D5_a_stuck_sensor_is_suspect_and_then_fails() -> None:
    how = plan_of("pm25")
    flags = judged(how, [*calm(30), *[87.3] * 400])
    stuck = flags[30:]
    assert stuck[200] == 3
    assert stuck[370:] == [4] * 30
    assert judged(how, [0.0] * 3), "never empty"


def test_a_value_may_stand_where_standing_is_natural() -> None:
    assert judged(plan_of("rain", 5 * MIN), [0.0] * 500) == [1] * 500
    assert judged(plan_of("wind_speed"), [0.0] * 900) == [1] * 900
    assert judged(plan_of("rh"), [100.0] * 900) == [1] * 900


def test_a_value_that_failed_the_range_is_no_level_to_compare_with() -> None:
    how = plan_of("pm25")
    state = new_state(how)
    judged(how, list(calm(40)), state=state)
    assert slowly(how, state, T0 + 40 * MIN, 99999.0, 4).flag == 4
    assert judged(how, calm(5), start=T0 + 41 * MIN, state=state) == [1] * 5


def test_directions_turn_the_shorter_way_round() -> None:
    how = plan_of("wind_dir")._replace(first=40.0, step=40.0, spike=30.0)
    assert judged(how, [350.0, 355.0, 2.0, 8.0, 359.0] * 3) == [1] * 15
    assert judged(how, [350.0, 352.0, 170.0, 351.0])[2] == 3


def test_D2_a_series_doubted_for_15_minutes_is_a_possible_event_once() -> None:
    how = plan_of("pm25")
    state = new_state(how)
    judged(how, list(calm(40)), state=state)
    told = []
    for n in range(40):  # up and down around the accepted level: never three on one side
        told.append(slowly(how, state, T0 + (40 + n) * MIN, 400.0 if n % 2 else 0.5, 3).possible_event)
    assert sum(told) == 1
    assert told.index(True) == 15


def test_what_fails_the_range_is_no_possible_event() -> None:
    how = plan_of("pm25")
    state = new_state(how)
    assert not any(slowly(how, state, T0 + n * MIN, 1200.0, 4).possible_event for n in range(40))


# ---------------------------------------------------------------- properties

values_st = st.lists(st.one_of(st.none(), st.floats(0, 1000, allow_nan=False), st.sampled_from([20.0, 20.0, 21.0, 400.0])), max_size=80)


@given(values_st, st.sampled_from(["pm25", "ph", "wind_dir", "rain", "air_temp"]), st.integers(0, 80))
def test_a_restart_in_between_changes_nothing(values: list[float | None], parameter: str, cut: int) -> None:
    how = plan_of(parameter)
    one, two = new_state(how), new_state(how)
    whole = judged(how, values, state=one)
    first = judged(how, values[:cut], state=two)
    two = msgspec.msgpack.decode(msgspec.msgpack.encode(two), type=SeriesState)
    second: list[int] = []
    for number, value in enumerate(values[cut:], start=cut):
        at = T0 + number * MIN
        if value is not None and quiet(two, at, value, 1):
            second.append(1)
        else:
            second.append(slowly(how, two, at, value, 9 if value is None else 1).flag)
    assert msgspec.msgpack.encode(one) == msgspec.msgpack.encode(two)
    assert len(whole) == len(first) + len(second)


@given(values_st)
def test_the_fast_way_says_what_the_slow_one_says(values: list[float | None]) -> None:
    how = plan_of("pm25")
    fast, slow = new_state(how), new_state(how)
    for number, value in enumerate(values):
        at = T0 + number * MIN
        flag = 9 if value is None else 1
        said = 1 if value is not None and quiet(fast, at, value, 1) else slowly(how, fast, at, value, flag).flag
        assert said == slowly(how, slow, at, value, flag).flag
        assert fast.steps <= LEARN_EVERY
        assert (fast.last, fast.run, fast.flat_since) == (
            slow.last,
            slow.run,
            slow.flat_since,
        ) or value is None


@given(st.lists(st.floats(0, 1000, allow_nan=False), min_size=4, max_size=60))
def test_three_readings_beyond_the_limit_on_one_side_never_stay_doubted(values: list[float]) -> None:
    flags = judged(plan_of("pm25")._replace(flat_suspect_ms=None, flat_fail_ms=None), list(values))
    runs = max((len(run) for run in "".join(str(flag) for flag in flags).split("1")), default=0)
    ups = [b - a for a, b in pairwise(values)]
    if all(change >= 0 for change in ups):
        assert runs <= 2


# ---------------------------------------------------------------- defaults of water


def test_a_leaf_before_the_turbidity_probe_is_a_spike_and_a_storm_is_not() -> None:
    how = plan_of("turbidity", 15 * MIN)
    values = calm(60, 3.0, 0.3)
    values[45] = 12.0
    assert [n for n, flag in enumerate(judged(how, list(values))) if flag > 2] == [45]
    storm = [3.0, 25.0, 80.0, 160.0, 300.0, 280.0, 220.0, 170.0, 120.0, 90.0]
    flags = judged(how, [*calm(60, 3.0, 0.3), *storm])
    assert flags == [1] * len(flags)


def test_a_conductivity_probe_lifted_out_is_seen_and_the_tide_is_not() -> None:
    how = plan_of("ec", 15 * MIN)
    values = calm(60, 258.0, 0.5)
    values[45] = 7.6
    assert [n for n, flag in enumerate(judged(how, list(values))) if flag > 2] == [45]
    tide = [250 + 12_000 * (1 - cos(n / 50 * 2 * pi)) for n in range(200)]
    flags = judged(how, [*calm(60, 258.0, 0.5), *tide])
    assert flags == [1] * len(flags)


def test_ph_rests_through_a_calm_night_and_is_stuck_after_a_day() -> None:
    how = plan_of("ph", 15 * MIN)
    flags = judged(how, [8.28] * 200)
    assert flags.index(3) == 24 * 4
    assert flags.index(4) == 48 * 4


def test_a_gas_that_analysers_cannot_tell_from_nothing_may_rest_and_a_stuck_one_may_not() -> None:
    for gas, value in (("so2", 2.0), ("o3", 1.96), ("no2", 2.0), ("co", 300.0)):
        assert judged(plan_of(gas, 60 * MIN), [value] * 72) == [1] * 72, gas
        stuck = judged(plan_of(gas, 60 * MIN), [value * 10] * 72)
        assert (stuck.index(3), stuck.index(4)) == (6, 12), gas
