"""Lanes: deliver, then move the cursor; never lose, never block each other (invariants 1 and 3, semantics B5, B6, F1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devices.reading import Line
from gateway.core.outcomes import Intent
from gateway.delivery import FIRST_PAUSE_S, LINGER_S, Backoff, HistoryLane, ReceiverLane
from gateway.errors import Permanent, Retryable
from gateway.health import GREEN, RED, YELLOW
from gateway.history.base import RefusedLine
from gateway.ledger import AsyncLedger, CommitFailed, Ledger
from gateway.settings import HistorySection, LedgerSection, ReceiverSection
from tests.gateway.ledger.building import SMALL, T0, intent, line, message, stored


class MemoryHistory:
    """A history in memory that fails as its script says: an exception, or lines to refuse, a write."""

    name = "h"

    def __init__(self, *script: BaseException | set[int]) -> None:
        self.script = list(script)
        self.calls: list[tuple[list[Line], int]] = []
        self.lines: dict[tuple[str, int], Line] = {}
        self.hang = asyncio.Event()
        self.hanging = asyncio.Event()
        self.hang.set()
        self.problems: list[str] = []

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        self.calls.append((list(lines), upto))
        if not self.hang.is_set():
            self.hanging.set()
            await self.hang.wait()
        step = self.script.pop(0) if self.script else set()
        if isinstance(step, BaseException):
            raise step
        refused = [RefusedLine(item, "type conflict") for item in lines if item.time_ms - T0 in step]
        for item in lines:
            if item.time_ms - T0 not in step:
                self.lines[(item.device, item.time_ms)] = item
        return refused

    async def check(self) -> str:
        return self.problems.pop(0) if self.problems else ""

    def query(self, **_: object) -> AsyncIterator[object]:
        raise NotImplementedError

    async def close(self) -> None:
        return


class PositionedHistory(MemoryHistory):
    """As DuckDB: drops what it takes for a repetition."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.upto = position

    async def write(self, lines: Sequence[Line], upto: int) -> list[RefusedLine]:
        if upto <= self.upto:
            return []
        self.upto = upto
        return await super().write(lines, upto)

    async def position(self) -> int:
        return self.upto

    async def rewind(self, upto: int) -> None:
        self.upto = upto


class MemoryReceiver:
    """A receiver in memory that fails as its script says."""

    name = "r"

    def __init__(self, *script: BaseException | None) -> None:
        self.script = list(script)
        self.tries: list[str] = []
        self.told: list[str] = []

    async def send(self, intent: Intent) -> None:
        self.tries.append(intent.transition.episode)
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step
        self.told.append(intent.transition.episode)

    async def close(self) -> None:
        return


class Pauses:
    """Stands for `asyncio.sleep`: notes the pause and lets others run."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0.001)


@pytest.fixture
async def aio(tmp_path: Path) -> AsyncIterator[AsyncLedger]:
    opened = AsyncLedger(Ledger(tmp_path / "l.db", LedgerSection(**SMALL)))
    await opened.write(lambda ledger: ledger.register_lane("h", "influxdb", required=True, quota=0))
    await opened.write(lambda ledger: ledger.register_receiver("r"))
    yield opened
    await opened.close()


@asynccontextmanager
async def running(run: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    """A lane in its task; it must stop within two seconds of being told."""
    task = asyncio.ensure_future(run())
    try:
        yield task
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=2)
        assert task.done()


async def until(condition: Callable[[], bool], within_s: float = 15) -> None:
    """Poll a condition until it holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.002)


async def until_told(aio: AsyncLedger) -> None:
    """Until nothing waits for the receiver, by the ledger's word."""
    async with asyncio.timeout(15):
        while await aio.waiting_intents("r"):
            await asyncio.sleep(0.002)


def history_lane(
    aio: AsyncLedger, history: MemoryHistory, *, now: Callable[[], int] = lambda: T0, **settings: object
) -> tuple[HistoryLane, Pauses]:
    section = HistorySection.model_validate({"name": "h", "kind": "duckdb", **settings})
    pauses = Pauses()
    return HistoryLane(history=history, ledger=aio, settings=section, now_ms=now, sleep=pauses), pauses  # type: ignore[arg-type]


def receiver_lane(
    aio: AsyncLedger, receiver: MemoryReceiver, *, now: Callable[[], int] = lambda: T0, **settings: object
) -> tuple[ReceiverLane, Pauses]:
    section = ReceiverSection.model_validate({"name": "r", "kind": "log", **settings})
    pauses = Pauses()
    return ReceiverLane(receiver=receiver, ledger=aio, settings=section, now_ms=now, sleep=pauses), pauses


async def commit(aio: AsyncLedger, start: int, size: int = 3, intents: Sequence[Intent] = ()) -> int:
    inputs = [message(start + number) for number in range(size)]
    return await aio.commit(inputs, stored(inputs, intents=list(intents)))


def wanted(numbers: range) -> dict[tuple[str, int], Line]:
    return {(line(number).device, line(number).time_ms): line(number) for number in numbers}


# history lanes


async def test_everything_arrives_before_and_after_the_start(aio: AsyncLedger) -> None:
    for number in range(5):
        await commit(aio, number * 3)
    history = MemoryHistory()
    lane, _ = history_lane(aio, history, batch_lines=7)
    async with running(lane.run):
        await until(lambda: len(history.lines) == 15)
        assert [(len(lines), upto) for lines, upto in history.calls] == [(6, 2), (6, 4), (3, 5)]
        for number in range(5, 9):
            await commit(aio, number * 3)
        await until(lambda: len(history.lines) == 27 and lane.health.backlog_lines == 0)
    assert history.lines == wanted(range(27))
    assert lane.health.written_lines == 27
    assert lane.health_part().colour is GREEN
    assert (await aio.lane_state("h")).cursor == 9


async def test_readings_gather_for_one_write_when_the_lane_is_up_to_date(aio: AsyncLedger) -> None:
    history = MemoryHistory()
    lane, pauses = history_lane(aio, history)

    async def gather_more(seconds: float) -> None:
        pauses.asked.append(seconds)
        if len(pauses.asked) == 1:
            for number in range(1, 4):
                await commit(aio, number * 3)

    lane._sleep = gather_more
    async with running(lane.run):
        await commit(aio, 0)
        await until(lambda: len(history.lines) == 12)
    assert [(len(lines), upto) for lines, upto in history.calls] == [(12, 4)]
    assert pauses.asked == [LINGER_S]


async def test_a_history_that_is_down_gets_the_very_same_call_again(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    history = MemoryHistory(*[Retryable("connection refused") for _ in range(6)])
    lane, pauses = history_lane(aio, history, backoff_max="3s")
    async with running(lane.run):
        await until(lambda: len(history.calls) >= 4)
        await commit(aio, 3)
        await until(lambda: len(history.lines) == 6)
        await until(lambda: lane.health.backlog_lines == 0)
    assert history.calls[:7] == [([line(0), line(1), line(2)], 1)] * 7
    assert lane.health.retries == 6
    assert lane.health_part().colour is GREEN
    assert pauses.asked[0] == LINGER_S
    for pause, full in zip(pauses.asked[1:7], [0.5, 1, 2, 3, 3, 3], strict=True):
        assert full / 2 <= pause <= full


@pytest.mark.slow
async def test_health_says_why_and_how_much_waits(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    history = MemoryHistory(*[Retryable("401 unauthorized: check the token", red=True) for _ in range(100_000)])
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: lane.health.retries > 0)
        part = lane.health_part()
        assert (part.name, part.colour, part.reason) == ("history h", RED, "401 unauthorized: check the token (3 lines wait)")
        await commit(aio, 3)
        await until(lambda: lane.health.backlog_lines == 6)
        history.script[:] = [Retryable("timed out")]
        await until(lambda: len(history.lines) == 6)
    assert lane.health.red is False
    assert lane.health_part().colour is GREEN


async def test_retry_after_is_honoured_up_to_five_minutes(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    history = MemoryHistory(Retryable("429", after_s=42), Retryable("429", after_s=86_400), Retryable("503", after_s=0))
    lane, pauses = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: len(history.lines) == 3)
    assert pauses.asked[:3] == [LINGER_S, 42, 300]
    assert 1 <= pauses.asked[3] <= 2


async def test_b6_refused_lines_are_set_aside_and_the_rest_goes_on(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    await commit(aio, 3)
    history = MemoryHistory({1, 4})
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: lane.health.written_lines == 4)
    assert set(history.lines) == {key for number in (0, 2, 3, 5) for key in wanted(range(number, number + 1))}
    listed = await aio.read(lambda ledger: list(ledger.history_rejected("h")))
    assert [(item.line, item.reason) for item in listed] == [(line(1), "type conflict"), (line(4), "type conflict")]
    assert lane.health.refused_lines == 2


async def test_a_fault_in_the_history_s_own_code_loses_nothing_and_is_red(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    history = MemoryHistory(*[ZeroDivisionError("oops") for _ in range(2)])
    lane, pauses = history_lane(aio, history)
    seen = []

    async def look(seconds: float) -> None:
        seen.append(lane.health_part())
        await pauses(seconds)

    lane._sleep = look
    async with running(lane.run):
        await until(lambda: len(history.lines) == 3)
    assert [part.colour for part in seen] == [GREEN, RED, RED]  # gathering, then two tries
    assert "ZeroDivisionError: oops" in seen[1].reason


async def test_invariant_1_stopping_while_the_history_hangs_loses_nothing(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    history = MemoryHistory()
    history.hang.clear()
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await asyncio.wait_for(history.hanging.wait(), 10)
    assert (await aio.lane_state("h")).cursor == 0
    history.hang.set()
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: len(history.lines) == 3)


async def test_a_cursor_that_cannot_be_noted_is_tried_again_without_writing_again(
    aio: AsyncLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(aio, 0)
    history = MemoryHistory()
    lane, _ = history_lane(aio, history)
    advance, failures = aio.advance, [CommitFailed("disk full", disk_full=True)] * 3

    async def failing(*arguments: object, **named: object) -> object:
        if failures:
            raise failures.pop()
        return await advance(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(aio, "advance", failing)
    async with running(lane.run):
        await until(lambda: lane.health.written_lines == 3)
    assert len(history.calls) == 1
    assert (await aio.lane_state("h")).cursor == 1


@pytest.mark.slow
async def test_b5_a_parked_lane_goes_on_with_new_readings_when_its_history_is_back(aio: AsyncLedger) -> None:
    await aio.write(lambda ledger: ledger.register_lane("h", "influxdb", required=False, quota=1))
    await commit(aio, 0)
    history = MemoryHistory(*[Retryable("connection refused") for _ in range(100_000)])
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: lane.health.retries > 0)
        await commit(aio, 3)
        assert (await aio.prune(T0)).parked == ["h"]
        await until(lambda: lane.health.parked)
        assert lane.health_part().colour is YELLOW
        assert "parked beyond its quota" in lane.health_part().reason
        history.script.clear()
        await until(lambda: len(history.lines) == 3 and not lane.health.parked)  # what it held in hand, then the gap
        await commit(aio, 6)
        await until(lambda: len(history.lines) == 6)
    assert history.lines == wanted(range(3)) | wanted(range(6, 9))
    (gap,) = await aio.read(lambda ledger: ledger.lane_gaps("h"))
    assert (gap.after_seq, gap.upto_seq, gap.lines) == (1, 2, 3)


async def test_b5_a_lane_found_parked_at_the_start_waits_for_its_history(aio: AsyncLedger) -> None:
    await aio.write(lambda ledger: ledger.register_lane("h", "influxdb", required=False, quota=1))
    await commit(aio, 0)
    assert (await aio.prune(T0)).parked == ["h"]
    history = MemoryHistory()
    history.problems = ["connection refused"] * 3
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: not lane.health.parked and lane.health.retries == 3 and lane.health.reason == "")
        await commit(aio, 3)
        await until(lambda: len(history.lines) == 3)
    assert history.lines == wanted(range(3, 6))


async def test_lines_lost_with_a_damaged_file_do_not_stop_the_lane(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    await commit(aio, 3)

    def lose(ledger: Ledger) -> None:
        with ledger._writer.transaction() as db:
            db.execute("DELETE FROM line")

    await aio.write(lose)
    history = MemoryHistory()
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: aio.ledger.lane_state("h").cursor == 2)
        await commit(aio, 6)
        await until(lambda: len(history.lines) == 3)
    assert history.lines == wanted(range(6, 9))


async def test_a_history_of_another_ledger_is_rewound(aio: AsyncLedger) -> None:
    history = PositionedHistory(5_000)
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await commit(aio, 0)
        await until(lambda: len(history.lines) == 3)
    assert history.upto == 1


async def test_a_history_that_is_ahead_of_its_lane_only_is_not_rewound(aio: AsyncLedger) -> None:
    await commit(aio, 0)
    await commit(aio, 3)
    history = PositionedHistory(2)
    lane, _ = history_lane(aio, history)
    async with running(lane.run):
        await until(lambda: lane.health.backlog_lines == 0 and lane.health.written_lines == 6)
    assert history.calls == []


# receiver lanes


async def test_f1_a_receiver_is_told_in_order(aio: AsyncLedger) -> None:
    receiver = MemoryReceiver()
    lane, _ = receiver_lane(aio, receiver)
    await commit(aio, 0, intents=[intent("a"), intent("b")])
    async with running(lane.run):
        await until(lambda: receiver.told == ["a", "b"])
        await commit(aio, 3, intents=[intent(f"c{number}") for number in range(120)])
        await until(lambda: len(receiver.told) == 122 and lane.health.backlog == 0)
        await commit(aio, 6)
        await until(lambda: lane.health.last_success_ms == T0)
    assert receiver.told == ["a", "b", *(f"c{number}" for number in range(120))]
    assert await aio.waiting_intents("r") == 0
    assert (lane.health.sent, lane.health_part().colour) == (122, GREEN)


async def test_f1_what_was_due_before_a_stop_is_sent_after_it(aio: AsyncLedger) -> None:
    await commit(aio, 0, intents=[intent("a"), intent("b")])
    down = MemoryReceiver(None, *[Retryable("connection refused") for _ in range(100_000)])
    lane, _ = receiver_lane(aio, down)
    async with running(lane.run):
        await until(lambda: len(down.tries) > 3)
        assert lane.health_part().colour is YELLOW
        assert lane.health_part().reason == "connection refused (1 alerts wait)"
    up = MemoryReceiver()
    lane, _ = receiver_lane(aio, up)
    async with running(lane.run):
        await until(lambda: up.told == ["b"])


async def test_f1_a_message_that_is_refused_for_good_is_set_aside(aio: AsyncLedger) -> None:
    await commit(aio, 0, intents=[intent("a"), intent("b"), intent("c")])
    receiver = MemoryReceiver(Permanent("404: no such hook"), ValueError("broken template"))
    lane, _ = receiver_lane(aio, receiver)
    async with running(lane.run):
        await until(lambda: receiver.told == ["c"])
        await until(lambda: lane.health.backlog == 0)
    aside = await aio.read(lambda ledger: ledger.undelivered("r"))
    assert [(item.intent.transition.episode, item.reason) for item in aside] == [
        ("b", "internal fault: ValueError: broken template"),
        ("a", "404: no such hook"),
    ]
    assert (lane.health.set_aside, lane.health.sent) == (2, 1)


async def test_f1_what_is_too_old_is_tried_once_and_set_aside(aio: AsyncLedger) -> None:
    await commit(aio, 0, intents=[intent("old"), intent("young", at=3 * 3_600_000)])
    receiver = MemoryReceiver(Retryable("down"), Retryable("down"))
    lane, pauses = receiver_lane(aio, receiver, now=lambda: T0 + 3 * 3_600_000, give_up_after="2h")
    async with running(lane.run):
        await until(lambda: receiver.told == ["young"])
    assert receiver.tries == ["old", "young", "young"]
    assert len(pauses.asked) == 1
    (aside,) = await aio.read(lambda ledger: ledger.undelivered())
    assert (aside.intent.transition.episode, aside.reason) == ("old", "given up, too old (give_up_after): down")


async def test_f1_a_clock_that_steps_does_not_make_an_alert_too_old(aio: AsyncLedger) -> None:
    now = [T0]
    await commit(aio, 0, intents=[intent("a")])
    receiver = MemoryReceiver(*[Retryable("down") for _ in range(5)])
    lane, pauses = receiver_lane(aio, receiver, now=lambda: now[0])

    async def step(seconds: float) -> None:
        now[0] += 3 * 86_400_000
        await pauses(seconds)

    lane._sleep = step
    async with running(lane.run):
        await until(lambda: receiver.told == ["a"])
    assert await aio.read(lambda ledger: ledger.undelivered()) == []


async def test_f1_only_what_the_receiver_wants(aio: AsyncLedger) -> None:
    await commit(
        aio,
        0,
        intents=[
            intent("a", severity="info"),
            intent("b"),
            intent("b", "resolved"),
            intent("c", severity="warning"),
            intent("d", severity="info"),
        ],
    )
    receiver = MemoryReceiver()
    lane, _ = receiver_lane(aio, receiver, min_severity="warning", send_resolved=False)
    async with running(lane.run):
        await until(lambda: receiver.told == ["b", "c"])
        await until_told(aio)


async def test_f1_nobody_is_told_twice_because_the_disk_is_full(aio: AsyncLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    await commit(aio, 0, intents=[intent("a")])
    receiver = MemoryReceiver()
    lane, _ = receiver_lane(aio, receiver)
    mark, failures = aio.mark_delivered, [CommitFailed("disk full", disk_full=True)] * 3

    async def failing(name: str, number: int) -> None:
        if failures:
            raise failures.pop()
        await mark(name, number)

    monkeypatch.setattr(aio, "mark_delivered", failing)
    async with running(lane.run):
        await until(lambda: not failures and lane.health.sent == 1)
        await until_told(aio)
    assert receiver.tries == ["a"]


async def test_invariant_3_a_dead_history_does_not_delay_an_alert(aio: AsyncLedger) -> None:
    history = MemoryHistory()
    history.hang.clear()
    receiver = MemoryReceiver()
    slow, _ = history_lane(aio, history)
    quick, _ = receiver_lane(aio, receiver)
    async with running(slow.run), running(quick.run):
        await commit(aio, 0)
        await asyncio.wait_for(history.hanging.wait(), 10)
        await commit(aio, 3, intents=[intent("a")])
        await until(lambda: receiver.told == ["a"])


def test_backoff_doubles_to_its_cap_jittered_and_starts_again() -> None:
    backoff = Backoff(10)
    for full in (0.5, 1, 2, 4, 8, 10, 10, 10):
        assert full / 2 <= backoff.pause() <= full
    backoff.reset()
    assert FIRST_PAUSE_S / 2 <= backoff.pause() <= FIRST_PAUSE_S
    for _ in range(100):
        assert backoff.pause() <= 10
