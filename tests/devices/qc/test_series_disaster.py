"""Semantics D: the real disaster passes, the broken sensor does not. Real shapes, scaled."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median

import pytest

from devices.loader import catalogue
from devices.qc.confirmation import CONFIRM
from devices.qc.plan import DevicePlan
from devices.qc.settings import QualityModel, parse
from devices.reading import Value
from tests.devices.qc.test_judge import MINUTE, START, Series, plans

SERIES = Path(__file__).parents[2] / "data/series"
INTERVALS = [MINUTE, 5 * MINUTE, 15 * MINUTE]
STUCK_AT = {"pm25": 35.0, "do": 6.1}


def flicker() -> Iterator[float]:
    """How a real SDS011 flickers about its level, as a factor, without end."""
    with (SERIES / "sensorcommunity-15092-july.csv").open() as file:
        numbers = [float(row["P2"]) for row in csv.DictReader(file, delimiter=";")]
    middle = [median(numbers[max(0, at - 8) : at + 9]) for at in range(len(numbers))]
    return cycle([number / level for number, level in zip(numbers, middle, strict=True) if level > 1])


def steady() -> Iterator[float]:
    """The same without the sensor's own outliers, where they are not the point."""
    return (factor for factor in flicker() if 0.6 < factor < 1.5)


def river(column: str, count: int | None = None) -> list[float]:
    """A column of the Logan River at Main Street in the first days of 2020: quiet, then pulses of road salt."""
    with (SERIES / "lro-mainstreet-2020-salt.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)][:count]


def fed(series: Series, numbers: list[float], interval_ms: int, parameter: str, begin: int = START) -> list[int]:
    times = [begin + at * interval_ms for at in range(len(numbers))]
    low, high = catalogue()[parameter].plausible
    for at, number in zip(times, numbers, strict=True):
        series.take(at, Value(parameter, number, 1 if low <= number <= high else 4))
    return times


def longest_doubt(flags: list[int]) -> int:
    """The longest run of readings that did not count when they came."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag > 2 else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("interval_ms", INTERVALS)
@pytest.mark.parametrize("calm_level", [8.0, 50.0])
def test_d1_real_smoke_at_one_station_stays_usable(interval_ms: int, calm_level: float) -> None:
    """50 → 400 µg/m³ in ten minutes, an hour of it, and back."""
    factors = flicker()
    calm = [round(calm_level * factor, 2) for factor in islice(factors, 300)]
    minutes = [at * interval_ms / MINUTE for at in range(1, 90 * MINUTE // interval_ms)]
    levels = [calm_level + (400 - calm_level) * min(1.0, at / 10) if at < 70 else max(calm_level, 400 - 20 * (at - 70)) for at in minutes]
    plume = [round(level * next(factors), 2) for level in levels]
    series = Series(plans("pm25", interval_ms=interval_ms))
    times = fed(series, calm + plume, interval_ms, "pm25")
    smoke = times[len(calm) :]
    assert [series.final[at] for at in smoke].count(1) >= len(smoke) - 1, "one reading that turns back may stay suspect"
    assert longest_doubt([series.first[at] for at in smoke]) < CONFIRM
    assert series.first[smoke[CONFIRM - 1]] == 1
    assert sum(flag > 2 for at, flag in series.final.items() if at < smoke[0]) <= 3, "the real series has spikes of its own"
    assert series.events == []


@pytest.mark.parametrize("interval_ms", INTERVALS)
def test_d1_the_catalogues_hourly_rate_is_not_applied_to_samples(interval_ms: int) -> None:
    """At a city's level it would mark a good part of this real series suspect."""
    with (SERIES / "sensorcommunity-15092-july.csv").open() as file:
        numbers = [5 * float(row["P2"]) for row in csv.DictReader(file, delimiter=";")]
    rate = catalogue()["pm25"].rate
    assert rate is not None
    assert sum(abs(after - before) > rate / 60 for before, after in pairwise(numbers)) / len(numbers) > 0.15, "a minute apart"
    series = Series(plans("pm25", interval_ms=interval_ms))
    fed(series, numbers, interval_ms, "pm25")
    assert sum(flag > 2 for flag in series.first.values()) / len(numbers) < 0.005


@pytest.mark.parametrize("interval_ms", INTERVALS)
@pytest.mark.parametrize("rise_m", [1.5, 4.0])
def test_d2_a_flood_wave_stays_usable(interval_ms: int, rise_m: float) -> None:
    """Metres in an hour, on the ripple of a real gauge, in centimetres."""
    ripple = [number / 100 for number in river("stage")]
    calm = [round(0.4 + number - ripple[0], 2) for number in ripple[:200]]
    minutes = [at * interval_ms / MINUTE for at in range(1, 600 * MINUTE // interval_ms)]
    wave = [rise_m * (at / 60) * 2.718 ** (1 - at / 60) for at in minutes]
    numbers = [round(calm[-1] + level + (ripple[at % 100] - ripple[0]), 2) for at, level in enumerate(wave)]
    series = Series(plans("level", interval_ms=interval_ms))
    times = fed(series, calm + numbers, interval_ms, "level")[len(calm) :]
    assert {series.final[at] for at in times} == {1}
    assert longest_doubt([series.first[at] for at in times]) <= 2


SPILL = [
    # parameter, calm level, what the pulse of road salt (391 → 1775 µS/cm) is scaled to
    ("ec", 390.0, 1400.0),
    ("ph", 7.4, -2.6),
    ("do", 7.5, -6.0),
]


@pytest.mark.parametrize(("parameter", "level", "height"), SPILL)
def test_d2_a_chemical_spill_in_a_river_stays_usable(parameter: str, level: float, height: float) -> None:
    """The pulses of road salt at Main Street are real; pH and oxygen get their shape."""
    salt = river("cond")
    shape = [(number - 388) / (1775 - 388) for number in salt]
    ripple = {"ec": salt, "ph": river("ph"), "do": river("do")}[parameter]
    calm = [round(level + number - ripple[0], 3) for number in ripple[:76]]
    numbers = calm + [round(level + height * part + number - ripple[76], 3) for part, number in zip(shape[76:], ripple[76:], strict=True)]
    series = Series(plans(parameter, interval_ms=15 * MINUTE))
    times = fed(series, numbers, 15 * MINUTE, parameter)
    first_pulse = [at for at, part in zip(times, shape, strict=True) if part > 0.3][:9]
    assert [series.final[at] for at in first_pulse] == [1] * 9
    assert longest_doubt(list(series.first.values())) <= 2
    assert sum(flag > 2 for flag in series.final.values()) <= 5, "single readings between the pulses"


def test_d2_confirmation_revises_and_the_verdict_stays() -> None:
    series = Series(plans("pm25"), trace=True)
    calm = [10.0, 11.0] * 10
    fed(series, calm, MINUTE, "pm25")
    judged = [series.take(START + (20 + at) * MINUTE, Value("pm25", number, 1)) for at, number in enumerate([80.0, 90.0, 85.0, 88.0])]
    assert [item.values[0].flag for item in judged if item] == [3, 3, 1, 1]
    assert [item.tests["pm25"]["step"] for item in judged if item] == [3, 3, 3, 1]
    third = judged[2]
    assert third is not None
    revised = [(item.time_ms, item.value, item.flag) for item in third.revisions if not item.tests]
    assert revised == [(START + 20 * MINUTE, 80.0, 1), (START + 21 * MINUTE, 90.0, 1)]


def test_d2_a_fixed_rate_is_confirmed_as_well_even_where_it_fails() -> None:
    quality = parse({"parameters": {"pm25": {"step": {"suspect": 30, "fail": 100, "per": "1m"}}}}, catalogue())
    series = Series(plans("pm25", quality=quality))
    times = fed(series, [10.0, 11.0] * 10 + [300.0, 310.0, 305.0, 308.0], MINUTE, "pm25")[20:]
    assert [series.first[at] for at in times] == [4, 1, 1, 1]
    assert [series.final[at] for at in times] == [1, 1, 1, 1]


def test_directions_are_compared_by_the_short_way() -> None:
    quality = parse({"parameters": {"wind_dir": {"step": {"suspect": 60, "per": "1m"}}}}, catalogue())
    series = Series(plans("wind_dir", quality=quality))
    fed(series, [350.0, 5.0, 355.0, 10.0, 180.0, 350.0, 2.0], MINUTE, "wind_dir")
    assert list(series.final.values()) == [1, 1, 1, 1, 3, 1, 1]


def test_d2_back_at_the_accepted_level_it_is_good_at_once() -> None:
    series = Series(plans("pm25"))
    times = fed(series, [10.0, 11.0] * 10 + [80.0, 10.0, 90.0, 95.0, 11.0, 12.0], MINUTE, "pm25")
    assert [series.final[at] for at in times[20:]] == [3, 1, 3, 3, 1, 1]


def test_d2_a_neighbour_confirms_at_once() -> None:
    series = Series(plans("pm25"))
    fed(series, [10.0, 11.0] * 10, MINUTE, "pm25")
    at = START + 20 * MINUTE
    series.take(at, Value("pm25", 80.0, 1), around=lambda parameter: (12.0, 78.0))
    assert series.final[at] == 1


def test_d2_suspect_for_a_quarter_of_an_hour_is_a_possible_event_said_once() -> None:
    """A value that jumped and does not move is not confirmed, but somebody should look."""
    series = Series(plans("pm25"))
    times = fed(series, [10.0, 11.0] * 10 + [180.0] * 60, MINUTE, "pm25")
    assert series.events == [times[20]]
    assert {series.final[at] for at in times[20:]} == {3}


def test_d2_salt_water_steps_are_suspect_at_most() -> None:
    series = Series(plans("ec", interval_ms=15 * MINUTE))
    times = fed(series, [300.0, 305.0] * 40 + [30_000.0, 29_500.0, 30_100.0, 310.0, 300.0, 310.0], 15 * MINUTE, "ec")
    assert max(series.first.values()) == 3
    assert [series.final[at] for at in times[80:]] == [1] * 6


def test_d2_a_typhoon_stays_plausible() -> None:
    """Domain facts 9.1: 75 m/s, 900 hPa."""
    wind = Series(plans("wind_speed"))
    pressure = Series(plans("pressure"))
    gusts = [round((5 + at / 3) * factor, 1) for at, factor in zip(range(200), flicker(), strict=False)]
    times = fed(wind, [min(75.0, number) for number in gusts], MINUTE, "wind_speed")
    fed(pressure, [round(1005 - at / 2 + 0.1 * (at % 3), 1) for at in range(200)], MINUTE, "pressure")
    assert all(wind.final[at] == 1 for at in times)
    assert set(pressure.final.values()) == {1}


# ---------------------------------------------------------------------- what must not pass


@pytest.mark.parametrize("interval_ms", INTERVALS)
def test_a_stuck_sensor_does_not_stay_good(interval_ms: int) -> None:
    numbers = [round(30 * factor, 2) for factor in islice(steady(), 200)]
    stuck = [STUCK_AT["pm25"]] * (24 * 60 * MINUTE // interval_ms)
    series = Series(plans("pm25", interval_ms=interval_ms))
    times = fed(series, numbers + stuck, interval_ms, "pm25")[200:]
    hour = 60 * MINUTE
    assert all(series.final[at] >= 3 for at in times if at - times[0] >= 3 * hour)
    assert all(series.final[at] == 4 for at in times if at - times[0] >= 12 * hour)
    assert series.events == [], "a stuck sensor is no event"


@pytest.mark.parametrize("every", [2, 3, 7, 20])
@pytest.mark.parametrize("interval_ms", INTERVALS)
def test_a_spiking_sensor_never_gets_its_spikes_believed(interval_ms: int, every: int) -> None:
    """However long it goes on: what turns back teaches nothing."""
    numbers = [round(20 * factor, 2) for factor in islice(steady(), 3_000)]
    spikes = set(range(300, 3_000, every))
    numbers = [300.0 + at % 17 if at in spikes else number for at, number in enumerate(numbers)]
    series = Series(plans("pm25", interval_ms=interval_ms))
    times = fed(series, numbers, interval_ms, "pm25")
    assert {series.final[times[at]] for at in spikes} == {3}
    assert sum(series.first[at] > 2 for number, at in enumerate(times) if number not in spikes) <= 10, (
        "the real series has spikes of its own"
    )


@pytest.mark.parametrize(
    ("parameter", "level", "to"),
    [("pm25", 50.0, 0.0), ("pm25", 20.0, 999.9), ("ec", 300.0, 16.99), ("do", 7.0, 0.0), ("ph", 7.6, 9.2), ("level", 1.2, 0.3)],
)
@pytest.mark.parametrize("interval_ms", [MINUTE, 15 * MINUTE])
def test_a_sensor_that_jumps_to_a_constant_is_not_believed(parameter: str, level: float, to: float, interval_ms: int) -> None:
    """Out of the water, dead, at the end of its scale: until it moves, and then only what comes from there on."""
    calm = [round(level * (1 + 0.1 * (factor - 1)), 3) for factor in islice(steady(), 200)]
    dead = [to] * (2 * 24 * 60 * MINUTE // interval_ms)
    series = Series(plans(parameter, interval_ms=interval_ms))
    times = fed(series, calm + dead + calm, interval_ms, parameter)
    assert min(series.final[at] for at in times[200 : 200 + len(dead)]) >= 3
    assert {series.final[at] for at in times[-190:]} == {1}, "mended, it is believed again"


def test_a_sensor_that_returns_to_another_level_does_not_confirm_what_it_said_in_between() -> None:
    series = Series(plans("ec", interval_ms=15 * MINUTE))
    times = fed(series, [298.0, 299.0] * 20 + [130.0] * 9 + [270.0, 271.0, 270.5, 271.5], 15 * MINUTE, "ec")
    assert [series.final[at] for at in times[40:49]] == [3] * 9
    assert [series.final[at] for at in times[49:]] == [1] * 4


def drifted(quality: QualityModel, plan: DevicePlan | None = None) -> list[int]:
    """A sensor that creeps from 20 to 120 within ten days while its neighbours stay."""
    factors = steady()
    numbers = [round((20 + at * 100 / 960) * (1 + 0.3 * (next(factors) - 1)), 2) for at in range(960)]
    series = Series(plans("pm25", interval_ms=15 * MINUTE, quality=quality))
    for at, number in enumerate(numbers):
        series.take(START + at * 15 * MINUTE, Value("pm25", number, 1), around=lambda parameter: (18.0, 20.0, 23.0))
    return list(series.final.values())


def test_a_drifting_sensor_is_found_by_its_neighbours_and_stays_suspect() -> None:
    quality = parse({"parameters": {"pm25": {"neighbour": {"deviation": 30, "relative": 0.5}}}}, catalogue())
    flags = drifted(quality)
    assert set(flags[:200]) == {1}
    assert set(flags[-400:]) == {3}


def test_without_neighbours_a_slow_drift_is_not_found() -> None:
    """What the default tests cannot do, said plainly."""
    assert set(drifted(QualityModel())) == {1}


def test_by_climatology_a_drift_is_found_when_it_leaves_what_is_usual() -> None:
    usual = {"climatology": [{"period": "month", "when": [1, 12], "usual": [0, 100]}]}
    flags = drifted(parse({"parameters": {"pm25": usual}}, catalogue()))
    assert set(flags[:500]) == {1}
    assert flags[-1] == 3


def test_real_local_smoke_is_good_though_the_neighbours_are_far() -> None:
    """Confirmed, it is excused from the neighbour test until it agrees with them again."""
    quality = parse({"parameters": {"pm25": {"neighbour": {"deviation": 30, "relative": 0.5}}}}, catalogue())
    factors = steady()
    numbers = [round(level * next(factors), 2) for level in [20.0] * 100 + [200.0] * 60 + [20.0] * 30]
    series = Series(plans("pm25", quality=quality))
    for at, number in enumerate(numbers):
        series.take(START + at * MINUTE, Value("pm25", number, 1), around=lambda parameter: (18.0, 20.0, 23.0))
    assert set(list(series.final.values())[100:]) == {1}
