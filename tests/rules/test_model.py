"""What a rules file may say, and what it is refused for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.stations import AreaSince, Station, area_fits
from rules.model import RuleModel, canonical, check_rules, compile_rule
from tests.tools.ruled import CONDITIONS

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
    rule = compile_rule(RuleModel.model_validate(SMOKE), CONDITIONS)
    assert [level.severity for level in rule.levels] == [1, 2]
    assert [level.for_ms for level in rule.levels] == [600_000, 300_000]
    assert [level.limit for level in rule.levels] == [100.0, 200.0]


@given(st.sampled_from([">", ">=", "<", "<="]), st.floats(-1e9, 1e9), st.floats(allow_nan=False))
def test_a_condition_is_the_closed_interval_of_values_that_make_it_true(op: str, limit: float, value: float) -> None:
    band = CONDITIONS(f"pm25 {op} {limit!r}").band
    assert band is not None
    truth = {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[op]
    assert (band.low <= value <= band.high) is truth


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"when": 3}, "in quotes"),
        ({"when": "pm25 > 100", "for": "ten minutes"}, "is not a duration"),
        ({"when": "pm25 > 100", "for": "10m", "immediate": True}, "excludes"),
        ({"when": "pm25 > 100", "fro": "10m"}, "Extra inputs"),
    ],
)
def test_a_wrong_level_says_what_to_write(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RuleModel.model_validate({**SMOKE, "levels": {"warning": change}})


def test_ids_used_twice_and_what_is_wrong_in_conditions_are_found_with_their_place_all_at_once() -> None:
    levels = {"warning": {"when": "pm25 ~ 3"}, "critical": {"when": "pm25 > 100", "clear": "pm25 < 101"}, "info": {"when": "pm52 > 1"}}
    models = [RuleModel.model_validate(SMOKE), RuleModel.model_validate({**SMOKE, "levels": levels})]
    found = {problem.path[2:]: (problem.message, problem.offset) for problem in check_rules(models, CONDITIONS)}
    assert set(found) == {("id",), ("levels", "warning", "when"), ("levels", "critical", "clear"), ("levels", "info", "when")}
    assert "can both be true" in found["levels", "critical", "clear"][0]
    assert found["levels", "info", "when"][1] == 0


def test_where_asks_for_id_medium_area_tag_and_owner() -> None:
    station = Station("st", {}, 16.0, 108.0, (AreaSince("hai-chau/part", 0),), "air", owner="City", tags=("school", "roof"))
    for where, fits in (
        ({}, True),
        ({"station": ["st", "other"]}, True),
        ({"station": ["other"]}, False),
        ({"medium": "water"}, False),
        ({"area": "hai-chau/*", "tag": "roof", "owner": "City"}, True),
        ({"tag": "river"}, False),
        ({"owner": "Ward"}, False),
    ):
        rule = compile_rule(RuleModel.model_validate({**SMOKE, "where": where}), CONDITIONS)
        assert rule.watches(station, station.area) is fits, where


def test_a_rule_continues_its_episodes_while_parameters_levels_mode_and_group_are_the_same() -> None:
    def identity(**change: object) -> str:
        return compile_rule(RuleModel.model_validate({**SMOKE, **change}), CONDITIONS).identity

    other = {"critical": {"when": "pm25 > 300"}, "warning": {"when": "pm25 > 120"}}
    assert identity() == identity(levels=other) == identity(advice={"en": "x"}, silence={"after": "1h"})
    assert len({identity(), identity(mode="shadow"), identity(group="area"), identity(levels={"warning": {"when": "pm25 > 1"}})}) == 4


def test_the_canonical_form_reads_back_to_the_same_rule() -> None:
    more = {
        "silence": {"after": "30m"}, "advice": {"vi": "a", "en": "b"}, "quality": "any", "lateness": "1h", "group": "area",
        "flapping": {"flips": 3, "within": "10m"}, "rate": {"at_most": 2, "per": "5m"}, "mode": "exercise",
    }  # fmt: skip
    model = RuleModel.model_validate({**SMOKE, **more})
    assert RuleModel.model_validate(canonical([model])[0]) == model
    assert RuleModel.model_validate(canonical([RuleModel.model_validate(SMOKE)])[0]) == RuleModel.model_validate(SMOKE)


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
