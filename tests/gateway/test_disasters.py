"""Semantics D2 and D3 through the whole core: real shapes of the shared series, scaled to disasters, pass, alarm and move the index.

What broke in the same series does neither. The shapes: the noise of an SDS011 (Sensor.Community 15092), a level that rises all night
(Logan River, Franklin Basin, 30 December 2014), salt washed into the river (Main Street, 1 January 2020), a leap of pH that stays
(Franklin Basin, 28 July 2014), and a single reading of turbidity 350 times its neighbours (Main Street, 5 February 2020).
"""

from __future__ import annotations

import copy
import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.core import Core
from gateway.core.inputs import Input
from gateway.core.outcomes import Outcomes
from tests.tools.town import MIN, NOW, air, plain, raw, started

DATA = Path(__file__).parents[1] / "data" / "series"
FRANKLIN, MAIN = "lro-franklin-2014-whole.csv.gz", "lro-mainstreet-2020-whole.csv.gz"
QUARTER = 15 * MIN


def river(file: str, column: str, first: str, before: int, count: int) -> list[float]:
    """`count` readings from `first` on, and `before` ones before it, as the probe sent them."""
    with gzip.open(DATA / file, "rt") as rows:
        found = [(row["datetime"], float(row[column])) for row in csv.DictReader(rows)]
    at = next(number for number, (time, _) in enumerate(found) if time.startswith(first))
    return [value for _, value in found[at - before : at + count]]


def smoke(calm: int, count: int) -> list[float]:
    """Around 50 µg/m³ with the relative noise of a real sensor, then eight times that, reached within ten readings."""
    with (DATA / "sensorcommunity-15092-july.csv").open() as rows:
        real = [float(row["P2"]) for row in csv.DictReader(rows, delimiter=";") if row["P2"]][: calm + count]
    level = sum(real) / len(real)
    noise = [min(max(value / level, 0.9), 1.1) for value in real]
    return [round(50 * of * (1 + 7 * min(1.0, max(0.0, (number - calm + 1) / 10))), 1) for number, of in enumerate(noise)]


def town(rules: list[dict[str, Any]]) -> Core:
    """Every test as it is shipped; stations too far from each other to confirm anything."""
    data = copy.deepcopy(plain(rules=rules))
    for number, station in enumerate(data["stations"]):
        station["quality"] = {}
        station["lat"] += 0.1 * number
        if station["medium"] == "water":
            station["devices"][0]["interval"] = "15m"
    return started(data)


def rule(when: str, medium: str, **level: Any) -> dict[str, Any]:
    return {"id": "alarm", "name": {"en": "Alarm"}, "where": {"medium": medium}, "levels": {"warning": {"when": when, **level}}}


def sent(parameter: str, values: Sequence[float]) -> list[Input]:
    """To the probe in the river, a quarter of an hour apart."""
    field = {"ec": "conductivity"}.get(parameter, parameter)
    return [
        raw("sensors/water/wp-0", json.dumps({"device": "wp-0", "time": at, field: value}).encode(), at)
        for at, value in zip(range(NOW, NOW + len(values) * QUARTER, QUARTER), values, strict=True)
    ]


def flags(out: Outcomes, station: str, parameter: str) -> list[int]:
    """In the end: revisions are later lines of the same time."""
    found: dict[int, int] = {}
    for line in out.lines:
        if line.medium in ("air", "water") and line.station == station:
            for value in line.values:
                if value.parameter == parameter:
                    found[line.time_ms] = value.flag
    return list(found.values())


def alarms(out: Outcomes) -> list[str]:
    return [item.state for item in out.transitions if item.rule == "alarm"]


def vn_aqi(out: Outcomes, station: str) -> list[float | None]:
    """By hour, in the end."""
    found: dict[int, float | None] = {}
    for line in out.lines:
        if line.medium == "index" and line.station == station:
            for value in line.values:
                if value.parameter == "vn_aqi":
                    found[line.time_ms] = value.value
    return [found[time_ms] for time_ms in sorted(found)]


def test_D2_smoke_with_a_real_sensors_noise_is_usable_alarms_and_moves_the_index() -> None:
    core = town([rule("pm25 > 150", "air", confirm=2)])
    values = smoke(180, 190)
    out = core.step([air(0, NOW + n * MIN, pm25=value) for n, value in enumerate(values)])
    assert max(values) > 400
    said = flags(out, "st-0", "pm25")
    assert set(said[:200]) == {1}, "the rise"
    assert sum(flag > 2 for flag in said) <= 2, "a single sample that stands out of 190 at the height of it"
    assert alarms(out) == ["firing"]
    before, after = vn_aqi(out, "st-0")[1:3], vn_aqi(out, "st-0")[-1]
    assert all(value is not None and 90 <= value <= 110 for value in before)
    assert after is not None
    assert after > 300


def test_D2_a_flood_wave_is_usable_and_alarms() -> None:
    """15 cm in six hours there; a hundred times that here."""
    core = town([rule("level > 12", "water", clear="level < 8")])
    values = river(FRANKLIN, "stage", "2014-12-30 19:30", 24, 24)
    out = core.step(sent("level", values))
    assert max(values) > 16
    assert set(flags(out, "w-0", "level")) == {1}
    assert alarms(out)[-1] == "firing"


@pytest.mark.parametrize(
    ("parameter", "file", "column", "first", "factor", "when"),
    [
        ("ec", MAIN, "cond", "2020-01-01 13:45", 1.0, "ec > 1000"),
        ("ec", MAIN, "cond", "2020-01-01 13:45", 8.0, "ec > 9000"),
        ("ph", FRANKLIN, "ph", "2014-07-28 04:00", 1.0, "ph > 9"),
    ],
)
def test_D2_a_spill_is_usable_from_its_third_reading_and_alarms(
    parameter: str, file: str, column: str, first: str, factor: float, when: str
) -> None:
    core = town([rule(when, "water")])
    values = [value * factor for value in river(file, column, first, 55, 8)]
    out = core.step(sent(parameter, values))
    assert set(flags(out, "w-0", parameter)) == {1}
    assert alarms(out)[0] == "firing"
    assert (next(item for item in out.transitions if item.rule == "alarm").event_ms - NOW) / QUARTER == 55 + 3


def test_D2_a_real_spike_does_not_alarm() -> None:
    core = town([rule("turbidity > 100", "water")])
    values = river(MAIN, "turb", "2020-02-05 07:00", 60, 20)
    out = core.step(sent("turbidity", values))
    assert max(values) == 1132.0
    assert [value for value, flag in zip(values, flags(out, "w-0", "turbidity"), strict=True) if flag > 2] == [1132.0]
    assert alarms(out) == []


def test_D2_a_stuck_or_spiking_sensor_neither_alarms_nor_moves_the_index() -> None:
    core = town([rule("pm25 > 150", "air", confirm=2)])
    values = [value / 2 for value in smoke(600, 0)]
    stuck = [*values[:120], *[values[120]] * 480]
    spiking = [400.0 + n if n > 60 and n % 7 == 0 else value for n, value in enumerate(values)]
    messages = [
        air(station, NOW + n * MIN + station, pm25=value) for n in range(600) for station, value in ((0, stuck[n]), (1, spiking[n]))
    ]
    out = core.step(messages)
    assert alarms(out) == []
    assert flags(out, "st-0", "pm25")[-60:] == [4] * 60
    assert vn_aqi(out, "st-0")[-1] is None, "a stuck sensor is no clean air, and no air at all"
    assert {value for value, flag in zip(spiking, flags(out, "st-1", "pm25"), strict=True) if flag > 2} == {v for v in spiking if v > 100}
    assert all(value is None or value <= 60 for value in vn_aqi(out, "st-1"))
    assert vn_aqi(out, "st-1")[-1] is not None
