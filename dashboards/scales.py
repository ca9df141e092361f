"""Colours, limits and names of values, all from the tables of `devices`: what Grafana calls thresholds and value mappings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from dashboards.words import FLAG_NAMES, Language, Text
from devices import loader
from devices.indices.limit_tables import SAMPLE, Limit
from devices.indices.reasons import Why
from devices.indices.result import Category

_NEWEST = date.max
"""Of dated tables the edition that comes last is drawn: a dashboard is the same whenever it is built."""
_SINGLE, _MEAN = "orange", "red"
"""Lines of limits: over an hour or for a sample; over 8 or 24 hours."""
SURFACE_WATER = {"A": "green", "B": "orange"}
"""QCVN 08: classes whose limits are drawn, and their colours. Which one a body of water must keep to is decided by the province."""
FLAG_COLOURS = {1: "green", 2: "blue", 3: "orange", 4: "red", 9: "text"}

NOTHING = "gray"
"""The colour of what has no value: silence is never "all clear"."""
_OVER = {
    "10min": Text("10 phút", "10 min"),
    "15min": Text("15 phút", "15 min"),
    "1h": Text("1 h", "1 h"),
    "8h": Text("8 h", "8 h"),
    "24h": Text("24 h", "24 h"),
    "1y": Text("năm", "year"),
    "peak-season": Text("mùa cao điểm", "peak season"),
    SAMPLE: Text("", ""),
}
"""What limits are averaged over."""

Step = tuple[float | None, str]
"""(from this value on, colour); the first one begins at None."""


def categories(index: str) -> tuple[Category, ...]:
    """The categories of `vn_aqi`, `us_aqi` or `vn_wqi`, the lowest values first."""
    return loader.water_table().categories.all if index == "vn_wqi" else loader.air_tables().at(index, _NEWEST).categories.all


def index_steps(index: str) -> list[Step]:
    """The colours of an index. Grafana gives a value that is not there the first colour, which therefore is nobody's."""
    return [(None, NOTHING), *((float(category.least), category.colour) for category in categories(index))]


def category_names(index: str, language: Language) -> list[dict[str, Any]]:
    """A mapping of category ids to names and colours."""
    return _mapping({category.id: (category.name[language], category.colour) for category in categories(index)})


def reasons(language: Language) -> list[dict[str, Any]]:
    """Why an index has no value: id → sentence."""
    return _mapping({why.value: (why.text[language], "text") for why in Why})


def parameter_names(language: Language) -> list[dict[str, Any]]:
    """Parameter ids → names."""
    return _mapping({parameter.id: (parameter.name[language], "text") for parameter in loader.catalogue().values()})


def flag_names(language: Language) -> list[dict[str, Any]]:
    """QARTOD flags → names and colours."""
    return _mapping({str(flag): (text.of(language), FLAG_COLOURS[flag]) for flag, text in FLAG_NAMES.items()})


def limits(parameter: str, standard: str, averagings: Sequence[str], classes: Sequence[str | None] = (None,)) -> list[Limit]:
    """The newest limits of one parameter, in the order asked for; none where the standard has none."""
    found = []
    for class_ in classes:
        for averaging in averagings:
            mine = [
                limit
                for limit in loader.limits()
                if (limit.parameter, limit.standard, limit.averaging, limit.class_) == (parameter, standard, averaging, class_)
            ]
            found += sorted(mine, key=lambda limit: limit.effective_from)[-1:]
    return found


def limit_steps(found: Sequence[Limit]) -> list[Step]:
    """Lines at these limits, the lowest first."""
    lines: dict[float, str] = {}
    for limit in found:
        colour = SURFACE_WATER.get(limit.class_ or "") or (_SINGLE if limit.averaging in ("1h", SAMPLE) else _MEAN)
        for bound in (limit.least, limit.most):
            if bound is not None:
                lines.setdefault(bound, colour)
    return [(None, "transparent"), *sorted(lines.items())]


def limit_text(found: Sequence[Limit], display: str, language: Language) -> str:
    """The limits as people read them: `QCVN 05:2023/BTNMT: 1 h 200, 24 h 100 µg/m³`."""
    if not found:
        return ""
    said = []
    for limit in found:
        bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", limit.least), ("≤", limit.most)) if bound is not None]
        over = _OVER[limit.averaging].of(language)
        group = {"vi": "mức", "en": "class"}[language] + f" {limit.class_}" if limit.class_ else ""
        doubt = {"vi": " (cần kiểm chứng)", "en": " (to be verified)"}[language] if limit.status == "to-verify" else ""
        said.append(" ".join([part for part in (group, over, *bounds) if part]) + doubt)
    return f"{found[0].standard_name}: {'; '.join(said)} {display}".rstrip()


def _mapping(texts: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    options = {key: {"text": text, "color": colour, "index": at} for at, (key, (text, colour)) in enumerate(texts.items())}
    return [{"type": "value", "options": options}]
