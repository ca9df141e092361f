"""The inputs of the core, which are also the records of the journal (semantics A1).

Everything that can change the core's state is one of these. They are plain values: encoded with msgpack into
the ledger in the order in which they were taken in, and fed to `Core.step` again after a crash.
Times are milliseconds since the Unix epoch, UTC. `received_ms` never decreases along the journal, except across
a `ClockJump`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from devices.reading import Line
from gateway.core.outcomes import Transition


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="m"):
    """One MQTT PUBLISH as received.

    `source` is the broker's name in the configuration. `redelivered` is the shell's finding (looked up in the
    journal of the last 2 h, only when DUP=1) that exactly this message is there already (semantics B1a).
    `packet_id` is None for QoS 0.
    """

    received_ms: int
    source: str
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    redelivered: bool = False
    stopped: tuple[str, str | None] | None = None
    """(detail, device) if a codec was stopped by its time or memory limit on this message: that is not repeatable, so the
    outcome is journalled with the message, and recovery takes it from here (semantics A2)."""


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="t"):
    """The clock says `now_ms`. Journalled only if it did something."""

    now_ms: int


class Start(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="s"):
    """A process started (semantics A6). All sources count as down until a `Link` says otherwise."""

    now_ms: int
    version: str


class Adopt(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="u"):
    """After an upgrade: the episodes that the ledger has open (each by its last transition). Its outcomes win (A5)."""

    now_ms: int
    open: tuple[Transition, ...]


class Config(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="c"):
    """What the core is configured with from here on: types, registry, rules, time limits (no secrets).

    `text` is canonical JSON (see `gateway.core.CoreConfig`), `digest` its xxh3-128 hex digest.
    """

    now_ms: int
    digest: str
    text: str
    windows: tuple[tuple[str, str, bytes], ...] = ()
    """(station, window, state) of windows that this configuration needs anew, filled from journal and history (`gateway.hydrate`)."""


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="l"):
    """A source went up (connected *and* its backlog drained) or down. Silence clocks run only while up (E5)."""

    now_ms: int
    source: str
    up: bool


class ClockJump(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="j"):
    """The wall clock was stepped by `delta_ms` against the monotonic clock (> 5 s). `now_ms` is the new time."""

    now_ms: int
    delta_ms: int


class Shed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="h"):
    """`count` QoS 0 messages of `source` were dropped at the inbox limit (semantics B3): counted, nothing kept."""

    now_ms: int
    source: str
    count: int


class Replayed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="r"):
    """A message rejected before, taken in again after a mend (`envgw replay`).

    `rejection` is the ledger's id of the rejection row. The original receipt time is `message.received_ms`; the
    replay happens at `now_ms`. Replay revises history and counts; it never raises an alert (semantics E10).
    """

    now_ms: int
    rejection: int
    reason: str
    device: str
    message: Message


class Reinterpreted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="i"):
    """A part of what `envgw replay --station` found other than the histories have it (semantics E10).

    The lines themselves stand here, so that recovery gives them again whatever the configuration and the journal have
    become meanwhile. They revise the histories; rules, alerts, held values and counts of messages do not see them.
    """

    now_ms: int
    station: str
    lines: tuple[Line, ...]


class Accounting(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="a"):
    """The gateway's own figures, once a minute (`gateway.accounting`): they become lines of medium `gateway`.

    What the shell saw stands here whole, so that recovery gives the same lines again. Of the core's state only `gateway-backlog`, the
    alert about lanes that deliver nothing, sees them.
    """

    now_ms: int
    gateway: str
    """The gateway's id: the tag `station` of its lines."""
    fields: tuple[tuple[str, float], ...]
    """Of the gateway as a whole."""
    pending: tuple[tuple[str, float, float], ...] = ()
    """(lane, what waits for it: lines of a history or notifications of a receiver, for how long the oldest has waited in seconds)."""


class Imported(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p"):
    """A part of an archive that `envgw import` brings in as history only: it moves nothing of the core's state, not even its clock.

    The ledger keeps `lines` until every history has them, and journals only `count`: no later core could say more of them.
    """

    now_ms: int
    origin: str
    """Where it came from: a file's name, for whoever reads the journal."""
    count: int
    lines: tuple[Line, ...] = ()


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="o"):
    """An operator's command. It is answered only after its commit."""

    now_ms: int
    action: Literal["acknowledge", "close", "silence"]
    episode: str
    operator: str
    comment: str = ""
    until_ms: int = 0
    """Of `silence`: until when people are told nothing of the episode."""

    @property
    def mark(self) -> str:
        """The reason of the transition that records it: a mark beside the state, not a state."""
        return "silenced" if self.action == "silence" else "acknowledged"


Input: TypeAlias = (
    Message | Tick | Start | Adopt | Config | Link | ClockJump | Shed | Replayed | Reinterpreted | Imported | Accounting | Command
)


def received(item: Input) -> int:
    """The instant at which an input was taken in, in ms since the epoch (for a replay: when it was replayed)."""
    return item.received_ms if isinstance(item, Message) else item.now_ms
