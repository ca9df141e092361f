"""Questions to the history in InfluxQL, which InfluxDB 1.x, 2.x and 3.x all answer.

The schema is the history's (docs/decisions/0024): measurement = medium, tags `station`, `device`, `area`, a float field per
parameter and an integer field `<parameter>_qc` with its QARTOD flag; `<medium>_1h` and `<medium>_1d` with means of usable readings;
`index` and `alert` with text fields beside. Of raw readings only values flagged good (1) or not evaluated (2) are shown
unless a panel is about flags: a missing value writes only its flag, and the value before it stays beside (see `devices.reading`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.cog import builder, variants

from devices.parameters import Parameter

SOURCE = {"type": "influxdb", "uid": "${datasource}"}
"""The data source chosen on the page: no dashboard names one of its own."""

IN_AREA = '"area" =~ /^${area:regex}(\\/.*)?$/'
"""The wards chosen on the page: an area is a path, ward/place. The variable holds wards only, because a `/` in it would end the regex."""

AT_STATION = '"station" =~ /^${station:regex}$/'
SELECTED = f"{AT_STATION} AND {IN_AREA}"
"""The stations and areas chosen on the page."""


class Query(variants.Dataquery, builder.Builder["Query"]):
    """One InfluxQL query of a panel. `alias` names its series: `[[tag_station]]`, `[[col]]` are replaced by Grafana."""

    def __init__(self, text: str, *, alias: str = "[[col]]", table: bool = False) -> None:
        self.ref_id = "A"
        self.text = text
        self.alias = alias
        self.table = table

    def build(self) -> Query:
        """Itself: a query needs no building."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What Grafana's InfluxDB plug-in stores for a query written as text."""
        return {
            "refId": self.ref_id,
            "datasource": SOURCE,
            "query": self.text,
            "rawQuery": True,
            "resultFormat": "table" if self.table else "time_series",
            **({} if self.table else {"alias": self.alias}),
        }


def usable(parameter: str) -> str:
    """The condition that a value may be shown."""
    return f'("{parameter}_qc" = 1 OR "{parameter}_qc" = 2)'


def select(
    columns: Mapping[str, str],
    source: str,
    *,
    where: str = SELECTED,
    by: Sequence[str] = (),
    every: str = "",
    fill: str = "null",
    tail: str = "",
) -> str:
    """`SELECT expression AS "name" … FROM source WHERE where AND <the page's time range> GROUP BY time(every), by fill(fill) tail`.

    `columns`: name → expression. `source` is a measurement, or a regular expression or subquery as it is written in InfluxQL.
    """
    chosen = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    quoted = source if source.startswith(("/", "(")) else f'"{source}"'
    groups = ([f"time({every})"] if every else []) + [f'"{tag}"' for tag in by]
    within = f"{where} AND $timeFilter" if where else "$timeFilter"
    parts = [f"SELECT {chosen} FROM {quoted} WHERE {within}"]
    if groups:
        parts.append(f"GROUP BY {', '.join(groups)}" + (f" fill({fill})" if every or fill == "0" else ""))
    return " ".join([*parts, tail]) if tail else " ".join(parts)


def course(parameter: Parameter, *, by: str = "station") -> Query:
    """Means of usable readings over the panel's interval, a series per station or device."""
    where = f"{usable(parameter.id)} AND {SELECTED}"
    text = select({"mean": f'mean("{parameter.id}")'}, parameter.medium, where=where, by=[by], every="$__interval")
    return Query(text, alias=f"[[tag_{by}]]")


def last_hour(parameters: Mapping[str, Parameter], medium: str) -> Query:
    """A table: a row per station and device, the mean of the newest whole hour of each parameter. `parameters`: column → parameter."""
    columns = {name: f'last("{parameter.id}")' for name, parameter in parameters.items()}
    return Query(select(columns, f"{medium}_1h", by=["station", "device"]), table=True)


def counts(
    cases: Mapping[str, tuple[str, str]],
    source: str,
    *,
    by: Sequence[str] = (),
    every: str = "",
    where: str = SELECTED,
    alias: str = "[[col]]",
) -> Query:
    """How many points fit each case: `cases` is column → (field, condition). In the whole time range as a table, or per interval.

    One question for all, so that a case that never occurs is a column of 0 and not a series that is not there.
    """
    quoted = source if source.startswith("/") else f'"{source}"'
    each = [
        f'(SELECT "{field}" AS "c{at}" FROM {quoted} WHERE {condition} AND {where} AND $timeFilter)'
        for at, (field, condition) in enumerate(cases.values())
    ]
    columns = {name: f'count("c{at}")' for at, name in enumerate(cases)}
    return Query(select(columns, ", ".join(each), where="", by=by, every=every, fill="0"), table=not every, alias=alias)


def flag_counts(parameter: str, names: Mapping[int, str], *, by: Sequence[str] = (), every: str = "$__interval") -> Query:
    """How many values got each flag. `names`: flag → column; `parameter` may be a dashboard variable."""
    cases = {name: (f"{parameter}_qc", f'"{parameter}_qc" = {number}') for number, name in names.items()}
    return counts(cases, "/^(air|water|device)$/", by=by, every=every)


ALERT_FIELDS = ("station", "device", "rule", "severity", "state", "reason", "parameter", "value", "open_s", "episode")


def alert_steps(*, newest_first: bool = False, where: str = SELECTED) -> Query:
    """A table: every step of every alert in the time range."""
    columns = ", ".join(f'"{name}"' for name in ALERT_FIELDS)
    order = " ORDER BY time DESC LIMIT 500" if newest_first else ""
    return Query(f'SELECT {columns} FROM "alert" WHERE {where} AND $timeFilter{order}', table=True)


def tag_values(tag: str, source: str = "/^(air|water|device)$/", where: str = "") -> str:
    """The query of a variable: all values of a tag."""
    quoted = source if source.startswith("/") else f'"{source}"'
    return f'SHOW TAG VALUES FROM {quoted} WITH KEY = "{tag}"{" WHERE " + where if where else ""}'
