"""Are the names of a condition known, and if not, which may be meant."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from devices.problems import did_you_mean
from devices.stations import area_fits
from rules.language.nodes import LimitOf, Selector, Span
from rules.language.vocabulary import LimitKey, ParameterInfo, Vocabulary
from rules.language.words import CLOCK, WEEKDAYS

_SHOWN = 12
"""Names that a message lists at most."""


class Names:
    """Looks names up; `note` takes the problems."""

    def __init__(self, vocabulary: Vocabulary, note: Callable[[Span, str], Any]) -> None:
        self._vocabulary, self._note = vocabulary, note

    def parameter(self, span: Span, name: str) -> ParameterInfo | None:
        """None, and a problem noted, if there is none of that name."""
        info = self._vocabulary.parameter(name)
        if info is None:
            close = did_you_mean(name.lower(), self._vocabulary.parameters()) or did_you_mean(name.lower(), (*CLOCK, *WEEKDAYS))
            self._note(span, f"unknown parameter {name!r}{close}")
        return info

    def station(self, span: Span, name: str | None) -> None:
        """A station's id; None is the one that the rule is looking at."""
        stations = self._vocabulary.stations
        if name is not None and stations is not None and name not in stations:
            self._note(span, f"there is no station {name[:60]!r}{did_you_mean(name, stations)}")

    def choices(self, field: str, fixed: tuple[str, ...]) -> tuple[str, ...]:
        """What a text of the registry can be, as far as it is known."""
        known = {"id": self._vocabulary.stations, "area": self._vocabulary.areas}.get(field)
        return fixed or tuple(known or ())

    def selector(self, selector: Selector) -> None:
        """Stations, area, medium and tag."""
        for station in selector.stations:
            self.station(selector.span, station)
        if selector.medium is not None and selector.medium not in {"air", "water"}:
            close = did_you_mean(selector.medium, ("air", "water"))
            self._note(selector.span, f"there is no medium {selector.medium[:60]!r}{close or ': write air or water'}")
        areas, tags = self._vocabulary.areas, self._vocabulary.tags
        if selector.area is not None and areas is not None and not any(area_fits(selector.area, area) for area in areas):
            parents = {area.rpartition("/")[0] + "/*" for area in areas if "/" in area}
            self._note(selector.span, f"no station lies in {selector.area[:60]!r}{did_you_mean(selector.area, {*areas, *parents})}")
        if selector.tag is not None and tags is not None and selector.tag not in tags:
            self._note(selector.span, f"no station has the tag {selector.tag[:60]!r}{did_you_mean(selector.tag, tags)}")

    def limit(self, node: LimitOf) -> bool:
        """Whether the table has it; what it has is said step by step."""
        keys = list(self._vocabulary.limits.keys())
        asked = LimitKey(node.standard, node.parameter, node.averaging, node.category)
        for part, what in enumerate(("standard", "parameter", "averaging period", "class")):
            known = {key[part] for key in keys}
            if asked[part] not in known:
                self._note(node.span, _no_limit(asked, part, what, known))
                return False
            keys = [key for key in keys if key[part] == asked[part]]
        return True


def _no_limit(asked: LimitKey, part: int, what: str, known: Collection[str | None]) -> str:
    names = sorted(name for name in known if name is not None)
    wanted = asked[part]
    of = " ".join([asked.standard, *([asked.parameter] if part > 1 else []), *([asked.averaging] if part > 2 else [])])
    there = ", ".join(repr(name) for name in names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "") or "none"
    if part == 0:
        return f"there is no standard {asked.standard[:60]!r}{did_you_mean(asked.standard, names)} (there are: {there})"
    if wanted is None:
        return f"{of} has classes: name one of {there} as the fourth"
    if not names:
        return f"{of} has no classes: leave {wanted[:60]!r} out"
    return f"{of} has no {what} {wanted[:60]!r}{did_you_mean(wanted, names)} (there are: {there})"
