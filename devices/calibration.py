"""Corrections of readings: what a comparison with a reference instrument found, or a published formula, with dates.

    linear        factor x value + offset
    polynomial    c0 + c1 x value + c2 x value² …
    us-epa-2021   PM2.5 of PMS5003-type sensors (PurpleAir, cf_1) by relative humidity: US EPA, Barkjohn et al. 2021 and its 2022
                  extension to smoke; piecewise, continuous. Fitted on US data
    kappa-kohler  PM by relative humidity: value / (1 + (kappa / density) / (100 / rh - 1)), Crilley et al. 2018

Pure: a correction is compiled into one function of the value and, for the last two, of another parameter of the same record.
The value as measured is kept beside as `<parameter>_raw`. Where that other parameter is missing or not to be believed, the
value stays as it is and is marked suspect: it is neither corrected nor lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from itertools import pairwise
from math import isfinite
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from devices.parameters import RAW_SUFFIX, Catalogue
from devices.problems import ConfigProblem, DataPath, did_you_mean
from devices.quality import FAIL, NOT_EVALUATED, SUSPECT, Spans
from devices.reading import Value
from devices.stations import EVER_MS, Correct, Correction, Corrections
from devices.times import parse_instant

__all__ = ["CalibrationModel", "Calibrations", "apply", "compile_calibrations", "us_epa_2021"]

When: TypeAlias = date | datetime | str | None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LinearModel(_Model):
    """factor x value + offset, in the canonical unit."""

    factor: float = 1
    offset: float = 0


class ByHumidityModel(_Model):
    """The US EPA's correction of PM2.5."""

    humidity: str = "rh"
    """Parameter of the same record, in %."""


class KappaModel(_Model):
    """Water that particles take up, by κ-Köhler theory."""

    humidity: str = "rh"
    kappa: float = Field(0.4, gt=0, le=2)
    density: float = Field(1.65, gt=0, le=10)
    """Of the dry particles, g/cm³."""
    highest_rh: float = Field(95, gt=0, lt=100)
    """Beyond it, the correction of this humidity: the formula grows without bound towards 100 %."""


class CalibrationModel(_Model):
    """One correction and the time for which it holds."""

    since: When = Field(None, alias="from")
    until: When = Field(None, alias="to")
    linear: LinearModel | None = None
    polynomial: tuple[float, ...] | None = Field(None, min_length=2, max_length=8)
    """c0, c1, c2 …"""
    us_epa_2021: ByHumidityModel | None = Field(None, alias="us-epa-2021")
    kappa_kohler: KappaModel | None = Field(None, alias="kappa-kohler")
    note: str = ""
    """Who found it, against what, when."""

    @model_validator(mode="after")
    def _one(self) -> CalibrationModel:
        said = (self.linear, self.polynomial, self.us_epa_2021, self.kappa_kohler)
        if sum(form is not None for form in said) != 1:
            raise ValueError("write one of: linear, polynomial, us-epa-2021, kappa-kohler")
        return self

    @property
    def by(self) -> str | None:
        """The other parameter that the correction needs."""
        form = self.us_epa_2021 or self.kappa_kohler
        return None if form is None else form.humidity

    def compiled(self) -> Correct:
        """(value, other parameter or 0) → corrected value."""
        if self.linear is not None:
            factor, offset = self.linear.factor, self.linear.offset
            return lambda value, _: value * factor + offset
        if self.polynomial is not None:
            return _polynomial(self.polynomial)
        return us_epa_2021 if self.us_epa_2021 is not None else _kappa(self.kappa_kohler or KappaModel())


def _several(said: object) -> object:
    return (said,) if isinstance(said, Mapping) else said


Calibrations: TypeAlias = Annotated[
    tuple[CalibrationModel, ...], BeforeValidator(_several, json_schema_input_type=CalibrationModel | tuple[CalibrationModel, ...])
]
"""As it is written: one correction, or a list where there are several versions."""


def us_epa_2021(pm25: float, rh: float) -> float:
    """PM2.5 in µg/m³ from the mean cf_1 value of a PMS5003-type sensor and relative humidity in %. Never negative."""
    x = pm25
    if x < 30:
        found = 0.524 * x - 0.0862 * rh + 5.75
    elif x < 50:
        t = x / 20 - 1.5
        found = (0.786 * t + 0.524 * (1 - t)) * x - 0.0862 * rh + 5.75
    elif x < 210:
        found = 0.786 * x - 0.0862 * rh + 5.75
    elif x < 260:
        t = x / 50 - 4.2
        found = (0.69 * t + 0.786 * (1 - t)) * x - 0.0862 * rh * (1 - t) + 2.966 * t + 5.75 * (1 - t) + 8.84e-4 * x * x * t
    else:
        found = 2.966 + 0.69 * x + 8.84e-4 * x * x
    return max(found, 0.0)


def _kappa(form: KappaModel) -> Correct:
    share, highest = form.kappa / form.density, form.highest_rh

    def correct(value: float, rh: float) -> float:
        humid = min(rh, highest)
        return value if humid <= 0 else value / (1 + share / (100 / humid - 1))

    return correct


def _polynomial(coefficients: Sequence[float]) -> Correct:
    backwards = tuple(reversed(coefficients))

    def correct(value: float, _: float) -> float:
        found = 0.0
        for coefficient in backwards:
            found = found * value + coefficient
        return found

    return correct


# --- compiling


class Problems(NamedTuple):
    """What is wrong, gathered."""

    found: list[ConfigProblem]

    def say(self, path: DataPath, message: str) -> None:
        """One more."""
        self.found.append(ConfigProblem(path, message))


def compile_calibrations(
    models: Mapping[str, Sequence[CalibrationModel]], gives: Mapping[str, Spans], catalogue: Catalogue, zone: tzinfo, path: DataPath
) -> tuple[dict[str, Corrections], list[ConfigProblem]]:
    """Corrections by parameter, oldest first. `gives`: what the device type measures, with its spans."""
    problems = Problems([])
    compiled: dict[str, Corrections] = {}
    for parameter, versions in models.items():
        place = (*path, parameter)
        if parameter not in gives:
            known = "is not measured by this device type" if parameter in catalogue else "is no parameter of the catalogue"
            problems.say(place, f"{parameter!r} {known}{did_you_mean(parameter, gives)}")
            continue
        found = []
        for index, model in enumerate(versions):
            here = (*place, index)
            if model.by is not None and model.by not in gives:
                problems.say(here, f"it needs {model.by!r} in the same message, which this device type does not give")
            start = _instant(model.since, -EVER_MS, zone, (*here, "from"), problems)
            end = _instant(model.until, EVER_MS, zone, (*here, "to"), problems)
            if start >= end:
                problems.say((*here, "to"), "lies before `from`")
            found.append((Correction(start, end, model.compiled(), model.by), here))
        found.sort(key=lambda item: item[0].from_ms)
        for (earlier, _), (later, here) in pairwise(found):
            if later.from_ms == earlier.from_ms:
                problems.say(here, "two corrections begin at the same time: give the later one its `from`")
        if found:
            compiled[parameter] = Corrections(tuple(correction for correction, _ in found), gives[parameter])
    return compiled, problems.found


def _instant(value: When, default: int, zone: tzinfo, path: DataPath, problems: Problems) -> int:
    if value is None:
        return default
    try:
        return parse_instant(value, zone)
    except ValueError as error:
        problems.say(path, str(error))
        return default


# --- applying


def apply(values: list[Value], extra: list[Value], known: Mapping[str, Corrections], at_ms: int) -> tuple[list[Value], list[Value]]:
    """The readings of one record, corrected by what held at `at_ms`; each corrected one with its `_raw` beside it."""
    others = {value.parameter: value.value for value in (*values, *extra) if value.flag <= NOT_EVALUATED}
    return _applied(values, known, others, at_ms), _applied(extra, known, others, at_ms)


def _applied(values: list[Value], known: Mapping[str, Corrections], others: Mapping[str, float | None], at_ms: int) -> list[Value]:
    done: list[Value] = []
    for value in values:
        corrections = known.get(value.parameter)
        correction = corrections.at(at_ms) if corrections is not None and value.value is not None else None
        if corrections is None or correction is None or value.value is None:
            done.append(value)
            continue
        other = 0.0 if correction.by is None else others.get(correction.by)
        found = None if other is None else correction.correct(value.value, other)
        if found is None or not isfinite(found):
            done.append(Value(value.parameter, value.value, max(value.flag, SUSPECT)))
        else:
            # What the instrument could not have measured is not made believable by a formula.
            flag = FAIL if value.flag == FAIL else corrections.spans.flag(found + 0.0)
            done.append(Value(value.parameter, found + 0.0, max(flag, SUSPECT) if value.flag == SUSPECT else flag))
        done.append(Value(value.parameter + RAW_SUFFIX, value.value, value.flag))
    return done
