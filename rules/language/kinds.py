"""What an expression is, and how a literal's unit becomes that of what it meets (`200 ppb` beside o3 → 392.4 µg/m³).

A number is a *free* constant (`50`: in whatever unit it meets), a *literal* with a unit of its own that is yet to be converted
(`200 ppb`, `30m`), or has a fixed unit (`pm25`, `age(pm25)`). A mole fraction becomes a concentration at 25 °C (devices.units).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from devices.parameters import Parameter
from devices.units import Conversion, UnitError, conversion, parse_unit
from rules.language.nodes import Arithmetic, Call, Duration, Negative, Node, Number
from rules.language.vocabulary import ParameterInfo
from rules.language.writing import text_of

Sort = Literal["number", "condition", "text", "flag", "time", "weekday", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Of an expression. All but `sort` is about numbers."""

    sort: Sort = "number"
    unit: str | None = None
    """UCUM; None for a free constant. `1` for what has no unit and is no constant (an index, `hour`, a ratio)."""
    display: str = ""
    """The unit as people write it."""
    of: Parameter | None = None
    """By whose molar mass gases are converted."""
    literal: bool = False
    """Made of literals only, in units of their own."""
    difference: bool = False
    """Of two values: 9 °F are 5 °C here, not -12.8."""
    per_hour: bool = False
    """`unit` is per hour: `rate(level, 1h)`."""
    choices: tuple[str, ...] = ()
    """All that a text can be; () for anything."""

    @property
    def free(self) -> bool:
        """A number without a unit, made of constants."""
        return self.sort == "number" and self.unit is None and not self.literal

    @property
    def constant(self) -> bool:
        """Made of constants."""
        return self.free or self.literal

    @property
    def is_duration(self) -> bool:
        """In ms: `age(pm25)`, `30m`."""
        return self.unit == "ms"

    @property
    def whole_unit(self) -> str:
        """With the hour of a rate: what a converted literal is written in."""
        unit = "" if self.unit in (None, "1") else str(self.unit)
        return f"{unit}/h" if unit and self.per_hour else unit

    def __str__(self) -> str:
        match self.sort:
            case "number" if self.is_duration:
                return "a duration"
            case "number" if self.free or (self.unit == "1" and not self.per_hour):
                return "a number without a unit"
            case "number":
                return f"in {self.display or self.unit}{'/h' if self.per_hour else ''}"
            case "time":
                return "a time of day"
            case sort:
                return f"a {sort}"


WRONG = Kind(sort="wrong")
"""Of what a problem was found in already: nothing more is said about it."""
CONDITION = Kind(sort="condition")
FREE = Kind()
PLAIN = Kind(unit="1")
DURATION = Kind(unit="ms", display="ms")
COMPOUND = Kind(unit="", display="a product of units")


def kind_of_parameter(info: ParameterInfo) -> Kind:
    """Of its readings."""
    return Kind(unit=info.unit, display=info.display, of=info.of)


def kind_of_literal(unit: str) -> Kind:
    """Of a literal with a unit, or a unit per time. UnitError if there is none of that name."""
    base, per, time = unit.rpartition("/")
    if not is_unit(unit) and not (per and is_unit(base) and _is_time(time)):
        try:
            parse_unit(unit)
        except UnitError as error:
            raise UnitError(f"{error}{'; to divide, put blanks around `/`' if per else ''}") from None
    return Kind(unit=unit, display=unit, literal=True)


def is_unit(text: str) -> bool:
    """Whether the catalogue's units include it, in any usual spelling."""
    try:
        parse_unit(text)
    except UnitError:
        return False
    return True


def _is_time(text: str) -> bool:
    return is_unit(text) and parse_unit(text).dimension == "time"


def same_unit(one: Kind, other: Kind) -> bool:
    """Two numbers with fixed units can be compared and added."""
    return one.unit == other.unit and one.per_hour == other.per_hour


def converted(literal: Number | Duration, target: Kind, *, alone: bool) -> Number | Duration:
    """The literal in the unit of `target`. UnitError says why not.

    `alone`: it is compared as it stands. In a sum or product it is unclear whether `5 °F` is a temperature or a difference.
    """
    if isinstance(literal, Duration):
        if target.is_duration:
            return literal
        value, unit = float(literal.ms), "ms"
    elif not literal.unit:
        return literal
    else:
        value, unit = literal.value, literal.unit
    factor, offset = _per_hour(unit, target) if target.per_hour else _conversion(unit, target)
    if offset and target.difference:
        offset = 0.0
    elif offset and not alone:
        raise UnitError(f"{unit!r} may be a temperature or a difference of two here: write it in °C")
    result = value * factor + offset
    if not math.isfinite(result):
        raise UnitError("too large for a number")
    if target.is_duration:
        return Duration(round(result), span=literal.span)
    return Number(result, target.whole_unit, span=literal.span)


def converted_tree(node: Any, target: Kind, note: Callable[[Node, str], None], *, alone: bool) -> Any:
    """A tree of literals with every one of them converted. `note` takes what is wrong."""
    match node:
        case Number() | Duration():
            if target.unit == "" and not (isinstance(node, Number) and not node.unit):
                note(node, "what it meets is a product of units: write the number without a unit")
                return node
            try:
                return converted(node, target, alone=alone)
            except UnitError as error:
                note(node, f"{error}{_metres_or_minutes(node, target)}")
                return node
        case Negative(operand):
            return replace(node, operand=converted_tree(operand, target, note, alone=False))
        case Arithmetic(_, left, right):
            sides = [converted_tree(side, target, note, alone=False) for side in (left, right)]
            return replace(node, left=sides[0], right=sides[1])
        case Call(_, arguments):
            return replace(node, arguments=tuple(converted_tree(argument, target, note, alone=alone) for argument in arguments))
    raise AssertionError(f"{type(node).__name__} is no literal")


def _metres_or_minutes(node: Number | Duration, target: Kind) -> str:
    """`10m` is ten minutes, `10 m` ten metres: who meant the other is told."""
    text = text_of(node)
    if isinstance(node, Duration):
        return f"; `{text}` is a duration, {text[:-1]} metres are written `{text[:-1]} m`" if text.endswith("m") else ""
    if target.is_duration and node.unit == "m":
        return f"; minutes are written without a blank: `{text.replace(' ', '')}`"
    return ""


def _conversion(unit: str, target: Kind) -> Conversion:
    if target.of is not None:
        return conversion(unit, target.of)
    source, goal = parse_unit(unit), parse_unit(target.unit or "1")
    if source.dimension != goal.dimension:
        raise UnitError(f"{unit!r} ({source.dimension}) cannot become {target.unit!r} ({goal.dimension})")
    return Conversion(float(source.factor / goal.factor), float((source.offset - goal.offset) / goal.factor))


def _per_hour(unit: str, target: Kind) -> Conversion:
    """`20 cm/h`, `1 mm/min`: what stands before the last `/`, per time."""
    base, per, time = unit.rpartition("/")
    if not per or not _is_time(time):
        raise UnitError(f"{unit!r} is no rate: a rate is per hour, such as `20 {target.display or target.unit}/h`")
    span = parse_unit(time)
    return Conversion(_conversion(base, replace(target, per_hour=False)).factor * float(3600 / span.factor), 0.0)
