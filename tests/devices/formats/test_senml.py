"""SenML: the examples of RFC 8428 resolved as the RFC's authors resolved them, and the records that come of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.limits import MAX_RECORDS
from devices.formats.record import Context, Record
from devices.formats.refusals import refused_fields
from devices.formats.senml import RELATIVE_BELOW, Options, Resolved, read, reader, resolve
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, mutations, payloads

DATA = Path(__file__).parents[2] / "data" / "formats" / "senml"
NOW_MS = 1_773_453_600_000
NOW = Context(received_ms=NOW_MS)

OW = "urn:dev:ow:10e2073a0108006"
EX13: list[dict[str, Any]] = [
    {"n": "2001:db8::3", "u": "/", "t": 1320078429.0, "v": 0.5},
    {"n": "2001:db8::4", "u": "/", "t": 1320078429.0, "v": 0.5},
    {"n": "2001:db8::3", "u": "/", "t": 1320078429.1, "v": 0},
    {"n": "2001:db8::4", "u": "/", "t": 1320078429.1, "v": 0},
]
"""The vectors hold no resolved form of example 13: this is it by section 4.6."""


def senml(one: Resolved, now: float) -> dict[str, Any]:
    """As a resolved SenML record. `now`: the receipt that the example's author had, in s."""
    label = {bool: "vb", str: "vs", bytes: "vd"}.get(type(one.value), "v")
    record = {"n": one.name, "u": one.unit, "t": one.time if one.time >= RELATIVE_BELOW else one.time + now, label: one.value, "s": one.sum}
    return {key: value for key, value in record.items() if value is not None}


def resolved_of(payload: bytes) -> list[Resolved]:
    found = resolve(payload)
    assert not isinstance(found, Rejection), found
    assert found[1] == {}
    return found[0]


def records_of(payload: Any) -> list[Record]:
    found = read(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), NOW)
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize("form", ["json", "gen.json", "gen.wrap.json", "gen.cbor"])
@pytest.mark.parametrize("example", [1, 3, 5, 7, 9, 11, 13])
def test_the_examples_of_rfc_8428(example: int, form: str) -> None:
    """core-wg/senml-spec, ex1 … ex13: each published form resolves to the published resolution."""
    path = DATA / f"ex{example}.{form}"
    if not path.exists():  # Not every example is published in every form.
        assert form != "json"
        return
    resolution = DATA / f"ex{example}.gen.resolved.json"
    due: list[dict[str, Any]] = json.loads(resolution.read_text()) if example != 13 else EX13
    found = [senml(one, due[0]["t"]) for one in resolved_of(path.read_bytes())]
    if example == 7:
        # The published resolution leaves the data value ("hi \n") out, for no reason in the RFC.
        assert found.pop() == {"n": "urn:dev:ow:10e2073a01080063:nfv-reader", "t": due[0]["t"], "vd": b"hi \n"}
    assert found == [{**record, "t": pytest.approx(record["t"], abs=1e-6)} for record in due]


@pytest.mark.parametrize("example", [1, 3, 5, 7, 9, 11])
def test_a_resolved_pack_resolves_to_itself(example: int) -> None:
    text = (DATA / f"ex{example}.gen.resolved.json").read_bytes()
    assert [senml(one, 0) for one in resolved_of(text)] == json.loads(text)


def test_records_of_one_device_and_time_travel_together() -> None:
    assert records_of((DATA / "ex3.json").read_bytes())[-1] == Record(
        {"voltage": 120.1, "voltage@unit": "V", "current": 1.7, "current@unit": "A"}, device=OW, time=1276020076001
    )
    assert [record.time for record in records_of((DATA / "ex3.gen.cbor").read_bytes())] == [1276020071001 + 1000 * n for n in range(6)]
    assert records_of((DATA / "ex9.json").read_bytes()) == [
        Record(
            {"temp": 23.1, "temp@unit": "Cel", "heat": 1, "heat@unit": "/", "fan": 0, "fan@unit": "/"},
            device="urn:dev:ow:10e2073a01080063",
            time=None,
        )
    ]
    assert records_of((DATA / "ex7.json").read_bytes())[0].pairs == {
        "temp": 23.1, "temp@unit": "Cel", "label": "Machine Room", "open": False, "nfv-reader": b"hi \n",
    }  # fmt: skip


def test_a_nameless_value_stands_under_its_unit_and_lat_lon_place_the_record() -> None:
    first, *_, last = records_of((DATA / "ex5.json").read_bytes())
    assert first == Record(
        {"%RH": 20.0, "%RH@unit": "%RH", "lon": 24.30621, "lon@unit": "lon", "lat": 60.07965, "lat@unit": "lat"},
        device="urn:dev:ow:10e2073a01080063",
        time=1320067464000,
        latitude=60.07965,
        longitude=24.30621,
    )
    assert last.time == 1320067644000


@pytest.mark.parametrize(
    ("pack", "device", "path"),
    [
        ([{"bn": "st01/", "n": "temp", "v": 1}], "st01", "temp"),
        ([{"bn": "st01", "n": "/temp", "v": 1}], "st01", "temp"),
        ([{"bn": "st01", "v": 1, "u": "Cel"}], "st01", "Cel"),
        ([{"bn": "st01", "v": 1}], "st01", "value"),
        ([{"n": "temp", "v": 1}], None, "temp"),
        ([{"n": OW + ":temp", "v": 1}], OW, "temp"),
        ([{"n": OW + "_temp_2", "v": 1}], OW, "temp_2"),
        ([{"n": OW, "v": 1, "u": "Cel"}], OW, "Cel"),
        ([{"bn": "urn:dev:mac:", "n": "0024befffe804ff1/temp", "v": 1}], "urn:dev:mac:0024befffe804ff1", "temp"),
    ],
)
def test_where_a_name_divides(pack: Any, device: str | None, path: str) -> None:
    (record,) = records_of(pack)
    assert record.device == device
    assert record.pairs[path] == 1


def test_the_whole_name_may_be_the_device() -> None:
    found = reader(Options(names="name"))((DATA / "ex13.json").read_bytes(), NOW)
    assert isinstance(found, list)
    assert [(record.device, record.time, record.pairs["/"]) for record in found] == [
        ("2001:db8::3", 1320078429000, 0.5),
        ("2001:db8::4", 1320078429000, 0.5),
        ("2001:db8::3", 1320078429100, 0),
        ("2001:db8::4", 1320078429100, 0),
    ]


def test_times_below_2_28_are_relative_to_the_receipt() -> None:
    found = records_of([{"bn": "a/", "n": "x", "v": 1, "t": -60.5}, {"n": "x", "v": 2}, {"n": "x", "v": 3, "t": 10}])
    assert [(record.time, record.pairs["x"]) for record in found] == [(NOW_MS - 60_500, 1), (None, 2), (NOW_MS + 10_000, 3)]
    found = records_of([{"bn": "a/", "bt": -100, "n": "x", "v": 1, "t": 40}])
    assert found[0].time == NOW_MS - 60_000


def test_base_value_and_sums() -> None:
    assert resolved_of(b'[{"bn":"a/","bv":20,"bs":100,"n":"x","v":1.5,"s":3},{"n":"y"},{"n":"z","vs":"t","s":-1}]') == [
        Resolved("a/x", None, 0, 21.5, 103, "a/"),
        Resolved("a/y", None, 0, 20, 100, "a/"),
        Resolved("a/z", None, 0, "t", 99, "a/"),
    ]
    (record,) = records_of([{"bn": "a/", "n": "energy", "u": "J", "s": 12.5}, {"n": "rain", "v": 1, "s": 7}])
    assert record.pairs == {"energy@unit": "J", "energy@sum": 12.5, "rain": 1, "rain@sum": 7}


def test_a_bad_record_loses_only_itself() -> None:
    (record,) = records_of([{"bn": "a/", "n": "x", "v": "1"}, {"n": "y", "v": 2}, {"n": "x y", "v": 1}, {"n": "y", "v": 3}, {"n": "z"}])
    assert record.pairs.pop("y@unit", None) is None
    assert [(field.field, field.reason) for field in refused_fields(record.pairs)] == [
        ("y", Reason.DUPLICATE_KEY),
        ("record 1", Reason.WRONG_TYPE),
        ("record 3", Reason.WRONG_SHAPE),
        ("record 5", Reason.WRONG_SHAPE),
    ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.EMPTY),
        (b"[]", Reason.NO_READING),
        (b'[{"bn":"a"}]', Reason.NO_READING),
        (b"x", Reason.NOT_JSON),
        (b"[{]", Reason.NOT_JSON),
        (b'{"n":"a","v":1}', Reason.WRONG_SHAPE),
        (b"[1]", Reason.WRONG_SHAPE),
        (b'[{"n":"a","v":1,"n":"b"}]', Reason.DUPLICATE_KEY),
        (b'[{"n":"a","v":1,"must_":0}]', Reason.WRONG_SHAPE),
        (b'[{"n":"a","v":1,"bver":11}]', Reason.WRONG_SHAPE),
        (b'[{"n":"a","v":1},{"bt":"x","n":"b","v":1}]', Reason.WRONG_TYPE),
        (b'[{"v":1}]', Reason.WRONG_SHAPE),
        (b'[{"n":"-a","v":1}]', Reason.WRONG_SHAPE),
        (b'[{"n":"a"}]', Reason.WRONG_SHAPE),
        (b'[{"n":"a","v":1,"vs":"1"}]', Reason.WRONG_SHAPE),
        (b'[{"n":"a","v":true}]', Reason.WRONG_TYPE),
        (b'[{"n":"a","vb":1}]', Reason.WRONG_TYPE),
        (b'[{"n":"a","vd":"*"}]', Reason.WRONG_TYPE),
        (b'[{"n":"a","v":1,"t":1e999}]', Reason.BAD_TIME),
        (b'[{"n":"a","v":1,"t":1e15}]', Reason.BAD_TIME),
        (b"[" * 100, Reason.TOO_DEEP),
        (b"[" + b'{"n":"a","v":1},' * MAX_RECORDS + b'{"n":"a","v":1}]', Reason.WRONG_SHAPE),
        (b"\x81", Reason.CODEC_FAILED),
        (b"\x81\x01", Reason.WRONG_SHAPE),
        (b"\xa1\x00\x61a", Reason.WRONG_SHAPE),
    ],
)
def test_refusals(payload: bytes, expected: Reason) -> None:
    found = read(payload, NOW)
    assert isinstance(found, Rejection), found
    assert found.reason is expected
    assert len(found.detail) < 300


def test_unknown_fields_are_passed_over_unless_they_end_in_an_underscore() -> None:
    assert records_of([{"n": "a", "v": 1, "x-extra": 5}])[0].pairs == {"a": 1}
    assert records_of(cbor2.dumps([{0: "a", 2: 1, 99: 5, -99: 2}]))[0].pairs == {"a": 1}


def test_a_time_far_before_the_receipt_is_no_time() -> None:
    (record,) = records_of([{"n": "a", "v": 1, "t": -1e12}])
    assert record.time is None
    assert [(field.field, field.reason) for field in refused_fields(record.pairs)] == [("@time", Reason.BAD_TIME)]


NUMBERS = st.one_of(st.integers(-10, 2**33), st.floats(allow_nan=False, allow_infinity=False))
ANY = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=3), st.integers())
LABELS = ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x", "x_"]
PACKS = st.lists(st.dictionaries(st.sampled_from(LABELS), ANY), max_size=6)


@given(PACKS)
def test_no_pack_raises_and_cbor_says_the_same_as_json(pack: list[dict[str, Any]]) -> None:
    found = read(json.dumps(pack).encode(), NOW)
    assert isinstance(found, list | Rejection)
    assert isinstance(read(cbor2.dumps(pack), NOW), list | Rejection)


VALID = [path.read_bytes() for path in sorted(DATA.glob("ex*.json")) + sorted(DATA.glob("*.cbor"))]


@given(
    st.one_of(
        mutations(VALID), payloads([b"[", b"]", b"{", b"}", b'"n":', b'"v":', b"1", b",", b'"a"', b"\x81", b"\xa1", b"\x00", b"\x61a"])
    )
)
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(read(payload, NOW), list | Rejection)


LONG = {
    "records": b"[" + b",".join(b'{"n":"a%d","v":%d}' % (n, n) for n in range(MAX_RECORDS)) + b"]",
    "times": b"[" + b",".join(b'{"n":"a","t":%d,"v":1}' % n for n in range(MAX_RECORDS)) + b"]",
    "bad records": b"[" + b",".join([b'{"n":"a b"}'] * MAX_RECORDS) + b"]",
    "one name": b"[" + b",".join([b'{"n":"a","v":1}'] * MAX_RECORDS) + b"]",
    "too many": b"[" + b",".join([b"{}"] * 20_000) + b"]",
    "a long base name": b'[{"bn":"' + b"a" * 40_000 + b'"},' + b",".join([b'{"n":"a","v":1}'] * 1500) + b"]",
    "cbor": cbor2.dumps([{0: "a", 6: n, 2: 1} for n in range(MAX_RECORDS)]),
    "cbor maps": b"\x9f" + b"\xa1\x00\x00" * 21_000 + b"\xff",
}


@pytest.mark.parametrize("name", LONG)
def test_64_kilobytes_cost_little(name: str) -> None:
    cheap(read, LONG[name][:65_536], NOW)
