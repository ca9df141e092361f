"""The live event stream: readings and alerts as they are committed, for whoever listens.

    pipeline ── publish([lines, transitions]) ──▶ EventHub ──▶ EventStream (bounded) ──▶ one client
                                                         └──▶ EventStream (bounded) ──▶ another

Publishing never waits. A client whose buffer is still full when more comes is disconnected and counted (invariant 6):
it sees a closed connection, connects again, and fetches what it missed from `/api/v1/readings`.
Used from the event loop only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson

from devices.reading import Line
from devices.times import iso
from gateway.core.outcomes import Transition
from gateway.errors import EnvgwError


class TooManyClients(EnvgwError):
    """The limit of event stream clients is reached."""


class _Event(NamedTuple):
    station: str
    kind: str
    frame: bytes


class EventHub:
    """Hands what was committed to every stream. `units` are the canonical units by parameter."""

    def __init__(self, *, buffer: int = 1000, max_clients: int = 100, units: Mapping[str, str] | None = None, start_ms: int = 0) -> None:
        self.disconnected = 0
        """Clients thrown out so far because they were too slow."""
        self._buffer = buffer
        self._max_clients = max_clients
        self._units = units or {}
        self._streams: set[EventStream] = set()
        self._epoch = start_ms
        self._count = 0

    @property
    def clients(self) -> int:
        """How many listen now."""
        return len(self._streams)

    def subscribe(self, *, station: str | None = None, kind: str | None = None) -> EventStream:
        """A new stream, optionally of one station or one kind (`reading`, `alert`). Raises TooManyClients."""
        if len(self._streams) >= self._max_clients:
            raise TooManyClients(f"{self._max_clients} clients listen to the event stream already; close one of them")
        stream = EventStream(self._streams.discard, station, kind)
        self._streams.add(stream)
        return stream

    def publish(self, items: Sequence[Line | Transition]) -> None:
        """Tell everybody. Costs next to nothing when nobody listens; call it after the commit, once a batch."""
        if not self._streams or not items:
            return
        events = [self._event(item) for item in items]
        everything = b"".join([event.frame for event in events])
        for stream in list(self._streams):
            # Compared before this batch is added: one large batch after a pause must not throw a fast reader out.
            # So a stream holds at most the buffer and one batch.
            if stream.waiting >= self._buffer:
                self.disconnected += 1
                stream.overflow()
                continue
            stream.offer(events, everything)

    def close(self) -> None:
        """End all streams; idempotent."""
        for stream in list(self._streams):
            stream.close()

    def _event(self, item: Line | Transition) -> _Event:
        self._count += 1
        kind, data = ("reading", self._line(item)) if isinstance(item, Line) else ("alert", _transition(item))
        frame = b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (self._epoch, self._count, kind.encode(), orjson.dumps(data))
        return _Event(item.station, kind, frame)

    def _line(self, line: Line) -> dict[str, object]:
        units = self._units
        return {
            "time": iso(line.time_ms),
            "station": line.station,
            "device": line.device,
            "area": line.area,
            "medium": line.medium,
            "readings": [
                {"parameter": v.parameter, "value": v.value, "unit": units.get(v.parameter, ""), "flag": v.flag} for v in line.values
            ],
        }


class EventStream:
    """One client's queue of server-sent event frames."""

    def __init__(self, forget: Callable[[EventStream], None], station: str | None, kind: str | None) -> None:
        self.waiting = 0
        """Events that wait to be fetched."""
        self.on_overflow: Callable[[], None] | None = None
        """Called when the client is thrown out: whoever writes to it may be stuck in that write and must be told."""
        self._forget = forget
        self._station = station
        self._kind = kind
        self._frames: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def offer(self, events: Sequence[_Event], everything: bytes) -> None:
        """Queue those events that this stream asked for (`everything` are all their frames joined)."""
        station, kind = self._station, self._kind
        count, frames = len(events), everything
        if station is not None or kind is not None:
            fitting = [event.frame for event in events if station in (None, event.station) and kind in (None, event.kind)]
            if not fitting:
                return
            count, frames = len(fitting), b"".join(fitting)
        self.waiting += count
        self._frames.append(frames)
        self._wake.set()

    async def fetch(self, timeout_s: float) -> bytes | None:
        """All frames that wait; empty if there was none within `timeout_s`; None when the stream is over."""
        if not self._frames and not self._closed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        self._wake.clear()
        if self._closed:
            return None
        frames = b"".join(self._frames)
        self._frames.clear()
        self.waiting = 0
        return frames

    def overflow(self) -> None:
        """The client is too slow: give up what waits for it and end."""
        self.close()
        if self.on_overflow is not None:
            self.on_overflow()

    def close(self) -> None:
        """End the stream; idempotent."""
        self._closed = True
        self._frames.clear()
        self._forget(self)
        self._wake.set()


def _transition(transition: Transition) -> dict[str, object]:
    return {
        "episode": transition.episode,
        "rule": transition.rule,
        "kind": transition.kind,
        "severity": transition.severity,
        "state": transition.state,
        "reason": transition.reason,
        "station": transition.station,
        "device": transition.device,
        "area": transition.area,
        "parameter": transition.parameter,
        "value": transition.value,
        "flag": transition.flag,
        "unit": transition.unit,
        "limit": transition.limit,
        "since": iso(transition.started_ms),
        "time": iso(transition.event_ms),
        "late": transition.late,
        "mode": transition.mode,
        "names": transition.names,
        "values": transition.values,
        "members": list(transition.members),
    }
