"""Derived parameters: one table, ids that nobody else has, names in both languages."""

from __future__ import annotations

import pytest

from devices.indices.derived import DerivedTable
from devices.loader import air_tables, catalogue, derived_table
from devices.problems import ConfigError


def test_ids_are_parameter_and_averaging() -> None:
    for derived in derived_table().values():
        if derived.parameter is not None:
            assert derived.id == f"{derived.parameter}_{derived.averaging}"
            assert derived.unit == catalogue()[derived.parameter].unit
        assert derived.id not in catalogue()
        assert set(derived.name) == {"vi", "en"}
        assert len(derived.id) <= 32


def test_what_rules_are_promised() -> None:
    table = derived_table()
    assert {"vn_aqi", "us_aqi", "vn_wqi", "pm25_1h", "pm25_24h", "pm25_nowcast", "o3_8h"} <= set(table)
    assert table["pm25_24h"].name == {"vi": "Bụi PM2,5, trung bình 24 giờ", "en": "PM2.5, 24-hour mean"}
    assert table["pm25_24h"].display == "µg/m³"
    assert table["vn_aqi"].parameter is None
    assert [derived.id for derived in table.of("o3", "day")] == ["o3_1h_max", "o3_8h_max"]
    assert table.of("air_temp", "hour") == ()


def test_every_row_of_a_table_looks_one_up() -> None:
    for table in air_tables():
        for period, rows in (("hour", table.hourly), ("day", table.daily)):
            for row in rows:
                derived = derived_table()[row.derived]
                assert derived.parameter == row.parameter
                assert period == "day" or derived.of == "hour"


def test_problems_are_found_all_at_once() -> None:
    name = {"vi": "a", "en": "b"}
    data = {
        "averagings": {"1h": {"hours": 1, "of": "hour", "name": name}},
        "parameters": {"pm25": ["2h"], "pm26": ["1h"]},
        "indices": {"ph": {"of": "hour", "name": name}},
    }
    with pytest.raises(ConfigError) as caught:
        DerivedTable.parse(data, catalogue())
    assert {problem.path for problem in caught.value.problems} == {("parameters", "pm25"), ("parameters", "pm26"), ("ph",)}
    with pytest.raises(ConfigError, match="unknown key"):
        DerivedTable.parse({**data, "more": 1}, catalogue())
