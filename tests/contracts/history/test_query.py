"""What `query` answers, the same on every back end that can answer (DESIGN 7: `envgw query` reads whichever is configured)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from devices.reading import Line, Value
from gateway.history import influxql
from gateway.history.base import History, StoredReading
from tests.contracts.history.backends import ALWAYS_MS, DuckDB, InfluxDB16, everything
from tests.tools.history_servers import Influxd

T0 = 1_763_856_000_000


def _line(
    station: str, time_ms: int, *values: tuple[str, float | None, int], medium: str = "air", device: str = "d", area: str = "a"
) -> Line:
    return Line(medium, station, device, area, time_ms, tuple(Value(*v) for v in values))


async def test_order_is_station_device_parameter_time(answering_history: History) -> None:
    times = [T0 + 3000, T0, T0 + 1000]
    lines = [_line(s, t, ("pm25", 1.0, 1), ("no2", 2.0, 1), device=d) for s in ("b", "a", "Đ") for d in ("y", "x") for t in times]
    await answering_history.write(lines, 1)
    rows = [row async for row in everything(answering_history)]
    assert [(r.station, r.device, r.parameter, r.time_ms) for r in rows] == [
        (s, d, p, t) for s in ("a", "b", "Đ") for d in ("x", "y") for p in ("no2", "pm25") for t in sorted(times)
    ]


async def test_since_is_excluded_and_until_included(answering_history: History) -> None:
    await answering_history.write([_line("s", T0 + n, ("pm25", float(n), 1)) for n in range(5)], 1)
    rows = [r async for r in answering_history.query(station="s", parameters=["pm25"], since_ms=T0 + 1, until_ms=T0 + 3)]
    assert [row.time_ms - T0 for row in rows] == [2, 3]


async def test_station_and_parameters_select(answering_history: History) -> None:
    await answering_history.write([_line(s, T0, ("pm25", 1.0, 1), ("pm10", 2.0, 1), ("no2", 3.0, 1)) for s in "ab"], 1)
    rows = [r async for r in answering_history.query(station="b", parameters=["no2", "pm10", "nope"], since_ms=0, until_ms=T0)]
    assert rows == [StoredReading(T0, "b", "d", "a", "air", "no2", 3.0, 1), StoredReading(T0, "b", "d", "a", "air", "pm10", 2.0, 1)]
    for nobody in ({"station": "c", "parameters": None}, {"station": None, "parameters": ["nope"]}, {"station": None, "parameters": []}):
        assert [r async for r in answering_history.query(**nobody, since_ms=0, until_ms=T0)] == []  # type: ignore[arg-type]


async def test_an_empty_history_answers_nothing(answering_history: History) -> None:
    assert [row async for row in everything(answering_history)] == []


async def test_a_renamed_area_goes_on_in_time_order(answering_history: History) -> None:
    """Semantics C6: a new series from its date; in an answer it is one station still."""
    await answering_history.write([_line("s", T0 + n, ("pm25", float(n), 1), area="zold" if n < 3 else "anew") for n in range(6)], 1)
    rows = [row async for row in everything(answering_history)]
    assert [(row.time_ms - T0, row.area) for row in rows] == [(n, "zold" if n < 3 else "anew") for n in range(6)]


async def test_one_parameter_in_two_media_is_two_readings(answering_history: History) -> None:
    await answering_history.write([_line("s", T0 + n, ("t", 1.0, 1), medium=m) for n in range(3) for m in ("water", "air")], 1)
    rows = [row async for row in everything(answering_history)]
    assert [(row.time_ms - T0, row.medium) for row in rows] == [(n, m) for n in range(3) for m in ("air", "water")]


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["x' OR 'a'='a", 'x" OR "a"="a', "x\\' OR 1=1 --", "'; DROP TABLE reading; --", "x\n' OR ''='"])
async def test_nothing_in_a_question_is_taken_for_query_language(answering_history: History, attack: str) -> None:
    await answering_history.write([_line("secret", T0, ("pm25", 1.0, 1))], 1)
    assert [r async for r in answering_history.query(station=attack, parameters=None, since_ms=0, until_ms=ALWAYS_MS)] == []
    assert [r async for r in answering_history.query(station=None, parameters=[attack], since_ms=0, until_ms=ALWAYS_MS)] == []
    assert len([row async for row in everything(answering_history)]) == 1


async def test_who_stops_reading_early_leaves_the_history_usable(answering_history: History) -> None:
    await answering_history.write([_line("s", T0 + n, ("pm25", 1.0, 1)) for n in range(5000)], 1)
    rows = everything(answering_history)
    assert (await anext(rows)).time_ms == T0
    await rows.aclose()
    assert await answering_history.write([_line("s", T0 + 5000, ("pm25", 1.0, 1))], 2) == []
    assert len([row async for row in everything(answering_history)]) == 5001


@pytest.mark.parametrize("page", [7, 10_000])
async def test_influxdb_and_duckdb_answer_the_same(
    influx_database: tuple[Influxd, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """The same writes, revisions and gaps among them; InfluxDB with its answers cut into small pages and in one."""
    monkeypatch.setattr(influxql, "PAGE", page)
    random.seed(page)
    lines = []
    for _ in range(600):
        station, device = random.choice("abc"), random.choice("xy")
        medium = random.choice(["air", "water"])
        values = []
        for parameter in random.sample(["pm25", "pm10", "t", "rh"], random.randint(1, 4)):
            flag = random.choice([1, 2, 3, 4, 9])
            values.append((parameter, None if flag == 9 else round(random.uniform(-50, 50), random.randint(0, 9)), flag))
        time_ms = T0 + random.randrange(40) * 60_000
        lines.append(_line(station, time_ms, *values, medium=medium, device=device, area="" if time_ms < T0 + 600_000 else "hải châu"))
    histories = [DuckDB(tmp_path).history(), InfluxDB16(*influx_database).history()]
    answers = []
    for history in histories:
        for upto in range(12):
            assert await history.write(lines[upto * 50 : upto * 50 + 50], upto + 1) == []
        whole = [row async for row in everything(history)]
        part = [row async for row in history.query(station="b", parameters=["t", "pm25"], since_ms=T0 + 300_000, until_ms=T0 + 1_800_000)]
        answers.append((whole, part))
        await history.close()
    assert answers[0][0]
    assert answers[0][1]
    assert answers[0] == answers[1]
