"""What `quality:` of a device type or a station may say, and how it becomes plans. Documented in docs/reference/quality.md.

    defaults.yaml  <  the device type's `quality:`  <  the station's        per parameter and test; a test that is given replaces it whole

`off` turns a test off. Ranges are not said here: a type's fields and a station's `limits` have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from math import inf, sqrt
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from devices.parameters import RAW_SUFFIX, Catalogue, Parameter, Span
from devices.problems import ConfigError, ConfigProblem, DataPath, did_you_mean, from_pydantic
from devices.qc.attenuated import LONGEST as LONGEST_ATTENUATED
from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Member, Period
from devices.qc.flat_line import LONGEST as LONGEST_FLAT
from devices.qc.flat_line import FlatLine
from devices.qc.limits import Learnt
from devices.qc.multivariate import Multivariate
from devices.qc.neighbour import Neighbour
from devices.qc.plan import EVENT_MS, DevicePlan, LinePlan, Plan, Stuck, plan
from devices.qc.rate import Rate
from devices.qc.spike import Method, Spike
from devices.qc.timing import Timing
from devices.qc.warm_up import WarmUp
from devices.quality import Spans
from devices.times import Duration, parse_instant

FLOOR_HOLDS_MS = 15 * 60_000
"""A parameter's step floor is for intervals up to this; for longer ones it grows with the square root of the time."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _which(value: Any) -> str:
    """Of a setting that is either a word or a section. (Names that begin with `step:` stand in no error's path.)"""
    return "step:word" if isinstance(value, str | bool) else "step:section"


def _no_boolean(value: Any) -> Any:
    return "off" if value is False else value


_Off = Annotated[Literal["off"], BeforeValidator(_no_boolean), Tag("step:word")]
_Section = TypeVar("_Section")
_Test = Annotated[_Off | Annotated[_Section, Tag("step:section")], Discriminator(_which)]
"""`off`, or the test's settings. YAML's older dialect reads `off` as false."""


def _ordered(span: Span | None) -> Span | None:
    if span is not None and not span[0] < span[1]:
        raise ValueError("the span's first number must be the smaller one")
    return span


class SpikeModel(_Model):
    """Spike against fixed thresholds (QARTOD). Without it spikes are told by the learnt step limit."""

    method: Method = "average"
    suspect: float | None = Field(None, gt=0)
    fail: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _something(self) -> SpikeModel:
        if self.suspect is None and self.fail is None:
            raise ValueError("give `suspect`, `fail` or both, or write `off`")
        return self


class StepModel(_Model):
    """Rate of change: a limit learnt per series (`floor`, `relative`, `times`), or fixed rates (`suspect`, `fail`) per second or `per`."""

    floor: float | None = Field(None, gt=0, description="Learnt limit: a smaller step between two samples is never suspect.")
    relative: float = Field(0, ge=0, le=10, description="… nor one smaller than this part of the level.")
    times: float = Field(3, ge=1, le=100, description="… nor one smaller than so many times the step that one sample in fifty exceeds.")
    suspect: float | None = Field(None, gt=0, description="Fixed limit: a faster change is suspect.")
    fail: float | None = Field(None, gt=0, description="Fixed limit: a faster change fails.")
    per: Duration = Field(1000, description="The time that `suspect` and `fail` are for.")

    @model_validator(mode="after")
    def _one_kind(self) -> StepModel:
        if (self.floor is None) == (self.suspect is None):
            raise ValueError("give either `floor` (a learnt limit) or `suspect` (a fixed rate)")
        return self


class FlatLineModel(_Model):
    """Flat line: for how long a value may stay within `tolerance`. Tolerance 0: equal values, missing ones not counted."""

    suspect: Duration
    fail: Duration
    tolerance: float = Field(0, ge=0)
    rest: Span | None = Field(None, description="With tolerance 0: values between which (ends included) the parameter may rest …")
    rest_times: float | None = Field(None, ge=1, description="… so many times as long; without it for ever.")

    @model_validator(mode="after")
    def _in_order(self) -> FlatLineModel:
        if self.suspect > self.fail:
            raise ValueError("`suspect` must be the shorter time")
        if self.tolerance and self.rest is not None:
            raise ValueError("`rest` goes with tolerance 0")
        return self


class MemberModel(_Model):
    """One entry of a climatology."""

    period: Period | None = None
    when: tuple[Any, Any]
    """Both ends included: numbers of the period, or dates where there is none."""
    usual: Span
    possible: Span | None = None
    depth: Span | None = None

    _spans = field_validator("usual", "possible", "depth")(_ordered)

    @model_validator(mode="after")
    def _ends(self) -> MemberModel:
        _ends_of(self, UTC)
        return self


def _ends_of(entry: MemberModel, zone: tzinfo) -> tuple[float, float]:
    """`when` as numbers of the period, or ms; in order. Raises ValueError."""
    found = []
    for end in entry.when:
        if entry.period is None:
            found.append(float(parse_instant(end, zone)))
        elif isinstance(end, bool) or not isinstance(end, int | float):
            raise ValueError(f"`when` holds numbers of the {entry.period}, or dates if there is no period")
        else:
            found.append(float(end))
    return min(found), max(found)


class AttenuatedModel(_Model):
    """Attenuated signal: standard deviation or range over a time."""

    kind: Literal["std", "range"] = "std"
    suspect: float = Field(gt=0)
    fail: float = Field(ge=0)
    over: Duration
    least: int = Field(2, ge=1, le=LONGEST_ATTENUATED)


class NeighbourModel(_Model):
    """Deviation from the median of the neighbours' held values."""

    deviation: float = Field(gt=0)
    relative: float = Field(0, ge=0, le=10)
    least: int = Field(3, ge=1, le=100)


class MultivariateModel(_Model):
    """It changes fast while a related parameter of the same message does not."""

    other: str
    suspect: float = Field(gt=0)
    other_suspect: float = Field(gt=0)
    per: Duration = 1000


class EventModel(_Model):
    """When suspect values are a possible event."""

    after: Duration = EVENT_MS
    above: float | None = Field(None, description="Only values above it …")
    below: float | None = Field(None, description="… and below it.")


class ParameterQuality(_Model):
    """Tests of one parameter."""

    spike: (
        Annotated[
            Annotated[Literal["off", "learnt"], BeforeValidator(_no_boolean), Tag("step:word")]
            | Annotated[SpikeModel, Tag("step:section")],
            Discriminator(_which),
        ]
        | None
    ) = None
    step: _Test[StepModel] | None = None
    flat_line: _Test[FlatLineModel] | None = None
    climatology: _Test[tuple[MemberModel, ...]] | None = None
    attenuated: _Test[AttenuatedModel] | None = None
    neighbour: _Test[NeighbourModel] | None = None
    multivariate: _Test[MultivariateModel] | None = None
    event: EventModel | None = None
    suspect: Span | None = Field(None, description="Outside it: suspect, unless the type or the station gives a span of its own.")
    reason: str = Field("", description="Why a test is off or as it is.")

    _suspect = field_validator("suspect")(_ordered)


class TimingModel(_Model):
    """Gaps and clocks."""

    gap: Duration | None = None
    clock: Duration | None = None


class WarmUpModel(_Model):
    """What a device says soon after power-on."""

    lasts: Duration
    silence: Duration | None = None


class DeviceTests(_Model):
    """Tests of a message as a whole. All are off unless asked for."""

    consistency: _Test[tuple[Literal["dust", "nox", "oxygen", "dew_point", "salinity"], ...]] | None = None
    timing: _Test[TimingModel] | None = None
    warm_up: _Test[WarmUpModel] | None = None
    health: _Test[Mapping[str, Span]] | None = None
    moved_m: _Test[Annotated[float, Field(gt=0)]] | None = None


class QualityModel(_Model):
    """`quality:` of a device type or a station."""

    parameters: Mapping[str, ParameterQuality] = {}
    message: DeviceTests = DeviceTests()


_QUALITY = TypeAdapter(QualityModel)
NOTHING = QualityModel()


def parse(data: Mapping[str, Any], catalogue: Catalogue, path: DataPath = ("quality",)) -> QualityModel:
    """Check a `quality:` section. Raises ConfigError with every problem, under `path`."""
    try:
        model = _QUALITY.validate_python(data)
    except ValidationError as error:
        raise ConfigError(from_pydantic(error, path)) from None
    found = problems(model, catalogue, path)
    if found:
        raise ConfigError(found)
    return model


def problems(model: QualityModel, catalogue: Catalogue, path: DataPath = ("quality",)) -> list[ConfigProblem]:
    """What a well-formed section says that cannot be."""
    found = []

    def known(name: str, *where: str) -> None:
        if catalogue.get(name) is None:
            found.append(ConfigProblem((*path, *where), f"unknown parameter {name!r}{did_you_mean(name, catalogue)}"))

    for name, entry in model.parameters.items():
        known(name, "parameters", name)
        if isinstance(entry.multivariate, MultivariateModel):
            known(entry.multivariate.other, "parameters", name, "multivariate", "other")
    if isinstance(model.message.health, Mapping):
        for name in model.message.health:
            known(name, "message", "health", name)
    return found


def device_plan(
    spans: Mapping[str, Spans],
    interval_ms: int,
    catalogue: Catalogue,
    defaults: Mapping[str, ParameterQuality],
    of_type: QualityModel = NOTHING,
    of_station: QualityModel = NOTHING,
    zone: tzinfo = UTC,
) -> DevicePlan:
    """All plans of a device: `spans` holds the gross range of each parameter that it gives (type, station and catalogue settled)."""
    plans = {
        name: series_plan(catalogue[name], range_, interval_ms, merged(name, defaults, of_type, of_station), zone)
        for name, range_ in spans.items()
    }
    return DevicePlan(plans, _line_plan(of_type.message, of_station.message))


def merged(name: str, defaults: Mapping[str, ParameterQuality], *settings: QualityModel) -> ParameterQuality:
    """What holds for one parameter: the last that says something about a test. `pm25_raw` has the defaults of `pm25`."""
    layers = [defaults.get(name) or defaults.get(name.removesuffix(RAW_SUFFIX)), *(entry.parameters.get(name) for entry in settings)]
    said: dict[str, Any] = {}
    for layer in layers:
        if layer is not None:
            said |= {key: value for key in ParameterQuality.model_fields if (value := getattr(layer, key)) is not None}
    return ParameterQuality.model_construct(**said)


def series_plan(parameter: Parameter, spans: Spans, interval_ms: int, said: ParameterQuality, zone: tzinfo = UTC) -> Plan:
    """One parameter's plan from what holds for it."""
    if spans.suspect is None and said.suspect is not None:
        spans = Spans(spans.plausible, said.suspect)
    learnt, rate, spike = _step(said, interval_ms)
    stuck, flat_line = _flat(parameter.id, said, interval_ms)
    more: dict[str, Any] = {}
    if isinstance(said.attenuated, AttenuatedModel):
        test = said.attenuated
        more["attenuated"] = Attenuated(test.suspect, test.fail, test.over, test.least, test.kind)
    if isinstance(said.neighbour, NeighbourModel):
        more["neighbour"] = Neighbour(said.neighbour.deviation, said.neighbour.relative, said.neighbour.least)
    if isinstance(said.multivariate, MultivariateModel):
        seconds = said.multivariate.per / 1000
        more["multivariate"] = Multivariate(
            said.multivariate.other, said.multivariate.suspect / seconds, said.multivariate.other_suspect / seconds
        )
    if isinstance(said.climatology, tuple):
        more["climatology"] = tuple(_member(entry, zone) for entry in said.climatology)
    if said.event is not None:
        above, below = said.event.above, said.event.below
        more |= {"event_ms": said.event.after, "event_within": (-inf if above is None else above, inf if below is None else below)}
    return plan(
        spans,
        interval_ms,
        turn=parameter.circular,
        learnt=learnt,
        learnt_spike=learnt is not None and said.spike in (None, "learnt"),
        rate=rate,
        spike=spike,
        stuck=stuck,
        flat_line=flat_line,
        zone=zone,
        **more,
    )


def _step(said: ParameterQuality, interval_ms: int) -> tuple[Learnt | None, Rate | None, Spike | None]:
    learnt = rate = None
    if isinstance(said.step, StepModel):
        step = said.step
        if step.floor is not None:
            grown = max(1.0, sqrt(interval_ms / FLOOR_HOLDS_MS))
            learnt = Learnt(step.floor * grown, step.relative, step.times)
        elif step.suspect is not None:
            seconds = step.per / 1000
            rate = Rate(step.suspect / seconds, None if step.fail is None else step.fail / seconds)
    spike = said.spike
    return learnt, rate, Spike(spike.suspect, spike.fail, spike.method) if isinstance(spike, SpikeModel) else None


def _flat(parameter: str, said: ParameterQuality, interval_ms: int) -> tuple[Stuck | None, FlatLine | None]:
    test = said.flat_line
    if not isinstance(test, FlatLineModel):
        return None, None
    if test.tolerance:
        found = FlatLine.of(test.suspect, test.fail, test.tolerance, interval_ms)
        if max(found.suspect, found.fail) > LONGEST_FLAT:
            long = f"is longer than {LONGEST_FLAT} reporting intervals of {interval_ms / 1000:g} s"
            what = f"{long}: leave `tolerance` out, or choose shorter times"
            raise ConfigError([ConfigProblem(("quality", "parameters", parameter, "flat_line"), what)])
        return None, found
    rest = test.rest or (inf, -inf)
    return Stuck(
        test.suspect, test.fail, _repeats(test.suspect, interval_ms), _repeats(test.fail, interval_ms), rest, test.rest_times or inf
    ), None


def _repeats(lasts_ms: int, interval_ms: int) -> int:
    """How many repeats in so long a time; never fewer than 6: an hourly series may say the same number a few times."""
    return max(6, lasts_ms // interval_ms)


def _member(entry: MemberModel, zone: tzinfo) -> Member:
    return Member(_ends_of(entry, zone), entry.usual, entry.possible, entry.depth, entry.period)


def _line_plan(*layers: DeviceTests) -> LinePlan | None:
    said: dict[str, Any] = {}
    for layer in layers:
        said |= {key: value for key in DeviceTests.model_fields if (value := getattr(layer, key)) is not None}
    said = {key: value for key, value in said.items() if value != "off"}
    if not said:
        return None
    timing, warm_up = said.get("timing"), said.get("warm_up")
    return LinePlan(
        consistency=tuple(said.get("consistency", ())),
        timing=None if timing is None else Timing(timing.gap, timing.clock),
        warm_up=None if warm_up is None else WarmUp(warm_up.lasts, warm_up.silence),
        health=said.get("health", {}),
        moved_m=said.get("moved_m"),
    )


def parse_defaults(data: Mapping[str, Any], catalogue: Catalogue) -> dict[str, ParameterQuality]:
    """The shipped defaults. Raises ConfigError."""
    return dict(parse({"parameters": data}, catalogue, ("defaults",)).parameters)
