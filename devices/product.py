"""What speaks for a device type in a LoRaWAN uplink that is still encoded: names, the EUI, the port, and the bytes themselves.

A network server's message names no device type: two makers' layouts may both read the same bytes. What there is beside them:

    names    version_ids, deviceProfileName, DriverCfg … name a product; device and application names may
    EUI      its first digits belong to the maker (IEEE)
    port     makers send readings on ports of their own
    bytes    keys, signatures and lengths that had to be as they are; nothing left over; readings that can be
    object   where the server decoded it already: the same numbers

`evidence` adds up what the last three say in bits, log2 of how much likelier the message is if it is of this type. These are
rough counts, meant to tell a message with a signature from one that fits by accident; `devices.decode` compares them, and
holds types that differ by little to fit equally.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from devices.codecs import Account, compile_account
from devices.formats.record import Record
from devices.quality import FAIL, GOOD
from devices.reading import Value
from devices.type_model import TypeModel

PLAUSIBLE_BITS, IMPLAUSIBLE_BITS = 2, -6
"""A reading within the catalogue's span is some four times likelier if the type is right; one outside speaks against it."""
PORT_BITS = 5
"""The maker's own port, of some 30 that are in use; another one speaks as much against it."""
LEFT_BITS = -8
"""A byte that the layout does not account for."""
AGREED_BITS, NONE_AGREED_BITS = 8, -16
"""A number that the network server's own decoder found too; none of them, though there are some."""
MOST_AGREED = 3


class Hint(NamedTuple):
    """A text of the message that may name what sent it."""

    place: str
    """The member's name, for a person."""
    text: str
    exact: bool
    """The place is there to name the product (deviceProfileName), not the one device (deviceName)."""


_EXACT = {
    "deviceprofilename", "modelid", "mid", "pro", "model", "devicemodel", "devicetype", "modelname", "productname", "product", "device",
}  # fmt: skip
_LOOSE = {"brandid", "pid", "devicename", "deviceid", "applicationname", "applicationid", "name", "title", "description"}
_BESIDE = {"tags", "attributes"}
_NEVER = {"rxinfo", "rxmetadata", "gws", "lrrs", "txinfo", "settings", "correlationids", "basestationdata", "gatewayids"}
_DEEPEST, _MOST, _LONGEST = 5, 60, 120


def hints(payload: bytes) -> list[Hint]:
    """The texts of a network server's message that may name its sender; [] for what is no JSON object. Raises for nothing."""
    try:
        tree = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return []
    found: list[Hint] = []
    _collect(tree, found, 0, False)
    return found


def _collect(node: object, found: list[Hint], depth: int, any_name: bool) -> None:
    if not isinstance(node, dict) or depth > _DEEPEST:
        return
    for name, value in node.items():
        plain = re.sub(r"[^a-z0-9]", "", name.lower())
        if plain in _NEVER or len(found) >= _MOST:
            continue
        if isinstance(value, dict):
            _collect(value, found, depth + 1, plain in _BESIDE)
        elif isinstance(value, str) and 0 < len(value) <= _LONGEST and (plain in _EXACT or plain in _LOOSE or any_name):
            found.append(Hint(name, value, plain in _EXACT))


class Named(NamedTuple):
    """How far a message names a product. Compared as a tuple: more is surer."""

    sure: int
    """3: a place that is there for it names the product; 2: a name of the device or application does; 1: only the maker is known."""
    letters: int
    """Of the name that was found: `ELT-2 ultrasonic` says more than `ELT-2`."""
    why: str


UNNAMED = Named(0, 0, "")


class Evidence(NamedTuple):
    """What port, bytes and readings say."""

    left: int
    """Bytes that the layout does not account for; 0 where that cannot be known."""
    bits: float
    why: str


@dataclass(frozen=True, slots=True)
class Product:
    """A type's maker and product, and what to look for."""

    title: str
    names: re.Pattern[str] | None
    """Its names, longest first."""
    maker: re.Pattern[str] | None
    eui: tuple[str, ...]
    ports: frozenset[int]
    account: Account | None

    def named(self, said: Iterable[Hint], device: str) -> Named:
        """How far the message names this product; `device` is the EUI."""
        best = UNNAMED
        maker = ""
        for hint in said:
            text = hint.text.lower()
            found = self.names.search(text) if self.names is not None else None
            if found is not None:
                letters = len(re.sub(r"[^a-z0-9]", "", found.group()))
                best = max(best, Named(3 if hint.exact else 2, letters, f"{hint.place} is {hint.text[:60]!r}"))
            elif not maker and self.maker is not None and self.maker.search(text):
                maker = f"{hint.place} {hint.text[:60]!r} names the maker"
        if best is not UNNAMED:
            return best
        start = next((start for start in self.eui if device.lower().startswith(start)), None)
        if start is not None:
            return Named(1, 0, f"its EUI begins with {start}, which is the maker's")
        return Named(1, 0, maker) if maker else UNNAMED

    def evidence(self, record: Record, readings: Iterable[Value]) -> Evidence:
        """What speaks for this product in an encoded payload of which it reads `readings`."""
        assert record.raw is not None
        left, bits, why = 0, 0.0, []
        if self.account is not None:
            accounted = self.account(record.raw, record.port)
            left = accounted.left
            bits = accounted.bits + LEFT_BITS * left
            but = f" but {left} of its" if left else ""
            why.append(f"its layout accounts for all{but} {len(record.raw)} bytes")
        if self.ports and record.port is not None:
            bits += PORT_BITS if record.port in self.ports else -PORT_BITS
            if record.port in self.ports:
                why.append(f"port {record.port} is the maker's")
        values = list(readings)
        flags = [value.flag for value in values if value.value is not None]
        bits += PLAUSIBLE_BITS * flags.count(GOOD) + IMPLAUSIBLE_BITS * flags.count(FAIL)
        told = _numbers(record.pairs)
        if told:
            agreed = sum(_among(value.value, told) for value in values if value.value not in (None, 0))
            bits += AGREED_BITS * min(agreed, MOST_AGREED) if agreed else NONE_AGREED_BITS
            if agreed:
                why.append(f"the network server's decoder found {agreed} of its values too")
        return Evidence(left, bits, ", ".join(why))


def _numbers(pairs: Mapping[str, object]) -> list[float]:
    """The numbers in a decoded object that are not 0."""
    found: list[float] = []
    waiting: list[object] = [pairs]
    while waiting and len(found) < 200:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node[:50])
        elif isinstance(node, int | float) and not isinstance(node, bool) and node:
            found.append(float(node))
    return found


def _among(value: float | None, told: Iterable[float]) -> bool:
    """Is it one of them, rounded as decoders do, in the unit that we keep or a thousand times it (mV for V)?"""
    assert value is not None
    return any(abs(number - due) <= 0.006 * max(1.0, abs(due) * 0.01) for number in told for due in (value, value * 1000))


def compile_product(model: TypeModel) -> Product:
    """What speaks for a type, prepared."""
    names = sorted({name for name in (model.product, *model.hints.names) if name}, key=len, reverse=True)
    return Product(
        title=f"{model.maker} {model.product}".strip(),
        names=_pattern(names),
        maker=_pattern([model.maker] if model.maker else []),
        eui=model.hints.eui,
        ports=frozenset(model.hints.ports),
        account=compile_account(model.codec) if model.codec is not None else None,
    )


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Finds a name however it is written: `AM319`, `am-319`, `AM 319`; not inside a longer word."""
    chunks = [re.findall(r"[a-z]+|[0-9]+", name.lower()) for name in names]
    wanted = [r"[^a-z0-9]{0,3}".join(parts) for parts in chunks if parts]
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(wanted)})(?![a-z0-9])") if wanted else None
