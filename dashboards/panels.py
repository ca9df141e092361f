"""The kinds of panels, ready but for their title, place and queries (which `Board.add` gives them); and the grid they are laid out on.

Only what Grafana 9.4 and 12 both understand. Two things are written in the older way because both read it: the colour of a
table's cells (`custom.displayMode`, which the dashboard's schema version makes newer Grafanas translate) and panels' time overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, statushistory, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.builders import text as text_builders
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import text as text_models

from dashboards import scales
from dashboards.scales import Step
from dashboards.words import SEVERITIES, STATES, Language
from devices.parameters import Parameter

COLUMNS = 24
"""Width of Grafana's grid."""
ALWAYS = common.VisibilityMode.ALWAYS
_HOUR_MS = 3_600_000


class Grid:
    """Places panels from left to right, and a new line where one does not fit. Numbers them from 1."""

    def __init__(self) -> None:
        self._x = self._y = self._line = self._id = 0
        self._last = dashboard.GridPos()

    def place(self, width: int, height: int, *, below: bool = False) -> tuple[int, dashboard.GridPos]:
        """(id, position) of the next panel; `below`: under the one before, beside what stands left of it, and at most as wide."""
        if below:
            assert width <= self._last.w, "it is wider than the panel that it is to stand under"
            position = dashboard.GridPos(h=height, w=width, x=self._last.x, y=self._last.y + self._last.h)
        else:
            if self._x + width > COLUMNS:
                self.new_line()
            position = dashboard.GridPos(h=height, w=width, x=self._x, y=self._y)
            self._x += width
        self._line = max(self._line, position.y + height - self._y)
        self._id += 1
        self._last = position
        return self._id, position

    def new_line(self) -> None:
        """Go below everything placed so far."""
        self._y += self._line
        self._x = self._line = 0


def unit(parameter: Parameter) -> str:
    """Grafana's unit: ours is written as it is, not converted. A number without unit is a plain one."""
    return f"suffix: {parameter.display}" if parameter.display else "short"


# ---------------------------------------------------------------- kinds


def lines(steps: Sequence[Step] = (), *, areas: bool = False, interval: str = "1m", gap_h: float = 0.25) -> timeseries.Panel:
    """Values over time. `steps`: limits, drawn as lines or (`areas`) as coloured bands.

    Points further apart than `gap_h` hours are not joined: a silent station must be seen to be silent. Grafana 9 joins what has no
    empty interval between it: questions therefore fill with null.
    """
    panel = (
        timeseries.Panel()
        .interval(interval)
        .span_nulls(round(gap_h * _HOUR_MS))
        .insert_nulls(round(gap_h * _HOUR_MS))
        .line_width(1)
        .show_points(common.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if steps:
        style = common.GraphThresholdsStyleMode.AREA if areas else common.GraphThresholdsStyleMode.DASHED
        panel.thresholds(thresholds(steps)).thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(style))
    return panel


def bars(*, interval: str = "10m", percent: bool = False, stacked: bool = True) -> timeseries.Panel:
    """Counts over time as bars that stand on each other; `percent`: as shares of the whole."""
    mode = common.StackingMode.PERCENT if percent else common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    return (
        lines(interval=interval)
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common_builders.StackingConfig().group("A").mode(mode))
    )


def table(*, sort: str = "", descending: bool = True) -> table_builders.Panel:
    """Rows. `sort`: the column that they are sorted by."""
    panel = table_builders.Panel().filterable(True)
    if sort:
        panel.sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(descending)])
    return panel


def number(steps: Sequence[Step] = (), *, calc: str = "lastNotNull", field: str = "", sparkline: bool = False) -> stat.Panel:
    """One number, or one for each series; `field`: of this column only."""
    reduce = common_builders.ReduceDataOptions().calcs([calc]).values(False)
    panel = (
        stat.Panel()
        .reduce_options(reduce.fields(f"/^{field}$/") if field else reduce)
        .graph_mode(common.BigValueGraphMode.AREA if sparkline else common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND if steps else common.BigValueColorMode.NONE)
    )
    return panel.thresholds(thresholds(steps)) if steps else panel


def gauges(steps: Sequence[Step], *, calc: str = "lastNotNull") -> bargauge.Panel:
    """A bar for each series."""
    return (
        bargauge.Panel()
        .reduce_options(common_builders.ReduceDataOptions().calcs([calc]).values(False))
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.GRADIENT)
        .thresholds(thresholds(steps))
    )


def states(mappings: Sequence[Mapping[str, Any]], *, interval: str = "5m") -> statetimeline.Panel:
    """What held when, a line for each series."""
    panel: Any = statetimeline.Panel()
    return (  # type: ignore[no-any-return]
        panel.interval(interval)
        .mappings(list(mappings))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(75)
        .line_width(0)
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))
    )


def cells(steps: Sequence[Step], *, interval: str) -> statushistory.Panel:
    """A calendar: a line for each series, a coloured cell for each interval."""
    return (
        statushistory.Panel()
        .interval(interval)
        .thresholds(thresholds(steps))
        .color_scheme(dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.9)
        .fill_opacity(80)
        .legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))
    )


def prose(text: str) -> text_builders.Panel:
    """Markdown."""
    return text_builders.Panel().mode(text_models.TextMode.MARKDOWN).content(text)


# ---------------------------------------------------------------- parts


def thresholds(steps: Sequence[Step]) -> dashboard_builders.ThresholdsConfig:
    """Grafana's thresholds."""
    return (
        dashboard_builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=colour) for value, colour in steps])
    )


def column(
    panel: Any,
    name: str,
    *,
    unit: str = "",
    steps: Sequence[Step] = (),
    mappings: Sequence[Mapping[str, Any]] = (),
    link: str = "",
    width: int = 0,
    decimals: int | None = None,
    colour: str = "",
    more: Mapping[str, Any] | None = None,
) -> None:
    """How one column or series is shown. `link`: a dashboard's path; the cell's value becomes its `var-station`."""
    said: list[tuple[str, Any]] = []
    if unit:
        said.append(("unit", unit))
    if decimals is not None:
        said.append(("decimals", decimals))
    if mappings:
        said.append(("mappings", list(mappings)))
    if steps:
        said.append(("thresholds", {"mode": "absolute", "steps": [{"value": value, "color": shown} for value, shown in steps]}))
        said.append(("color", {"mode": "thresholds"}))
    if colour:
        said.append(("color", {"mode": "fixed", "fixedColor": colour}))
    if link:
        url = f"{link}?var-station=${{__value.raw}}&${{area:queryparam}}&${{datasource:queryparam}}&${{__url_time_range}}"
        said.append(("links", [{"title": "→ ${__value.raw}", "url": url}]))
    if width:
        said.append(("custom.width", width))
    said += list((more or {}).items())
    panel.override_by_name(name, [value(key, what) for key, what in said])


def value(name: str, value: Any) -> dashboard.DynamicConfigValue:
    """One property of an override."""
    return dashboard.DynamicConfigValue(id_val=name, value=value)


COLOURED = {"custom.displayMode": "color-background"}
"""`more` of a column whose cells are coloured; and, beside, of one whose text is."""
COLOURED_TEXT = {"custom.displayMode": "color-text"}


def transformed(panel: Any, *steps: tuple[str, Mapping[str, Any]]) -> None:
    """What is done with the answers before they are shown: (name, options) in order."""
    panel.transformations([dashboard.DataTransformerConfig(id_val=name, options=dict(options)) for name, options in steps])


def only(field: str, value: str, *, include: bool = True, regex: bool = False) -> tuple[str, dict[str, Any]]:
    """A step: keep (or drop) the rows in which this column has this value."""
    test = {"id": "regex" if regex else "equal", "options": {"value": value}}
    return "filterByValue", {"filters": [{"fieldName": field, "config": test}], "match": "all", "type": "include" if include else "exclude"}


def grouped(by: Sequence[str], calculated: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """A step: one row for each combination of `by`, other columns as `name (calculation)`."""
    fields: dict[str, Any] = {name: {"operation": "groupby", "aggregations": []} for name in by}
    fields |= {name: {"operation": "aggregate", "aggregations": list(calcs)} for name, calcs in calculated.items()}
    return "groupBy", {"fields": fields}


def arranged(names: Mapping[str, str], *, drop: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """A step: columns in this order, under these names; without those in `drop`."""
    return "organize", {
        "excludeByName": dict.fromkeys(drop, True),
        "indexByName": {name: at for at, name in enumerate(names)},
        "renameByName": {old: new for old, new in names.items() if new != old},
    }


def alert_columns(panel: Any, language: Language, *, severity: str, state: str, parameter: str = "") -> None:
    """Severity and state with their names and colours, the parameter with its name."""
    for name, table in ((severity, SEVERITIES), (state, STATES)):
        options = {key: {"text": text.of(language), "color": shown, "index": at} for at, (key, (text, shown)) in enumerate(table.items())}
        column(panel, name, mappings=[{"type": "value", "options": options}], more=COLOURED_TEXT)
    if parameter:
        column(panel, parameter, mappings=scales.parameter_names(language))


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
