"""Which device type is this message of? What `--type auto` and suggestions for unknown devices go by.

A type that says how to recognise it (`recognise:`) is a candidate only where all that it says holds; the more it says, the
stronger. A type that says nothing is a candidate for whatever it can read. Then the reading decides: more readings fit better.
Of a LoRaWAN uplink that is still encoded the evidence of `devices.product` decides before the readings do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, TypeAlias

from devices.decoder import Levels
from devices.formats.base import Context, Format
from devices.formats.paths import MISSING, compile_path
from devices.formats.record import Record
from devices.product import Hint, hints
from devices.topics import matcher
from devices.type_model import RecogniseModel

Opened: TypeAlias = list[Record] | None
"""The records that a format reads in the message (pairs as the format gives them), None when it reads none."""


class Sign(NamedTuple):
    """How far a message looks like one of a type. `strength` 0: the type says nothing about it."""

    strength: int
    why: str


Recognise: TypeAlias = Callable[[bytes, Levels, "Openings"], Sign | None]
"""None: it is not one."""


class Openings:
    """The message as each format reads it, worked out once however many types share the format."""

    def __init__(self, payload: bytes, levels: Levels, received_ms: int) -> None:
        self._payload = payload
        self._context = Context(levels, received_ms)
        self._known: dict[str, Opened] = {}
        self.lower = payload.lower()

    def of(self, format_: Format) -> Opened:
        """Its records in the format's default options."""
        if format_.name not in self._known:
            likely = format_.likely is None or format_.likely(self._payload)
            found = format_.records()(self._payload, self._context._replace(state={})) if likely else None
            self._known[format_.name] = found if isinstance(found, list) else None
        return self._known[format_.name]

    def uplink(self, formats: tuple[Format, ...]) -> Record | None:
        """The network server's record, where one of these formats reads one."""
        records = next((found for each in formats if each.raw and (found := self.of(each))), None)
        return records[0] if records is not None else None

    @cached_property
    def hints(self) -> list[Hint]:
        """Texts of the message that may name what sent it."""
        return hints(self._payload)


def compile_recognise(model: RecogniseModel, formats: tuple[Format, ...]) -> Recognise:
    """The test of one type, prepared."""
    has = [(path, compile_path(path)) for path in model.has]
    has_any = [(path, compile_path(path)) for path in model.has_any]
    lacks = [compile_path(path) for path in model.lacks]
    equals = [(path, compile_path(path), due) for path, due in model.equals.items()]
    topic = None if model.topic is None else matcher(model.topic)
    mentions = [text.lower().encode() for text in model.mentions]

    def recognise(payload: bytes, levels: Levels, openings: Openings) -> Sign | None:
        seen: list[str] = []
        if topic is not None and levels:
            if not topic("/".join(levels)):
                return None
            seen.append(f"its topic is {model.topic}")
        if mentions:
            named = next((text for text in mentions if text in openings.lower), None)
            if named is None:
                return None
            seen.append(f"it mentions {named.decode()!r}")
        if has or has_any or lacks or equals or model.ports:
            record = next((records[0] for each in formats if (records := openings.of(each))), None)
            if record is None:
                return None
            pairs = record.pairs
            if any(find(pairs) is MISSING and path not in pairs for path, find in has) or any(find(pairs) is not MISSING for find in lacks):
                return None
            seen_any = next((path for path, find in has_any if find(pairs) is not MISSING or path in pairs), None)
            if has_any and seen_any is None:
                return None
            if any(find(pairs) != due and pairs.get(path) != due for path, find, due in equals):
                return None
            if model.ports and record.port not in model.ports:
                return None
            seen += [f"it has {path}" for path, _ in has] + [f"{path} is {due!r}" for path, _, due in equals]
            seen += [f"it has {seen_any}"] if seen_any is not None else []
            seen += [f"its port is {record.port}"] if model.ports else []
        return Sign(len(seen), ", ".join(seen))

    return recognise
