"""What a wire format reads out of one message: records, each of one device at one instant, or a rejection.

A message may hold several records: a SenML pack with several times, a CSV with several lines, a Sparkplug NDATA with
historical metrics. Values stand under *paths*: member names joined by dots, array indices in brackets
(`sensordatavalues[3].value`, `uplink_message.decoded_payload.temperature`), exactly as a person reads the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from devices.rejection import Rejection

Pairs: TypeAlias = dict[str, object]
"""Path → value as the format has it: numbers, text, True/False, None, bytes."""


class Record(NamedTuple):
    """One device, one instant. What the format itself does not say is None: the device type then says where it stands."""

    pairs: Pairs
    device: str | None = None
    """The id by which the format names the speaker (dev_eui, Sparkplug device, SenML base name …), as sent."""
    time: int | float | str | None = None
    """The instant as the format states it, resolved as far as the format's own rules go: ms since the epoch as int; None: none."""
    raw: bytes | None = None
    """An application payload that is still encoded (LoRaWAN `frm_payload`): a codec turns it into pairs."""
    port: int | None = None
    """The port (fPort) that goes with `raw`."""
    health: Mapping[str, float] = {}
    """Radio and battery of the envelope as parameters of medium `device`: rssi, snr, battery."""
    latitude: float | None = None
    longitude: float | None = None
    otherwise: str | None = None
    """What the message declares (a birth) whatever it holds: a record of which the type reads nothing is then a `Control`."""


class Control(NamedTuple):
    """A declared control message (a birth, a death, a join): accounted as stored, without readings."""

    what: str
    device: str | None = None


class Context(NamedTuple):
    """What a format may know beside the bytes. Formats are pure: everything is here."""

    topic: tuple[str, ...] = ()
    """The topic's levels."""
    received_ms: int = 0
    """Receipt, for formats with relative times (SenML, RFC 8428 section 4.5.3)."""
    state: dict[str, object] = {}  # noqa: RUF012
    """State that the format carries from message to message (Sparkplug aliases). Belongs to the core's state: only
    msgpack-able plain values, bounded by the format, changed in place. Empty dict for stateless formats: do not touch."""


RecordReader: TypeAlias = Callable[[bytes, Context], list[Record] | Control | Rejection]
"""Never raises, whatever the bytes; at most 50 ms and 10 MB for 64 KB."""
