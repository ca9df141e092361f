"""What `quality:` may say, and what is wrong with the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from devices.loader import catalogue
from devices.problems import from_pydantic
from devices.qc.model import PERIODS, QualityModel, turns
from devices.qc.settings import problems

FULL: dict[str, Any] = {
    "message": {
        "consistency": True,
        "timing": {"gap": "10m", "ahead": "1m", "age": "1d"},
        "moved": 500,
        "warm_up": {"lasts": "2m", "silence": "1h"},
        "health": {"battery_voltage": {"good": [3.5, 4.3], "usable": [3.2, 5], "affects": ["pm25"]}},
        "density": {"suspect": -0.03, "fail": -0.5},
    },
    "pm25": {
        "step": 80,
        "spike": {"method": "average", "suspect": 30, "fail": 60},
        "flat": {"suspect": "1h", "fail": "2h", "tolerance": 0.5},
        "rate": {"suspect": 100, "per": "1m"},
        "climatology": [{"month": [12, 2], "usual": [5, 150], "possible": [0, 900]}, {"hour": [22, 4], "usual": [1, 90]}],
        "attenuated": {"over": "3h", "suspect": 0.2, "fail": 0, "kind": "range"},
        "neighbour": {"within_km": 3, "deviation": 30, "relative": 0.5, "least": 2},
        "multivariate": {"other": "rh", "suspect": 50, "other_suspect": 5, "per": "1h"},
        "learn": False,
    },
}


def test_all_that_may_be_said_is_understood() -> None:
    model = QualityModel.model_validate(FULL)
    assert list(problems(model, catalogue(), ("quality",))) == []
    assert set(model.parameters) == {"pm25"}
    assert model.parameters["pm25"].model_fields_set == set(FULL["pm25"])
    assert model.message.model_fields_set == set(FULL["message"])


@pytest.mark.parametrize(
    ("path", "value", "place", "text"),
    [
        (("pm25", "stepp"), 3, ("pm25", "stepp"), "unknown key"),
        (("pm25", "step"), -3, ("pm25", "step"), "greater than 0"),
        (("pm25", "spike"), {"fail": 1, "suspect": 2}, ("pm25", "spike"), "`suspect` must not be greater than `fail`"),
        (("pm25", "spike"), {}, ("pm25", "spike"), "give `suspect`, `fail` or both"),
        (("pm25", "spike"), "high", ("pm25", "spike"), "number"),
        (("pm25", "flat"), {"tolerance": 1}, ("pm25", "flat"), "`tolerance` goes with"),
        (("pm25", "climatology"), [{"usual": [0, 1]}], ("pm25", "climatology", 0), "say one of month"),
        (("pm25", "climatology"), [{"month": [0, 3], "usual": [0, 1]}], ("pm25", "climatology", 0), "month goes from 1 to 12"),
        (("pm25", "climatology"), [{"hour": [0, 3], "usual": [2, 1]}], ("pm25", "climatology", 0), "smaller one"),
        (("pm25", "neighbour"), {"deviation": 1, "least": 9}, ("pm25", "neighbour", "least"), "less than or equal to 8"),
        (("message", "gaps"), 1, ("message", "gaps"), "unknown key"),
        (("message", "timing"), {}, ("message", "timing", "gap"), "missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path: tuple[str, str], value: object, place: tuple[str | int, ...], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        QualityModel.model_validate({path[0]: {path[1]: value}})
    (problem,) = from_pydantic(caught.value)
    assert problem.path == place
    assert text in problem.message


def test_unknown_parameters_are_found_wherever_they_are_named() -> None:
    said = {
        "pm52": {},
        "do": {"multivariate": {"other": "water_tmp", "suspect": 1, "other_suspect": 1}},
        "message": {"health": {"fun": {"good": [0, 1], "affects": ["pm1O0"]}}, "density": {"depth": "xyz", "suspect": -1}},
    }
    found = {problem.path: problem.message for problem in problems(QualityModel.model_validate(said), catalogue(), ("quality",))}
    assert found == {
        ("quality", "pm52"): "unknown parameter 'pm52'; did you mean 'pm25'?",
        ("quality", "do", "multivariate", "other"): "unknown parameter 'water_tmp'; did you mean 'water_temp'?",
        ("quality", "message", "health", "fun"): "unknown parameter 'fun'",
        ("quality", "message", "health", "fun", "affects", "0"): "unknown parameter 'pm1O0'; did you mean 'pm10'?",
        ("quality", "message", "density", "depth"): "unknown parameter 'xyz'",
    }


def test_off_is_said_in_both_dialects_of_yaml() -> None:
    for off in ("off", False):
        model = QualityModel.model_validate({"pm25": {"neighbour": off, "spike": off}, "message": {"timing": off}})
        assert model.parameters["pm25"].neighbour is None
        assert "neighbour" in model.parameters["pm25"].model_fields_set


def test_what_goes_round_the_year_has_two_spans() -> None:
    assert turns(3, 5, "month") == ((3, 5),)
    assert turns(11, 2, "month") == ((11, 12), (1, 2))
    assert turns(22, 4, "hour") == ((22, 23), (0, 4))
    for period, (least, most) in PERIODS.items():
        assert turns(int(least), int(most), period) == ((least, most),)
