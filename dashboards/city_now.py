"""*City now*: what is measured at this moment, how it came to it, what is alarming, and how far the data can be believed."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from dashboards import influxql, panels, words
from dashboards.words import LANGUAGES, Language
from devices import loader
from devices.parameters import Catalogue, Parameter

AIR_TABLE = ("pm25", "pm10", "o3", "no2", "so2", "co", "air_temp", "rh", "wind_speed", "rain")
WATER_TABLE = ("level", "ph", "do", "turbidity", "ec", "salinity", "nh4_n", "water_temp")
DEVICE_TABLE = ("battery", "battery_voltage", "rssi")
AIR_COURSES = ("pm25", "pm10", "no2", "o3")
WATER_COURSES = ("level", "do", "ph", "ec")


def uid(language: Language) -> str:
    """Grafana's name for it, which links and provisioning use."""
    return f"envgw-city-now-{language}"


def build(language: Language, catalogue: Catalogue | None = None) -> dashboard.Dashboard:
    """The dashboard in one language."""
    catalogue = catalogue or loader.catalogue()
    grid = panels.Grid()
    board = (
        builders.Dashboard(words.CITY_NOW.of(language))
        .uid(uid(language))
        .description(words.CITY_NOW_ABOUT.of(language))
        .tags(["envgw", language])
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .editable()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    )
    for other in LANGUAGES:
        if other != language:
            board.link(
                builders.DashboardLink(words.OTHER_LANGUAGE.of(language))
                .type(dashboard.DashboardLinkType.LINK)
                .url(f"/d/{uid(other)}")
                .keep_time(True)
            )
    _variables(board, catalogue, language)

    _row(board, grid, words.ALERTS_ROW, language)
    board.with_panel(panels.alerts(grid, language))
    _row(board, grid, words.AIR_ROW, language)
    board.with_panel(panels.newest(grid, words.NEWEST_AIR, _named(catalogue, AIR_TABLE), language))
    for parameter in _named(catalogue, AIR_COURSES):
        board.with_panel(panels.course(grid, parameter, language))
    _row(board, grid, words.WATER_ROW, language)
    board.with_panel(panels.newest(grid, words.NEWEST_WATER, _named(catalogue, WATER_TABLE), language, height=6))
    for parameter in _named(catalogue, WATER_COURSES):
        board.with_panel(panels.course(grid, parameter, language))
    _row(board, grid, words.QUALITY_ROW, language)
    board.with_panel(panels.flags(grid, language))
    board.with_panel(panels.newest(grid, words.NEWEST_DEVICE, _named(catalogue, DEVICE_TABLE), language))
    return board.build()


def _named(catalogue: Catalogue, ids: tuple[str, ...]) -> list[Parameter]:
    return [catalogue[name] for name in ids]


def _row(board: builders.Dashboard, grid: panels.Grid, title: words.Text, language: Language) -> None:
    grid.new_line()
    number, position = grid.place(panels.COLUMNS, 1)
    board.with_row(builders.Row(title.of(language)).id(number).grid_pos(position))


def _variables(board: builders.Dashboard, catalogue: Catalogue, language: Language) -> None:
    source = dashboard.DataSourceRef(type_val=influxql.SOURCE["type"], uid=influxql.SOURCE["uid"])
    board.with_variable(builders.DatasourceVariable("datasource").label(words.SOURCE.of(language)).type("influxdb"))
    wards = r"/^([^\/]+)/"
    for name, label, where, regex in (("area", words.AREA, "", wards), ("station", words.STATION, influxql.IN_AREA, "")):
        board.with_variable(
            builders.QueryVariable(name)
            .label(label.of(language))
            .datasource(source)
            .query(influxql.tag_values(name, where))
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .regex(regex)
            .current(dashboard.VariableOption(text="All", value="$__all"))
        )
    chosen = [parameter for parameter in catalogue.values() if parameter.medium != "device"]
    options = [words.name(parameter, language).replace(",", "\\,") + f" : {parameter.id}" for parameter in chosen]  # `,` separates them
    first = next(parameter for parameter in chosen if parameter.id == "pm25")
    board.with_variable(
        builders.CustomVariable("parameter")
        .label(words.PARAMETER.of(language))
        .values(", ".join(options))
        .current(dashboard.VariableOption(text=words.name(first, language), value=first.id))
    )
