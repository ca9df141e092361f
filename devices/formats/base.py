"""What a wire format is: bytes in, records or pairs or a rejection out. Pure; no input of any bytes raises.

Two kinds of reader, because the commonest messages are the simplest:

    read      bytes → one nameless record: its pairs, or a rejection. The fast way (flat JSON, one plain value).
    reader    options → `RecordReader`: several records, a device and a time of the format's own, an encoded application
              payload, state from message to message.

A format gives its values either under whole paths (`nested=False`) or as the tree that the parser built (`nested=True`):
then a device type's paths are compiled into look-ups on that tree, and nothing is flattened. `Format.parse` gives flat
pairs for every format: what a message says, path by path, as `envgw decode` and tests compare it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel

from devices.formats.paths import flatten
from devices.formats.record import Context, Control, Pairs, Record, RecordReader
from devices.rejection import Rejection

__all__ = ["Context", "Control", "Format", "Pairs", "Reader", "Record", "RecordReader", "StateKey"]

Reader: TypeAlias = Callable[[bytes], Pairs | Rejection]

Place: TypeAlias = tuple[float | None, float | None]
"""Latitude and longitude as the message has them."""

Uplink: TypeAlias = tuple[dict[str, Any], str, str | None, float | None, float | None, Place | None]
"""Decoded object (not empty), device (not empty), time, rssi and snr of the best reception, place."""

Quick: TypeAlias = Callable[[bytes], Uplink | None]
"""One decoded uplink, or None for whatever is not the commonest case."""

StateKey: TypeAlias = Callable[[tuple[str, ...]], str | None]
"""Topic levels → the name under which the format's state for this speaker is kept; None: this topic has none."""


@dataclass(frozen=True, slots=True)
class Format:
    """One wire format, as device types name it."""

    name: str
    read: Reader | None = None
    """Of a nested format that has a `reader` too: the tree, for types without options; an array goes to the reader."""
    keyed: bool = True
    """False: a message is one nameless value, at path "", and the topic says which parameter it is."""
    reader: Callable[[Any], RecordReader] | None = None
    """Instance of `options` (None where there are none) → reader."""
    options: type[BaseModel] | None = None
    """What a device type may write under `options:`."""
    nested: bool = False
    """Pairs are the parsed tree, not whole paths."""
    device: bool = False
    """The format itself may say who speaks (`Record.device`): a type may leave `device` out."""
    time: bool = False
    """The format itself may say when (`Record.time`)."""
    units: bool = False
    """Values may have their unit beside them, under `<path>@unit`: it counts before the type's."""
    raw: bool = False
    """Records may hold an encoded application payload (`Record.raw`), which a type's `codec` reads."""
    state_key: StateKey | None = None
    """Set for formats that carry state from message to message (Context.state)."""
    quick: Quick | None = None
    """The fast way for the message that nearly all are; None from it: read it with `reader`."""
    likely: Callable[[bytes], bool] | None = None
    """A cheap look: could this message be of this format? For types with several formats. None: always."""

    def records(self, options: Any = None) -> RecordReader:
        """The reader as a `RecordReader`, whichever kind it is; pairs stay as the format gives them."""
        if self.reader is not None:
            return self.reader(options if options is not None or self.options is None else self.options())
        read = self.read
        assert read is not None, f"format {self.name} has no reader"

        def one(payload: bytes, context: Context) -> list[Record] | Control | Rejection:
            pairs = read(payload)
            return pairs if isinstance(pairs, Rejection) else [Record(pairs)]

        return one

    def parse(self, payload: bytes, context: Context | None = None, options: Any = None) -> list[Record] | Control | Rejection:
        """What the message says, path by path. Not the fast way: nested messages are flattened."""
        found = self.records(options)(payload, Context() if context is None else context)
        if not self.nested or not isinstance(found, list):
            return found
        flat = []
        for record in found:
            pairs = flatten(record.pairs) if record.pairs else {}
            if isinstance(pairs, Rejection):
                return pairs
            flat.append(record._replace(pairs=pairs))
        return flat
