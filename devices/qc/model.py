"""What `quality:` of a device type or a station may say. `devices.qc.settings` checks it against the catalogue and compiles it.

Documented in docs/reference/quality.md; every word here is a word there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from devices.parameters import Span
from devices.qc.attenuated import LONGEST as LONGEST_ATTENUATED
from devices.qc.climatology import Period
from devices.qc.plan import EVENT_MS
from devices.qc.spike import Method
from devices.times import Duration, parse_instant


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
        ends_of(self, UTC)
        return self


def ends_of(entry: MemberModel, zone: tzinfo) -> tuple[float, float]:
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
