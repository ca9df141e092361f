"""The quick way of reading JSON and the general one are one reader: the same trees, the same refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.formats import flat_json, json_text
from devices.rejection import Reason, Rejection
from tests.devices.formats.costs import mutations, payloads

PUBLISHED = [json.loads(path.read_text())["payload_raw"] for path in sorted((Path(__file__).parents[2] / "data/payloads").glob("*.json"))]
VALID = [text.encode() for text in PUBLISHED if text.lstrip()[:1] in "{["]
COMPACT = [orjson.dumps(orjson.loads(text)) for text in VALID]
PIECES = [
    b'{"a":1', b',"a":2', b"}", b"{", b"[", b"]", b",", b":", b" ", b'"', b'"\\u0022"', b'"\\""', b'"\\ud83d\\ude00"', b'"\\ud83d"', b"\\",
    b"\x00", b"\n", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"0", b"-0", b"-0.0", b"01", b"1.", b"1e5", b"1E-5", b"1e999", b"12.30", b"NaN",
    b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"123456789012345678901234567890.5", b"4.9e-324",
    b"9007199254740993.0", b"true", b"null", b"[[[[[[", b"]]]]]]", b'{"x":{"y":{"z":', b"}}}", b"[" * 17, b"]" * 17,
]  # fmt: skip


def alike(one: Any, other: Any) -> bool:
    """Equal, of the same types, in the same order; -0.0 is not 0.0."""
    if one.__class__ is not other.__class__:
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(alike, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return repr(one) == repr(other)


@given(st.one_of(mutations(VALID), mutations(COMPACT), payloads(PIECES), st.sampled_from(VALID + COMPACT)))
@example(b'{"a":1,"a":1}')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'{"a":"\\u0022","a":""}')
@example(b'{"a":[[[[[1]]]]]}')
@example(b'{"a":[[[[[[1]]]]]]}')
@example(b'{"a":18446744073709551616}')
@example(b'{"a":"\xff"}')
@example(b'[{"a":1},{"a":1}]')
def test_the_quick_way_reads_what_the_general_way_reads(payload: bytes) -> None:
    assert alike(json_text.parse(payload), json_text._parse_any(payload)), payload
    assert alike(flat_json.read(payload), flat_json._read_any(payload)), payload


@pytest.mark.parametrize("levels", [json_text._SHALLOW_DEPTH, json_text._SHALLOW_DEPTH + 1, json_text.MAX_DEPTH])
def test_nesting_is_read_up_to_the_limit_whichever_way(levels: int) -> None:
    payload = b'{"a":' * levels + b"1" + b"}" * levels
    assert json_text.parse(payload) == flat_json.read(payload) == json.loads(payload)


def test_one_level_more_is_too_deep() -> None:
    payload = b'{"a":' * 17 + b"1" + b"}" * 17
    for read in (json_text.parse, flat_json.read):
        found = read(payload)
        assert isinstance(found, Rejection)
        assert found.reason is Reason.TOO_DEEP


def test_what_the_quick_way_may_not_see_twice_is_seen() -> None:
    for text in ('{"a":1,"a":1}', '{"a":1, "b":{"c":1,"c":2}}', '{"a" : 1 ,"a": 2}', '{"\\u0061":1,"a":1}', '{"a":"\\u0022","a":""}'):
        for read in (json_text.parse, flat_json.read):
            found = read(text.encode())
            assert isinstance(found, Rejection), text
            assert found.reason is Reason.DUPLICATE_KEY
