"""Warm-up: what a device says soon after power-on is suspect.

Power-on is seen where the type reports an uptime (parameter `uptime`, s), by it being small or smaller than before; else,
optionally, by a silence longer than `silence_ms`. Without either nothing is said.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from devices.quality import GOOD, NOT_EVALUATED, SUSPECT


class WarmUp(NamedTuple):
    """Settings, in ms."""

    lasts_ms: int
    silence_ms: int | None = None


class WarmUpState(msgspec.Struct, array_like=True, gc=False):
    """When the device came on, and when it spoke last; 0: not known."""

    on_ms: int = 0
    last_ms: int = 0


def step(state: WarmUpState, time_ms: int, uptime_s: float | None, test: WarmUp) -> int:
    """The verdict of all that the device says at `time_ms`."""
    if time_ms < state.last_ms:
        return NOT_EVALUATED
    silent = state.last_ms and test.silence_ms is not None and time_ms - state.last_ms > test.silence_ms
    if uptime_s is not None:
        state.on_ms = time_ms - round(uptime_s * 1000)
    elif silent:
        state.on_ms = time_ms
    state.last_ms = time_ms
    if not state.on_ms:
        return NOT_EVALUATED
    return SUSPECT if time_ms - state.on_ms < test.lasts_ms else GOOD
