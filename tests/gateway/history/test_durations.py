"""Durations of other programs, read and written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.history.durations import DAY_MS, duration_ms, shown
from gateway.settings import parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0s", 0), ("168h0m0s", 7 * DAY_MS), ("1ms", 1), ("1m0s", 60_000), ("1.5s", 1500), ("2y", 730 * DAY_MS), ("1", 31 * DAY_MS),
        ("12", 372 * DAY_MS), ("", None), ("h", None), ("5 h", None), ("-1h", None), ("1h later", None), ("INF", None),
    ],
)  # fmt: skip
def test_what_servers_write(text: str, ms: float | None) -> None:
    assert duration_ms(text) == ms


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_none(text: str) -> None:
    found = duration_ms(text)
    assert found is None or found >= 0


@example(10**6, "d")
@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_what_is_shown_can_be_written_into_the_configuration(number: int, unit: str) -> None:
    ms = parse_duration(f"{number}{unit}")
    assert abs(parse_duration(shown(ms)) - ms) <= ms * 1e-5
