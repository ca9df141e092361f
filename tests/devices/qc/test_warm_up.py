"""Soon after power-on."""

from __future__ import annotations

from devices.qc.warm_up import WarmUp, WarmUpState, step

MINUTE = 60_000
T = 1_700_000_000_000


def test_by_the_uptime_that_the_device_reports() -> None:
    state, test = WarmUpState(), WarmUp(lasts_ms=10 * MINUTE)
    seen = [
        step(state, T + at * MINUTE, uptime, test)
        for at, uptime in [(0, 9000.0), (1, 9060.0), (2, 5.0), (3, None), (13, None), (14, 725.0)]
    ]
    assert seen == [1, 1, 3, 3, 1, 1]


def test_by_a_silence_if_asked() -> None:
    state, test = WarmUpState(), WarmUp(10 * MINUTE, silence_ms=60 * MINUTE)
    assert [step(state, T + at * MINUTE, None, test) for at in (0, 1, 90, 95, 101)] == [2, 2, 3, 3, 1]
    assert step(state, T, None, test) == 2, "late"


def test_without_either_nothing_is_said() -> None:
    state, test = WarmUpState(), WarmUp(10 * MINUTE)
    assert [step(state, T + at * MINUTE, None, test) for at in (0, 900)] == [2, 2]
