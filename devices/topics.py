"""MQTT topic names and filters: what is legal, and what matches (MQTT 5.0, section 4.7; the same rules as 3.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_BYTES = 65_535
"""Longest topic in UTF-8 bytes (MQTT 5.0, 1.5.4)."""


def topic_problem(topic: str) -> str | None:
    """Why `topic` cannot be the topic name of a message, or None when it can: not empty, no NUL, no wildcards, encodable."""
    if not topic:
        return "the topic is empty"
    if "\0" in topic:
        return "the topic contains a NUL character"
    if "+" in topic or "#" in topic:
        return "the topic contains a wildcard"
    return _length_problem(topic)


def filter_problem(text: str) -> str | None:
    """Why `text` cannot be a topic filter, or None when it can."""
    if not text:
        return "the topic filter is empty"
    if "\0" in text:
        return "the topic filter contains a NUL character"
    levels = text.split("/")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            return "`#` must stand alone in the last level of a topic filter"
        if "+" in level and level != "+":
            return "`+` must stand alone in its level of a topic filter"
    return _length_problem(text)


def _length_problem(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "the topic contains a lone surrogate"
    return f"the topic is longer than {MAX_BYTES} bytes" if size > MAX_BYTES else None


def match(pattern: str, topic: str) -> bool:
    """Does the filter `pattern` match `topic`? Both must be legal. Wildcards in the first level do not match `$…` topics."""
    return _matches(pattern.split("/"), topic)


def matcher(pattern: str) -> Callable[[str], bool]:
    """`match` for one filter, prepared: an equality test where the filter has no wildcard."""
    pattern = unshared(pattern)
    if "+" not in pattern and "#" not in pattern:
        return pattern.__eq__
    levels = pattern.split("/")
    return lambda topic: _matches(levels, topic)


def unshared(pattern: str) -> str:
    """The filter inside `$share/<group>/<filter>`; any other filter as it is."""
    if pattern.startswith("$share/"):
        parts = pattern.split("/", 2)
        if len(parts) == 3:
            return parts[2]
    return pattern


def _matches(pattern: Sequence[str], topic: str) -> bool:
    levels = topic.split("/")
    if topic.startswith("$") and pattern[0] in ("+", "#"):
        return False
    for index, level in enumerate(pattern):
        if level == "#":
            return True
        if index >= len(levels) or (level != "+" and level != levels[index]):
            return False
    return len(levels) == len(pattern)
