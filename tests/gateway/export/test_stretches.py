"""A long period is asked for in stretches: every reading comes once, months in order, and no question is about too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EnvgwError, Retryable
from gateway.export.stretches import DAY_MS, Stretch, month_around, month_of, readings
from gateway.history.base import StoredReading

EVER = Stretch(-1, 1_800_000_000_000)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Held:
    """A history of one series that notes what it was asked, and can be made to fail on long questions."""

    def __init__(self, times: list[int], most_ms: int | None = None, gone_after: int | None = None) -> None:
        self.rows = [StoredReading(at, "s", "d", "a", "air", "pm25", float(n), 1) for n, at in enumerate(sorted(times))]
        self.asked: list[Stretch] = []
        self.answered: list[tuple[Stretch, int]] = []
        self._most_ms, self._gone_after = most_ms, gone_after

    async def ask(self, since_ms: int, until_ms: int) -> AsyncIterator[StoredReading]:
        self.asked.append(Stretch(since_ms, until_ms))
        found = [row for row in self.rows if since_ms < row.time_ms <= until_ms]
        if found and self._most_ms is not None and until_ms - since_ms > self._most_ms:
            raise Retryable("too much")
        self.answered.append((self.asked[-1], len(found)))
        for number, row in enumerate(found):
            if self._gone_after is not None and number >= self._gone_after:
                raise Retryable("gone")
            yield row


async def taken(held: Held, whole: Stretch = EVER, **options: object) -> list[list[StoredReading]]:
    return [batch async for batch in readings(held.ask, whole, **options)]  # type: ignore[arg-type]


def test_a_month_ends_before_the_next_begins() -> None:
    whole = month_around(ms("2024-02-29T23:59:59.999"))
    assert whole == Stretch(ms("2024-02-01") - 1, ms("2024-03-01") - 1)
    assert month_around(ms("2024-03-01")).since_ms == whole.until_ms
    assert month_of(whole.until_ms) == "2024-02"
    assert month_of(ms("2024-12-01")) == "2024-12"
    assert month_around(ms("2024-12-31")).until_ms == ms("2025-01-01") - 1


@given(st.lists(st.integers(0, EVER.until_ms), max_size=40, unique=True), st.sampled_from([None, 3 * DAY_MS]))
async def test_every_reading_comes_once_and_in_the_order_of_months(times: list[int], most_ms: int | None) -> None:
    held = Held(times, most_ms)
    lists = await taken(held)
    assert [row for batch in lists for row in batch] == held.rows
    for batch in lists:
        assert len({month_of(row.time_ms) for row in batch}) == 1
    assert len(held.asked) < 60 + 60 * len(times) + 60, "an empty past costs few questions"


async def test_nothing_at_all_takes_a_question_a_year() -> None:
    held = Held([])
    assert await taken(held) == []
    assert len(held.asked) <= 60


async def test_dense_data_are_asked_for_by_the_day_and_sparse_ones_by_the_month() -> None:
    start = ms("2024-05-01")
    sparse = Held([start + n * 3_600_000 for n in range(24 * 90)])
    await taken(sparse, Stretch(start - 1, ms("2024-07-30")))
    assert len(sparse.asked) <= 8
    assert max(until - since for since, until in sparse.asked) >= 20 * DAY_MS


async def test_a_question_that_is_too_large_is_asked_again_about_less() -> None:
    start = ms("2024-05-01")
    held = Held([start + n * DAY_MS // 2 for n in range(400)], most_ms=2 * DAY_MS)
    assert [row for batch in await taken(held) for row in batch] == held.rows


async def test_what_fails_for_a_day_fails() -> None:
    with pytest.raises(EnvgwError, match="too much"):
        await taken(Held([ms("2024-05-01")], most_ms=3_600_000))


async def test_what_was_given_is_not_asked_for_again_after_a_failure() -> None:
    """A history that dies in the middle of an answer: rows that are out would come twice."""
    held = Held([ms("2024-05-01") + n for n in range(3000)], gone_after=2500)
    got: list[StoredReading] = []

    async def take() -> None:
        async for batch in readings(held.ask, Stretch(ms("2024-05-01") - 1, ms("2024-05-02"))):
            got.extend(batch)

    with pytest.raises(EnvgwError, match="gone"):
        await take()
    assert got == held.rows[:2000]
    assert len(held.asked) == 1


async def test_what_is_known_is_skipped() -> None:
    held = Held([ms(f"2024-{month:02}-10") for month in range(1, 13)])
    done = [month_around(ms("2024-03-10")), month_around(ms("2024-04-10")), month_around(ms("2024-12-10"))]
    got = await taken(held, Stretch(-1, ms("2025-03-01")), skip=done)
    assert [month_of(batch[0].time_ms)[5:] for batch in got] == ["01", "02", "05", "06", "07", "08", "09", "10", "11"]
    for since, until in held.asked:
        assert all(until <= known.since_ms or since >= known.until_ms for known in done)


async def test_progress_is_told() -> None:
    seen: list[int] = []
    await taken(Held([ms("2024-05-01")]), Stretch(ms("2024-04-01"), ms("2024-06-01")), passed=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == ms("2024-06-01")
