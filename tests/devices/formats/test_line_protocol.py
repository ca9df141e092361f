"""InfluxDB line protocol: all of InfluxData's own corpus, bad lines beside good ones, records."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from devices.formats.limits import MAX_RECORDS
from devices.formats.line_protocol import Options, Point, parse, read, reader
from devices.formats.record import Context, Record
from devices.formats.refusals import MAX_NAMED, refused_fields
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, payloads

CORPUS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "formats" / "line_protocol_corpus.json").read_text())
PRECISION = {"1ns": "ns", "1µs": "us", "1ms": "ms", "1s": "s"}
NOW = Context(received_ms=1_773_453_600_000)


def as_bytes(text: str | dict[str, str]) -> bytes:
    return base64.b64decode(text["binary"]) if isinstance(text, dict) else text.encode()


def as_corpus(point: Point, default_time: int, scale: int) -> dict[str, Any]:
    """As the corpus writes a point: tags sorted, a missing time is the default, truncated to the precision."""
    time = point.time_ns if point.time_ns is not None else default_time - default_time % scale
    fields: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in point.fields.items()]
    tags = [{"key": key, "value": value} for key, value in sorted(point.tags.items())]
    return {"time": time, "name": point.measurement, "tags": tags, "fields": fields}


def expected_point(point: dict[str, Any]) -> dict[str, Any]:
    """The corpus names a field's type beside its value; ours is the value's own."""
    types = {"float": float, "int": int, "uint": int, "string": str, "bool": bool}
    fields = []
    for field in point["fields"]:
        ((kind, value),) = field["value"].items()
        fields.append({"key": field["key"], "value": types[kind](value)})
    return {**point, "fields": fields}


def types(point: Point) -> list[type]:
    """Compared apart, for 1 == 1.0 == True."""
    return [type(value) for value in point.fields.values()]


def types_due(point: dict[str, Any]) -> list[type]:
    return types(Point("", {}, {field["key"]: field["value"] for field in expected_point(point)["fields"]}, None))


def test_every_text_of_the_corpus_is_read_or_refused_as_influxdata_does() -> None:
    read_ones = refused_ones = 0
    for key, case in CORPUS["decode"].items():
        given_, due = case["input"], case["output"]
        precision: Any = PRECISION[given_["precision"]]
        points, bad = parse(as_bytes(given_["text"]), precision=precision)
        if "error" in due:
            assert bad, (key, given_["text"], due["error"])
            refused_ones += 1
        else:
            scale = {"ns": 1, "us": 1000, "ms": 10**6, "s": 10**9}[precision]
            found = [as_corpus(point, given_["defaultTime"], scale) for point in points]
            assert not bad, (key, given_["text"], bad)
            assert found == [expected_point(point) for point in due["result"]], (key, given_["text"])
            assert [types(point) for point in points] == [types_due(point) for point in due["result"]], (key, given_["text"])
            read_ones += 1
    assert (read_ones, refused_ones) == (195, 3165)


def test_the_line_of_an_error_is_the_corpus_one() -> None:
    """Where the corpus names a place, our first bad line is that line."""
    named = 0
    for key, case in CORPUS["decode"].items():
        _, found, place = case["output"].get("error", "").partition("at line ")
        if found:
            _, bad = parse(as_bytes(case["input"]["text"]))
            assert min(bad) == int(place.split(":")[0]), key
            named += 1
    assert named > 3000


def test_every_point_of_the_corpus_is_read_back_from_its_text() -> None:
    for key, case in CORPUS["encode"].items():
        if "result" not in case["output"]:
            continue
        point = expected_point(case["input"]["point"])
        points, bad = parse(as_bytes(case["output"]["result"]), precision=PRECISION[case["input"]["precision"]])  # type: ignore[arg-type]
        assert not bad, key
        assert [as_corpus(found, 0, 1) for found in points] == [{**point, "tags": sorted(point["tags"], key=lambda tag: tag["key"])}], key


def test_a_line_is_a_record() -> None:
    text = b'weather,station=st01 temp=23.5,n=71i,ok=t,note="a, \\"b\\"" 1773453600123456789\n# comment\n\nweather temp=1\r\n'
    assert reader(Options(device_tag="station"))(text, NOW) == [
        Record(
            {"measurement": "weather", "tag.station": "st01", "temp": 23.5, "n": 71, "ok": True, "note": 'a, "b"'},
            device="st01",
            time=1_773_453_600_123,
        ),
        Record({"measurement": "weather", "temp": 1.0}),
    ]


@pytest.mark.parametrize(("precision", "stamp"), [("s", b"1773453600"), ("ms", b"1773453600000"), ("us", b"1773453600000000")])
def test_the_precision_is_a_setting(precision: Any, stamp: bytes) -> None:
    found = reader(Options(precision=precision))(b"m v=1 " + stamp, NOW)
    assert isinstance(found, list)
    assert found[0].time == 1_773_453_600_000


def test_a_bad_line_loses_only_itself() -> None:
    found = read(b'm v=1\nm v=x\nm s="a\nb" v\nm v=2 -5\nm v=3', NOW)
    assert isinstance(found, list)
    assert [record.pairs["v"] for record in found] == [1.0, 2.0, 3.0]
    assert [(field.field, field.reason) for field in refused_fields(found[0].pairs)] == [
        ("line 2", Reason.WRONG_TYPE),
        ("line 3", Reason.BAD_TIME),
    ]
    assert [(field.field, field.reason) for field in refused_fields(found[1].pairs)] == [("@time", Reason.BAD_TIME)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\n # a comment\n\n", Reason.NO_READING),
        (b"m", Reason.WRONG_SHAPE),
        (b"m v=nan", Reason.WRONG_TYPE),
        (b"m v=-inf", Reason.WRONG_TYPE),
        (b"m v=0x10", Reason.WRONG_TYPE),
        (b"m v=1e999", Reason.OUT_OF_BOUNDS),
        (b"m v=9223372036854775808i", Reason.OUT_OF_BOUNDS),
        (b"m v=1" + b"0" * 60_000 + b"i", Reason.WRONG_TYPE),
        (b"m,a=1,a=2 v=1", Reason.DUPLICATE_KEY),
        (b"m,a= v=1", Reason.WRONG_SHAPE),
        (b'm v="x', Reason.WRONG_SHAPE),
        (b"m v=1 x", Reason.BAD_TIME),
        (b"m v=1 1 1", Reason.BAD_TIME),
        (b"m v=1 99999999999999999999", Reason.BAD_TIME),
        (b"m\xff v=1", Reason.INVALID_UTF8),
    ],
)
def test_refusals(payload: bytes, reason: Reason) -> None:
    found = read(payload, NOW)
    assert isinstance(found, Rejection)
    assert found.reason is reason
    assert len(found.detail) < 300


def test_lines_are_limited_and_refusals_are_named_up_to_a_number() -> None:
    found = read(b"m v=1\n" * (MAX_RECORDS + 5), NOW)
    assert isinstance(found, list)
    assert len(found) == MAX_RECORDS
    assert [field.field for field in refused_fields(found[0].pairs)] == [f"line {MAX_RECORDS + 1}"]
    found = read(b"m v=1\n" + b"x\n" * 100, NOW)
    assert isinstance(found, list)
    assert len(refused_fields(found[0].pairs)) == MAX_NAMED + 1


PIECES = [b"m", b",", b"=", b" ", b"\n", b"\r", b'"', b"\\", b"1", b"i", b"t", b"#", b"v=1", b'v="x"', b" 17", b"\xff", b"\x00"]


@given(payloads(PIECES))
def test_no_bytes_raise(payload: bytes) -> None:
    found = read(payload, NOW)
    assert isinstance(found, list | Rejection)


LONG = {
    "lines": b"m v=1\n" * 11_000,
    "bad lines": b"x\n" * 32_000,
    "texts that end in the next line": b'm a="\n' * 11_000,
    "one field, often": b"m " + b"a=1," * 16_000,
    "one tag, often": b"m," + b"a=1," * 16_000,
    "fields": b"m " + b",".join(b"f%d=1" % n for n in range(9000)),
    "backslashes": b"\\" * 65_536,
    "comments": b"#\n" * 32_000,
    "escaped quotation marks": b'm v="' + b'\\"' * 32_000,
    "empty lines": b"\n" * 65_536,
    "digits": b"m v=1 " + b"1" * 65_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_64_kilobytes_cost_little(name: str) -> None:
    cheap(read, LONG[name][:65_536], NOW)
