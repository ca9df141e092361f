"""Backtests: the same as the gateway's core would have said, labels, two versions, files through a map, the picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.times import parse_zone
from gateway.core import Core
from gateway.core.inputs import Config, Link, Message, Start, Tick
from gateway.core.summing import Summing
from gateway.series.maps import SeriesMap
from gateway.trial import backtest, places, report
from gateway.trial.backtest import Labels
from gateway.trial.picture import draw, thinned, with_gaps
from gateway.trial.recording import Recording, as_if, from_file, of_stations
from gateway.trial.run import Given, Trial
from gateway.trial.score import Run, runs
from tests.tools.town import MIN, NOW, config, plain

HOUR = 60 * MIN
ZONE = parse_zone("Asia/Ho_Chi_Minh")


def rule(when: str = "pm25 > 100", name: str = "smoke", **level: Any) -> dict[str, Any]:
    return {"id": name, "name": {"en": "Smoke"}, "levels": {"warning": {"when": when, **level}}}


def recording(*values: float | None, labels: dict[tuple[str, str], list[tuple[int, str]]] | None = None) -> Recording:
    """One station, one value an hour."""
    entries = [places.station("a", "1h", {"medium": "air"}, ("pm25",), judged=False)]
    given = [Given(NOW + n * HOUR, NOW + n * HOUR, "a", {"pm25": value}) for n, value in enumerate(values) if value is not None]
    return Recording(places.configuration(entries, places.types(), (), "Asia/Ho_Chi_Minh"), given, HOUR, labels or {}, 0, {"a": "a"})


def quiet(what: str, part: float) -> None:
    assert 0.0 <= part <= 1.0


def test_a_trial_says_what_the_gateways_core_says_of_the_same_messages() -> None:
    rules = [rule("avg(pm25, 30m) > 100", **{"for": "10m", "clear": "avg(pm25, 30m) < 80"}), rule("pm25_1h > 90", "hourly")]
    city = plain(rules=rules)
    values = [(minute, 60.0 + (minute * 37) % 120) for minute in range(1, 300) if minute % 50 > 12]
    trial = Trial(city, NOW)
    for minute, value in values:
        trial.feed(Given(NOW + minute * MIN, NOW + minute * MIN, "an-0", {"pm25": value}))
    trial.finish(NOW + 320 * MIN)

    core = Core()
    found = list(core.step([Start(NOW, "trial"), config(city, NOW), Link(NOW, "city", True)]).transitions)
    said = dict(values)
    for second in range(320 * 60 + 1):
        at_ms = NOW + second * 1000
        found += core.step([Tick(at_ms)]).transitions
        if second % 60 == 0 and second // 60 in said:
            body = json.dumps({"device": "an-0", "time": at_ms, "pm25": said[second // 60]}).encode()
            found += core.step([Message(at_ms, "city", "sensors/air/an-0", body, 1, False, False, 1)]).transitions
    assert len(found) > 6
    assert [(item.episode, item.state, item.reason, item.event_ms, item.value) for item in trial.transitions] == [
        (item.episode, item.state, item.reason, item.event_ms, item.value) for item in found
    ]
    assert Config  # the same inputs as the gateway's


DERIVED = [
    rule("pm25_24h > 60", "daily", clear="pm25_24h < 50"),
    rule("o3_8h_max > 70 or no2_1h_max > 160", "highest"),
    rule("vn_aqi > 100", "index"),
    rule("us_aqi_day > 90 and age(no2) < 3h", "index-day"),
    rule("co_1h > limit('QCVN 05:2023', co, '1h')", "limit"),
    rule("avg(pm25, 3h) > 80", "window"),
]
HOURLY = st.fixed_dictionaries(
    {}, optional={name: st.floats(0, 300).map(lambda value: round(value, 1)) for name in ("pm25", "o3", "no2", "co")}
)


@settings(max_examples=max(5, settings().max_examples // 20))
@given(st.lists(HOURLY, min_size=24, max_size=72), st.sets(st.sampled_from(range(len(DERIVED))), min_size=1))
def test_only_the_sums_that_rules_see_are_made_and_they_are_the_gateways(hours: list[dict[str, float]], chosen: set[int]) -> None:
    """A trial leaves out what nobody reads; with everything that the gateway makes the transitions are the same."""
    entries = [places.station("a", "1h", {"medium": "air"}, ("pm25", "o3", "no2", "co"), judged=True)]
    city = places.configuration(entries, places.types(), [DERIVED[number] for number in sorted(chosen)], "Asia/Ho_Chi_Minh")
    lean, whole = Trial(city, NOW), Trial(city, NOW)
    whole.core.summing = Summing(whole.core)
    whole.core.summing.configure("Asia/Ho_Chi_Minh", NOW)
    for trial in (lean, whole):
        for number, values in enumerate(hours):
            if values:
                trial.feed(Given(NOW + number * HOUR, NOW + number * HOUR, "a", values))
        trial.finish(NOW + (len(hours) + 2) * HOUR)
    assert lean.transitions == whole.transitions


def test_counts_hours_and_open_alerts() -> None:
    found = backtest.run(recording(50, 150, 150, 50, 50, 150), [rule(confirm=1)], None, Labels(), quiet)
    score = found.new.scores["smoke"]
    assert (score.alerts, score.told, score.open, score.hours) == (2, 2, 1, {"warning": 2.0})
    assert found.readings == 6
    assert "smoke" in "\n".join(report.lines(found, ZONE))


def test_a_rule_that_never_fires_is_listed_too() -> None:
    found = backtest.run(recording(50, 60), [rule()], None, Labels(), quiet)
    assert [row["alerts"] for row in report.document(found)["rules"]] == [0]


def test_a_rule_that_could_not_fire_says_why() -> None:
    blind = [{**rule(name="far"), "where": {"tag": "sea"}}, rule("o3_8h > 100", "ozone"), rule("vn_aqi > 100", "index"), rule()]
    found = backtest.run(recording(50, 60), blind, None, Labels(), quiet)
    assert [item["stations"] for item in report.document(found)["rules"]] == [0, 1, 1, 1]
    said = [line for line in report.lines(found, ZONE) if line.startswith("note:")]
    assert said == [
        "note: far watches none of these stations: nothing fits its `where`",
        "note: ozone asks for o3, of which there is no reading here",
    ]


def test_right_false_and_missed_against_labelled_events() -> None:
    at = [NOW + n * HOUR for n in range(20)]
    labels = {("a", "pm25"): [(at[1], "fire"), (at[2], "fire"), (at[12], "fire"), (at[15], "fog")]}
    values = [50, 150, 150, 50, 50, 150, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50]
    found = backtest.run(recording(*values, labels=labels), [rule(confirm=1)], None, Labels(event=frozenset({"fire"})), quiet)
    score = found.new.scores["smoke"]
    assert (score.events, score.right, len(score.false)) == (2, 1, 1)
    assert score.missed == [Run("a", "pm25", at[12], at[12], 1)]


def test_alerts_on_bad_data_are_counted() -> None:
    labels = {("a", "pm25"): [(NOW + HOUR, "Invalid")]}
    found = backtest.run(recording(50, 150, 50, 150, labels=labels), [rule(confirm=1)], None, Labels(bad=frozenset()), quiet)
    assert len(found.new.scores["smoke"].on_bad) == 1


def test_two_versions_are_compared_by_what_overlaps() -> None:
    values = [50, 150, 150, 150, 50, 50, 120, 50, 50, 150, 50]
    found = backtest.run(recording(*values), [rule("pm25 > 110", confirm=1)], [rule("pm25 > 130", confirm=1)], Labels(), quiet)
    assert found.difference is not None
    assert (found.difference.same, len(found.difference.added), len(found.difference.removed)) == (2, 1, 0)
    text = "\n".join(report.lines(found, ZONE))
    assert "2 -> 3" in text
    assert report.document(found)["difference"]["same"] == 2


def test_limits_that_are_in_force_only_today_hold_for_old_data_that_is_moved() -> None:
    old = recording(*[60.0] * 30)
    old = as_if(old, NOW - 20 * 365 * 24 * HOUR)
    rules = [rule("pm25_24h > limit('QCVN 05:2023', pm25, '24h')")]
    assert backtest.run(old, rules, None, Labels(), quiet).new.scores["smoke"].alerts == 0
    moved = as_if(old, NOW)
    assert (moved.since_ms - old.since_ms) % (7 * 24 * HOUR) == 0
    assert backtest.run(moved, rules, None, Labels(), quiet).new.scores["smoke"].alerts == 1


def test_what_happened_while_warming_up_is_left_out() -> None:
    found = backtest.run(recording(150, 50, 50, 150, 50), [rule(confirm=1)], None, Labels(), quiet, since_ms=NOW + 2 * HOUR)
    assert found.new.scores["smoke"].alerts == 1


def test_an_alert_that_is_open_when_it_begins_counts_its_hours_from_there() -> None:
    values = [50, 150, 150, 150, 50, 150, 50]
    found = backtest.run(recording(*values), [rule(confirm=1)], None, Labels(), quiet, since_ms=NOW + 2 * HOUR)
    score = found.new.scores["smoke"]
    assert (score.before, score.alerts, score.told, score.hours) == (1, 1, 1, {"warning": 3.0})
    assert [(alarm.fired_ms, alarm.steps[0][0]) for alarm in found.new.alarms] == [
        (NOW + HOUR, NOW + 2 * HOUR),
        (NOW + 5 * HOUR, NOW + 5 * HOUR),
    ]
    assert report.document(found)["rules"][0]["open_before"] == 1


def test_of_one_station_nothing_is_said_of_the_others() -> None:
    entries = [places.station(name, "1h", {"medium": "air"}, ("pm25",), judged=False) for name in "ab"]
    given = [Given(NOW + n * HOUR, NOW + n * HOUR, name, {"pm25": 150.0}) for n in range(30) for name in "ab"]
    whole = Recording(places.configuration(entries, places.types(), (), "Asia/Ho_Chi_Minh"), given, HOUR, {}, 0, {"a": "a", "b": "b"})
    found = backtest.run(of_stations(whole, ["b"]), [rule(confirm=1)], None, Labels(), quiet)
    assert (found.new.sensors, [alarm.where for alarm in found.new.alarms]) == (0, ["b"])


def test_windows_and_derived_parameters_say_how_much_must_be_read_before() -> None:
    rules = [rule("avg(pm25, 3h) > 100"), rule("pm25_24h > 10", "daily")]
    assert backtest.warm_up_ms(backtest.compiled(rules[:1], {})) == 3 * HOUR
    assert backtest.warm_up_ms(backtest.compiled(rules, {})) == backtest.DERIVED_WARM_MS


def test_labelled_rows_become_runs() -> None:
    rows = {("a", "pm25"): [(0, "x"), (HOUR, "x"), (10 * HOUR, "x"), (11 * HOUR, "y")]}
    assert [(run.first_ms, run.last_ms, run.readings) for run in runs(rows, frozenset({"x"}), 4 * HOUR)] == [
        (0, HOUR, 2),
        (10 * HOUR, 10 * HOUR, 1),
    ]
    assert len(runs(rows, None, 4 * HOUR)) == 2


MAP = SeriesMap.model_validate(
    {
        "map": "own",
        "medium": "air",
        "time": {"columns": ["t"], "format": "iso", "zone": "+07:00", "marks": "hour-start"},
        "station": {"column": "s"},
        "missing": ["-999"],
        "columns": [{"column": "o3", "parameter": "o3", "unit": "ppb", "label": "q"}],
    }
)


def test_a_file_is_converted_and_its_stations_are_made_up(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("t,s,o3,q\n2026-01-01T00:00,A 1,100,\n2026-01-01T01:00,A 1,-999,bad\n2026-01-01T01:00,B,50,\n")
    found = from_file(file, MAP, None, quiet)
    assert [(item.device, round(item.values["o3"] or 0, 1)) for item in found.given] == [("a-1", 196.2), ("b", 98.1)]
    assert [item.received_ms - item.time_ms for item in found.given] == [HOUR, HOUR]
    assert list(found.labels) == [("a-1", "o3")]
    assert [item["id"] for item in found.plain["stations"]] == ["a-1", "b"]
    assert {item.device for item in of_stations(found, ["b"]).given} == {"b"}


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    source = recording(50, 150, 150, 50, 150)
    found = backtest.run(source, [rule(confirm=1)], [rule("pm25 > 10", confirm=1)], Labels(), quiet)
    draw(found, source, tmp_path / "a.png", ZONE)
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_a_picture_draws_no_line_through_time_in_which_nothing_was_measured() -> None:
    points = [(n * HOUR, 1.0) for n in (0, 1, 2, 3, 9, 10)]
    assert [n for n, (_, value) in enumerate(with_gaps(points)) if math.isnan(value)] == [4]
    assert with_gaps(points[:4]) == points[:4]
    assert with_gaps([]) == []


def test_a_picture_of_many_readings_keeps_peaks_and_gaps() -> None:
    points = [(n, float(n % 7)) for n in range(30_000)]
    points[12_345], points[20_000] = (12_345, 500.0), (20_000, math.nan)
    drawn = thinned(points)
    assert len(drawn) < 5_000
    assert (12_345, 500.0) in drawn
    assert [at for at, value in drawn if math.isnan(value)] == [20_000]
    assert [at for at, _ in drawn] == sorted(at for at, _ in drawn)


def test_rules_of_the_library_can_be_named() -> None:
    assert [item["id"] for item in backtest.rules_of([Path("library:pm25-smoke")])] == ["pm25-smoke"]
    with pytest.raises(Exception, match="no such rule"):
        backtest.rules_of([Path("library:pm25-smok")])
