"""The inbox: order, bounds, stamps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.core.inputs import ClockJump, Command, Link, Message, Shed, received
from gateway.errors import EnvgwError
from gateway.mqtt.inbox import InboxFull, Item, SharedInbox, Submission, input_of
from gateway.mqtt.source import Delivery
from tests.gateway.mqtt.support import until


class HandClock:
    """Wall and monotonic time, moved by hand (seconds)."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.monotonic = 50.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


def delivery(inbox: SharedInbox, payload: bytes = b"1", qos: int = 1, source: str = "city") -> Delivery:
    return Delivery(Message(inbox.now_ms(), source, "air/1", payload, qos, packet_id=1 if qos else None), 1)


async def take(inbox: SharedInbox, count: int = 1) -> list[list[Item]]:
    batches = []
    async for batch in inbox.batches():
        batches.append(batch)
        if len(batches) == count:
            break
    return batches


async def test_order_of_receipt_and_batch_size() -> None:
    inbox = SharedInbox(Clock(), max_batch=4)
    deliveries = [delivery(inbox, b"%d" % n) for n in range(6)]
    inbox.put(deliveries[:3])
    inbox.link("city", True)
    command = Command(inbox.now_ms(), "acknowledge", "e", "me")
    done = inbox.submit(command)
    inbox.put(deliveries[3:])
    first, second = await take(inbox, 2)
    assert [input_of(item) for item in first] == [d.message for d in deliveries[:3]] + [Link(received(input_of(first[3])), "city", True)]
    assert isinstance(second[0], Submission)
    assert second[0].input == command
    assert second[1:] == deliveries[3:]
    second[0].done.set_result("committed")
    assert await done == "committed"


async def test_an_empty_batch_is_a_tick() -> None:
    inbox = SharedInbox(Clock(), tick_every_s=0.01)
    assert await take(inbox, 3) == [[], [], []]


async def test_wake_hands_out_at_once() -> None:
    inbox = SharedInbox(Clock(), tick_every_s=3600)
    waiting = asyncio.create_task(take(inbox))
    await asyncio.sleep(0)
    inbox.wake()
    assert await asyncio.wait_for(waiting, 5) == [[]]
    inbox.wake()  # also before anybody waits
    assert await asyncio.wait_for(take(inbox), 5) == [[]]


async def test_close_drains_or_not() -> None:
    inbox = SharedInbox(Clock(), max_batch=2)
    inbox.put([delivery(inbox) for _ in range(5)])
    inbox.close()
    assert [len(batch) async for batch in inbox.batches()] == [2, 2, 1]
    with pytest.raises(EnvgwError, match="stopping"):
        inbox.submit(Command(1, "close", "e", "me"))
    inbox = SharedInbox(Clock())
    done = inbox.submit(Command(inbox.now_ms(), "close", "e", "me"))
    inbox.close(drain=False)
    assert [batch async for batch in inbox.batches()] == []
    with pytest.raises(EnvgwError, match="send it again"):
        await done


async def test_close_while_waiting() -> None:
    inbox = SharedInbox(Clock(), tick_every_s=3600)

    async def drain() -> int:
        return len([batch async for batch in inbox.batches()])

    waiting = asyncio.create_task(drain())
    await asyncio.sleep(0)
    inbox.close()
    assert await asyncio.wait_for(waiting, 5) == 0


async def test_link_only_when_it_is_news() -> None:
    inbox = SharedInbox(Clock())
    for up in (False, True, True, False, False, True):
        inbox.link("a", up)
    inbox.link("b", True)
    (batch,) = await take(inbox)
    assert [(item.source, item.up) for item in batch if isinstance(item, Link)] == [("a", True), ("a", False), ("a", True), ("b", True)]


async def test_B3_qos0_is_shed_by_number_and_qos1_never() -> None:
    inbox = SharedInbox(Clock(), qos0_limit=3, max_batch=100)
    inbox.put([delivery(inbox, b"%d" % n, qos=n % 2) for n in range(12)])
    inbox.put([delivery(inbox, b"other", qos=0, source="harbour")])
    (batch,) = await take(inbox)
    assert [d.message.payload for d in batch if isinstance(d, Delivery)] == [b"0", b"1", b"2", b"3", b"4", b"5", b"7", b"9", b"11"]
    assert {(item.source, item.count) for item in batch if isinstance(item, Shed)} == {("city", 3), ("harbour", 1)}
    assert inbox.shed_total == {"city": 3, "harbour": 1}
    inbox.put([delivery(inbox, qos=0) for _ in range(3)])  # room again
    (batch,) = await take(inbox)
    assert len(batch) == 3


async def test_B3_qos0_is_shed_by_bytes() -> None:
    inbox = SharedInbox(Clock(), qos0_bytes=1000)
    inbox.put([delivery(inbox, b"x" * 400, qos=0) for _ in range(3)])
    (batch,) = await take(inbox)
    assert [type(item).__name__ for item in batch] == ["Delivery", "Delivery", "Shed"]


async def test_submissions_are_bounded() -> None:
    inbox = SharedInbox(Clock(), max_submissions=2)
    first = inbox.submit(Command(inbox.now_ms(), "close", "e", "me"))
    inbox.submit(Command(inbox.now_ms(), "close", "e", "me"))
    with pytest.raises(InboxFull):
        inbox.submit(Command(inbox.now_ms(), "close", "e", "me"))
    first.set_result(None)
    await until(lambda: inbox._submissions == 1)
    inbox.submit(Command(inbox.now_ms(), "close", "e", "me"))


@pytest.mark.parametrize("step_s", [3 * 86_400.0, -3600.0])
async def test_A6_a_stepped_clock_is_journalled_in_front_of_what_comes_after(step_s: float) -> None:
    hand = HandClock()
    inbox = SharedInbox(hand.clock())
    before = delivery(inbox)
    inbox.put([before])
    hand.pass_(1)
    hand.wall += step_s
    after = delivery(inbox)
    inbox.put([after])
    (batch,) = await take(inbox)
    assert batch == [before, ClockJump(after.message.received_ms, round(step_s * 1000)), after]
    assert after.message.received_ms == before.message.received_ms + 1000 + round(step_s * 1000)


async def test_slewing_is_no_jump_and_never_goes_back() -> None:
    hand = HandClock()
    inbox = SharedInbox(hand.clock())
    stamps = []
    for _ in range(100):
        hand.pass_(1)
        hand.wall -= 1.5  # a clock that runs backwards by half a second a second
        stamps.append(inbox.now_ms())
    assert len(inbox) == 0
    assert stamps == sorted(stamps)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 2), st.integers(0, 3)), max_size=40), st.integers(1, 7))
def test_A1_stamps_never_decrease_along_the_batches(steps: list[tuple[int, float, int]], max_batch: int) -> None:
    async def play() -> list[int]:
        hand = HandClock()
        inbox = SharedInbox(hand.clock(), qos0_limit=2, max_batch=max_batch)
        stamps: list[int] = []
        shed = delivered = 0
        for qos, seconds, count in steps:
            hand.pass_(seconds)
            inbox.put([delivery(inbox, qos=qos) for _ in range(count)])
            if count == 0:
                inbox.link("city", qos == 1)
            if count == 3:
                inbox.wake()
                (batch,) = await take(inbox)
                stamps += [received(input_of(item)) for item in batch]
                shed += sum(item.count for item in batch if isinstance(item, Shed))
                delivered += len([1 for item in batch if isinstance(item, Delivery)])
        inbox.close()
        async for batch in inbox.batches():
            stamps += [received(input_of(item)) for item in batch]
            shed += sum(item.count for item in batch if isinstance(item, Shed))
            delivered += len([1 for item in batch if isinstance(item, Delivery)])
        assert shed + delivered == sum(count for _, _, count in steps)
        return stamps

    stamps = asyncio.run(play())
    assert stamps == sorted(stamps)


async def test_while_messages_keep_coming_they_gather_and_after_a_pause_one_goes_at_once() -> None:
    inbox = SharedInbox(Clock(), tick_every_s=3600, gather_s=30.0, gather_items=4)
    batches = inbox.batches()
    inbox.put([delivery(inbox)])
    assert len(await asyncio.wait_for(anext(batches), 10)) == 1, "nothing came before: at once"
    coming = asyncio.ensure_future(anext(batches))
    for _ in range(4):
        inbox.put([delivery(inbox)])
        await asyncio.sleep(0)
    assert len(await asyncio.wait_for(coming, 10)) == 4, "30 s after the last batch, but enough have gathered"
    inbox.put([delivery(inbox)])
    assert len(await asyncio.wait_for(anext(batches), 10)) == 1, "nothing more comes: the broker may wait for acknowledgements"
    inbox.put([delivery(inbox)])
    inbox.close()
    assert len(await asyncio.wait_for(anext(batches), 10)) == 1, "a stop does not wait"
