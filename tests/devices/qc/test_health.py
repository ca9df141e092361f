"""What a low battery or a stopped fan says of the other values."""

from __future__ import annotations

import pytest

from devices.qc.health import Health, health_flags
from devices.quality import Spans

RULES = (
    Health("battery", Spans((5.0, 100.0), (20.0, 100.0)), frozenset({"pm25", "no2"})),
    Health("fan", Spans((1.0, 1e5)), frozenset({"pm25", "pm10"})),
)


@pytest.mark.parametrize(
    ("health", "flags"),
    [
        ({"battery": 80.0, "fan": 3000.0}, {}),
        ({"battery": 15.0}, {"pm25": 3, "no2": 3}),
        ({"battery": 4.0}, {"pm25": 4, "no2": 4}),
        ({"battery": 15.0, "fan": 0.0}, {"pm25": 4, "no2": 3, "pm10": 4}),
        ({"battery": None}, {}),
        ({}, {}),
    ],
)
def test_flags(health: dict[str, float | None], flags: dict[str, int]) -> None:
    assert health_flags(RULES, {"pm25": 10.0, "pm10": 20.0, "no2": 5.0, "rh": 60.0, **health}) == flags


def test_only_readings_that_are_there() -> None:
    assert health_flags(RULES, {"fan": 0.0, "rh": 60.0}) == {}
