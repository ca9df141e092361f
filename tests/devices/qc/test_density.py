"""Density of water against the check values of UNESCO technical papers in marine science 44 (1983)."""

from __future__ import annotations

import pytest

from devices.qc.density import DensityInversion, density
from tests.devices.qc.series import flags


@pytest.mark.parametrize(
    ("salinity", "temp", "expected"),
    [(0, 5, 999.96675), (0, 25, 997.04796), (35, 5, 1027.67547), (35, 25, 1023.34306)],
)
def test_check_values(salinity: float, temp: float, expected: float) -> None:
    assert density(temp, salinity) == pytest.approx(expected, abs=1e-5)


def test_salt_water_over_fresh_is_an_inversion_and_a_salt_wedge_is_not() -> None:
    test = DensityInversion(-0.03, -1.0)
    wedge = [density(27, 2), density(26, 20), density(25, 33)]
    assert flags(test, [(number, found, number) for number, found in enumerate(wedge)]) == [1, 1, 1]
    assert flags(test, [(number, found, number) for number, found in enumerate(reversed(wedge))]) == [4, 4, 4]
