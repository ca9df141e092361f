"""Columns say what rows say, faster; what rows refuse, they refuse with the same words."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isnan
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devices.loader import catalogue
from devices.units import conversion
from gateway.series.columns import Columns, Instants, read_columns
from gateway.series.maps import SeriesError, SeriesMap, TimeMap, load_map
from gateway.series.read import read_series, time_reader

DATA = Path(__file__).parents[2] / "data" / "series"
FILES = [
    ("airnow-hanoi-2016.csv", "airnow"), ("hanoi-2019-whole.csv", "airnow"), ("lro-franklin-2014-summer.csv", "lro"),
    ("sensorcommunity-15092-july.csv", "sensorcommunity"), ("openair-marylebone.csv", "openair"), ("uci-air-2004-whole.csv", "uci-air"),
    ("beijing-aotizhongxin.csv", "beijing"), ("usgs-iv.json", "usgs-iv"),
]  # fmt: skip

MAP = """
map: mine
medium: air
time: {columns: [t], format: iso, zone: Europe/Rome}
station: {name: here}
missing: ["-999"]
columns:
  - {column: x, parameter: pm25, unit: mg/m3, label: q}
  - {column: w, parameter: wind_dir, unit: deg, codes: {N: 0, E: 90}}
"""


def mine(folder: Path, text: str = MAP) -> SeriesMap:
    (folder / "mine.yaml").write_text(text, "utf-8")
    return load_map(folder / "mine.yaml")


def read(folder: Path, rows: str, text: str = MAP) -> list[Columns]:
    (folder / "a.csv").write_text(rows, "utf-8")
    return read_columns(folder / "a.csv", mine(folder, text))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "map_name"), FILES)
def test_every_layout_gives_what_its_rows_give(name: str, map_name: str) -> None:
    series_map = load_map(map_name)
    units = {column.parameter: conversion(column.unit, catalogue()[column.parameter]) for column in series_map.columns}
    rows = list(read_series(DATA / name, series_map))
    found = read_columns(DATA / name, series_map)
    assert sorted(columns.station for columns in found) == sorted({row.station for row in rows})
    for columns in found:
        own = [row for row in rows if row.station == columns.station]
        assert list(columns.times) == [row.time_ms for row in own]
        for parameter, values in columns.values.items():
            factor, offset = units[parameter]
            wanted = [row.values[parameter] for row in own]
            assert [None if isnan(value) else value for value in values] == [None if v is None else v * factor + offset for v in wanted]
            assert columns.labels.get(parameter, {}) == {at: row.labels[parameter] for at, row in enumerate(own) if parameter in row.labels}


def test_infinities_and_nan_are_missing_and_units_are_converted(tmp_path: Path) -> None:
    (columns,) = read(
        tmp_path, "t,x,q,w\n2024-01-01 00:00,0.5,,N\n2024-01-01 00:01,inf,bad,E\n2024-01-01 00:02,NaN,,12\n2024-01-01 00:03,-999.0,,\n"
    )
    assert [None if isnan(value) else value for value in columns.values["pm25"]] == [500.0, None, None, None]
    assert [None if isnan(value) else value for value in columns.values["wind_dir"]] == [0.0, 90.0, 12.0, None]
    assert columns.labels == {"pm25": {1: "bad"}}


def test_parquet_with_nan_and_infinities(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a.parquet"
    values = "(TIMESTAMP '2024-01-01 00:00', 0.5, NULL, 'N'), (TIMESTAMP '2024-01-01 00:01', 'NaN'::DOUBLE, 'bad', 'E')"
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {values}) AS rows(t, x, q, w)) TO '{file}' (FORMAT parquet)")
    (columns,) = read_columns(file, mine(tmp_path, MAP + "format: parquet\n"))
    assert columns.values["pm25"][0] == 500.0
    assert isnan(columns.values["pm25"][1])
    assert (list(columns.values["wind_dir"]), columns.labels) == ([0.0, 90.0], {"pm25": {1: "bad"}})
    with pytest.raises(SeriesError, match="not a finite number"):
        list(read_series(file, mine(tmp_path, MAP + "format: parquet\n")))


@pytest.mark.parametrize(
    ("select", "format_"),
    [
        ("TIMESTAMP '2024-01-01 00:00:01.25' AS t, 1.1::FLOAT AS x, -999 AS q, 'E' AS w", '"%Y-%m-%d %H:%M"'),
        ("TIMESTAMPTZ '2024-01-01 00:00:01+07' AS t, 3::BIGINT AS x, NULL AS q, '12' AS w", '"%d/%m/%Y"'),
        ("1704067200 AS t, 2.50::DECIMAL(9, 2) AS x, 'bad' AS q, NULL AS w", "epoch-s"),
        ("DATE '2024-01-01' AS t, 1e-7::DOUBLE AS x, '' AS q, 'N' AS w", '"%Y-%m-%d"'),
    ],
)
def test_parquet_of_any_types_reads_alike_row_by_row_and_as_columns(tmp_path: Path, select: str, format_: str) -> None:
    """With a map that says `csv`: the file's first bytes decide."""
    import duckdb

    file = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (SELECT {select}) TO '{file}' (FORMAT parquet)")
    series_map = mine(tmp_path, MAP.replace("format: iso", f"format: {format_}"))
    (columns,) = read_columns(file, series_map)
    (row,) = read_series(file, series_map)
    assert list(columns.times) == [row.time_ms]
    for column in series_map.columns:
        factor, offset = conversion(column.unit, catalogue()[column.parameter])
        value, wanted = columns.values[column.parameter][0], row.values[column.parameter]
        assert (None if isnan(value) else value) == (None if wanted is None else wanted * factor + offset)
    assert {name: of[0] for name, of in columns.labels.items()} == row.labels


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2024-01-01 10:00,abc,,1", "column 'x': 'abc' is not a number"),
        ("tomorrow,1,,1", "time 'tomorrow' is not of the form 'iso'"),
        ("2024-01-01 10:00,1", "the line ends before column 'q'"),
        ("2024-03-31 02:30,1,,1", "does not exist in Europe/Rome"),
    ],
)
def test_an_unreadable_line_is_named_as_rows_name_it(tmp_path: Path, row: str, says: str) -> None:
    text = f"t,x,q,w\n2024-01-01 09:00,1.5,,1\n{row}\n2024-01-01 11:00,2.5,,1\n"
    with pytest.raises(SeriesError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}:3: ")
    assert says in str(caught.value)
    with pytest.raises(SeriesError) as rows:
        list(read_series(tmp_path / "a.csv", mine(tmp_path)))
    if "line ends" not in says:  # rows look at labels last, columns go from left to right
        assert str(rows.value) == str(caught.value)


def test_a_file_that_is_empty_or_of_another_layout(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="the file is empty"):
        read(tmp_path, "")
    with pytest.raises(SeriesError, match="column 't' is not there"):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(SeriesError, match="cannot be read"):
        read_columns(tmp_path / "none.csv", mine(tmp_path))
    (columns,) = [*read(tmp_path, "t,x,q,w\n"), Columns("here", ["pm25"])]
    assert not columns.times


def test_stations_of_one_file_are_taken_apart(tmp_path: Path) -> None:
    text = MAP.replace("{name: here}", "{column: s, prefix: st-}")
    first, second = read(tmp_path, "t,x,q,w,s\n2024-01-01 00:00,1,,1,Hải\n2024-01-01 00:00,2,a,1,B\n2024-01-01 00:01,3,b,1,Hải\n", text)
    assert (first.station, list(first.values["pm25"]), first.labels) == ("st-hai", [1000.0, 3000.0], {"pm25": {1: "b"}})
    assert (second.station, list(second.values["pm25"]), second.labels) == ("st-b", [2000.0], {"pm25": {0: "a"}})
    with pytest.raises(SeriesError, match=r"a\.csv:2: column 's' names no station"):
        read(tmp_path, "t,x,q,w,s\n2024-01-01 00:00,1,,1,\n", MAP.replace("{name: here}", "{column: s}"))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["Europe/Rome", "Australia/Lord_Howe", "Asia/Kathmandu", "+07:00", "America/St_Johns"]),
    st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1)),
    st.lists(st.timedeltas(timedelta(0), timedelta(minutes=50)), max_size=12),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
)
@example("Europe/Rome", datetime(2024, 10, 27, 1, 30), [timedelta(minutes=m) for m in (30, 30, 0, 30, 30, 30)], "minutes")
@example("Australia/Lord_Howe", datetime(2024, 4, 7, 1, 0), [timedelta(minutes=m) for m in (40, 10, 5, 15, 30, 30)], "minutes")
def test_times_that_are_looked_up_are_those_that_are_worked_out(zone: str, begin: datetime, steps: list[timedelta], spec: str) -> None:
    time_map = TimeMap(columns=["t"], format="iso", zone=zone)
    slow, instants = time_reader(time_map), Instants(time_map)
    texts, wanted, previous, at = [], [], None, begin
    for step in steps:
        at += step
        text = at.isoformat(" ", spec)
        try:
            previous = slow({"t": text}, previous)
        except ValueError:
            continue  # an hour that the clock jumped over
        texts.append(text)
        wanted.append(previous)
    assert [instants.all([[text]], wanted[number - 1] if number else None)[0] for number, text in enumerate(texts)] == wanted
    assert instants.all([texts], None) == wanted, "and again, all together"
