"""Series as people write them in tests of rules: `20x10 50+35x10 _x5`.

| Written | Means |
| --- | --- |
| `20` | 20, once |
| `20x10` | 20, ten times |
| `50+35x10` | ten values: 50, 85, 120 … |
| `7-0.5x4` | four values: 7, 6.5, 6, 5.5 |
| `_`, `_x5` | nothing is said, once or five times |
| `null`, `nullx5` | the device says that the value is missing |

Unlike in `promtool test rules` the number behind `x` is how many values there are, with a step as well as without.
"""

from __future__ import annotations

import re
from typing import Literal

SILENT: Literal["_"] = "_"
"""Nothing is said at that instant."""

LONGEST = 100_000
"""Values in one series."""

_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_ITEM = re.compile(
    rf"^(?:(?P<silent>_)|(?P<missing>null)|(?P<value>-?{_NUMBER})(?P<step>[+-]{_NUMBER})?)(?:x(?P<count>\d+))?$", re.IGNORECASE
)

Item = float | None | Literal["_"]


def parse_series(text: str) -> list[Item]:
    """The values, one an interval. Raises ValueError that says what to write."""
    found: list[Item] = []
    for word in str(text).split():
        match = _ITEM.match(word)
        if match is None:
            raise ValueError(
                f"{word!r} is no part of a series: write `20x10` (ten times 20), `50+35x10` (ten values rising by 35) or `_x5` (silent)"
            )
        if match["step"] and match["count"] is None:
            raise ValueError(f"{word!r}: a step needs the number of values, `{word}x10`")
        count = int(match["count"] or 1)
        if len(found) + count > LONGEST:
            raise ValueError(f"the series is longer than {LONGEST} values")
        if match["silent"]:
            found += [SILENT] * count
        elif match["missing"]:
            found += [None] * count
        else:
            value, step = float(match["value"]), float(match["step"] or 0)
            found += [round(value + step * index, 9) for index in range(count)]
    if not found:
        raise ValueError("the series is empty: write for example `20x10`")
    return found
