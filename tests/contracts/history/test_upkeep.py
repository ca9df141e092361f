"""`envgw history setup`, `envgw doctor history` and `retention`, the same on every back end (issue 7)."""

from __future__ import annotations

import time

from devices.reading import Line, Value
from gateway.findings import Finding, State, all_right
from gateway.history.influx_upkeep import InfluxUpkeep
from tests.contracts.history.backends import Backend, expected

DAY_MS = 86_400_000
NOW = int(time.time() * 1000) // 1000 * 1000

LOOKED_AT = {
    "duckdb": ["file", "retention"],
    "influxdb-1.6": ["version", "clock", "database", "retention", "write", "read"],
    "influxdb-2.7-stand-in": ["version", "clock", "bucket", "retention", "mapping", "write", "read"],
    "influxdb-3-core-stand-in": ["version", "clock", "database", "write", "read"],
    "victoria-metrics-v1": ["version", "clock", "deduplication", "retention", "write"],
    "victoria-metrics-v2": ["version", "clock", "deduplication", "retention", "write"],
}
MADE = {"duckdb": ["file"], "influxdb-1.6": ["database"], "influxdb-2.7-stand-in": ["bucket"]}


def states(findings: list[Finding]) -> dict[str, State]:
    return {finding.check: finding.state for finding in findings}


def line(station: str, medium: str, days_ago: float, parameter: str = "pm25") -> Line:
    return Line(medium, station, "d", "a", NOW - round(days_ago * DAY_MS), (Value(parameter, days_ago, 1),))


async def test_setup_makes_what_is_missing_and_says_so_once(backend: Backend, station: str) -> None:
    backend.remove()
    upkeep = backend.upkeep()
    first, again = await upkeep.prepare(), await upkeep.prepare()
    await upkeep.close()
    assert [check for check, state in states(first).items() if state is State.DONE] == MADE.get(backend.name, []), first
    assert State.DONE not in states(again).values(), again
    assert all_right(first), first
    assert all_right(again), again
    history = backend.history()
    assert await history.write([line(station, "air", 0)], 1) == []
    await history.close()


async def test_doctor_finds_nothing_wrong_after_setup(backend: Backend) -> None:
    upkeep = backend.upkeep()
    await upkeep.prepare()
    found = await upkeep.examine()
    await upkeep.close()
    assert [finding.check for finding in found] == LOOKED_AT[backend.name]
    assert set(states(found).values()) == {State.OK}, found
    assert {finding.part for finding in found} == {"history contract"}


async def test_doctor_leaves_no_reading_behind(backend: Backend, station: str) -> None:
    history, upkeep = backend.history(), backend.upkeep()
    lines = [line(station, "air", 0)]
    await history.write(lines, 1)
    await upkeep.examine()
    await upkeep.close()
    if backend.answers:
        rows = [row async for row in history.query(station=None, parameters=None, since_ms=0, until_ms=2**50)]
        assert [(row.medium, row.station) for row in rows] == [("air", station)]
    stored = await backend.stored(history)
    assert stored == expected(lines)
    await history.close()


async def test_doctor_misses_a_place_that_is_not_there(backend: Backend) -> None:
    """What comes into being by itself, when the gateway starts or writes, is nothing wrong."""
    backend.remove()
    upkeep = backend.upkeep()
    found = await upkeep.examine()
    await upkeep.close()
    if backend.name in ("influxdb-1.6", "influxdb-2.7-stand-in"):
        wrong = [finding for finding in found if finding.state is State.WRONG]
        assert [finding.check for finding in wrong] == [MADE[backend.name][0], "write"], found
        assert "envgw history setup contract" in wrong[0].do
    else:
        assert all_right(found), found


async def test_retention_deletes_raw_readings_and_leaves_what_is_made_of_them(influx: Backend, station: str) -> None:
    """DuckDB deletes in its own file: tests/gateway/history/test_duckdb_history.py."""
    history, upkeep = influx.history(), influx.upkeep(retention="30d")
    assert isinstance(upkeep, InfluxUpkeep)
    raw = [line(station, medium, days) for medium in ("air", "water", "device", "gateway") for days in (0, 29, 31, 45, 400, 4000)]
    made = [line(station, "index", 400, "vn_aqi")]
    if influx.deletes:  # VictoriaMetrics' names do not tell `air_1h` from `air`
        made += [line(station, medium, 400) for medium in ("air_1h", "air_1d")]
    await history.write(raw + made, 1)
    requests = await upkeep.forget(NOW - 30 * DAY_MS)
    stored = await influx.stored(history)
    if influx.deletes:
        assert requests > 0
        assert stored == expected([item for item in raw if item.time_ms >= NOW - 30 * DAY_MS] + made)
        assert await upkeep.forget(NOW - 30 * DAY_MS) == 0, "the second time there is nothing to delete"
    else:
        assert requests == 0
        assert stored == expected(raw + made)
        said = [finding for finding in await upkeep.examine() if finding.check == "retention"]
        assert said[0].state is State.WARNING, "an operator who asks for what cannot be done must be told"
    await upkeep.close()
    await history.close()


async def test_types_never_conflict(backend: Backend, station: str) -> None:
    """Whatever a device sends as a number and however it is flagged: floats beside integer flags, from the first line to the last."""
    history = backend.history()
    # VictoriaMetrics keeps a block of values as integers of one decimal exponent: 18 digits from the largest to the smallest.
    large = 1e9 if backend.name.startswith("victoria-metrics") else 2**53
    kinds: list[tuple[float | None, int]] = [(5, 1), (5.5, 2), (-0.0, 3), (0, 4), (None, 9), (large, 1), (1e-7, 1)]
    lines = [
        Line("air", station, "d", "a", NOW + n, (Value("pm25", value, flag), Value("no2", kinds[-n][0], kinds[-n][1])))
        for n, (value, flag) in enumerate(kinds)
    ]
    for upto, item in enumerate([*lines, *reversed(lines)], 1):
        assert await history.write([item], upto) == [], item
        await backend.settle()
    assert await backend.stored(history) == expected(lines)
    await history.close()
