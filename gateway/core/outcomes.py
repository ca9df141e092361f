"""What one `Core.step` brings about: the values that the ledger commits with the inputs, in one transaction.

Nothing here is visible to lanes, API, event stream or broker before that commit (semantics A3).
"""

from __future__ import annotations

import msgspec

from devices.reading import Line


class Rejected(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Message number `index` of the step's inputs was rejected; the ledger keeps its raw bytes."""

    index: int
    received_ms: int
    source: str
    topic: str
    payload: bytes
    qos: int
    retain: bool
    device: str
    """Registered device id, the id the message claims, or "?" when it names none."""
    reason: str
    detail: str


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an episode (an alert's life), with the reason and the value that caused it.

    `episode` is `<rule>/<group>/<start ms>`: semantics E3. `state` is the state entered: pending is not
    recorded; firing, unknown, resolved are. `event_ms` is when it happened at the station, `processed_ms` the
    `received_ms` of the input by which the gateway noticed.
    """

    episode: str
    rule: str
    kind: str
    """`threshold`, or a built-in: `device-silent`, `never-spoke`, `clock-fault`."""
    severity: str
    """`info`, `warning` or `critical`."""
    state: str
    """`firing`, `unknown` or `resolved`."""
    reason: str
    """`condition`, `cleared`, `data-stopped`, `data-doubted`, `data-returned`, `spoke`, `rule-changed`, `decommissioned`, …"""
    station: str
    device: str
    area: str
    parameter: str
    value: float | None
    flag: int | None
    unit: str
    limit: float | None
    started_ms: int
    event_ms: int
    processed_ms: int
    late: bool = False
    """The episode was already over when the gateway learnt of it: recorded, nobody told (invariant 8)."""
    names: dict[str, str] = {}
    """The rule's name per language (`vi`, `en`), as configured when the transition happened."""
    advice: dict[str, str] = {}
    mode: str = "live"
    """`live`, or `exercise`: every message about it is marked as a drill."""
    operator: str = ""
    """Who acknowledged, silenced or closed it (reasons `acknowledged`, `silenced`, `closed-by-operator`): a mark, not a state."""
    comment: str = ""
    values: dict[str, float | bool | str | None] = {}
    """Why: each operand of the condition as it is written → its value at `event_ms`."""
    members: tuple[str, ...] = ()
    """The stations that are part of it, for a rule with `group`."""
    until_ms: int | None = None
    """Of `silenced`: until when."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """The duty to tell every matching receiver about an episode's state (semantics F1)."""

    due_ms: int
    transition: Transition
    quiet: bool = False
    """For receivers that hold a state (MQTT topic, webhook): bring it up to date. People are not told again (E3)."""
    peak: str = ""
    """The worst severity of the episode so far, if worse than now: whoever was told then is told how it ends."""


class Outcomes(msgspec.Struct, kw_only=True):
    """Everything one step brought about. Lists are in input order."""

    lines: list[Line] = []
    """Stored readings, for history lanes. Written again for the same key they replace (revision)."""
    archive: list[Line] = []
    """The same of an import: for the histories only, and no news to anybody who watches (`inputs.Imported`)."""
    rejections: list[Rejected] = []
    transitions: list[Transition] = []
    intents: list[Intent] = []
    replayed: list[int] = []
    """Ids of rejection rows that are now stored (the ledger removes them from the open rejections)."""
    journal: list[int] = []
    """Indices of the inputs that must be journalled (all but ticks that did nothing)."""
    stopped: list[tuple[int, str, str | None]] = []
    """(index, detail, device) of messages whose codec was stopped by a limit: journalled with them (semantics A2)."""
    received: int = 0
    stored: int = 0
    """Messages now stored, replayed ones included (those were received before)."""
    duplicate: int = 0
    shed: int = 0
    revisions: int = 0
