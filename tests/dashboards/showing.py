"""What a table or number of a dashboard shows: a small model of what Grafana does with InfluxDB's answer.

It is NOT Grafana: it follows the source of its data transformations (groupBy, filterByValue, organize, filterFieldsByName) as far as our
dashboards use them, and so finds a column that a step names wrongly, which Grafana would silently leave out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dashboards.lint import queried
from tests.dashboards.asking import BOARDS, filled
from tests.tools.history_servers import Influxd

Row = dict[str, Any]

_CALCULATIONS: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "lastNotNull": lambda values: next((value for value in reversed(values) if value is not None), None),
    "sum": lambda values: sum(value for value in values if value is not None),
    "max": lambda values: max((value for value in values if value is not None), default=None),
    "mean": lambda values: _mean([value for value in values if value is not None]),
}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def panel_of(board: str, title: str) -> Row:
    (found,) = [panel for panel in queried(BOARDS[board]) if panel["title"] == title]
    return found


def shown(database: tuple[Influxd, str], board: str, title: str, **chosen: str) -> list[Row]:
    """The rows of a panel with one query in table format, after its transformations."""
    server, name = database
    panel = panel_of(board, title)
    (target,) = panel["targets"]
    rows = merged(server.query(filled(board, target["query"], **chosen), db=name))
    for step in panel.get("transformations", []):
        rows = _STEPS[step["id"]](rows, step["options"])
    return rows


def number(database: tuple[Influxd, str], board: str, title: str, **chosen: str) -> Any:
    """What a panel of one number shows; None where it shows its text without data."""
    reduce = panel_of(board, title)["options"]["reduceOptions"]
    rows = shown(database, board, title, **chosen)
    names = [name for name in (rows[0] if rows else {}) if re.fullmatch(reduce.get("fields", "").strip("/") or "(?!Time).*", name)]
    if not rows:
        return None
    (name,) = names
    return _CALCULATIONS[reduce["calcs"][0]]([row[name] for row in rows])


def merged(series: list[dict[str, Any]]) -> list[Row]:
    """One table: the time, then tags, then fields, as the InfluxDB plug-in makes it."""
    rows = []
    for one in series:
        for values in one["values"]:
            fields = dict(zip(one["columns"][1:], values[1:], strict=True))
            rows.append({"Time": values[0], **(one.get("tags") or {}), **fields})
    return rows


def _group(rows: list[Row], options: Row) -> list[Row]:
    by = [name for name, said in options["fields"].items() if said["operation"] == "groupby"]
    _present(rows, options["fields"])
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    found = []
    for group in groups.values():
        made = {name: group[0][name] for name in by}
        for name in group[0]:  # columns come in the order of the answer
            said = options["fields"].get(name, {"operation": None})
            if said["operation"] == "aggregate":
                for calculation in said["aggregations"]:
                    made[f"{name} ({calculation})"] = _CALCULATIONS[calculation]([row[name] for row in group])
        found.append(made)
    return found


def _filter(rows: list[Row], options: Row) -> list[Row]:
    (test,) = options["filters"]
    _present(rows, [test["fieldName"]])
    value = test["config"]["options"]["value"]

    def fits(row: Row) -> bool:
        content = str(row[test["fieldName"]])
        return bool(re.search(value, content)) if test["config"]["id"] == "regex" else content == value

    return [row for row in rows if fits(row) == (options["type"] == "include")]


def _organize(rows: list[Row], options: Row) -> list[Row]:
    _present(rows, [*options["renameByName"], *options["excludeByName"], *options["indexByName"]])
    order = options["indexByName"]
    found = []
    for row in rows:
        names = sorted(row, key=lambda name: order.get(name, len(order)))
        found.append({options["renameByName"].get(name, name): row[name] for name in names if not options["excludeByName"].get(name)})
    return found


def _fields(rows: list[Row], options: Row) -> list[Row]:
    names = options["include"]["names"]
    _present(rows, names)
    return [{name: row[name] for name in row if name in names} for row in rows]


def _present(rows: list[Row], names: Any) -> None:
    """A step that names a column that is not there does nothing in Grafana, without a word: here it fails."""
    if rows:
        assert set(names) <= set(rows[0]), f"{set(names) - set(rows[0])} of {list(rows[0])}"


_STEPS: dict[str, Callable[[list[Row], Row], list[Row]]] = {
    "groupBy": _group,
    "filterByValue": _filter,
    "organize": _organize,
    "filterFieldsByName": _fields,
}
