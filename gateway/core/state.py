"""The core's state: what a snapshot holds, and nothing else.

It is divided into *units*, one per device, station and speaker of a stateful format, so that a snapshot can be written in slices while
messages go on: a unit that is about to change is encoded first (copy on write), see `Core.begin_snapshot`.
Everything derived (compiled rules, quiet bands, timer heap) is rebuilt when a snapshot is loaded.

`SCHEMA` grows when a field is added or changes meaning; fields are only ever appended, with a default, so that an older
snapshot still loads. Silence times (`alive_s`) are on the silence clock of a source, which stands still while that
source is down (semantics E5).
"""

from __future__ import annotations

from typing import Any

import msgspec

from devices.hours import HourState
from devices.qc.judge import SeriesState
from devices.qc.message_tests import MessageTestsState
from devices.timing import DeviceClock
from rules.columns import Numbers, numbers
from rules.transitions import RuleState
from rules.windows import WindowState

SCHEMA = 4


class SilenceClock(msgspec.Struct, array_like=True):
    """A clock that runs only while its source is up. Wall time minus the time it was down, in ms."""

    paused_ms: int = 0
    paused_since: int | None = 0
    """Wall time since when it stands still; None while it runs."""

    def now(self, wall_ms: int) -> int:
        """The silence clock's time at this wall time."""
        return (wall_ms if self.paused_since is None else self.paused_since) - self.paused_ms

    def pause(self, wall_ms: int) -> None:
        """The source went down."""
        if self.paused_since is None:
            self.paused_since = wall_ms

    def resume(self, wall_ms: int) -> None:
        """The source is up again."""
        if self.paused_since is not None:
            self.paused_ms += wall_ms - self.paused_since
            self.paused_since = None


class Counts(msgspec.Struct, array_like=True):
    """Messages by current disposition (semantics B4)."""

    stored: int = 0
    rejected: int = 0
    duplicate: int = 0
    shed: int = 0

    @property
    def received(self) -> int:
        """The accounting identity: every message is one of the four."""
        return self.stored + self.rejected + self.duplicate + self.shed


class DeviceState(msgspec.Struct, array_like=True):
    """One registered device."""

    id: str
    clock: DeviceClock
    counts: Counts
    alive_s: int = 0
    """Silence-clock time of its last stored message, or of its registration."""
    source: str = ""
    """The source whose silence clock `alive_s` is on; empty: no message yet and not bound to one."""
    spoke: bool = False
    silent_since: int | None = None
    """Event time at which its open `device-silent` episode began."""
    fault_since: int | None = None
    """Event time at which its open `clock-fault` episode began."""
    recent: bytes = b""
    """Device time, topic digest, payload digest of the last 16 messages with device time, 24 bytes each (semantics B1b)."""
    newest_ms: int = -1
    """The largest device time seen."""
    last_ms: int | None = None
    """Event time of the newest stored message."""
    revisions: int = 0
    refused_values: int = 0
    values: int = 0
    marks: dict[str, tuple[int, float]] = {}
    """Parameter → (event time, total or rate) of the last message: what running totals grow from (semantics C7)."""
    series: dict[str, SeriesState] = {}
    """Parameter → what its quality tests remember."""
    hours: dict[str, HourState] = {}
    """Parameter → its open hour, the closed ones that may still be revised, and its hourly means."""
    hours_at: str = ""
    """The station whose hours these are."""
    event_since: int | None = None
    """Event time at which its open `possible-event` episode began …"""
    event_parameter: str = ""
    """… and of which parameter."""
    in_area: bool = False
    """It is overdue, and its area has the alarm, or may have it soon: it has none of its own."""
    tests: MessageTestsState | None = None
    """What tests of its messages as a whole remember, where somebody asked for them."""


class FormatState(msgspec.Struct, array_like=True):
    """What a format carries from message to message of one speaker (Sparkplug: aliases and sequence of an edge node)."""

    id: str
    """`<source>/<the format's own key>`."""
    used_ms: int = 0
    """Receipt of the last message that used it: the least recently used is forgotten first."""
    data: dict[str, Any] = {}


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the usable readings of one message have in common: kept once for all its parameters."""

    last_ms: int
    """Event time, as rules see it."""
    interval_ms: int
    alive_s: int
    source: str
    device: str


class Shown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest reading of a parameter, whatever its flag: what people see."""

    time_ms: int
    value: float | None
    flag: int
    device: str


class ParameterState(msgspec.Struct, array_like=True, gc=False):
    """One parameter at one station: the held value for rules, and the newest one for people."""

    held: Held | None = None
    """Of the last usable reading that rules saw; None before the first."""
    value: float = 0.0
    """The held value."""
    flag: int = 0
    other: Shown | None = None
    """What people see when it is not the held value; None when it is."""
    recent: Numbers = msgspec.field(default_factory=numbers)
    """Time, value, time, value …: what a late reading is put among (`rules.late`). Empty if no rule touches it."""

    @property
    def last_ms(self) -> int | None:
        """Event time of the held value."""
        return None if self.held is None else self.held.last_ms

    @property
    def device(self) -> str:
        """The device that said the held value."""
        return "" if self.held is None else self.held.device

    @property
    def shown(self) -> Shown | None:
        """The newest reading of any flag; None if there was none yet."""
        if self.other is not None or self.held is None:
            return self.other
        return Shown(self.held.last_ms, self.value, self.flag, self.held.device)


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An episode that is over, kept while a late reading may still make it come out again."""

    rule: str
    started_ms: int
    ended_ms: int


class FlapState(msgspec.Struct, array_like=True):
    """How often a rule went on and off lately."""

    times: list[int] = []
    """Receipt of each flip within the rule's `flapping.within`."""
    since: int | None = None
    """It flaps since then: nobody is told further until it calms."""
    started_ms: int = 0
    """The episode of the last flip."""
    severity: int = 0


class StationState(msgspec.Struct, array_like=True):
    """One station."""

    id: str
    parameters: dict[str, ParameterState] = {}
    rules: dict[str, RuleState] = {}
    """Only those of parameters at which something is pending or open: a rule at rest has no state."""
    watermark_ms: int = 0
    """The largest event time seen, capped at receipt (semantics C3)."""
    caught_up: bool = True
    """The last reading described (almost) now: event time >= received - 2 intervals (semantics E4)."""
    late_ms: int = 0
    """Receipt of the last late reading."""
    never_since: int | None = None
    """Event time at which its open `never-spoke` episode began."""
    alert_ms: int = 0
    """Event time of the last transition, and the time of the history line that it got."""
    alert_line_ms: int = 0
    first_hour: int = -(1 << 62)
    """The first hour that is not over (its number, see `devices.hours`); the least number: nothing was measured yet."""
    hour_end_ms: int = 0
    """The end of that hour."""
    revised_hours: list[int] = []
    """Closed hours that must be written again."""
    settle_ms: int | None = None
    """When they will be (receipt)."""
    windows: dict[str, WindowState] = {}
    """Parameter, length and quality → the window that some rule looks at."""
    ended: list[Ended] = []
    flaps: dict[str, FlapState] = {}
    """Rule → how often it flipped, for rules that fired here within their `flapping.within`."""


class Silenced(msgspec.Struct, array_like=True, frozen=True):
    """People are told nothing of this episode, unless it becomes worse."""

    until_ms: int
    severity: str
    """That of the episode when it was silenced."""


class GroupState(msgspec.Struct, array_like=True):
    """The episode of a rule with `group`: of an area, or of all stations."""

    members: dict[str, int] = {}
    """Station → severity of its own part, of those where a level is on."""
    started: int | None = None
    severity: int = -1
    unknown: bool = False
    announced: bool = False
    told_severity: int = -1


class Globals(msgspec.Struct):
    """What belongs to no unit."""

    last_received_ms: int = 0
    config: str = ""
    """Digest of the configuration in force."""
    sources: dict[str, SilenceClock] = {}
    unknown: Counts = msgspec.field(default_factory=Counts)
    """Messages of unregistered or unnamed devices, and shed ones: `?` in the accounting."""
    retired: Counts = msgspec.field(default_factory=Counts)
    """Counts of devices that were removed from the registry."""
    rejected: dict[str, int] = {}
    revisions: int = 0
    readings: int = 0
    refused_values: int = 0
    clock_jumps: int = 0
    starts: int = 0
    version: str = ""
    """Of the code that started last."""
    groups: dict[str, GroupState] = {}
    """`<rule>/<group key>` → episode, for rules with `group`."""
    areas: dict[str, int] = {}
    """Area → event time at which its open `area-silent` episode began."""
    lost: dict[str, int] = {}
    """Source → event time at which its open `broker-lost` episode began."""
    started_ms: int = 0
    """When the process started last."""
    backlog: dict[str, int] = {}
    """Lane → when its open `gateway-backlog` episode began."""
    silenced: dict[str, Silenced] = {}
    """Open episodes that an operator has silenced."""
    told: dict[str, list[int]] = {}
    """Rule → when receivers were told of new alerts, for rules with `rate`."""
    flaps: dict[str, FlapState] = {}
    """`<rule>/<group key>` → how often the group's episode began or ended lately."""
