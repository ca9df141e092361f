"""The plainest conditions, `parameter > number`, without the language: what rules files of the first release say.

Numbers are in the parameter's canonical unit. A condition is compiled to the closed interval of values for which it is true.
"""

from __future__ import annotations

import math
import re

from rules.language.nodes import Comparison, Number, Reading, Span
from rules.language.view import Band, Compiled, View

_CONDITION = re.compile(r"^\s*([a-z][a-z0-9_]*)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$")


class ConditionError(ValueError):
    """A condition that cannot be understood. `start` is the offset in its text at which the trouble is."""

    def __init__(self, message: str, start: int = 0) -> None:
        super().__init__(message)
        self.start = start


def compile_plain(text: str) -> Compiled:
    """`"pm25 > 100"` → Compiled. Raises ConditionError, which says what is expected."""
    match = _CONDITION.match(text)
    if match is None:
        raise ConditionError(f"{text!r} is not a condition: write `parameter > number` (or >=, <, <=), for example `pm25 > 100`")
    parameter, operator, limit = match[1], match[2], float(match[3])
    if not math.isfinite(limit):
        raise ConditionError(f"the limit in {text!r} is too large for a number", match.start(3))
    low, high = {
        ">": (math.nextafter(limit, math.inf), math.inf),
        ">=": (limit, math.inf),
        "<": (-math.inf, math.nextafter(limit, -math.inf)),
        "<=": (-math.inf, limit),
    }[operator]
    operand = Reading(parameter, span=Span(*match.span(1)))
    node = Comparison(operator, operand, Number(limit, span=Span(*match.span(3))), span=Span(match.start(1), match.end(3)))  # type: ignore[arg-type]

    def evaluate(view: View) -> bool | None:
        value = view.value(parameter)
        return None if value is None else low <= value <= high

    return Compiled(text, node, evaluate, frozenset((parameter,)), frozenset(), band=Band(operand, low, high))
