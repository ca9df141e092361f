"""Which instant a message describes: the device's own time, or the time of receipt (semantics C1, C2).

    device time within the window?  ── yes ──▶ history: device time      rules: device time
             │ no / none
             └────────────────────────────────▶ history: receipt stamp    rules: only with a clock fault
                                                                          (or when the device sends no time at all)

A device whose offset stays the same, and is large, has a *clock fault*: local time sent as UTC, a dead clock. From then
on its rules go on with receipt stamps, and a health alert says so, until its times are right again.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

FAULT_OFFSET_MS = 5 * 60_000
"""An offset must be larger than this to be a fault (C1)."""

FAULT_SPREAD_MS = 60_000
"""… and vary by less than this over `FAULT_MESSAGES` messages (C1)."""

FAULT_MESSAGES = 3


class DeviceClock(msgspec.Struct, array_like=True):
    """What is remembered of a device's clock. Offsets are received - device time, in ms (positive: it is behind)."""

    last_stamp_ms: int = 0
    """The last receipt stamp given out: the next is larger (C2)."""
    last_received_ms: int = 0
    offset_ms: int | None = None
    """The newest offset: the device's skew plus its delay."""
    run: int = 0
    """Messages in a row whose offsets fit the first of them, at the usual interval."""
    run_low: int = 0
    run_high: int = 0
    fault: bool = False
    refused: int = 0
    """Messages whose device time lay outside the window."""


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """The instants of one message. `rules_ms` is None when no rule may see it."""

    event_ms: int
    rules_ms: int | None
    fault_began: bool
    fault_ended: bool


class Window(NamedTuple):
    """Device times believed: from `past_ms` behind receipt (None: any) to `ahead_ms` ahead of it."""

    ahead_ms: int
    past_ms: int | None


def stamp(clock: DeviceClock, device_ms: int | None, received_ms: int, interval_ms: int, delay_ms: int, window: Window) -> Stamp:
    """Judge one message's time, and remember what is needed to judge the next.

    `delay_ms` is the delay that the device type declares (an hour-start stamp is an hour late by design).
    """
    if device_ms is None:
        clock.last_received_ms = received_ms
        at = receipt(clock, received_ms)
        return Stamp(at, at, False, False)
    offset = received_ms - device_ms
    began = ended = False
    if clock.fault or offset - delay_ms > FAULT_OFFSET_MS or offset < -FAULT_OFFSET_MS:
        began, ended = _watch(clock, offset, received_ms, interval_ms, delay_ms)
    else:
        clock.run = 0
    clock.offset_ms = offset
    clock.last_received_ms = received_ms
    if -window.ahead_ms <= offset and (window.past_ms is None or offset <= window.past_ms):
        if not clock.fault:
            return Stamp(device_ms, device_ms, began, ended)
        return Stamp(device_ms, receipt(clock, received_ms), began, ended)
    clock.refused += 1
    at = receipt(clock, received_ms)
    return Stamp(at, at if clock.fault else None, began, ended)


def shift(clock: DeviceClock, delta_ms: int) -> None:
    """The gateway's clock was stepped by `delta_ms`: receipt stamps move with it (A1)."""
    clock.last_stamp_ms += delta_ms
    clock.last_received_ms += delta_ms
    clock.run = 0


def receipt(clock: DeviceClock, received_ms: int) -> int:
    """The next receipt stamp of this device: no two of its messages get the same (C2)."""
    clock.last_stamp_ms = max(received_ms, clock.last_stamp_ms + 1)
    return clock.last_stamp_ms


def _watch(clock: DeviceClock, offset: int, received_ms: int, interval_ms: int, delay_ms: int) -> tuple[bool, bool]:
    """Follow a run of large offsets; returns (fault began, fault ended)."""
    if -FAULT_OFFSET_MS <= offset <= FAULT_OFFSET_MS + delay_ms:
        clock.run = 0
        was, clock.fault = clock.fault, False
        return False, was
    gap = received_ms - clock.last_received_ms
    usual = interval_ms / 2 <= gap <= interval_ms * 2
    low, high = min(clock.run_low, offset), max(clock.run_high, offset)
    if clock.run and usual and high - low < FAULT_SPREAD_MS:
        clock.run, clock.run_low, clock.run_high = clock.run + 1, low, high
    else:
        clock.run, clock.run_low, clock.run_high = 1, offset, offset
    if clock.run >= FAULT_MESSAGES and not clock.fault:
        clock.fault = True
        return True, False
    return False, False
