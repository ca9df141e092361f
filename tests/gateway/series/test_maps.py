"""The shipped maps against slices of the real files they are for, and what a wrong map is told."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.device_type import parse
from devices.loader import catalogue
from gateway.series.device_type import device_type_for
from gateway.series.maps import SeriesError, load_map, shipped_maps
from gateway.series.read import SeriesRow, read_series

DATA = Path(__file__).parents[2] / "data" / "series"


def rows_of(name: str, map_name: str) -> list[SeriesRow]:
    return list(read_series(DATA / name, load_map(map_name)))


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_every_layout_of_the_design_has_a_map() -> None:
    assert shipped_maps() == ["airnow", "beijing", "envgw", "lro", "openair", "sensorcommunity", "uci-air", "usgs-iv"]


@pytest.mark.parametrize("name", shipped_maps())
def test_each_shipped_map_makes_a_device_type_that_the_gateway_accepts(name: str) -> None:
    series_map = load_map(name)
    kind = parse(device_type_for(series_map), catalogue())
    assert kind.id == f"series-{name}"
    assert set(kind.fields) == set(series_map.parameters)


def test_airnow_reads_local_time_labels_and_missing() -> None:
    rows = rows_of("airnow-hanoi-2016.csv", "airnow")
    assert rows[0] == SeriesRow(utc("2016-03-11T17:00"), "us-embassy-hanoi", {"pm25": rows[0].values["pm25"]}, {}, 2)
    by_time = {row.time_ms: row for row in rows}
    missing = by_time[utc("2016-01-01T03:00")]  # 10:00 in Hanoi
    assert missing.values == {"pm25": None}
    assert missing.labels == {"pm25": "Missing"}
    invalid = by_time[utc("2016-07-14T20:00")]
    assert (invalid.values, invalid.labels) == ({"pm25": 105.4}, {"pm25": "Invalid"})


def test_airnow_keeps_both_rows_of_one_hour() -> None:
    """The file has 03:00 on 13 March twice: nothing may be dropped here, the gateway counts the second as a revision."""
    twice = [row.values["pm25"] for row in rows_of("airnow-hanoi-2016.csv", "airnow") if row.time_ms == utc("2016-03-12T20:00")]
    assert twice == [1.2, 6.9]


def test_lro_reads_six_parameters_codes_and_labels() -> None:
    first = rows_of("lro-franklin-2014.csv", "lro")[0]
    assert first.time_ms == utc("2014-06-20T20:00")  # 13:00 at -07:00
    assert first.values == {"water_temp": 7.48, "ec": 258.3, "ph": 8.37, "do": 9.8, "turbidity": 0.0, "level": None}
    assert first.labels == {"ph": "10", "turbidity": "4"}


def test_lro_level_is_decoded_from_centimetres() -> None:
    series_map = load_map("lro")
    kind = parse(device_type_for(series_map), catalogue())
    decoded = kind.decode(b'{"time":1403296200000,"level":51.09,"ec":258.3}', ("series", "lro", "logan-river"))
    values = {value.parameter: (value.value, value.flag) for value in decoded.values}  # type: ignore[union-attr]
    assert values["level"] == (pytest.approx(0.5109), 1)
    assert values["ec"] == (258.3, 1)


def test_sensorcommunity_p1_is_pm10_and_p2_is_pm25() -> None:
    assert rows_of("sensorcommunity-15092.csv", "sensorcommunity")[0] == SeriesRow(
        utc("2018-07-07T20:03:06"), "sc-15092", {"pm10": 17.47, "pm25": 7.73}, {}, 2
    )


def test_openair_reads_ppb_and_gaps() -> None:
    second = rows_of("openair-marylebone.csv", "openair")[1]
    assert second.time_ms == utc("1998-01-01T01:00")
    assert (second.values["no2"], second.values["pm10"]) == (None, 37.0)


def test_uci_reads_the_bom_and_converts_carbon_monoxide_from_milligrams() -> None:
    rows = rows_of("uci-air-2004.csv", "uci-air")
    assert set(rows[0].values) == {"co", "c6h6", "nox", "no2", "air_temp", "rh"}
    assert any(value is None for row in rows for value in row.values.values())
    kind = parse(device_type_for(load_map("uci-air")), catalogue())
    decoded = kind.decode(b'{"time":1078938000000,"co":2.6,"nox":166,"no2":113}', ("series", "uci-air", "uci-italy"))
    values = {value.parameter: value.value for value in decoded.values}  # type: ignore[union-attr]
    assert values["co"] == pytest.approx(2600.0)
    assert values["nox"] == pytest.approx(166 * 1.8804, rel=1e-4)
    assert values["no2"] == 113.0
    assert kind.delay_ms == 3_600_000


def test_uci_runs_through_the_change_to_summer_time() -> None:
    around = [
        row.time_ms for row in rows_of("uci-air-2004.csv", "uci-air") if utc("2004-03-27T20:00") < row.time_ms < utc("2004-03-28T12:00")
    ]
    assert {later - earlier for earlier, later in itertools.pairwise(around)} == {3_600_000}


def test_beijing_reads_split_time_and_compass_points() -> None:
    first = rows_of("beijing-aotizhongxin.csv", "beijing")[0]
    assert (first.time_ms, first.station) == (utc("2013-02-28T16:00"), "beijing-aotizhongxin")
    assert (first.values["wind_dir"], first.values["pm25"], first.values["air_temp"]) == (337.5, 4.0, -0.7)


def test_usgs_merges_variables_of_a_site_and_keeps_its_offset() -> None:
    rows = rows_of("usgs-iv.json", "usgs-iv")
    first = rows[0]
    assert (first.time_ms, first.station, first.values) == (utc("2019-02-14T05:00"), "usgs-01491000", {"flow": 974.0, "level": 6.48})
    assert {row.station for row in rows} == {"usgs-01491000", "usgs-01645000"}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


MAP = """
map: mine
medium: air
time: {columns: [t], format: "%Y-%m-%d %H:%M", zone: Europe/Rome}
station: {name: here}
columns: [{column: x, parameter: pm25, unit: ug/m3}]
"""


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("2024-01-01 10:00,abc", "'abc' is not a number"),
        ("tomorrow,1", "'tomorrow' is not of the form"),
        ("2024-01-01 10:00", "ends before column 'x'"),
    ],
)
def test_an_unreadable_line_is_named_with_file_and_line(tmp_path: Path, cell: str, says: str) -> None:
    series_map = load_map(write(tmp_path / "mine.yaml", MAP))
    file = write(tmp_path / "a.csv", f"t,x\n2024-01-01 09:00,1.5\n{cell}\n2024-01-01 11:00,2.5\n")
    with pytest.raises(SeriesError) as caught:
        list(read_series(file, series_map))
    assert f"{file}:3: " in str(caught.value)
    assert says in str(caught.value)
    problems: list[SeriesError] = []
    kept = [row.values["pm25"] for row in read_series(file, series_map, on_problem=problems.append)]
    assert (kept, len(problems)) == ([1.5, 2.5], 1)


def test_an_hour_that_the_clock_jumped_over_is_refused_and_a_repeated_one_is_read_as_two(tmp_path: Path) -> None:
    series_map = load_map(write(tmp_path / "mine.yaml", MAP))
    with pytest.raises(SeriesError, match="does not exist"):
        list(read_series(write(tmp_path / "a.csv", "t,x\n2024-03-31 02:30,1\n"), series_map))
    autumn = write(tmp_path / "b.csv", "t,x\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n2024-10-27 03:00,4\n")
    times = [row.time_ms for row in read_series(autumn, series_map)]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [3_600_000] * 3


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "lro.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{DATA / 'lro-franklin-2014.csv'}', nullstr='NULL')) TO '{file}' (FORMAT parquet)")
    text = load_map("lro").model_dump()
    text["format"] = "parquet"
    expected = rows_of("lro-franklin-2014.csv", "lro")
    for series_map in (type(load_map("lro")).model_validate(text), load_map("lro")):  # the map says it, or the file's first bytes
        rows = list(read_series(file, series_map))
        assert [(row.time_ms, row.values) for row in rows] == [(row.time_ms, row.values) for row in expected]


def test_what_only_begins_like_parquet_is_told(tmp_path: Path) -> None:
    file = tmp_path / "broken.parquet"
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(SeriesError, match="this Parquet file cannot be read"):
        list(read_series(file, load_map("airnow")))


def test_another_encoding_says_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    file.write_bytes("t,x\n2024-01-01 00:00,1\n".encode("utf-16"))
    with pytest.raises(SeriesError, match=r"no text in utf-8-sig .*`encoding:`"):
        list(read_series(file, load_map(write(tmp_path / "mine.yaml", MAP))))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("pm25", "pm2", "did you mean 'pm25'"),
        ("ug/m3", "furlong", "furlong"),
        ("Europe/Rome", "Mars/Base", "Asia/Ho_Chi_Minh or +07:00"),
        ("medium: air", "medium: air\nwhat: 1", "what"),
        ("station: {name: here}", "station: {}", "`name` or `column`"),
    ],
)
def test_a_wrong_map_says_what_to_write(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = write(tmp_path / "mine.yaml", MAP.replace(old, new))
    with pytest.raises(SeriesError) as caught:
        load_map(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)


def test_an_unknown_map_lists_the_known_ones() -> None:
    with pytest.raises(SeriesError, match="airnow, beijing"):
        load_map("airnou")


def test_a_file_of_another_layout_is_refused_by_its_columns() -> None:
    with pytest.raises(SeriesError, match="column 'datetime' is not there"):
        list(read_series(DATA / "uci-air-2004.csv", load_map("lro")))
