"""The wire formats: what is read, what is refused with which reason, and that no bytes raise."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.formats import FORMATS, Control
from devices.formats.flat_json import read as flat
from devices.formats.json_text import too_deep
from devices.formats.limits import MAX_DEPTH
from devices.formats.numbers import parse_number
from devices.formats.plain_value import read as plain
from devices.rejection import Reason, Rejection


def reason(result: object) -> Reason:
    assert isinstance(result, Rejection), result
    assert len(result.detail) < 300
    return result.reason


def test_the_members_are_the_pairs_in_order() -> None:
    pairs = flat(b' {"device":"an-01", "pm25": 12.3, "ok": true, "none": null, "n": 7} ')
    assert pairs == {"device": "an-01", "pm25": 12.3, "ok": True, "none": None, "n": 7}
    assert list(pairs) == ["device", "pm25", "ok", "none", "n"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Reason.EMPTY),
        (b"   ", Reason.NOT_JSON),
        (b"hello", Reason.NOT_JSON),
        (b'{"pm25":12.3', Reason.NOT_JSON),
        (b'{"pm25":12.3}}', Reason.NOT_JSON),
        (b"{'pm25':12.3}", Reason.NOT_JSON),
        (b'{"pm25":NaN}', Reason.NOT_JSON),
        (b'{"pm25":-Infinity}', Reason.NOT_JSON),
        (b'{"pm25":012}', Reason.NOT_JSON),
        (b'{"device":"\\ud800"}', Reason.NOT_JSON),
        (b'\xef\xbb\xbf{"pm25":1}', Reason.NOT_JSON),
        (b'{"device":"\xff\xfe"}', Reason.INVALID_UTF8),
        (b"\x00\x01\xa0\xff", Reason.INVALID_UTF8),
        (b"[1,2]", Reason.WRONG_SHAPE),
        (b"12.5", Reason.WRONG_SHAPE),
        (b"null", Reason.WRONG_SHAPE),
        (b'"text"', Reason.WRONG_SHAPE),
        (b'{"a":1,"a":2}', Reason.DUPLICATE_KEY),
        (b'{"a":1,"a":1}', Reason.DUPLICATE_KEY),
        (b'{"a":1, "a" :2}', Reason.DUPLICATE_KEY),
        (b'{"a":1,"\\u0061":2}', Reason.DUPLICATE_KEY),
        (b'{"a":"x","a":2}', Reason.DUPLICATE_KEY),
        (b'{"a":2,"a":"x"}', Reason.DUPLICATE_KEY),
        (b'{"meta":{"x":1,"x":2},"a":1}', Reason.DUPLICATE_KEY),
        (b'{"a":1e999,"a":2}', Reason.DUPLICATE_KEY),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b"[" * 500 + b"]" * 500, Reason.TOO_DEEP),
        (b'{"a":' * 40 + b"1" + b"}" * 40, Reason.TOO_DEEP),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, Reason.TOO_DEEP),
    ],
)
def test_flat_json_refusals(payload: bytes, expected: Reason) -> None:
    assert reason(flat(payload)) is expected


def test_nesting_is_handed_on_up_to_the_limit() -> None:
    inside = MAX_DEPTH - 1
    assert isinstance(flat(b'{"a":' + b"[" * inside + b"]" * inside + b',"b":1}'), dict)
    assert reason(flat(b'{"a":' + b"[" * (inside + 1) + b"]" * (inside + 1) + b',"b":1}')) is Reason.TOO_DEEP


def test_brackets_and_quotes_inside_texts_do_not_count() -> None:
    text = '[[[[{"\\' * 50
    assert flat(json.dumps({"note": text, "pm25": 1}).encode()) == {"note": text, "pm25": 1}


def test_numbers_beyond_64_bits_become_infinite_and_keep_their_neighbours() -> None:
    assert flat(b'{"a":1e999,"b":-1e999,"c":2.5,"d":3}') == {"a": math.inf, "b": -math.inf, "c": 2.5, "d": 3}
    assert flat(b'{"a":' + b"9" * 5000 + b',"b":1}') == {"a": math.inf, "b": 1}
    assert flat(b'{"a":123456789012345678901234567890}') == {"a": 1.2345678901234568e29}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [(b"23.5", 23.5), (b" -7 \r\n", -7), (b"+1.5e3", 1500), (b".5", 0.5), (b"5.", 5), (b"-0.0", 0), (b"23,5", "23,5"), (b"N/A", "N/A")],
)
def test_plain_values(payload: bytes, expected: float | str) -> None:
    assert plain(payload) == {"": expected}


@pytest.mark.parametrize("text", ["1_000", "0x17", "٣", "1 2", "--1", "1e", "", "12abc", "∞", "1" * 500])
def test_texts_that_are_no_numbers(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize("text", ["nan", "-inf", "Infinity", "1e999"])
def test_texts_that_are_no_finite_numbers(text: str) -> None:
    assert parse_number(text) == math.inf


def test_plain_value_refusals() -> None:
    assert reason(plain(b"")) is Reason.EMPTY
    assert reason(plain(b" \n")) is Reason.EMPTY
    assert reason(plain(b"\xff")) is Reason.INVALID_UTF8


@given(st.binary(max_size=300))
@example(b'"' + b'\\"' * 1000)
@pytest.mark.parametrize("name", FORMATS)
def test_no_bytes_raise(name: str, payload: bytes) -> None:
    result = FORMATS[name].parse(payload)
    assert isinstance(result, (list, Control, Rejection))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.text(max_size=4), _JSON), max_size=6), st.booleans())
def test_duplicate_keys_are_always_found_and_nothing_else_is_called_one(members: list[tuple[str, object]], ascii_only: bool) -> None:
    """Against the plain definition: is a key written twice? Nested objects come from dictionaries, so only the outer one may repeat."""
    text = "{" + ",".join(f"{json.dumps(key, ensure_ascii=ascii_only)}:{json.dumps(value)}" for key, value in members) + "}"
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        return
    result = flat(payload)
    twice = len({key for key, _ in members}) != len(members)
    if isinstance(result, Rejection):
        assert result.reason in (Reason.DUPLICATE_KEY, Reason.NOT_JSON)
        assert (result.reason is Reason.DUPLICATE_KEY) == twice
    else:
        assert not twice
        assert list(result) == [key for key, _ in members]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _JSON, max_size=6), st.integers(0, 200), st.binary(max_size=3))
def test_damaged_json_never_raises(members: dict[str, object], at: int, junk: bytes) -> None:
    payload = json.dumps(members).encode()
    at = min(at, len(payload))
    for damaged in (payload[:at], payload[:at] + junk + payload[at:], payload[:at] + junk + payload[at + len(junk) :]):
        assert isinstance(flat(damaged), (dict, Rejection))


@pytest.mark.parametrize(
    "payload",
    [
        b'"' + b'\\"' * 32_000,
        b'{"a":"' + b"\\" * 65_000,
        b'"' * 65_000,
        b"{" * 65_000,
        b'{"a":"[[[' + b'\\"' * 32_000 + b'"}',
        b"9" * 65_000,
    ],
    ids=["escaped quotes", "backslashes", "quotes", "braces", "long text", "digits"],
)
def test_hostile_payloads_are_read_in_linear_time(payload: bytes) -> None:
    """Each takes a few milliseconds; anything quadratic in 64 KB takes minutes. The bound lies between, far from both."""
    begun = time.process_time()
    flat(payload)
    assert time.process_time() - begun < 5


def nested_too_deep(payload: bytes) -> bool:
    """Counted byte by byte: brackets inside texts are none."""
    depth, inside, escaped = 0, False, False
    for byte in payload:
        if inside:
            inside, escaped = escaped or byte != ord('"'), not escaped and byte == ord("\\")
        elif byte == ord('"'):
            inside = True
        else:
            depth += (byte in b"[{") - (byte in b"]}")
            if depth > MAX_DEPTH:
                return True
    return False


@given(st.lists(st.sampled_from([b"[", b"{", b"[{" * 9, b"}", b"]", b"}]" * 9, b"{}", b'"', b"\\", b"a"]), max_size=60).map(b"".join))
def test_depth_is_counted_as_byte_by_byte(payload: bytes) -> None:
    assert (too_deep(payload) is not None) == nested_too_deep(payload)
