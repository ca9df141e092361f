"""YAML written by hand, where comments and the order of keys matter (`devices.draft`): plain where nobody can misread it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WORDS = frozenset(["no", "yes", "on", "off", "true", "false", "null", "y", "n"])
"""Words that YAML 1.1 takes for truth values."""


def flow(data: Mapping[str, Any]) -> str:
    """A mapping on one line: `{field: ts, zone: "+07:00"}`."""
    return "{" + ", ".join(f"{quoted(str(key))}: {scalar(value)}" for key, value in data.items()) + "}"


def scalar(value: object) -> str:
    """One value; floats without an exponent."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value) if isinstance(value, int) else quoted(str(value))


def quoted(text: str) -> str:
    """The text as YAML: plain where nobody can misread it."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_/%-]*", text) and text.lower() not in _WORDS:
        return text
    return "".join(c if c.isprintable() else escaped(c) for c in json.dumps(text, ensure_ascii=False))


def escaped(character: str) -> str:
    """A character that no line of text may hold."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object) -> str:
    """For a comment: one short line, whatever the message holds."""
    return re.sub(r"[^ -~\u00a1-\u1fff]", "?", str(value))[:60]
