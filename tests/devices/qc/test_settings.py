"""`quality:` of types and stations: what is refused, what wins, and what becomes of it."""

from __future__ import annotations

from datetime import UTC
from math import inf
from typing import Any

import pytest

from devices.loader import catalogue, quality_defaults
from devices.problems import ConfigError
from devices.qc.flat_line import FlatLine
from devices.qc.limits import Learnt
from devices.qc.model import StepModel
from devices.qc.plan import LinePlan, Stuck
from devices.qc.rate import Rate
from devices.qc.settings import NOTHING, device_plan, merged, parse, series_plan
from devices.qc.spike import Spike
from devices.qc.timing import Timing
from devices.qc.warm_up import WarmUp
from devices.quality import Spans

HOUR = 3_600_000


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(data, catalogue())
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"parameters": {"pm25": {"step": {"flor": 3}}}}, "quality.parameters.pm25.step.flor: unknown key"),
        (
            {"parameters": {"pm25": {"step": {}}}},
            "quality.parameters.pm25.step: give either `floor` (a learnt limit) or `suspect` (a fixed rate)",
        ),
        ({"parameters": {"pm25": {"spike": "of"}}}, "quality.parameters.pm25.spike: Input should be 'off' or 'learnt'"),
        ({"parameters": {"pm25": {"spike": {}}}}, "quality.parameters.pm25.spike: give `suspect`, `fail` or both, or write `off`"),
        ({"parameters": {"pm26": {}}}, "quality.parameters.pm26: unknown parameter 'pm26'; did you mean 'pm25'?"),
        (
            {"parameters": {"pm25": {"neighbour": {"deviation": -3}}}},
            "quality.parameters.pm25.neighbour.deviation: Input should be greater than 0",
        ),
        (
            {"parameters": {"do": {"multivariate": {"other": "water_tmp", "suspect": 1, "other_suspect": 1}}}},
            "quality.parameters.do.multivariate.other: unknown parameter 'water_tmp'; did you mean 'water_temp'?",
        ),
        (
            {"parameters": {"do": {"climatology": [{"period": "month", "when": ["May", 9], "usual": [0, 9]}]}}},
            "quality.parameters.do.climatology.0: `when` holds numbers of the month, or dates if there is no period",
        ),
        (
            {"parameters": {"do": {"climatology": [{"period": "month", "when": [1, 9], "usual": [9, 0]}]}}},
            "quality.parameters.do.climatology.0.usual: the span's first number must be the smaller one",
        ),
        (
            {"parameters": {"do": {"flat_line": {"suspect": "9h", "fail": "1h"}}}},
            "quality.parameters.do.flat_line: `suspect` must be the shorter time",
        ),
        (
            {"message": {"consistency": ["dusty"]}},
            "quality.message.consistency.0: Input should be 'dust', 'nox', 'oxygen', 'dew_point' or 'salinity'",
        ),
        ({"message": {"health": {"batery": [1, 2]}}}, "quality.message.health.batery: unknown parameter 'batery'; did you mean 'battery'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: dict[str, Any], expected: str) -> None:
    assert problems(data) == [expected]


def test_the_defaults_speak_of_every_parameter_and_give_a_reason_where_a_test_is_off() -> None:
    defaults = quality_defaults()
    assert set(defaults) == set(catalogue())
    for name, said in defaults.items():
        assert said.step is not None, name
        assert said.flat_line is not None, name
        assert said.reason or "off" not in (said.step, said.flat_line), f"{name}: say why"


def test_the_catalogues_hourly_rate_is_nowhere_in_the_plans() -> None:
    """Semantics D1."""
    for name, parameter in catalogue().items():
        plan = series_plan(parameter, Spans(parameter.plausible), 60_000, merged(name, quality_defaults()))
        assert plan.rate is None
        assert plan.learnt is None or plan.learnt.floor != parameter.rate


def test_a_station_wins_over_the_type_over_the_defaults_test_by_test() -> None:
    known = catalogue()
    of_type = parse({"parameters": {"pm25": {"step": {"floor": 30}, "flat_line": False}}}, known)
    of_station = parse({"parameters": {"pm25": {"step": "off"}}}, known)
    said = merged("pm25", quality_defaults(), of_type, of_station)
    assert said.step == "off"
    assert said.flat_line == "off"
    assert merged("pm25", quality_defaults(), of_type).step == StepModel(floor=30)
    assert merged("pm25_raw", quality_defaults()) == merged("pm25", quality_defaults())


def test_settings_become_tests() -> None:
    known = catalogue()
    data = {
        "spike": {"suspect": 25, "fail": 50, "method": "differential"},
        "step": {"suspect": 30, "fail": 60, "per": "1m"},
        "flat_line": {"suspect": "1h", "fail": "2h", "tolerance": 0.5},
        "event": {"after": "30m", "above": 100},
    }
    plan = series_plan(known["pm25"], Spans((0, 1000)), 60_000, merged("pm25", {}, parse({"parameters": {"pm25": data}}, known)))
    assert plan.spike == Spike(25, 50, "differential")
    assert plan.rate == Rate(0.5, 1.0)
    assert plan.flat_line == FlatLine(60, 120, 0.5)
    assert plan.stuck is None
    assert (plan.event_ms, plan.event_within) == (HOUR / 2, (100, inf))


def test_floors_grow_with_the_interval_and_repeats_are_never_few() -> None:
    known = catalogue()["pm25"]
    said = merged("pm25", quality_defaults())
    often, hourly = (series_plan(known, Spans(known.plausible), interval, said) for interval in (60_000, HOUR))
    assert isinstance(often.learnt, Learnt)
    assert hourly.learnt is not None
    assert hourly.learnt.floor == 2 * often.learnt.floor
    assert often.stuck == Stuck(3 * HOUR, 12 * HOUR, 180, 720, (0, 3), 8)
    assert hourly.stuck is not None
    assert hourly.stuck.suspect == 6


def test_a_window_that_is_too_long_is_refused() -> None:
    known = catalogue()
    data = {"parameters": {"pm25": {"flat_line": {"suspect": "2w", "fail": "3w", "tolerance": 1}}}}
    with pytest.raises(ConfigError, match=r"pm25\.flat_line: is longer than 10000 reporting intervals of 10 s"):
        series_plan(known["pm25"], Spans((0, 1)), 10_000, merged("pm25", {}, parse(data, known)))


def test_tests_of_the_message_are_off_unless_asked_for() -> None:
    known = catalogue()
    spans = {"pm25": Spans((0, 1000))}
    assert device_plan(spans, 60_000, known, quality_defaults()).line is None
    data = {
        "consistency": ["dust"],
        "timing": {"gap": "2h", "clock": "5m"},
        "warm_up": {"lasts": "10m"},
        "health": {"battery_voltage": [3.3, 4.3]},
        "moved_m": 200,
    }
    asked = device_plan(spans, 60_000, known, quality_defaults(), parse({"message": data}, known))
    assert asked.line == LinePlan(("dust",), Timing(2 * HOUR, HOUR // 12), WarmUp(HOUR // 6), {"battery_voltage": (3.3, 4.3)}, 200)
    off = parse({"message": dict.fromkeys(data, "off")}, known)
    assert device_plan(spans, 60_000, known, quality_defaults(), parse({"message": data}, known), off).line is None


def test_a_span_of_the_type_wins_over_the_default_suspect_span() -> None:
    ec = catalogue()["ec"]
    said = merged("ec", quality_defaults(), NOTHING)
    assert series_plan(ec, Spans(ec.plausible), 60_000, said, UTC).spans.suspect == (20, 70_000)
    assert series_plan(ec, Spans(ec.plausible, (1, 5)), 60_000, said, UTC).spans.suspect == (1, 5)
