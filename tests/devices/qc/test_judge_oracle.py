"""With the same settings the judge's verdicts are those of ioos_qc, restarts or none, whatever the roll-up makes of them."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.loader import catalogue
from devices.qc.judge import judge
from devices.qc.plan import DevicePlan
from devices.qc.settings import device_plan, parse
from devices.qc.state import DeviceQuality
from devices.quality import Spans
from devices.reading import Value
from tests.devices.qc import oracle

MINUTES = oracle.INTERVAL_S // 60
FAIL, SUSPECT = (0.0, 50.0), (5.0, 40.0)
RATE = 0.005
"""Per second."""


def plans(spike: dict[str, Any]) -> DevicePlan:
    tests = {
        "spike": spike,
        "step": {"suspect": RATE * 60, "fail": RATE * 600, "per": "1m"},
        "flat_line": {"suspect": f"{3 * MINUTES}m", "fail": f"{6 * MINUTES}m", "tolerance": 0.05},
        "attenuated": {"suspect": 0.21234, "fail": 0.021234, "over": f"{6 * MINUTES}m", "least": 4},
    }
    known = catalogue()
    quality = parse({"parameters": {"pm25": tests}}, known)
    return device_plan({"pm25": Spans(FAIL, SUSPECT)}, oracle.INTERVAL_S * 1000, known, {}, quality)


def verdicts(plan: DevicePlan, numbers: list[float | None], restart: set[int]) -> dict[str, list[int]]:
    """Test → verdicts as they stand in the end, the revisions' among them."""
    state, found = DeviceQuality(), dict[int, dict[str, int]]()
    for index, number in enumerate(numbers):
        if index in restart:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DeviceQuality)
        at = oracle.times(len(numbers))[index] * 1000
        judged = judge(plan, state, at, (Value("pm25", number, 9 if number is None else 1),), trace=True)
        assert judged is not None
        found[at] = dict(judged.tests["pm25"])
        for revision in judged.revisions:
            found[revision.time_ms] |= revision.tests
    names = ("range", "spike", "step", "flat_line", "attenuated")
    return {name: [tests.get(name, 9) for tests in found.values()] for name in names}


@pytest.mark.parametrize("method", ["average", "differential"])
@given(numbers=oracle.series(least=3), restart=st.sets(st.integers(0, 60)))
def test_every_verdict_is_that_of_ioos_qc(method: str, numbers: list[float | None], restart: set[int]) -> None:
    ours = verdicts(plans({"method": method, "suspect": 3, "fail": 10}), numbers, restart)
    inp, tinp = oracle.array(numbers), oracle.times(len(numbers))
    assert ours["range"] == oracle.flags("gross_range_test", inp=inp, fail_span=FAIL, suspect_span=SUSPECT)
    assert ours["spike"] == oracle.flags("spike_test", inp=inp, suspect_threshold=3, fail_threshold=10, method=method)
    assert ours["step"] == oracle.flags("rate_of_change_test", inp=inp, tinp=tinp, threshold=RATE, fail_threshold=10 * RATE)
    assert ours["flat_line"] == oracle.flags(
        "flat_line_test",
        inp=inp,
        tinp=tinp,
        suspect_threshold=3 * oracle.INTERVAL_S,
        fail_threshold=6 * oracle.INTERVAL_S,
        tolerance=0.05,
    )
    assert ours["attenuated"] == oracle.flags(
        "attenuated_signal_test",
        inp=inp,
        tinp=tinp,
        suspect_threshold=0.21234,
        fail_threshold=0.021234,
        test_period=6 * oracle.INTERVAL_S,
        min_obs=4,
    )


@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_infinity_is_missing_where_ioos_qc_fails_it(number: float) -> None:
    """Domain facts 5.2: the gross range test of ioos_qc gives 4."""
    judged = judge(plans({"suspect": 3}), DeviceQuality(), oracle.START_S * 1000, (Value("pm25", number, 1),))
    assert judged is not None
    assert judged.values == (Value("pm25", None, 9),)
