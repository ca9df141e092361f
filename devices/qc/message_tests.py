"""The tests of a message as a whole that somebody asked for (semantics D5), joined: what they say of each of its values.

consistency   values that cannot all be right                     those compared
warm_up       soon after power-on                                 all
location      not where the registry has it                       all
timing        a clock that is wrong (a gap blames no value)       all
health        a low battery, a fan that stands                    those that the type names
density       lighter water below heavier                         water_temp, salinity; also of the record before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from devices.qc.consistency import consistency
from devices.qc.density import DensityInversion, DensityState, density
from devices.qc.health import Health, health_flags
from devices.qc.location import Place
from devices.qc.model import MessageModel
from devices.qc.timing import Timing, TimingState
from devices.qc.warmup import WarmUp, WarmUpState
from devices.quality import FAIL, SUSPECT, Spans

_DENSITY_OF = ("water_temp", "salinity")
Values = Mapping[str, float | None]


class MessageTestsState(msgspec.Struct, array_like=True, gc=False):
    """What the tests of one device remember."""

    timing: TimingState | None = None
    warm_up: WarmUpState | None = None
    density: DensityState | None = None


class About(NamedTuple):
    """What is known of a message beside its values."""

    received_ms: int | None = None
    """None: not known (a file, a history)."""
    position: tuple[float, float] | None = None
    """Latitude and longitude that it says, degrees."""
    place: tuple[float, float] | None = None
    """Where the registry has the device."""


class Earlier(NamedTuple):
    """A value of the record before is doubted now: 3 or 4, if it is not worse already."""

    time_ms: int
    parameter: str
    flag: int


class Verdicts(NamedTuple):
    """What was said of one record."""

    whole: dict[str, int]
    """Test → flag, of tests that look at the message."""
    each: dict[str, dict[str, int]]
    """Parameter → test → flag, of tests that look at its values."""
    blamed: dict[str, int]
    """Test → 3 or 4, of those of `whole` that doubt all values. A gap is nobody's fault."""
    earlier: tuple[Earlier, ...] = ()

    def doubting(self, parameter: str) -> dict[str, int]:
        """Test → 3 or 4, of the tests that doubt this parameter's value."""
        own = self.each.get(parameter)
        return self.blamed if own is None else self.blamed | _bad(own)

    def flag(self, parameter: str) -> int:
        """What is to be said of one parameter's value: 3 or 4, else 0."""
        return max(self.doubting(parameter).values(), default=0)


def _bad(said: Mapping[str, int]) -> dict[str, int]:
    return {test: flag for test, flag in said.items() if flag in (SUSPECT, FAIL)}


class MessageTests(NamedTuple):
    """Settings; None: not asked for."""

    consistency: bool = False
    timing: Timing | None = None
    moved_m: float | None = None
    warm_up: WarmUp | None = None
    health: tuple[Health, ...] = ()
    density: DensityInversion | None = None
    depth: str = ""
    """The parameter that says how deep the probe is."""

    @property
    def whole(self) -> tuple[str, ...]:
        """Names of the tests that look at the message."""
        return tuple(name for name in ("timing", "location", "warm_up") if (self.moved_m if name == "location" else getattr(self, name)))

    def judge(self, state: MessageTestsState, time_ms: int, values: Values, about: About) -> Verdicts:
        """One record of the device, its values by parameter in canonical units."""
        whole: dict[str, int] = {}
        each: dict[str, dict[str, int]] = {}
        clock_wrong = False
        if self.timing is not None:
            state.timing = state.timing or self.timing.start()
            verdict = self.timing.push(state.timing, time_ms, about.received_ms)
            whole["timing"] = verdict.flag
            clock_wrong = verdict.found in ("ahead", "stale")
        if self.moved_m is not None and about.place is not None:
            whole["location"] = Place(*about.place, self.moved_m).flag(*(about.position or (None, None)))
        if self.warm_up is not None:
            state.warm_up = state.warm_up or self.warm_up.start()
            uptime = values.get("uptime")
            whole["warm_up"] = self.warm_up.push(state.warm_up, time_ms, 0.0, uptime)[-1][1]
        if self.consistency:
            for name, flag in consistency(values).items():
                each.setdefault(name, {})["consistency"] = flag
        for name, flag in health_flags(self._health(values), values).items():
            each.setdefault(name, {})["health"] = flag
        blamed = {test: flag for test, flag in _bad(whole).items() if test != "timing" or clock_wrong}
        return Verdicts(whole, each, blamed, self._inversion(state, time_ms, values, each))

    def _health(self, values: Values) -> tuple[Health, ...]:
        """A rule that names nothing is of all values that are no health parameters themselves."""
        own = {rule.parameter for rule in self.health}
        return tuple(rule if rule.affects else rule._replace(affects=frozenset(values.keys() - own)) for rule in self.health)

    def _inversion(self, state: MessageTestsState, time_ms: int, values: Values, each: dict[str, dict[str, int]]) -> tuple[Earlier, ...]:
        if self.density is None or not all(name in values for name in (*_DENSITY_OF, self.depth)):
            return ()
        state.density = state.density or self.density.start()
        temp, salinity = (values[name] for name in _DENSITY_OF)
        weight = None if temp is None or salinity is None else density(temp, salinity)
        verdicts = self.density.push(state.density, time_ms, weight, values[self.depth])
        if state.density.time_ms != time_ms:
            return ()
        for name in _DENSITY_OF:
            each.setdefault(name, {})["density"] = state.density.flag
        return tuple(Earlier(at, name, flag) for at, flag in verdicts if flag in (SUSPECT, FAIL) for name in _DENSITY_OF)


def message_tests(*layers: MessageModel) -> MessageTests | None:
    """What type and station (weakest first) ask for: a test that is given replaces the weaker one whole. None: nothing."""
    said: dict[str, object] = {}
    for layer in layers:
        said |= {name: getattr(layer, name) for name in layer.model_fields_set}
    model = MessageModel.model_construct(**{name: said.get(name) for name in MessageModel.model_fields})  # type: ignore[arg-type]
    timing, warm_up, density_ = model.timing, model.warm_up, model.density
    tests = MessageTests(
        consistency=bool(model.consistency),
        timing=None if timing is None else Timing(timing.gap, timing.ahead, timing.age),
        moved_m=model.moved,
        warm_up=None if warm_up is None else WarmUp(warm_up.lasts, warm_up.silence),
        health=tuple(
            Health(name, Spans(rule.usable or (-_ANY, _ANY), rule.good), frozenset(rule.affects))
            for name, rule in (model.health or {}).items()
        ),
        density=None if density_ is None else DensityInversion(density_.suspect, density_.fail),
        depth="" if density_ is None else density_.depth,
    )
    return tests if any(tests) else None


_ANY = float("inf")


def shift(state: MessageTestsState, delta_ms: int) -> None:
    """The gateway's clock was stepped: receipt stamps move with it (semantics A1)."""
    for kept in (state.timing, state.warm_up, state.density):
        if kept is not None:
            kept.time_ms += delta_ms
    if state.warm_up is not None:
        state.warm_up.until_ms += delta_ms
