"""CBOR and MessagePack: the tree that JSON of the same content would give; Telegraf's cases; cbor2 as second opinion."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats import cbor_object, msgpack_object
from devices.formats.limits import MAX_DEPTH
from devices.formats.nested_json import Options
from devices.formats.paths import flatten
from devices.formats.record import Context, Record
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap, mutations, payloads

DATA = Path(__file__).parents[2] / "data" / "formats" / "telegraf"
NOW = Context()

cbor = cbor_object.parse
mpack = msgpack_object.parse


def reason(found: Any) -> Reason:
    assert isinstance(found, Rejection), found
    assert len(found.detail) < 300
    return found.reason


# --- Telegraf's cases (plugins/parsers/xpath/testcases), as paths and values


def test_telegraf_cbor_and_native_types_cbor() -> None:
    found = cbor_object.reader(Options(each="people"))((DATA / "addressbook.cbor").read_bytes(), NOW)
    assert isinstance(found, list)
    assert [flatten(record.pairs) for record in found] == [
        {"name": "John Doe", "id": 101, "email": "john@example.com", "age": 42},
        {"name": "Jane Doe", "id": 102, "age": 40},
        {"name": "Jack Doe", "id": 201, "email": "jack@example.com", "age": 12, "phones[0].number": "555-555-5555", "phones[0].type": 2},
        {
            "name": "Jack Buck", "id": 301, "email": "buck@example.com", "age": 19, "phones[0].number": "555-555-0000", "phones[0].type": 1,
            "phones[1].number": "555-555-0001", "phones[2].number": "555-555-0002", "phones[2].type": 2,
        },
        {
            "name": "Janet Doe", "id": 1001, "email": "janet@example.com", "age": 16, "phones[0].number": "555-777-0000",
            "phones[1].number": "555-777-0001", "phones[1].type": 1,
        },
    ]  # fmt: skip


def test_telegraf_cbor_numeric_keys() -> None:
    assert cbor_object.read((DATA / "cbor_numeric_keys.cbor").read_bytes(), NOW) == [
        Record({
            "258": "002-2.1.x", "259": "14ca85ed9", "260": 1687787189711304960, "261": True,
            "263": 3, "264": 23.76, "265": 68.934, "266": False,
        })
    ]  # fmt: skip


def test_telegraf_cbor_hex_encoding_and_explicit() -> None:
    """Telegraf writes chosen byte strings as hexadecimal and the others as text; here they stay bytes."""
    assert cbor_object.read((DATA / "cbor_hex_encoding.cbor").read_bytes(), NOW) == [
        Record({
            "str_a": b"this is a test", "str_b": b"foobar", "bytes_a": bytes.fromhex("0001020304050607"),
            "bytes_b": bytes.fromhex("666f6f626172"), "timestamp": 1687852514,
        })
    ]  # fmt: skip


def test_telegraf_native_types_msgpack() -> None:
    assert msgpack_object.read((DATA / "native_types.msgpack").read_bytes(), NOW) == [
        Record({"a": "a string", "b": 3.1415, "c": 42.0, "d": True})
    ]


# --- RFC 8949, appendix A


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00", 0), ("17", 23), ("1818", 24), ("190100", 256), ("1a000f4240", 1000000), ("1bffffffffffffffff", 2**64 - 1),
        ("c249010000000000000000", float(2**64)), ("3bffffffffffffffff", -(2**64)), ("c349010000000000000000", float(-(2**64) - 1)),
        ("20", -1), ("3903e7", -1000), ("f90000", 0.0), ("f98000", -0.0), ("f93c00", 1.0), ("fb3ff199999999999a", 1.1), ("f93e00", 1.5),
        ("f97bff", 65504.0), ("fa47c35000", 100000.0), ("fb7e37e43c8800759c", 1e300), ("f90001", 5.960464477539063e-8),
        ("f9c400", -4.0), ("f97c00", math.inf), ("f9fc00", -math.inf), ("f4", False), ("f5", True), ("f6", None), ("f7", None),
        ("c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"), ("c11a514b67b0", 1363896240),
        ("c1fb41d452d9ec200000", 1363896240.5), ("d74401020304", b"\x01\x02\x03\x04"), ("d818456449455446", b"dIETF"),
        ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"), ("40", b""), ("4401020304", b"\x01\x02\x03\x04"),
        ("60", ""), ("6449455446", "IETF"), ("62225c", '"\\'), ("62c3bc", "ü"), ("63e6b0b4", "水"), ("64f0908591", "𐅑"),
        ("80", []), ("8301820203820405", [1, [2, 3], [4, 5]]), ("a0", {}), ("a201020304", {"1": 2, "3": 4}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}), ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9fff", []), ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]), ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
        ("c48221196ab3", 273.15), ("c5822003", 1.5), ("c4821a3b9aca0001", math.inf), ("d9d9f7a1616101", {"a": 1}), ("f97e00", math.nan),
        ("c25883" + "ff" * 131, math.inf), ("c35883" + "ff" * 131, -math.inf), ("a1200a", {"-1": 10}),
    ],
)  # fmt: skip
def test_the_examples_of_rfc_8949(text: str, expected: object) -> None:
    found = cbor(bytes.fromhex(text))
    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.EMPTY),
        (b"\xa1\x61", Reason.CODEC_FAILED),
        (b"\xa1\x61a", Reason.CODEC_FAILED),
        (b"\x00\x00", Reason.CODEC_FAILED),
        (b"\xff", Reason.CODEC_FAILED),
        (b"\x1c", Reason.CODEC_FAILED),
        (b"\x1f", Reason.CODEC_FAILED),
        (b"\xdf\x00", Reason.CODEC_FAILED),
        (b"\xf0", Reason.CODEC_FAILED),
        (b"\xf8\x20", Reason.CODEC_FAILED),
        (b"\x5f\x61a\xff", Reason.CODEC_FAILED),
        (b"\x5f\x5f\xff\xff", Reason.CODEC_FAILED),
        (b"\x82\xff\x00", Reason.CODEC_FAILED),
        (b"\xbf\x61a\xff", Reason.CODEC_FAILED),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", Reason.CODEC_FAILED),
        (b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00", Reason.CODEC_FAILED),
        (b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", Reason.CODEC_FAILED),
        (b"\xc4\x82\x61a\x01", Reason.CODEC_FAILED),
        (b"\x61\xff", Reason.INVALID_UTF8),
        (b"\xa2\x61a\x01\x61a\x02", Reason.DUPLICATE_KEY),
        (b"\xa2\x01\x01\x611\x02", Reason.DUPLICATE_KEY),
        (b"\xa1\x80\x01", Reason.WRONG_SHAPE),
        (b"\xa1\xf5\x01", Reason.WRONG_SHAPE),
        (b"\xa1\x41a\x01", Reason.WRONG_SHAPE),
        (b"\x81" * 17 + b"\x00", Reason.TOO_DEEP),
        (b"\xc6" * 60_000 + b"\x00", Reason.TOO_DEEP),
        (b"\x99\x3a\x98" + b"\x00" * 15_000, Reason.WRONG_SHAPE),
    ],
)
def test_cbor_refusals(payload: bytes, expected: Reason) -> None:
    assert reason(cbor(payload)) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.EMPTY),
        (b"\x81\xa1", Reason.CODEC_FAILED),
        (b"\xc1", Reason.CODEC_FAILED),
        (b"\x80\x00", Reason.CODEC_FAILED),
        (b"\xdd\xff\xff\xff\xff\x00", Reason.CODEC_FAILED),
        (b"\xd4\xff\x00", Reason.CODEC_FAILED),
        (b"\xa1\xff", Reason.INVALID_UTF8),
        (b"\x82\xa1a\x01\xa1a\x02", Reason.DUPLICATE_KEY),
        (b"\x82\x01\x01\xa11\x02", Reason.DUPLICATE_KEY),
        (b"\x81\x90\x01", Reason.WRONG_SHAPE),
        (b"\x81\xc3\x01", Reason.WRONG_SHAPE),
        (b"\x91" * 17 + b"\x00", Reason.TOO_DEEP),
        (b"\x91" * 60_000 + b"\x00", Reason.TOO_DEEP),
        (b"\xdc\x3a\x98" + b"\x00" * 15_000, Reason.WRONG_SHAPE),
    ],
)
def test_msgpack_refusals(payload: bytes, expected: Reason) -> None:
    assert reason(mpack(payload)) is expected


def test_msgpack_extensions() -> None:
    message = {"t": msgpack.Timestamp(1_773_453_600, 500_000_000), "x": msgpack.ExtType(7, b"ab"), "b": b"\x01", 5: None}
    assert mpack(msgpack.packb(message)) == {"t": 1_773_453_600.5, "x": b"ab", "b": b"\x01", "5": None}


@pytest.mark.parametrize("module", [cbor_object, msgpack_object])
@pytest.mark.parametrize("message", [5, [5], [], "text", {"a": {"b": 1}}, [{"a": 1}, {"a": 2}], {}])
def test_a_message_is_one_map_or_an_array_of_maps(module: Any, message: Any) -> None:
    found = module.read((cbor2 if module is cbor_object else msgpack).__dict__["dumps"](message), NOW)
    if isinstance(message, dict):
        assert found == [Record(message)]
    elif isinstance(message, list) and message and isinstance(message[0], dict):
        assert found == [Record(element) for element in message]
    else:
        assert reason(found) is Reason.WRONG_SHAPE


def test_the_deepest_that_is_taken() -> None:
    assert not isinstance(cbor(b"\x81" * MAX_DEPTH + b"\x00"), Rejection)
    assert not isinstance(mpack(b"\x91" * MAX_DEPTH + b"\x00"), Rejection)


def as_here(value: Any) -> Any:
    """What cbor2 gave, with keys as text."""
    if isinstance(value, dict):
        return {str(key): as_here(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [as_here(inside) for inside in value]
    return value


def same(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**64 - 1), st.floats(), st.text(max_size=30), st.binary(max_size=30),
)  # fmt: skip
KEYS = st.one_of(st.text(max_size=5), st.integers(-(2**64), 2**64 - 1))
TREES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=30), st.dictionaries(KEYS, inner, max_size=5)), max_leaves=30)


@given(TREES)
def test_what_cbor2_writes_is_read_back(tree: Any) -> None:
    found = cbor(cbor2.dumps(tree))
    if isinstance(found, Rejection):
        assert found.reason in (Reason.TOO_DEEP, Reason.DUPLICATE_KEY)
    else:
        assert same(found, as_here(tree))


PIECES = [
    bytes([head])
    for head in (0, 1, 0x18, 0x20, 0x41, 0x5F, 0x61, 0x7F, 0x80, 0x82, 0x9F, 0xA1, 0xBF, 0xC2, 0xC4, 0xD8, 0xF5, 0xF9, 0xFB, 0xFF)
]


@given(
    st.one_of(
        payloads(PIECES),
        mutations([cbor2.dumps({"a": [1, 2.5, "x", b"y", None], "b": {"c": -7}}), (DATA / "addressbook.cbor").read_bytes()]),
    )
)
def test_no_cbor_raises_and_what_is_read_is_what_cbor2_reads(payload: bytes) -> None:
    found = cbor(payload)
    if isinstance(found, Rejection) or any(0xC0 <= byte <= 0xDB for byte in payload) or 0xF7 in payload:
        return  # Tags and undefined are read differently on purpose.
    assert same(found, as_here(cbor2.loads(payload)))


@given(
    st.one_of(payloads(PIECES), mutations([msgpack.packb({"a": [1, 2.5, "x", b"y", None], "b": {"c": -7}}), b"\xd6\xff\x00\x00\x00\x01"]))
)
def test_no_msgpack_raises(payload: bytes) -> None:
    mpack(payload)
    assert isinstance(msgpack_object.read(payload, NOW), list | Rejection)


def colliding_pairs(count: int) -> bytes:
    """Map keys that a dict of tuples would sort into one bucket; here such keys are refused at once."""
    return (
        b"\xbf"
        + b"".join(b"\x82" + b"\x1b" + struct.pack(">Q", n) + b"\x1b" + struct.pack(">Q", 2**61 - 1 - n) + b"\x00" for n in range(count))
        + b"\xff"
    )


LONG_CBOR = {
    "zeros": b"\x9f" + b"\x00" * 65_000,
    "empty maps": b"\x9f" + b"\xa0" * 65_000,
    "maps": b"\x9f" + b"\xa1\x00\x00" * 21_000,
    "nested": (b"\x9f" * 15 + b"\xff" * 15) * 2000,
    "chunks": b"\x5f" + b"\x40" * 65_000,
    "tags": b"\xc0" * 65_000,
    "doubles": b"\x9f" + b"\xfb\x40\x37\x80\x00\x00\x00\x00\x00" * 7000 + b"\xff",
    "a bignum": b"\xc2\x59\xff\x00" + b"\xff" * 0xFF00,
    "decimals of bignums": b"\x9f" + b"\xc4\x82\x1a\x7f\xff\xff\xff\x3b\xff\xff\xff\xff\xff\xff\xff\xff" * 4000,
    "a bignum as mantissa": b"\xc4\x82\x01\xc2\x59\xf0\x00" + b"\xff" * 0xF000,
    "tuples as keys": colliding_pairs(3200),
    "texts": b"\x9f" + b"\x61a" * 9000 + b"\xff",
    "keys": b"\xbf" + b"".join(cbor2.dumps(str(n)) + b"\x00" for n in range(4900)) + b"\xff",
}
LONG_MSGPACK = {
    "zeros": b"\xdc\xff\xf0" + bytes(0xFFF0),
    "empty maps": b"\xdc\xff\xf0" + b"\x80" * 0xFFF0,
    "maps": b"\xdc\x52\x00" + b"\x81\x00\x00" * 0x5200,
    "nested": b"\xdc\x0f\x00" + (b"\x91" * 15 + b"\x90") * 0xF00,
    "keys": b"\xde\x27\x00" + b"".join(msgpack.packb(str(n)) + b"\x00" for n in range(0x2700)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CBOR)
def test_64_kilobytes_of_cbor_cost_little(name: str) -> None:
    cheap(cbor_object.read, LONG_CBOR[name][:65_536], NOW)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_MSGPACK)
def test_64_kilobytes_of_msgpack_cost_little(name: str) -> None:
    cheap(msgpack_object.read, LONG_MSGPACK[name][:65_536], NOW)
