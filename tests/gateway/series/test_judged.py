"""A whole series is judged as the judge judges its readings one by one."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Sequence
from math import inf, isfinite, nan
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.loader import catalogue, quality_defaults
from devices.qc.judge import new_state, slowly
from devices.qc.message_tests import message_tests
from devices.qc.model import QualityModel
from devices.qc.settings import Plan, plan
from devices.quality import Spans
from gateway.series.judged import TESTS, Series, judge, judge_device
from tests.tools.town import NOW, air, plain, started

MIN = 60_000
PM25 = plan(catalogue()["pm25"], MIN, quality_defaults())
WIND_DIR = plan(catalogue()["wind_dir"], MIN, quality_defaults())
RAIN = plan(catalogue()["rain"], MIN, quality_defaults())


def spans(parameter: str) -> Spans:
    return Spans(catalogue()[parameter].plausible)


def one_by_one(how: Plan, times: Sequence[int], values: Sequence[float]) -> tuple[list[int], set[int]]:
    """Flags in the end, and where the spikes are; everything through the slow way."""
    state = new_state(how)
    spikes: set[int] = set()
    newest = -1
    flags: list[int] = []
    for at, (time_ms, value) in enumerate(zip(times, values, strict=True)):
        flag = spans(how.parameter).flag(value) if isfinite(value) else 9
        verdict = slowly(how, state, time_ms, value if flag != 9 else None, flag)
        flags.append(verdict.flag)
        if verdict.tests.get("spike_before") == 3:
            spikes.add(newest)
        if state.last_ms == time_ms and flag not in (4, 9):
            newest = at
        for revision in verdict.revisions:
            where = max(n for n in range(at) if times[n] == revision.time_ms and values[n] == revision.value)
            flags[where] = revision.now
    return flags, spikes


VALUES = st.one_of(st.sampled_from([20.0, 20.5, 21.0, 19.5, nan, inf, -5.0, 400.0, 410.0, 5000.0]), st.floats(0, 60))


@given(
    st.sampled_from([PM25, WIND_DIR, RAIN]), st.lists(st.tuples(VALUES, st.sampled_from([MIN, MIN, MIN, 0, -MIN, 30 * MIN])), max_size=120)
)
def test_flags_are_those_of_the_judge(how: Plan, steps: list[tuple[float, int]]) -> None:
    times, values, at = [], [], 0
    for value, step in steps:
        at += step
        times.append(at)
        values.append(value)
    judged = judge(how, spans(how.parameter), times, values)
    wanted, spikes = one_by_one(how, times, values)
    # The fast way takes what the slow way would call good; neither knows more.
    assert list(judged.flags) == wanted
    assert {number for number in range(len(times)) if judged.tests(number)[TESTS.index("spike")] == 3} == spikes
    for number, flag in enumerate(wanted):
        tests = judged.tests(number)
        assert (tests[0] == 9) == (flag == 9) == (not isfinite(values[number]))
        assert all(verdict in (1, 2, 3, 4, 9) for verdict in tests)


def said(values: list[float], how: Plan = PM25) -> tuple[list[int], list[dict[str, int]]]:
    judged = judge(how, spans(how.parameter), [n * how.interval_ms for n in range(len(values))], values)
    return list(judged.flags), [dict(zip(TESTS, judged.tests(n), strict=True)) for n in range(len(values))]


CALM = [20.0, 20.4, 20.1, 20.6, 20.2]
GOOD = {"gross_range": 1, "step": 1, "spike": 1, "flat_line": 1}


def test_a_calm_series_is_good_and_its_ends_have_no_spike_verdict() -> None:
    flags, tests = said(CALM)
    assert flags == [1] * 5
    assert tests == [{**GOOD, "spike": 2}, GOOD, GOOD, GOOD, {**GOOD, "spike": 2}]


def test_the_spike_verdict_belongs_to_the_reading_before() -> None:
    flags, tests = said([*CALM, 160.0, *CALM])
    assert flags == [1] * 5 + [3] + [1] * 5
    assert [test["spike"] for test in tests] == [2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 2]


def test_a_confirmed_step_is_good_in_the_end_though_its_test_says_3() -> None:
    flags, tests = said([*CALM, 300.0, 301.0, 302.0, 300.5])
    assert flags == [1] * 9
    assert [test["step"] for test in tests] == [1, 1, 1, 1, 1, 3, 1, 1, 1]


def test_missing_infinite_and_implausible_values() -> None:
    flags, tests = said([20.0, nan, 20.1, inf, 20.2, 5000.0, 20.3, 20.1])
    assert flags == [1, 9, 1, 9, 1, 4, 1, 1]
    assert tests[1] == tests[3] == dict.fromkeys(TESTS, 9)
    assert tests[5] == {"gross_range": 4, "step": 2, "spike": 2, "flat_line": 2}
    assert tests[4]["spike"] == 2, "nothing in order came after it"


def test_a_sensor_that_stands_still() -> None:
    flags, _ = said([20.0] * 370)
    assert (flags[179], flags[180], flags[359], flags[360]) == (1, 3, 3, 4)


def test_what_is_switched_off_is_not_evaluated() -> None:
    """Directions turn at will, rain is zero and then anything: only the range speaks."""
    for how in (WIND_DIR, RAIN):
        flags, tests = said([359.0, 1.0, 180.0] if how is WIND_DIR else [0.0, 30.0, 0.0], how)
        assert flags == [1, 1, 1]
        assert tests == [{"gross_range": 1, "step": 2, "spike": 2, "flat_line": 2}] * 3


def test_no_reading_at_all() -> None:
    assert judge(PM25, spans("pm25"), [], []).flags == bytearray()


# ---------------------------------------------------------------- more tests, together (D5)

ASKED: dict[str, object] = {
    "message": {"consistency": True, "timing": {"gap": "5m"}, "warm_up": {"lasts": "2m", "silence": "20m"}},
    "pm25": {
        "spike": {"suspect": 15, "fail": 60},
        "rate": {"suspect": 40, "per": "1m"},
        "climatology": [{"hour": [8, 11], "usual": [5, 45]}],
        "attenuated": {"over": "6m", "suspect": 0.4, "fail": 0.1},
        "multivariate": {"other": "pm10", "suspect": 20, "other_suspect": 2, "per": "1m"},
    },
    "pm10": {"flat": {"suspect": "4m", "fail": "8m", "tolerance": 0.6}},
}
LEVELS = st.sampled_from([20.0, 20.1, 21.0, 22.5, 30.0, 44.0, 70.0, 300.0, 2000.0])
STEPS = st.lists(st.tuples(LEVELS, LEVELS, st.sampled_from([1, 1, 1, 1, 3, 30])), max_size=40)


@settings(max_examples=40)
@given(STEPS)
@example([(20.0, 20.0, 1), (300.0, 300.0, 1), (20.0, 21.0, 1), (21.0, 22.5, 1)])
def test_D4_the_command_says_of_each_reading_what_the_core_said_in_the_end(steps: list[tuple[float, float, int]]) -> None:
    data = copy.deepcopy(plain(air=1, water=0, rules=[]))
    data["stations"][0]["quality"] = ASKED
    core = started(data)
    kept: dict[tuple[int, str], int] = {}
    times, values, at = array("q"), {"pm25": array("d"), "pm10": array("d")}, NOW
    for pm25, pm10, minutes in steps:
        at += minutes * MIN
        times.append(at)
        values["pm25"].append(pm25)
        values["pm10"].append(pm10)
        for line in core.step([air(0, at, pm25=pm25, pm10=pm10)]).lines:
            if line.medium == "air":
                kept |= {(line.time_ms, value.parameter): value.flag for value in line.values}
    model = QualityModel.model_validate(ASKED)
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    series = {
        name: Series(plan(catalogue()[name], MIN, quality_defaults(), (model.parameters[name],), zone), spans(name), times, values[name])
        for name in values
    }
    judged = judge_device(series, message_tests(model.message))
    assert {(at, name): judged[name].flags[n] for n, at in enumerate(times) for name in values} == kept
    for name, one in judged.items():
        assert len(one.usual) == len(one.names) == len(set(one.names))
        for n in range(len(times)):
            assert (
                max((flag for test, flag in zip(one.names, one.tests(n), strict=True) if flag in (3, 4) and test in _STANDING), default=1)
                <= one.flags[n]
            )
        assert set(one.names) >= {"consistency", "timing", "warm_up", *TESTS}, name


_STANDING = {"gross_range", "climatology", "attenuated", "flat_line", "multivariate", "consistency", "warm_up"}
"""Tests whose word is never taken back."""


def test_series_of_one_device_with_times_of_their_own_are_joined_by_time() -> None:
    model = QualityModel.model_validate({"message": {"consistency": True}})
    of = {name: plan(catalogue()[name], MIN, quality_defaults()) for name in ("pm25", "pm10")}
    series = {
        "pm25": Series(of["pm25"], spans("pm25"), [0, MIN, 2 * MIN, 2 * MIN], [80.0, 81.0, 82.0, 10.0]),
        "pm10": Series(of["pm10"], spans("pm10"), [MIN, 2 * MIN, 2 * MIN, 3 * MIN], [20.0, 100.0, 12.0, nan]),
    }
    judged = judge_device(series, message_tests(model.message))
    place = judged["pm25"].names.index("consistency")
    assert [judged["pm25"].tests(n)[place] for n in range(4)] == [2, 3, 1, 1]
    assert list(judged["pm10"].flags) == [3, 1, 1, 9]
