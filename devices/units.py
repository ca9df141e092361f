"""Conversions into canonical units, worked out when a device type loads: at run time there is only `value * factor + offset`.

Factors are exact fractions until the last step, so that a conversion is the correctly rounded one. Sources: SI Brochure
(9th ed.), NIST SP 811 appendix B for inHg, mmHg and psi; UCUM for the codes. Gas conversions: ideal gas, R = 8.314462618
J/(mol K), 101 325 Pa, 25 °C unless the type says otherwise (Vietnamese and US convention; the EU uses 20 °C).
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from devices.parameters import Parameter
from devices.problems import did_you_mean

GAS_CONSTANT = 8.314462618
"""J/(mol K), CODATA 2018."""
STANDARD_PRESSURE = 101_325.0
"""Pa."""
REFERENCE_CELSIUS = 25.0
"""°C of a canonical gas concentration."""


class UnitError(ValueError):
    """A unit is not known, or cannot become the parameter's. The text names both units and says what to write."""


class Conversion(NamedTuple):
    """canonical = raw * factor + offset."""

    factor: float
    offset: float


class Unit(NamedTuple):
    """base = raw * factor + offset, where the base is the first unit of its dimension."""

    dimension: str
    factor: Fraction
    offset: Fraction


_MASS = "mass concentration"
_MOLE = "mole fraction"

_TABLE: dict[str, dict[str, str]] = {
    # dimension: {UCUM or usual code: factor to the base, "factor offset" where zero is not zero}
    _MASS: {"ug/m3": "1", "ng/m3": "1/1000", "mg/m3": "1000", "g/m3": "1e6", "ng/L": "1", "ug/L": "1000", "mg/L": "1e6", "g/L": "1e9"},
    _MOLE: {"[ppb]": "1", "[ppm]": "1000"},
    "number": {"1": "1", "%": "1/100"},
    "temperature": {"Cel": "1", "K": "1 -273.15", "[degF]": "5/9 -160/9"},
    "pressure": {
        "Pa": "1",
        "hPa": "100",
        "kPa": "1000",
        "mbar": "100",
        "bar": "100000",
        "atm": "101325",
        "mm[Hg]": "133.322387415",
        "[in_i'Hg]": "3386.389",
        "[psi]": "6894.757",
    },
    "speed": {"m/s": "1", "km/h": "1/3.6", "[mi_i]/h": "0.44704", "[kn_i]": "1852/3600", "[ft_i]/s": "0.3048", "cm/s": "1/100"},
    "length": {"m": "1", "mm": "1/1000", "cm": "1/100", "km": "1000", "[in_i]": "0.0254", "[ft_i]": "0.3048"},
    "discharge": {
        "m3/s": "1",
        "L/s": "1/1000",
        "m3/h": "1/3600",
        "m3/d": "1/86400",
        "[cft_i]/s": "0.028316846592",
        "ML/d": "1000/86400",
    },
    "conductivity": {"uS/cm": "1", "mS/cm": "1000", "S/m": "10000", "mS/m": "10", "dS/m": "1000"},
    "angle": {"deg": "1", "rad": "57.29577951308232"},
    "irradiance": {"W/m2": "1", "kW/m2": "1000"},
    "illuminance": {"lx": "1", "klx": "1000"},
    "turbidity": {"[NTU]": "1", "[FNU]": "1"},
    "salinity": {"{PSU}": "1", "g/kg": "1"},
    "acidity": {"[pH]": "1"},
    "bacteria": {"{MPN}/dL": "1", "{MPN}/mL": "100", "{MPN}/L": "1/10"},
    "level": {"dB": "1", "dB[SPL]": "1"},
    "power level": {"dB{mW}": "1"},
    "rotation": {"/min": "1", "Hz": "60"},
    "voltage": {"V": "1", "mV": "1/1000", "uV": "1e-6"},
    "time": {"s": "1", "ms": "1/1000", "min": "60", "h": "3600", "d": "86400"},
}

_SPELLINGS: dict[str, str] = {
    # code: how people write it, after `_normal` (µ -> u, ³ -> 3, no blanks)
    "ug/m3": "ugm-3 ug/Nm3 mcg/m3 UG/M3 ugm3",
    "mg/m3": "mgm-3 mg/Nm3 MG/M3",
    "mg/L": "mg/l MG/L mgL-1 mgl-1 mgL",
    "ug/L": "ug/l UG/L mcg/L ugL-1",
    "ng/L": "ng/l",
    "g/L": "g/l",
    "[ppb]": "ppb PPB ppbv",
    "[ppm]": "ppm PPM ppmv",
    "1": "/ {index} index ratio uvi UVI",
    "%": "percent pct %RH %rh %sat",
    "Cel": "°C ℃ C degC celsius Celsius deg_C",
    "[degF]": "°F ℉ F degF fahrenheit Fahrenheit",
    "K": "kelvin Kelvin °K",
    "hPa": "hpa HPA",
    "kPa": "kpa",
    "Pa": "pa",
    "mbar": "mb millibar mBar",
    "mm[Hg]": "mmHg mmhg torr Torr",
    "[in_i'Hg]": "inHg inhg inHG",
    "[psi]": "psi",
    "m/s": "mps ms-1 m/sec",
    "km/h": "kmh kph kmph km/hr",
    "[mi_i]/h": "mph mi/h",
    "[kn_i]": "kn kt kts knot knots",
    "[ft_i]/s": "ft/s fps",
    "mm": "l/m2 L/m2",
    "[in_i]": "in inch inches",
    "[ft_i]": "ft feet foot",
    "m3/s": "cumec cms",
    "L/s": "l/s",
    "m3/h": "m3/hr cmh",
    "[cft_i]/s": "ft3/s cfs",
    "ML/d": "ML/day",
    "uS/cm": "us/cm uScm-1",
    "mS/cm": "ms/cm mScm-1",
    "deg": "° degree degrees",
    "W/m2": "w/m2 Wm-2",
    "lx": "lux Lux",
    "[NTU]": "NTU ntu",
    "[FNU]": "FNU fnu FTU",
    "{PSU}": "PSU psu ‰ ppt PSS-78",
    "[pH]": "pH ph PH",
    "{MPN}/dL": "MPN/100mL MPN/100ml {MPN}/100mL",
    "{MPN}/mL": "MPN/mL MPN/ml",
    "{MPN}/L": "MPN/L MPN/l",
    "dB": "db",
    "dB[SPL]": "dBA dB(A) dbA dB[SPL](A)",
    "dB{mW}": "dBm dbm",
    "/min": "rpm RPM 1/min r/min",
    "V": "v volt volts",
    "mV": "mv",
    "s": "sec seconds",
    "min": "minutes",
    "h": "hr hours",
    "d": "days",
}

_REPLACE = str.maketrans(
    {"µ": "u", "μ": "u", "²": "2", "³": "3", "⁻": "-", "¹": "1", " ": None, "\u00a0": None, "^": None, "·": None, "*": None}
)


def _fraction(text: str) -> Fraction:
    numerator, _, denominator = text.partition("/")
    return Fraction(numerator) / Fraction(denominator or "1")


def _units() -> dict[str, Unit]:
    known: dict[str, Unit] = {}
    for dimension, codes in _TABLE.items():
        for code, text in codes.items():
            factor, _, offset = text.partition(" ")
            known[code] = Unit(dimension, _fraction(factor), _fraction(offset or "0"))
    for code, spellings in _SPELLINGS.items():
        for spelling in spellings.split():
            if spelling in known:
                raise AssertionError(f"two meanings of {spelling!r}")
            known[spelling] = known[code]
    return known


_UNITS = _units()


def normal(text: str) -> str:
    """A unit's text as the table has it: µ is u, ³ is 3, without blanks."""
    return text.translate(_REPLACE)


def stated_conversions(parameter: Parameter, basis: str | None = None) -> dict[str, Conversion | None]:
    """What a message that names its unit may say (`normal`) → conversion; None: a unit that cannot become the parameter's."""
    by_unit: dict[Unit, Conversion | None] = {}
    found: dict[str, Conversion | None] = {}
    for text, unit in _UNITS.items():
        if unit not in by_unit:
            try:
                by_unit[unit] = conversion(text, parameter, basis=basis)
            except UnitError:
                by_unit[unit] = None
        found[text] = by_unit[unit]
    return found


def parse_unit(text: str) -> Unit:
    """A unit in UCUM or a usual spelling (`µg/m³`, `ug/m3`, `°F`, `inHg`, …). Raises UnitError with a suggestion."""
    plain = normal(text)
    unit = _UNITS.get(plain)
    if unit is None:
        raise UnitError(f"unknown unit {text!r}{did_you_mean(plain, _UNITS)}")
    return unit


def molar_volume(celsius: float) -> float:
    """Litres that one mole of ideal gas takes at `celsius` and 101 325 Pa (24.465 at 25 °C)."""
    return GAS_CONSTANT * (celsius + 273.15) / STANDARD_PRESSURE * 1000


def conversion(unit: str, parameter: Parameter, *, basis: str | None = None, at_celsius: float | None = None) -> Conversion:
    """How a number in `unit` becomes the parameter's canonical one.

    `basis` names the ion by which a nutrient is given (`NH4` for mg/L of ammonium where NH4-N is stored). `at_celsius` is the
    temperature to which a gas concentration refers (default 25). Raises UnitError, naming both units, when it cannot be done.
    """
    source, target = parse_unit(unit), parse_unit(parameter.unit)
    factor, offset = source.factor, source.offset
    if source.dimension != target.dimension:
        factor *= _gas_factor(unit, source, target, parameter, at_celsius)
    elif at_celsius is not None:
        factor *= _to_reference(unit, source, parameter, at_celsius)
    factor, offset = factor / target.factor, (offset - target.offset) / target.factor
    if basis is not None:
        factor /= _basis_factor(basis, parameter)
    return Conversion(float(factor), float(offset))


def _gas_factor(unit: str, source: Unit, target: Unit, parameter: Parameter, at_celsius: float | None) -> Fraction:
    """Between ppb and µg/m³: mass = mole fraction x M / Vm (domain tables for O3, NO2 …: 1.9619, 1.8804 … at 25 °C)."""
    impossible = f"{unit!r} ({source.dimension}) cannot become {parameter.unit!r} ({target.dimension}), the unit of {parameter.id}"
    if {source.dimension, target.dimension} != {_MASS, _MOLE}:
        raise UnitError(impossible)
    if parameter.molar_mass is None:
        raise UnitError(f"{impossible}: it is not one gas, so it has no molar mass")
    celsius = REFERENCE_CELSIUS if at_celsius is None else at_celsius
    if source.dimension == _MOLE:
        # A mole fraction does not depend on temperature: the canonical mass concentration is the one at 25 °C.
        if at_celsius is not None:
            raise UnitError(f"{unit!r} does not depend on temperature: leave `at_celsius` out")
        return Fraction(parameter.molar_mass / molar_volume(REFERENCE_CELSIUS))
    return Fraction(molar_volume(celsius) / parameter.molar_mass)


def _to_reference(unit: str, source: Unit, parameter: Parameter, at_celsius: float) -> Fraction:
    """A gas concentration that refers to another temperature, brought to 25 °C. Particles are never converted."""
    if source.dimension != _MASS or parameter.molar_mass is None:
        raise UnitError(f"`at_celsius` is for gas concentrations; {parameter.id} in {unit!r} is none")
    return Fraction((at_celsius + 273.15) / (REFERENCE_CELSIUS + 273.15))


def _basis_factor(basis: str, parameter: Parameter) -> Fraction:
    try:
        return Fraction(str(parameter.bases[basis]))
    except KeyError:
        known = ", ".join(sorted(parameter.bases)) or "none"
        raise UnitError(f"{parameter.id} has no basis {basis!r} (known: {known})") from None
