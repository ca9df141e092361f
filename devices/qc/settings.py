"""What defaults, catalogue, device type and station say about the quality tests of a series, compiled: a `Plan` for the judge.

The weakest word is the shipped default (`defaults.yaml`), then the catalogue's hourly rate, then the device type's `quality:`,
then the station's. What may be said is in `devices.qc.model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import lru_cache
from math import inf
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from devices.parameters import Catalogue, Parameter
from devices.problems import ConfigProblem, DataPath, did_you_mean
from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Climatology, Member
from devices.qc.flat_line import FlatLine
from devices.qc.model import MemberModel, QualityModel, SeriesModel, SpikeModel, turns
from devices.qc.multivariate import MultiVariate
from devices.qc.neighbour import Neighbours
from devices.qc.rate import Rate
from devices.qc.series_tests import Around, SeriesTests
from devices.qc.spike import Spike

HOUR_MS = 3_600_000
LEAST_OF_RATE = 0.2
"""A limit between neighbouring readings is never below this part of the catalogue's hourly rate, however short the interval."""
SPIKE_OF_STEP = 0.75
"""A spike (up and back) needs this part of the limit of a step."""
FLAT_INTERVALS = (6, 12)
"""A series stands still for at least so many reporting intervals before it is suspect, or failed."""


MAPPING: TypeAdapter[dict[str, SeriesModel]] = TypeAdapter(dict[str, SeriesModel])


class Plan(NamedTuple):
    """The default tests of one series, compiled. Limits in the parameter's canonical unit; `inf`: no test."""

    parameter: str
    interval_ms: int
    first: float
    """Limit of a change while nothing is learnt yet."""
    step: float
    """Least limit of a change."""
    spike: float
    learn: bool
    flat_suspect_ms: int | None
    flat_fail_ms: int | None
    rest: frozenset[float]
    rest_below: float
    """At this value and below it may stand still for ever; `-inf`: at none."""
    circular: bool
    kind: Literal["mean", "sum", "circular"]
    """How its hours are averaged."""
    rate: float = inf
    """Fastest change per second that needs no confirmation, if somebody asked for one."""
    fixed_spike: Spike | None = None
    """Limits of a spike that somebody fixed: they do not grow with the series."""
    asked: SeriesTests | None = None
    """Further tests that somebody asked for; None: none."""

    @property
    def looks_at_each(self) -> bool:
        """Whether no reading may take the judge's fast way."""
        return self.circular or self.asks_more

    @property
    def asks_more(self) -> bool:
        """Whether somebody asked for more than the default tests."""
        return self.asked is not None or self.fixed_spike is not None or self.rate != inf


class Defaults(NamedTuple):
    """`defaults.yaml`."""

    default: SeriesModel
    parameters: Mapping[str, SeriesModel]


def parse_defaults(data: Mapping[str, Any]) -> Defaults:
    """The parsed file. Raises ValidationError."""
    return Defaults(SeriesModel.model_validate(data["default"]), MAPPING.validate_python(data["parameters"]))


def plan(parameter: Parameter, interval_ms: int, defaults: Defaults, said: Sequence[SeriesModel] = (), zone: tzinfo = UTC) -> Plan:
    """What the layers `said` (weakest first: type, station) make of the defaults. `zone`: whose months and hours climatologies mean."""
    shipped = (defaults.default, *((defaults.parameters[parameter.id],) if parameter.id in defaults.parameters else ()))
    return _plan(
        parameter.id, parameter.rate, parameter.circular, parameter.per == "h", parameter.medium, interval_ms, zone,
        _said(shipped), _said(said),
    )  # fmt: skip


def problems(model: QualityModel, catalogue: Catalogue, path: DataPath) -> Iterable[ConfigProblem]:
    """Parameters that a `quality:` section names and the catalogue lacks."""
    for place, name in model.named():
        if name not in catalogue:
            yield ConfigProblem((*path, *place), f"unknown parameter {name!r}{did_you_mean(name, (*catalogue, 'message'))}")


_Said = tuple[SeriesModel, frozenset[str]]
"""A layer and what it says. Two models are equal if one says `off` where the other says nothing, so they alone are no key."""


def _said(layers: Sequence[SeriesModel]) -> tuple[_Said, ...]:
    return tuple((layer, frozenset(layer.model_fields_set)) for layer in layers)


class _Limits(NamedTuple):
    """Of the default tests, as far as the layers have been read."""

    step: float
    own: bool = False
    """The step is one that somebody who knows the sensor said."""
    learn: bool = True
    spike: float | None = None
    fixed_spike: Spike | None = None
    suspect: int | None = None
    fail: int | None = None
    rest: frozenset[float] = frozenset()
    rest_below: float = -inf


@lru_cache(maxsize=4096)
def _plan(
    parameter: str, rate: float | None, circular: bool, summed: bool, medium: str, interval_ms: int, zone: tzinfo,
    shipped: tuple[_Said, ...], said: tuple[_Said, ...],
) -> Plan:  # fmt: skip
    # The device's own health (battery, signal) may do what it likes: it has no rate, and stands still for days.
    limits = _Limits(inf if rate is None or medium == "device" else rate * min(1.0, max(LEAST_OF_RATE, interval_ms / HOUR_MS)))
    for number, (layer, given) in enumerate((*shipped, *said)):
        limits = _read(limits, layer, given, circular, is_shipped=number < len(shipped), hourly=rate is not None and interval_ms >= HOUR_MS)
    suspect, fail = (None, None) if medium == "device" else (limits.suspect, limits.fail)
    step, spike = limits.step, limits.spike
    least = (FLAT_INTERVALS[0] * interval_ms, FLAT_INTERVALS[1] * interval_ms)
    asked = _asked(said, interval_ms, circular, zone)
    if asked is not None and asked.flat_line is not None:
        suspect = fail = None
    fastest = _last(said, "rate")
    return Plan(
        parameter=parameter,
        interval_ms=interval_ms,
        # Before a series is known only a change that is large for a whole hour is doubted, unless somebody who knows the sensor said more.
        first=step if limits.own or not limits.learn or rate is None else max(step, rate),
        step=step,
        spike=inf if limits.fixed_spike is not None else step * SPIKE_OF_STEP if spike is None else spike,
        learn=limits.learn,
        flat_suspect_ms=None if suspect is None else max(suspect, least[0]),
        flat_fail_ms=None if fail is None else max(fail, least[1]),
        rest=limits.rest,
        rest_below=limits.rest_below,
        circular=circular,
        kind="circular" if circular else "sum" if summed else "mean",
        rate=inf if fastest is None else fastest.suspect / (fastest.per / 1000),
        fixed_spike=limits.fixed_spike,
        asked=asked,
    )


def _read(limits: _Limits, layer: SeriesModel, given: frozenset[str], circular: bool, *, is_shipped: bool, hourly: bool) -> _Limits:
    """One layer more."""
    new: dict[str, Any] = {}
    if "step" in given:
        if layer.step is None:
            new["step"] = inf
        elif is_shipped:
            new["step"] = max(limits.step, layer.step) if hourly else layer.step  # a shipped limit is of raw samples, not of hourly means
        else:
            new |= {"step": layer.step, "own": True}
    if "spike" in given:
        if isinstance(layer.spike, SpikeModel):
            of = layer.spike
            new |= {"spike": None, "fixed_spike": Spike(of.suspect, of.fail, of.method, circular)}
        else:
            new |= {"spike": inf if layer.spike is None else layer.spike, "fixed_spike": None}
    if "learn" in given:
        new["learn"] = layer.learn
    if "flat" in given:
        if layer.flat is None:
            new |= {"suspect": None, "fail": None}
        else:
            new |= {"suspect": layer.flat.suspect or limits.suspect, "fail": layer.flat.fail or limits.fail}
            new["rest"] = limits.rest | frozenset(layer.flat.rest)
            if layer.flat.rest_below is not None:
                new["rest_below"] = layer.flat.rest_below
    return limits._replace(**new)


def _last(layers: tuple[_Said, ...], test: str) -> Any:
    """What the strongest layer that says something about a test says of it; None: off, or nobody asked."""
    return next((getattr(layer, test) for layer, given in reversed(layers) if test in given), None)


def _asked(layers: tuple[_Said, ...], interval_ms: int, circular: bool, zone: tzinfo) -> SeriesTests | None:
    """The further tests that type and station ask for."""
    flat, attenuated = _last(layers, "flat"), _last(layers, "attenuated")
    members, other, around = _last(layers, "climatology"), _last(layers, "multivariate"), _last(layers, "neighbour")
    tests = SeriesTests(
        climatology=None if members is None else Climatology(tuple(_members(members)), zone),
        attenuated=attenuated and Attenuated(attenuated.over, attenuated.suspect, attenuated.fail, attenuated.least, attenuated.kind),
        flat_line=FlatLine(interval_ms, flat.suspect, flat.fail, flat.tolerance, circular) if flat is not None and flat.tolerance else None,
        multivariate=other and MultiVariate(_rate(other.suspect, other.per, circular), _rate(other.other_suspect, other.per, False)),
        related=other.other if other is not None else "",
        around=around
        and Around(Neighbours(around.deviation, around.relative, around.least, circular), around.within_km, around.tag, around.drift),
    )
    return tests if tests.names else None


def _rate(limit: float, per_ms: int, circular: bool) -> Rate:
    return Rate(limit / (per_ms / 1000), None, circular)


def _members(models: Sequence[MemberModel]) -> Iterable[Member]:
    for model in models:
        period = model.period
        begin, end = getattr(model, period)
        for times in turns(begin, end, period):
            yield Member(times, model.usual, model.possible, period)
