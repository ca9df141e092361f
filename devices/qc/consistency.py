"""Internal consistency: values of one message that cannot all be right (domain.md 5.3; flag 3, never 4: which one errs is unknown).

    pm       PM1 <= PM2.5 <= PM10 <= TSP                                        10 %, at least 1 µg/m³
    nox      NOx (as NO2) = NO2 + NO x 46.0055 / 30.0061                        10 %, at least 5 µg/m³
    oxygen   saturation = DO / solubility at that temperature and salinity      10 %, at least 5 points
    dew      dew point <= air temperature                                       0.5 °C
    salt     practical salinity = that of the conductivity (PSS-78)             10 %, at least 1

The floors are our own: near zero a percentage of the value is less than the sensors' resolution. What is unknown is given the
benefit of the doubt: without salinity oxygen may fit fresh water or the sea, and conductivity may be as measured or as at 25 °C.
Altitude is left out (station pressure at sea level: the first city lies there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import exp, sqrt

from devices.qc.stream import present
from devices.quality import GOOD, SUSPECT

TOLERANCE = 0.10
PM_FLOOR, NOX_FLOOR, OXYGEN_FLOOR, DEW_FLOOR, SALT_FLOOR = 1.0, 5.0, 5.0, 0.5, 1.0
NO_AS_NO2 = 46.0055 / 30.0061
MOST_SALINITY = 42.0
WATER_TEMP = (-2.0, 45.0)
"""°C. The formulas of water hold there; readings outside are the gross range test's business."""

_PM = ("pm1", "pm25", "pm10", "tsp")

Values = Mapping[str, float]
Verdict = tuple[tuple[str, ...], bool]
"""Parameters compared, and whether they agree."""


def consistency(values: Mapping[str, float | None]) -> dict[str, int]:
    """Parameter → 1 or 3 for the values of one message (canonical units) that could be compared; the others are not in it."""
    there = {name: value for name, given in values.items() if (value := present(given)) is not None}
    flags: dict[str, int] = {}
    for check in _CHECKS:
        for names, agree in check(there):
            for name in names:
                flags[name] = max(flags.get(name, GOOD), GOOD if agree else SUSPECT)
    return flags


def oxygen_solubility(temp: float, salinity: float) -> float:
    """mg/L in water in contact with air at 101,325 Pa: Benson and Krause (1984), as in Standard Methods 4500-O."""
    t = temp + 273.15
    fresh = -139.34411 + 1.575701e5 / t - 6.642308e7 / t**2 + 1.243800e10 / t**3 - 8.621949e11 / t**4
    return exp(fresh - salinity * (1.7674e-2 - 1.0754e1 / t + 2.1407e3 / t**2))


def practical_salinity(ec: float, temp: float) -> float:
    """Practical salinity (PSS-78, UNESCO 1983) at the surface from the conductivity at that temperature, µS/cm and °C.

    Defined for 2 … 42; below 2 it is a little low (no Hill correction), which the tolerance of 1 covers.
    """
    t = 1.00024 * temp
    own = 0.6766097 + t * (2.00564e-2 + t * (1.104259e-4 + t * (-6.9698e-7 + t * 1.0031e-9)))
    r = sqrt(max(0.0, ec) / 42_914.0 / own)
    normal = 0.0080 + r * (-0.1692 + r * (25.3851 + r * (14.0941 + r * (-7.0261 + r * 2.7081))))
    by_heat = 0.0005 + r * (-0.0056 + r * (-0.0066 + r * (-0.0375 + r * (0.0636 - r * 0.0144))))
    return max(0.0, normal + (t - 15.0) / (1.0 + 0.0162 * (t - 15.0)) * by_heat)


def _particles(values: Values) -> Iterator[Verdict]:
    for finer, coarser in pairwise(name for name in _PM if name in values):
        most = values[coarser] + max(TOLERANCE * values[coarser], PM_FLOOR)
        yield (finer, coarser), values[finer] <= most


def _nitrogen(values: Values) -> Iterator[Verdict]:
    names = ("nox", "no", "no2")
    if all(name in values for name in names):
        yield names, _close(values["nox"], values["no2"] + NO_AS_NO2 * values["no"], NOX_FLOOR)


def _oxygen(values: Values) -> Iterator[Verdict]:
    if "do" not in values or "do_sat" not in values or not _liquid(values):
        return
    names: tuple[str, ...] = ("do", "do_sat", "water_temp")
    salinities = [0.0, MOST_SALINITY]
    if "salinity" in values:
        if not 0.0 <= values["salinity"] <= MOST_SALINITY:
            return
        names, salinities = (*names, "salinity"), [values["salinity"]] * 2
    least, most = (100.0 * values["do"] / oxygen_solubility(values["water_temp"], salinity) for salinity in salinities)
    yield names, least <= values["do_sat"] <= most or any(_close(values["do_sat"], end, OXYGEN_FLOOR) for end in (least, most))


def _dew(values: Values) -> Iterator[Verdict]:
    if "dew_point" in values and "air_temp" in values:
        yield ("dew_point", "air_temp"), values["dew_point"] <= values["air_temp"] + DEW_FLOOR


def _salt(values: Values) -> Iterator[Verdict]:
    if "ec" not in values or "salinity" not in values:
        return
    readings = [practical_salinity(values["ec"], 25.0)]
    if _liquid(values):
        readings.append(practical_salinity(values["ec"], values["water_temp"]))
    agree = any(_close(values["salinity"], reading, SALT_FLOOR) for reading in readings)
    yield ("ec", "salinity"), agree


def _liquid(values: Values) -> bool:
    return "water_temp" in values and WATER_TEMP[0] <= values["water_temp"] <= WATER_TEMP[1]


def _close(one: float, other: float, floor: float) -> bool:
    return abs(one - other) <= max(TOLERANCE * max(abs(one), abs(other)), floor)


_CHECKS: tuple[Callable[[Values], Iterator[Verdict]], ...] = (_particles, _nitrogen, _oxygen, _dew, _salt)
