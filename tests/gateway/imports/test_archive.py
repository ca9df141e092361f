"""A file on its way in: what is stored, with which flag, and what is refused, with its line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from devices.interpret import Interpreter, build_interpreter
from gateway.commands.quality import verdicts
from gateway.commands.source import of_file
from gateway.core import config_text
from gateway.errors import EnvgwError
from gateway.imports.archive import Archive, Into, Report, stations_in
from gateway.series.maps import SeriesMap, load_map
from tests.tools.town import NOW, plain

DATA = Path(__file__).parents[2] / "data" / "series"

MAP = SeriesMap.model_validate(
    {
        "map": "probe",
        "medium": "air",
        "interval": "1m",
        "time": {"columns": ["at"], "format": "iso", "zone": "UTC"},
        "station": {"column": "where"},
        "missing": ["-"],
        "usable": ["fine"],
        "columns": [
            {"column": "PM", "parameter": "pm25", "unit": "mg/m3", "label": "note"},
            {"column": "T", "parameter": "air_temp", "unit": "Cel"},
        ],
    }
)


def town(**changes: Any) -> Interpreter:
    """st-0 with an-0, whose place changed on 2026-01-01 from st-1."""
    data = plain(air=3)
    data["stations"][0]["quality"] = {}
    data["stations"][0]["devices"][0]["from"] = "2026-01-01"
    data["stations"][0] |= changes
    data["stations"][1]["devices"].append({**data["stations"][0]["devices"][0], "from": "2024-01-01", "to": "2026-01-01"})
    return build_interpreter(json.loads(config_text(data)))


class Taken:
    """Everything that came of a file, as a history would keep it."""

    def __init__(self, path: Path, series_map: SeriesMap = MAP, into: Into | None = None, interpreter: Interpreter | None = None) -> None:
        self.refused: list[tuple[int, str, str]] = []
        archive = Archive(path, series_map, interpreter or town(), into or Into(), NOW, lambda *said: self.refused.append(said))
        self.values: dict[tuple[str, str, int, str], tuple[float | None, int]] = {}
        self.parts = 0
        for part in archive.parts():
            self.parts += 1
            for group in part.groups:
                for time_ms, values in group.rows:
                    self.values.update({(group.station, group.device, time_ms, name): value for name, value in values.items()})
        self.report: Report = archive.report


def write(folder: Path, *rows: str, head: str = "at,where,PM,T,note") -> Path:
    path = folder / "old.csv"
    path.write_text("\n".join([head, *rows, ""]), "utf-8")
    return path


T0 = 1_704_067_200_000
"""2024-01-01T00:00Z."""


def test_values_come_in_their_canonical_units(tmp_path: Path) -> None:
    taken = Taken(write(tmp_path, "2024-01-01T00:00,st-0,0.012,25.5,", "2024-01-01T00:01,st-1,-,26,"))
    assert taken.values == {
        ("st-0", "probe", T0, "pm25"): (pytest.approx(12.0), 1),
        ("st-0", "probe", T0, "air_temp"): (25.5, 1),
        ("st-1", "probe", T0 + 60_000, "pm25"): (None, 9),
        ("st-1", "probe", T0 + 60_000, "air_temp"): (26.0, 1),
    }
    assert taken.report.document() == {
        "rows": 2, "stored": 4, "left_out": 0, "refused": {}, "labelled": 0, "not_installed": 0, "again": 0,
        "flags": {"air_temp": {"1": 2}, "pm25": {"1": 1, "9": 1}}, "stations": ["st-0", "st-1"],
        "first": "2024-01-01T00:00:00Z", "last": "2024-01-01T00:01:00Z",
    }  # fmt: skip


def test_everything_that_is_refused_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "2024-01-01T00:00,st-0,0.01,20,",
        "yesterday,st-0,0.01,20,",
        "2024-01-01T00:02,st-0,lots,20,",
        "2024-01-01T00:03,st-9,0.01,20,",
        "2024-01-01T00:04,,0.01,20,",
        "1969-01-01T00:05,st-0,0.01,20,",
        "2100-01-01T00:06,st-0,0.01,20,",
        "2024-01-01T00:07,st-0",
    )
    taken = Taken(path)
    assert [(line, reason) for line, reason, _ in taken.refused] == [
        (3, "unreadable-line"), (4, "unreadable-value"), (5, "unknown-station"), (6, "unreadable-line"), (7, "time-too-old"),
        (8, "time-ahead"), (9, "unreadable-line"),
    ]  # fmt: skip
    assert "yesterday" in taken.refused[0][2]
    assert "'lots' is not a number" in taken.refused[1][2]
    assert "did you mean" in taken.refused[2][2]
    assert taken.report.rows == 8
    assert taken.report.stored == 3, "the temperature beside the unreadable value is kept"
    assert sum(taken.report.refused.values()) == len(taken.refused)


def test_a_device_cannot_have_been_at_two_stations(tmp_path: Path) -> None:
    path = write(tmp_path, "2023-06-01T00:00,x,0.01,20,", "2024-06-01T00:00,x,0.01,20,", "2026-02-01T00:00,x,0.01,20,")
    taken = Taken(path, into=Into("st-0", "an-0"))
    assert [(line, reason) for line, reason, _ in taken.refused] == [(3, "elsewhere")]
    assert "st-1" in taken.refused[0][2]
    assert taken.report.not_installed == 1, "before its first date the registry knows nothing: stored, and told"
    assert {key[:2] for key in taken.values} == {("st-0", "an-0")}


@pytest.mark.parametrize(
    ("into", "said"),
    [
        (Into("st-00"), "did you mean"),
        (Into("w-0"), "of air, station 'w-0' measures water"),
        (Into("st-2", "an-0"), "never stood at 'st-2'"),
        (Into("st-0", "no good"), "legal device id"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, into: Into, said: str) -> None:
    with pytest.raises(EnvgwError, match=said):
        Taken(write(tmp_path), into=into)


def test_one_station_of_several(tmp_path: Path) -> None:
    path = write(tmp_path, "2024-01-01T00:00,A,0.01,20,", "2024-01-01T00:00,B,0.02,20,", "2024-01-01T00:01,A,0.01,20,")
    assert dict(stations_in(path, MAP)) == {"a": 2, "b": 1}
    taken = Taken(path, into=Into("st-0", only="b"))
    assert [value for value, _ in taken.values.values()] == [pytest.approx(20.0), 20.0]
    assert (taken.report.rows, taken.report.left_out) == (3, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "map_name", "station"),
    [
        ("hanoi-2016-whole.csv", "airnow", "st-1"),
        ("lro-franklin-2014-summer.csv", "lro", "w-0"),
        ("sensorcommunity-15092-july.csv", "sensorcommunity", "st-1"),
    ],
)
def test_flags_are_those_of_envgw_quality(name: str, map_name: str, station: str) -> None:
    """Range checks and quality tests of the whole file, revisions and all; `quality` of the town's stations is that of the file."""
    data = plain(air=3)
    for entry in data["stations"]:
        entry["quality"] = {}
    taken = Taken(DATA / name, load_map(map_name), Into(station), build_interpreter(json.loads(config_text(data))))
    (source,) = of_file(DATA / name, map_name).sources
    for parameter, judged in verdicts(source).items():
        expected = dict(zip(source.columns.times, judged.flags, strict=True))
        found = {key[2]: flag for key, (_, flag) in taken.values.items() if key[3] == parameter}
        assert found == expected, parameter
        counted = Counter(judged.flags)
        assert {flag: count for flag, count in taken.report.flags[parameter].items() if count} == dict(counted)
    assert taken.parts > 1


def test_the_registry_knows_better_what_is_plausible(tmp_path: Path) -> None:
    path = write(tmp_path, "2024-01-01T00:00,x,0.012,25.5,")
    limits = {"pm25": {"suspect": [0, 10]}}
    assert Taken(path, into=Into("st-0"), interpreter=town(limits=limits)).values["st-0", "probe", T0, "pm25"][1] == 3
    assert Taken(path, into=Into("st-2"), interpreter=town(limits=limits)).values["st-2", "probe", T0, "pm25"][1] == 1


def test_labels_are_told_and_doubted_where_that_is_wanted(tmp_path: Path) -> None:
    rows = [f"2024-01-01T00:{n:02},x,0.0{10 + n % 3},20,{'invalid' if n == 5 else 'fine'}" for n in range(12)]
    path = write(tmp_path, *rows)
    plain_, doubted = Taken(path, into=Into("st-2")), Taken(path, into=Into("st-2", doubt_labelled=True))
    assert plain_.report.labelled == doubted.report.labelled == 1
    assert {flag for _, flag in plain_.values.values()} == {1}
    assert [key[2] for key, (_, flag) in doubted.values.items() if flag == 3] == [T0 + 5 * 60_000]


def test_a_value_that_comes_twice_is_told(tmp_path: Path) -> None:
    taken = Taken(write(tmp_path, "2024-01-01T00:00,x,0.012,20,", "2024-01-01T00:00,x,0.013,20,"), into=Into("st-2"))
    assert taken.values["st-2", "probe", T0, "pm25"][0] == pytest.approx(13.0)
    assert taken.report.again == 2
