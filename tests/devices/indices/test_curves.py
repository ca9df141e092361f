"""Curves: points, bands and quality values, as vectors and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.indices.curves import Bands, Points, Quality
from devices.indices.reasons import Note, Why
from devices.loader import air_tables, water_table
from tests.devices.indices.shared import row, table, us, vectors, vn

CONCENTRATIONS = st.floats(min_value=0, max_value=200_000)
VN_ROWS = {row.derived: row for row in (*table("vn_aqi").hourly, *table("vn_aqi").daily)}
US_ROWS = {(table.edition, row.derived): row for table in air_tables() if table.index == "us_aqi" for row in (*table.hourly, *table.daily)}
GOLDEN_ROW = {
    "PM25": "pm25_24h",
    "PM10": "pm10_24h",
    "O3_1h": "o3_1h",
    "O3_8h": "o3_8h_max",
    "CO": "co_1h",
    "SO2": "so2_1h",
    "NO2": "no2_1h",
}


@pytest.mark.parametrize("case", vectors("golden.json")["vn_aqi"], ids=lambda case: f"{case['p']}-{case['c']}")
def test_vn_golden(case: dict[str, float]) -> None:
    curve = VN_ROWS[GOLDEN_ROW[str(case["p"])]].curve
    assert isinstance(curve, Points)
    assert curve.raw(float(case["c"])) == pytest.approx(case["raw"], abs=1e-9)
    assert curve.index(float(case["c"])) == case["aqi"]


def test_vn_reference_table_of_values() -> None:
    """The reference's own table (domain 1.6)."""
    pm25 = {12.5: 25, 25: 50, 45: 90, 65: 125, 115: 175, 200: 250, 300: 350, 425: 450, 800: 500}
    assert {c: vn("pm25_24h", c) for c in pm25} == pm25
    assert [vn("pm10_24h", c) for c in (100, 385, 460)] == [75, 250, 350]
    assert [vn("co_1h", 20_000), vn("so2_1h", 237.5), vn("no2_1h", 450), vn("o3_8h_max", 305)] == [75, 75, 125, 250]
    assert vn("o3_1h", 136.1) == 43  # 42.53


def test_vn_ties_go_up() -> None:
    """12.25 µg/m³ is 24.5 exactly, and 10.05 of PM10 10.05: what binary makes of the slope must not matter."""
    assert vn("pm25_24h", 12.25) == 25
    assert vn("o3_1h", 1.6) == 1  # 0.5
    assert vn("o3_8h_max", 100.2) == 51  # 50.5
    assert vn("co_1h", 100.0) == 1  # 0.5


@given(st.sampled_from(sorted(VN_ROWS)), CONCENTRATIONS, CONCENTRATIONS)
def test_vn_grows_with_the_concentration_within_0_and_500(derived: str, one: float, other: float) -> None:
    low, high = (VN_ROWS[derived].curve.index(c) for c in sorted((one, other)))
    if high is Why.ABOVE_ROW:
        assert derived == "o3_8h_max"
        assert max(one, other) > 400
    else:
        assert isinstance(low, int)
        assert isinstance(high, int)
        assert 0 <= low <= high <= 500


@pytest.mark.parametrize("derived", sorted(VN_ROWS))
def test_vn_is_continuous_at_its_joints(derived: str) -> None:
    curve = VN_ROWS[derived].curve
    assert isinstance(curve, Points)
    for joint, index in zip(curve._concentrations, curve._indices, strict=True):
        assert curve.raw(joint) == index
        assert curve.index(joint) == index
        assert curve.raw(joint + 1e-7) == pytest.approx(index, abs=1e-5)
        assert curve.raw(max(joint - 1e-7, 0)) == pytest.approx(index, abs=1e-5)


@given(st.sampled_from(sorted(US_ROWS)), CONCENTRATIONS, CONCENTRATIONS)
def test_us_grows_with_the_concentration_within_0_and_500(key: tuple[str, str], one: float, other: float) -> None:
    low, high = (US_ROWS[key].curve.index(c) for c in sorted((one, other)))
    if isinstance(low, int) and isinstance(high, int):
        assert 0 <= low <= high <= 500
    if high is None:
        assert low is None  # below the first band: so was the smaller one
    if low is Why.ABOVE_ROW:
        assert high is Why.ABOVE_ROW


BOUNDARIES: dict[str, list[float]] = {
    # Numbers of EPA's TAD (May 2024), which every implementation repeats; the indices beside them are 0, 50, 51, 100, 101 …
    "pm10_24h": [0, 54, 55, 154, 155, 254, 255, 354, 355, 424, 425, 504, 505, 604],
    "no2_1h": [0, 53, 54, 100, 101, 360, 361, 649, 650, 1249, 1250, 1649, 1650, 2049],
    "so2_1h": [0, 35, 36, 75, 76, 185, 186, 304],
    "co_8h": [0, 4.4, 4.5, 9.4, 9.5, 12.4, 12.5, 15.4, 15.5, 30.4, 30.5, 40.4, 40.5, 50.4],
    "pm25_24h": [0, 9, 9.1, 35.4, 35.5, 55.4, 55.5, 125.4, 125.5, 225.4],
}
INDICES = [0, 50, 51, 100, 101, 150, 151, 200, 201, 300, 301, 400, 401, 500]


@pytest.mark.parametrize("derived", BOUNDARIES)
def test_us_2024_boundaries(derived: str) -> None:
    boundaries = BOUNDARIES[derived]
    assert [us(derived, c) for c in boundaries] == INDICES[: len(boundaries)]


def test_us_2024_boundaries_of_so2_over_24_hours() -> None:
    assert [us("so2_24h", c) for c in (304, 305, 604, 605, 804, 805, 1004)] == [None, 201, 300, 301, 400, 401, 500]


def test_us_2024_pm25_above_225_4_is_one_band() -> None:
    """Left out of the shared vectors: they go on with the bands of 2012 (325.4 → 400, 500.4 → 500, and 556 for 600).

    EPA's edition of 2024 has one band, 225.5-325.4 → 301-500, and "beyond the AQI" above it.
    """
    assert [us("pm25_24h", c) for c in (225.5, 325.4)] == [301, 500]
    assert us("pm25_24h", 250) == 350  # the vectors say 325
    assert us("pm25_24h", 600) == 500  # the vectors say 556
    assert row(table("us_aqi"), "pm25_24h").curve.note_above(325.5) is Note.BEYOND
    assert row(table("us_aqi"), "pm25_24h").curve.note_above(325.49) is None


@pytest.mark.parametrize(
    ("derived", "concentration", "expected"),
    [
        ("pm25_24h", 5, 28),
        ("pm25_24h", 9.05, 50),
        ("pm25_24h", 9.04, 50),
        ("pm25_24h", 9.1, 51),
        ("pm25_24h", 12.0, 56),
        ("pm25_24h", 35.9, 102),
        ("pm25_24h", 40, 112),
        ("pm10_24h", 54.5, 50),
        ("pm10_24h", 30, 28),
        ("no2_1h", 40, 38),
        ("no2_1h", 53.7, 50),
        ("co_8h", 2, 23),
        ("co_8h", 8.4, 90),
        ("o3_8h", 0.078, 126),  # 125.5: a tie
        ("o3_8h", 0.08, 133),  # 132.5: a tie
        ("o3_8h", 0.3, Why.ABOVE_ROW),
        ("o3_1h", 0.124, None),
    ],
)
def test_us_2024_cases(derived: str, concentration: float, expected: int | Why | None) -> None:
    assert us(derived, concentration) == expected


def test_us_worked_example_of_the_tad() -> None:
    names = {"o3_8h": "o3_8h", "pm25_24h": "pm25_24h", "co_8h": "co_8h"}
    for case in vectors("epa_tad_worked_example.json")[:3]:
        assert us(names[case["pollutant"]], case["conc"]) == case["aqi"]
    assert us("pm25_24h", 35.92431999, "2012") == 102


def test_us_2012_cases() -> None:
    for case in vectors("python_aqi_2012_breakpoints.json")["cases"]:
        derived = {"pm25_24h": "pm25_24h", "o3_1h": "o3_1h"}[case["pollutant"]]
        assert us(derived, float(case["conc"]), "2012") == case["aqi"]


def test_us_2012_every_pair_published_at_hanoi() -> None:
    pairs = vectors("hanoi_published_pm25_to_aqi.json")["rows"]
    categories = table("us_aqi", "2012").categories
    wrong = [(c, aqi) for c, aqi, name in pairs if us("pm25_nowcast", c, "2012") != aqi or categories.of(aqi).name["en"] != name]
    assert len(pairs) == 1584
    assert wrong == []


@pytest.mark.parametrize("concentration", [-0.1, -1, -500])
def test_negative_has_no_index(concentration: float) -> None:
    """AirNow publishes none at such hours either (Hanoi, 6 July 2016)."""
    assert vn("pm25_24h", concentration) is Why.NEGATIVE
    assert us("pm25_24h", concentration) is Why.NEGATIVE


def test_zero_noise_that_is_truncated_away_is_clean_air() -> None:
    assert us("pm25_24h", -0.04) == 0


def test_bands_that_leave_a_gap_are_none() -> None:
    curve = Bands([(0, 50, 0, 54), (51, 100, 55, 154)], 1, "cap")
    assert [curve.index(c) for c in (54.9, 55, 154.9, 155)] == [50, 51, 100, 100]
    assert [curve.note_above(c) for c in (154.9, 155)] == [None, Note.BEYOND]


@given(st.sampled_from(sorted(water_table().parameters)), st.floats(min_value=0, max_value=1e7))
def test_quality_lies_between_10_and_100(parameter: str, value: float) -> None:
    assert 10 <= water_table().parameters[parameter].curve.q(value) <= 100


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e6))
def test_quality_falls_with_the_concentration(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for name, parameter in water_table().parameters.items():
        if name not in ("ph", "do"):
            assert parameter.curve.q(low) >= parameter.curve.q(high), name


def test_quality_at_its_edges_and_jumps() -> None:
    jump = Quality([(0.3, 75), (0.6, 50)], 100, None)
    assert [jump.q(c) for c in (0.2999, 0.3, 0.45, 0.6, 9)] == [100, 75, 62.5, 50, 50]
    end = Quality([(0.05, 100)], None, 10)
    assert [end.q(c) for c in (0, 0.05, 0.0501)] == [100, 100, 10]
