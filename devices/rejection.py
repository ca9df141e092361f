"""The closed list of reasons for which a message, or one field of it, is refused.

Invariant 2: every message ends as stored, rejected, duplicate or shed; a rejection has exactly one of these
reasons and keeps its raw bytes. The list is closed: a new reason is added here, in `docs/reference/rejections.md`
and in both languages, or it does not exist.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a message or field was refused. The value is what operators see and script against."""

    EMPTY = "empty"
    """No payload bytes (on MQTT also the way a retained message is deleted)."""
    TOO_LARGE = "too-large"
    """Payload above `limits.max_payload` bytes. Only the first bytes are kept."""
    NOT_JSON = "not-json"
    """The format is JSON and the payload is not (truncated, trailing garbage, NaN or Infinity literals)."""
    INVALID_UTF8 = "invalid-utf8"
    """Text was expected and the bytes are not UTF-8."""
    TOO_DEEP = "too-deep"
    """Nested deeper than the format allows."""
    DUPLICATE_KEY = "duplicate-key"
    """A JSON object names one key twice: which value is meant cannot be known."""
    WRONG_SHAPE = "wrong-shape"
    """Well formed, but not what the device type describes (an array where an object is due, …)."""
    NO_READING = "no-reading"
    """Readable, but none of its fields is a parameter that the device type knows."""
    WRONG_TYPE = "wrong-type"
    """A field holds text, a boolean, an object … where a number is due."""
    OUT_OF_BOUNDS = "out-of-bounds"
    """A number that a 64-bit float cannot hold, or not finite."""
    NO_DEVICE = "no-device"
    """Neither topic nor payload says which device speaks, or the id is not a legal one."""
    UNKNOWN_DEVICE = "unknown-device"
    """The device is not in the registry. Replay after registering it."""
    UNKNOWN_TOPIC = "unknown-topic"
    """No subscription's type covers this topic (or the topic itself is illegal: empty, NUL, wildcard)."""
    TOPIC_NOT_ALLOWED = "topic-not-allowed"
    """A registered device spoke on a topic or broker that the registry does not bind it to (semantics B7)."""
    NOT_INSTALLED = "not-installed"
    """The registry has the device, but at no station at that time."""
    BAD_TIME = "bad-time"
    """The field that should hold the device's time cannot be read as one."""
    RETAINED = "retained"
    """RETAIN=1 on delivery without device time: not a reading (semantics B2)."""
    CODEC_FAILED = "codec-failed"
    """The format's own decoder refused the bytes (checksum, length, version)."""
    INTERNAL = "internal"
    """Our own fault: an unexpected exception while interpreting this one message. Counted, kept, health yellow."""


class Rejection(NamedTuple):
    """A message that is not taken in. `device` is None when it could not even be told who spoke."""

    reason: Reason
    detail: str
    device: str | None = None
