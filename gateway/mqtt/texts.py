"""Whether the texts of a packet are UTF-8, as they must be (MQTT 5.0, 1.5.4): asked before `mqtt5` reads a packet of a server.

`mqtt5` answers other bytes with a Rust panic. The panic can be caught, but it has by then written a dozen lines to stderr past every
log setting, for each message that some client chose to publish so, and it costs a hundred times what reading does.
"""

from __future__ import annotations

PUBLISH = 3
_PROPERTIES_AT = {2: 2, 4: 3, 5: 3, 6: 3, 7: 3, 9: 2, 11: 2, 14: 1, 15: 1}
"""Type of packet → where in its body the properties begin (MQTT 5.0, 3.2, 3.4 to 3.7, 3.9, 3.11, 3.14, 3.15); what servers send."""
_FROM_CLIENTS = (1, 8, 10, 12)
_NOT_UTF8 = "a text is not UTF-8"
_TEXTS = {0x03: 1, 0x08: 1, 0x12: 1, 0x15: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}
"""Property → how many texts it has (MQTT 5.0, table 2-4)."""
_BINARY = (0x09, 0x16)
_VARIABLE = 0x0B
_FIXED = {1: (0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 2: (0x13, 0x21, 0x22, 0x23), 4: (0x02, 0x11, 0x18, 0x27)}
_SIZES = {identifier: size for size, identifiers in _FIXED.items() for identifier in identifiers}


def refusal(data: bytes, head: int, at: int, stop: int) -> str | None:
    """Why `mqtt5` must not see the packet whose first byte is `head` and whose body is `data[at:stop]`; None if it may.

    None also for what is so malformed that its texts cannot be told: `mqtt5` refuses that by its form.
    """
    if head >> 4 != PUBLISH:
        if head >> 4 in _FROM_CLIENTS:
            return "only clients send it"
        offset = _PROPERTIES_AT.get(head >> 4)
        return None if offset is None or _properties_are_utf8(data, at + offset, stop) else _NOT_UTF8
    if stop - at < 2:
        return None
    end = at + 2 + (data[at] << 8 | data[at + 1])
    if end > stop:
        return None
    topic = data[at + 2 : end]
    if not (topic.isascii() or _is_utf8(topic)):
        return _NOT_UTF8
    end += 2 if head & 6 else 0
    return None if end >= stop or not data[end] or _properties_are_utf8(data, end, stop) else _NOT_UTF8


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _properties_are_utf8(data: bytes, at: int, stop: int) -> bool:
    """For the properties that begin at `at` with their length. `mqtt5` reads a text that goes on behind them, if the packet does."""
    at, length = _variable(data, at, stop)
    end = min(at + length, stop)
    if data[at:stop].isascii():
        return True
    while at < end:
        identifier = data[at]
        at += 1
        if identifier in _TEXTS:
            for _ in range(_TEXTS[identifier]):
                start = at + 2
                at = start + int.from_bytes(data[at:start], "big")
                if at <= stop and not _is_utf8(data[start:at]):
                    return False
        elif identifier in _BINARY:
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        elif identifier == _VARIABLE:
            at, _ = _variable(data, at, end)
        elif identifier in _SIZES:
            at += _SIZES[identifier]
        else:
            return True
    return True


def _variable(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """(what follows the number, the number) for a variable byte integer (MQTT 5.0, 1.5.5)."""
    number = 0
    for shift in range(0, 28, 7):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
    return at, number
