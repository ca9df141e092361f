"""What `quality:` of a device type or a station may say. `devices.qc.settings` compiles it.

    quality:
      message: {consistency: true, warm_up: {lasts: 2m}}          the message as a whole
      turbidity: {step: 50, spike: 10}                            a parameter's series
      do: {multivariate: {other: water_temp, suspect: 2, other_suspect: 1, per: 1h}}

Range, step, spike and flat line are on by default (semantics D5); all the rest is off until somebody asks for it, for each costs.
Every word here is a word of docs/reference/quality.md, which is made from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from devices.parameters import Span
from devices.qc.attenuated import MOST as MOST_ATTENUATED
from devices.qc.climatology import Period
from devices.times import Duration

PERIODS: Mapping[Period, Span] = {"month": (1, 12), "week": (1, 53), "dayofyear": (1, 366), "hour": (0, 23), "quarter": (1, 4)}
"""Periods of a climatology and their numbers."""


def _off(value: Any) -> Any:
    return None if value is False or value == "off" else value


_Off = BeforeValidator(_off)


class Model(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FlatModel(Model):
    """A value that does not change."""

    suspect: Duration | None = Field(None, description="Unchanged for so long it is suspect (flag 3).")
    fail: Duration | None = Field(None, description="Unchanged for so long it fails (flag 4).")
    rest: tuple[float, ...] = Field((), description="Values at which it may stand for ever, e.g. 0 for sunlight.")
    rest_below: float | None = Field(
        None, description="At this value and below it may stand for ever: a gas below what the analyser can tell from nothing."
    )
    tolerance: float | None = Field(
        None, gt=0, description="Readings that differ by less count as unchanged (QARTOD's flat line test). Without it only equal ones do."
    )

    @model_validator(mode="after")
    def _whole(self) -> FlatModel:
        if self.suspect and self.fail and self.suspect > self.fail:
            raise ValueError("`suspect` must not be longer than `fail`")
        if self.tolerance is not None and (self.rest or self.rest_below is not None or not self.suspect or not self.fail):
            raise ValueError("`tolerance` goes with `suspect` and `fail`, and without `rest` and `rest_below`")
        return self


class SpikeModel(Model):
    """A single reading that both its neighbours disown, against fixed limits (QARTOD)."""

    method: Literal["differential", "average"] = Field(
        "differential",
        description="`differential`: the smaller of its two changes, if it turns back. `average`: its distance from their mean.",
    )
    suspect: float | None = Field(None, gt=0, description="Higher than this it is suspect.")
    fail: float | None = Field(None, gt=0, description="Higher than this it fails.")

    @model_validator(mode="after")
    def _in_order(self) -> SpikeModel:
        if self.suspect is None and self.fail is None:
            raise ValueError("give `suspect`, `fail` or both, or write `off`")
        if self.suspect is not None and self.fail is not None and self.suspect > self.fail:
            raise ValueError("`suspect` must not be greater than `fail`")
        return self


class RateModel(Model):
    """Rate of change against a fixed limit. Real changes are confirmed by the third reading in a row (semantics D2)."""

    suspect: float = Field(gt=0, description="A faster change is suspect until it is confirmed.")
    per: Duration = Field(1000, gt=0, description="The time that `suspect` is for; one second if nothing is said.")


class MemberModel(Model):
    """One line of a climatology: when it holds, and what is usual then. The last line that fits judges."""

    month: tuple[int, int] | None = Field(None, description="From and to, both included; `[11, 2]` goes round the year's end.")
    week: tuple[int, int] | None = Field(None, description="ISO weeks, likewise.")
    dayofyear: tuple[int, int] | None = Field(None, description="Days of the year, 1 to 366, likewise.")
    hour: tuple[int, int] | None = Field(None, description="Hours of the day in the city's zone, 0 to 23, likewise.")
    quarter: tuple[int, int] | None = Field(None, description="Quarters of the year, likewise.")
    usual: Span = Field(description="Outside it: suspect. In the parameter's canonical unit.")
    possible: Span | None = Field(None, description="Outside it: fail.")

    @property
    def period(self) -> Period:
        """The one period that is said."""
        return next(name for name in PERIODS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _whole(self) -> MemberModel:
        said = [name for name in PERIODS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"say one of {', '.join(PERIODS)}")
        least, most = PERIODS[said[0]]
        for number in getattr(self, said[0]):
            if not least <= number <= most:
                raise ValueError(f"{said[0]} goes from {least:g} to {most:g}, not {number}")
        for span in (self.usual, self.possible):
            if span is not None and not span[0] < span[1]:
                raise ValueError("the span's first number must be the smaller one")
        return self


class AttenuatedModel(Model):
    """A signal that hardly moves over a time."""

    kind: Literal["std", "range"] = Field("std", description="What is looked at: standard deviation, or greatest minus least.")
    suspect: float = Field(gt=0, description="Less than this is suspect.")
    fail: float = Field(ge=0, description="Less than this fails; 0: nothing does.")
    over: Duration = Field(gt=0, description="The time looked back over.")
    least: int = Field(3, ge=2, le=MOST_ATTENUATED, description="Readings that it needs; with fewer nothing is said.")


class NeighbourModel(Model):
    """Far from what the stations around hold. Never more than suspect, and only until three in a row confirm it (semantics D2);
    but what stays apart for days is not believed for ever."""

    within_km: float = Field(5, gt=0, le=500, description="The nearest stations at most so far away are asked, eight at most …")
    tag: str | None = Field(None, description="… or instead all stations with this tag, however far away.")
    deviation: float = Field(gt=0, description="Farther than this from their median is suspect …")
    relative: float = Field(0, ge=0, le=10, description="… if it is also farther than this part of the median.")
    least: int = Field(3, ge=1, le=8, description="Stations that must have a value; with fewer nothing is said.")
    drift: Annotated[Duration | None, _Off] = Field(
        172_800_000, gt=0, description="Apart for longer than this without a break it is a sensor that drifts, no event: suspect; or `off`."
    )


class MultivariateModel(Model):
    """It changes fast while a related parameter of the same message does not."""

    other: str = Field(description="The related parameter.")
    suspect: float = Field(gt=0, description="A faster change of this parameter is suspect …")
    other_suspect: float = Field(gt=0, description="… unless the related one changes faster than this.")
    per: Duration = Field(1000, gt=0, description="The time that both are for; one second if nothing is said.")


def _which(value: Any) -> str:
    """Of a setting that is a number or a section. (Names that begin with `step:` stand in no error's path.)"""
    return "step:section" if isinstance(value, Mapping | SpikeModel) else "step:number"


_Spike = Annotated[
    Annotated[Annotated[float, Field(gt=0)], Tag("step:number")] | Annotated[SpikeModel, Tag("step:section")], Discriminator(_which)
]


class SeriesModel(Model):
    """The tests of one parameter. What is left out keeps its default; `off` switches a test off."""

    step: Annotated[float | None, _Off] = Field(
        None, gt=0, description="Largest change between neighbouring readings, in the canonical unit, that needs no confirmation; or `off`."
    )
    spike: Annotated[_Spike | None, _Off] = Field(
        None,
        description="Largest height of a single reading above both its neighbours; or fixed limits; or `off`. Default: 0.75 of `step`.",
    )
    flat: Annotated[FlatModel | None, _Off] = Field(None, description="How long it may stand still; or `off`.")
    learn: bool = Field(True, description="Whether limits grow with what the series usually does.")
    rate: Annotated[RateModel | None, _Off] = Field(None, description="Asked for: fixed rate of change.")
    climatology: Annotated[tuple[MemberModel, ...] | None, _Off] = Field(None, description="Asked for: what is usual by season or hour.")
    attenuated: Annotated[AttenuatedModel | None, _Off] = Field(None, description="Asked for: a signal that hardly moves.")
    multivariate: Annotated[MultivariateModel | None, _Off] = Field(None, description="Asked for: it leaps while a related one rests.")
    neighbour: Annotated[NeighbourModel | None, _Off] = Field(None, description="Asked for: far from the stations around.")


class TimingModel(Model):
    """The message's own time. A gap, a repeated time or a late one says nothing against the values; a wrong clock does."""

    gap: Duration = Field(gt=0, description="A longer pause before a message is a gap (`timing` 4; the values are not blamed).")
    ahead: Duration | None = Field(None, gt=0, description="So far ahead of its receipt the values fail.")
    age: Duration | None = Field(None, gt=0, description="So long before its receipt they fail: only where late data are worthless.")


class WarmUpModel(Model):
    """Soon after power-on readings are suspect. Power-on is seen by `uptime`, or guessed from a silence."""

    lasts: Duration = Field(gt=0, description="How long the sensor needs.")
    silence: Duration | None = Field(None, gt=0, description="A longer silence counts as power-off; without it none does.")


class HealthModel(Model):
    """What a health parameter (battery, fan …) of the same message must be like, or other readings are doubted."""

    good: Span = Field(description="Outside it the readings named are suspect.")
    usable: Span | None = Field(None, description="Outside it they fail.")
    affects: tuple[str, ...] = Field((), description="Parameters that depend on it; all of the message if none is named.")


class DensityModel(Model):
    """Lighter water below heavier, in a profile: from `water_temp`, `salinity` and a depth of the message."""

    depth: str = Field("depth", description="The parameter that says how deep the probe is, growing downwards.")
    suspect: float | None = Field(None, lt=0, description="Density grows upwards by more than this (kg/m³, negative): both are suspect.")
    fail: float | None = Field(None, lt=0, description="… or fail.")


class MessageModel(Model):
    """Tests of a message as a whole. All are off unless asked for."""

    consistency: bool | None = Field(None, description="Values that cannot all be right: PM, NOx, oxygen, dew point, salinity.")
    timing: Annotated[TimingModel | None, _Off] = Field(None, description="Gaps, repeated times, clocks.")
    moved: Annotated[float | None, _Off] = Field(None, gt=0, description="m; a device farther from its registered place is suspect.")
    warm_up: Annotated[WarmUpModel | None, _Off] = Field(None, description="Readings soon after power-on.")
    health: Annotated[Mapping[str, HealthModel] | None, _Off] = Field(None, description="By health parameter: battery, fan …")
    density: Annotated[DensityModel | None, _Off] = Field(None, description="Density inversion in a profile.")


class QualityModel(BaseModel):
    """`quality:`: `message`, and any parameter by its id."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, SeriesModel] = Field(init=False)

    message: MessageModel = Field(MessageModel(), description="Tests of the message as a whole.")

    @property
    def parameters(self) -> Mapping[str, SeriesModel]:
        """Parameter id → its tests."""
        return self.__pydantic_extra__

    def named(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """(path within `quality`, parameter id) of every parameter that is named: whoever has the catalogue checks them."""
        for name, series in self.parameters.items():
            yield (name,), name
            if series.multivariate is not None:
                yield (name, "multivariate", "other"), series.multivariate.other
        for name, health in (self.message.health or {}).items():
            yield ("message", "health", name), name
            for number, affected in enumerate(health.affects):
                yield ("message", "health", name, "affects", str(number)), affected
        if self.message.density is not None:
            yield ("message", "density", "depth"), self.message.density.depth


def turns(begin: int, end: int, period: Period) -> tuple[Span, ...]:
    """The spans of numbers from `begin` to `end` of a period, in two where it goes round its end."""
    least, most = PERIODS[period]
    ends = (begin, end) if begin <= end else (begin, most, least, end)
    return tuple(span for number, span in enumerate(pairwise(ends)) if number % 2 == 0)
