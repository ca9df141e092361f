"""The kinds of panels, each with its description, unit and what it shows without data; and the grid that they are laid out on."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.models import common, dashboard

from dashboards import influxql, words
from dashboards.words import Language
from devices.parameters import Parameter

COLUMNS = 24
"""Width of Grafana's grid."""
_STATION = "station"
_GAP_MS = 15 * 60 * 1000
"""Points further apart are not joined by a line: a silent station must be seen to be silent."""
_FLAG_COLOURS = {1: "green", 2: "blue", 3: "orange", 4: "red", 9: "text"}


class Grid:
    """Places panels from left to right, and a new line where one does not fit. Numbers them from 1."""

    def __init__(self) -> None:
        self._x = self._y = self._line = self._id = 0

    def place(self, width: int, height: int) -> tuple[int, dashboard.GridPos]:
        """(id, position) of the next panel."""
        if self._x + width > COLUMNS:
            self.new_line()
        position = dashboard.GridPos(h=height, w=width, x=self._x, y=self._y)
        self._x += width
        self._line = max(self._line, height)
        self._id += 1
        return self._id, position

    def new_line(self) -> None:
        """Go below everything placed so far."""
        self._y += self._line
        self._x = self._line = 0


def unit(parameter: Parameter) -> str:
    """Grafana's unit: ours is written as it is, not converted. A number without unit is a plain one."""
    return f"suffix: {parameter.display}" if parameter.display else "short"


def course(grid: Grid, parameter: Parameter, language: Language, *, width: int = 12) -> timeseries_builders.Panel:
    """A parameter over time, a line per station."""
    number, position = grid.place(width, 8)
    return (
        timeseries_builders.Panel()
        .id(number)
        .grid_pos(position)
        .title(words.name(parameter, language))
        .description(words.COURSE_ABOUT.of(language))
        .datasource(_source())
        .unit(unit(parameter))
        .no_value(words.NO_DATA.of(language))
        .interval("1m")
        .span_nulls(_GAP_MS)
        .line_width(1)
        .show_points(common.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .with_target(influxql.course(parameter))
    )


def newest(grid: Grid, title: words.Text, parameters: Sequence[Parameter], language: Language, *, height: int = 8) -> table_builders.Panel:
    """A table: a row per station, a column per parameter."""
    number, position = grid.place(COLUMNS, height)
    columns = {parameter.id: words.label(parameter, language) for parameter in parameters}
    panel = (
        table_builders.Panel()
        .id(number)
        .grid_pos(position)
        .title(title.of(language))
        .description(words.NEWEST_ABOUT.of(language))
        .datasource(_source())
        .unit("short")
        .no_value(words.NO_DATA.of(language))
        # Each parameter's newest value has a time of its own: without the times, the tables are joined by station.
        .transformations(
            [
                dashboard.DataTransformerConfig(id_val="filterFieldsByName", options={"exclude": {"names": ["Time", "time"]}}),
                dashboard.DataTransformerConfig(id_val="joinByField", options={"byField": _STATION, "mode": "outer"}),
                dashboard.DataTransformerConfig(id_val="organize", options={"renameByName": {_STATION: words.STATION.of(language)}}),
                dashboard.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": words.STATION.of(language)}]}),
            ]
        )
    )
    for index, parameter in enumerate(parameters):
        panel.with_target(influxql.newest(parameter, _ref(index), columns[parameter.id]))
        panel.override_by_name(columns[parameter.id], [dashboard.DynamicConfigValue(id_val="unit", value=unit(parameter))])
    return panel


def flags(grid: Grid, language: Language) -> timeseries_builders.Panel:
    """The share of each flag over time, for the parameter chosen on the page."""
    number, position = grid.place(COLUMNS, 8)
    panel = (
        timeseries_builders.Panel()
        .id(number)
        .grid_pos(position)
        .title(words.FLAGS.of(language))
        .description(words.FLAGS_ABOUT.of(language))
        .datasource(_source())
        .unit("percent")
        .no_value(words.NO_DATA.of(language))
        .interval("10m")
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common_builders.StackingConfig().group("A").mode(common.StackingMode.PERCENT))
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    for index, (flag, text) in enumerate(words.FLAG_NAMES.items()):
        title = text.of(language)
        panel.with_target(influxql.flag_counts("${parameter}", flag, _ref(index), title))
        colour = {"mode": "fixed", "fixedColor": _FLAG_COLOURS[flag]}
        panel.override_by_name(title, [dashboard.DynamicConfigValue(id_val="color", value=colour)])
    return panel


def alerts(grid: Grid, language: Language) -> table_builders.Panel:
    """Transitions of alerts, newest first."""
    number, position = grid.place(COLUMNS, 7)
    return (
        table_builders.Panel()
        .id(number)
        .grid_pos(position)
        .title(words.ALERTS.of(language))
        .description(words.ALERTS_ABOUT.of(language))
        .datasource(_source())
        .unit("short")
        .no_value(words.NO_ALERTS.of(language))
        .with_target(influxql.alerts())
    )


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _source() -> dashboard.DataSourceRef:
    return dashboard.DataSourceRef(type_val=influxql.SOURCE["type"], uid=influxql.SOURCE["uid"])


def _ref(index: int) -> str:
    """A, B, … Z: more than a panel has queries."""
    return chr(ord("A") + index)
