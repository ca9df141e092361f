"""How the gateway is: green, yellow or red, a part at a time, each with its reason.

Green: works. Yellow: works, but somebody should look (a lane is behind, a receiver cannot be reached, a message made us
stumble). Red: it cannot do its duty without a person (no acknowledgements, no broker, refused credentials, shed
messages); `/readyz` then answers 503. A part that is not green must say what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Colour(IntEnum):
    """Ordered by gravity; the number is the value of the metric `envgw_health`."""

    GREEN = 0
    YELLOW = 1
    RED = 2

    def __str__(self) -> str:
        return self.name.lower()


GREEN, YELLOW, RED = Colour.GREEN, Colour.YELLOW, Colour.RED


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One part: `ledger`, `disk`, `core`, `source <name>`, `session <broker>`, `history <name>`, `receiver <name>`, `api`."""

    name: str
    colour: Colour
    reason: str = ""

    def __post_init__(self) -> None:
        if self.colour is not Colour.GREEN and not self.reason:
            raise ValueError(f"health of {self.name} is {self.colour} without a reason: say what is wrong, where, and what to do")


def overall(parts: Iterable[HealthPart]) -> Colour:
    """The worst of the parts; red if there is none (nothing is known about a gateway that reports nothing)."""
    return max((part.colour for part in parts), default=Colour.RED)


def ready(parts: Iterable[HealthPart]) -> bool:
    """False when red."""
    return overall(parts) is not Colour.RED


def worst_first(parts: Iterable[HealthPart]) -> list[HealthPart]:
    """Parts as an operator wants to read them: what is wrong on top, else in the order given."""
    return sorted(parts, key=lambda part: -part.colour)


def document(parts: Iterable[HealthPart]) -> dict[str, object]:
    """The body of `/readyz`: `{"health": "yellow", "ready": true, "parts": [{"name", "colour", "reason"}…]}`."""
    listed = worst_first(parts)
    return {
        "health": str(overall(listed)),
        "ready": ready(listed),
        "parts": [{"name": part.name, "colour": str(part.colour), "reason": part.reason} for part in listed],
    }


class Health:
    """Where the parts of the shell report to. `set` is cheap enough to call after every batch."""

    def __init__(self) -> None:
        self._parts: dict[str, HealthPart] = {}

    def set(self, name: str, colour: Colour, reason: str = "") -> bool:
        """Report a part. True if that changed it (then it is worth a log line)."""
        part = HealthPart(name, colour, reason)
        changed = self._parts.get(name) != part
        self._parts[name] = part
        return changed

    def forget(self, name: str) -> None:
        """The part is gone (its receiver was taken out of the configuration)."""
        self._parts.pop(name, None)

    @property
    def parts(self) -> list[HealthPart]:
        """All parts in the order in which they first reported."""
        return list(self._parts.values())

    @property
    def colour(self) -> Colour:
        """The worst part's."""
        return overall(self._parts.values())

    def colours(self) -> Mapping[str, Colour]:
        """Colour by part, for metrics."""
        return {name: part.colour for name, part in self._parts.items()}
