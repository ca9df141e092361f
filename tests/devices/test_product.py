"""What speaks for a type in an encoded LoRaWAN payload (`devices.product`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs import CodecModel, compile_account
from devices.device_type import parse_all
from devices.formats.record import Record
from devices.loader import catalogue, shipped_types
from devices.product import UNNAMED, Hint, hints
from devices.reading import Value

TYPES = parse_all(list(shipped_types().values()), catalogue())


def named(type_id: str, text: str, *, exact: bool = True, eui: str = "") -> tuple[int, int]:
    return TYPES[type_id].product.named([Hint("place", text, exact)], eui)[:2]


@pytest.mark.parametrize("text", ["AM319", "am319", "Milesight AM-319 (868M)", "milesight/am 319", "AM319-HCHO", "Flur_AM319"])
def test_a_product_is_found_however_it_is_written(text: str) -> None:
    assert named("milesight-am319", text) == (3, 5)
    assert named("milesight-am319", text, exact=False) == (2, 5)


@pytest.mark.parametrize("text", ["AM3190", "XAM319", "AM31", "am3 19", ""])
def test_a_name_is_not_found_inside_another(text: str) -> None:
    assert named("milesight-am319", text) == (0, 0)


def test_the_longer_name_says_more() -> None:
    assert named("elsys-elt-2-ultrasonic", "ELT-2 ultrasonic") > named("elsys-elt-2", "ELT-2 ultrasonic") == (3, 4)
    assert named("elsys-elt-2-ultrasonic", "ELT-2") == (0, 0)
    assert named("elsys-ers-co2", "Elsys ERS2 CO2") == (1, 0), "only the maker is"


def test_the_maker_alone_says_less_and_so_do_the_first_digits_of_its_eui() -> None:
    assert named("milesight-am319", "Milesight node") == (1, 0)
    assert named("milesight-am319", "node 7", eui="24E124710C408089") == (1, 0)
    assert named("milesight-am319", "node 7", eui="A84041F621857CD2") == UNNAMED[:2]


def test_hints_are_the_texts_that_may_name_the_sender() -> None:
    message = {
        "deviceInfo": {"deviceProfileName": "P", "deviceName": "N", "devEui": "0011", "tags": {"typ": "T"}},
        "object": {"model": "M", "note": "no"},
        "rxInfo": [{"name": "gateway"}],
        "DriverCfg": {"mod": {"mId": "dl-pm"}},
    }
    assert hints(json.dumps(message).encode()) == [
        Hint("deviceProfileName", "P", True),
        Hint("deviceName", "N", False),
        Hint("typ", "T", False),
        Hint("model", "M", True),
        Hint("mId", "dl-pm", True),
    ]


@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(lambda x: json.dumps(x).encode())
)
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(hints(payload), list)


# ---------------------------------------------------------------- how much a layout accounts for


def account(steps: list[Any], raw: str, port: int | None = 1, **more: Any) -> tuple[int, float]:
    found = compile_account(CodecModel.model_validate({"binary": {"steps": steps, **more}}))
    assert found is not None
    left, bits = found(bytes.fromhex(raw), port)
    return left, round(bits, 1)


U8 = {"name": "x", "type": "u8"}
TLV = [{"tlv": {"items": {"01 75": [U8], "03 67": [{"name": "t", "type": "i16"}]}}}]


@pytest.mark.parametrize(
    ("steps", "raw", "more", "due"),
    [
        ([U8], "05", {}, (0, 0)),
        ([U8], "0506", {}, (1, 0)),
        ([{**U8, "equals": 2}], "02", {}, (0, 8)),
        ([{**U8, "equals": 2, "bits": "0-3"}], "02", {}, (0, 4)),
        ([{**U8, "equals": 2}], "03", {}, (1, 0)),
        ([U8], "05", {"length": 1}, (0, 4)),
        ([{**U8, "at": 2}], "000005", {}, (0, 0)),
        ([{**U8, "at": -1}], "000005", {}, (0, 0)),
        ([U8], "05060f", {"checksum": {"kind": "crc16-modbus"}}, (0, 16)),
        (TLV, "017564036710 01", {}, (0, 30)),
        (TLV, "017564ff00", {}, (2, 15)),
        (TLV, "0175640367", {}, (2, 15)),
        ([{"tlv": {"items": {"01 75": [U8]}, "after": 2}}], "017564beef", {}, (0, 16)),
        ([{"switch": "port", "cases": {1: [U8], 2: [U8]}}], "05", {}, (0, 7)),
        ([{"switch": "port", "cases": {1: [U8]}, "else": []}], "05", {}, (0, 0)),
        ([{"if": "port", "then": [{**U8, "equals": 5}]}], "05", {}, (0, 8)),
        ([{"repeat": "h", "steps": [{**U8, "equals": 5}]}], "0505", {}, (0, 0)),
        ([{"skip": 3}], "05", {}, (1, 0)),
        ([{"control": "x"}], "05", {}, (1, 0)),
    ],
)
def test_bytes_that_are_left_and_bits_that_had_to_be_so(steps: list[Any], raw: str, more: dict[str, Any], due: tuple[int, float]) -> None:
    assert account(steps, raw, **more) == due


def test_cayenne_accounts_for_its_types_and_javascript_for_nothing() -> None:
    cayenne = compile_account(CodecModel.model_validate({"builtin": "cayenne-lpp"}))
    assert cayenne is not None
    left, bits = cayenne(bytes.fromhex("03670110 ff"), 1)
    assert (left, round(bits, 1)) == (1, 3.3)
    assert compile_account(CodecModel.model_validate({"javascript": {"file": "a.js", "source": "1"}})) is None


@given(st.sampled_from([kind for kind in TYPES.values() if kind.product.account]), st.binary(min_size=1, max_size=60), st.integers(-1, 255))
def test_an_account_raises_for_no_bytes_and_is_no_more_than_there_is(kind: Any, raw: bytes, port: int) -> None:
    left, bits = kind.product.account(raw, port if port >= 0 else None)
    assert 0 <= left <= len(raw)
    assert 0 <= bits <= 8 * len(raw) + 32


# ---------------------------------------------------------------- evidence

RAW = bytes.fromhex("cc5609c001ec01096c7fff")
GOOD = [Value("air_temp", 24.96, 1), Value("rh", 49.2, 1)]


def bits(record: Record, values: list[Value]) -> float:
    return TYPES["dragino-lht65n"].product.evidence(record, values).bits


def test_what_speaks_for_a_type_and_what_against_it() -> None:
    plain = bits(Record({}, raw=RAW, port=None), GOOD)
    assert bits(Record({}, raw=RAW, port=2), GOOD) > plain > bits(Record({}, raw=RAW, port=9), GOOD)
    assert bits(Record({}, raw=RAW), GOOD[:1]) < plain
    assert bits(Record({}, raw=RAW), [GOOD[0], Value("rh", 249.2, 4)]) < bits(Record({}, raw=RAW), GOOD[:1])
    assert bits(Record({}, raw=RAW + b"\1"), GOOD) < plain


def test_the_network_servers_decoder_is_a_witness() -> None:
    plain = bits(Record({}, raw=RAW), GOOD)
    assert bits(Record({"t": 24.96, "more": [{"h": 49.2}]}, raw=RAW), GOOD) > bits(Record({"t": 24.96}, raw=RAW), GOOD) > plain
    assert bits(Record({"t": 12.1}, raw=RAW), GOOD) < plain
    assert bits(Record({"state": True, "zero": 0, "name": "x"}, raw=RAW), GOOD) == plain
