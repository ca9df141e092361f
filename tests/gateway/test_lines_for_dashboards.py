"""What the core writes so that dashboards need only the history (docs/decisions/0024): places, ages of alerts, tests that doubt."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import coreconfig
from gateway.config import load
from gateway.demo.city import demo_file
from tests.dashboards import demo_day


def notes(medium: str) -> list[tuple[str, dict[str, Any]]]:
    return [(line.station, dict(line.notes) | {"time_ms": line.time_ms}) for line in demo_day.lines() if line.medium == medium]


@pytest.mark.slow
def test_every_index_says_where_its_station_stands() -> None:
    stations = coreconfig.build(load(demo_file("envgw.yaml"), environ={})).interpreter.registry.stations
    told = [(station, said) for station, said in notes("index") if set(said) != {"final", "time_ms"}]  # the mark `final` comes alone
    assert {station for station, _ in told} == set(stations)
    for station, said in told:
        assert (said["latitude"], said["longitude"]) == (stations[station].lat, stations[station].lon)


def test_every_step_of_an_alert_says_how_long_it_has_been_open() -> None:
    steps = notes("alert")
    assert len(steps) >= 15
    for _, said in steps:
        start_ms = int(said["episode"].rpartition("/")[2])
        # Two steps of one instant stand a millisecond apart (`Core.record`); an episode begins with the first reading above the limit.
        assert abs(said["open_s"] * 1000 - (said["time_ms"] - start_ms)) <= 1


def test_every_doubted_reading_says_which_test_doubts_it() -> None:
    doubted = 0
    for line in demo_day.lines():
        if line.medium in ("air", "water", "device"):
            by = {name.partition("_by_")[0] for name, _ in line.notes}
            assert by == {value.parameter for value in line.values if value.flag in (3, 4)}
            doubted += len(by)
    assert doubted > 700


def test_the_first_step_of_a_rule_that_waits_is_as_old_as_its_wait() -> None:
    first = next(said for _, said in notes("alert") if said["rule"] == "pm25-smoke")
    assert (first["state"], first["open_s"]) == ("firing", 600.0)
