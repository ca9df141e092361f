"""Values of formats that have only texts (CSV, web forms): what looks like a plain number is one, all else stays text."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})?\.[0-9]{1,30}(?:[eE][-+]?[0-9]{1,3})?")
_COMMA = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})?,[0-9]{1,30}(?:[eE][-+]?[0-9]{1,3})?")


def value_of(text: str, *, decimal_comma: bool = False) -> int | float | str | None:
    """`"12.50"` → 12.5, `"33"` → 33, `"-4.1E+01"` → -41.0, `""` → None; blanks around them apart.

    Identifiers must not become numbers: leading zeros (`007`), more than 15 digits before the point, and exponents without
    a point (`12E5`, as hexadecimal keys have them) stay text, and so do `nan`, `1_000` and `1,234`. With `decimal_comma`
    the point is the comma: `12,5` is 12.5, and `1.234` stays text.
    """
    text = text.strip()
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if decimal_comma:
        return float(text.replace(",", ".")) if _COMMA.fullmatch(text) else text
    return float(text) if _DECIMAL.fullmatch(text) else text
