"""The page of the quality tests: settings of `quality:`, flags, and the defaults as they are shipped."""

from __future__ import annotations

from pydantic import BaseModel

from devices import loader
from devices.qc import judge
from devices.qc import model as models
from devices.qc.settings import FLAT_INTERVALS, LEAST_OF_RATE, SPIKE_OF_STEP, Plan, plan

_INTERVALS_MS = (60_000, 900_000, 3_600_000)

_HEAD = f"""# Quality tests

<!-- Made by `make schemas` from devices/qc and devices/parameters.yaml: change those, not this page. -->

What the flags mean, and why a real flood passes, is told in [quality](../explanation/quality.md). What these defaults find and
miss in series that people labelled: [usefulness](../explanation/quality-usefulness.md).

| Test | Asks | Says |
| --- | --- | --- |
| `gross_range` | Is it plausible? Spans of the catalogue, the type or the map | 1, 3, 4; 9: no value, infinity, NaN |
| `step` | Does it differ from the last reading by more than the limit? | 1, 3; 2 with nothing to compare with, or off |
| `spike` | Of the reading *before*: does it stick out of both its neighbours by more than the limit? | 1, 3; 2 likewise |
| `flat_line` | Has the value stood still for too long? | 1, 3, 4; 2 if it is off |

Those are always on. The others cost time or need to know the place, so a device type or a station asks for them:

| Test | Asks | Says |
| --- | --- | --- |
| `step` with `rate:` | Does it change faster than a fixed rate? | as above |
| `climatology` | Is it usual for the season, or the hour? | 1, 3, 4; 2 outside every line |
| `attenuated` | Does the signal hardly move over a time? | 1, 3, 4; 2 with too few readings |
| `multivariate` | Does it leap while a related parameter rests? | 1, 3; 2 without either |
| `neighbour` | Is it far from what the stations around hold? | 1, 3; 2 with too few of them |
| `consistency` | Can the values of the message all be right? | 1, 3 |
| `timing` | Is the message's time in order? | 1, 3, 4; only a clock that is wrong blames the values |
| `location` (`moved:`) | Is the device where the registry has it? | 1, 3, 4; 9 without a position |
| `warm_up` | Was it switched on a moment ago? | 1, 3 |
| `health` | Are battery, fan … as they must be? | 1, 3, 4 |
| `density` | Is lighter water below heavier? | 1, 3, 4; 2 for a single reading |

Limits are of neighbouring readings, in the parameter's canonical unit. Each grows with what the series does by itself:
{judge.LEARN_EVERY} changes make a mean; a step may be {judge.LEARNT:g} times the mean change, a spike
{SPIKE_OF_STEP * judge.LEARNT:g} times. Changes beyond the limit teach twice the mean at most, so a sensor that
goes on spiking is not believed in the end; a leap that was confirmed widens the limit to half of it, for
what follows. After a gap of more than {judge.GAP_INTERVALS} intervals a series begins anew.

The roll-up flag is the worst of the tests, but readings that only `step` or `neighbour` doubts become good when {judge.CONFIRM} in
a row lie on the same side of the last believed value (of the neighbours), or a station within 5 km sees the same.

## `quality:` of a device type or a station

In a type file or at a station of the registry, by parameter; the station's word goes before the type's, the type's before the defaults:

```yaml
quality:
  turbidity: {{step: 50, spike: 10}}
  level: {{flat: {{suspect: 2d, fail: 5d}}}}
  wind_speed: {{step: off}}
  water_temp: {{climatology: [{{month: [12, 2], usual: [17, 26]}}, {{month: [3, 11], usual: [20, 33], possible: [10, 40]}}]}}
  pm25: {{neighbour: {{within_km: 5, deviation: 30, relative: 0.5}}, attenuated: {{over: 3h, suspect: 0.2, fail: 0}}}}
  do: {{multivariate: {{other: water_temp, suspect: 2, other_suspect: 1, per: 1h}}}}
  message:                                  # what concerns the message as a whole
    consistency: true
    warm_up: {{lasts: 2m}}
    health: {{battery_voltage: {{good: [3.5, 4.3]}}}}
```

`envgw quality FILE --map M --settings my-type.yaml` tries such a section on a series before a device type says it.

"""

_DEFAULTS = f"""## Defaults

From `devices/qc/defaults.yaml`; where it gives no step, the catalogue's hourly rate times the interval in hours, never less than
{LEAST_OF_RATE:g} of the rate. A spike is {SPIKE_OF_STEP:g} of the step unless it is given. A series stands still for at least
{FLAT_INTERVALS[0]} (suspect) and {FLAT_INTERVALS[1]} (fail) of its intervals, so that the durations below hold for devices that report
often enough.

"""


_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("flat", models.FlatModel), ("spike", models.SpikeModel), ("rate", models.RateModel), ("climatology", models.MemberModel),
    ("attenuated", models.AttenuatedModel), ("multivariate", models.MultivariateModel), ("neighbour", models.NeighbourModel),
    ("message", models.MessageModel), ("timing", models.TimingModel), ("warm_up", models.WarmUpModel), ("health", models.HealthModel),
    ("density", models.DensityModel),
)  # fmt: skip
"""Settings that are sections of their own."""


def page() -> str:
    """The whole page."""
    sections = "\n".join(f"### `{name}:`\n\n{model.__doc__}\n\n{_settings(model)}" for name, model in _SECTIONS)
    return _HEAD + _settings(models.SeriesModel) + "\n" + sections + "\n" + _DEFAULTS + _defaults_table()


def _settings(model: type[BaseModel]) -> str:
    rows = ["| Setting | Default | Meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        default = _default(name, field.default, required=field.is_required())
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default(name: str, value: object, *, required: bool) -> str:
    if required:
        return "needed"
    if value is None or value == ():
        return "see below" if name in ("step", "spike", "flat") else "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _defaults_table() -> str:
    rows = [
        "| Parameter | Unit | Step at 1 min | 15 min | 1 h | Spike at 1 min | Suspect, fail when it stands still | May rest at |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for parameter in loader.catalogue().values():
        if parameter.medium == "device":
            continue
        minute, quarter, hour = (plan(parameter, interval, loader.quality_defaults()) for interval in _INTERVALS_MS)
        rows.append(
            f"| `{parameter.id}` | {parameter.display or '1'} | {_limit(minute.step)} | {_limit(quarter.step)} | {_limit(hour.step)} "
            f"| {_limit(minute.spike)} | {_flat(minute)} | {', '.join(f'{value:g}' for value in sorted(minute.rest))} |"
        )
    return "\n".join(rows) + "\n"


def _limit(value: float) -> str:
    return "off" if value == float("inf") else f"{value:g}"


def _flat(of: Plan) -> str:
    if of.flat_suspect_ms is None or of.flat_fail_ms is None:
        return "off"
    return f"{of.flat_suspect_ms / 3_600_000:g} h, {of.flat_fail_ms / 3_600_000:g} h"
