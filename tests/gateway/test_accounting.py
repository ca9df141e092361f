"""The measurement `gateway`: what it holds, that it counts as nothing else, and that the running gateway writes it."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.reading import Flag, Line
from devices.rejection import Reason
from gateway import accounting, coreconfig
from gateway.accounting import memory_bytes
from gateway.app import Gateway
from gateway.config import load
from gateway.core import Core, outages
from gateway.core.accounted import own_lines
from gateway.core.inputs import Accounting
from gateway.core.outcomes import Outcomes
from gateway.history.base import is_asked
from gateway.history.line_protocol import Encoder
from gateway.metrics import Metrics
from tests.tools.influx27_standin import Influx27StandIn, Status
from tests.tools.town import NOW, air, started

MINUTE = Accounting(NOW, "hue-1", (("received", 12.0), ("health", 1)), (("city", 3.0, 1.5), ("local", 0.0, 0.0)))
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
FIGURES = st.integers(0, 2**53) | st.floats(0, 1e12)


def test_one_line_for_the_whole_and_one_a_lane() -> None:
    whole, city, local = own_lines(MINUTE)
    assert (whole.medium, whole.station, whole.device, whole.area, whole.time_ms) == ("gateway", "hue-1", "-", "", NOW)
    assert [(item.parameter, item.value, item.flag) for item in whole.values] == [("received", 12.0, 1), ("health", 1.0, 1)]
    assert [(line.device, [(value.parameter, value.value) for value in line.values]) for line in (city, local)] == [
        ("city", [("pending", 3.0), ("behind_s", 1.5)]),
        ("local", [("pending", 0.0), ("behind_s", 0.0)]),
    ]


@given(
    st.builds(
        Accounting,
        st.integers(0, 2**42),
        NAMES,
        st.lists(st.tuples(NAMES.filter(lambda name: name != "time"), FIGURES), min_size=1, unique_by=lambda pair: pair[0]).map(tuple),
        st.dictionaries(NAMES, st.tuples(FIGURES, FIGURES)).map(lambda found: tuple((lane, *found[lane]) for lane in sorted(found))),
    )
)
def test_every_figure_is_a_float_with_a_flag_that_the_line_protocol_can_write(item: Accounting) -> None:
    lines = own_lines(item)
    assert len({(line.station, line.device) for line in lines}) == len(lines) == 1 + len(item.pending), (
        "lines must not overwrite each other"
    )
    assert all(type(value.value) is float and value.flag == Flag.GOOD for line in lines for value in line.values)
    _, texts, refused = Encoder().encode(lines)
    assert not refused
    assert len(texts) == len(lines)


def test_the_core_gives_its_lines_and_remembers_nothing() -> None:
    core, other = started(), started()
    for each in (core, other):
        each.step([air(0, NOW, pm25=12.5)])
    out = core.step([MINUTE])
    assert out.lines == own_lines(MINUTE)
    assert out.journal == [0]
    assert (out.received, out.stored, out.revisions, out.transitions) == (0, 0, 0, [])
    assert core.export() == other.export()
    assert core.stations.keys() == other.stations.keys()


def test_after_a_crash_the_journal_gives_the_same_lines() -> None:
    assert Core().step([MINUTE]).lines == Core().step([MINUTE]).lines == own_lines(MINUTE)


def test_they_are_no_readings() -> None:
    assert not is_asked("gateway", None)
    assert not is_asked("gateway", ["received"])
    metrics = Metrics(process=False)
    metrics.batch(Outcomes(lines=own_lines(MINUTE)), {}, 0.001, 0.001)
    assert b"envgw_readings_stored_total 0.0" in metrics.text()


def test_memory_of_this_process_is_told_with_and_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert 10e6 < memory_bytes() < 10e9
    monkeypatch.setattr(accounting, "_STATM", tmp_path / "not here")
    assert 10e6 < memory_bytes() < 10e9


@pytest.mark.slow
async def test_the_running_gateway_writes_a_line_a_minute_that_no_query_gives_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "LEAST_S", 0.02)
    monkeypatch.setattr(accounting, "EVERY_MS", 20)
    loaded = load(environ={"ENVGW_GATEWAY__DATA_DIR": str(tmp_path), "ENVGW_GATEWAY__ID": "hue-1", "ENVGW_API__ENABLED": "false"})
    gateway = Gateway(loaded.settings, coreconfig.build(loaded))
    heard: list[object] = []
    monkeypatch.setattr(gateway.events, "publish", heard.extend)
    monkeypatch.setattr(type(gateway.events), "clients", property(lambda _: 1))
    await gateway.start()
    try:
        async with asyncio.timeout(30):
            while len(lines := await _committed(gateway)) < 9:
                await asyncio.sleep(0.01)
        (history,) = gateway.histories
        assert [row async for row in history.query(station=None, parameters=None, since_ms=0, until_ms=2**50)] == []
    finally:
        await gateway.stop()
    assert heard == []
    assert {(line.station, line.device) for line in lines} == {("hue-1", "-"), ("hue-1", "local"), ("hue-1", "log")}
    assert all([value.parameter for value in line.values] == ["pending", "behind_s"] for line in lines if line.device != "-")
    whole = [line for line in lines if line.device == "-"][-1]
    found = {item.parameter: item.value for item in whole.values}
    assert list(found) == [
        "received", "stored", "rejected", *(f"rejected_{reason}" for reason in Reason), "duplicate", "shed",
        "alerts_firing", "health", "memory_mb", "commit_ms",
    ]  # fmt: skip
    assert found["received"] == found["shed"] == found["alerts_firing"] == 0
    assert found["health"] == 0
    assert all(value is not None and math.isfinite(value) for value in found.values())
    assert found["commit_ms"] is not None
    assert 0 < found["commit_ms"] < 10_000


@pytest.mark.slow
async def test_a_history_that_takes_nothing_is_told_of_and_when_it_does_again(
    tmp_path: Path, influx27: Influx27StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "LEAST_S", 0.02)
    monkeypatch.setattr(accounting, "EVERY_MS", 20)
    monkeypatch.setattr(outages, "BACKLOG_S", 1.5)
    monkeypatch.setattr(outages, "BACKLOG_OVER_S", 1.0)
    influx27.always = Status(503)
    section = {"name": "city", "kind": "influxdb", "url": influx27.url, "token": influx27.token, "org": "city", "backoff_max": "100ms"}
    loaded = load(
        environ={
            "ENVGW_GATEWAY__DATA_DIR": str(tmp_path),
            "ENVGW_API__ENABLED": "false",
            "ENVGW_HISTORY": json.dumps([section, {"name": "local", "kind": "duckdb"}]),
        }
    )
    gateway = Gateway(loaded.settings, coreconfig.build(loaded))

    async def last_transition(state: str) -> None:
        async with asyncio.timeout(30):
            while True:
                found = await gateway.ledger.read(lambda ledger: ledger.episodes(None, None, 10))
                if found and found[0].latest.state == state:
                    break
                await asyncio.sleep(0.02)
        (episode,) = found
        assert (episode.latest.rule, episode.latest.episode.split("/")[1]) == ("gateway-backlog", "city")

    await gateway.start()
    try:
        await last_transition("firing")
        influx27.always = None
        await last_transition("resolved")
    finally:
        await gateway.stop()
    assert {key[0] for key in influx27.points} == {"gateway"}, "what waited is there"


async def _committed(gateway: Gateway) -> list[Line]:
    batches = await gateway.ledger.read(lambda ledger: ledger.read_lines(0, 1000))
    return [line for _, lines in batches for line in lines]
