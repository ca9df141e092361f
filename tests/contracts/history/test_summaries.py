"""Summaries, indices and what is said of them: the same questions get the same answers of every back end, and the right ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from devices.reading import Line, Value
from gateway.history import influxql
from gateway.history.base import History, Notes, Resolution, StoredNotes, StoredReading, is_asked, notes_of, split_note
from tests.contracts.history.backends import ALWAYS_MS, DuckDB, InfluxDB16
from tests.tools.history_servers import Influxd

T0 = 1_763_856_000_000
MINUTE = 60_000
_numbers = itertools.count()


def line(medium: str, at: int, *values: tuple[str, float | None, int], notes: Notes = (), station: str = "a", device: str = "d") -> Line:
    return Line(medium, station, device, _area(station, at), T0 + at * MINUTE, tuple(Value(*value) for value in values), notes)


def _area(station: str, at: int) -> str:
    """A station's area changes once (semantics C6), and one station has none."""
    return "" if station == "b" else "cũ" if at < 3 else "mới"


async def ask(
    history: History, *, station: str | None = None, parameters: list[str] | None = None, since: int = -1, until: int = 1000,
    resolution: Resolution = "raw",
) -> list[StoredReading]:  # fmt: skip
    found = history.query(
        station=station, parameters=parameters, since_ms=T0 + since * MINUTE, until_ms=T0 + until * MINUTE, resolution=resolution
    )
    return [row async for row in found]


HOUR = (("pm25_min", 1.0), ("pm25_max", 9.5), ("pm25_count", 60.0), ("pm25_complete", 1.0), ("pm25_worst", 3.0), ("final", 0.0))
SAID = (("min", 1.0), ("max", 9.5), ("count", 60.0), ("complete", 1.0), ("worst", 3.0), ("final", 0.0))


async def test_a_resolution_gives_its_summaries_and_nothing_else(answering_history: History) -> None:
    lines = [line(medium, 0, ("pm25", float(number), 1)) for number, medium in enumerate(("air", "air_1h", "air_1d", "gateway"))]
    await answering_history.write([*lines, line("index", 0, ("vn_aqi", 50.0, 1), ("pm25_1h", 7.0, 1))], 1)
    found = {name: [(row.medium, row.value) for row in await ask(answering_history, resolution=name)] for name in ("raw", "1h", "1d")}  # type: ignore[arg-type]
    assert found == {"raw": [("air", 0.0)], "1h": [("air_1h", 1.0)], "1d": [("air_1d", 2.0)]}
    named = await ask(answering_history, parameters=["pm25", "vn_aqi"], resolution="1h")
    assert [(row.medium, row.value) for row in named] == [("air_1h", 1.0), ("index", 50.0)]


async def test_a_summary_comes_with_what_is_said_of_it(answering_history: History) -> None:
    await answering_history.write([line("air_1h", 0, ("pm25", 5.0, 1), ("no2", 6.0, 2), notes=HOUR)], 1)
    no2, pm25 = await ask(answering_history, resolution="1h")
    assert (no2.notes, pm25.notes) == ((("final", 0.0),), SAID)


async def test_the_mark_of_a_final_hour_is_written_alone_and_read_with_it(answering_history: History) -> None:
    await answering_history.write([line("air_1h", 0, ("pm25", 5.0, 1), notes=HOUR)], 1)
    await answering_history.write([line("air_1h", 0, notes=(("final", 1.0),))], 2)
    (row,) = await ask(answering_history, resolution="1h")
    assert (row.value, row.notes) == (5.0, (*SAID[:-1], ("final", 1.0)))


async def test_an_index_comes_with_its_texts(answering_history: History) -> None:
    notes = (("vn_aqi_category", "moderate"), ("vn_aqi_dominant", "pm25"), ("us_aqi_why", "too few hours"), ("final", 0.0))
    await answering_history.write([line("index", 0, ("vn_aqi", 90.0, 1), ("us_aqi", None, 9), notes=notes)], 1)
    us_aqi, vn_aqi = await ask(answering_history, parameters=["vn_aqi", "us_aqi"])
    assert vn_aqi.notes == (("category", "moderate"), ("dominant", "pm25"), ("final", 0.0))
    assert (us_aqi.value, us_aqi.notes) == (None, (("why", "too few hours"), ("final", 0.0)))


async def test_what_was_said_of_an_earlier_revision_is_not_said_of_the_newest(answering_history: History) -> None:
    """InfluxDB keeps every field of a point that nobody overwrites."""
    there: Notes = (("vn_aqi_category", "good"), ("vn_aqi_dominant", "no2"))
    gone: Notes = (("vn_aqi_why", "no-pm"),)
    await answering_history.write([line("index", 0, ("vn_aqi", 9.0, 1), notes=there), line("index", 1, ("vn_aqi", None, 9), notes=gone)], 1)
    await answering_history.write([line("index", 0, ("vn_aqi", None, 9), notes=gone), line("index", 1, ("vn_aqi", 9.0, 1), notes=there)], 2)
    first, second = await ask(answering_history, parameters=["vn_aqi"])
    assert (first.value, first.notes) == (None, (("why", "no-pm"),))
    assert (second.value, second.notes) == (9.0, (("category", "good"), ("dominant", "no2")))


async def test_what_happened_to_alerts_is_read_back(answering_history: History) -> None:
    said: Notes = (("episode", "pm25-high/a/1"), ("reason", "threshold"), ("rule", "Bụi \"mịn\" cao, 'rất' \\cao"), ("value", 151.5))
    await answering_history.write([line("alert", at, notes=said, device=device) for at in (2, 1) for device in ("y", "x")], 1)
    await answering_history.write([line("alert", 1, notes=(("reason", "later"),), device="x"), line("air", 1, ("pm25", 1.0, 1))], 2)
    found = [n async for n in answering_history.notes(medium="alert", station="a", since_ms=T0, until_ms=T0 + 2 * MINUTE)]
    assert [(point.device, (point.time_ms - T0) // MINUTE) for point in found] == [("x", 1), ("x", 2), ("y", 1), ("y", 2)]
    assert found[0] == StoredNotes(T0 + MINUTE, "a", "x", "cũ", "alert", (said[0], ("reason", "later"), *said[2:]))
    assert found[3].notes == said
    for nothing in ({"medium": "air", "station": "a"}, {"medium": "water", "station": None}, {"medium": "alert", "station": "b"}):
        assert [n async for n in answering_history.notes(since_ms=0, until_ms=ALWAYS_MS, **nothing)] == []  # type: ignore[arg-type]


async def test_points_without_a_reading_do_not_push_readings_out_of_a_page(
    answering_history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influxql, "PAGE", 3)
    marks = [line("air_1h", at, notes=(("final", 1.0),)) for at in range(8)]
    await answering_history.write([*marks, *(line("air_1h", at, ("pm25", 1.0, 1)) for at in (8, 9))], 1)
    assert [row.time_ms - T0 for row in await ask(answering_history, resolution="1h")] == [8 * MINUTE, 9 * MINUTE]


# ---------------------------------------------------------------------- drawn data, against a model of what is right

_stations = st.sampled_from("ab")
_times = st.integers(0, 6)
_numbers_drawn = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: number + 0.0)
_texts = st.sampled_from(["good", "pm25", "quá ít giờ", 'a "quoted" \\ text', ""])


def _value(name: str) -> st.SearchStrategy[tuple[str, float | None, int]]:
    return st.one_of(st.just((name, None, 9)), st.tuples(st.just(name), _numbers_drawn, st.sampled_from([1, 2, 3, 4])))


def _fields(names: list[str], content: st.SearchStrategy[Any]) -> st.SearchStrategy[Notes]:
    return st.dictionaries(st.sampled_from(names), content, max_size=4).map(lambda found: tuple(found.items()))


def _drawn(media: list[str], names: list[str], notes: st.SearchStrategy[Notes], devices: str = "xy") -> st.SearchStrategy[Line]:
    values = st.lists(st.sampled_from(names), unique=True, max_size=3).flatmap(lambda chosen: st.tuples(*map(_value, chosen)))

    def built(medium: str, at: int, values: Any, notes: Notes, station: str, device: str) -> Line:
        return line(medium, at, *values, notes=notes, station=station, device=device)

    return st.builds(built, st.sampled_from(media), _times, values, notes, _stations, st.sampled_from(devices))


_of_hours = [f"{name}_{what}" for name in ("pm25", "no2") for what in ("min", "max", "count", "complete", "worst")]
_of_indices = [f"{name}_{what}" for name in ("vn_aqi", "pm25_1h") for what in ("category", "dominant", "why")]
LINES = st.lists(
    st.one_of(
        _drawn(["air", "water"], ["pm25", "no2", "t"], st.just(())),
        _drawn(["air_1h", "air_1d"], ["pm25", "no2"], _fields([*_of_hours, "final"], _numbers_drawn)),
        _drawn(["index"], ["vn_aqi", "pm25_1h"], _fields(_of_indices, _texts), "x"),
        _drawn(["index", "air_1h"], ["t"], st.just((("final", 1.0),)), "x"),
        _drawn(["alert"], ["t"], _fields(["rule", "state", "reason"], _texts), "x").map(lambda line: replace(line, values=())),
    ).filter(lambda line: bool(line.values or line.notes)),
    min_size=1,
    max_size=40,
)
QUESTIONS = st.fixed_dictionaries(
    {
        "station": st.sampled_from([None, "a", "b"]),
        "parameters": st.one_of(st.none(), st.lists(st.sampled_from(["pm25", "no2", "t", "vn_aqi", "pm25_1h"]), unique=True)),
        "since": st.integers(-1, 4),
        "until": st.integers(2, 7),
        "resolution": st.sampled_from(["raw", "1h", "1d"]),
    }
)


class Model:
    """What is right after these lines: of every field of a point the last that was written."""

    def __init__(self, lines: list[Line]) -> None:
        self.readings: dict[tuple[Any, ...], tuple[float | None, int]] = {}
        self.points: dict[tuple[Any, ...], dict[str, str | float]] = {}
        for line in lines:
            point = (line.station, line.device, line.time_ms, line.area, line.medium)
            for value in line.values:
                self.readings[*point, value.parameter] = (value.value, value.flag)
            for name, content in line.notes:
                self.points.setdefault(point, {})[name] = content

    def query(self, *, station: str | None, parameters: list[str] | None, since: int, until: int, resolution: Any) -> list[StoredReading]:
        found = []
        for (where, device, time_ms, area, medium, parameter), (value, flag) in self.readings.items():
            if not is_asked(medium, parameters, resolution) or (parameters is not None and parameter not in parameters):
                continue
            if where == (station or where) and T0 + since * MINUTE < time_ms <= T0 + until * MINUTE:
                said = {
                    split_note(medium, name): text for name, text in self.points.get((where, device, time_ms, area, medium), {}).items()
                }
                its = {what: text for (of, what), text in said.items() if of == parameter or what == "final"}
                found.append(StoredReading(time_ms, where, device, area, medium, parameter, value, flag, notes_of(its, value)))
        return sorted(found, key=lambda row: (row.station, row.device, row.parameter, row.time_ms, row.medium))

    def notes(self, medium: str) -> list[StoredNotes]:
        return [
            StoredNotes(time_ms, station, device, area, medium, tuple(sorted(fields.items())))
            for (station, device, time_ms, area, its), fields in sorted(self.points.items())
            if its == medium
        ]


@pytest.mark.server
@settings(max_examples=20)
@given(lines=LINES, questions=st.lists(QUESTIONS, min_size=1, max_size=5), cut=st.integers(1, 39), page=st.sampled_from([2, 3, 10_000]))
async def test_influxdb_and_duckdb_answer_the_same(
    shared_influxd: Influxd, lines: list[Line], questions: list[dict[str, Any]], cut: int, page: int
) -> None:
    """Drawn readings, revisions, missing values, indices with texts, summaries, alerts; pages so small that every answer has several."""
    name = f"drawn{next(_numbers)}"
    shared_influxd.create(name)
    model = Model(lines)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(influxql, "PAGE", page)
        histories = [DuckDB(Path(folder)).history(), InfluxDB16(shared_influxd, name).history()]
        try:
            for history in histories:
                for upto, batch in enumerate((lines[:cut], lines[cut:]), 1):
                    assert await history.write(batch, upto) == []
                for question in questions:
                    assert await ask(history, **question) == model.query(**question)
                for medium in ("alert", "air_1h", "index"):
                    points = history.notes(medium=medium, station=None, since_ms=0, until_ms=ALWAYS_MS)
                    assert [point async for point in points] == model.notes(medium)
        finally:
            for history in histories:
                await history.close()
            shared_influxd.query(f'DROP DATABASE "{name}"')
