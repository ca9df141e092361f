"""The wiring: what goes on by itself while the gateway runs. (The flow of readings is tested end to end, in tests/e2e.)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devices.reading import Line, Value
from gateway import app, coreconfig
from gateway.app import Gateway
from gateway.config import load
from gateway.core.outcomes import Outcomes
from gateway.history.duckdb_history import DuckDBHistory
from tests.tools.alerts import transition


async def test_replaced_values_leave_the_embedded_history_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "COMPACT_S", 0.02)
    loaded = load(environ={"ENVGW_GATEWAY__DATA_DIR": str(tmp_path), "ENVGW_API__ENABLED": "false"})
    gateway = Gateway(loaded.settings, coreconfig.build(loaded))
    await gateway.start()
    try:
        (history,) = gateway.histories
        assert isinstance(history, DuckDBHistory)
        for number, value in enumerate((10.0, 11.0, 12.0)):
            await history.write([Line("air", "st-1", "an-1", "", 1_795_000_000_000, (Value("pm25", value, 1),))], 100 + number)
        async with asyncio.timeout(30):
            while (rows := await history._in_writer(lambda: _values(history))) != [12.0]:
                assert set(rows) <= {10.0, 11.0, 12.0}
                await asyncio.sleep(0.01)
    finally:
        await gateway.stop()


async def test_old_readings_leave_the_embedded_history_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "COMPACT_S", 0.02)
    config = tmp_path / "envgw.yaml"
    config.write_text("history: [{name: local, kind: duckdb, retention: 7d}]\napi: {enabled: false}\ngateway: {data_dir: data}\n")
    loaded = load(config, environ={})
    gateway = Gateway(loaded.settings, coreconfig.build(loaded))
    await gateway.start()
    try:
        (history,) = gateway.histories
        now_ms = gateway.clock.now_ms()
        for number, days in enumerate((0, 6, 9)):
            line = Line("air", "st-1", "an-1", "", now_ms - days * 86_400_000, (Value("pm25", float(days), 1),))
            await history.write([line], 100 + number)
        async with asyncio.timeout(30):
            while True:
                found = history.query(station=None, parameters=None, since_ms=0, until_ms=now_ms)
                if (days_left := [row.value async for row in found]) == [6.0, 0.0]:
                    break
                assert days_left == [9.0, 6.0, 0.0]
                await asyncio.sleep(0.01)
    finally:
        await gateway.stop()


async def test_A5_a_start_of_another_version_adopts_what_the_ledger_has_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here nothing is open any more by the new code's reckoning: what was announced ends with the reason `upgraded`."""
    loaded = load(environ={"ENVGW_GATEWAY__DATA_DIR": str(tmp_path), "ENVGW_API__ENABLED": "false"})
    monkeypatch.setattr(app, "VERSION", "0.0.9")
    before = Gateway(loaded.settings, coreconfig.build(loaded))
    await before.start()
    told = transition("firing", rule="gone", kind="threshold")
    await before.ledger.commit([], Outcomes(transitions=[told]))
    await before.stop()
    monkeypatch.undo()

    after = Gateway(loaded.settings, coreconfig.build(loaded))
    await after.start()
    try:
        (episode,) = await after.ledger.read(lambda ledger: ledger.episodes(None, None, 10))
        assert (episode.latest.state, episode.latest.reason, episode.latest.episode) == ("resolved", "upgraded", told.episode)
        assert after.core.state.version == app.VERSION
    finally:
        await after.stop()


def _values(history: DuckDBHistory) -> list[float]:
    return [row[0] for row in history._opened().connection.execute("SELECT value FROM reading").fetchall()]
