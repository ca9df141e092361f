"""When time alone can change a condition: against looking at each whole minute."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.language.condition import read_condition
from rules.language.moments import NEVER, Moments, joined
from tests.rules.language.trees import VOCABULARY, City, Station

MIN = 60_000
DAY = 24 * 60 * MIN
ZONES = [ZoneInfo(name) for name in ("Asia/Ho_Chi_Minh", "Asia/Kathmandu", "Europe/Rome", "America/Santiago", "Australia/Lord_Howe")]
TURN = 1_893_456_000_000
"""When `limit('QCVN 05:2023', pm25, '24h')` changes in the vocabulary of these tests."""

CONDITIONS = [
    "hour >= 22 or hour < 6",
    "time >= 06:30 and time < 18:45",
    "time > 22:00",
    "18:00 < time",
    "weekday in (sat, sun)",
    "day == 1 and hour == 7",
    "month in (9, 10, 11)",
    "limit('QCVN 05:2023', pm25, '24h') < 40",
    "not (hour + 1 > 7) and limit('QCVN 05:2023', pm25, '24h') > 40",
]


def moments(text: str) -> Moments:
    return read_condition(text, VOCABULARY).moments


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def answer(text: str, at_ms: int, zone: ZoneInfo) -> float | bool | None:
    there = datetime.fromtimestamp(at_ms // 1000, zone)
    local = ((there.hour * 60 + there.minute) * 60 + there.second) * 1000, there.isoweekday(), there.day, there.month
    view = Station("a", City())
    view.at_ms, view.local = at_ms, local
    return read_condition(text, VOCABULARY).evaluate(view)


@pytest.mark.slow
@given(
    st.sampled_from(CONDITIONS),
    st.sampled_from(ZONES),
    st.one_of(st.integers(ms("2024-01-01T00:00"), ms("2026-01-01T00:00")), st.integers(TURN - DAY, TURN + DAY)).map(
        lambda at: at // MIN * MIN
    ),
    st.integers(1, 6 * 60),
)
@example(CONDITIONS[1], ZONES[2], ms("2024-03-31T00:30"), 120)  # 02:00 does not come
@example(CONDITIONS[1], ZONES[2], ms("2024-10-27T00:00"), 120)  # 02:00 comes twice
@example(CONDITIONS[4], ZONES[3], ms("2024-09-08T03:50"), 30)  # midnight does not come
@example(CONDITIONS[0], ZONES[4], ms("2024-04-06T14:30"), 120)  # half an hour back
def test_between_two_moments_a_condition_says_the_same(text: str, zone: ZoneInfo, start_ms: int, minutes: int) -> None:
    before = answer(text, start_ms, zone)
    turn = moments(text).next_ms(start_ms, zone)
    for at_ms in range(start_ms, start_ms + minutes * MIN, MIN):
        if turn is not None and at_ms >= turn:
            break
        assert answer(text, at_ms, zone) is before


@given(st.frozensets(st.integers(0, 1439), min_size=1, max_size=5), st.sampled_from(ZONES), st.integers(0, ms("2026-01-01T00:00")))
def test_the_next_moment_is_later_and_within_a_day_or_so(minutes: frozenset[int], zone: ZoneInfo, after_ms: int) -> None:
    found = Moments(minutes=minutes).next_ms(after_ms, zone)
    assert found is not None
    assert after_ms < found <= after_ms + DAY + 60 * MIN
    assert found % MIN == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pm25 > 5", NEVER),
        ("age(pm25) > 1h", Moments(always=True)),
        ("minute < 30", Moments(always=True)),
        ("weekday == sat", Moments(minutes=frozenset({0}))),
        ("time >= 22:00", Moments(minutes=frozenset({0, 1320, 1321}))),
        ("any_of(stations, pm25 > limit('QCVN 05:2023', pm25, '24h'))", Moments(instants=(TURN,))),
        ("pm25 > limit('QCVN 05:2023', pm25, '1y')", NEVER),
    ],
)
def test_what_each_asks_for(text: str, wanted: Moments) -> None:
    assert moments(text) == wanted


def test_a_rule_has_those_of_all_its_conditions() -> None:
    one, other = Moments(minutes=frozenset({0}), instants=(5,)), Moments(True, frozenset({60}), (3, 5))
    assert joined([one, other]) == Moments(True, frozenset({0, 60}), (3, 5))
    assert joined([]) == NEVER


def test_nothing_is_next_after_the_last_instant() -> None:
    found = Moments(instants=(5 * MIN, 7 * MIN))
    assert [found.next_ms(at_ms, ZONES[0]) for at_ms in (0, 5 * MIN, 7 * MIN)] == [5 * MIN, 7 * MIN, None]
