"""Binary layouts: every kind of step, what is refused whole and what alone, and configuration errors with their place."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs import CodecModel, compile_codec
from devices.codecs.binary import MAX_BYTES, MAX_GROUPS
from devices.device_type import parse
from devices.formats.record import Context, Control
from devices.loader import catalogue, shipped_types
from devices.problems import ConfigError
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import cheap

TYPES = {name: data["codec"] for name, data in shipped_types().items() if "binary" in data.get("codec", {})}


def codec(*steps: dict[str, Any], **more: Any) -> Any:
    return compile_codec(CodecModel.model_validate({"binary": {"steps": list(steps), **more}}))


def one(step: dict[str, Any], raw: bytes, **more: Any) -> Any:
    found = codec({"name": "v", **step}, **more)(raw, 1)
    assert not isinstance(found, Rejection | Control), found
    return found["v"]


@pytest.mark.parametrize(
    ("kind", "raw", "big", "little"),
    [
        ("u8", "ff", 255, 255),
        ("i8", "ff", -1, -1),
        ("u16", "0102", 0x102, 0x201),
        ("i16", "fffe", -2, -257),
        ("u24", "010203", 0x10203, 0x30201),
        ("i24", "ffffff", -1, -1),
        ("u32", "01020304", 0x1020304, 0x4030201),
        ("i32", "ffffff00", -256, 0x00FFFFFF),
        ("u40", "0102030405", 0x102030405, 0x504030201),
        ("i48", "ffffffffffff", -1, -1),
        ("u56", "01020304050607", 0x1020304050607, 0x7060504030201),
        ("u64", "ffffffffffffffff", 2**64 - 1, 2**64 - 1),
        ("i64", "ffffffffffffffff", -1, -1),
        ("f16", "3c00", 1.0, struct.unpack("<e", b"\x3c\x00")[0]),
        ("f32", "3f800000", 1.0, struct.unpack("<f", bytes.fromhex("3f800000"))[0]),
        ("f64", "3ff0000000000000", 1.0, struct.unpack("<d", bytes.fromhex("3ff0000000000000"))[0]),
    ],
)
def test_numbers(kind: str, raw: str, big: float, little: float) -> None:
    assert one({"type": kind}, bytes.fromhex(raw)) == big
    assert one({"type": kind}, bytes.fromhex(raw), endian="little") == little
    assert one({"type": kind, "endian": "little"}, bytes.fromhex(raw)) == little


@pytest.mark.parametrize(
    ("step", "raw", "value"),
    [
        ({"type": "u16", "scale": 0.1}, "0134", 30.8),
        ({"type": "u16", "scale": 0.001}, "0c56", 3.158),
        ({"type": "u16", "bias": -32768, "scale": 0.01}, "8142", 3.22),
        ({"type": "u8", "scale": 0.5, "offset": -40}, "5a", 5.0),
        ({"type": "u16", "scale": 2}, "bd10", 96800),
        ({"type": "u16", "bits": "0-13"}, "cc56", 0x0C56),
        ({"type": "u16", "bits": "14-15", "values": {3: "good"}}, "cc56", "good"),
        ({"type": "u8", "bits": 7}, "80", 1),
        ({"type": "u8", "bits": "0-3", "signed": True}, "0f", -1),
        ({"type": "u8", "values": {0: "normal", 1: "leak"}}, "01", "leak"),
        ({"type": "u8", "values": {0: "normal", 1: "leak"}}, "02", 2),
        ({"type": "u8", "values": {0: False}}, "00", False),
        ({"type": "i16", "none": [32767], "scale": 0.1}, "7fff", None),
        ({"type": "i16", "none": [32767], "scale": 0.1}, "7ffe", 3276.6),
        ({"type": "i32", "none": [[2000000000, 2147483647]]}, "77359400", None),
        ({"type": "bcd", "length": 3}, "012345", 12345),
        ({"type": "bcd", "length": 2, "scale": 0.1}, "0235", 23.5),
        ({"type": "bcd", "length": 2, "endian": "little"}, "3502", 235),
        ({"type": "bcd", "length": 1}, "1a", Rejection(Reason.WRONG_TYPE, "1a are no decimal digits")),
        ({"type": "text", "length": 4}, "41423100", "AB1"),
        ({"type": "text", "length": "rest"}, "c3a1", "á"),
        ({"type": "text", "length": 2}, "fffe", Rejection(Reason.INVALID_UTF8, "its byte 0 is not UTF-8")),
        ({"type": "hex", "length": "rest"}, "00ff", "00ff"),
        ({"type": "u8", "at": -1}, "0102ff", 255),
        ({"type": "u8", "at": 1}, "0102ff", 2),
        ({"type": "hex", "length": 2, "at": -2}, "0102ff", "02ff"),
    ],
)
def test_fields(step: dict[str, Any], raw: str, value: object) -> None:
    found = one(step, bytes.fromhex(raw))
    assert found == value
    assert type(found) is type(value) or isinstance(found, float)


def test_at_leaves_the_cursor_where_it_was() -> None:
    read = codec({"name": "last", "type": "u8", "at": -1}, {"name": "first", "type": "u8"}, {"skip": 1}, {"name": "third", "type": "u8"})
    assert read(b"\x01\x02\x03", None) == {"last": 3, "first": 1, "third": 3}


def test_a_fixed_layout_that_ends_too_early_is_refused_as_a_whole() -> None:
    read = codec({"name": "a", "type": "u8"}, {"name": "b", "type": "u16"})
    found = read(b"\x01\x02", 1)
    assert isinstance(found, Rejection)
    assert found.reason is Reason.CODEC_FAILED
    assert "b ends at byte 3, the message has 2" in found.detail
    assert read(b"", 1).reason is Reason.EMPTY
    assert codec({"name": "a", "type": "u8", "at": -3})(b"\x01", 1).reason is Reason.CODEC_FAILED
    assert codec({"name": "a", "type": "u8"}, {"skip": 4})(b"\x01\x02", 1).reason is Reason.CODEC_FAILED


@pytest.mark.parametrize(("length", "good", "bad"), [(3, [3], [1, 2, 4]), ([2, 4], [2, 3, 4], [1, 5])])
def test_length(length: Any, good: list[int], bad: list[int]) -> None:
    read = codec({"name": "a", "type": "u8"}, length=length)
    assert all(read(bytes(size), 1) == {"a": 0} for size in good)
    assert all(f"{size} came" in read(bytes(size), 1).detail for size in bad)


def test_formulas_conditions_and_private_names() -> None:
    read = codec(
        {"name": "_flags", "type": "u8"},
        {
            "if": "_flags & 1",
            "then": [{"name": "_lo", "type": "u16"}, {"name": "_hi", "type": "u16"}, {"name": "sum", "formula": "_lo + _hi * 65536"}],
        },
        {
            "if": "_flags & 2 and port == 7",
            "then": [{"name": "p", "type": "u8"}],
            "else": [{"name": "q", "formula": "length / (_flags - 1)"}],
        },
    )
    assert read(bytes.fromhex("03 0001 0002 09"), 7) == {"sum": 131073, "p": 9}
    assert read(bytes.fromhex("03 0001 0002 09"), None) == {"sum": 131073, "q": 3.0}
    assert read(bytes.fromhex("01 0001 0002"), 7) == {"sum": 131073, "q": None}


def test_a_condition_without_a_number_is_false() -> None:
    step = {"name": "a", "type": "u8", "none": [255]}
    read = codec(step, {"if": "a > 1", "then": [{"name": "b", "type": "u8"}], "else": [{"name": "c", "type": "u8"}]})
    assert (read(b"\x02\x05", 1), read(b"\xff\x05", 1)) == ({"a": 2, "b": 5}, {"a": None, "c": 5})


def test_switch_over_port_and_header() -> None:
    a, b = [{"name": "a", "type": "u8"}], [{"name": "b", "type": "u8"}]
    read = codec({"switch": "port", "cases": {2: a, 3: b, 5: [{"control": "status"}]}})
    assert (read(b"\x01", 2), read(b"\x01", 3), read(b"\x01", 5)) == ({"a": 1}, {"b": 1}, Control("status"))
    assert read(b"\x01", 4).detail == "port is 4, known are 2, 3, 5"
    assert read(b"\x01", None).reason is Reason.CODEC_FAILED
    other = codec({"name": "_kind", "type": "u8"}, {"switch": "_kind", "cases": {1: a}, "else": [{"reject": "not a measurement"}]})
    assert other(b"\x01\x05", 1) == {"a": 5}
    assert other(b"\x02\x05", 1) == Rejection(Reason.CODEC_FAILED, "not a measurement")


def test_equals_is_the_signature_of_a_layout() -> None:
    read = codec({"name": "version", "type": "u8", "equals": 2}, {"name": "a", "type": "u8"})
    assert read(b"\x02\x07", 1) == {"version": 2, "a": 7}
    assert read(b"\x03\x07", 1).detail == "version is 3, 2 is due"


TLV = {
    "tlv": {
        "key": 2,
        "items": {
            "01 75": [{"name": "battery", "type": "u8"}],
            "03 67": [{"name": "temperature", "type": "i16", "scale": 0.1}],
            "20 ce": [{"repeat": "history", "count": 1, "steps": [{"name": "t", "type": "u8"}]}],
        },
    }
}


def test_tlv_keeps_what_stands_before_a_cut_or_an_unknown_key() -> None:
    read = codec(TLV, endian="little")
    assert read(bytes.fromhex("01755c 03673401"), 1) == {"battery": 92, "temperature": 30.8}
    assert read(bytes.fromhex("01755c 036734"), 1) == {
        "battery": 92,
        "temperature": Rejection(Reason.CODEC_FAILED, "takes 2 bytes, 1 are there"),
    }
    assert read(bytes.fromhex("01755c 03"), 1) == {"battery": 92}
    assert read(bytes.fromhex("01755c ffff 03673401"), 1) == {"battery": 92}
    strict = codec({"tlv": {**TLV["tlv"], "unknown": "reject"}}, endian="little")
    assert strict(bytes.fromhex("01755c ffff 036734"), 1).detail == "unknown key ff ff at byte 3"


def test_a_cut_value_is_refused_alone() -> None:
    """`One field that cannot be read does not lose its neighbours`: all the way to the readings."""
    kind = parse(shipped_types()["milesight-am307"], catalogue())
    assert kind.decode_raw is not None
    found = kind.decode_raw(bytes.fromhex("0367ee0004687c0973"), ("x", "1"))
    assert [(value.parameter, value.value) for value in found.values] == [("air_temp", 23.8), ("rh", 62.0)]
    assert [(field.field, field.reason) for field in found.refused] == [("pressure", Reason.CODEC_FAILED)]


def test_a_cut_in_a_private_value_is_told_by_its_place() -> None:
    read = codec({"tlv": {"key": 1, "items": {"01": [{"name": "_a", "type": "u16"}, {"name": "a", "formula": "_a * 2"}]}}})
    assert read(bytes.fromhex("010002 0100"), 1) == {"a": 4, "byte 3": Rejection(Reason.CODEC_FAILED, "takes 2 bytes, 1 are there")}


def test_tlv_groups_of_one_name_are_counted_on() -> None:
    assert codec(TLV)(bytes.fromhex("20ce05 20ce06"), 1) == {"history[0].t": 5, "history[1].t": 6}


@pytest.mark.parametrize(("length", "raw"), [("u8", "09 02 ffff 01 01 07"), ("u16", "09 0002 ffff 01 0001 07"), (2, "09 ffff 01 0700")])
def test_tlv_with_lengths_passes_over_unknown_keys(length: Any, raw: str) -> None:
    read = codec({"tlv": {"key": 1, "length": length, "unknown": "skip", "items": {"01": [{"name": "a", "type": "u8"}]}}})
    assert read(bytes.fromhex(raw), 1) == {"a": 7}


def test_a_value_shorter_than_announced_loses_only_itself() -> None:
    read = codec({"tlv": {"key": 1, "length": "u8", "items": {"01": [{"name": "a", "type": "u16"}], "02": [{"name": "b", "type": "u8"}]}}})
    assert read(bytes.fromhex("01 01 07 02 01 08"), 1) == {"a": Rejection(Reason.CODEC_FAILED, "takes 2 bytes, 1 are there"), "b": 8}


def test_repeat() -> None:
    group = [{"name": "t", "type": "u16"}, {"name": "_x", "type": "u8"}, {"name": "double", "formula": "_x * 2"}]
    read = codec({"name": "n", "type": "u8"}, {"repeat": "history", "steps": group})
    assert read(bytes.fromhex("02 000105 000206 00"), 1) == {
        "n": 2,
        "history[0].t": 1,
        "history[0].double": 10,
        "history[1].t": 2,
        "history[1].double": 12,
    }
    counted = codec({"name": "n", "type": "u8"}, {"repeat": "h", "count": "n", "steps": group}, {"name": "end", "type": "u8"})
    assert counted(bytes.fromhex("01 000105 09"), 1) == {"n": 1, "h[0].t": 1, "h[0].double": 10, "end": 9}
    assert "h[1].t ends at byte 6" in counted(bytes.fromhex("02 000105 09"), 1).detail
    many = codec({"repeat": "h", "steps": [{"name": "a", "type": "u8"}]})(bytes(MAX_BYTES), 1)
    assert len(many) == MAX_GROUPS
    nothing = codec({"repeat": "h", "steps": [{"name": "a", "type": "u8", "at": 0}]})(bytes(10), 1)
    assert nothing == {}, "a group that takes no bytes is no group"


@pytest.mark.parametrize(
    ("kind", "raw", "more"),
    [
        ("sum8", "010203 06", {"at": -1}),
        ("xor8", "010203 00", {"at": -1}),
        ("crc16-kermit", "010110b06800000102 1088f40000 8cff", {"endian": "little"}),
        ("crc16-xmodem", b"123456789".hex() + "31c3", {}),
        ("crc16-ccitt-false", b"123456789".hex() + "29b1", {}),
        ("crc16-modbus", b"123456789".hex() + "4b37", {}),
        ("crc32", b"123456789".hex() + "cbf43926", {"at": -4}),
        ("sum8", "aa 010203 06", {"at": -1, "start": 1}),
    ],
)
def test_checksums(kind: str, raw: str, more: dict[str, Any]) -> None:
    """The check values of the CRC catalogue for `123456789`, and a published SenseCAP message."""
    read = codec({"name": "a", "type": "u8"}, checksum={"kind": kind, **more})
    message = bytes.fromhex(raw)
    assert "a" in read(message, 1)
    for n in range(more.get("start", 0), len(message)):
        damaged = bytearray(message)
        damaged[n] ^= 0x10
        assert read(bytes(damaged), 1) == Rejection(Reason.CODEC_FAILED, "the checksum does not fit the message")
    assert read(message[:1], 1).reason is Reason.CODEC_FAILED


@pytest.mark.parametrize(
    ("steps", "path", "says"),
    [
        ([{"name": "a", "type": "u9"}], ("steps", 0, "type"), "pattern"),
        ([{"name": "a", "typ": "u8"}], ("steps", 0), "a step has one of: type"),
        ([{"name": "a", "type": "u8", "scle": 1}], ("steps", 0, "scle"), "unknown key"),
        ([{"name": "a", "type": "text"}], ("steps", 0), "`length`"),
        ([{"name": "a", "type": "u8", "bits": "0-8"}], ("steps", 0), "bit 8"),
        ([{"name": "a", "type": "f32", "bits": 1}], ("steps", 0), "whole number"),
        ([{"name": "a", "type": "u8", "scale": 0}], ("steps", 0), "loses every value"),
        ([{"name": "a", "formula": "b + 1"}], ("steps", 0, "formula"), "nothing before this reads 'b'"),
        ([{"if": "system(1)", "then": []}], ("steps", 0, "if"), "unknown function"),
        ([{"switch": "port", "cases": {2: [{"name": "a", "type": "x"}]}}], ("steps", 0, "cases", "2", 0, "type"), "pattern"),
        ([{"tlv": {"items": {1: []}}}], ("steps", 0, "tlv", "items"), "in quotes"),
        ([{"tlv": {"items": {"01": []}}}], ("steps", 0, "tlv"), "has 1 bytes"),
        ([{"tlv": {"key": 1, "unknown": "skip", "items": {"01": []}}}], ("steps", 0, "tlv"), "cannot be skipped"),
        ([{"repeat": "h", "steps": [{"repeat": "i", "steps": [{"skip": 1}]}]}], ("steps", 0, "steps", 0), "no further repeat"),
        ([{"repeat": "h", "steps": [{"if": "1", "then": [TLV]}]}], ("steps", 0, "steps", 0), "no further repeat"),
        ([{"name": "port", "type": "u8"}], ("steps", 0, "name"), "the message's own"),
        ([], ("steps",), "at least 1"),
    ],
)
def test_configuration_errors_name_their_place(steps: list[Any], path: tuple[Any, ...], says: str) -> None:
    data = {**shipped_types()["milesight-am104"], "codec": {"binary": {"steps": steps}}}
    with pytest.raises(ConfigError) as caught:
        parse(data, catalogue())
    due = ("codec", "binary", *path)
    found = [
        problem for problem in caught.value.problems if tuple(map(str, problem.path)) == tuple(map(str, due)) and says in problem.message
    ]
    assert found, caught.value.problems


@pytest.mark.parametrize("name", sorted(TYPES))
@given(raw=st.binary(max_size=300), port=st.none() | st.integers(0, 255))
def test_no_bytes_raise(name: str, raw: bytes, port: int | None) -> None:
    found = COMPILED[name](raw, port)
    if isinstance(found, Rejection):
        assert found.reason in (Reason.CODEC_FAILED, Reason.EMPTY)
    elif not isinstance(found, Control):
        assert not [path for path in found if path.startswith("_") or path in ("port", "length")]


COMPILED = {name: compile_codec(CodecModel.model_validate(data)) for name, data in TYPES.items()}
WORST = [b"\x00" * 65_536, b"\x01" * MAX_BYTES, b"\x20\xce" + b"\x01" * (MAX_BYTES - 2), bytes.fromhex("017564") * (MAX_BYTES // 3)]


@pytest.mark.slow
@pytest.mark.parametrize("raw", WORST, ids=["64 KB of zeros", "ones", "history", "items"])
def test_64_kb_take_less_than_50_ms_and_10_mb(raw: bytes) -> None:
    for read in COMPILED.values():
        cheap(lambda payload, context, read=read: read(payload, 1), raw, Context())  # type: ignore[misc]
