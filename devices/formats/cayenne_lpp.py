"""`cayenne-lpp`: Cayenne Low Power Payload, versions 1 and 2: channel, type, value, until the payload ends.

    03 67 01 10   05 67 00 ff        temperature_3: 27.2, temperature_5: 25.5
    ch ty value                      all values big endian

    type            name                  value
    00              digital_in            u8
    01              digital_out           u8
    02              analog_in             i16 / 100
    03              analog_out            i16 / 100
    64  100         generic               u32
    65  101         luminosity            u16, lux
    66  102         presence              u8
    67  103         temperature           i16 / 10, °C
    68  104         relative_humidity     u8 / 2, %
    71  113         accelerometer         x, y, z: i16 / 1000, g
    73  115         barometric_pressure   u16 / 10, hPa
    74  116         voltage               u16 / 100, V
    75  117         current               u16 / 1000, A
    76  118         frequency             u32, Hz
    78  120         percentage            u8, %
    79  121         altitude              i16, m
    7d  125         concentration         u16, ppm
    80  128         power                 u16, W
    82  130         distance              u32 / 1000, m
    83  131         energy                u32 / 1000, kWh
    84  132         direction             u16, °
    85  133         time                  u32, s since 1970
    86  134         gyrometer             x, y, z: i16 / 100, °/s
    87  135         colour                r, g, b: u8
    88  136         gps                   latitude, longitude: i24 / 10,000; altitude: i24 / 100, m
    8e  142         switch                u8

Paths are `<name>_<channel>`, as The Things Stack writes them when it decodes such payloads itself: `temperature_3`,
`gps_1.latitude`. The first position also places the record.

A type that is not in the table has no known length: what stands before it is kept, the rest is refused (path `byte 12`).
"""

from __future__ import annotations

import math

from devices.formats.base import Format
from devices.formats.record import Context, Pairs, Record, RecordReader
from devices.rejection import Reason, Rejection

_Part = tuple[str, int, bool, int]
"""Path below the name ("" none), bytes, signed?, divisor."""


def _axes(size: int, divisor: int) -> tuple[_Part, ...]:
    return tuple((f".{axis}", size, True, divisor) for axis in "xyz")


TYPES: dict[int, tuple[str, tuple[_Part, ...]]] = {
    0: ("digital_in", (("", 1, False, 1),)),
    1: ("digital_out", (("", 1, False, 1),)),
    2: ("analog_in", (("", 2, True, 100),)),
    3: ("analog_out", (("", 2, True, 100),)),
    100: ("generic", (("", 4, False, 1),)),
    101: ("luminosity", (("", 2, False, 1),)),
    102: ("presence", (("", 1, False, 1),)),
    103: ("temperature", (("", 2, True, 10),)),
    104: ("relative_humidity", (("", 1, False, 2),)),
    113: ("accelerometer", _axes(2, 1000)),
    115: ("barometric_pressure", (("", 2, False, 10),)),
    116: ("voltage", (("", 2, False, 100),)),
    117: ("current", (("", 2, False, 1000),)),
    118: ("frequency", (("", 4, False, 1),)),
    120: ("percentage", (("", 1, False, 1),)),
    121: ("altitude", (("", 2, True, 1),)),
    125: ("concentration", (("", 2, False, 1),)),
    128: ("power", (("", 2, False, 1),)),
    130: ("distance", (("", 4, False, 1000),)),
    131: ("energy", (("", 4, False, 1000),)),
    132: ("direction", (("", 2, False, 1),)),
    133: ("time", (("", 4, False, 1),)),
    134: ("gyrometer", _axes(2, 100)),
    135: ("colour", tuple((f".{part}", 1, False, 1) for part in "rgb")),
    136: ("gps", ((".latitude", 3, True, 10_000), (".longitude", 3, True, 10_000), (".altitude", 3, True, 100))),
    142: ("switch", (("", 1, False, 1),)),
}
"""Type id → name and the parts of its value."""

MAX_VALUES = 256
"""Values of one payload, those that occur twice included. LoRaWAN has room for 242 bytes, which is 80 of them."""


def decode(raw: bytes, port: int | None = None, received_ms: int = 0, /) -> Pairs | Rejection:
    """The application payload as pairs; parts that cannot be read stand there as rejections. Never raises."""
    if not raw:
        return Rejection(Reason.EMPTY, "the payload is empty")
    pairs: Pairs = {}
    at = values = 0
    while at < len(raw):
        known = TYPES.get(raw[at + 1]) if at + 1 < len(raw) else None
        size = sum(part[1] for part in known[1]) if known is not None else 0
        if known is None or at + 2 + size > len(raw) or values >= MAX_VALUES:
            refused = _refused(raw, at, known is not None, values)
            if not pairs:
                return refused
            pairs[f"byte {at + 1}"] = refused
            return pairs
        name, parts = known
        name = f"{name}_{raw[at]}"
        at += 2
        for below, length, signed, divisor in parts:
            number = int.from_bytes(raw[at : at + length], "big", signed=signed)
            at += length
            values += 1
            path = name + below
            if path in pairs:
                pairs[path] = Rejection(Reason.DUPLICATE_KEY, "channel and type occur twice")
            else:
                pairs[path] = number if divisor == 1 else number / divisor
    return pairs


def account(raw: bytes) -> tuple[int, float]:
    """How many bytes are no values, and how many bits of the others had to be as they are (the types)."""
    at, bits = 0, 0.0
    while at + 1 < len(raw) and raw[at + 1] in TYPES:
        after = at + 2 + sum(part[1] for part in TYPES[raw[at + 1]][1])
        if after > len(raw):
            break
        at, bits = after, bits + 8 - math.log2(len(TYPES))
    return len(raw) - at, bits


def _refused(raw: bytes, at: int, known: bool, read: int) -> Rejection:
    if read >= MAX_VALUES:
        return Rejection(Reason.WRONG_SHAPE, f"more than {MAX_VALUES} values in one payload")
    if known or at + 1 >= len(raw):
        return Rejection(Reason.CODEC_FAILED, f"truncated: a value begins at byte {at + 1} of {len(raw)}")
    return Rejection(Reason.CODEC_FAILED, f"byte {at + 2}: {raw[at + 1]} is no Cayenne LPP type")


def read(payload: bytes, context: Context) -> list[Record] | Rejection:
    """One record, of a payload that travels over plain MQTT."""
    pairs = decode(payload)
    if isinstance(pairs, Rejection):
        return pairs
    latitude, longitude = position(pairs)
    return [Record(pairs, latitude=latitude, longitude=longitude)]


def position(pairs: Pairs) -> tuple[float | None, float | None]:
    """Latitude and longitude of the first `gps` among the pairs."""
    for path, latitude in pairs.items():
        if path.startswith("gps_") and path.endswith(".latitude"):
            longitude = pairs.get(path.removesuffix("latitude") + "longitude")
            if isinstance(latitude, float) and isinstance(longitude, float):
                return latitude, longitude
    return None, None


def reader(options: None) -> RecordReader:
    """There is nothing to choose."""
    return read


FORMAT = Format("cayenne-lpp", reader=reader)
