"""`envgw index`: the published columns of Hanoi come out; labels, hours, days and samples of other files and of the history."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from devices.indices.air import hourly_air
from gateway.cli import app
from gateway.commands.index import found as found_indices
from gateway.commands.source import of_file
from gateway.errors import EnvgwError
from tests.devices.indices.test_hanoi import EXCEPTIONS, read
from tests.gateway.commands.recorded import recorded

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "data" / "series"
T0 = 1_773_421_200_000
"""2026-03-14T00:00 in Da Nang."""
MIN, HOUR = 60_000, 3_600_000


def run(*arguments: str | Path, expect: int = 0) -> Result:
    found = CliRunner().invoke(app, ["index", *map(str, arguments)])
    assert found.exit_code == expect, (found.output, found.exception)
    return found


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("year", [2016, 2019])
def test_the_published_columns_of_hanoi_come_out(year: int) -> None:
    """As tests/devices/indices/test_hanoi.py, through the file, its map and the command: what it cannot have is named there."""
    lines = {
        row["time"]: row for row in rows(run(DATA / f"hanoi-{year}-whole.csv", "--map", "airnow", "--index", "us_aqi", "--json").stdout)
    }
    compared = exact = 0
    for hour in read(year):
        row = lines[f"{hour.at.isoformat()}+07:00"]
        assert (row["value"] is None) == (row["why"] is not None)
        of_pure = hourly_air({"pm25": hour.hours}, hour.at.date()).us_aqi
        if hour.label not in EXCEPTIONS:
            assert (row["value"], row["nowcast"].get("pm25")) == (of_pure.value, of_pure.nowcast.get("pm25_nowcast")), hour.label
            if hour.nowcast is not None and hour.nowcast >= 0:
                compared += 1
                exact += row["value"] == hour.aqi
                assert abs(row["nowcast"]["pm25"] - hour.nowcast) <= (0.2 if year == 2016 else 0)
    assert (compared, exact) == {2016: (8314, 7660), 2019: (1889, 1889)}[year]


def test_every_hour_has_a_line_also_those_that_the_file_leaves_out() -> None:
    lines = rows(run(DATA / "hanoi-2016-whole.csv", "--map", "airnow", "--index", "us_aqi", "--json").stdout)
    assert len(lines) == 8784
    assert lines[0]["time"] == "2016-01-01T01:00:00+07:00"
    assert lines[-1]["time"] == "2017-01-01T00:00:00+07:00"
    assert set(lines[0]) == {"time", "index", "value", "category", "dominant", "nowcast", "why"}
    times = [datetime.fromisoformat(row["time"]) for row in lines]
    assert all((later - sooner).total_seconds() == 3600 for sooner, later in pairwise(times))


def test_the_edition_may_be_chosen() -> None:
    arguments = (DATA / "hanoi-2019-whole.csv", "--map", "airnow", "--index", "us_aqi", "--json")
    by_date, by_2012, by_2024 = (
        [row["value"] for row in rows(run(*arguments, *more).stdout)] for more in ((), ("--edition", "2012"), ("--edition", "2024"))
    )
    assert by_date == by_2012 != by_2024


def test_days_of_a_year() -> None:
    found = rows(run(DATA / "hanoi-2016-whole.csv", "--map", "airnow", "--index", "us_aqi", "--daily", "--json").stdout)
    assert [found[0]["time"], found[-1]["time"], len(found)] == ["2016-01-01", "2016-12-31", 366]
    with (DATA / "hanoi-2016-whole.csv").open(newline="") as file:
        raw = [float(row["Raw Conc."]) for row in csv.DictReader(file) if row["Date (LT)"] in _labels("2016-01-06", "2016-01-07")]
    assert len(raw) == 24
    day = next(row for row in found if row["time"] == "2016-01-06")
    mean = int(sum(raw) / 24 * 10) / 10
    assert day["value"] == round((200 - 151) / (150.4 - 55.5) * (mean - 55.5) + 151)
    assert (day["dominant"], day["nowcast"], day["why"]) == ("pm25", {}, None)


def _labels(day: str, after: str) -> set[str]:
    hours = [f"{hour or 12:02}" for hour in range(12)]
    return {f"{day} {hour}:00 AM" for hour in hours[1:]} | {f"{day} {hour}:00 PM" for hour in hours} | {f"{after} 12:00 AM"}


def written(folder: Path, text: str, **changes: Any) -> tuple[Path, str, Path]:
    series_map = {
        "map": "mine", "medium": "air", "interval": "1h", "time": {"columns": ["t"], "format": "iso", "zone": "Asia/Ho_Chi_Minh"},
        "station": {"name": "here"}, "columns": [{"column": "pm", "parameter": "pm25", "unit": "ug/m3", "label": "q"}],
    } | changes  # fmt: skip
    (folder / "a.csv").write_text("t,pm,q\n" + text)
    (folder / "mine.yaml").write_text(yaml.safe_dump(series_map))
    return folder / "a.csv", "--map", folder / "mine.yaml"


def test_a_labelled_value_counts_only_if_the_map_calls_its_label_usable(tmp_path: Path) -> None:
    text = "".join(f"2026-03-14T{hour:02}:00,30,{'doubtful' if hour == 4 else ''}\n" for hour in range(1, 5))
    without, with_it = (
        rows(run(*written(tmp_path, text, usable=usable), "--index", "vn_aqi", "--json").stdout)[-1] for usable in ([], ["doubtful"])
    )
    assert (with_it["nowcast"], with_it["value"] is not None) == ({"pm25": 30.0}, True)
    # 2 of the last 3 hours are there: the NowCast goes on.
    assert without["nowcast"] == {"pm25": 30.0}
    text = "".join(f"2026-03-14T{hour:02}:00,{30 if hour < 4 else 60},{'doubtful' if hour == 4 else ''}\n" for hour in range(1, 5))
    without, with_it = (
        rows(run(*written(tmp_path, text, usable=usable), "--index", "vn_aqi", "--json").stdout)[-1] for usable in ([], ["doubtful"])
    )
    assert without["nowcast"]["pm25"] == 30.0 < with_it["nowcast"]["pm25"]


def test_published_negative_means_reach_the_index_which_says_so(tmp_path: Path) -> None:
    text = "".join(f"2026-03-14T{hour:02}:00,-3,\n" for hour in range(1, 5))
    assert rows(run(*written(tmp_path, text), "--index", "us_aqi", "--json").stdout)[-1]["why"] == "negative"
    unreviewed = [{"column": "pm", "parameter": "pm25", "unit": "ug/m3"}]
    assert rows(run(*written(tmp_path, text, columns=unreviewed), "--index", "us_aqi", "--json").stdout)[-1]["why"] == "nowcast-hours"


def test_minutes_are_judged_and_averaged(tmp_path: Path) -> None:
    """A spike of one reading is not in the hour; an hour with less than 45 minutes is none."""
    cells = []
    for n in range(1, 241):
        value = 900 if n == 130 else 30 + n % 3
        if not 180 < n <= 196:
            cells.append(f"2026-03-14T{n // 60:02}:{n % 60:02}:00,{value},\n")
    found = rows(run(*written(tmp_path, "".join(cells), interval="1m"), "--index", "us_aqi", "--json").stdout)
    assert [row["time"][11:16] for row in found] == ["01:00", "02:00", "03:00", "04:00"]
    assert [row["nowcast"].get("pm25") for row in found] == [None, 31.0, 31.0, 31.0]


def test_an_hour_is_called_as_the_file_calls_it(tmp_path: Path) -> None:
    text = "".join(f"2026-03-14T{hour:02}:00,30,\n" for hour in range(3))
    time = {"columns": ["t"], "format": "iso", "zone": "Asia/Ho_Chi_Minh"}
    for marks in ("hour-start", "hour-end"):
        found = rows(run(*written(tmp_path, text, time=time | {"marks": marks}), "--index", "us_aqi", "--json").stdout)
        assert [row["time"] for row in found] == [f"2026-03-14T{hour:02}:00:00+07:00" for hour in range(3)]


def test_water_samples_keep_their_time_and_hours_are_means(tmp_path: Path) -> None:
    names = {"ph": 7, "t_w": 25, "do": 7, "bod": 3, "cod": 8, "nh4": 0.1, "no3": 0.5, "coli": 500}
    parameters = ("ph", "water_temp", "do", "bod5", "cod", "nh4_n", "no3_n", "coliform")
    units = ("[pH]", "Cel", "mg/L", "mg/L", "mg/L", "mg/L", "mg/L", "{MPN}/dL")
    series_map = {
        "map": "lab", "medium": "water", "interval": "30d", "time": {"columns": ["t"], "format": "iso", "zone": "Asia/Ho_Chi_Minh"},
        "station": {"name": "cau-do"},
        "columns": [{"column": c, "parameter": p, "unit": u} for c, p, u in zip(names, parameters, units, strict=True)],
    }  # fmt: skip
    head = "t," + ",".join(names) + "\n"
    values = ",".join(str(value) for value in names.values())
    (tmp_path / "lab.csv").write_text(f"{head}2026-03-14T08:20,{values}\n2026-04-14T09:00,7,25,7,,,,,\n")
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(series_map))
    arguments = (tmp_path / "lab.csv", "--map", tmp_path / "lab.yaml", "--index", "vn_wqi", "--json")
    first, second = rows(run(*arguments).stdout)
    assert (first["time"], first["why"]) == ("2026-03-14T08:20:00+07:00", None)
    assert second["value"] is None
    (tmp_path / "lab.csv").write_text(head + "".join(f"2026-03-14T08:{minute:02},{values}\n" for minute in (15, 30, 45)))
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(series_map | {"interval": "15m"}))
    (hour,) = rows(run(*arguments).stdout)
    assert (hour["time"], hour["value"]) == ("2026-03-14T09:00:00+07:00", first["value"])


def test_the_history_gives_what_its_flags_allow(tmp_path: Path) -> None:
    times = [T0 + n * MIN for n in range(1, 361)]
    values = [900.0 if n == 100 else 30.0 + n % 3 for n in range(1, 361)]
    place = recorded(tmp_path, times, values, [3 if n == 100 else 1 for n in range(1, 361)])
    since = ("--since", "2026-03-14T03:00:00+07:00")
    found = rows(place.run("index", "--station", "bach-dang", *since, "--index", "vn_aqi", "--json").stdout)
    assert [row["time"][11:16] for row in found] == ["04:00", "05:00", "06:00"], "hours before help those after them"
    assert all(30.0 < row["nowcast"]["pm25"] < 31.1 for row in found)


def test_the_table_says_the_category_or_the_reason() -> None:
    lines = run(DATA / "hanoi-2019-whole.csv", "--map", "airnow", "--index", "us_aqi").stdout.splitlines()
    assert lines[1].split(maxsplit=4)[3:] == ["-", "Too few hours for the NowCast: at least 2 of the last 3 are needed."]
    assert lines[2].split() == ["2019-10-07T22:00:00+07:00", "us-embassy-hanoi", "us_aqi", "163", "Unhealthy", "pm25", "pm25", "78.5"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--index", "vn_aqi", "--edition", "2012"), "--edition goes with --index us_aqi"),
        (("--index", "vn_wqi", "--daily"), "no daily index"),
        (("--picture", "a.jpg"), "must end in .png or .html"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    assert says in run(DATA / "airnow-hanoi-2016.csv", "--map", "airnow", *arguments, expect=2).stderr


@pytest.mark.parametrize(
    ("name", "series_map", "index"), [("airnow-hanoi-2016", "airnow", "vn_wqi"), ("lro-franklin-2014", "lro", "vn_aqi")]
)
def test_a_file_of_another_medium_is_refused(name: str, series_map: str, index: Any) -> None:
    with pytest.raises(EnvgwError, match="parameters; this series has "):
        next(found_indices(of_file(DATA / f"{name}.csv", series_map), index, None, daily=False))


def test_the_table_says_below_what_must_be_known_of_its_numbers() -> None:
    text = run(DATA / "airnow-hanoi-2016.csv", "--map", "airnow").stdout
    assert "lines: This table was not in force on that date." in text.splitlines()[-1]
    assert "note" not in run(DATA / "airnow-hanoi-2016.csv", "--map", "airnow", "--index", "us_aqi").stdout
