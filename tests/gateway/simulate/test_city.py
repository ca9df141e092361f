"""The simulated city: repeatable, alike to a city, and within what the catalogue calls plausible."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from gateway.simulate.city import DAY, HOUR, MINUTE, Site, air, runoff_mm, tide_m, water, weather

MONDAY = 1_773_594_000_000  # Monday 16 March 2026, 00:00 in Da Nang (UTC+7)
CENTRE = Site(id="centre", traffic=1.2)
RIVER = Site(id="river", sea=0.7)
MEASURES = (air, weather, water)


@given(seed=st.integers(0, 2**63), time_ms=st.integers(0, 4_102_444_800_000), traffic=st.floats(0, 1.5), sea=st.floats(0, 1))
def test_every_value_is_plausible_at_any_time_and_seed(seed: int, time_ms: int, traffic: float, sea: float) -> None:
    site = Site(id="any", traffic=traffic, industry=1.0, sea=sea)
    for measure in MEASURES:
        for name, value in measure(seed, site, time_ms).items():
            low, high = catalogue()[name].plausible
            assert low <= value <= high, (name, value)


def test_the_same_seed_gives_the_same_city_in_another_process() -> None:
    script = (
        "from gateway.simulate.city import *\n"
        f"print([m(7, Site(id='centre', traffic=1.2), {MONDAY} + n * 977_000) for m in (air, weather, water) for n in range(50)])"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", script], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True).stdout
        for hash_seed in ("1", "2")
    }
    here = str([measure(7, CENTRE, MONDAY + n * 977_000) for measure in MEASURES for n in range(50)])
    assert outputs == {here + "\n"}
    assert str([measure(8, CENTRE, MONDAY + n * 977_000) for measure in MEASURES for n in range(50)]) != here


def test_order_of_asking_does_not_matter() -> None:
    times = [MONDAY + n * 17 * MINUTE for n in range(200)]
    forward = [air(3, CENTRE, time_ms) for time_ms in times]
    assert forward == [air(3, CENTRE, time_ms) for time_ms in reversed(times)][::-1]


def _mean_at(hours: range, parameter: str, day: int = 0) -> float:
    return mean(air(1, CENTRE, MONDAY + day * DAY + hour * HOUR + n * 7 * MINUTE)[parameter] for hour in hours for n in range(8))


def test_rush_hours_show_in_no2_and_the_weekend_is_calmer() -> None:
    assert _mean_at(range(7, 9), "no2") > 1.8 * _mean_at(range(10, 12), "no2")
    assert _mean_at(range(17, 19), "no2") > 1.8 * _mean_at(range(22, 24), "no2")
    assert _mean_at(range(7, 9), "no2") > 1.2 * _mean_at(range(7, 9), "no2", day=6)


def test_ozone_peaks_in_the_afternoon_and_finer_dust_is_part_of_coarser() -> None:
    assert _mean_at(range(12, 15), "o3") > 1.4 * _mean_at(range(2, 5), "o3")
    for n in range(500):
        reading = air(1, CENTRE, MONDAY + n * 13 * MINUTE)
        assert reading["pm1"] < reading["pm25"] < reading["pm10"]


def test_sea_breeze_blows_from_the_east_by_day_and_from_land_by_night() -> None:
    for day in range(5):
        assert 20 < weather(1, CENTRE, MONDAY + day * DAY + 15 * HOUR)["wind_dir"] < 130
        assert 190 < weather(1, CENTRE, MONDAY + day * DAY + 4 * HOUR)["wind_dir"] < 310


def test_humidity_falls_as_temperature_rises_and_oxygen_follows_the_sun() -> None:
    noon, dawn = MONDAY + 14 * HOUR, MONDAY + 5 * HOUR
    assert weather(1, CENTRE, noon)["air_temp"] > weather(1, CENTRE, dawn)["air_temp"] + 2
    assert weather(1, CENTRE, noon)["rh"] < weather(1, CENTRE, dawn)["rh"] - 8
    assert mean(water(1, RIVER, MONDAY + d * DAY + 16 * HOUR)["do"] for d in range(20)) > 0.5 + mean(
        water(1, RIVER, MONDAY + d * DAY + 4 * HOUR)["do"] for d in range(20)
    )


def test_the_tide_is_mixed_and_brings_salt() -> None:
    heights = [tide_m(MONDAY + n * 10 * MINUTE) for n in range(29 * 144)]
    highs = sum(1 for a, b, c in zip(heights, heights[1:], heights[2:], strict=False) if a < b > c)
    assert 29 < highs < 58  # between once and twice a day: mixed
    assert 0.8 < max(heights) - min(heights) < 1.2
    high, low = max(range(len(heights)), key=heights.__getitem__), min(range(len(heights)), key=heights.__getitem__)
    assert water(1, RIVER, MONDAY + high * 10 * MINUTE)["ec"] > 3 * water(1, RIVER, MONDAY + low * 10 * MINUTE)["ec"]


def test_values_move_smoothly_from_minute_to_minute() -> None:
    for now, then in pairwise(air(1, CENTRE, MONDAY + n * MINUTE) for n in range(1440)):
        assert abs(now["pm25"] - then["pm25"]) < 8
        assert abs(now["air_temp"] - then["air_temp"]) < 1.2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_autumn_is_wetter_than_spring_and_rain_raises_the_river(seed: int) -> None:
    april, october = MONDAY + 20 * DAY, MONDAY + 205 * DAY
    wet = [runoff_mm(seed, (october + n * 6 * HOUR) // HOUR) for n in range(200)]
    dry = [runoff_mm(seed, (april + n * 6 * HOUR) // HOUR) for n in range(200)]
    assert mean(wet) > 2 * mean(dry)
