"""Quality control of one line of a device: the interface of `devices.qc`.

    judged = judge(plans, state, time_ms, values)        # once per line, in the order in which they come
    if judged is not None: ...                           # None: every flag stays as it came, and there is nothing to say

`plans` (`devices.qc.plan.DevicePlan`) is compiled once per kind of device and station and shared; `state`
(`devices.qc.state.DeviceQuality`) belongs to the device and to the snapshot. Pure: same plans, state and values, same result. How the calls
are cut into batches changes nothing, nor does a snapshot in between.

**The quiet way.** Most values are good, lie near the last one and repeat it at most a few times. For them a handful of comparisons
must do. What does not pass goes through `devices.qc.series`, which gives the same result for quiet values too
(tracing takes that way for all).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from devices.parameters import RAW_SUFFIX
from devices.qc import consistency, health, location, series, timing, warm_up
from devices.qc.confirmation import Around, Found, PossibleEvent, Revision
from devices.qc.plan import DevicePlan, LinePlan
from devices.qc.rollup import worse
from devices.qc.state import DeviceQuality, LineState, SeriesState
from devices.quality import FAIL, MISSING, NOT_EVALUATED, SUSPECT
from devices.reading import Value

__all__ = ["About", "Around", "Judged", "PossibleEvent", "Revision", "judge"]


class About(msgspec.Struct, frozen=True, gc=False):
    """What the caller knows about a message beside its values; only opt-in tests ask for it."""

    offset_ms: int | None = None
    """Received - device time; None: the device says none."""
    position: tuple[float | None, float | None] | None = None
    """Latitude and longitude in the message, degrees."""
    place: tuple[float, float] | None = None
    """Where the registry says that the device stands."""
    extra: Sequence[Value] = ()
    """Values of the message that travel in another line (battery, uptime)."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """What came of one line."""

    values: tuple[Value, ...]
    """The same values in the same order, with their flags now."""
    revisions: list[Revision]
    """Earlier readings of this device whose flags changed: the history gets them, rules do not (semantics D2, D4)."""
    events: list[PossibleEvent]
    """Series that have been suspect for so long that somebody should look."""
    tests: dict[str, dict[str, int]]
    """Traced: parameter → test → verdict."""


def judge(
    plans: DevicePlan,
    state: DeviceQuality,
    time_ms: int,
    values: Sequence[Value],
    *,
    around: Around | None = None,
    about: About | None = None,
    trace: bool = False,
) -> Judged | None:
    """Judge the values of one line, in event-time order as far as they come so; a late one gets the tests that need no order.

    `around` gives the held values of the neighbours of a parameter. Parameters without a plan stay as they are. None: nothing
    changed and nothing is to be said.
    """
    states, series_plans = state.series, plans.series
    slow: list[int] | None = None
    for index, value in enumerate(values):
        if value.flag == 1 and not trace:
            try:
                mine = states[value.parameter]
                plan = series_plans[value.parameter]
            except KeyError:
                pass
            else:
                number: float = value.value  # type: ignore[assignment]  # a value flagged 1 has a number
                step = number - mine.last
                if step < 0.0:
                    step = -step
                if (
                    step <= mine.near
                    and plan.low <= number <= plan.high
                    and plan.shortest_ms < time_ms - mine.last_ms <= plan.longest_ms
                    and time_ms < mine.due_ms
                ):
                    if step >= plan.repeats:
                        if mine.run:
                            mine.run = 0
                        mine.before, mine.last, mine.last_ms = mine.last, number, time_ms
                        continue
                    if mine.run < plan.few:
                        if not mine.run:
                            mine.run_ms = mine.last_ms
                        mine.run += 1
                        mine.before, mine.last, mine.last_ms = mine.last, number, time_ms
                        continue
        if slow is None:
            slow = [index]
        else:
            slow.append(index)
    if slow is None and plans.line is None:
        return None
    return _slowly(plans, state, time_ms, values, slow or [], around, about or _NOTHING, trace)


_NOTHING = About()


def _slowly(
    plans: DevicePlan,
    state: DeviceQuality,
    time_ms: int,
    values: Sequence[Value],
    slow: list[int],
    around: Around | None,
    about: About,
    trace: bool,
) -> Judged | None:
    found = Found()
    flags = [value.flag for value in values]
    everything: int = NOT_EVALUATED
    each: dict[str, int] = {}
    if plans.line is not None:
        everything, each = _message(plans.line, state, time_ms, values, about, found, trace)
        slow = list(range(len(values))) if everything > NOT_EVALUATED or SUSPECT in each.values() else slow
    for index in slow:
        value = values[index]
        plan = plans.series.get(value.parameter)
        if plan is None:
            continue
        mine = state.series.get(value.parameter)
        if mine is None:
            mine = state.series[value.parameter] = SeriesState()
        if value.value is None:
            series.missing(plan, mine, value.parameter, time_ms, found, trace)
            if trace:
                found.tests[value.parameter] = {"range": MISSING}
            continue
        related = plan.multivariate.other if plan.multivariate is not None else ""
        other = next((item.value for item in values if item.parameter == related), None)
        said = value.flag
        for verdict in (everything, each.get(value.parameter, NOT_EVALUATED)):
            said = worse(said, verdict) if verdict > NOT_EVALUATED else said
        flags[index] = series.value(plan, mine, value.parameter, time_ms, value.value, said, found, around=around, other=other, trace=trace)
    _as_bad_as_measured(state, values, slow, flags)
    changed = any(flag != value.flag for flag, value in zip(flags, values, strict=True))
    if not (changed or trace or found.revisions or found.events):
        return None
    given = tuple(values)
    if changed:
        given = tuple(
            value if flag == value.flag else Value(value.parameter, None if flag == MISSING else value.value, flag)
            for flag, value in zip(flags, given, strict=True)
        )
    return Judged(given, found.revisions, found.events, found.tests)


def _as_bad_as_measured(state: DeviceQuality, values: Sequence[Value], slow: list[int], flags: list[int]) -> None:
    """A corrected value is no better than what was measured: a stuck `pm25_raw` moves on as `pm25` with the humidity."""
    for index in slow:
        parameter = values[index].parameter
        if not parameter.endswith(RAW_SUFFIX):
            continue
        mine = state.series.get(parameter)
        # What counts only until it is confirmed is the corrected series' own business.
        if mine is not None and mine.unrest is not None and mine.unrest.base in (SUSPECT, FAIL):
            corrected = parameter.removesuffix(RAW_SUFFIX)
            for other, value in enumerate(values):
                if value.parameter == corrected:
                    flags[other] = worse(flags[other], mine.unrest.base)


def _message(
    line: LinePlan, state: DeviceQuality, time_ms: int, values: Sequence[Value], about: About, found: Found, trace: bool
) -> tuple[int, dict[str, int]]:
    """The tests of the message as a whole: (verdict for all its values, further verdicts by parameter)."""
    by_parameter = {value.parameter: value.value for value in (*values, *about.extra)}
    mine = state.line
    if mine is None:
        mine = state.line = LineState()
    tests: dict[str, int] = {}
    if line.timing is not None:
        mine.timing = mine.timing or timing.TimingState()
        tests["timing"] = timing.step(mine.timing, time_ms, line.timing, about.offset_ms)[1]
    if line.warm_up is not None:
        mine.warm_up = mine.warm_up or warm_up.WarmUpState()
        tests["warm_up"] = warm_up.step(mine.warm_up, time_ms, by_parameter.get("uptime"), line.warm_up)
    if line.health:
        tests["health"] = health.verdict(by_parameter, line.health)
    if line.moved_m is not None and about.position is not None:
        tests["location"] = location.verdict(*about.position, about.place, line.moved_m)
    each = consistency.verdicts(by_parameter, line.consistency) if line.consistency else {}
    if trace:
        found.tests[""] = tests
        for parameter, verdict in each.items():
            found.tests[parameter] = {"consistency": verdict}
    # A gap before a value says nothing against it.
    bad = [verdict for name, verdict in tests.items() if verdict in (SUSPECT, FAIL) and name != "timing"]
    worst = max(bad, default=NOT_EVALUATED)
    if tests.get("timing") == SUSPECT:
        worst = max(worst, SUSPECT)
    return worst, each
