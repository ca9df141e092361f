"""The judge: the quiet way says what the slow way says, however the calls are cut, and memory is bounded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue, quality_defaults
from devices.qc.judge import Judged, judge
from devices.qc.plan import DevicePlan
from devices.qc.settings import NOTHING, QualityModel, device_plan, parse
from devices.qc.state import OPEN, DeviceQuality, forget_plans
from devices.quality import Spans
from devices.reading import Value

MINUTE = 60_000
START = 1_700_000_000_000


def plans(*names: str, interval_ms: int = MINUTE, quality: QualityModel = NOTHING) -> DevicePlan:
    known = catalogue()
    return device_plan({name: Spans(known[name].plausible) for name in names}, interval_ms, known, quality_defaults(), quality)


def said(numbers: list[float | None], parameter: str = "pm25") -> list[Value]:
    low, high = catalogue()[parameter].plausible
    return [Value(parameter, n, 9 if n is None else 1 if low <= n <= high else 4) for n in numbers]


class Series:
    """Runs one parameter through the judge and keeps what the history would hold."""

    def __init__(self, plan: DevicePlan, *, trace: bool = False, reload: bool = False) -> None:
        self.plan, self.trace, self.reload = plan, trace, reload
        self.state = DeviceQuality()
        self.first: dict[int, int] = {}
        self.final: dict[int, int] = {}
        self.events: list[int] = []

    def take(self, at: int, value: Value, **more: object) -> Judged | None:
        judged = judge(self.plan, self.state, at, (value,), trace=self.trace, **more)  # type: ignore[arg-type]
        flag = value.flag if judged is None else judged.values[0].flag
        self.first[at] = self.final[at] = flag
        if judged is not None:
            for revision in judged.revisions:
                self.final[revision.time_ms] = revision.flag
            self.events += [event.since_ms for event in judged.events]
        if self.reload:
            self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=DeviceQuality)
        return judged


STEPS = st.lists(
    st.tuples(
        st.sampled_from([MINUTE, MINUTE, MINUTE, MINUTE, 20_000, 3 * MINUTE, 40 * MINUTE, 0, -MINUTE]),
        st.one_of(
            st.none(),
            st.sampled_from([10.0, 10.0, 11.0, 60.0, 61.0, 400.0, -5.0, 1e6]),
            st.floats(0, 100).map(lambda number: round(number, 1)),
        ),
    ),
    max_size=120,
)


WAYS: dict[str, dict[str, object]] = {
    "default": {},
    "fixed rate": {"step": {"suspect": 30, "fail": 300, "per": "1m"}},
    "fixed spike": {"step": "off", "spike": {"suspect": 20, "fail": 100}, "flat_line": "off"},
    "both fixed": {"step": {"suspect": 10, "per": "1m"}, "spike": {"suspect": 5, "method": "differential"}},
    "few repeats": {"flat_line": {"suspect": "2m", "fail": "8m", "rest": [10.5, 11.5], "rest_times": 2}},
    "windows": {"flat_line": {"suspect": "3m", "fail": "9m", "tolerance": 2}, "attenuated": {"suspect": 1, "fail": 0.1, "over": "9m"}},
    "range only": {"step": "off", "spike": "off", "flat_line": "off"},
}


@pytest.mark.parametrize("way", WAYS)
@given(steps=STEPS)
def test_tracing_and_restarts_change_nothing(way: str, steps: list[tuple[int, float | None]]) -> None:
    plan = plans("pm25", quality=parse({"parameters": {"pm25": WAYS[way]}}, catalogue()))
    ways = [Series(plan), Series(plan, trace=True), Series(plan, reload=True)]
    at = START
    for gap, number in steps:
        at += gap
        for each in ways:
            each.take(at, said([number])[0])
    quiet, *others = ways
    for other in others:
        assert other.first == quiet.first
        assert other.final == quiet.final
        assert other.events == quiet.events
        assert msgspec.msgpack.encode(other.state) == msgspec.msgpack.encode(quiet.state)


@given(STEPS)
def test_memory_is_bounded(steps: list[tuple[int, float | None]]) -> None:
    series = Series(plans("pm25"))
    at = START
    for gap, number in steps:
        at += gap
        series.take(at, said([number])[0])
        assert len(msgspec.msgpack.encode(series.state)) < 400 + 40 * OPEN


def test_a_line_of_good_values_has_nothing_to_say() -> None:
    plan, state = plans("pm25", "rh"), DeviceQuality()
    for number in range(100):
        values = (Value("pm25", 10 + number % 7, 1), Value("rh", 60.0 + number % 3, 1), Value("unplanned", 1.0, 1))
        assert judge(plan, state, START + number * MINUTE, values) is None


def test_a_late_value_is_judged_by_the_tests_that_need_no_order() -> None:
    series = Series(plans("pm25"), trace=True)
    for number in range(10):
        series.take(START + number * MINUTE, Value("pm25", 10.0 + number, 1))
    before = msgspec.msgpack.encode(series.state)
    judged = series.take(START + 30_000, Value("pm25", 900.0, 1))
    assert judged is not None
    assert judged.values[0].flag == 1
    assert judged.tests["pm25"] == {"range": 1, "spike": 2, "step": 2, "flat_line": 2}
    assert msgspec.msgpack.encode(series.state) == before


def test_what_a_correction_marked_suspect_stays_suspect() -> None:
    series = Series(plans("pm25"))
    for number in range(5):
        series.take(START + number * MINUTE, Value("pm25", 10.0 + number, 3))
    assert set(series.final.values()) == {3}


def test_a_corrected_value_is_no_better_than_what_was_measured() -> None:
    """The humidity moves the corrected value of a stuck sensor."""
    plan, state = plans("pm25", "pm25_raw"), DeviceQuality()
    flags = []
    for number in range(800):
        values = (Value("pm25", 20.0 + number % 5, 1), Value("pm25_raw", 35.0, 1))
        judged = judge(plan, state, START + number * MINUTE, values)
        flags.append((values if judged is None else judged.values)[0].flag)
    assert flags[:180] == [1] * 180
    assert flags[180:720] == [3] * 540
    assert flags[720:] == [4] * 80


def test_new_plans_hold_from_the_next_value_on() -> None:
    series = Series(plans("pm25"))
    for number in range(10):
        series.take(START + number * MINUTE, Value("pm25", 10.0 + number % 2, 1))
    series.plan = plans("pm25", quality=parse({"parameters": {"pm25": {"step": {"suspect": 3, "per": "1m"}}}}, catalogue()))
    forget_plans(series.state)
    series.take(START + 10 * MINUTE, Value("pm25", 18.0, 1))
    assert series.final[START + 10 * MINUTE] == 3
