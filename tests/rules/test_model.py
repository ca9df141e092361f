"""What a rules file may say, and what it is refused for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.model import Condition, RuleModel, area_fits, canonical, check_rules, compile_rule

SMOKE = {
    "id": "pm25-smoke",
    "name": {"vi": "Khói bụi PM2,5", "en": "PM2.5 smoke"},
    "where": {"medium": "air", "area": "hai-chau/*"},
    "levels": {
        "critical": {"when": "pm25 > 200", "for": "5m", "clear": "pm25 < 150"},
        "warning": {"when": "pm25 > 100", "for": "10m", "clear": "pm25 < 80"},
    },
}


def test_levels_are_compiled_from_the_least_to_the_worst() -> None:
    rule = compile_rule(RuleModel.model_validate(SMOKE))
    assert [level.severity for level in rule.levels] == [1, 2]
    assert [level.for_ms for level in rule.levels] == [600_000, 300_000]
    assert [level.limit for level in rule.levels] == [100.0, 200.0]


@given(st.sampled_from([">", ">=", "<", "<="]), st.floats(-1e9, 1e9), st.floats(allow_nan=False))
def test_a_condition_is_the_closed_interval_of_values_that_make_it_true(op: str, limit: float, value: float) -> None:
    condition = Condition.parse(f"pm25 {op} {limit!r}")
    truth = {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[op]
    assert (condition.low <= value <= condition.high) is truth
    assert (condition.negated().low <= value <= condition.negated().high) is (not truth)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"when": "pm25 ~ 3"}, "is not a condition"),
        ({"when": "pm25 > 100", "clear": "pm25 < 101"}, "can both be true"),
        ({"when": "pm25 > 100", "clear": "pm10 < 80"}, "must be the same parameter"),
        ({"when": "pm25 > 100", "for": "ten minutes"}, "is not a duration"),
        ({"when": "pm25 > 100", "for": "10m", "immediate": True}, "excludes"),
        ({"when": "pm25 > 100", "fro": "10m"}, "Extra inputs"),
    ],
)
def test_a_wrong_level_says_what_to_write(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RuleModel.model_validate({**SMOKE, "levels": {"warning": change}})


def test_two_parameters_in_one_rule_are_refused() -> None:
    levels = {"warning": {"when": "pm25 > 1"}, "critical": {"when": "pm10 > 1"}}
    with pytest.raises(ValidationError, match="must watch one parameter"):
        RuleModel.model_validate({**SMOKE, "levels": levels})


def test_ids_used_twice_and_unknown_parameters_are_found_with_their_place() -> None:
    models = [RuleModel.model_validate(SMOKE), RuleModel.model_validate(SMOKE)]
    problems = check_rules(models, known_parameter=lambda name: None if name == "pm10" else f"no parameter {name!r}: did you mean pm10?")
    paths = [problem.path for problem in problems]
    assert ("rules", 1, "id") in paths
    assert ("rules", 0, "levels", "warning", "when") in paths


def test_the_canonical_form_reads_back_to_the_same_rule() -> None:
    model = RuleModel.model_validate({**SMOKE, "silence": {"after": "30m"}, "advice": {"vi": "a", "en": "b"}})
    again = RuleModel.model_validate(canonical([model])[0])
    assert compile_rule(again) == compile_rule(model)


@pytest.mark.parametrize(
    ("pattern", "area", "fits"),
    [
        ("hai-chau/*", "hai-chau", True),
        ("hai-chau/*", "hai-chau/bach-dang", True),
        ("hai-chau/*", "hai-chau-2", False),
        ("hai-chau", "hai-chau/bach-dang", False),
        ("*", "son-tra", True),
    ],
)
def test_area_paths(pattern: str, area: str, fits: bool) -> None:
    assert area_fits(pattern, area) is fits


def test_a_limit_beyond_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        Condition.parse("pm25 > 1e999")
    assert math.isfinite(Condition.parse("pm25 > 1e300").limit)
