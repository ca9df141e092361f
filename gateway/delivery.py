"""Lanes: from the ledger to whoever is to have it, each at its own pace (DESIGN section 2).

    ledger ── lines after my cursor ──▶ history.write ──▶ ledger.advance          one HistoryLane a history
    ledger ── intents after my cursor ─▶ receiver.send ──▶ ledger.mark_delivered   one ReceiverLane a receiver

A lane delivers first and moves its cursor after: what dies in between is delivered again, which histories take
without harm (same key, same point) and receivers can recognise (`episode` and state). Each lane runs in a task of its
own, so a dead history cannot delay an alert, and a dead mail server cannot delay a reading.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import structlog

from devices.reading import Line
from gateway.core.outcomes import Intent
from gateway.errors import Permanent, Retryable
from gateway.health import GREEN, RED, YELLOW, HealthPart
from gateway.history.base import History, RefusedLine
from gateway.ledger import AsyncLedger, CommitFailed, LaneState
from gateway.notify.base import Receiver
from gateway.notify.filter import wanted
from gateway.settings import HistorySection, ReceiverSection

log = structlog.get_logger("delivery")

Sleep = Callable[[float], Awaitable[None]]

FIRST_PAUSE_S = 0.5
LONGEST_RETRY_AFTER_S = 300.0
"""A Retry-After is honoured up to here: a mistaken one must not silence a lane for a day."""
LINGER_S = 0.5
"""How long readings gather for one write when a lane is up to date: a request costs the same for 10 lines as for 1,000."""
_INTENTS = 50


class Backoff:
    """Pauses between tries: doubling from `FIRST_PAUSE_S` to `longest_s`, jittered by up to a half downwards."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._tries = 0

    def reset(self) -> None:
        """It worked."""
        self._tries = 0

    def pause(self, after_s: float | None = None) -> float:
        """Seconds until the next try; not less than what the other side asked for (capped)."""
        pause: float = min(self._longest_s, FIRST_PAUSE_S * 2 ** min(self._tries, 20))
        self._tries += 1
        pause *= random.uniform(0.5, 1.0)  # many lanes must not come back in step
        return pause if after_s is None else max(pause, min(after_s, LONGEST_RETRY_AFTER_S))


@dataclass(slots=True)
class LaneHealth:
    """How one history lane is. Counts are since the process started."""

    reason: str = ""
    """Why it is not delivering; empty while it is."""
    red: bool = False
    """Only a person can mend it."""
    parked: bool = False
    backlog_batches: int = 0
    backlog_lines: int = 0
    backlog_bytes: int = 0
    written_lines: int = 0
    refused_lines: int = 0
    retries: int = 0
    last_success_ms: int | None = None


@dataclass(slots=True)
class ReceiverHealth:
    """How one receiver's lane is. Counts are since the process started."""

    reason: str = ""
    red: bool = False
    backlog: int = 0
    sent: int = 0
    set_aside: int = 0
    retries: int = 0
    last_success_ms: int | None = None


@runtime_checkable
class Positioned(Protocol):
    """A history that remembers how far it has come and takes older batches for repetitions (DuckDB)."""

    async def position(self) -> int:
        """The `upto` of the last batch that it holds."""
        ...

    async def rewind(self, upto: int) -> None:
        """Take batches after `upto` as new again."""
        ...


class HistoryLane:
    """Drives one history. `run` returns only when cancelled, within moments and with nothing lost."""

    def __init__(
        self,
        *,
        history: History,
        ledger: AsyncLedger,
        settings: HistorySection,
        now_ms: Callable[[], int],
        linger_s: float = LINGER_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """The lane must be registered in the ledger (`register_lane`) under `settings.name`."""
        self.name = settings.name
        self.health = LaneHealth()
        self._history = history
        self._ledger = ledger
        self._batch_lines = settings.batch_lines
        self._backoff = Backoff(settings.backoff_max / 1000)
        self._now_ms = now_ms
        self._linger_s = linger_s
        self._sleep = sleep

    async def run(self) -> None:
        """Write what waits, then wait for commits, for ever."""
        state = self._noted(await self._ledger.lane_state(self.name))
        if state.parked:
            state = await self._unpark()
        await self._rewind(state)
        while True:
            seen = self._ledger.committed.head
            state = self._noted(await self._ledger.lane_state(self.name))
            if state.backlog_lines == 0:
                await self._ledger.committed.beyond(seen)
                continue
            if state.backlog_lines < self._batch_lines:
                await self._sleep(self._linger_s)
            batches = await self._ledger.read_lines(state.cursor, self._batch_lines)
            # Lines that are counted but not there were lost with a damaged file (salvage): step over them.
            upto = batches[-1][0] if batches else seen
            lines = [line for _, part in batches for line in part]
            refused = await self._write(lines, upto) if lines else []
            state = await self._advance(upto, refused)
            self.health.written_lines += len(lines) - len(refused)
            self.health.refused_lines += len(refused)
            if state.parked:
                state = await self._resume()

    async def _rewind(self, state: LaneState) -> None:
        """A history that is ahead of the whole ledger belongs to another one (a new ledger beside an old history).

        It would take our batches for repetitions and drop them. Being ahead of the lane alone is what a crash
        between write and cursor leaves: then nothing is to be done.
        """
        if not isinstance(self._history, Positioned):
            return
        while True:
            try:
                position = await self._history.position()
                if position > self._ledger.committed.head:
                    log.warning("the history knows another ledger; it is rewound", lane=self.name, position=position, cursor=state.cursor)
                    await self._history.rewind(state.cursor)
            except Retryable as error:
                await self._wait(error)
            else:
                self._works()
                return

    async def _write(self, lines: list[Line], upto: int) -> list[RefusedLine]:
        """The very same call until the history has taken it."""
        while True:
            try:
                refused = await self._history.write(lines, upto)
            except Retryable as error:
                await self._wait(error)
            except Exception as error:
                log.exception("the history's own code failed", lane=self.name)
                await self._wait(Retryable(f"internal fault while writing: {type(error).__name__}: {error}; see the log", red=True))
            else:
                self._works()
                if refused:
                    log.warning(
                        "the history refused lines; they are set aside", lane=self.name, lines=len(refused), reason=refused[0].reason
                    )
                return refused

    async def _advance(self, upto: int, refused: list[RefusedLine]) -> LaneState:
        """Move the cursor; while the disk cannot take that, only this is tried again."""
        while True:
            try:
                return self._noted(await self._ledger.advance(self.name, upto, refused, now_ms=self._now_ms()))
            except CommitFailed as error:
                await self._wait(Retryable(f"written, but the ledger cannot note it: {error.reason}", red=True))

    async def _unpark(self) -> LaneState:
        """A lane found parked at the start waits until its history answers, then goes on from the present end."""
        while problem := await self._history.check():
            await self._wait(Retryable(problem))
        self._works()
        return await self._resume()

    async def _resume(self) -> LaneState:
        while True:
            try:
                state = self._noted(await self._ledger.resume_lane(self.name, now_ms=self._now_ms()))
            except CommitFailed as error:
                await self._wait(Retryable(f"the ledger cannot be written: {error.reason}", red=True))
            else:
                log.warning("lane resumed after being parked; what it missed is recorded as a gap", lane=self.name, cursor=state.cursor)
                return state

    async def _wait(self, error: Retryable) -> None:
        if not self.health.reason:
            log.warning("history cannot be written; trying again", lane=self.name, reason=error.reason)
        self.health.reason, self.health.red = error.reason, error.red
        self.health.retries += 1
        self._noted(await self._ledger.lane_state(self.name))
        await self._sleep(self._backoff.pause(error.after_s))

    def _works(self) -> None:
        if self.health.reason:
            log.info("history takes readings again", lane=self.name)
        self.health.reason, self.health.red = "", False
        self.health.last_success_ms = self._now_ms()
        self._backoff.reset()

    def _noted(self, state: LaneState) -> LaneState:
        health = self.health
        health.backlog_batches, health.backlog_lines, health.backlog_bytes = state.backlog_batches, state.backlog_lines, state.backlog_bytes
        health.parked = state.parked
        return state

    def health_part(self) -> HealthPart:
        """This lane's part of `/readyz`."""
        health, name = self.health, f"history {self.name}"
        if health.reason:
            parked = "parked beyond its quota, newer readings are not kept for it; " if health.parked else ""
            return HealthPart(name, RED if health.red else YELLOW, f"{parked}{health.reason} ({health.backlog_lines} lines wait)")
        return HealthPart(name, GREEN)


@dataclass(slots=True)
class _Attempt:
    """One intent under way. Its age is what the wall clock said when it was first seen, plus monotonic time since.

    A clock that is stepped by days meanwhile must not make a minute-old alert look too old to send.
    """

    intent: Intent
    age_ms: float
    began: float = field(default_factory=time.monotonic)

    def older_than(self, limit_ms: int) -> bool:
        return self.age_ms + (time.monotonic() - self.began) * 1000 >= limit_ms


class ReceiverLane:
    """Drives one receiver: in order, one at a time. `run` returns only when cancelled."""

    def __init__(
        self, *, receiver: Receiver, ledger: AsyncLedger, settings: ReceiverSection, now_ms: Callable[[], int], sleep: Sleep = asyncio.sleep
    ) -> None:
        """The receiver must be registered in the ledger (`register_receiver`) under `settings.name`."""
        self.name = settings.name
        self.health = ReceiverHealth()
        self._receiver = receiver
        self._ledger = ledger
        self._settings = settings
        self._backoff = Backoff(settings.backoff_max / 1000)
        self._now_ms = now_ms
        self._sleep = sleep

    async def run(self) -> None:
        """Tell what is due, then wait for commits, for ever."""
        while True:
            seen = self._ledger.intended.head
            intents = await self._ledger.read_intents(self.name, _INTENTS)
            self.health.backlog = len(intents) if len(intents) < _INTENTS else await self._ledger.waiting_intents(self.name)
            if not intents:
                await self._ledger.intended.beyond(seen)
                continue
            skipped = 0
            for number, intent in intents:
                if wanted(self._settings, intent):
                    await self._tell(number, intent)
                    skipped = 0
                else:
                    skipped = number
                self.health.backlog = max(0, self.health.backlog - 1)
            if skipped:  # one mark for all at the end of the page that are not for this receiver
                await self._mark(skipped, None)

    async def _tell(self, number: int, intent: Intent) -> None:
        """Send until it is taken, refused for good, or too old. Everything is tried at least once."""
        attempt = _Attempt(intent, max(0, self._now_ms() - intent.due_ms))
        while True:
            try:
                await self._receiver.send(intent)
            except Retryable as error:
                if attempt.older_than(self._settings.give_up_after):
                    return await self._set_aside(number, intent, f"given up, too old (give_up_after): {error.reason}")
                await self._wait(error)
            except Permanent as error:
                return await self._set_aside(number, intent, error.reason)
            except Exception as error:
                log.exception("the receiver's own code failed", receiver=self.name, episode=intent.transition.episode)
                return await self._set_aside(number, intent, f"internal fault: {type(error).__name__}: {error}")
            else:
                self._works()
                self.health.sent += 1
                return await self._mark(number, None)

    async def _set_aside(self, number: int, intent: Intent, reason: str) -> None:
        log.error("alert could not be delivered; set aside", receiver=self.name, episode=intent.transition.episode, reason=reason)
        await self._mark(number, reason)
        self.health.set_aside += 1
        self.health.reason, self.health.red = f"{self.health.set_aside} alerts could not be delivered, the last one: {reason}", False
        self._backoff.reset()

    async def _mark(self, number: int, undelivered: str | None) -> None:
        """Note it in the ledger; while the disk cannot take that, only this is tried again: nobody is told twice."""
        while True:
            try:
                if undelivered is None:
                    await self._ledger.mark_delivered(self.name, number)
                else:
                    await self._ledger.mark_undelivered(self.name, number, undelivered, now_ms=self._now_ms())
                return
            except CommitFailed as error:
                await self._wait(Retryable(f"the ledger cannot note what was delivered: {error.reason}", red=True))

    async def _wait(self, error: Retryable) -> None:
        if not self.health.reason:
            log.warning("receiver cannot be told; trying again", receiver=self.name, reason=error.reason)
        self.health.reason, self.health.red = error.reason, error.red
        self.health.retries += 1
        self.health.backlog = await self._ledger.waiting_intents(self.name)
        await self._sleep(self._backoff.pause(error.after_s))

    def _works(self) -> None:
        if self.health.reason:
            log.info("receiver takes alerts again", receiver=self.name)
        self.health.reason, self.health.red = "", False
        self.health.last_success_ms = self._now_ms()
        self._backoff.reset()

    def health_part(self) -> HealthPart:
        """This receiver's part of `/readyz`."""
        health, name = self.health, f"receiver {self.name}"
        if health.reason:
            return HealthPart(name, RED if health.red else YELLOW, f"{health.reason} ({health.backlog} alerts wait)")
        return HealthPart(name, GREEN)
