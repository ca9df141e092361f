"""VN_WQI against the reference's samples, its minimum groups, and as a property."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.indices.reasons import Note, Why
from devices.indices.water import aggregate, saturation, water
from devices.indices.water_table import WaterTable
from devices.loader import catalogue, water_table
from tests.devices.indices.shared import vectors

IDS = {
    "pH": "ph",
    "T": "water_temp",
    "DO": "do",
    "BOD5": "bod5",
    "COD": "cod",
    "N_NH4": "nh4_n",
    "N_NO3": "no3_n",
    "N_NO2": "no2_n",
    "P_PO4": "po4_p",
    "COLI": "coliform",
}
RIVER = {
    "ph": 7.2,
    "water_temp": 28,
    "do": 6.5,
    "bod5": 5,
    "cod": 12,
    "nh4_n": 0.45,
    "no3_n": 3,
    "no2_n": 0.03,
    "po4_p": 0.15,
    "coliform": 4000,
}
"""The reference's sample (domain 4.1)."""


@pytest.mark.parametrize("case", vectors("golden.json")["vn_wqi"])
def test_golden(case: dict[str, dict[str, float]]) -> None:
    sample = {IDS[name]: value for name, value in case["inp"].items()}
    # The second sample has two groups only: what a national platform asks of automatic stations.
    index = water(sample, minimum_groups=2)
    for name, q in case["sub"].items():
        assert index.subindices[IDS[name]] == pytest.approx(q, abs=5e-4), name
    assert saturation(sample["do"], sample["water_temp"], water_table()) == pytest.approx(case["do_sat_pct"], abs=5e-4)
    assert index.groups["I"] == case["pH"]
    assert index.groups["IV"] == pytest.approx(case["IV"], abs=5e-5)
    assert index.groups.get("V") == case["V"]
    assert aggregate(index.groups, "cube-root") == pytest.approx(case["wqi_cuberoot"], abs=5e-4)
    if case["wqi_sqrt"] is not None:
        assert aggregate(index.groups, "square-root") == pytest.approx(case["wqi_sqrt"], abs=5e-3)


def test_a_river() -> None:
    index = water(RIVER)
    assert (index.value, index.dominant, index.why) == (87, "nh4_n", None)
    assert index.category is not None
    assert (index.category.name, index.colour) == ({"vi": "Tốt", "en": "Good"}, "#00E400")
    assert index.notes == (Note.AGGREGATION_OPEN,)
    assert water(RIVER, aggregation="square-root").value == 86


def test_minimum_groups_are_a_setting() -> None:
    two = {name: value for name, value in RIVER.items() if name != "coliform"}
    assert water(two).why is Why.TOO_FEW_GROUPS
    assert water(two, minimum_groups=water_table().minimum_groups_automatic).value == 87
    assert Note.FEWER_GROUPS in water(two, minimum_groups=2).notes
    assert Note.AGGREGATION_OPEN not in water(two, minimum_groups=2).notes  # both forms are the same without group V


def test_nutrients_are_mandatory() -> None:
    assert water({"ph": 7, "coliform": 100, "arsenic": 0.001, "cod": 5, "bod5": 2}).why is Why.TOO_FEW_NUTRIENTS
    assert water({"ph": 7, "coliform": 100, "cod": 5, "bod5": 2, "toc": 1}).value == 100
    assert water({}).why is Why.NOTHING_MEASURED


def test_turbidity_and_solids_are_not_part_of_it() -> None:
    """They were in the index of 2011."""
    assert water(RIVER | {"turbidity": 900, "tss": 900}).value == water(RIVER).value


def test_metals_and_pesticides_multiply() -> None:
    clean = RIVER | {"arsenic": 0.001, "aldrin": 0.05}
    assert water(clean).value == water(RIVER).value
    poisoned = water(RIVER | {"arsenic": 0.2, "cadmium": 0.2, "aldrin": 5})
    assert (poisoned.groups["III"], poisoned.groups["II"]) == (pytest.approx(10), pytest.approx(10))
    assert poisoned.value == 1
    assert poisoned.category is not None
    assert poisoned.category.id == "heavily_polluted"


def test_a_geometric_mean_within_a_group() -> None:
    index = water(RIVER | {"arsenic": 0.001, "cadmium": 0.2})
    assert index.groups["III"] == pytest.approx(math.sqrt(100 * 10))


@pytest.mark.parametrize(
    ("percent", "q"),
    [(19.9, 10), (20, 25), (50, 50), (75, 75), (88, 100), (100, 100), (112, 100), (125, 75), (150, 50), (200, 25), (201, 10)],
)
def test_oxygen(percent: float, q: float) -> None:
    index = water({"do_sat": percent, "ph": 7, "cod": 5, "bod5": 2, "coliform": 10})
    assert index.subindices["do"] == q
    assert Note.SATURATION_MEASURED in index.notes


@pytest.mark.parametrize(("ph", "q"), [(5.4, 10), (5.5, 50), (6, 100), (7, 100), (8.5, 100), (8.75, 75), (9, 50), (9.1, 10)])
def test_acidity(ph: float, q: float) -> None:
    assert water(RIVER | {"ph": ph}).groups["I"] == q


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("nh4_n", {0.29: 100, 0.3: 75, 0.6: 50, 0.9: 25, 5: 10, 9: 10}),
        ("cadmium", {0.0049: 100, 0.005: 75, 0.01: 25, 0.1: 10}),
        ("lead", {0.019: 100, 0.02: 75, 0.04: 50, 0.5: 10}),
        ("mercury", {0.0009: 100, 0.001: 75, 0.002: 25, 0.01: 10}),
        ("no2_n", {0.05: 100, 0.051: 10}),
        ("no3_n", {2: 100, 5: 75, 15: 25, 15.1: 10}),
        ("coliform", {2500: 100, 10000: 25, 10001: 10}),
        ("ecoli", {20: 100, 50: 75, 100: 50, 200: 25, 201: 10}),
    ],
)
def test_jumps_of_the_table(parameter: str, values: dict[float, float]) -> None:
    assert {c: water(RIVER | {parameter: c}).subindices[parameter] for c in values} == values


def test_oxygen_without_temperature_says_so() -> None:
    sample = {name: value for name, value in RIVER.items() if name != "water_temp"}
    assert water(sample).without == {"do": Why.NO_TEMPERATURE}
    assert water(sample | {"water_temp": 80}).without == {"do": Why.NO_TEMPERATURE}
    assert water(sample | {"do_sat": 90}).subindices["do"] == 100


def test_bad_numbers_are_left_out() -> None:
    index = water(RIVER | {"cod": -1.0, "bod5": math.nan, "no3_n": math.inf, "po4_p": None})
    assert index.without == {"cod": Why.NEGATIVE, "bod5": Why.NOT_A_NUMBER, "no3_n": Why.NOT_A_NUMBER}
    assert "po4_p" not in index.subindices
    assert index.value is not None


NAMES = [*water_table().parameters, "water_temp", "do_sat", "turbidity"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats() | st.floats(0, 30)),
    st.sampled_from(["cube-root", "square-root"]),
    st.sampled_from([2, 3]),
)
def test_any_sample(values: dict[str, float | None], aggregation: str, groups: int) -> None:
    index = water(values, aggregation=aggregation, minimum_groups=groups)  # type: ignore[arg-type]
    assert (index.value is None) == (index.why is not None)
    if index.value is not None:
        assert 0 <= index.value <= 100
        assert index.category is not None
    assert all(10 <= q <= 100 for q in index.subindices.values())


def test_units_are_the_catalogues_where_it_knows_the_parameter() -> None:
    table: WaterTable = water_table()
    for name, parameter in table.parameters.items():
        if name in catalogue():
            assert parameter.unit == catalogue()[name].unit, name


def test_the_catalogue_has_every_parameter_of_the_index_in_its_unit() -> None:
    assert {name: catalogue()[name].unit for name in water_table().parameters} == {
        name: row.unit for name, row in water_table().parameters.items()
    }
