"""Rounding agrees with decimals everywhere, and only pays for them near ties."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from devices.indices.rounding import half_up, settled, truncated, whole_steps

NUMBERS = st.floats(min_value=-1e6, max_value=1e6) | st.integers(-100_000, 100_000).map(lambda n: n / 2 / 10)


@given(NUMBERS)
def test_half_up_as_decimal(value: float) -> None:
    assert half_up(value) == int(Decimal(repr(value)).quantize(Decimal(1), ROUND_HALF_UP))


@given(NUMBERS, st.sampled_from([1.0, 0.1, 0.001]))
def test_truncation_as_decimal(value: float, step: float) -> None:
    cut = (Decimal(repr(value)) / Decimal(repr(step))).quantize(Decimal(1), ROUND_DOWN)
    assert whole_steps(value, step) == int(cut)
    assert truncated(value, step) == float(cut * Decimal(repr(step)))


def test_halves_go_up_where_python_goes_to_even() -> None:
    assert [half_up(n) for n in (0.5, 1.5, 2.5, 44.5, 100.5)] == [1, 2, 3, 45, 101]
    assert round(2.5) == 2


def test_a_step_that_binary_misses() -> None:
    """0.3 / 0.1 is 2.9999999999999996, and 9.1 is three steps of nothing less."""
    assert whole_steps(0.3, 0.1) == 3
    assert whole_steps(9.1, 0.1) == 91
    assert truncated(0.07853333, 0.001) == 0.078
    assert truncated(9.05, 0.1) == 9.0


def test_noise_of_sums_is_settled() -> None:
    assert sum([9.1] * 12) / 12 != 9.1
    assert settled(sum([9.1] * 12) / 12) == 9.1
