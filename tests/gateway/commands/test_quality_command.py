"""`envgw quality`: lines, table, where it takes series from, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.commands.quality import verdicts, write_lines
from gateway.commands.source import of_file
from gateway.series.judged import TESTS
from tests.gateway.commands.recorded import recorded

DATA = Path(__file__).parents[2] / "data" / "series"
MIN = 60_000
T0 = 1_773_453_600_000
"""2026-03-14T02:00:00Z, 09:00 in Da Nang."""

MAP = {
    "map": "mine", "medium": "air", "interval": "1m", "time": {"columns": ["t"], "format": "iso", "zone": "Asia/Ho_Chi_Minh"},
    "station": {"name": "here"},
    "columns": [
        {"column": "pm", "parameter": "pm25", "unit": "mg/m3"},
        {"column": "dir", "parameter": "wind_dir", "unit": "deg"},
        {"column": "rain", "parameter": "rain", "unit": "mm"},
    ],
}  # fmt: skip


def run(*arguments: str | Path, expect: int = 0) -> Result:
    found = CliRunner().invoke(app, ["quality", *map(str, arguments)])
    assert found.exit_code == expect, (found.output, found.exception)
    return found


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def written(folder: Path, cells: list[str], **changes: Any) -> tuple[Path, str, Path]:
    """(file, --map, map): one row a minute from 23:58 on, with the given cells."""
    text = "\n".join(f"2026-03-{13 + (n >= 2)} {(23 * 60 + 58 + n) // 60 % 24:02}:{(58 + n) % 60:02},{row}" for n, row in enumerate(cells))
    (folder / "a.csv").write_text(f"t,pm,dir,rain\n{text}\n")
    (folder / "mine.yaml").write_text(yaml.safe_dump(MAP | changes))
    return folder / "a.csv", "--map", folder / "mine.yaml"


CALM = ["0.0200,359,0", "0.0204,1,0", "0.0201,359,0.2", "0.0206,180,0", "0.0202,2,14"]


def test_a_line_a_value_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = rows(run(*written(tmp_path, CALM), "--json").stdout)
    assert found[0] == {
        "time": "2026-03-13T16:58:00.000Z", "parameter": "pm25", "value": 20.0, "flag": 1,
        "tests": {"gross_range": 1, "step": 1, "spike": 2, "flat_line": 1},
    }  # fmt: skip
    assert [(row["time"][11:16], row["parameter"]) for row in found[:4]] == [
        ("16:58", "pm25"), ("16:58", "wind_dir"), ("16:58", "rain"), ("16:59", "pm25"),
    ]  # fmt: skip
    assert len(found) == 15
    assert all(row["flag"] == 1 for row in found), "a wind that turns over north and a shower are no fault"
    assert all(tuple(row["tests"]) == TESTS for row in found)


def test_missing_infinite_spiking_and_implausible_values(tmp_path: Path) -> None:
    cells = [*CALM, ",2,0", "inf,2,0", "nan,2,0", *CALM, "0.400,2,0", *CALM, "9,2,0", *CALM]
    found = [row for row in rows(run(*written(tmp_path, cells), "--json").stdout) if row["parameter"] == "pm25"]
    assert [row["flag"] for row in found] == [1] * 5 + [9] * 3 + [1] * 5 + [3] + [1] * 5 + [4] + [1] * 5
    assert [row["value"] for row in found[5:8]] == [None] * 3
    assert found[5]["tests"] == dict.fromkeys(TESTS, 9)
    assert found[13]["tests"] == {"gross_range": 1, "step": 3, "spike": 3, "flat_line": 1}
    assert found[19]["tests"]["gross_range"] == 4


def test_a_real_change_is_good_in_the_end(tmp_path: Path) -> None:
    found = rows(run(*written(tmp_path, [*CALM, *(f"0.4{n}0,2,0" for n in range(9))]), "--json").stdout)
    assert all(row["flag"] == 1 for row in found)
    assert [row["tests"]["step"] for row in found if row["parameter"] == "pm25"][5] == 3


def test_several_stations_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,pm,dir,rain\n2026-03-14 00:00,0.02,1,Hòa Xuân\n2026-03-14 00:00,0.03,1,b\n")
    columns = MAP["columns"][:1]  # type: ignore[index]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MAP | {"station": {"column": "rain"}, "columns": columns}))
    found = rows(run(tmp_path / "a.csv", "--map", tmp_path / "mine.yaml", "--json").stdout)
    assert [list(row) for row in found] == [["time", "station", "parameter", "value", "flag", "tests"]] * 2
    assert [row["station"] for row in found] == ["hoa-xuan", "b"]


def test_a_real_river() -> None:
    """Every line of the file, the flags those of the table, and water near freezing is this map's normal."""
    file = DATA / "lro-franklin-2014-summer.csv"
    found = rows(run(file, "--map", "lro", "--json").stdout)
    assert len(found) == 6 * 3000
    told = {flag: sum(row["flag"] == flag for row in found) for flag in (1, 3, 9)}
    assert told[9] == 5
    assert 0 < told[3] < 40
    assert sum(told.values()) == len(found)
    last = run(file, "--map", "lro").stdout.splitlines()[-1]
    assert last == f"all: {told[1]} flag 1, {told[3]} flag 3, 5 flag 9"


def test_the_table_counts_by_local_day(tmp_path: Path) -> None:
    lines = run(*written(tmp_path, [*CALM, "0.400,2,0", *CALM])).stdout.splitlines()
    assert lines[0].split() == ["day", "station", "parameter", "flag", "1", "2", "3", "4", "9", *TESTS]
    assert lines[1].split() == ["2026-03-13", "here", "pm25", "2", *"........"]
    assert lines[4].split() == ["2026-03-14", "here", "pm25", "8", ".", "1", ".", ".", ".", "2/0", "1/0", "."]
    assert lines[-1] == "all: 32 flag 1, 1 flag 3"


def test_the_history_is_judged_as_the_station_says(tmp_path: Path) -> None:
    times = [T0 + n * MIN for n in range(12)]
    values = [20.0, 20.4, 20.1, 20.6, 20.2, None, 20.4, 160.0, 20.1, 20.6, 20.2, 20.3]
    place = recorded(tmp_path, times, values, [1] * 5 + [9] + [1] * 6)
    arguments = ("quality", "--station", "bach-dang", "--since", "2026-03-14T09:00:00+07:00", "--json")
    found = rows(place.run(*arguments).stdout)
    assert [row["time"] for row in found] == [f"2026-03-14T02:{n:02}:00.000Z" for n in range(1, 12)], "since is exclusive, as of query"
    assert [row["flag"] for row in found] == [1, 1, 1, 1, 9, 1, 3, 1, 1, 1, 1]
    assert list(found[0]) == ["time", "parameter", "value", "flag", "tests"]
    text = place.registry.read_text()
    place.registry.write_text(text.replace("    medium: air\n", "    medium: air\n    quality: {pm25: {spike: off, step: off}}\n"))
    off = rows(place.run(*arguments).stdout)
    assert [row["flag"] for row in off] == [1, 1, 1, 1, 9, 1, 1, 1, 1, 1, 1]
    assert off[7]["tests"] == {"gross_range": 1, "step": 2, "spike": 2, "flat_line": 1}
    until = place.run(*arguments[:-1], "--until", "2026-03-14T09:03:00+07:00")
    assert until.stdout.splitlines()[-1] == "all: 3 flag 1"


def test_a_station_without_readings_is_an_error(tmp_path: Path) -> None:
    recorded(tmp_path, [T0], [1.0], [1])
    found = CliRunner().invoke(app, ["quality", "--station", "nowhere", "--since", "-1h", "--config", str(tmp_path / "envgw.yaml")])
    assert "no reading of station 'nowhere'" in str(found.exception)
    assert found.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what: FILE with --map"),
        (("FILE",), "FILE needs --map: a shipped map (airnow, "),
        (("FILE", "--map", "lro", "--station", "s"), "say what"),
        (("FILE", "--map", "lro", "--since", "-1h"), "--since and --until go with --station"),
        (("--station", "s"), "--station goes with --since"),
        (("--station", "s", "--since", "-1h", "--map", "lro"), "not with --map"),
        (("FILE", "--map", "lro", "--picture", "a.gif"), "must end in .png or .html"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    file = str(DATA / "lro-franklin-2014.csv")
    assert says in run(*(file if argument == "FILE" else argument for argument in arguments), expect=2).stderr


def test_nothing_in_a_file_is_nothing(tmp_path: Path) -> None:
    assert run(*written(tmp_path, [])[0:3], "--json").stdout == ""


def test_lines_are_the_verdicts() -> None:
    sources = of_file(DATA / "sensorcommunity-15092-july.csv", "sensorcommunity")
    out = io.BytesIO()
    write_lines(sources, out)
    found = rows(out.getvalue().decode())
    (source,) = sources.sources
    judged = verdicts(source)
    for at in range(len(source.columns.times)):
        for place, (parameter, values) in enumerate(source.columns.values.items()):
            row = found[2 * at + place]
            assert (row["parameter"], row["flag"]) == (parameter, judged[parameter].flags[at])
            assert tuple(row["tests"].values()) == judged[parameter].tests(at)
            assert row["value"] == (values[at] if values[at] == values[at] else None)


# ---------------------------------------------------------------- --settings


def test_a_section_of_settings_is_tried_on_a_file(tmp_path: Path) -> None:
    asked = {"quality": {"pm25": {"climatology": [{"hour": [0, 23], "usual": [5, 20.3]}]}, "message": {"timing": {"gap": "5m"}}}}
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump(asked))
    found = rows(run(*written(tmp_path, CALM), "--settings", tmp_path / "asked.yaml", "--json").stdout)
    pm25 = [row for row in found if row["parameter"] == "pm25"]
    assert [row["flag"] for row in pm25] == [1, 3, 1, 3, 1]
    assert pm25[1]["tests"] == {"gross_range": 1, "step": 1, "spike": 1, "flat_line": 1, "climatology": 3, "timing": 1}
    table = run(*written(tmp_path, CALM), "--settings", tmp_path / "asked.yaml").stdout.splitlines()
    assert "climatology" in table[0]
    assert any("2026-03-13" in line and "pm25" in line and "1/0" in line for line in table)


def test_what_is_wrong_with_the_settings_is_said_with_its_line(tmp_path: Path) -> None:
    def refused() -> str:
        return str(run(*written(tmp_path, CALM), "--settings", tmp_path / "asked.yaml", expect=1).exception)

    (tmp_path / "asked.yaml").write_text("quality:\n  pm25:\n    stepp: 3\n")
    said = refused()
    assert "asked.yaml:3" in said
    assert "unknown key" in said
    (tmp_path / "asked.yaml").write_text("quality:\n  pm52: {step: 3}\n")
    assert "did you mean 'pm25'" in refused()
    (tmp_path / "asked.yaml").write_text("step: 3\n")
    assert "no `quality:` section" in refused()


def test_settings_go_with_a_file_only(tmp_path: Path) -> None:
    (tmp_path / "asked.yaml").write_text("quality: {pm25: {step: 3}}\n")
    said = run("--station", "x", "--since", "-1h", "--settings", tmp_path / "asked.yaml", expect=2).output
    assert "--settings goes with FILE" in said
