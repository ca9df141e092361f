"""What a payload is wrapped in: `unwrap: [gzip]`, `unwrap: [base64, zlib]`. Named from the outside in, as they are taken off.

    base64    standard or URL-safe letters, with or without `=`, line breaks and blanks between them ignored
    hex       `01a2`, `01 A2`, `01:a2`, `0x01a2`, `0x01 0xa2`, `\\x01\\xa2`
    gzip      one or more members, RFC 1952, checksums examined
    zlib      RFC 1950, checksum examined
    deflate   raw, RFC 1951 (what calls itself deflate and is zlib is read too)
    text      the text of a JSON string: `"MDFh…"` → `MDFh…`

Compressed payloads may be bombs: nothing is unpacked beyond MAX_OUTPUT bytes, nor beyond MAX_RATIO times what came in (small
ones apart). Rejections: too-large for those, codec-failed for anything that is not what it should be.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from devices.rejection import Reason, Rejection

MAX_OUTPUT = 1_000_000
"""Bytes that a payload may unpack to."""
MAX_RATIO = 200
"""How many times its own length a payload may unpack to (deflate reaches 1,032 on bytes that are all the same)."""
FREE_OUTPUT = 65_536
"""What may be unpacked whatever the ratio: small messages repeat themselves."""
MAX_MEMBERS = 16
"""Members of one gzip payload."""

Unwrap: TypeAlias = Callable[[bytes], bytes | Rejection]

_BLANKS = b" \t\r\n"
_HEX_PREFIX = re.compile(rb"0[xX]|\\[xX]")
_HEX_SEPARATORS = b" \t\r\n:-,"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def unwrap(payload: bytes, wrappers: Sequence[str]) -> bytes | Rejection:
    """The payload without its wrappers, the first named being the outermost. Raises KeyError for an unknown wrapper only."""
    for name in wrappers:
        taken = WRAPPERS[name](payload)
        if isinstance(taken, Rejection):
            return taken
        payload = taken
    return payload


def unwrapper(wrappers: Sequence[str]) -> Unwrap:
    """As `unwrap`, prepared once. Raises ValueError, saying what to write, for an unknown wrapper."""
    for name in wrappers:
        if name not in WRAPPERS:
            raise ValueError(f"unknown wrapper {name!r} (known: {', '.join(WRAPPERS)})")
    steps = [WRAPPERS[name] for name in wrappers]
    if len(steps) == 1:
        return steps[0]
    return lambda payload: unwrap(payload, wrappers)


def _base64(payload: bytes) -> bytes | Rejection:
    plain = payload.translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    if not plain:
        return Rejection(Reason.EMPTY, "there is no base64 in the payload")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        return Rejection(Reason.CODEC_FAILED, f"not base64: {error}")


def _hex(payload: bytes) -> bytes | Rejection:
    digits = _HEX_PREFIX.sub(b"", payload).translate(None, _HEX_SEPARATORS)
    if not digits:
        return Rejection(Reason.EMPTY, "there is no hexadecimal in the payload")
    try:
        return binascii.unhexlify(digits)
    except (binascii.Error, ValueError) as error:
        return Rejection(Reason.CODEC_FAILED, f"not hexadecimal: {error}")


def _gzip(payload: bytes) -> bytes | Rejection:
    parts: list[bytes] = []
    left = _limit(payload)
    rest = payload
    for _ in range(MAX_MEMBERS):
        inflated = _inflate(rest, 16 + zlib.MAX_WBITS, "gzip", left)
        if isinstance(inflated, Rejection):
            return inflated
        part, rest = inflated
        parts.append(part)
        left -= len(part)
        if not rest.strip(b"\x00"):
            return b"".join(parts)
    return Rejection(Reason.CODEC_FAILED, f"more than {MAX_MEMBERS} gzip members")


def _zlib(payload: bytes) -> bytes | Rejection:
    return _whole(_inflate(payload, zlib.MAX_WBITS, "zlib", _limit(payload)), "zlib")


def _deflate(payload: bytes) -> bytes | Rejection:
    raw = _whole(_inflate(payload, -zlib.MAX_WBITS, "deflate", _limit(payload)), "deflate")
    if isinstance(raw, Rejection) and raw.reason is Reason.CODEC_FAILED:
        wrapped = _zlib(payload)
        return raw if isinstance(wrapped, Rejection) and wrapped.reason is Reason.CODEC_FAILED else wrapped
    return raw


def _text(payload: bytes) -> bytes | Rejection:
    try:
        text = json.loads(payload)
        return text.encode() if isinstance(text, str) else Rejection(Reason.WRONG_SHAPE, "a JSON text is due")
    except (ValueError, RecursionError):
        return Rejection(Reason.NOT_JSON, "a JSON text is due")


def _limit(payload: bytes) -> int:
    return min(MAX_OUTPUT, max(FREE_OUTPUT, len(payload) * MAX_RATIO))


def _inflate(payload: bytes, window: int, name: str, limit: int) -> tuple[bytes, bytes] | Rejection:
    """What one compressed stream holds, and the bytes after it."""
    stream = zlib.decompressobj(window)
    try:
        found = stream.decompress(payload, limit + 1)
    except zlib.error as error:
        return Rejection(Reason.CODEC_FAILED, f"not {name}: {str(error)[:100]}")
    if len(found) > limit:
        return Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes of {name} unpack to more than the {limit} that are taken in")
    if not stream.eof:
        return Rejection(Reason.CODEC_FAILED, f"the {name} stream is truncated")
    return found, stream.unused_data


def _whole(inflated: tuple[bytes, bytes] | Rejection, name: str) -> bytes | Rejection:
    if isinstance(inflated, Rejection):
        return inflated
    found, rest = inflated
    return Rejection(Reason.CODEC_FAILED, f"{len(rest)} bytes follow the {name} stream") if rest else found


WRAPPERS: dict[str, Unwrap] = {"base64": _base64, "hex": _hex, "gzip": _gzip, "zlib": _zlib, "deflate": _deflate, "text": _text}
"""By the name that a device type writes under `unwrap`."""
