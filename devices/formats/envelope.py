"""What the envelopes of LoRaWAN network servers have in common: forgiving look-ups, and one uplink as a record.

An envelope is written by a server, not by a sensor: of two equal keys in it the last one counts (the application's own object
inside is checked as any JSON is), and a member that is not as expected is left out, for its neighbours are good.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from devices.formats.numbers import parse_number
from devices.formats.record import Control, Pairs, Record
from devices.rejection import Reason, Rejection


def member(tree: Any, *names: str) -> Any:
    """The value under these names, None where there is none."""
    for name in names:
        if tree.__class__ is not dict:
            return None
        tree = tree.get(name)
    return tree


def text(value: Any) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def number(value: Any) -> float | None:
    """A finite number, also as text."""
    if isinstance(value, str):
        value = parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        return None
    return float(value)


def port(value: Any) -> int | None:
    """An fPort."""
    found = number(value)
    return int(found) if found is not None and 0 <= found <= 255 else None


def radio(receptions: Iterable[tuple[float | None, float | None]]) -> dict[str, float]:
    """rssi and snr at the gateway that heard the device best."""
    best: tuple[float | None, float | None] = (None, None)
    for rssi, snr in receptions:
        if (rssi is not None and (best[0] is None or rssi > best[0])) or best == (None, None):
            best = (rssi, snr)
    return {name: value for name, value in zip(("rssi", "snr"), best, strict=True) if value is not None}


class Reception(msgspec.Struct, gc=False):
    """How one gateway heard it, for typed readers: one that says it otherwise is left to the forgiving ones."""

    rssi: float | None = None
    snr: float | None = None


def loudest(heard: Sequence[Reception]) -> Reception | None:
    """What `radio` takes of several; None where that cannot be told by rssi alone."""
    best = heard[0]
    for each in heard:
        if each.rssi is not None and (best.rssi is None or each.rssi > best.rssi):
            best = each
    return best if best.rssi is not None else None


def receptions(gateways: Any, rssi: str, snr: str) -> list[tuple[float | None, float | None]]:
    """(rssi, snr) of each entry of a list of gateways."""
    if gateways.__class__ is not list:
        return []
    return [(number(member(entry, rssi)), number(member(entry, snr))) for entry in gateways]


def position(place: Any) -> tuple[float | None, float | None]:
    """`{latitude, longitude}`; a place at exactly 0, 0 is how servers say that they know none."""
    return known_place(number(member(place, "latitude")), number(member(place, "longitude")))


def known_place(latitude: float | None, longitude: float | None) -> tuple[float | None, float | None]:
    """Nothing for exactly 0, 0."""
    return (None, None) if latitude == longitude == 0 else (latitude, longitude)


def from_base64(encoded: Any) -> bytes | Rejection | None:
    """The bytes; None for no text."""
    if not isinstance(encoded, str):
        return None
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        return Rejection(Reason.CODEC_FAILED, f"the application payload is not Base64: {error}")


def from_hex(encoded: Any) -> bytes | Rejection | None:
    """The bytes; None for no text."""
    if not isinstance(encoded, str):
        return None
    try:
        return binascii.unhexlify(encoded)
    except (binascii.Error, ValueError) as error:
        return Rejection(Reason.CODEC_FAILED, f"the application payload is not hexadecimal: {error}")


def uplink(
    *,
    device: str | None,
    time: int | str | None,
    raw: bytes | Rejection | None,
    port: int | None,
    decoded: Any,
    health: Mapping[str, float],
    place: tuple[float | None, float | None] = (None, None),
) -> list[Record] | Control | Rejection:
    """One uplink. A payload that cannot be unpacked counts only where the server gives no object; a frame without either is
    a control message (it carried commands of the network alone)."""
    pairs: Pairs = decoded if decoded.__class__ is dict else {}
    if isinstance(raw, Rejection):
        if not pairs:
            return raw
        raw = None
    if not pairs and not raw:
        return Control("uplink without application payload", device)
    return [Record(pairs, device, time, raw, port, health, *place)]
