"""What goes wrong, where and when: faults of devices and episodes at stations, from a YAML file.

    sites:                                   # optional: what is special about a place (gateway.simulate.city.Site)
      hai-chau-01: {traffic: 1.3, coast: 0.5}
    episodes:                                # the world changes: the readings are true
      - {station: hai-chau-01, kind: smoke, from: 90m, until: 270m, peak: 240}
    faults:                                  # the device is wrong
      - {device: an-09, kind: stuck, parameter: pm25, value: 1200}
      - {device: an-09, kind: garbage, share: 0.1}

Times are counted from the scenario's start; no `from` means always, no `until` means for ever, `every` repeats the
window. `device: "*"` means every device. Chances are drawn from (seed, device, fault, message time): repeatable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import EnvgwError
from gateway.settings import Duration
from gateway.simulate.city import HOUR, Reading, Site
from gateway.simulate.noise import key, uniform

FaultKind = Literal["stuck", "spike", "drift", "drop-out", "clock-skew", "garbage", "duplicate"]
EpisodeKind = Literal["smoke", "salinity", "flood", "spill"]

# Share of the episode's peak by which each parameter is raised at its height. Wood and refuse smoke is mostly fine dust;
# the flood row is per metre of rise.
_EPISODES: dict[EpisodeKind, Reading] = {
    "smoke": {"pm1": 0.62, "pm25": 1.0, "pm10": 1.12, "co": 4.5, "no2": 0.05},
    "salinity": {"ec": 1.0},
    "flood": {"level": 1.0, "turbidity": 140.0, "do": -0.9, "ec": -6000.0},
    "spill": {"do": -1.0, "ph": -0.25, "turbidity": 12.0},
}


class ScenarioError(EnvgwError):
    """A scenario file cannot be used: the text names the file, the entry and what to write."""


class _Window(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begin: Duration | None = Field(None, alias="from")
    until: Duration | None = None
    every: Duration | None = None

    @model_validator(mode="after")
    def _ordered(self) -> _Window:
        if self.until is not None and self.until <= (self.begin or 0):
            raise ValueError("`until` must be later than `from`")
        if self.every is not None and (self.until is None or self.until - (self.begin or 0) > self.every):
            raise ValueError("`every` needs an `until`, and a window that is not longer than `every`")
        return self

    def since(self, offset_ms: int) -> int | None:
        """How long the window has been open at `offset_ms` after the scenario's start (ms); None while it is closed."""
        begin = self.begin or 0
        if self.begin is None and self.until is None:
            return offset_ms
        if self.every is not None and offset_ms >= begin:
            offset_ms = begin + (offset_ms - begin) % self.every
        if (self.begin is not None and offset_ms < begin) or (self.until is not None and offset_ms >= self.until):
            return None
        return offset_ms - begin


class Fault(_Window):
    """A device that is wrong. `share` is the chance per message, where a fault does not hit every message."""

    device: str
    kind: FaultKind
    parameter: str | None = Field(None, description="stuck, spike, drift: this one only; none means all.")
    share: float = Field(1.0, gt=0, le=1)
    value: float | None = Field(None, description="stuck: at this value; none means at what it was when it stuck.")
    size: float = Field(5.0, description="spike: times the true value.")
    per_hour: float = Field(0.0, description="drift: added per hour, in the parameter's unit.")
    offset: Duration = Field(0, description="clock-skew: the device's clock is ahead by this.")
    behind: bool = Field(False, description="clock-skew: the clock is behind by `offset` instead.")


class Episode(_Window):
    """Something that happens at a station. The values are true: they must reach people, not be taken for a fault."""

    station: str
    kind: EpisodeKind
    begin: Duration = Field(alias="from")
    until: Duration
    peak: float = Field(gt=0, description="Rise of the leading parameter: pm25 ug/m3, ec uS/cm, level m, or fall of do mg/L.")
    ramp: Duration = Field(900_000, description="How long it takes to rise, and to fall.")

    def raise_by(self, offset_ms: int, values: Reading) -> None:
        """Add the episode to `values` in place."""
        since = self.since(offset_ms)
        if since is None:
            return
        length = self.until - self.begin
        edge = min(1.0, since / self.ramp, (length - since) / self.ramp) if self.ramp else 1.0
        height = self.peak * edge * edge * (3 - 2 * edge)
        for parameter, share in _EPISODES[self.kind].items():
            if parameter in values:
                values[parameter] = max(0.0, values[parameter] + share * height)


class SitePart(BaseModel):
    """A site's character in a scenario file: see `city.Site`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    traffic: float = 0.6
    industry: float = 0.1
    coast: float = 0.5
    sea: float = 0.3
    level_m: float = 1.0
    tide_lag_h: float = 0.0


class Scenario(BaseModel):
    """A whole scenario file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sites: dict[str, SitePart] = {}
    episodes: list[Episode] = []
    faults: list[Fault] = []

    def site(self, station: str, seed: int) -> Site:
        """The character of a station: as written, else drawn from the seed."""
        if station in self.sites:
            return Site(id=station, **self.sites[station].model_dump())
        stream = key(seed, station, "site")
        return Site(
            id=station,
            traffic=0.3 + uniform(stream, 0),
            industry=0.6 * uniform(stream, 1) ** 2,
            coast=uniform(stream, 2),
            sea=uniform(stream, 3),
            level_m=0.8 + uniform(stream, 4),
        )

    def plan(self, device: str, station: str) -> DevicePlan:
        """What concerns one device."""
        return DevicePlan(
            episodes=tuple(item for item in self.episodes if item.station == station),
            faults=tuple(item for item in self.faults if item.device in (device, "*")),
        )


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """The episodes and faults of one device."""

    episodes: tuple[Episode, ...] = ()
    faults: tuple[Fault, ...] = ()


def load_scenario(path: Path) -> Scenario:
    """A scenario file. Raises `ScenarioError`."""
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Scenario.model_validate(data)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: this scenario cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ScenarioError(f"{path}{f':{mark.line + 1}' if mark else ''}: this is not YAML: {getattr(error, 'problem', error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "scenario"
        raise ScenarioError(f"{path}: {field}: {first['msg'].removeprefix('Value error, ')}") from error


def drifted(fault: Fault, since_ms: int, value: float) -> float:
    """A value after `since_ms` of drift."""
    return value + fault.per_hour * since_ms / HOUR
