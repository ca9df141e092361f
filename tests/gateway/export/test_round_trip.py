"""What an export writes is what an import reads: every time, name and number as it was."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.loader import catalogue
from gateway.commands.query import unit_of
from gateway.export.files import csv_file, parquet_file, parquet_folder
from gateway.export.stretches import Stretch
from gateway.history.base import StoredReading
from gateway.series.columns import read_columns
from gateway.series.maps import SeriesMap, load_map
from gateway.series.read import read_series
from tests.gateway.export.test_files import order
from tests.gateway.export.test_stretches import Held, ms
from tests.gateway.imports.test_archive import Taken, town

ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)
devices = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,12}", fullmatch=True)
parameters = st.sampled_from(["pm25", "no2", "air_temp", "ph", "battery", "pm25_raw"])
values = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
keys = st.tuples(ids, devices, parameters, st.integers(ms("2023-12-30"), ms("2024-03-01")))


def read(path: Path, form: str) -> dict[tuple[Any, ...], float | None]:
    series_map = load_map("envgw").model_copy(update={"format": form})
    return {
        (row.station, row.device, name, row.time_ms): value for row in read_series(path, series_map) for name, value in row.values.items()
    }


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.dictionaries(keys, values, min_size=1, max_size=30))
async def test_what_is_written_is_read_back(held: dict[tuple[Any, ...], float | None]) -> None:
    history = Held([])
    history.rows = [
        StoredReading(at, station, device, "hai-chau", "air", name, value, 9 if value is None else 1)
        for (station, device, name, at), value in sorted(held.items())
    ]
    job = order(history, Stretch(ms("2023-12-01"), ms("2024-03-01")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = replace(job, unit_of=unit_of)
        await csv_file(one, folder / "a.csv")
        await parquet_file(one, folder / "a.parquet")
        found = await parquet_folder(one, folder)
        assert read(folder / "a.csv", "csv") == held
        assert read(folder / "a.parquet", "parquet") == held
        months: dict[tuple[Any, ...], float | None] = {}
        for entry in found["files"]:
            months |= read(folder / entry["name"], "parquet")
        assert months == held
        assert found["rows"] == len(held)


async def test_export_import_export_import_changes_nothing(tmp_path: Path) -> None:
    """Judged again, the same series has the same flags."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    series = [10 + (n * 7 % 5) / 10 + (900 if n in (90, 300) else 0) + (450 if 200 <= n < 240 else 0) for n in range(600)]
    path = tmp_path / "old.csv"
    path.write_text(
        "at,where,PM,T,note\n"
        + "".join(f"2024-01-01T{n // 60:02}:{n % 60:02},st-0,{value / 1000!r},-,\n" for n, value in enumerate(series))
    )
    first = Taken(path)
    assert {flag for _, flag in first.values.values()} == {1, 3, 9}
    rows = [
        StoredReading(at, station, device, "hai-chau", "air", name, value, flag)
        for (station, device, at, name), (value, flag) in sorted(
            first.values.items(), key=lambda item: (*item[0][:2], item[0][3], item[0][2])
        )
    ]
    history = Held([])
    history.rows = rows
    since = round(start.timestamp() * 1000)
    await parquet_file(order(history, Stretch(since - 1, since + 86_400_000)), tmp_path / "out.parquet")
    envgw = load_map("envgw").model_copy(update={"format": "parquet", "interval": "1m"})
    again = Taken(tmp_path / "out.parquet", envgw, interpreter=town())
    assert {key: flag for key, (_, flag) in again.values.items() if key[3] == "pm25"} == {
        key: flag for key, (_, flag) in first.values.items() if key[3] == "pm25"
    }
    assert not again.refused


LONG = {
    "map": "long", "medium": "air", "time": {"columns": ["t"], "format": "epoch-s", "zone": "UTC"}, "station": {"name": "x"},
    "long": {"parameter": "what", "value": "number", "unit": "unit"},
    "columns": [{"column": "PM2.5", "parameter": "pm25", "unit": "mg/m3"}, {"column": "O3", "parameter": "o3", "unit": "ug/m3"}],
}  # fmt: skip


def test_a_row_may_say_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,what,number,unit\n0,PM2.5,12,ug/m3\n60,PM2.5,0.5,mg/m3\n60,O3,100,ppb\n")
    rows = [row.values for row in read_series(path, SeriesMap.model_validate(LONG))]
    assert rows == [{"pm25": pytest.approx(0.012)}, {"pm25": 0.5}, {"o3": pytest.approx(196.2, rel=1e-3)}]


def test_one_value_a_row_makes_series_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,what,number,unit\n0,PM2.5,12,ug/m3\n60,PM2.5,,mg/m3\n30,O3,100,ug/m3\n")
    found = {
        name: (list(one.times), list(of)) for one in read_columns(path, SeriesMap.model_validate(LONG)) for name, of in one.values.items()
    }
    assert found["pm25"][0] == [0, 60_000]
    assert found["pm25"][1][0] == pytest.approx(12.0)
    assert found["o3"] == ([30_000], [100.0])


def test_what_the_map_does_not_know_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,what,number,unit\n0,PM2,12,ug/m3\n0,O3,12,furlong\n")
    said: list[str] = []
    assert list(read_series(path, SeriesMap.model_validate(LONG), on_problem=lambda problem: said.append(str(problem)))) == []
    assert said[0].startswith(f"{path}:2: column 'what': the map knows no parameter 'PM2'; did you mean 'PM2.5'")
    assert said[1].startswith(f"{path}:3: ")
    assert "furlong" in said[1]


def test_every_parameter_of_the_catalogue_is_known_without_being_listed() -> None:
    assert load_map("envgw").parameters == list(catalogue())


@pytest.mark.parametrize("made", ["make_timestamptz(0)", "make_timestamp(0)", "'1970-01-01T00:00:00Z'"])
def test_whatever_type_a_parquet_file_has_for_time(tmp_path: Path, made: str) -> None:
    duckdb.sql(f"COPY (SELECT {made} AS \"t\", 'PM2.5' AS what, 1.0 AS number, 'mg/m3' AS unit) TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    zoned = {**LONG, "format": "parquet", "time": {"columns": ["t"], "format": "iso", "zone": "UTC"}}
    (row,) = read_series(tmp_path / "a.parquet", SeriesMap.model_validate(zoned))
    assert row.time_ms == 0
