"""Between values and the ledger's blobs: msgpack, compressed with zstandard level 1 and a checksum.

The checksum (4 bytes a blob) turns silent bit rot into a `LedgerDamaged` that names the record.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import xxhash
import zstandard

from devices.reading import Line
from gateway.core.inputs import Input, Message
from gateway.core.outcomes import Intent, Transition
from gateway.ledger.errors import LedgerDamaged

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_inputs = msgspec.msgpack.Decoder(list[Input])
_lines = msgspec.msgpack.Decoder(list[Line])
_line = msgspec.msgpack.Decoder(Line)
_transition = msgspec.msgpack.Decoder(Transition)
_intent = msgspec.msgpack.Decoder(Intent)
_MASK = 0xFFFF_FFFF_FFFF_FFFF


class Packer:
    """Encodes and compresses; one per thread (a zstandard compressor is not to be shared)."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def pack(self, value: Any) -> bytes:
        """msgpack, then zstandard."""
        return self._compressor.compress(_encoder.encode(value))

    def squeeze(self, data: bytes) -> bytes:
        """zstandard alone."""
        return self._compressor.compress(data)


def plain(value: Any) -> bytes:
    """msgpack alone: for rows too small to gain from compression."""
    return _encoder.encode(value)


def unsqueeze(data: bytes, where: str) -> bytes:
    """Undo `Packer.squeeze`. `where` names the record in the LedgerDamaged that broken data raise."""
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise LedgerDamaged(where, str(error)) from None


def unpack_inputs(data: bytes, where: str) -> list[Input]:
    """The journal of one batch."""
    return _decode(_inputs, unsqueeze(data, where), where)


def unpack_lines(data: bytes, where: str) -> list[Line]:
    """The lines of one batch."""
    return _decode(_lines, unsqueeze(data, where), where)


def read_line(data: bytes, where: str) -> Line:
    """One `plain` line."""
    return _decode(_line, data, where)


def read_transition(data: bytes, where: str) -> Transition:
    """One `plain` transition."""
    return _decode(_transition, data, where)


def read_intent(data: bytes, where: str) -> Intent:
    """One `plain` intent."""
    return _decode(_intent, data, where)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes, where: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LedgerDamaged(where, str(error)) from None


def source_seed(source: str) -> int:
    """What tells the sessions of two brokers apart in a redelivery key. Low 17 bits are left for the packet id."""
    return (xxhash.xxh3_64_intdigest(source.encode()) << 17) & _MASK


def receipt_key(message: Message, seed: int) -> int:
    """64-bit key of (session, packet id, topic, payload): what semantics B1a compares.

    Chance that a message which was never seen is taken for a redelivery: n/2^64 with n keys kept (2 h at 2,000
    messages/s: 8e-13).
    """
    return xxhash.xxh3_64_intdigest(message.topic.encode(), xxhash.xxh3_64_intdigest(message.payload, seed | (message.packet_id or 0)))


def receipt_keys(messages: Iterable[Input], seeds: dict[str, int]) -> bytes:
    """The keys of all QoS 1 messages among these, 8 bytes each, native byte order. `seeds` is a cache by source."""
    digest = xxhash.xxh3_64_intdigest
    keys = []
    for item in messages:
        if type(item) is Message and item.packet_id is not None:
            seed = seeds.get(item.source)
            if seed is None:
                seed = seeds[item.source] = source_seed(item.source)
            keys.append(digest(item.topic.encode(), digest(item.payload, seed | item.packet_id)))
    return array("Q", keys).tobytes()


def known_keys(blobs: Sequence[bytes], wanted: set[int]) -> set[int]:
    """Which of `wanted` are in these blobs."""
    return wanted.intersection(memoryview(b"".join(blobs)).cast("Q"))
