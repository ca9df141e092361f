"""The shell's clock: real, fast, or held back."""

from __future__ import annotations

import pytest

from gateway.clock import Clock


class Hands:
    """A wall clock and a monotonic one, moved by the test (seconds)."""

    def __init__(self) -> None:
        self.wall = 1_000.0
        self.monotonic = 50.0

    def clock(self, **options: object) -> Clock:
        return Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic, **options)  # type: ignore[arg-type]


def test_the_real_clock_steps_with_the_wall_and_its_monotonic_does_not() -> None:
    hands = Hands()
    clock = hands.clock()
    before = clock.now_ms(), clock.monotonic_ms()
    hands.wall += 3600
    assert (clock.now_ms() - before[0], clock.monotonic_ms() - before[1]) == (3_600_000, 0)


def test_a_fast_clock_never_steps() -> None:
    hands = Hands()
    clock = hands.clock(start_ms=7_000, speed=240)
    hands.wall += 3600
    hands.monotonic += 1
    assert clock.now_ms() == 7_000 + 240_000
    assert clock.now_ms() - clock.monotonic_ms() == 7_000
    assert clock.real_seconds(240_000) == 1.0


def test_a_clock_that_is_held_back_shows_its_start_until_it_is_let_go() -> None:
    hands = Hands()
    clock = hands.clock(start_ms=7_000, speed=10, running=False)
    hands.monotonic += 5
    assert (clock.now_ms(), clock.monotonic_ms()) == (7_000, 0)
    clock.start()
    hands.monotonic += 1
    clock.start()
    assert (clock.now_ms(), clock.monotonic_ms()) == (17_000, 10_000)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(speed=0)
    with pytest.raises(ValueError, match="held back"):
        Clock(running=False)
