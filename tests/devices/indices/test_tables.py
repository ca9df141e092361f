"""The shipped tables are dated, sourced, complete and in both languages; faulty ones are refused."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.indices.tables import AdviceFile, AirTable
from devices.loader import air_tables, catalogue, derived_table, water_table
from devices.problems import ConfigError
from tests.devices.indices.shared import table

FILES = Path(__file__).parents[3] / "devices/indices/tables"
ADVICE = AdviceFile.parse(yaml.safe_load((FILES / "advice.yaml").read_text("utf-8")))


def build(change: dict[str, Any], name: str = "us_aqi_2024") -> AirTable:
    data = deepcopy(yaml.safe_load((FILES / f"{name}.yaml").read_text("utf-8")))
    for key, value in change.items():
        if key.startswith("row."):
            data["rows"][0][key.removeprefix("row.")] = value
        else:
            data[key] = value
    return AirTable.parse(data, ADVICE, catalogue(), derived_table())


def test_editions_follow_the_day() -> None:
    tables = air_tables()
    assert {(table.index, table.edition) for table in tables} == {("vn_aqi", "1459"), ("us_aqi", "2012"), ("us_aqi", "2024")}
    days = {
        date(2016, 1, 1): "2012",
        date(2024, 5, 5): "2012",
        date(2024, 5, 6): "2024",
        date(2050, 1, 1): "2024",
        date(2000, 1, 1): "2012",
    }
    assert {day: tables.at("us_aqi", day).edition for day in days} == days
    assert not tables.at("us_aqi", date(2000, 1, 1)).in_force(date(2000, 1, 1))
    for one in tables:
        assert one.source
        assert one.in_force(one.effective_from)


@pytest.mark.parametrize("categories", [table.categories for table in air_tables()] + [water_table().categories])
def test_categories_are_complete(categories: Any) -> None:
    last = categories.all[-1].most
    assert last in (100, 500)
    for value in range(last + 1):
        category = categories.of(value)
        assert category.least <= value <= category.most
        for text in (category.name, category.advice.everybody, category.advice.sensitive):
            assert set(text) == {"vi", "en"}
            assert all(text.values())
        assert category.advice.source == "own text of this product"


def test_names_and_colours_of_1459() -> None:
    said = [(c.least, c.most, c.name["vi"], c.colour) for c in table("vn_aqi").categories.all]
    assert said == [
        (0, 50, "Tốt", "#00E400"),
        (51, 100, "Trung bình", "#FFFF00"),
        (101, 150, "Kém", "#FF7E00"),
        (151, 200, "Xấu", "#FF0000"),
        (201, 300, "Rất xấu", "#8F3F97"),
        (301, 500, "Nguy hại", "#7E0023"),
    ]


def test_names_and_edges_of_1460() -> None:
    said = [(c.least, c.most, c.name["vi"]) for c in water_table().categories.all]
    assert said == [
        (0, 9, "Ô nhiễm rất nặng"),
        (10, 25, "Kém"),
        (26, 50, "Xấu"),
        (51, 75, "Trung bình"),
        (76, 90, "Tốt"),
        (91, 100, "Rất tốt"),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"row.hourly": "pm25_2h"}, "there is no derived parameter 'pm25_2h'"),
        ({"row.bands": [[0, 50, 0, 9.0], [51, 100, 9.2, 35.4]]}, "a band must begin one step after"),
        ({"row.bands": [[0, 50, 0, 9.0], [52, 100, 9.1, 35.4]]}, "a band must begin one step after"),
        ({"row.bands": [[50, 0, 0, 9.0]]}, "must grow"),
        ({"row.points": [0, 1]}, "either `points`, or `bands`"),
        ({"status": "sure"}, "status"),
        ({"nothing": 1}, "unknown key"),
    ],
)
def test_faulty_tables_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build(change)


def test_points_must_grow() -> None:
    with pytest.raises(ConfigError, match="`points` must grow"):
        build({"row.points": [0, 25, 25]}, "vn_aqi_1459")


def test_a_category_without_advice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"advice\.yaml says nothing"):
        ADVICE.of("air", "wonderful")
