"""What a wire format is: bytes in, (path, value) pairs or a rejection out. Pure; no input of any bytes raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from devices.rejection import Rejection

Pairs: TypeAlias = dict[str, object]
"""Path → value, in the order of the message. A path occurs once; values are what the format has: numbers, text, None, …"""

Reader: TypeAlias = Callable[[bytes], Pairs | Rejection]


class Format(NamedTuple):
    """One wire format, as device types name it."""

    name: str
    read: Reader
    keyed: bool = True
    """False: a message is one nameless value, at path "", and the topic says which parameter it is."""
