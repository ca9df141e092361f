"""What every dashboard must keep to, checked on the JSON that Grafana gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

COLUMNS = 24
PANELS_SINCE_9_4 = {"row", "timeseries", "table", "stat", "bargauge", "text", "geomap", "state-timeline", "status-history"}
"""Known to Grafana 9.4 and still to 12."""
TRANSFORMATIONS_SINCE_9_4 = {"organize", "groupBy", "filterByValue", "merge", "sortBy", "joinByField", "reduce", "filterFieldsByName"}
_BUILT_IN = {"__value", "__url_time_range", "__interval", "__field", "__data", "__all", "__from", "__to", "__rate_interval"}
_CHOSEN = {("influxdb", "${datasource}"), ("prometheus", "${prometheus}")}
_NEUTRAL = {"gray", "text", "transparent"}
_WITHOUT_DATA = {"row", "text"}


def problems(board: dict[str, Any]) -> list[str]:
    """Everything that is wrong, as sentences; nothing of a sound dashboard. `board` is parsed JSON."""
    return [*_identity(board), *_layout(board), *_said(board), *_sources(board), *_variables(board), *_known(board), *_colours(board)]


def queried(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that ask something."""
    return [panel for panel in board["panels"] if panel["type"] not in _WITHOUT_DATA]


def _identity(board: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", board.get("uid") or ""):
        yield "the uid must be at most 40 of a-z, 0-9 and -"
    if board.get("id") is not None or board.get("version") is not None:
        yield "id and version are Grafana's own: leave them out"
    ids = [panel["id"] for panel in board["panels"]]
    for number in sorted({number for number in ids if ids.count(number) > 1}):
        yield f"two panels have the id {number}"
    titles = [panel["title"] for panel in board["panels"]]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield f"two panels are called {title!r}"


def _layout(board: dict[str, Any]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at, title = panel["gridPos"], panel["title"]
        if not (at["x"] >= 0 and at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= COLUMNS):
            yield f"{title!r} leaves the grid"
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        below = {taken[cell] for cell in cells if cell in taken}
        for other in sorted(below):
            yield f"{title!r} lies over {other!r}"
        taken |= dict.fromkeys(cells, title)


def _said(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        if not panel.get("title"):
            yield f"panel {panel['id']} has no title"
        if panel["type"] != "row" and len(panel.get("description") or "") < 40:
            yield f"{panel['title']!r} does not say what it shows and from where"
    for panel in queried(board):
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        if not defaults.get("unit"):
            yield f"{panel['title']!r} has no unit"
        if not defaults.get("noValue"):
            yield f"{panel['title']!r} does not say what it shows without data"
        if not panel.get("targets"):
            yield f"{panel['title']!r} asks nothing"
        refs = [target["refId"] for target in panel.get("targets", [])]
        if len(set(refs)) < len(refs):
            yield f"{panel['title']!r} has two queries of one name"


def _sources(board: dict[str, Any]) -> Iterator[str]:
    for source in _found(board, "datasource"):
        if not isinstance(source, dict) or (source.get("type"), source.get("uid")) not in _CHOSEN:
            yield f"data source {source!r} is named: it must be the one chosen on the page, {{type, uid: ${{datasource}}}}"


def _found(value: Any, key: str) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _found(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == key and item is not None:
                yield item
            else:
                yield from _found(item, key)


def _variables(board: dict[str, Any]) -> Iterator[str]:
    defined = {variable["name"]: variable for variable in board["templating"]["list"]}
    everything = [panel for panel in board["panels"] if panel["type"] != "row"] + board["annotations"]["list"]
    asked = {name for place in [*everything, *defined.values()] for name in _used(place)}
    for name in sorted(asked - set(defined) - _BUILT_IN):
        yield f"variable {name!r} is used and not defined"
    for name in sorted(set(defined) - asked):
        yield f"variable {name!r} is defined and not used"
    for name, variable in defined.items():
        if variable["type"] != "datasource" and not variable.get("current", {}).get("value"):
            yield f"variable {name!r} has no value to begin with"


def _used(place: Any) -> set[str]:
    """Names of variables in queries, titles and links. `$timeFilter` is the data source's own."""
    return {name for text in _texts(place) for name in re.findall(r"\$\{(\w+)", text) + re.findall(r"\$(__\w+)", text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value if isinstance(value, list) else value.values():
            yield from _texts(item)


def _known(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        if panel["type"] not in PANELS_SINCE_9_4:
            yield f"{panel['title']!r}: panels of type {panel['type']} are not in both Grafana 9.4 and 12"
        for step in panel.get("transformations", []):
            if step["id"] not in TRANSFORMATIONS_SINCE_9_4:
                yield f"{panel['title']!r}: the transformation {step['id']} is not in both Grafana 9.4 and 12"


def _colours(board: dict[str, Any]) -> Iterator[str]:
    """Grafana paints what has no value in the first colour of a scale: green would say that all is well."""
    for panel in queried(board):
        for scale in _found(panel.get("fieldConfig", {}), "thresholds"):
            yield from _neutral(panel["title"], scale)
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            for said in override["properties"]:
                if said["id"] == "thresholds":
                    yield from _neutral(panel["title"], said["value"])


def _neutral(title: str, scale: dict[str, Any]) -> Iterator[str]:
    first = scale["steps"][0]
    if first["value"] is not None or first["color"] not in _NEUTRAL:
        yield f"{title!r}: a scale begins with {first['color']}: what has no value must look like it ({', '.join(sorted(_NEUTRAL))})"
