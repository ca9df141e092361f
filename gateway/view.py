"""What the API shows of the running gateway: implements `gateway.api.view.GatewayView` over core, ledger and histories."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from devices.times import iso
from devices.timing import DeviceClock
from gateway import rebuild, reinterpret
from gateway.api.events import EventStream
from gateway.api.view import AlertState, Conflict, Document, EventKind, NotFound
from gateway.committed import Shown
from gateway.core.inputs import Command, Imported, Message, Reinterpreted, Replayed
from gateway.core.outcomes import Outcomes, Transition
from gateway.errors import Retryable
from gateway.explaining import NothingToExplain, explained
from gateway.health import HealthPart
from gateway.history.base import Resolution, StoredReading
from gateway.imports.rows import MOST_WAITING, Part, lines_of
from gateway.ledger import Episode, Ledger, StoredRejection

if TYPE_CHECKING:
    from gateway.app import Gateway

REPLAY_AT_ONCE = 500
"""Rejections submitted before they are waited for."""
CAUGHT_UP_S = 30.0
"""How long a rebuild waits for its history to have everything that was committed (real seconds)."""
_LOOK_S = 0.1


class View:
    """See `GatewayView` for what each method promises."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._replaying = asyncio.Lock()
        """One replay at a time: two that pick the same rejection would count it twice."""

    def now_ms(self) -> int:
        return self._gateway.inbox.now_ms()

    def unit(self, parameter: str) -> str:
        return self._gateway.core.unit(parameter)

    def health_parts(self) -> Sequence[HealthPart]:
        return self._gateway.standing.parts()

    def metrics_text(self) -> bytes:
        return self._gateway.metrics_text()

    async def status(self) -> Document:
        return {**await self._gateway.standing.status(), "time": iso(self.now_ms())}

    # ------------------------------------------------------------------ stations and readings

    async def stations(self) -> list[Document]:
        registry = self._gateway.core.interpreter.registry
        newest = await self._gateway.shown.newest()
        return [self._station(name, newest.get(name, ())) for name in sorted(registry.stations)]

    async def station(self, station: str) -> Document:
        if station not in self._gateway.core.interpreter.registry.stations:
            raise NotFound(f"no station {station!r} in the registry")
        newest = await self._gateway.shown.newest()
        return self._station(station, newest.get(station, ()))

    def _station(self, name: str, newest: Sequence[Shown]) -> Document:
        core = self._gateway.core
        entry = core.interpreter.registry.stations[name]
        devices = sorted(core.interpreter.registry.devices_at(name))
        latest = [
            {
                "parameter": shown.parameter,
                "value": shown.value,
                "unit": core.unit(shown.parameter),
                "flag": shown.flag,
                "time": iso(shown.time_ms),
                "device": shown.device,
            }
            for shown in newest
        ]
        return {
            "id": name,
            "names": dict(entry.name),
            "area": entry.area,
            "latitude": entry.lat,
            "longitude": entry.lon,
            "media": [entry.medium],
            "devices": devices,
            "device_health": [self._device(device) for device in devices],
            "latest": latest,
        }

    def _device(self, name: str) -> Document:
        """`models.DeviceHealth`."""
        state = self._gateway.core.devices.get(name)
        if state is None:
            return {"id": name, "received": 0, "stored": 0, "rejected": 0, "duplicate": 0, "last": None, **_clock(None)}
        counts = state.counts
        return {
            "id": name,
            "received": counts.received,
            "stored": counts.stored,
            "rejected": counts.rejected,
            "duplicate": counts.duplicate,
            "last": None if state.last_ms is None else iso(state.last_ms),
            **_clock(state.clock),
        }

    def readings(
        self, *, station: str | None, parameters: Sequence[str] | None, since_ms: int, until_ms: int, resolution: Resolution = "raw"
    ) -> AsyncIterator[StoredReading]:
        if station is not None and station not in self._gateway.core.interpreter.registry.stations:
            raise NotFound(f"no station {station!r} in the registry")
        history = self._gateway.query_history()
        if history is None:
            raise NotFound("no history that can be asked is configured (`history:`)")
        return history.query(station=station, parameters=parameters, since_ms=since_ms, until_ms=until_ms, resolution=resolution)

    # ------------------------------------------------------------------ alerts

    async def alerts(self, *, state: AlertState, station: str | None, since_ms: int | None, limit: int) -> list[Document]:
        wanted = None if state == "all" else state
        found = await self._gateway.ledger.read(lambda ledger: ledger.episodes(wanted, since_ms, limit if station is None else 10_000))
        return [alert(episode) for episode in found if station in (None, episode.latest.station)][:limit]

    async def alert(self, episode: str) -> Document:
        found = await self._gateway.ledger.read(lambda ledger: ledger.episode(episode))
        if found is None:
            raise NotFound(f"no alert {episode!r}")
        return {**alert(found), "transitions": [transition(item) for item in found.history]}

    async def command(
        self, *, action: Literal["acknowledge", "silence"], episode: str, operator: str, comment: str, for_s: float = 0.0
    ) -> Document:
        found = await self._gateway.ledger.read(lambda ledger: ledger.episode(episode))
        if found is None:
            raise NotFound(f"no alert {episode!r}")
        inbox = self._gateway.inbox
        now_ms = inbox.now_ms()
        done = inbox.submit(Command(now_ms, action, episode, operator, comment, now_ms + round(for_s * 1000) if action == "silence" else 0))
        outcomes = await done
        assert isinstance(outcomes, Outcomes)
        if not any(item.episode == episode and item.operator == operator for item in outcomes.transitions):
            raise Conflict(f"alert {episode!r} is not open any more")
        return await self.alert(episode)

    # ------------------------------------------------------------------ rejections

    async def explain(self, *, rule: str, station: str) -> Document:
        try:
            return explained(self._gateway.core, rule, station, self.now_ms())
        except NothingToExplain as error:
            raise NotFound(str(error)) from None

    async def rejections(self, *, reason: str | None, device: str | None, since_ms: int | None, limit: int) -> list[Document]:
        found = await self._gateway.ledger.read(lambda ledger: deque(ledger.rejections(reason, device, since_ms, None), maxlen=limit))
        return [rejection(item) for item in reversed(found)]

    async def replay(self, *, reason: str | None, device: str | None, limit: int) -> Document:
        """Oldest first, in slices: what is stored leaves the list, what is refused again stays on it."""
        async with self._replaying:
            return await self._replay(reason, device, limit)

    async def _replay(self, reason: str | None, device: str | None, limit: int) -> Document:
        def matching(ledger: Ledger) -> list[int]:
            return [item.id for item in ledger.rejections(reason, device, None, None)]

        numbers = await self._gateway.ledger.read(matching)
        inbox = self._gateway.inbox
        stored = 0
        tried = numbers[:limit]
        for start in range(0, len(tried), REPLAY_AT_ONCE):
            part = tried[start : start + REPLAY_AT_ONCE]
            found = await self._gateway.ledger.read(partial(_rejections, part))
            futures = [inbox.submit(_replayed(inbox.now_ms(), item)) for item in found]
            batches: dict[int, Outcomes] = {}
            for future in futures:
                outcomes = await future
                assert isinstance(outcomes, Outcomes)
                batches[id(outcomes)] = outcomes
            stored += sum(len(outcomes.replayed) for outcomes in batches.values())
        return {"replayed": stored, "rejected": len(tried) - stored, "left": len(numbers) - len(tried)}

    async def reinterpret(self, *, station: str, since_ms: int, until_ms: int, apply: bool) -> Document:
        """Read the journal again in a thread of its own: messages go on meanwhile, a little slower."""
        gateway = self._gateway
        if station not in gateway.core.interpreter.registry.stations:
            raise NotFound(f"no station {station!r} in the registry")
        async with self._replaying:
            config = gateway.config.text
            try:
                found = await asyncio.to_thread(reinterpret.plan, gateway.ledger.ledger, config, station, since_ms, until_ms)
            except reinterpret.CannotReinterpret as error:
                raise Conflict(str(error)) from None
            if apply:
                for part in found.inputs(station, gateway.inbox.now_ms()):
                    await gateway.inbox.submit(part)
        changes = [change.document(name, self.unit(name)) for name, change in sorted(found.changes.items())]
        return {
            "station": station,
            "since": iso(since_ms),
            "until": iso(until_ms),
            "messages": found.messages,
            "left_rejected": found.left_rejected,
            "lines": len(found.lines),
            "written": apply,
            "parameters": changes,
        }

    async def rebuild(self, *, station: str, since_ms: int, until_ms: int) -> Document:
        gateway = self._gateway
        core, history = gateway.core, gateway.query_history()
        if station not in core.interpreter.registry.stations:
            raise NotFound(f"no station {station!r} in the registry")
        if history is None:
            raise NotFound("no history that can be asked is configured (`history:`)")
        async with self._replaying:
            await self._caught_up(history.name)
            calendar = core.summing.calendar
            of, more = rebuild.chosen(calendar, since_ms, until_ms, core.summing.settled(station, self.now_ms()))
            lines = 0
            if of.hours:
                work = rebuild.Rebuilding(core.interpreter, station, calendar, of)
                after_ms, upto_ms = rebuild.query_range(calendar, of)
                await work.take_all(history.query(station=station, parameters=None, since_ms=after_ms, until_ms=upto_ms))
                for part in work.lines():
                    lines += len(part)
                    await asyncio.sleep(0)
                    for start in range(0, len(part), reinterpret.LINES_AT_ONCE):
                        some = tuple(part[start : start + reinterpret.LINES_AT_ONCE])
                        await gateway.inbox.submit(Reinterpreted(gateway.inbox.now_ms(), station, some))
        end_ms = calendar.start(of.end) if of.hours else since_ms
        return {
            "station": station,
            "since": iso(calendar.start(of.first)),
            "until": iso(end_ms),
            "hours": of.hours,
            "lines": lines,
            "next": iso(end_ms) if more else None,
        }

    async def _caught_up(self, lane: str) -> None:
        """Wait until the history has what was committed before: what it lacks would be missing in what is made of it."""
        head = (await self._gateway.ledger.lane_state(lane)).head
        for _ in range(round(CAUGHT_UP_S / _LOOK_S)):
            state = await self._gateway.ledger.lane_state(lane)
            if state.cursor >= head or not state.backlog_batches:
                return
            await asyncio.sleep(_LOOK_S)
        raise Conflict(
            f"history {lane!r} lacks {state.backlog_lines} lines that wait for it: try again when `envgw status` shows none pending"
        )

    async def import_part(self, part: Part) -> Document:
        gateway = self._gateway
        for lane in await gateway.ledger.read(lambda ledger: ledger.lane_states()):
            if lane.backlog_lines > MOST_WAITING and not lane.parked:
                waits = f"{lane.backlog_lines} lines wait for history {lane.name!r}: an import goes on when it has them"
                raise Retryable(waits, after_s=1.0)
        core = gateway.core
        lines = lines_of(part, core.interpreter.registry, core.interpreter.catalogue, self.now_ms(), core.window.ahead_ms)
        await gateway.inbox.submit(Imported(gateway.inbox.now_ms(), part.origin, len(lines), tuple(lines)))
        return {"lines": len(lines), "values": sum(len(line.values) for line in lines)}

    async def reload(self) -> Document:
        return await self._gateway.reloader.reload()

    def subscribe(self, *, station: str | None, kind: EventKind | None) -> EventStream:
        return self._gateway.events.subscribe(station=station, kind=kind)


def _clock(clock: DeviceClock | None) -> Document:
    if clock is None:
        return {"clock_offset_s": None, "clock_fault": False, "times_refused": 0}
    offset = None if clock.offset_ms is None else clock.offset_ms / 1000
    return {"clock_offset_s": offset, "clock_fault": clock.fault, "times_refused": clock.refused}


def _rejections(numbers: Sequence[int], ledger: Ledger) -> list[StoredRejection]:
    return [item for item in map(ledger.rejection, numbers) if item is not None]


def _replayed(now_ms: int, item: StoredRejection) -> Replayed:
    message = Message(item.received_ms, item.source, item.topic, item.payload, item.qos, item.retain)
    return Replayed(now_ms, item.id, item.reason, item.device, message)


def alert(episode: Episode) -> Document:
    """`models.Alert` of an episode as the ledger has it."""
    latest = episode.latest
    marks = [item for item in episode.history if item.reason == "acknowledged"]
    mark = marks[-1] if marks else None
    silenced = next((item for item in reversed(episode.history) if item.reason == "silenced"), None)
    return {
        "episode": latest.episode,
        "rule": latest.rule,
        "kind": latest.kind,
        "severity": latest.severity,
        "state": latest.state,
        "reason": latest.reason,
        "station": latest.station,
        "device": latest.device,
        "area": latest.area,
        "parameter": latest.parameter,
        "value": latest.value,
        "unit": latest.unit,
        "limit": latest.limit,
        "since": iso(latest.started_ms),
        "time": iso(latest.event_ms),
        "late": latest.late,
        "mode": latest.mode,
        "names": latest.names,
        "members": list(latest.members),
        "acknowledged_by": mark.operator if mark else None,
        "acknowledged_at": iso(mark.processed_ms) if mark else None,
        "silenced_by": silenced.operator if silenced else None,
        "silenced_until": iso(silenced.until_ms) if silenced and silenced.until_ms is not None else None,
    }


def transition(item: Transition) -> Document:
    """`models.Transition`."""
    return {
        "state": item.state,
        "reason": item.reason,
        "value": item.value,
        "flag": item.flag,
        "time": iso(item.event_ms),
        "noticed": iso(item.processed_ms),
        "values": item.values,
    }


def rejection(item: StoredRejection) -> dict[str, Any]:
    """`models.Rejection`."""
    return {
        "id": item.id,
        "time": iso(item.received_ms),
        "source": item.source,
        "topic": item.topic,
        "device": item.device,
        "reason": item.reason,
        "detail": item.detail,
        "payload": base64.b64encode(item.payload).decode(),
    }
