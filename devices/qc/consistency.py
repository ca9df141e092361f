"""Internal consistency: values of one instant that cannot all be right. Suspect, for all that take part; never fail.

    dust         PM1 <= PM2.5 <= PM4 <= PM10 <= TSP, each with 10 % and 3 µg/m³ of tolerance
    nox          NOx (as NO2) = NO x 46.0055/30.0061 + NO2, within 20 % and 10 µg/m³
    oxygen       DO against saturation at this temperature and salinity (Benson & Krause 1984, 1 atm): above 200 % it is suspect;
                 where the saturation is measured too, both must agree within 15 points
    dew_point    the dew point is not above the air temperature, with 0.5 °C of tolerance
    salinity     salinity against conductivity at 25 °C: S = 0.4665 x K^1.0878 (K in mS/cm; Williams & Sherwood 1994), within 25 % and 2

Checks need all their parameters in one message; else nothing is said (2). Sources and tolerances are defaults, not norms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import exp

from devices.quality import GOOD, NOT_EVALUATED, SUSPECT

Values = Mapping[str, float | None]
Check = Callable[[Values], tuple[str, ...] | None]
"""Values by parameter → the parameters that contradict each other (none: they agree); None: it cannot be told."""

_SIZES = ("pm1", "pm25", "pm4", "pm10", "tsp")
_NO2_PER_NO = 46.0055 / 30.0061


def dust(values: Values) -> tuple[str, ...] | None:
    """Smaller particles are part of the larger ones."""
    known = [(name, number) for name in _SIZES if (number := values.get(name)) is not None]
    if len(known) < 2:
        return None
    bad = []
    for (small, less), (large, more) in pairwise(known):
        if less > more * 1.1 + 3:
            bad += [small, large]
    return tuple(dict.fromkeys(bad))


def nox(values: Values) -> tuple[str, ...] | None:
    """The sum of both oxides."""
    total, no, no2 = values.get("nox"), values.get("no"), values.get("no2")
    if total is None or no is None or no2 is None:
        return None
    parts = no * _NO2_PER_NO + no2
    return ("nox", "no", "no2") if abs(total - parts) > max(10, 0.2 * max(total, parts)) else ()


def oxygen_saturation(celsius: float, salinity: float = 0.0) -> float:
    """mg/L of oxygen in water that is in equilibrium with air at 1 atm (Benson & Krause 1984)."""
    kelvin = celsius + 273.15
    fresh = -139.34411 + 1.575701e5 / kelvin - 6.642308e7 / kelvin**2 + 1.2438e10 / kelvin**3 - 8.621949e11 / kelvin**4
    return exp(fresh - salinity * (1.7674e-2 - 10.754 / kelvin + 2140.7 / kelvin**2))


def oxygen(values: Values) -> tuple[str, ...] | None:
    """Dissolved oxygen, its saturation, and temperature."""
    oxygen, celsius, said = values.get("do"), values.get("water_temp"), values.get("do_sat")
    if oxygen is None or celsius is None or not -2 <= celsius <= 60:
        return None
    percent = 100 * oxygen / oxygen_saturation(celsius, values.get("salinity") or 0.0)
    if said is not None and abs(said - percent) > max(15, 0.15 * percent):
        return ("do", "do_sat")
    return ("do",) if percent > 200 else ()


def dew_point(values: Values) -> tuple[str, ...] | None:
    """Air cannot be colder than its dew point."""
    dew, celsius = values.get("dew_point"), values.get("air_temp")
    if dew is None or celsius is None:
        return None
    return ("dew_point", "air_temp") if dew > celsius + 0.5 else ()


def salinity(values: Values) -> tuple[str, ...] | None:
    """Salinity and conductivity at 25 °C say the same thing."""
    ec, said = values.get("ec"), values.get("salinity")
    if ec is None or said is None or ec < 0:
        return None
    expected = 0.4665 * (ec / 1000) ** 1.0878
    return ("ec", "salinity") if abs(said - expected) > max(2, 0.25 * max(said, expected)) else ()


CHECKS: dict[str, Check] = {"dust": dust, "nox": nox, "oxygen": oxygen, "dew_point": dew_point, "salinity": salinity}
PARAMETERS: dict[str, tuple[str, ...]] = {
    "dust": _SIZES,
    "nox": ("nox", "no", "no2"),
    "oxygen": ("do", "water_temp", "do_sat"),
    "dew_point": ("dew_point", "air_temp"),
    "salinity": ("ec", "salinity"),
}
"""Which parameters a check speaks about."""


def verdicts(values: Values, checks: tuple[str, ...]) -> dict[str, int]:
    """Parameter → verdict, for the parameters of the checks that could be made."""
    found: dict[str, int] = {}
    for name in checks:
        bad = CHECKS[name](values)
        if bad is None:
            continue
        for parameter in PARAMETERS[name]:
            if values.get(parameter) is not None and found.get(parameter, NOT_EVALUATED) != SUSPECT:
                found[parameter] = SUSPECT if parameter in bad else GOOD
    return found
