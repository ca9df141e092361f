"""The quality side of the core: each reading judged as it comes, and put into its hour.

    value ── quiet? ─────────────────────────▶ as it is (flag 1)            nearly every value
               │ no
               └─▶ devices.qc.judge.slowly ──▶ its flag, revisions of readings before it (semantics D2, D4)
    a device of which more tests are asked (D5): devices.qc.message_tests before that, devices.qc.series_tests with it
    then into the hour of its series (devices.hours), which `gateway.core.summing` closes

A revision is a line with the key of the reading and its new flag: histories overwrite the point. Rules see each reading with
the flag that it had when it came.

Neighbours (D2): a run of doubts that begins while the same parameter is doubted on the same side at another station within
`NEARBY_KM` confirms both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import cos, hypot, radians
from typing import TYPE_CHECKING, TypeAlias

from devices import hours as hourly
from devices import loader
from devices.hours import HourState
from devices.parameters import RAW_SUFFIX
from devices.qc.judge import Revision, SeriesState, confirm, new_state, slowly
from devices.qc.judge import shift as shift_series
from devices.qc.message_tests import About, MessageTests, MessageTestsState, Verdicts
from devices.qc.message_tests import shift as shift_tests
from devices.qc.series_tests import Around, SeriesTests, SeriesTestsState, apart
from devices.qc.settings import Plan, plan
from devices.reading import Flag, Line, Value
from gateway.core.outcomes import Outcomes
from gateway.core.state import DeviceState, StationState

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


class Known:
    """What is known of one device: its series, and the tests of its messages. Derived."""

    __slots__ = ("series", "tests")

    def __init__(self, tests: MessageTests | None) -> None:
        self.series: dict[str, Series | None] = {}
        """By parameter; None: nothing to judge (battery, a raw value)."""
        self.tests = tests


class Series:
    """One parameter of one device: its compiled tests, and its two states. Derived."""

    __slots__ = ("hours", "kind", "plan", "state")

    def __init__(self, compiled: Plan, state: SeriesState, hours: HourState) -> None:
        self.plan, self.state, self.hours, self.kind = compiled, state, hours, compiled.kind


class Judging:
    """See the module's docstring. `core` gives state, registry and catalogue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[str, Known] = {}
        """By device."""
        self._near: dict[str, tuple[tuple[float, str], ...]] = {}
        """station → (km, other station), nearest first."""
        self._tagged: dict[str, tuple[str, ...]] = {}
        """tag → stations that have it."""

    def forget(self) -> None:
        """The configuration or the whole state changed: what is derived is made again."""
        self._known, self._near, self._tagged = {}, {}, {}

    def lines(
        self, lines: tuple[Line, ...], device: DeviceState, entry: Device, received_ms: int, out: Outcomes,
        position: tuple[float, float] | None = None,
    ) -> tuple[Line, ...]:  # fmt: skip
        """The lines of one record of this device, flags settled. Revisions of earlier readings are added to `out.lines`."""
        first = lines[0]
        known = self._known.get(device.id)
        if known is None or device.hours_at != first.station:
            known = self._at(device, entry, first.station)
        series_of = known.series
        station = self._core.stations[first.station]
        ranged = lines
        if known.tests is not None:
            lines = self._message(known, lines, device, entry, About(received_ms, position), received_ms, out)
        time_ms = first.time_ms
        changed: list[Line] | None = None
        for at, line in enumerate(lines):
            new: list[Value] | None = None
            doubts: Doubts = ()
            for index, value in enumerate(line.values):
                try:
                    series = series_of[value.parameter]
                except KeyError:
                    series = self._begin(device, entry, series_of, line, value.parameter)
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
                in_range = ranged[at].values[index].flag
                settled, by = self._slowly(series, lines, time_ms, number, flag, in_range, entry, station, received_ms, out)
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
        self, series: Series, lines: tuple[Line, ...], time_ms: int, number: float | None, flag: int, in_range: int, entry: Device,
        station: StationState, received_ms: int, out: Outcomes,
    ) -> tuple[int, Doubts]:  # fmt: skip
        """The whole of the tests; returns the flag and, of a doubted reading, which tests of its series doubt it.

        `flag` is what the range and the tests of the message have said, `in_range` what the range alone has.
        """
        state = series.state
        was_told, blamed = state.told, flag > in_range
        further: dict[str, int] = {}
        side = None
        if series.plan.asked is not None:
            further, side = self._asked(series, series.plan.asked, lines, time_ms, number, entry, station)
            flag = max(flag, *further.values(), 0)
        verdict = slowly(series.plan, state, time_ms, number, flag, side)
        revisions, settled = verdict.revisions, verdict.flag
        if verdict.doubt:
            for name, other in self._doubted_nearby(station.id, series.plan.parameter, verdict.doubt, time_ms, entry):
                self._revise(self._core.devices[name], other, confirm(other.state), received_ms, out)
                revisions, settled = (*revisions, *confirm(state)), state.flag  # confirmed, but what else is said of it stays
            revisions = tuple(revision for revision in revisions if revision.time_ms != time_ms)
        self._into_hour(station, series, time_ms, number, settled, received_ms)
        device = self._core.devices[entry.id]
        if revisions:
            self._revise(device, series, revisions, received_ms, out)
        if verdict.possible_event:
            self._core.silence.possible_event(device, series.plan.parameter, number, settled, time_ms, received_ms, True, out)
        elif was_told and not state.told and device.event_since is not None:
            self._core.silence.possible_event(device, series.plan.parameter, number, settled, time_ms, received_ms, False, out)
        if settled not in (Flag.SUSPECT, Flag.FAIL):
            return settled, ()
        tests = {**verdict.tests, "gross_range": in_range, **further}
        doubting = {name: said for name, said in tests.items() if said in (Flag.SUSPECT, Flag.FAIL) and name != "spike_before"}
        if side:
            doubting["neighbour"] = int(Flag.SUSPECT)
        if not doubting and not blamed:
            doubting = {"step": settled}  # nothing new speaks against it: it stands at the level that a doubted step led to
        return settled, _doubts(series.plan.parameter, doubting)

    def _asked(
        self, series: Series, tests: SeriesTests, lines: tuple[Line, ...], time_ms: int, number: float | None, entry: Device,
        station: StationState,
    ) -> tuple[dict[str, int], int | None]:  # fmt: skip
        """Test → 3 or 4 of the further tests of this series that doubt the reading, and the side on which its neighbours doubt it."""
        state = series.state
        if state.asked is None:
            state.asked = SeriesTestsState()
        related = next((value.value for line in lines for value in line.values if value.parameter == tests.related), None)
        said = tests.judge(state.asked, time_ms, number, related)
        doubting = {name: flag for name, flag in said.items() if flag in (Flag.SUSPECT, Flag.FAIL)}
        if tests.around is None or number is None:
            return doubting, None
        held = self._held_around(station.id, series.plan.parameter, tests.around, time_ms, entry)
        found = apart(tests.around, state.asked, time_ms, number, held)
        if found.drifts:
            doubting["neighbour"] = Flag.SUSPECT
        return doubting, found.side

    def _message(
        self, known: Known, lines: tuple[Line, ...], device: DeviceState, entry: Device, about: About, received_ms: int, out: Outcomes
    ) -> tuple[Line, ...]:
        """The lines with what the tests of the message as a whole say of their values. Health parameters themselves are not blamed."""
        assert known.tests is not None
        first = lines[0]
        if device.tests is None:
            device.tests = MessageTestsState()
        if known.tests.moved_m is not None:
            place = self._core.interpreter.registry.stations[first.station]
            about = about._replace(place=(place.lat, place.lon))
        values = {value.parameter: value.value for line in lines for value in line.values}
        verdicts = known.tests.judge(device.tests, first.time_ms, values, about)
        for earlier in verdicts.earlier:
            series = known.series.get(earlier.parameter)
            if series is not None and series.state.last_ms == earlier.time_ms and earlier.flag > series.state.flag:
                revision = Revision(earlier.time_ms, series.state.last, series.state.flag, earlier.flag)
                series.state.flag = earlier.flag
                self._revise(device, series, (revision,), received_ms, out, "density")
        return tuple(line if line.medium == "device" else _worse(line, verdicts) for line in lines)

    def _into_hour(self, station: StationState, series: Series, time_ms: int, number: float | None, flag: int, received_ms: int) -> None:
        summing = self._core.summing
        corrects = self._core.taking.corrected_ms == time_ms
        revised = hourly.add(series.hours, time_ms, number, flag, series.kind, summing.phase_ms, station.first_hour, corrects=corrects)
        if revised is not None:
            summing.revised(station, revised, received_ms)

    def _revise(
        self, device: DeviceState, series: Series, revisions: Sequence[Revision], received_ms: int, out: Outcomes, test: str = "spike"
    ) -> None:
        """Earlier readings of this series have other flags: for the histories, and for the hours they are in.

        `test`: which one doubts them, where they are doubted; the other revisions take a doubt back.
        """
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
            by = _doubts(series.plan.parameter, {test: revision.now}) if revision.now in (Flag.SUSPECT, Flag.FAIL) else ()
            out.lines.append(Line(medium, place.id, device.id, place.area_at(revision.time_ms), revision.time_ms, value, by))
            station = core.stations[place.id]
            hour = hourly.amend(
                series.hours, revision.time_ms, revision.value, revision.was, revision.now, series.kind, core.summing.phase_ms
            )
            if hour is not None:
                core.summing.revised(station, hour, received_ms)

    # ------------------------------------------------------------------ series

    def series_of(self, device: str) -> dict[str, Series]:
        """The series of a device that have begun, in the order of their parameters: before a restart as after it."""
        state, entry = self._core.devices[device], self._core.interpreter.registry.devices[device]
        known = self._known.get(device)
        if known is None:
            known = self._at(state, entry, state.hours_at)
        for parameter in state.hours:
            if parameter not in known.series:
                known.series[parameter] = self._compiled(state, entry, parameter)
        return {parameter: series for parameter in sorted(known.series) if (series := known.series[parameter]) is not None}

    def _at(self, device: DeviceState, entry: Device, station: str) -> Known:
        """The device stands at this station. What it measured at another one says nothing about this place."""
        if device.hours_at != station:
            device.series, device.hours, device.hours_at, device.tests = {}, {}, station, None
        known = self._known[device.id] = Known(self._core.interpreter.message_tests(entry, station))
        return known

    def _begin(self, device: DeviceState, entry: Device, known: dict[str, Series | None], line: Line, parameter: str) -> Series | None:
        series = None
        if line.medium in ("air", "water") and not parameter.endswith(RAW_SUFFIX) and parameter in self._core.interpreter.catalogue:
            series = self._compiled(device, entry, parameter)
        known[parameter] = series
        return series

    def _compiled(self, device: DeviceState, entry: Device, parameter: str) -> Series:
        interpreter = self._core.interpreter
        layers = interpreter.quality_of(entry, device.hours_at, parameter)
        zone = self._core.summing.calendar.zone
        compiled = plan(interpreter.catalogue[parameter], entry.interval_ms, loader.quality_defaults(), layers, zone)
        state = device.series.get(parameter)
        if state is None:
            state = device.series[parameter] = new_state(compiled)
        elif state.band > 0 and compiled.looks_at_each:
            state.band = -1.0  # the tests were asked for while the series went on
        hours = device.hours.get(parameter)
        if hours is None:
            hours = device.hours[parameter] = HourState()
        return Series(compiled, state, hours)

    # ------------------------------------------------------------------ neighbours

    def _doubted_nearby(self, station: str, parameter: str, side: int, time_ms: int, entry: Device) -> list[tuple[str, Series]]:
        """Series of the same parameter nearby that are doubted on the same side at about the same time."""
        registry = self._core.interpreter.registry
        found = []
        for name in self._within(station, NEARBY_KM):
            for device in registry.devices_at(name):
                state = self._core.devices[device].series.get(parameter)
                if state is None or device == entry.id or not state.run or state.side != side:
                    continue
                series = self.series_of(device)[parameter]
                if abs(state.run[-1][0] - time_ms) <= 2.5 * max(entry.interval_ms, series.plan.interval_ms):
                    found.append((device, series))
        return found

    def _held_around(self, station: str, parameter: str, around: Around, time_ms: int, entry: Device) -> Iterator[float]:
        """What the stations around hold of a parameter: one value each, believed and still valid (semantics C5)."""
        registry = self._core.interpreter.registry
        names = self._within(station, around.within_km) if around.tag is None else self._with_tag(around.tag)
        for name in names:
            if name == station:
                continue
            for device in registry.devices_at(name):
                state = self._core.devices[device].series.get(parameter)
                of = registry.devices[device]
                if state is not None and state.flag <= 2 and abs(state.last_ms - time_ms) <= 2.5 * max(of.interval_ms, entry.interval_ms):
                    yield state.last
                    break

    def _within(self, station: str, km: float) -> list[str]:
        """The stations at most so far away, nearest first; `_NEIGHBOURS` at most."""
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
                near.append((hypot(north, east), other.id))
            found = self._near[station] = tuple(sorted(near)[:_NEIGHBOURS])
        return [name for away, name in found if away <= km]

    def _with_tag(self, tag: str) -> tuple[str, ...]:
        found = self._tagged.get(tag)
        if found is None:
            stations = self._core.interpreter.registry.stations.values()
            found = self._tagged[tag] = tuple(sorted(station.id for station in stations if tag in station.tags))
        return found

    def jump(self, delta_ms: int) -> None:
        """The gateway's clock was stepped: receipt stamps move with it (semantics A1)."""
        for device in self._core.devices.values():
            if device.tests is not None:
                shift_tests(device.tests, delta_ms)
            for state in device.series.values():
                shift_series(state, delta_ms)
            for hours in device.hours.values():
                hourly.shift(hours)


def _worse(line: Line, verdicts: Verdicts) -> Line:
    """The line with what the message's tests say of its values; missing ones stay missing."""
    values, doubts = list(line.values), line.notes
    for at, value in enumerate(line.values):
        doubting = {} if value.flag == Flag.MISSING else verdicts.doubting(value.parameter)
        if doubting:
            values[at] = Value(value.parameter, value.value, max(value.flag, *doubting.values()))
            doubts = (*doubts, *_doubts(value.parameter, doubting))
    return line if doubts is line.notes else Line(line.medium, line.station, line.device, line.area, line.time_ms, tuple(values), doubts)


def _doubts(parameter: str, doubting: Mapping[str, int]) -> Doubts:
    return tuple([(f"{parameter}_by_{test}", float(flag)) for test, flag in doubting.items()])
