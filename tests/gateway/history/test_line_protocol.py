"""The line protocol writer, against exact text and against InfluxDB itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.formats.line_protocol import parse
from devices.reading import Line, Value
from gateway.history import line_protocol
from gateway.history.base import is_asked
from gateway.history.influxdb import InfluxHistory
from gateway.history.line_protocol import Encoder
from gateway.settings import HistorySection
from tests.tools.history_servers import Influxd

T0 = 1_763_856_000_000
_numbers = itertools.count()


def text(line: Line) -> str:
    good, texts, refused = Encoder().encode([line])
    assert (good, refused) == ([line], [])
    return texts[0]


def why(line: Line) -> str:
    good, texts, refused = Encoder().encode([line])
    assert (good, texts) == ([], [])
    assert refused[0].line == line
    return refused[0].reason


def test_a_line() -> None:
    line = Line("air", "cau-rong", "sds-7", "hai-chau", T0, (Value("pm25", 12.5, 1), Value("no2", None, 9), Value("t", -3.0, 4)))
    assert text(line) == f"air,area=hai-chau,device=sds-7,station=cau-rong pm25=12.5,pm25_qc=1i,no2_qc=9i,t=-3.0,t_qc=4i {T0}"


def test_no_area_is_a_dash() -> None:
    assert text(Line("air", "s", "d", "", 0, (Value("p", 1.0, 1),))) == "air,area=-,device=d,station=s p=1.0,p_qc=1i 0"


def test_escapes() -> None:
    line = Line("a b,c=d", "s 1", "d=2", "a,3", -5, (Value("p m=2,5", 1.0, 2),))
    assert text(line) == r"a\ b\,c=d,area=a\,3,device=d\=2,station=s\ 1 p\ m\=2\,5=1.0,p\ m\=2\,5_qc=2i -5"


@pytest.mark.parametrize("number", [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 1e-7, 1 / 3, 3])
def test_numbers_read_back_equal(number: float) -> None:
    field = text(Line("air", "s", "d", "a", 0, (Value("p", number, 1),))).split(" ")[1].split(",")[0]
    assert float(field.removeprefix("p=")) == number
    assert not field.endswith("i")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    assert "only finite numbers" in why(Line("air", "s", "d", "a", 0, (Value("ok", 1.0, 1), Value("p", number, 1))))


@pytest.mark.parametrize("odd", [10**30, "1,2"])
def test_what_is_no_number_at_all_spoils_only_its_own_line(odd: float) -> None:
    lines = [Line("air", "s", "d", "a", n, (Value("p", odd if n == 2 else 1.5, 1),)) for n in range(4)]
    good, texts, refused = Encoder().encode(lines)
    assert [line.time_ms for line in good] == [0, 1, 3]
    assert len(texts) == 3
    assert [r.line.time_ms for r in refused] == [2]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"station": ""}, "station is empty"),
        ({"device": ""}, "device is empty"),
        ({"medium": ""}, "medium is empty"),
        ({"parameter": ""}, "parameter is empty"),
        ({"parameter": "time"}, "keeps this name"),
        ({"station": "a\nb"}, "control character"),
        ({"area": "a\x00b"}, "control character"),
        ({"device": "\ud800"}, "surrogate"),
        ({"station": "ends in\\"}, "backslash"),
        ({"parameter": "p\\,q"}, "backslash"),
        ({"medium": "#air"}, "comment"),
    ],
)
def test_what_the_protocol_cannot_express_is_refused(names: dict[str, str], reason: str) -> None:
    found = {"medium": "air", "station": "s", "device": "d", "area": "a", "parameter": "p"} | names
    line = Line(found["medium"], found["station"], found["device"], found["area"], 0, (Value(found["parameter"], 1.0, 1),))
    assert reason in why(line)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_protocol, "_CACHE", 10)
    encoder = Encoder()
    for number in range(100):
        encoder.encode([Line("air", f"s{number}", "d", "a", 0, (Value(f"p{number}", 1.0, 1),))])
    assert len(encoder._tags) <= 10
    assert len(encoder._fields) <= 10


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
_values = st.tuples(_names, st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), st.sampled_from([1, 2, 3, 4]))


@st.composite
def _lines(draw: st.DrawFn) -> Line:
    values = draw(st.lists(_values, min_size=1, max_size=4, unique_by=lambda value: value[0]))
    return Line(
        draw(st.sampled_from(["air", "water", "my medium, really"])),
        draw(_names),
        draw(_names),
        draw(st.one_of(st.just(""), _names)),
        draw(st.integers(-(2**42), 2**42)),
        tuple(Value(name, number, 9 if number is None else flag) for name, number, flag in values),
    )


@given(st.lists(_lines(), min_size=1, max_size=5))
@settings(max_examples=40)
def test_influxdb_reads_what_we_wrote(shared_influxd: Influxd, lines: list[Line]) -> None:
    """Whatever the encoder does not refuse, InfluxDB 1.6 takes, and gives back equal through our own query."""
    database = f"roundtrip{next(_numbers)}"
    shared_influxd.create(database)
    section = HistorySection(name="h", kind="influxdb", api="v1", url=shared_influxd.url, bucket=database)

    async def there_and_back() -> None:
        history = InfluxHistory(section)
        refused = {refusal.line for refusal in await history.write(lines, 1)}
        assert all("\\" in repr(line) for line in refused), "only what is documented may be refused"
        wanted = {}
        for line in lines:
            if line in refused:
                continue
            for value in line.values:
                area = "" if line.area == "-" else line.area
                # A name that ends in _qc could be the flag of another: the catalogue has none, so leave them out.
                if not value.parameter.endswith("_qc"):
                    key = (line.station, line.device, line.medium, value.parameter, line.time_ms)
                    wanted.setdefault(key, {})[area] = (value.value, value.flag)
        found = {}
        async for row in history.query(station=None, parameters=None, since_ms=-(2**43), until_ms=2**43):
            found[row.station, row.device, row.medium, row.parameter, row.time_ms] = (row.area, (row.value, row.flag))
        await history.close()
        assert found.keys() == wanted.keys()
        for key, (area, stored) in found.items():
            assert wanted[key][area] == stored

    try:
        asyncio.run(there_and_back())
    finally:
        shared_influxd.query(f'DROP DATABASE "{database}"')


CORPUS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "formats" / "line_protocol_corpus.json").read_text())
"""InfluxData's own cases; see SOURCES.md beside it."""


def _corpus_points() -> list[dict[str, Any]]:
    """Every point of the corpus whose names are text."""
    read = [point for case in CORPUS["decode"].values() for point in case["output"].get("result") or ()]
    written = [case["input"]["point"] for case in CORPUS["encode"].values() if "result" in case["output"]]
    return [point for point in read + written if isinstance(point["name"], str)]


def _as_lines(points: list[dict[str, Any]]) -> list[Line]:
    """Lines of ours with the corpus' measurements, tags (their keys and values as ours) and field names."""
    lines = []
    for number, point in enumerate(points):
        texts = [text for tag in point["tags"] or () for text in (tag["key"], tag["value"]) if isinstance(text, str)]
        station, device, area, *_ = *texts, "s", "d", "a"
        names = dict.fromkeys(field["key"] for field in point["fields"] if isinstance(field["key"], str))
        values = tuple(Value(name, n / 8, 1) for n, name in enumerate(names) if not name.endswith("_qc"))
        if values:
            lines.append(Line(point["name"], station, device, area, T0 + number, values))
    return lines


def test_names_are_escaped_as_influxdata_does() -> None:
    compared = 0
    for case in CORPUS["encode"].values():
        if "result" not in case["output"] or case["input"]["precision"] != "1ns":
            continue
        point, due = case["input"]["point"], case["output"]["result"]
        line = Line(point["name"], "s", "d", "a", 0, tuple(Value(field["key"], 1.0, 1) for field in point["fields"]))
        good, texts, _ = Encoder().encode([line])
        if not good:
            continue
        measurement, _, rest = texts[0].partition(",area=a,device=d,station=s ")
        assert due.startswith((measurement + ",", measurement + " ")), (due, texts[0])
        if len(point["fields"]) == 1:
            assert f" {rest[: rest.index('=1.0,')]}=" in due, (due, texts[0])
        compared += 1
    assert compared > 30


def test_our_own_reader_reads_the_corpus_names_that_we_wrote() -> None:
    lines = _as_lines(_corpus_points())
    good, texts, refused = Encoder().encode(lines)
    assert len(good) > 150
    assert all(re.search(r"[\x00-\x1f\x7f-\x9f\\\\#]|empty|keeps this name", refusal.reason) for refusal in refused), refused
    points, faults = [], {}
    for row in texts:  # one by one: a reader of messages takes only so many lines at once
        found, bad = parse(row.encode(), precision="ms")
        points += found
        faults |= bad
    assert faults == {}
    assert len(points) == len(good)
    for line, point in zip(good, points, strict=True):
        assert (point.measurement, point.tags) == (line.medium, {"station": line.station, "device": line.device, "area": line.area or "-"})
        assert {name: value for name, value in point.fields.items() if not name.endswith("_qc")} == {
            v.parameter: v.value for v in line.values
        }


async def test_influxdb_gives_the_corpus_names_back(influx_database: tuple[Influxd, str]) -> None:
    server, database = influx_database
    lines = _as_lines(_corpus_points())
    history = InfluxHistory(HistorySection(name="h", kind="influxdb", api="v1", url=server.url, bucket=database))
    refused = [refusal.line for refusal in await history.write(lines, 1)]
    wanted = {
        (line.station, line.device, "" if line.area == "-" else line.area, line.medium, value.parameter, line.time_ms, value.value)
        for line in lines
        if line not in refused and is_asked(line.medium, None)
        for value in line.values
    }
    rows = [row async for row in history.query(station=None, parameters=None, since_ms=0, until_ms=2**43)]
    await history.close()
    assert {(r.station, r.device, r.area, r.medium, r.parameter, r.time_ms, r.value) for r in rows} == wanted
    assert len(wanted) > 150
