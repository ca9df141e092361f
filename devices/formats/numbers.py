"""Numbers written as text. Stricter than `float()`, which also takes `nan`, `1_000`, `٣` and blanks inside."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
MAX_CHARACTERS = 400
"""Longer texts are not numbers (a 64-bit float needs at most 309 digits before its point)."""


def parse_number(text: str) -> float | None:
    """The number that `text` is, blanks around it apart; None when it is none.

    `nan`, `inf` and numbers beyond a 64-bit float come back as `inf`, for which the caller says out-of-bounds. A decimal
    comma is not accepted: `1,234` has two meanings.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    return float("inf") if _NOT_FINITE.fullmatch(text) else None
