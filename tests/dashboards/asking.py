"""Questions of dashboards as Grafana sends them."""

from __future__ import annotations

import json
import re
from typing import Any

from dashboards.generate import generated
from dashboards.lint import queried
from tests.dashboards import demo_day

BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in generated().items()}


def begun(board: str) -> dict[str, str]:
    """What each variable is filled with when a dashboard is opened: its `current` in the JSON, of "All" its `allValue`."""
    variables = [one for one in BOARDS[board]["templating"]["list"] if one["type"] != "datasource"]
    return {one["name"]: one["allValue"] if (value := one["current"]["value"]) == "$__all" else value for one in variables}


def escaped(value: str) -> str:
    """As Grafana's `:regex` format escapes a value."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda match: "\\" + match[0], value)


def filled(board: str, query: str, **chosen: str) -> str:
    """The query as Grafana sends it."""
    values = begun(board) | chosen
    query = query.replace("$timeFilter", f"time >= {demo_day.START_MS}ms and time <= {demo_day.END_MS}ms").replace("$__interval", "10m")
    for variable, value in values.items():
        query = query.replace(f"${{{variable}:regex}}", value).replace(f"${{{variable}}}", value)
    assert "$" not in query.replace("$/", ""), query
    return query


def stated(query: str) -> list[str]:
    """The columns that the outermost SELECT names; `*` where it is a regular expression."""
    head = query.split(" FROM ", 1)[0]
    if head.startswith("SELECT /"):
        return ["*"]
    return re.findall(r' AS "([^"]+)"', head) or re.findall(r'"([^"]+)"', head)


def query_of(board: str, title: str) -> str:
    (found,) = [panel["targets"][0]["query"] for panel in queried(BOARDS[board]) if panel["title"] == title]
    return str(found)
