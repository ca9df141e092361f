"""What defaults, catalogue, type and station say about the tests of a series."""

from __future__ import annotations

from math import inf

import pytest
from pydantic import ValidationError

from devices.loader import catalogue, quality_defaults
from devices.qc.settings import SPIKE_OF_STEP, SeriesModel, plan

MIN = 60_000
HOUR = 3_600_000


def model(**said: object) -> SeriesModel:
    return SeriesModel.model_validate(said)


def test_every_default_names_a_parameter_of_the_catalogue() -> None:
    assert set(quality_defaults().parameters) <= set(catalogue())


def test_every_parameter_has_a_plan() -> None:
    for parameter in catalogue().values():
        for interval in (1000, MIN, 15 * MIN, HOUR, 24 * HOUR):
            made = plan(parameter, interval, quality_defaults())
            assert made.step > 0
            assert made.spike > 0
            assert made.flat_suspect_ms is None or made.flat_fail_ms is None or made.flat_suspect_ms < made.flat_fail_ms


def test_D1_the_hourly_rate_is_for_hourly_means_only() -> None:
    parameter = catalogue()["air_temp"]
    assert parameter.rate == 8
    assert plan(parameter, HOUR, quality_defaults()).step == 8
    assert plan(parameter, 30 * MIN, quality_defaults()).step == 4
    assert plan(parameter, MIN, quality_defaults()).step == pytest.approx(1.6), "not 8 / 60"


def test_the_station_goes_before_the_type_and_both_before_the_default() -> None:
    parameter = catalogue()["pm25"]
    made = plan(parameter, MIN, quality_defaults(), (model(step=90, flat={"suspect": "1h"}), model(step=70)))
    assert (made.step, made.spike) == (70, 70 * SPIKE_OF_STEP)
    assert made.flat_suspect_ms == HOUR
    assert made.flat_fail_ms == 6 * HOUR


def test_off_is_off() -> None:
    assert plan(catalogue()["pm25"], MIN, quality_defaults(), (model(),)).step == 60, "and not what was said before"
    made = plan(catalogue()["pm25"], MIN, quality_defaults(), (model(step="off", flat=False),))
    assert (made.step, made.spike, made.flat_suspect_ms, made.flat_fail_ms) == (inf, inf, None, None)


def test_standing_still_takes_at_least_some_readings() -> None:
    made = plan(catalogue()["pm25"], HOUR, quality_defaults())
    assert (made.flat_suspect_ms, made.flat_fail_ms) == (6 * HOUR, 12 * HOUR)


def test_the_devices_own_health_is_not_judged() -> None:
    made = plan(catalogue()["battery"], MIN, quality_defaults())
    assert (made.step, made.flat_suspect_ms) == (inf, None)


@pytest.mark.parametrize("said", [{"step": -1}, {"flat": {"suspect": "2h", "fail": "1h"}}, {"stepp": 3}, {"flat": {"suspect": "soon"}}])
def test_nonsense_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SeriesModel.model_validate(said)


def test_D1_a_shipped_limit_of_raw_samples_does_not_narrow_hourly_means() -> None:
    parameter = catalogue()["pm25"]
    assert plan(parameter, MIN, quality_defaults()).step == 60
    assert plan(parameter, HOUR, quality_defaults()).step == 150
