"""What the fuzzer feeds: name → a function of bytes that must not raise, and messages to begin with.

A function gets any bytes, calls one reader with them, and may assert what has to hold for whatever comes back. Every wire
format and every shipped device type is here by itself; add a line for anything else that reads bytes from outside.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import mqtt5

from devices.codecs import CodecModel, compile_codec
from devices.codecs.formula import FormulaError, compile_formula
from devices.decoder import Decoded
from devices.device_type import DeviceType, parse_all
from devices.draft import AUTO_ORDER, CannotDraft, draft
from devices.examples import payload_of
from devices.formats import FORMATS, Format
from devices.formats.record import Context, Control, Record
from devices.formats.unwrap import WRAPPERS, Unwrap
from devices.loader import catalogue, shipped_types
from devices.rejection import Rejection
from gateway.mqtt.source import Delivery
from gateway.mqtt.texts import refusal
from gateway.mqtt.wire import Malformed, Reader
from rules.language.condition import read_condition
from rules.language.errors import ConditionError
from rules.language.parser import LONGEST, parse
from rules.language.vocabulary import Vocabulary
from rules.language.writing import text_of

DATA = Path(__file__).parents[1] / "data"
TOPIC = ("spBv1.0", "city", "NDATA", "edge", "device")
RECEIVED_MS = 1_773_453_600_000


class Target(NamedTuple):
    """One reader under attack."""

    feed: Callable[[bytes], None]
    seeds: list[bytes]
    """Messages that it reads, to be changed."""
    reads: int = 1
    """How often `feed` reads its input: it may cost so many times what one reading may."""


def targets() -> dict[str, Target]:
    """All of them, built once a process."""
    return _targets()


@cache
def _targets() -> dict[str, Target]:
    types = parse_all(list(shipped_types().values()), catalogue())
    examples: dict[str, list[bytes]] = {}
    for kind in types.values():
        for example in kind.examples:
            for known in kind.formats:
                examples.setdefault(known.name, []).append(payload_of(example))
    found = {f"format {name}": Target(_format(known), examples.get(name, []), reads=2) for name, known in FORMATS.items()}
    found |= {
        f"type {name}": Target(_type(kind), [payload_of(example) for example in kind.examples], reads=2) for name, kind in types.items()
    }
    for path in sorted((DATA / "codecs").glob("*.js")):
        found[f"codec {path.name}"] = Target(_javascript(path), [bytes(11), bytes.fromhex("0203d400033bf67fff3bf60c60")])
    found["condition"] = Target(
        _condition, [b"avg(pm25, 1h, complete=0.75) > 50 and not o3 > 200 ppb", b"count_of(area('x/*'), pm25 in (1, 2)) >= 3"]
    )
    some = [payload for payloads in examples.values() for payload in payloads[:2]]
    found["draft"] = Target(_draft, some, reads=len(AUTO_ORDER))
    found |= {
        f"wrapper {name}": Target(_wrapper(unwrap), [wrap(payload) for payload in some[:6] for wrap in _WRAP])
        for name, unwrap in WRAPPERS.items()
    }
    packets = [_publish(topic, payload) for topic in ("a", "nước/hồ tây") for payload in some[:6]]
    found["mqtt stream"] = Target(_mqtt, [b"".join(packets[:3]), *packets], reads=2)
    found["mqtt texts"] = Target(_mqtt_texts, packets)
    found["formula"] = Target(_formula, [b"max(a, b) * 0.1 + 2 ** a // (b - 1)", b"a & 1 and not b < 3"])
    return found


def _format(known: Format) -> Callable[[bytes], None]:
    def feed(payload: bytes) -> None:
        state: dict[str, object] = {}
        for _ in range(2):  # the second time with whatever state the first left
            found = known.parse(payload, Context(TOPIC, RECEIVED_MS, state))
            assert isinstance(found, Control | Rejection) or all(isinstance(record, Record) for record in found)

    return feed


def _type(kind: DeviceType) -> Callable[[bytes], None]:
    def feed(payload: bytes) -> None:
        _readings(kind.decode(payload, TOPIC, RECEIVED_MS, {}))
        if kind.decode_raw is not None:
            _readings(kind.decode_raw(payload[1:], ("device", str(payload[0] if payload else 0))))

    return feed


def _readings(found: object) -> None:
    if isinstance(found, Control | Rejection):
        return
    for decoded in found if isinstance(found, list) else [found]:
        assert isinstance(decoded, Decoded)
        assert decoded.values or decoded.extra
        for value in (*decoded.values, *decoded.extra):
            assert value.value is None or abs(value.value) < float("inf")


def _javascript(path: Path) -> Callable[[bytes], None]:
    read = compile_codec(CodecModel.model_validate({"javascript": {"file": path.name, "source": path.read_text("utf-8")}}))

    def feed(payload: bytes) -> None:
        found = read(payload[1:], payload[0] if payload else None, RECEIVED_MS)
        assert isinstance(found, dict | Control | Rejection)

    return feed


def _formula(payload: bytes) -> None:
    try:
        formula, _ = compile_formula(payload.decode("utf-8", "replace"))
    except FormulaError:
        return
    for a, b in ((0, 1), (2**63, -0.5), (None, "x")):
        assert isinstance(formula({"a": a, "b": b}), int | float)


def _condition(payload: bytes) -> None:
    try:
        tree = parse(payload.decode("utf-8", "replace"))
    except ConditionError as error:
        error.pictures()
        return
    assert parse(text_of(tree), longest=20 * LONGEST) == tree
    try:
        read_condition(payload.decode("utf-8", "replace"), Vocabulary(catalogue=catalogue()))
    except ConditionError as error:
        error.pictures()


def _draft(payload: bytes) -> None:
    try:
        text = draft(payload, type_id="new", topic="city/node-1", received_ms=RECEIVED_MS, format_="auto", catalogue=catalogue())
    except CannotDraft:
        return
    assert text.startswith("#") or "id: new" in text


_WRAP: tuple[Callable[[bytes], bytes], ...] = (
    base64.b64encode,
    lambda payload: payload.hex(":").encode(),
    gzip.compress,
    zlib.compress,
    lambda payload: json.dumps(payload.decode("latin-1")).encode(),
)


def _wrapper(unwrap: Unwrap) -> Callable[[bytes], None]:
    def feed(payload: bytes) -> None:
        assert isinstance(unwrap(payload), bytes | Rejection)

    return feed


def _publish(topic: str, payload: bytes) -> bytes:
    """An MQTT 5 PUBLISH of QoS 1 (section 3.3) with a user property."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + b"\0\7" + b"\x09\x26\0\1k\0\3\xe1\xbb\x93" + payload
    return bytes([0x32, 0x80 | len(body) % 128, len(body) // 128]) + body


_STREAM = 8192


def _mqtt(payload: bytes) -> None:
    """What a broker sends, in one piece and cut by what is in it: the same comes of it. (Not as long as a message: many packets.)"""
    payload = payload[:_STREAM]
    whole = _deliveries([payload])
    cut = payload[0] if payload else 0
    assert _deliveries([payload[:cut], payload[cut:]]) == whole


def _mqtt_texts(payload: bytes) -> None:
    """What passes the check of texts does not make the library panic."""
    body = payload[2:129]
    packet = bytes([payload[0] if payload else 0x32, len(body)]) + body
    if refusal(packet, packet[0], 2, len(packet)) is None:
        try:
            mqtt5.read(memoryview(packet))
        except (ValueError, IndexError):
            return


def _deliveries(pieces: list[bytes]) -> tuple[list[Delivery], int, bool]:
    reader = Reader("city", 1, max_packet=4096, max_payload=2048)
    out: list[Delivery] = []
    control: list[object] = []
    try:
        for piece in pieces:
            reader.feed(piece, RECEIVED_MS, out, control.append)
    except Malformed:
        return out, len(control), True
    return out, len(control), False
