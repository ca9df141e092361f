"""Hours of a series: what counts, which hour a label means, and the indices they come to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from math import nan
from zoneinfo import ZoneInfo

from devices.hours import HOUR_MS
from devices.loader import catalogue, quality_defaults
from devices.qc.settings import plan
from devices.quality import Spans
from gateway.series import hourly
from gateway.series.hourly import Hours

MIN = 60_000
HANOI = timezone(timedelta(hours=7))
T0 = round(datetime(2026, 3, 14, tzinfo=HANOI).timestamp() * 1000)
"""Midnight in Da Nang."""
H0 = hourly.number(T0 + 1, 0)
"""The hour that begins there."""


def test_minutes_are_averaged_where_45_of_them_are_good() -> None:
    how = plan(catalogue()["pm25"], MIN, quality_defaults())
    times = [T0 + n * MIN for n in range(1, 121)]
    values = [20.0 + n % 2 for n in range(120)]
    assert hourly.averaged(how, times, values, bytes([1] * 120), 0) == {H0: 20.5, H0 + 1: 20.5}
    assert hourly.averaged(how, times, values, bytes([3] * 15 + [1] * 45 + [2] * 60), 0) == {H0: 20.0 + 23 / 45, H0 + 1: 20.5}
    assert hourly.averaged(how, times, values, bytes([3] * 16 + [1] * 104), 0) == {H0 + 1: 20.5}
    gaps = [nan if n < 16 else value for n, value in enumerate(values)]
    assert hourly.averaged(how, times, gaps, bytes([1] * 120), 0) == {H0 + 1: 20.5}
    shuffled = list(range(0, 120, 2)) + list(range(1, 120, 2))
    assert hourly.averaged(how, [times[n] for n in shuffled], [values[n] for n in shuffled], bytes([1] * 120), 0) == {
        H0: 20.5, H0 + 1: 20.5,
    }  # fmt: skip
    assert hourly.averaged(how, [], [], b"", 0) == {}


def test_directions_are_averaged_as_vectors_and_rain_is_summed() -> None:
    times = [T0 + n * 15 * MIN for n in range(1, 5)]
    north = hourly.averaged(
        plan(catalogue()["wind_dir"], 15 * MIN, quality_defaults()), times, [350.0, 10.0, 355.0, 5.0], bytes([1] * 4), 0
    )
    assert min(north[H0], 360 - north[H0]) < 1e-6
    assert hourly.averaged(plan(catalogue()["rain"], 15 * MIN, quality_defaults()), times, [0.0, 1.5, 2.0, 0.0], bytes([1] * 4), 0) == {
        H0: 3.5
    }


def test_a_published_mean_belongs_to_the_hour_that_its_label_marks() -> None:
    hour = [T0 + HOUR_MS]
    assert hourly.published(hour, [20.0], 0, by_start=False) == {H0: 20.0}
    assert hourly.published(hour, [20.0], 0, by_start=True) == {H0 + 1: 20.0}
    assert hourly.published([*hour, *hour], [20.0, 30.0], 0, by_start=False) == {H0: 30.0}, "the later row is a revision"
    assert hourly.published([*hour, *hour], [20.0, nan], 0, by_start=False) == {H0: 20.0}


def test_labels_and_spans_decide_what_counts() -> None:
    found = hourly.unlabelled([1.0, 2.0, 3.0], {0: "Suspect", 2: "Invalid"}, ["Suspect"])
    assert found[:2] == [1.0, 2.0]
    assert found[2] != found[2]
    assert hourly.plausible([-1.0, 5.0], Spans((0, 1000)))[1] == 5.0
    assert str(hourly.plausible([-1.0, 5.0], Spans((0, 1000)))[0]) == "nan"


def test_of_two_devices_the_mean_of_those_that_have_one() -> None:
    assert hourly.together([{1: 10.0, 2: 20.0}, {2: 30.0}]) == {1: 10.0, 2: 25.0}


def test_a_label_is_the_hours_end_or_its_start_and_its_day_that_of_its_start() -> None:
    by_end = hourly.dense("a", {"pm25": {H0: 1.0}}, H0 - 1, H0, HANOI, 0, by_start=False)
    assert [by_end.label(H0 - 1).isoformat(), by_end.label(H0).isoformat()] == ["2026-03-14T00:00:00+07:00", "2026-03-14T01:00:00+07:00"]
    assert [by_end.day(H0 - 1), by_end.day(H0)] == [date(2026, 3, 13), date(2026, 3, 14)]
    assert by_end.means == {"pm25": [None, 1.0]}
    by_start = hourly.dense("a", {"pm25": {H0: 1.0}}, H0, H0, HANOI, 0, by_start=True)
    assert by_start.label(H0).isoformat() == "2026-03-14T00:00:00+07:00"


def test_zones_with_half_hours_have_hours_of_their_own() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    phase = hourly.phase_of(zone, T0)
    assert phase == 30 * MIN
    end = round(datetime(2026, 3, 14, 6, tzinfo=zone).timestamp() * 1000)
    hours = hourly.dense("a", {}, 0, 0, zone, phase, by_start=False)
    assert hours.label(hourly.number(end, phase)).isoformat() == "2026-03-14T06:00:00+05:30"
    assert hourly.phase_of(UTC, T0) == 0


def of_constant(days: float, value: float = 30.0) -> Hours:
    count = round(days * 24)
    return hourly.dense("a", {"pm25": {H0 + n: value for n in range(count)}}, H0, H0 + count - 1, HANOI, 0, by_start=False)


def test_every_hour_has_a_line_with_a_value_or_the_reason() -> None:
    found = list(hourly.by_hour(of_constant(1), "us_aqi", "2012"))
    assert len(found) == 24
    assert (found[0].found.value, found[0].found.why) == (None, "nowcast-hours")
    assert all(row.found.value == 89 for row in found[1:]), "30 µg/m³ by the table of 2012"
    assert list(hourly.by_hour(of_constant(1), "us_aqi", "2024"))[-1].found.edition == "2024"


def test_days_are_the_hours_labelled_one_to_midnight() -> None:
    found = list(hourly.by_day(of_constant(1.75), "us_aqi", "2012"))
    assert [row.time for row in found] == [date(2026, 3, 14), date(2026, 3, 15)]
    assert [row.found.value for row in found] == [89, 89], "24 and 18 hours"
    assert list(hourly.by_day(of_constant(1.5), "us_aqi", None))[1].found.why == "too-few-hours"


def test_a_series_that_begins_within_a_day_is_no_whole_day() -> None:
    hours = hourly.dense("a", {"pm25": {H0 + n: 30.0 for n in range(10, 48)}}, H0 + 10, H0 + 47, HANOI, 0, by_start=False)
    found = list(hourly.by_day(hours, "us_aqi", "2012"))
    assert [(row.time, row.found.value) for row in found] == [(date(2026, 3, 14), None), (date(2026, 3, 15), 89)]


def test_days_of_a_zone_with_summer_time_have_23_and_25_hours() -> None:
    zone = ZoneInfo("Europe/Rome")
    start = round(datetime(2024, 10, 26, tzinfo=zone).timestamp() * 1000)
    first = hourly.number(start + 1, 0)
    hours = hourly.dense("a", {"pm25": {first + n: 30.0 for n in range(73)}}, first, first + 72, zone, 0, by_start=False)
    assert [row.time for row in hourly.by_day(hours, "vn_aqi", None)] == [date(2024, 10, 26), date(2024, 10, 27), date(2024, 10, 28)]
    assert all(row.found.value is not None for row in hourly.by_day(hours, "vn_aqi", None))


def test_an_hour_of_water_that_is_not_whole_says_so() -> None:
    of = {"do": {H0 + 1: 7.0}, "turbidity": {H0 + 2: 3.0}}
    hours = hourly.dense("w", of, H0, H0 + 1, HANOI, 0, by_start=False)
    assert [row.found.why for row in hourly.by_hour(hours, "vn_wqi", None)] == ["hour-missing", "no-temperature"]
    hours = hourly.dense("w", {"turbidity": {H0: 3.0}}, H0, H0, HANOI, 0, by_start=False)
    assert [row.found.why for row in hourly.by_hour(hours, "vn_wqi", None)] == ["nothing-measured"]


def test_samples_of_water_keep_their_time() -> None:
    sample = {
        "ph": [7.0, nan], "water_temp": [25.0, 25.0], "do": [7.0, 7.0], "bod5": [3.0, nan], "cod": [8.0, nan], "nh4_n": [0.1, nan],
        "no3_n": [0.5, nan], "coliform": [500.0, nan],
    }  # fmt: skip
    first, second = hourly.by_sample("w", [T0, T0 + 1], sample, HANOI)
    assert first.time.isoformat() == "2026-03-14T00:00:00+07:00"
    assert first.found.value is not None
    assert second.found.why is not None
