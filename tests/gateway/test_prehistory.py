"""New windows that begin before the journal does are filled from the history (semantics E6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.reading import Line
from gateway import prehistory
from gateway.core import Core, config_digest, config_text
from gateway.core.inputs import Config, Input, Tick
from gateway.core.outcomes import Outcomes
from gateway.errors import Retryable
from gateway.history.base import StoredReading
from gateway.history.duckdb_history import DuckDBHistory
from gateway.hydrate import Hydrating, Hydration, known
from gateway.ledger import Ledger
from gateway.recovery import recover
from gateway.settings import HistorySection, LedgerSection
from tests.gateway.core.test_core_rules import rule
from tests.tools.town import MIN, NOW, air, first, plain

pytestmark = pytest.mark.slow

OLD = plain(air=2, water=0, rules=[rule("pm25 > 500")])
ASKED = ("avg(pm25, 3h) > 100", "max(pm25, 3h) > 900", "delta(pm25, 3h) > 700", "median(no2, 2h) > 500")
NEW = plain(air=2, water=0, rules=[rule("pm25 > 500"), *(rule(when, name=f"w{n}") for n, when in enumerate(ASKED))])


class Plant:
    """A core, a ledger whose journal is kept for an hour, and a history, as the gateway has them."""

    def __init__(self, folder: Path, start: dict[str, Any] = OLD) -> None:
        section = LedgerSection.model_validate({"low_water": 1, "reserve": 0, "journal_retention": "1h"})
        self.ledger = Ledger(folder / "ledger.db", section)
        self.ledger.register_lane("local", "duckdb", required=True, quota=0)
        self.history = DuckDBHistory(HistorySection.model_validate({"name": "local", "kind": "duckdb"}), folder)
        self.lines: list[Line] = []
        self.filled = prehistory.Filled()
        self.core = Core()
        self.take(*first(start))

    def take(self, *inputs: Input) -> Outcomes:
        out = self.core.step(inputs)
        self.ledger.commit(inputs, out)
        self.lines += out.lines
        return out

    async def prune(self, now_ms: int) -> None:
        """Deliver everything, snapshot, and forget what is older than an hour."""
        await self.history.write(self.lines, self.ledger.head)
        self.lines = []
        self.ledger.advance("local", self.ledger.head, now_ms=now_ms)
        head, units, complete = self.core.snapshots.begin(), [], False
        while not complete:
            found, complete = self.core.snapshots.slice(10_000)
            units += found
        writer = self.ledger.begin_snapshot(self.ledger.head, self.core.state.config, "1.0")
        writer.put("globals", head)
        writer.put("units", msgspec.msgpack.encode(units))
        writer.finish()
        while self.ledger.prune(now_ms).more:
            pass

    async def change(self, new: dict[str, Any], at_ms: int, history: Any = None, within_s: float = 60.0) -> Hydration:
        work = Hydrating(new, known(self.core), at_ms)
        if work.needed:
            work.take_in(self.ledger)
            self.filled = await prehistory.fill(work, history or self.history, at_ms, within_s)
            while work.take_in(self.ledger):
                pass
        found = work.result()
        text = config_text(new)
        self.take(Config(at_ms, config_digest(text), text, found.windows))
        return found


def city(minutes: int) -> list[Input]:
    """Two nodes, a reading a minute each; now and then one comes nine minutes late, or is refused by the quality tests."""
    inputs: list[Input] = []
    for n in range(minutes):
        at_ms = NOW + n * MIN
        inputs.append(air(0, at_ms, device_ms=at_ms - (9 * MIN + 7_000 if n % 40 == 20 else 1_000), pm25=50 + n % 90, no2=n % 30))
        inputs.append(air(1, at_ms + 500, pm25=9_999 if n % 50 == 7 else 20 + n % 11, no2=n % 17))
    return inputs


async def test_E6_with_a_pruned_journal_a_window_holds_what_it_would_hold_had_it_always_been_there(tmp_path: Path) -> None:
    plant, always = Plant(tmp_path), Core()
    always.step(first(NEW))
    sent, end = city(300), NOW + 300 * MIN
    for item in sent:
        plant.take(item)
        always.step([item])
    await plant.prune(end)
    bounds = plant.ledger.journal_bounds()
    assert bounds is not None
    assert bounds.first_seq > 400, "the journal begins an hour ago"
    found = await plant.change(NEW, end)
    always.step([Tick(end)])
    plant.core.watching.fold_all()
    always.watching.fold_all()
    assert {(item.window, item.stations) for item in found.coverage} == {("pm25/10800000", 2), ("no2/7200000", 2)}
    assert all(item.length_ms - item.covered_ms < 2 * MIN for item in found.coverage)
    for name in ("st-0", "st-1"):
        for window, statistics in (("pm25/10800000", ("avg", "max", "delta", "count")), ("no2/7200000", ("median", "count"))):
            mine, wanted = plant.core.stations[name].windows[window], always.stations[name].windows[window]
            for statistic in statistics:
                assert mine.value(statistic, end) == pytest.approx(wanted.value(statistic, end)), (name, statistic)
    await plant.history.close()


async def test_E6_a_restart_finds_what_the_history_gave_without_asking_it(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for item in city(200):
        plant.take(item)
    await plant.prune(NOW + 200 * MIN)
    await plant.change(NEW, NOW + 200 * MIN)
    await plant.history.close()
    plant.take(air(0, NOW + 201 * MIN, pm25=5))
    again, _ = recover(plant.ledger)
    assert again.export() == plant.core.export()
    assert again.stations["st-0"].windows["pm25/10800000"].count > 170


async def test_a_station_that_the_journal_has_nothing_of_is_filled_too(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for item in city(100):
        plant.take(item)
    for n in range(100, 170):
        plant.take(air(0, NOW + n * MIN, pm25=1))
    await plant.prune(NOW + 170 * MIN)
    await plant.change(NEW, NOW + 170 * MIN)
    await plant.history.close()
    assert plant.core.stations["st-1"].windows["pm25/10800000"].count == 98  # two of a hundred were refused


async def test_windows_of_every_quality_take_every_reading(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for item in city(170):
        plant.take(item)
    await plant.prune(NOW + 170 * MIN)
    await plant.change(plain(air=2, water=0, rules=[rule("max(pm25, 3h) > 20000", quality="any")]), NOW + 170 * MIN)
    await plant.history.close()
    window = plant.core.stations["st-1"].windows["pm25/10800000/any"]
    assert (window.count, window.value("max", NOW + 170 * MIN)) == (170, 9_999.0)


async def test_a_window_of_a_derived_parameter_has_its_hours(tmp_path: Path) -> None:
    new = plain(air=1, water=0, rules=[rule("max(pm25_1h, 5h) > 900")])
    plant, always = Plant(tmp_path, plain(air=1, water=0, rules=[rule("pm25_1h > 500")])), Core()
    always.step(first(new))
    for n in range(400):
        message = air(0, NOW + n * MIN, pm25=40 + n // 60)
        plant.take(message)
        always.step([message])
    end = NOW + 400 * MIN
    await plant.prune(end)
    await plant.change(new, end)
    await plant.history.close()
    plant.core.watching.fold_all()
    always.watching.fold_all()
    mine, wanted = (core.stations["st-0"].windows["pm25_1h/18000000"] for core in (plant.core, always))
    assert (mine.count, mine.value("max", end)) == (wanted.count, wanted.value("max", end))
    assert mine.count == 5


class Slow:
    """A history whose second answer never comes, or that does not answer at all."""

    name = "slow"

    def __init__(self, inner: DuckDBHistory, *, dead: bool = False) -> None:
        self._inner, self._dead, self._asked = inner, dead, 0

    async def query(self, **asked: Any) -> AsyncIterator[StoredReading]:
        if self._dead:
            raise Retryable("down")
        self._asked += 1
        if self._asked > 1:
            await asyncio.Event().wait()
        async for row in self._inner.query(**asked):
            yield row


@pytest.mark.parametrize(("dead", "filled"), [(False, [True, False]), (True, [False, False])])
async def test_a_slow_or_dead_history_delays_by_no_more_than_is_said(tmp_path: Path, dead: bool, filled: Sequence[bool]) -> None:
    plant = Plant(tmp_path)
    for item in city(200):
        plant.take(item)
    end = NOW + 200 * MIN
    await plant.prune(end)
    found = await plant.change(NEW, end, Slow(plant.history, dead=dead), 0.5)
    assert [plant.core.stations[name].windows["pm25/10800000"].count > 100 for name in ("st-0", "st-1")] == list(filled)
    assert (plant.filled.stations, plant.filled.of) == (sum(filled), 2)
    assert plant.filled.trouble == ("down" if dead else "the history slow took more than 0.5 s")
    (coverage,) = [item for item in found.coverage if item.window == "pm25/10800000"]
    assert 55 * MIN < coverage.covered_ms < 65 * MIN, "what the least filled station has"
    await plant.history.close()


async def test_where_the_journal_reaches_far_enough_the_history_is_not_asked(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for item in city(60):
        plant.take(item)
    work = Hydrating(plain(air=2, water=0, rules=[rule("avg(pm25, 30m) > 100")]), known(plant.core), NOW + 60 * MIN)
    work.take_in(plant.ledger)
    assert work.gap is None
    assert await prehistory.fill(work, Slow(plant.history, dead=True), NOW + 60 * MIN) == prehistory.Filled()
