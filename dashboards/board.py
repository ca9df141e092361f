"""A dashboard while it is being made: the variables, links and annotations that all have in common, and panels one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from dashboards import influxql, panels, promql, words
from dashboards.stored import PROVISIONED_NAME, PROVISIONED_UID
from dashboards.words import LANGUAGES, Language, Text
from devices.parameters import Parameter

SCHEMA_VERSION = 37
"""Grafana 9.4's own: newer ones translate what has changed since."""
WARDS = r"/^([^\/]+)/"
ALL = dashboard.VariableOption(text="All", value="$__all")


def uid(name: str, language: Language) -> str:
    """Grafana's name for a dashboard, on which links, provisioning and people's bookmarks hang."""
    return f"envgw-{name}-{language}"


def path(name: str, language: Language) -> str:
    """Where a dashboard is found."""
    return f"/d/{uid(name, language)}"


class Board:
    """`Board(…)`, then variables, rows and panels in the order of the page, then `build()`."""

    def __init__(
        self,
        name: str,
        language: Language,
        title: Text,
        about: Text,
        *,
        since: str = "now-24h",
        until: str = "now",
        refresh: str = "1m",
        source: Mapping[str, str] = influxql.SOURCE,
    ) -> None:
        self.name = name
        self.language = language
        self._grid = panels.Grid()
        self._source = dashboard.DataSourceRef(type_val=source["type"], uid=source["uid"])
        self._annotations: list[dict[str, Any]] = []
        self._board = (
            builders.Dashboard(title.of(language))
            .uid(uid(name, language))
            .description(about.of(language))
            .tags(["envgw", language])
            .timezone("browser")
            .time(since, until)
            .editable()
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        )
        if refresh:
            self._board.refresh(refresh)
        self._links(language)
        variable = builders.DatasourceVariable(source["uid"].strip("${}")).label(words.SOURCE.of(language)).type(source["type"])
        if source == influxql.SOURCE:
            variable.current(dashboard.VariableOption(text=PROVISIONED_NAME, value=PROVISIONED_UID))
        self._board.with_variable(variable)

    def _links(self, language: Language) -> None:
        """To all others of this language, and to this one in the other: variables and time go along."""
        self._board.link(
            builders.DashboardLink(words.OTHER_BOARDS.of(language))
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["envgw", language])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        for other in LANGUAGES:
            if other != language:
                self._board.link(
                    builders.DashboardLink(words.OTHER_LANGUAGE.of(language))
                    .type(dashboard.DashboardLinkType.LINK)
                    .url(path(self.name, other))
                    .include_vars(True)
                    .keep_time(True)
                )

    # ------------------------------------------------------------------ variables

    def wards(self) -> None:
        """The choice of wards: the first part of areas."""
        self._query("area", words.AREA, influxql.tag_values("area"), regex=WARDS)

    def stations(self, source: str = "/^(air|water|device)$/", *, first: str = "") -> None:
        """The choice of stations in the wards chosen, of one measurement: several, or one, with `first` to begin with.

        Where there is no station `first`, Grafana begins with the first there is.
        """
        self._query("station", words.STATION, influxql.tag_values("station", source, influxql.IN_AREA), first=first)

    def tags(self, name: str, label: Text, tag: str, source: str) -> None:
        """The choice of values of another tag."""
        self._query(name, label, influxql.tag_values(tag, source))

    def labels(self, name: str, label: Text, metric: str) -> None:
        """The choice of values of a label of Prometheus."""
        self._query(name, label, f"label_values({metric}, {name})")

    def parameters(self, chosen: Sequence[Parameter], first: str) -> None:
        """The choice of one parameter."""
        options = [words.name(parameter, self.language).replace(",", "\\,") + f" : {parameter.id}" for parameter in chosen]
        (begin,) = [parameter for parameter in chosen if parameter.id == first]
        self._board.with_variable(
            builders.CustomVariable("parameter")
            .label(words.PARAMETER.of(self.language))
            .values(", ".join(options))  # `,` separates them
            .current(dashboard.VariableOption(text=words.name(begin, self.language), value=begin.id))
        )

    def _query(self, name: str, label: Text, query: str, *, regex: str = "", first: str = "") -> None:
        variable = (
            builders.QueryVariable(name)
            .label(label.of(self.language))
            .datasource(self._source)
            .query(query)
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
            .regex(regex)
            .multi(not first)
            .include_all(not first)
        )
        begin = variable.current(dashboard.VariableOption(text=first, value=first)) if first else variable.all_value(".*").current(ALL)
        self._board.with_variable(begin)

    # ------------------------------------------------------------------ panels

    def row(self, title: Text) -> None:
        """A heading across the page."""
        self._grid.new_line()
        number, position = self._grid.place(panels.COLUMNS, 1)
        self._board.with_row(builders.Row(title.of(self.language)).id(number).grid_pos(position))
        self._grid.new_line()

    def add(
        self,
        panel: Any,
        title: Text,
        about: Text,
        *queries: influxql.Query | promql.Query,
        width: int = 12,
        height: int = 8,
        unit: str = "short",
        nothing: Text = words.NO_DATA,
        since: str = "",
        shift: str = "",
        below: bool = False,
    ) -> None:
        """The next panel. `about` says what it shows and from where; `since` overrides the page's time range, `shift` moves it back.

        `below`: it stands under the panel before and not beside it.
        """
        number, position = self._grid.place(width, height, below=below)
        panel.id(number).grid_pos(position).datasource(self._source)
        panel.title(title.of(self.language)).description(about.of(self.language))
        panel.unit(unit).no_value(nothing.of(self.language))
        if since:
            panel.time_from(since)
        if shift:
            panel.time_shift(shift)
        for at, query in enumerate(queries):
            query.ref_id = chr(ord("A") + at)
            panel.with_target(query)
        self._board.with_panel(panel)

    def annotate_alerts(self) -> None:
        """Marks in all charts where an alert at the chosen stations changed."""
        for state, colour in (("firing", "red"), ("resolved", "green")):
            columns = '"rule", "station", "severity", "state", "reason"'
            query = f"""SELECT {columns} FROM "alert" WHERE {influxql.SELECTED} AND "state" = '{state}' AND $timeFilter"""
            shown = {"query": query, "textColumn": "rule", "tagsColumn": "station,severity,state,reason"}
            self._annotations.append(
                {
                    "name": f"{words.ALERTS.of(self.language)}: {words.STATES[state][0].of(self.language)}",
                    "datasource": influxql.SOURCE,
                    "enable": True,
                    "iconColor": colour,
                    # Grafana 9 reads `query` and the columns, newer ones the target.
                    **shown,
                    "target": {
                        **shown,
                        "refId": "annotations",
                        "queryType": "tags",
                        "rawQuery": True,
                        "resultFormat": "table",
                        "fromAnnotations": True,
                    },
                }
            )

    def build(self) -> dict[str, Any]:
        """The dashboard as Grafana stores it."""
        made = self._board.build()
        made.schema_version = SCHEMA_VERSION
        stored: dict[str, Any] = made.to_json()
        stored["annotations"] = {"list": self._annotations}
        return stored
