"""What may be said about the quality tests of a series, and what that comes to: a `Plan` for the judge.

The weakest word is the shipped default (`defaults.yaml`), then the catalogue's hourly rate, then the device type's `quality:`,
then the station's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from devices.parameters import Parameter
from devices.times import Duration

HOUR_MS = 3_600_000
LEAST_OF_RATE = 0.2
"""A limit between neighbouring readings is never below this part of the catalogue's hourly rate, however short the interval."""
SPIKE_OF_STEP = 0.75
"""A spike (up and back) needs this part of the limit of a step."""
FLAT_INTERVALS = (6, 12)
"""A series stands still for at least so many reporting intervals before it is suspect, or failed."""


def _off(value: Any) -> Any:
    return None if value is False or value == "off" else value


class FlatModel(BaseModel):
    """A value that does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suspect: Duration | None = Field(None, description="Unchanged for so long it is suspect (flag 3).")
    fail: Duration | None = Field(None, description="Unchanged for so long it fails (flag 4).")
    rest: tuple[float, ...] = Field((), description="Values at which it may stand for ever, e.g. 0 for sunlight.")


class SeriesModel(BaseModel):
    """The tests of one parameter. What is left out keeps its default; `off` switches a test off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Annotated[float | None, BeforeValidator(_off)] = Field(
        None, gt=0, description="Largest change between neighbouring readings, in the canonical unit, that needs no confirmation; or `off`."
    )
    spike: Annotated[float | None, BeforeValidator(_off)] = Field(
        None, gt=0, description="Largest height of a single reading above both its neighbours; or `off`. Default: 0.75 of `step`."
    )
    flat: Annotated[FlatModel | None, BeforeValidator(_off)] = Field(None, description="How long it may stand still; or `off`.")
    learn: bool = Field(True, description="Whether limits grow with what the series usually does.")

    @model_validator(mode="after")
    def _in_order(self) -> SeriesModel:
        if self.flat and self.flat.suspect and self.flat.fail and self.flat.suspect > self.flat.fail:
            raise ValueError("flat: `suspect` must not be longer than `fail`")
        return self


QualityModel = Mapping[str, SeriesModel]
"""Parameter id → its tests."""

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
    circular: bool
    kind: Literal["mean", "sum", "circular"]
    """How its hours are averaged."""


class Defaults(NamedTuple):
    """`defaults.yaml`."""

    default: SeriesModel
    parameters: Mapping[str, SeriesModel]


def parse_defaults(data: Mapping[str, Any]) -> Defaults:
    """The parsed file. Raises ValidationError."""
    return Defaults(SeriesModel.model_validate(data["default"]), MAPPING.validate_python(data["parameters"]))


def plan(parameter: Parameter, interval_ms: int, defaults: Defaults, said: Sequence[SeriesModel] = ()) -> Plan:
    """What the layers `said` (weakest first: type, station) make of the defaults."""
    shipped = (defaults.default, *((defaults.parameters[parameter.id],) if parameter.id in defaults.parameters else ()))
    return _plan(
        parameter.id, parameter.rate, parameter.circular, parameter.per == "h", parameter.medium, interval_ms, _said(shipped), _said(said)
    )


_Said = tuple[SeriesModel, frozenset[str]]
"""A layer and what it says. Two models are equal if one says `off` where the other says nothing, so they alone are no key."""


def _said(layers: Sequence[SeriesModel]) -> tuple[_Said, ...]:
    return tuple((layer, frozenset(layer.model_fields_set)) for layer in layers)


@lru_cache(maxsize=4096)
def _plan(
    parameter: str, rate: float | None, circular: bool, summed: bool, medium: str, interval_ms: int,
    shipped: tuple[_Said, ...], said: tuple[_Said, ...],
) -> Plan:  # fmt: skip
    inf = float("inf")
    # The device's own health (battery, signal) may do what it likes: it has no rate, and stands still for days.
    step = inf if rate is None or medium == "device" else rate * min(1.0, max(LEAST_OF_RATE, interval_ms / HOUR_MS))
    spike: float | None = None
    suspect: int | None = None
    fail: int | None = None
    rest: frozenset[float] = frozenset()
    learn = True
    own = False
    for number, (layer, given) in enumerate((*shipped, *said)):
        if "step" in given:
            if layer.step is None:
                step = inf
            elif number < len(shipped) and rate is not None and interval_ms >= HOUR_MS:
                step = max(step, layer.step)  # a shipped limit is of raw samples: hourly means may do what their rate says
            elif number < len(shipped):
                step = layer.step
            else:
                step = layer.step
                own = True
        if "spike" in given:
            spike = inf if layer.spike is None else layer.spike
        if "learn" in given:
            learn = layer.learn
        if "flat" in given:
            if layer.flat is None:
                suspect = fail = None
            else:
                suspect = layer.flat.suspect or suspect
                fail = layer.flat.fail or fail
                rest = rest | frozenset(layer.flat.rest)
    if medium == "device":
        suspect = fail = None
    least = (FLAT_INTERVALS[0] * interval_ms, FLAT_INTERVALS[1] * interval_ms)
    return Plan(
        parameter=parameter,
        interval_ms=interval_ms,
        # Before a series is known only a change that is large for a whole hour is doubted, unless somebody who knows the sensor said more.
        first=step if own or not learn or rate is None else max(step, rate),
        step=step,
        spike=step * SPIKE_OF_STEP if spike is None else spike,
        learn=learn,
        flat_suspect_ms=None if suspect is None else max(suspect, least[0]),
        flat_fail_ms=None if fail is None else max(fail, least[1]),
        rest=rest,
        circular=circular,
        kind="circular" if circular else "sum" if summed else "mean",
    )
