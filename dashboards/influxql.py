"""Questions to the history in InfluxQL, which InfluxDB 1.x, 2.x and 3.x all answer.

The schema is the history's: measurement = medium, tags `station`, `device`, `area`, a float field per parameter and an integer
field `<parameter>_qc` with its QARTOD flag. Only values flagged good (1) or not evaluated (2) are shown unless a panel is
about flags: a missing value writes only its flag, and the value before it stays beside (see `devices.reading`).
"""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.cog import builder, variants

from devices.parameters import Parameter

SOURCE = {"type": "influxdb", "uid": "${datasource}"}
"""The data source chosen on the page: no dashboard names one of its own."""

IN_AREA = '"area" =~ /^${area:regex}(\\/.*)?$/'
"""The wards chosen on the page: an area is a path, ward/place. The variable holds wards only, because a `/` in it would end the regex."""

SELECTED = f'"station" =~ /^${{station:regex}}$/ AND {IN_AREA} AND $timeFilter'
"""The stations and areas chosen on the page, in the time range of the page."""


class Query(variants.Dataquery, builder.Builder["Query"]):
    """One InfluxQL query of a panel. `alias` names its series, `[[tag_station]]` and the like are replaced by Grafana."""

    def __init__(self, ref: str, text: str, *, alias: str = "", table: bool = False) -> None:
        self.ref_id = ref
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
            **({"alias": self.alias} if self.alias else {}),
        }


def usable(parameter: str) -> str:
    """The condition that a value may be shown."""
    return f'("{parameter}_qc" = 1 OR "{parameter}_qc" = 2)'


def course(parameter: Parameter, ref: str = "A") -> Query:
    """Means over the panel's interval, a series per station."""
    return Query(
        ref,
        f'SELECT mean("{parameter.id}") FROM "{parameter.medium}" WHERE {usable(parameter.id)} AND {SELECTED} '
        'GROUP BY time($__interval), "station" fill(null)',
        alias="[[tag_station]]",
    )


def newest(parameter: Parameter, ref: str, column: str) -> Query:
    """The newest usable value per station in the time range, as a table with the columns Time, station and `column`."""
    return Query(
        ref,
        f'SELECT last("{parameter.id}") AS "{column}" FROM "{parameter.medium}" '
        f'WHERE {usable(parameter.id)} AND {SELECTED} GROUP BY "station"',
        table=True,
    )


def flag_counts(parameter: str, flag: int, ref: str, alias: str) -> Query:
    """How many values got this flag, per interval, over all chosen stations. `parameter` may be a dashboard variable."""
    return Query(
        ref,
        f'SELECT count("{parameter}_qc") FROM /^(air|water|device)$/ WHERE "{parameter}_qc" = {flag} AND {SELECTED} '
        "GROUP BY time($__interval) fill(0)",
        alias=alias,
    )


def alerts(ref: str = "A") -> Query:
    """What happened to alerts in the time range, newest first."""
    return Query(
        ref,
        'SELECT "station", "state", "severity", "rule", "parameter", "value", "reason" '
        f'FROM "alert" WHERE {SELECTED} ORDER BY time DESC LIMIT 200',
        table=True,
    )


def tag_values(tag: str, where: str = "") -> str:
    """The query of a variable: all values of a tag on readings."""
    return f'SHOW TAG VALUES FROM /^(air|water|device)$/ WITH KEY = "{tag}"{" WHERE " + where if where else ""}'
