"""The quality side of the core: each reading judged as it comes, and put into its hour.

    value ── quiet? ─────────────────────────▶ as it is (flag 1)            nearly every value
               │ no
               └─▶ devices.qc.judge.slowly ──▶ its flag, revisions of readings before it (semantics D2, D4)
    then into the hour of its series (devices.hours), which `gateway.summing` closes

A revision is a line with the key of the reading and its new flag: histories overwrite the point. Rules see each reading with
the flag that it had when it came.

Neighbours (D2): a run of doubts that begins while the same parameter is doubted on the same side at another station within
`NEARBY_KM` confirms both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, hypot, radians
from typing import TYPE_CHECKING, TypeAlias

from devices import hours as hourly
from devices import loader
from devices.hours import HourState
from devices.parameters import RAW_SUFFIX
from devices.qc.judge import Revision, SeriesState, confirm, new_state, slowly
from devices.qc.judge import shift as shift_series
from devices.qc.settings import Plan, plan
from devices.reading import Flag, Line, Value
from gateway.outcomes import Outcomes
from gateway.state import DeviceState, StationState

if TYPE_CHECKING:
    from devices.stations import Device
    from gateway.core import Core

Doubts: TypeAlias = tuple[tuple[str, float], ...]
"""`<parameter>_by_<test>` → flag, for each test that doubts a reading: fields beside its flag, which say where that came from."""

NEARBY_KM = 5.0
"""Stations within this distance see the same smoke, or the same flood."""
_NEIGHBOURS = 8
_KM_PER_DEGREE = 111.2
_LEARN_EVERY = 32


class Series:
    """One parameter of one device: its compiled tests, and its two states. Derived."""

    __slots__ = ("hours", "kind", "plan", "state")

    def __init__(self, compiled: Plan, state: SeriesState, hours: HourState) -> None:
        self.plan, self.state, self.hours, self.kind = compiled, state, hours, compiled.kind


class Judging:
    """See the module's docstring. `core` gives state, registry and catalogue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._series: dict[str, dict[str, Series | None]] = {}
        """device → parameter → series; None: nothing to judge (battery, a raw value)."""
        self._near: dict[str, tuple[str, ...]] = {}
        """station → stations nearby, nearest first."""

    def forget(self) -> None:
        """The configuration or the whole state changed: what is derived is made again."""
        self._series, self._near = {}, {}

    def lines(self, lines: tuple[Line, ...], device: DeviceState, entry: Device, received_ms: int, out: Outcomes) -> tuple[Line, ...]:
        """The lines of one record of this device, flags settled. Revisions of earlier readings are added to `out.lines`."""
        known = self._series.get(device.id)
        if known is None:
            known = self._series[device.id] = {}
        first = lines[0]
        if device.hours_at != first.station:
            self._moved(device, known, first.station)
        station = self._core.stations[first.station]
        time_ms = first.time_ms
        changed: list[Line] | None = None
        for at, line in enumerate(lines):
            new: list[Value] | None = None
            doubts: Doubts = ()
            for index, value in enumerate(line.values):
                try:
                    series = known[value.parameter]
                except KeyError:
                    series = self._begin(device, entry, known, line, value.parameter)
                if series is None:
                    continue
                number, flag = value.value, value.flag
                state, hour = series.state, series.hours
                # `devices.qc.judge.quiet` and the fast way of `devices.hours.add`, written out: the two hottest calls of the core.
                if flag == 1 and time_ms > state.last_ms and state.steps < _LEARN_EVERY:
                    change = number - state.last  # type: ignore[operator]  # flag 1 has a number
                    band = state.band
                    if -band <= change <= band and (change or time_ms - state.flat_since < state.flat_ms):
                        if change:
                            state.flat_since = time_ms
                            state.moved += change if change > 0.0 else -change
                        state.before = state.last
                        state.last = number  # type: ignore[assignment]
                        state.last_ms = time_ms
                        state.steps += 1
                        if hour.last < time_ms <= hour.end:  # (directions have no band: they never come here)
                            pending = hour.pending
                            if pending == pending:
                                hour.count += 1
                                hour.total += pending
                                if pending < hour.low:
                                    hour.low = pending
                                if pending > hour.high:
                                    hour.high = pending
                            hour.pending = number  # type: ignore[assignment]
                            hour.last = time_ms
                        else:
                            self._into_hour(station, series, time_ms, number, flag, received_ms)
                        continue
                settled, by = self._slowly(series, line, time_ms, number, flag, entry, station, received_ms, out)
                if by:
                    doubts = (*doubts, *by)
                if settled != flag:
                    new = new or list(line.values)
                    new[index] = Value(value.parameter, number, settled)
            if new is not None or doubts:
                changed = changed or list(lines)
                values = line.values if new is None else tuple(new)
                changed[at] = Line(line.medium, line.station, line.device, line.area, line.time_ms, values, (*line.notes, *doubts))
        return lines if changed is None else tuple(changed)

    def _slowly(
        self, series: Series, line: Line, time_ms: int, number: float | None, flag: int, entry: Device, station: StationState,
        received_ms: int, out: Outcomes,
    ) -> tuple[int, Doubts]:  # fmt: skip
        """The whole of the tests; returns the flag and, of a doubted reading, which tests doubt it."""
        state = series.state
        was_told = state.told
        verdict = slowly(series.plan, state, time_ms, number, flag)
        revisions, settled = verdict.revisions, verdict.flag
        if verdict.doubt:
            for name, other in self._doubted_nearby(station.id, series.plan.parameter, verdict.doubt, time_ms, entry):
                self._revise(self._core.devices[name], other, confirm(other.state), received_ms, out)
                revisions, settled = (*revisions, *confirm(state)), 1
            revisions = tuple(revision for revision in revisions if revision.time_ms != time_ms)
        self._into_hour(station, series, time_ms, number, settled, received_ms)
        device = self._core.devices[entry.id]
        if revisions:
            self._revise(device, series, revisions, received_ms, out)
        if verdict.possible_event:
            self._core.silence.possible_event(device, series.plan.parameter, number, settled, time_ms, received_ms, True, out)
        elif was_told and not state.told and device.event_since is not None:
            self._core.silence.possible_event(device, series.plan.parameter, number, settled, time_ms, received_ms, False, out)
        return settled, _doubts(series.plan.parameter, settled, verdict.tests)

    def _into_hour(self, station: StationState, series: Series, time_ms: int, number: float | None, flag: int, received_ms: int) -> None:
        summing = self._core.summing
        revised = hourly.add(series.hours, time_ms, number, flag, series.kind, summing.phase_ms, station.first_hour)
        if revised is not None:
            summing.revised(station, revised, received_ms)

    def _revise(self, device: DeviceState, series: Series, revisions: Sequence[Revision], received_ms: int, out: Outcomes) -> None:
        """Earlier readings of this series have other flags: for the histories, and for the hours they are in."""
        core = self._core
        if core.snapshots.active:
            core.snapshots.touch("d:" + device.id)
        entry = core.interpreter.registry.devices[device.id]
        medium = core.interpreter.catalogue[series.plan.parameter].medium
        for revision in revisions:
            placement = entry.placement_at(revision.time_ms)
            if placement is None:
                continue
            place = placement.station
            value = (Value(series.plan.parameter, revision.value, revision.now),)
            # A reading is doubted afterwards by the spike test alone; the other revisions take a doubt back.
            by: Doubts = ((f"{series.plan.parameter}_by_spike", float(Flag.SUSPECT)),) if revision.now == Flag.SUSPECT else ()
            out.lines.append(Line(medium, place.id, device.id, place.area_at(revision.time_ms), revision.time_ms, value, by))
            station = core.stations[place.id]
            hour = hourly.amend(
                series.hours, revision.time_ms, revision.value, revision.was, revision.now, series.kind, core.summing.phase_ms
            )
            if hour is not None:
                core.summing.revised(station, hour, received_ms)

    # ------------------------------------------------------------------ series

    def series_of(self, device: str) -> dict[str, Series]:
        """The series of a device that have begun, by parameter."""
        state, entry = self._core.devices[device], self._core.interpreter.registry.devices[device]
        known = self._series.setdefault(device, {})
        for parameter in state.hours:
            if parameter not in known:
                known[parameter] = self._known(state, entry, parameter)
        return {parameter: series for parameter, series in known.items() if series is not None}

    def _begin(self, device: DeviceState, entry: Device, known: dict[str, Series | None], line: Line, parameter: str) -> Series | None:
        series = None
        if line.medium in ("air", "water") and not parameter.endswith(RAW_SUFFIX) and parameter in self._core.interpreter.catalogue:
            series = self._known(device, entry, parameter)
        known[parameter] = series
        return series

    def _known(self, device: DeviceState, entry: Device, parameter: str) -> Series:
        layers = self._core.interpreter.quality_of(entry, device.hours_at, parameter)
        compiled = plan(self._core.interpreter.catalogue[parameter], entry.interval_ms, loader.quality_defaults(), layers)
        state = device.series.get(parameter)
        if state is None:
            state = device.series[parameter] = new_state(compiled)
        hours = device.hours.get(parameter)
        if hours is None:
            hours = device.hours[parameter] = HourState()
        return Series(compiled, state, hours)

    def _moved(self, device: DeviceState, known: dict[str, Series | None], station: str) -> None:
        """The device stands elsewhere now: what it measured before says nothing about this place."""
        known.clear()
        device.series, device.hours, device.hours_at = {}, {}, station

    # ------------------------------------------------------------------ neighbours

    def _doubted_nearby(self, station: str, parameter: str, side: int, time_ms: int, entry: Device) -> list[tuple[str, Series]]:
        """Series of the same parameter nearby that are doubted on the same side at about the same time."""
        registry = self._core.interpreter.registry
        found = []
        for name in self._nearby(station):
            for device in registry.devices_at(name):
                state = self._core.devices[device].series.get(parameter)
                if state is None or device == entry.id or not state.run or state.side != side:
                    continue
                series = self.series_of(device)[parameter]
                if abs(state.run[-1][0] - time_ms) <= 2.5 * max(entry.interval_ms, series.plan.interval_ms):
                    found.append((device, series))
        return found

    def _nearby(self, station: str) -> tuple[str, ...]:
        found = self._near.get(station)
        if found is None:
            stations = self._core.interpreter.registry.stations
            here = stations[station]
            near = []
            for other in stations.values():
                if other.id == station:
                    continue
                north = (other.lat - here.lat) * _KM_PER_DEGREE
                east = (other.lon - here.lon) * _KM_PER_DEGREE * cos(radians(here.lat))
                if hypot(north, east) <= NEARBY_KM:
                    near.append((hypot(north, east), other.id))
            found = self._near[station] = tuple(name for _, name in sorted(near)[:_NEIGHBOURS])
        return found

    def jump(self, delta_ms: int) -> None:
        """The gateway's clock was stepped: receipt stamps move with it (semantics A1)."""
        for device in self._core.devices.values():
            for state in device.series.values():
                shift_series(state, delta_ms)
            for hours in device.hours.values():
                hourly.shift(hours)


def _doubts(parameter: str, settled: int, tests: Mapping[str, int]) -> Doubts:
    """Which tests doubt a reading of this flag; none of a good or a missing one."""
    if settled not in (Flag.SUSPECT, Flag.FAIL):
        return ()
    found = [(name, flag) for name, flag in tests.items() if flag in (Flag.SUSPECT, Flag.FAIL) and name != "spike_before"]
    # Nothing new speaks against it: it stands at the level that a doubted step led to.
    return tuple([(f"{parameter}_by_{name}", float(flag)) for name, flag in found or [("step", settled)]])
