"""The traps that the reference found (domain.md 0), each by its number, as far as they concern indices and limits."""

from __future__ import annotations

from datetime import date

import pytest

from devices.indices.limits import limit
from devices.indices.nowcast import nowcast
from devices.indices.reasons import Note
from devices.indices.water import water
from tests.devices.indices.shared import us, vn


def test_trap_1_vn_aqi_interpolates_on_shared_points() -> None:
    """From (25, 50) to (50, 100): not from 51, as EPA's bands begin."""
    assert vn("pm25_24h", 25.1) == 50  # 50.2; a band 51 … 100 would say 51
    assert vn("pm25_24h", 37.5) == 75
    assert vn("pm25_24h", 45) == 90


def test_trap_2_the_example_of_the_decision_is_wrong_for_no2() -> None:
    """118.7 gives 59.35; the text prints 60. No rounding rule fits all its examples."""
    assert vn("no2_1h", 118.7) == 59
    assert [vn("o3_8h_max", 89.3), vn("pm25_24h", 55.7), vn("no2_1h", 130.8)] == [45, 110, 65]


def test_trap_3_the_decisions_nowcast_is_not_normalised() -> None:
    gap: list[float | None] = [1.0] * 9 + [40.0, 50.0, None]
    assert nowcast(gap) == pytest.approx(35.3, abs=0.05)
    assert nowcast(gap, literal=True) == pytest.approx(17.6, abs=0.05)
    whole: list[float | None] = [10.0] * 11 + [100.0]
    normalised, literal = nowcast(whole), nowcast(whole, literal=True)
    assert normalised is not None
    assert literal is not None
    assert literal / normalised - 1 == pytest.approx(-0.00024, abs=5e-6)


def test_trap_4_the_limit_of_pm25_dropped_on_1_january_2026() -> None:
    assert limit("pm25", "24h", date(2025, 12, 31)).value == 50
    assert limit("pm25", "24h", date(2026, 1, 1)).value == 45
    assert limit("pm25", "24h", date(2025, 12, 31)).effective_to == date(2025, 12, 31)


def test_trap_5_two_aggregations_of_vn_wqi_circulate() -> None:
    sample = {"ph": 7.0, "cod": 12.0, "bod5": 3.0, "nh4_n": 0.1, "coliform": 9500.0}
    cube, square = water(sample), water(sample, aggregation="square-root")
    # IV (90 + 100 + 100) / 3 = 96.67, V 30: (96.67² x 30)^(1/3) = 65.45, (96.67 x 30)^(1/2) = 53.85
    assert (cube.value, square.value) == (65, 54)
    assert Note.AGGREGATION_OPEN in cube.notes


def test_trap_8_values_that_public_packages_get_wrong() -> None:
    """python-aqi: PM2.5 9.0 → 38, O3 8 h 0.070 → 84. aqi-hub: 35.9 → 101 (floored), O3 0.055 → 54."""
    assert us("pm25_24h", 9.0) == 50
    assert us("o3_8h", 0.070) == 100
    assert us("pm25_24h", 35.9) == 102
    assert us("o3_8h", 0.055) == 51
