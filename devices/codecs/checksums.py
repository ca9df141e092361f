"""Checksums of binary layouts."""

from __future__ import annotations

from binascii import crc32, crc_hqx
from collections.abc import Callable

from devices.codecs.model import ChecksumModel


def checksum(model: ChecksumModel) -> Callable[[bytes], bool]:
    """Does a message's checksum fit it?"""
    size = {"sum8": 1, "xor8": 1, "crc32": 4}.get(model.kind, 2)
    work = _SUMS[model.kind]

    def intact(raw: bytes) -> bool:
        at = len(raw) + model.at
        if at < model.start or at + size > len(raw):
            return False
        return work(raw[model.start : at]) == int.from_bytes(raw[at : at + size], model.endian)

    return intact


def _reflected(polynomial: int, start: int) -> Callable[[bytes], int]:
    """CRC-16 with its bits in reverse order."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        table.append(crc)

    def crc16(raw: bytes) -> int:
        crc = start
        for byte in raw:
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        return crc

    return crc16


def _xor(raw: bytes) -> int:
    result = 0
    for byte in raw:
        result ^= byte
    return result


_SUMS: dict[str, Callable[[bytes], int]] = {
    "sum8": lambda raw: sum(raw) & 0xFF,
    "xor8": _xor,
    "crc16-xmodem": lambda raw: crc_hqx(raw, 0),
    "crc16-ccitt-false": lambda raw: crc_hqx(raw, 0xFFFF),
    "crc16-kermit": _reflected(0x8408, 0),
    "crc16-modbus": _reflected(0xA001, 0xFFFF),
    "crc32": crc32,
}
