"""Formats of texts: CSV lines and web forms, and what of their texts is a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats import csv_lines, form_urlencoded
from devices.formats.csv_lines import Options
from devices.formats.limits import MAX_RECORDS
from devices.formats.numbers import parse_number
from devices.formats.record import Context, Record
from devices.formats.refusals import refused_fields
from devices.formats.text_values import value_of
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, payloads

PAYLOADS = Path(__file__).parents[2] / "data" / "formats" / "payloads"
NOW = Context()


def reason(found: Any) -> Reason:
    assert isinstance(found, Rejection), found
    assert len(found.detail) < 300
    return found.reason


def pairs_of(found: Any) -> list[dict[str, object]]:
    assert isinstance(found, list), found
    return [record.pairs for record in found]


def records_of(form: bytes) -> list[Record]:
    found = form_urlencoded.read(form, NOW)
    assert isinstance(found, list), found
    return found


# --- what is a number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("33", 33), ("-5", -5), ("+7", 7), ("0", 0), ("12.50", 12.5), (" 12.5 ", 12.5), (".5", 0.5), ("-.5", -0.5), ("0.000", 0.0),
        ("-4.1E+01", -41.0), ("1.5e-3", 0.0015), ("", None), ("  ", None), ("007", "007"), ("00", "00"), ("12E5", "12E5"), ("1e5", "1e5"),
        ("nan", "nan"), ("inf", "inf"), ("1_000", "1_000"), ("1,5", "1,5"), ("0x17", "0x17"), ("1234567890123456", "1234567890123456"),
        ("12.", "12."), ("1.2.3", "1.2.3"), ("٣", "٣"), ("34271334ED1FADA6D8B988B14267E55D", "34271334ED1FADA6D8B988B14267E55D"),
    ],
)  # fmt: skip
def test_texts_that_are_numbers(text: str, value: object) -> None:
    assert repr(value_of(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"), [("12,5", 12.5), ("-0,25", -0.25), ("1.5", "1.5"), ("1.234,5", "1.234,5"), ("33", 33), ("1,2,3", "1,2,3")]
)
def test_the_decimal_comma(text: str, value: object) -> None:
    assert repr(value_of(text, decimal_comma=True)) == repr(value)


@given(st.text(max_size=12) | st.floats(allow_nan=False, allow_infinity=False).map(str) | st.integers().map(str))
def test_a_number_is_the_one_that_parse_number_reads(text: str) -> None:
    value = value_of(text)
    if isinstance(value, int | float):
        assert value == parse_number(text)


# --- forms


@pytest.mark.parametrize("name", ["ecowitt_easyweather_data", "ecowitt_gw1200b_wn38_data"])
def test_published_ecowitt_messages(name: str) -> None:
    """home-assistant-libs/aioecowitt, tests/const.py: its fields, with numbers for what they are."""
    case = json.loads((PAYLOADS / f"{name}.json").read_text())
    (record,) = records_of(case["payload_raw"].encode())
    assert record.pairs.keys() == case["expected"].keys()
    for field, text in case["expected"].items():
        value = record.pairs[field]
        if field in ("PASSKEY", "stationtype", "dateutc", "freq", "model"):
            assert value == text
        else:
            assert value == float(text)
    assert record.time == {"ecowitt_easyweather_data": 1588602866000, "ecowitt_gw1200b_wn38_data": 1772942273000}[name]


@pytest.mark.parametrize(
    ("text", "pairs", "time"),
    [
        (b"a=1&b=x+y%26&c=&d", {"a": 1, "b": "x y&", "c": None, "d": None}, None),
        (b"/update.php?ID=KX1&dateutc=now&tempf=70.3\r\n", {"ID": "KX1", "dateutc": "now", "tempf": 70.3}, None),
        (b"dateutc=2026-03-14+02:00:00&&t=1", {"dateutc": "2026-03-14 02:00:00", "t": 1}, 1773453600000),
        (b"dateutc=1773453600&t=1", {"dateutc": 1773453600, "t": 1}, 1773453600000),
        (b"q=%zz%&t%C3%A9=%E2%82%AC", {"q": "%zz%", "té": "€"}, None),
        (b"why=a?b=c", {"why": "a?b=c"}, None),
        (b"key=007&PASSKEY=12E45", {"key": "007", "PASSKEY": "12E45"}, None),
    ],
)
def test_the_fields_of_a_form(text: bytes, pairs: dict[str, object], time: int | None) -> None:
    assert form_urlencoded.read(text, NOW) == [Record(pairs, time=time)]


def test_a_bad_field_of_a_form_loses_only_itself() -> None:
    (record,) = records_of(b"a=1&a=2&b=%ff&%ff=3&c=4&dateutc=yesterday")
    assert record.pairs["c"] == 4
    assert [(one.field, one.reason) for one in refused_fields(record.pairs)] == [
        ("a", Reason.DUPLICATE_KEY), ("b", Reason.INVALID_UTF8), ("field 4", Reason.INVALID_UTF8), ("dateutc", Reason.BAD_TIME),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.EMPTY), (b" \r\n", Reason.EMPTY), (b"hello", Reason.WRONG_SHAPE), (b"&&", Reason.WRONG_SHAPE),
        (b"a=1&" * 1001, Reason.WRONG_SHAPE),
    ],
)  # fmt: skip
def test_refusals_of_forms(payload: bytes, expected: Reason) -> None:
    assert reason(form_urlencoded.read(payload, NOW)) is expected


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), min_size=1, max_size=8))
def test_what_a_browser_writes_is_read(fields: dict[str, str]) -> None:
    found = form_urlencoded.parse(urlencode(fields).encode())
    assert found == {name: value_of(text) for name, text in fields.items()}


# --- CSV

LOGGER = b"\r\n".join([
    b"\xef\xbb\xbfTOA5,station,CR1000",
    b"# a comment",
    b"time;device;pm25;rh;note",
    b'2026-03-14 09:00:00;st01;12,5;71;"a;""b"""',
    b"",
    b"2026-03-14 09:10:00;st01;;72;",
    b"",
])  # fmt: skip


def csv_of(payload: bytes, **options: Any) -> Any:
    return csv_lines.reader(Options(**options))(payload, NOW)


def test_lines_under_a_header() -> None:
    assert pairs_of(csv_of(LOGGER, delimiter=";", header=True, decimal=",", skip=1)) == [
        {"time": "2026-03-14 09:00:00", "device": "st01", "pm25": 12.5, "rh": 71, "note": 'a;"b"'},
        {"time": "2026-03-14 09:10:00", "device": "st01", "pm25": None, "rh": 72, "note": None},
    ]


@pytest.mark.parametrize(
    ("payload", "options", "expected"),
    [
        (b"1,2.5,x", {}, [{"1": 1, "2": 2.5, "3": "x"}]),
        (b"st01,2,3,4\n", {"columns": ("id", "-", "pm25", "pm10")}, [{"id": "st01", "pm25": 3, "pm10": 4}]),
        (b"st01,2,\n", {"columns": ("id", "pm25")}, [{"id": "st01", "pm25": 2}]),
        (b"a\t1\r\nb\t2", {"columns": ("id", "v"), "delimiter": "\t"}, [{"id": "a", "v": 1}, {"id": "b", "v": 2}]),
        (b"  a   1.5 \n", {"columns": ("id", "v"), "delimiter": " "}, [{"id": "a", "v": 1.5}]),
        (b'"a b"  1.5\n', {"columns": ("id", "v"), "delimiter": " "}, [{"id": "a b", "v": 1.5}]),
        (b"pm25=12.5;rh = 71;", {"pair": "=", "delimiter": ";"}, [{"pm25": 12.5, "rh": 71}]),
        (b"T:23.5,H:71", {"pair": ":"}, [{"T": 23.5, "H": 71}]),
        (b"'a,b',1", {"columns": ("id", "v"), "quote": "'"}, [{"id": "a,b", "v": 1}]),
        (b'a",1', {"columns": ("id", "v"), "quote": None}, [{"id": 'a"', "v": 1}]),
        (b"//x\n#1,2", {"comment": "//"}, [{"1": "#1", "2": 2}]),
        (b"t,,v\n1,2,3", {"header": True}, [{"t": 1, "v": 3}]),
    ],
)
def test_kinds_of_lines(payload: bytes, options: dict[str, Any], expected: list[dict[str, object]]) -> None:
    assert pairs_of(csv_of(payload, **options)) == expected


def test_a_bad_line_loses_only_itself() -> None:
    payload = b'a,1\nb\nc,1,2\n"d"x,1\ne\xff,1\nf,2\n"g\n'
    found = csv_of(payload, columns=("id", "v"))
    assert [record.pairs["v"] for record in found] == [1, 2]
    assert [(one.field, one.reason) for one in refused_fields(found[0].pairs)] == [
        ("line 2", Reason.WRONG_SHAPE), ("line 3", Reason.WRONG_SHAPE), ("line 4", Reason.WRONG_SHAPE),
        ("line 5", Reason.INVALID_UTF8), ("line 7", Reason.WRONG_SHAPE),
    ]  # fmt: skip
    found = csv_of(b"a=1,b\na=1,a=2\na=3", pair="=")
    assert [one.reason for one in refused_fields(found[0].pairs)] == [Reason.WRONG_SHAPE, Reason.DUPLICATE_KEY]


@pytest.mark.parametrize(
    ("payload", "options", "expected"),
    [
        (b"", {}, Reason.EMPTY),
        (b" \n\n", {}, Reason.EMPTY),
        (b"# only a comment", {}, Reason.NO_READING),
        (b"a,b\n", {"header": True}, Reason.NO_READING),
        (b"a,a\n1,2", {"header": True}, Reason.DUPLICATE_KEY),
        (b"\xff\n1", {"header": True}, Reason.INVALID_UTF8),
        (b"1", {"columns": ("a", "b")}, Reason.WRONG_SHAPE),
        (b"," * 600, {}, Reason.WRONG_SHAPE),
        (b"hello", {"pair": "="}, Reason.WRONG_SHAPE),
    ],
)
def test_refusals_of_lines(payload: bytes, options: dict[str, Any], expected: Reason) -> None:
    assert reason(csv_of(payload, **options)) is expected


def test_lines_are_limited() -> None:
    found = csv_of(b"1\n" * (MAX_RECORDS + 10))
    assert len(found) == MAX_RECORDS
    assert [one.field for one in refused_fields(found[0].pairs)] == [f"line {MAX_RECORDS + 1}"]


@pytest.mark.parametrize(
    "options",
    [
        {"columns": ("a", "a")}, {"columns": ("a",), "header": True}, {"header": True, "pair": "="}, {"decimal": ","}, {"delimiter": ""},
        {"delimiter": ";;"}, {"delimiter": "\n"}, {"quote": ","}, {"pair": ","}, {"colums": ("a",)},
    ],
)  # fmt: skip
def test_options_that_do_not_agree_are_configuration_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Options(**options)


CELLS = st.text(st.characters(blacklist_characters="\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", blacklist_categories=["Cs"]), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_was_written_is_read(rows: list[list[str]]) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [[text.strip() or "x" for text in row] for row in rows]
    payload = "\n".join(",".join(map(cell, row)) for row in lines).encode()
    assert pairs_of(csv_of(payload, columns=("a", "b"), comment=None)) == [{"a": value_of(row[0]), "b": value_of(row[1])} for row in lines]


OPTIONS = [
    Options(), Options(header=True), Options(columns=("a", "b")), Options(pair="="), Options(delimiter=" "),
    Options(delimiter=";", decimal=","),
]  # fmt: skip
PIECES = [b",", b";", b"\n", b"\r", b'"', b"#", b"=", b" ", b"1", b"a", b"1.5", b"\xff", b"\x00", b"&", b"%", b"+", b"?"]


@given(st.sampled_from(OPTIONS), payloads(PIECES))
def test_no_bytes_raise(options: Options, payload: bytes) -> None:
    assert isinstance(csv_lines.reader(options)(payload, NOW), list | Rejection)
    assert isinstance(form_urlencoded.read(payload, NOW), list | Rejection)


LONG = {
    "lines": b"1,2,3\n" * 11_000,
    "one line": b"1," * 32_000,
    "empty lines": b"\n" * 65_536,
    "blank lines": b" \n" * 32_000,
    "comments": b"#\n" * 32_000,
    "quotation marks": b'"' * 65_536,
    "quoted lines": b'"a","b"\n' * 8_000,
    "broken lines": b'"a"b\n' * 13_000,
    "pairs": b"a=1," * 16_000,
    "wide lines": (b"1," * 400 + b"\n") * 80,
    "percents": b"a=" + b"%41" * 21_000,
    "fields": b"&".join(b"a%d=1" % n for n in range(9_000)),
    "ampersands": b"&" * 65_000 + b"=",
    "plus": b"a=" + b"+" * 65_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_64_kilobytes_cost_little(name: str) -> None:
    for options in OPTIONS:
        cheap(csv_lines.reader(options), LONG[name][:65_536], NOW)
    cheap(form_urlencoded.read, LONG[name][:65_536], NOW)
