"""Shapes of what the API takes and gives, for the OpenAPI document. Answers are not validated again on their way out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Time = str
Colour = Literal["green", "yellow", "red"]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="`about:blank`: the status says it all.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong, and what to do.")


class HealthPart(BaseModel):
    """One part of the gateway."""

    name: str = Field(description="`ledger`, `disk`, `core`, `source <name>`, `history <name>`, `receiver <name>`.")
    colour: Colour
    reason: str = Field(description="What is wrong, where, and what to do; empty when green.")


class Readiness(BaseModel):
    """Whether the gateway does its duty."""

    health: Colour = Field(description="The worst part's colour.")
    ready: bool = Field(description="False when red.")
    parts: list[HealthPart] = Field(description="What is wrong comes first.")


class OpenAlerts(BaseModel):
    """How many alerts are open."""

    firing: int = Field(description="Open alerts, those whose data stopped included.")
    unknown: int = Field(description="Of these: data stopped, last known firing.")


class Status(BaseModel):
    """The accounting: `received = stored + sum(rejected) + duplicate + shed`."""

    received: int = Field(description="Messages taken in.")
    stored: int = Field(description="Messages with at least one reading stored.")
    rejected: dict[str, int] = Field(description="Messages rejected and not yet replayed, by reason.")
    duplicate: int = Field(description="Messages that were there already.")
    shed: int = Field(description="QoS 0 messages dropped at the inbox limit.")
    pending: dict[str, int] = Field(description="What waits, by lane (history or receiver).")
    alerts: OpenAlerts
    health: Colour
    time: Time | None = Field(None, description="The gateway's time, which `-24h` and `now` are relative to (the demo's runs faster).")


class Latest(BaseModel):
    """The newest reading of a parameter at a station."""

    parameter: str
    value: float | None = Field(description="In the canonical unit; null when missing.")
    unit: str = Field(description="UCUM code.")
    flag: int = Field(description="QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing.")
    time: Time = Field(description="When it was measured.")
    device: str


class DeviceHealth(BaseModel):
    """What is known of a device's messages and clock."""

    id: str
    received: int = Field(description="Messages, duplicates included.")
    stored: int
    rejected: int
    duplicate: int
    last: Time | None = Field(description="Time of its newest reading.")
    clock_offset_s: float | None = Field(
        description="Receipt minus device time of the last message with a time: its clock's skew and the way here. Null: none yet."
    )
    clock_fault: bool = Field(description="Its clock is off by a constant: readings are stamped by receipt.")
    times_refused: int = Field(description="Messages whose time lay outside `time.accept_ahead`, `time.accept_past`.")


class Station(BaseModel):
    """A place where something is measured."""

    id: str
    names: dict[str, str] = Field(description="Name by language (`vi`, `en`).")
    area: str
    latitude: float | None
    longitude: float | None
    media: list[str] = Field(description="`air`, `water`.")
    devices: list[str]
    device_health: list[DeviceHealth]
    latest: list[Latest]


class Reading(BaseModel):
    """One line of the answer (JSON Lines) or one row (CSV)."""

    time: Time
    station: str
    device: str
    area: str
    medium: str
    parameter: str
    value: float | None
    unit: str
    flag: int
    category: str | None = Field(None, description="Of an index: id of its category.")
    dominant: str | None = Field(None, description="Of an index: the parameter that decides.")
    why: str | None = Field(None, description="Of an index without a value: the reason.")
    min: float | None = Field(None, description="Of a summary: least usable reading.")
    max: float | None = Field(None, description="Of a summary: largest usable reading.")
    count: int | None = Field(None, description="Of a summary: usable readings.")
    complete: float | None = Field(None, description="Of a summary: share of the readings that should be there, 0 to 1.")
    worst: int | None = Field(None, description="Of a summary: worst flag of all its readings.")
    final: bool | None = Field(None, description="Of a summary or an index: nothing will revise it any more.")


class ImportGroup(BaseModel):
    """Old readings of one device at one station."""

    model_config = ConfigDict(extra="forbid")

    station: str = Field(description="Id of a registered station; the area is the one that was valid at the reading's time.")
    device: str = Field(description="Who measured; need not be registered.")
    rows: list[tuple[int, dict[str, tuple[float | None, int]]]] = Field(
        description="[time in ms since the epoch, {parameter: [value in the canonical unit or null, flag]}] each."
    )


class ImportRequest(BaseModel):
    """A part of an archive."""

    model_config = ConfigDict(extra="forbid")

    origin: str = Field(max_length=200, description="Where it comes from: a file's name, for the journal.")
    groups: list[ImportGroup]


class ImportResult(BaseModel):
    """What was committed."""

    lines: int = Field(description="Points: readings of one device, medium and time.")
    values: int


class Alert(BaseModel):
    """An episode: one alert from its beginning to its end."""

    episode: str = Field(description="Identity: rule/group/start.")
    rule: str
    kind: str
    severity: Literal["info", "warning", "critical"]
    state: Literal["firing", "unknown", "resolved"] = Field(description="unknown: data stopped, last known firing.")
    reason: str
    station: str
    device: str
    area: str
    parameter: str
    value: float | None
    unit: str
    limit: float | None
    since: Time = Field(description="When it began.")
    time: Time = Field(description="When it last changed.")
    late: bool = Field(description="It was over before the gateway learnt of it; nobody was told.")
    mode: str
    names: dict[str, str]
    members: list[str] = Field([], description="Stations (of `area-silent`: devices) that are part of it, for rules with `group`.")
    acknowledged_by: str | None
    acknowledged_at: Time | None
    silenced_by: str | None
    silenced_until: Time | None = Field(description="People are told nothing of it until then, unless it becomes worse. It may be over.")


class Transition(BaseModel):
    """One change of an alert."""

    state: str
    reason: str
    value: float | None
    flag: int | None
    time: Time = Field(description="When it happened at the station.")
    noticed: Time = Field(description="When the gateway learnt of it.")
    values: dict[str, float | bool | str | None] = Field({}, description="Why: each operand of the condition, as it is written.")


class AlertHistory(Alert):
    """An alert with everything that happened to it."""

    transitions: list[Transition]


class Acknowledgement(BaseModel):
    """Somebody takes care."""

    model_config = ConfigDict(extra="forbid")

    operator: str = Field(min_length=1, max_length=100, description="Who.")
    comment: str = Field("", max_length=2000, description="What is being done.")


class Silencing(BaseModel):
    """People are to be told nothing of this alert for a while."""

    model_config = ConfigDict(extra="forbid")

    operator: str = Field(min_length=1, max_length=100, description="Who.")
    for_s: float = Field(ge=0, le=30 * 86_400, description="For how long from now, in seconds; 0 lifts an earlier silence.")
    comment: str = Field("", max_length=2000, description="Why.")


class Rejection(BaseModel):
    """A message that was not taken in."""

    id: int
    time: Time = Field(description="When it arrived.")
    source: str
    topic: str
    device: str = Field(description="Who spoke, as far as known; `?` if not.")
    reason: str
    detail: str
    payload: str = Field(description="The bytes, base64.")


class ExplainedPart(BaseModel):
    """A part of a condition as it is at one instant."""

    text: str = Field(description="As it is written.")
    value: float | bool | str | None = Field(description="null is unknown.")
    unit: str = Field(description="As people write it; `ms` for durations and times of day.")
    kind: str = Field(description="number, condition, text, flag, time or weekday.")
    station: str | None = Field(None, description="Whose it is, for a part across stations.")
    parts: list[ExplainedPart] = Field(description="What it is made of, constants left out.")


class ExplainedLevel(BaseModel):
    """One severity of a rule at a station."""

    severity: str
    state: str = Field(description="off, pending, paused or on.")
    when: ExplainedPart
    clear: ExplainedPart | None = Field(description="null: `not when`.")
    for_s: float = Field(description="How long it must hold.")
    true_since: str | None
    fires_at: str | None = Field(description="Event time at which its timer is due.")
    left_s: float | None
    samples: int = Field(description="True readings in a row so far.")
    confirm: int = Field(description="True readings in a row that it needs when it has no `for`.")
    reset_at: str | None = Field(description="When a timer that stands still is reset.")


class ExplainedParameter(BaseModel):
    """What a station holds of one parameter."""

    parameter: str
    value: float | None = Field(description="The held value; null is unknown.")
    unit: str
    flag: int | None = Field(description="Of the newest reading.")
    newest: str | None = Field(description="Time of the newest reading.")
    usable: str | None = Field(description="Time of the newest usable one.")
    held_until: str | None = Field(description="When it runs out.")


class RuleExplained(BaseModel):
    """What a rule sees at a station now."""

    rule: str
    station: str
    time: str = Field(description="The instant, event time.")
    watches: bool = Field(description="Whether the rule applies to the station.")
    mode: str
    quality: str
    state: str = Field(description="at rest, pending, firing or unknown.")
    severity: str | None
    since: str | None
    episode: str | None
    caught_up: bool = Field(description="Whether the station's readings are those of now.")
    silence_after_s: float = Field(description="How long it may be unknown, once held values ran out.")
    levels: list[ExplainedLevel]
    parameters: list[ExplainedParameter]
    why: list[str] = Field(description="Sentences: what it waits for.")


class FilledWindow(BaseModel):
    """A window that the changed rules need anew, and how much of it the journal could fill."""

    window: str = Field(description="Parameter and length in ms; `/any` if readings of every flag are in it.")
    stations: int
    length_s: float
    covered_s: float


class Reloaded(BaseModel):
    """What came of reading stations, types and rules again."""

    changed: bool = Field(description="Another configuration is in force now.")
    problems: list[str] = Field(description="What is wrong in the files, each with its line. Then nothing has changed.")
    digest: str = Field(description="Of the configuration in force.")
    windows: list[FilledWindow]


class ReplayRequest(BaseModel):
    """Which rejected messages to take in again."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, description="Only those rejected for this reason.")
    device: str | None = Field(None, description="Only those of this device.")
    limit: int = Field(10_000, ge=1, le=1_000_000, description="At most so many, oldest first.")


class ReplayResult(BaseModel):
    """What came of it."""

    replayed: int = Field(description="Messages now stored.")
    rejected: int = Field(description="Messages rejected again.")
    left: int = Field(description="Matching messages not tried because of the limit.")


class ReinterpretRequest(BaseModel):
    """Whose messages are to be read again."""

    model_config = ConfigDict(extra="forbid")

    station: str = Field(max_length=200, description="Station id.")
    since: str = Field(max_length=50, description="ISO 8601 with zone, or relative such as `-24h`. Exclusive.")
    until: str = Field("now", max_length=50, description="The same, inclusive.")
    apply: bool = Field(False, description="Write what differs. False: only say what would be written.")


class RebuildRequest(BaseModel):
    """Whose summaries are to be made again."""

    model_config = ConfigDict(extra="forbid")

    station: str = Field(max_length=200, description="Station id.")
    since: str = Field(max_length=50, description="ISO 8601 with zone, or relative such as `-24h`. The whole day that it is in is made.")
    until: str = Field("now", max_length=50, description="The same; of today the hours that are final are made.")


class Rebuilt(BaseModel):
    """What was made again: 31 days at most."""

    station: str
    since: Time = Field(description="The start of the first hour made.")
    until: Time = Field(description="The end of the last one.")
    hours: int
    lines: int = Field(description="On their way to the histories.")
    next: Time | None = Field(description="Where to go on with `since`; null when everything was made.")


class ParameterChange(BaseModel):
    """What becomes of one parameter. Numbers of readings; means in its canonical unit."""

    parameter: str
    unit: str
    readings: int = Field(description="Compared.")
    changed: int = Field(description="With another value.")
    reflagged: int = Field(description="With the same value and another flag.")
    added: int = Field(description="That were not there.")
    withdrawn: int = Field(description="That would not be there: they keep their value and get flag 4.")
    mean_before: float | None = Field(description="Of those changed.")
    mean_after: float | None
    mean_shift: float | None
    first: Time | None = Field(description="Of what differs.")
    last: Time | None


class Reinterpretation(BaseModel):
    """What a station's messages are read as today, where that differs from what was stored."""

    station: str
    since: Time
    until: Time
    messages: int = Field(description="Stored messages that were read again.")
    left_rejected: int = Field(description="Rejected messages that could be read now: `POST /api/v1/replay` takes them in.")
    lines: int = Field(description="Lines that differ.")
    written: bool = Field(description="They are on their way to the histories.")
    parameters: list[ParameterChange]
