"""From `quality:` of a device type or a station to plans. What may stand there is in `devices.qc.model`.

    defaults.yaml  <  the device type's `quality:`  <  the station's        per parameter and test; a test that is given replaces it whole

`off` turns a test off. Ranges are not said here: a type's fields and a station's `limits` have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from math import inf, sqrt
from typing import Any

from pydantic import TypeAdapter, ValidationError

from devices.parameters import RAW_SUFFIX, Catalogue, Parameter
from devices.problems import ConfigError, ConfigProblem, DataPath, did_you_mean, from_pydantic
from devices.qc.attenuated import Attenuated
from devices.qc.climatology import Member
from devices.qc.flat_line import LONGEST as LONGEST_FLAT
from devices.qc.flat_line import FlatLine
from devices.qc.limits import Learnt
from devices.qc.model import (
    AttenuatedModel,
    DeviceTests,
    FlatLineModel,
    MemberModel,
    MultivariateModel,
    NeighbourModel,
    ParameterQuality,
    QualityModel,
    SpikeModel,
    StepModel,
    ends_of,
)
from devices.qc.multivariate import Multivariate
from devices.qc.neighbour import Neighbour
from devices.qc.plan import DevicePlan, LinePlan, Plan, Stuck, plan
from devices.qc.rate import Rate
from devices.qc.spike import Spike
from devices.qc.timing import Timing
from devices.qc.warm_up import WarmUp
from devices.quality import Spans

__all__ = ["NOTHING", "ParameterQuality", "QualityModel", "device_plan", "merged", "parse", "parse_defaults", "problems", "series_plan"]

FLOOR_HOLDS_MS = 15 * 60_000
"""A parameter's step floor is for intervals up to this; for longer ones it grows with the square root of the time."""

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
    return Member(ends_of(entry, zone), entry.usual, entry.possible, entry.depth, entry.period)


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
