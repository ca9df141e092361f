"""Repeatable randomness: every number is a function of (seed, key, time), never of what was asked before.

So a simulated city needs no state: a demo that is stopped and started again goes on as if it had never stopped, and two
processes with one seed agree. The generator is SplitMix64's finaliser (Steele, Lea, Flood 2014), which is plenty for
noise and costs under a microsecond; it is not for secrets.
"""

from __future__ import annotations

import math
from functools import lru_cache

_MASK = (1 << 64) - 1


def mix(value: int) -> int:
    """SplitMix64: 64 well-mixed bits from any integer."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@lru_cache(maxsize=65536)
def key(seed: int, *names: str) -> int:
    """A 64-bit stream key from a seed and names (station, parameter …). FNV-1a, so independent of PYTHONHASHSEED."""
    value = 0xCBF29CE484222325 ^ mix(seed)
    for byte in "\0".join(names).encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return mix(value)


def uniform(stream: int, index: int) -> float:
    """A number in [0, 1) for this stream and index."""
    return (mix(stream ^ (index * 0x9E3779B97F4A7C15 & _MASK)) >> 11) * (1.0 / (1 << 53))


def gauss(stream: int, index: int) -> float:
    """About normal, mean 0, deviation 1, within ±3.5: the sum of four uniforms (Irwin-Hall), scaled."""
    bits = mix(stream ^ (index * 0x9E3779B97F4A7C15 & _MASK))
    total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    return (total / 65536.0 - 2.0) * 1.7320508


@lru_cache(maxsize=16384)
def _knot(stream: int, index: int) -> float:
    return gauss(stream, index)


def smooth(stream: int, time_ms: int, period_ms: int) -> float:
    """Noise that wanders with time: cosine between independent knots every `period_ms`. Deviation about 1."""
    index, rest = divmod(time_ms, period_ms)
    before, after = _knot(stream, index), _knot(stream, index + 1)
    return before + (after - before) * (0.5 - 0.5 * math.cos(math.pi * rest / period_ms))
