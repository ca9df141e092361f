"""Wrappers: what comes out is what was put in, bombs and broken ones are refused."""

from __future__ import annotations

import base64
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.formats.unwrap import FREE_OUTPUT, MAX_OUTPUT, MAX_RATIO, WRAPPERS, unwrap, unwrapper
from devices.rejection import Reason, Rejection


def gz(data: bytes) -> bytes:
    """Without the time of day: a test's name is made from its bytes, and must be the same in every process."""
    return gzip.compress(data, mtime=0)


MESSAGE = b'{"pm25": 12.5, "device": "an-01"}'


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def reason(found: bytes | Rejection) -> Reason:
    assert isinstance(found, Rejection), found
    return found.reason


@pytest.mark.parametrize(
    ("payload", "wrappers"),
    [
        (MESSAGE, []),
        (base64.b64encode(MESSAGE), ["base64"]),
        (base64.urlsafe_b64encode(MESSAGE).rstrip(b"="), ["base64"]),
        (base64.encodebytes(MESSAGE * 1), ["base64"]),
        (MESSAGE.hex().encode(), ["hex"]),
        (MESSAGE.hex(" ").upper().encode() + b"\r\n", ["hex"]),
        (b"0x" + MESSAGE.hex().encode(), ["hex"]),
        (b", ".join(b"0x%02X" % byte for byte in MESSAGE), ["hex"]),
        (b"".join(b"\\x%02x" % byte for byte in MESSAGE), ["hex"]),
        (gz(MESSAGE), ["gzip"]),
        (gz(MESSAGE[:9]) + gz(MESSAGE[9:]) + b"\0\0", ["gzip"]),
        (zlib.compress(MESSAGE), ["zlib"]),
        (raw_deflate(MESSAGE), ["deflate"]),
        (zlib.compress(MESSAGE), ["deflate"]),
        (base64.b64encode(gz(MESSAGE)), ["base64", "gzip"]),
        (gz(base64.b64encode(MESSAGE)), ["gzip", "base64"]),
        (b'"' + base64.b64encode(MESSAGE) + b'"', ["text", "base64"]),
    ],
)
def test_what_was_wrapped_comes_out(payload: bytes, wrappers: list[str]) -> None:
    assert unwrap(payload, wrappers) == MESSAGE
    assert unwrapper(wrappers)(payload) == MESSAGE


@pytest.mark.slow
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, raw_deflate])
@pytest.mark.parametrize("size", [FREE_OUTPUT + 1, 5_000_000, 60_000_000])
def test_bombs_are_refused_before_they_are_unpacked(compress: object, size: int) -> None:
    bomb = compress(bytes(size))  # type: ignore[operator]
    name = {gzip.compress: "gzip", zlib.compress: "zlib", raw_deflate: "deflate"}[compress]  # type: ignore[index]
    tracemalloc.start()
    assert reason(unwrap(bomb, [name])) is Reason.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_bomb_of_many_members_is_refused() -> None:
    part = gz(bytes(FREE_OUTPUT))
    assert reason(unwrap(part * 10, ["gzip"])) is Reason.TOO_LARGE
    assert reason(unwrap(gz(b"") * 1000, ["gzip"])) is Reason.CODEC_FAILED


def test_what_repeats_itself_moderately_is_taken() -> None:
    text = b"st01,2026-03-14T02:00:00Z,12.5\n" * 2000
    assert unwrap(gz(text), ["gzip"]) == text
    noise = b"".join(b"%d," % (n * n) for n in range(80_000))
    assert FREE_OUTPUT < len(noise) < MAX_OUTPUT
    assert len(noise) < MAX_RATIO * len(zlib.compress(noise))
    assert unwrap(zlib.compress(noise), ["zlib"]) == noise


@pytest.mark.parametrize(
    ("payload", "wrapper", "expected"),
    [
        (b"", "base64", Reason.EMPTY),
        (b"==", "base64", Reason.EMPTY),
        (b"a", "base64", Reason.CODEC_FAILED),
        (b"ab*d", "base64", Reason.CODEC_FAILED),
        ("ảbcd".encode(), "base64", Reason.CODEC_FAILED),
        (b"", "hex", Reason.EMPTY),
        (b"0x", "hex", Reason.EMPTY),
        (b"012", "hex", Reason.CODEC_FAILED),
        (b"0g", "hex", Reason.CODEC_FAILED),
        (b"", "gzip", Reason.CODEC_FAILED),
        (b"hello", "gzip", Reason.CODEC_FAILED),
        (gz(MESSAGE)[:-1], "gzip", Reason.CODEC_FAILED),
        (gz(MESSAGE)[:-5] + b"\x00" * 5, "gzip", Reason.CODEC_FAILED),
        (gz(MESSAGE) + b"x", "gzip", Reason.CODEC_FAILED),
        (zlib.compress(MESSAGE)[:-1], "zlib", Reason.CODEC_FAILED),
        (zlib.compress(MESSAGE) + b"x", "zlib", Reason.CODEC_FAILED),
        (b"\xff\xff", "deflate", Reason.CODEC_FAILED),
        (b"12", "text", Reason.WRONG_SHAPE),
        (b"x", "text", Reason.NOT_JSON),
        (b"[" * 60_000, "text", Reason.NOT_JSON),
        (b'"\\ud800"', "text", Reason.NOT_JSON),
        (b"1" * 5000, "text", Reason.NOT_JSON),
    ],
)
def test_refusals(payload: bytes, wrapper: str, expected: Reason) -> None:
    assert reason(unwrap(payload, [wrapper])) is expected


def test_an_unknown_wrapper_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="unknown wrapper 'zip'"):
        unwrapper(["base64", "zip"])


@given(st.binary(max_size=300), st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=3))
def test_no_bytes_raise(payload: bytes, wrappers: list[str]) -> None:
    assert isinstance(unwrap(payload, wrappers), bytes | Rejection)


@given(st.binary(min_size=1, max_size=300))
def test_anything_can_be_wrapped(message: bytes) -> None:
    assert unwrap(base64.b64encode(message), ["base64"]) == message
    assert unwrap(message.hex().encode(), ["hex"]) == message
    assert unwrap(raw_deflate(message), ["deflate"]) == message
    assert unwrap(gz(zlib.compress(message)), ["gzip", "zlib"]) == message
