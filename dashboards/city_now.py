"""*City now*: how the air and water are at this moment, where they are worst, what is alarming and what changed."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import geomap
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import geomap as geomap_models

from dashboards import influxql, panels, scales, shared, words
from dashboards.board import Board, path
from dashboards.words import Language, Text
from devices import loader

NAME = "city-now"
AIR_TABLE = ("pm25", "pm10", "o3", "no2", "so2", "co", "air_temp", "rh", "wind_speed", "rain")
WATER_TABLE = ("level", "ph", "do", "turbidity", "ec", "salinity", "nh4_n", "water_temp")
AIR_COURSES = ("pm25", "pm10", "no2", "o3")
WATER_COURSES = ("level", "do", "ph", "ec")
AS_READ = ("level",)
"""A flood rises within the hour; all else is read from the hourly means, which a whole city's year needs."""
AIR_INDEX, WATER_INDEX = "vn_aqi", "vn_wqi"
_TITLE = {"vn_aqi": "VN_AQI", "vn_wqi": "VN_WQI", "us_aqi": "US AQI"}


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Thành phố lúc này", "City now"),
        Text(
            "Bản đồ chỉ số, nơi xấu nhất, cảnh báo đang mở, thay đổi trong giờ qua; giá trị mới và diễn biến của các trạm.",
            "Map of the indices, the worst places, open alerts, what changed in the last hour; newest values and course at the stations.",
        ),
    )
    catalogue = loader.catalogue()
    board.wards()
    board.stations()
    board.annotate_alerts()

    _numbers(board)
    _map(board)
    _worst(board, AIR_INDEX, "air-station", Text("Không khí xấu nhất", "Worst air"), lowest=False)
    _worst(board, WATER_INDEX, "water-station", Text("Nước xấu nhất", "Worst water"), lowest=True)
    board.row(words.ALERTS)
    shared.open_alerts(board, width=14)
    _changes(board)
    shared.alert_history(board, Text("Cảnh báo trong giờ qua", "Alerts in the last hour"), width=panels.COLUMNS, height=6, since="1h")
    for title, medium, table, courses in (
        (Text("Không khí", "Air"), "air", AIR_TABLE, AIR_COURSES),
        (Text("Nước", "Water"), "water", WATER_TABLE, WATER_COURSES),
    ):
        board.row(title)
        newest = Text(f"{title.vi}: giờ mới nhất theo trạm", f"{title.en}: newest hour per station")
        shared.last_hour(board, newest, medium, [catalogue[name] for name in table], link=path(f"{medium}-station", language))
        for name in courses:
            (shared.course if name in AS_READ else shared.hourly_course)(board, catalogue[name])
    board.row(Text("Chất lượng dữ liệu", "Quality of the data"))
    shared.completeness(board, "air", catalogue["pm25"])
    shared.completeness(board, "water", catalogue["ph"])
    return board.build()


def _numbers(board: Board) -> None:
    """The city in four numbers; the last one says whether the others can be believed."""
    newest = influxql.select({"newest": f'last("{AIR_INDEX}")'}, "index", by=["station"])
    worst = f'SELECT max("newest") AS "{_TITLE[AIR_INDEX]}" FROM ({newest}) WHERE $timeFilter'
    board.add(
        panels.number(scales.index_steps(AIR_INDEX)),
        Text("VN_AQI cao nhất", "Highest VN_AQI"),
        Text(
            "Từ `index`: giá trị lớn nhất trong các VN_AQI mới nhất của các trạm đã chọn.",
            "From `index`: the largest of the newest VN_AQI of the chosen stations.",
        ),
        influxql.Query(worst, table=True),
        width=6,
        height=4,
    )
    shared.open_count(
        board,
        Text("Số cảnh báo đang mở", "Alerts that are open"),
        Text(
            "Từ `alert`: số đợt cảnh báo chưa kết thúc, bắt đầu trong 30 ngày qua.",
            "From `alert`: episodes that are not over and began in the last 30 days.",
        ),
        width=6,
    )
    shared.open_count(
        board,
        Text("Thiết bị im lặng", "Silent devices"),
        Text(
            "Từ `alert`: thiết bị, trạm hoặc khu vực đang im lặng: ở đó không có tin không có nghĩa là an toàn.",
            "From `alert`: devices, stations or areas that are silent: no news from there does not mean that all is well.",
        ),
        width=6,
        kind=shared.SILENT,
    )
    board.add(
        panels.number(field="Time"),
        Text("Gateway ghi lần cuối", "The gateway last wrote"),
        Text(
            "Từ `gateway`: lúc gateway ghi sổ sách của nó lần cuối (mỗi phút một lần). Lâu hơn vài phút: trang này không còn cập nhật.",
            "From `gateway`: when it last wrote its own accounting (once a minute). More than some minutes ago: this page is out of date.",
        ),
        influxql.Query('SELECT last("received") AS "received" FROM "gateway" WHERE $timeFilter', table=True),
        width=6,
        height=4,
        unit="dateTimeFromNow",
    )


def _index_query(index: str, language: Language, *, place: bool = False) -> influxql.Query:
    """A table: the newest value of an index per station, with its category and dominant parameter, or why there is none."""
    columns = {
        _TITLE[index]: f'last("{index}")',
        words.CATEGORY.of(language): f'last("{index}_category")',
        words.DOMINANT.of(language): f'last("{index}_dominant")',
        words.WHY_NOT.of(language): f'last("{index}_why")',
    }
    if place:
        columns |= {"latitude": 'last("latitude")', "longitude": 'last("longitude")'}
    where = f"""("{index}" >= 0 OR "{index}_why" =~ /./) AND {influxql.SELECTED}"""
    return influxql.Query(influxql.select(columns, "index", where=where, by=["station"]), table=True)


def _index_columns(panel: Any, index: str, language: Language, *, cells: bool = True) -> None:
    panels.column(panel, _TITLE[index], steps=scales.index_steps(index), decimals=0, more=panels.COLOURED if cells else None)
    panels.column(panel, words.CATEGORY.of(language), mappings=scales.category_names(index, language))
    panels.column(panel, words.DOMINANT.of(language), mappings=scales.parameter_names(language))
    panels.column(panel, words.WHY_NOT.of(language), mappings=scales.reasons(language))


def _map(board: Board) -> None:
    language = board.language
    panel = (
        geomap.Panel()
        .view(geomap.MapViewConfig().id("fit").lat(0).lon(0).zoom(12).max_zoom(14).padding(10).all_layers(True))
        .controls(geomap.ControlsOptions().show_zoom(True).mouse_wheel_zoom(False).show_attribution(True))
        .tooltip(geomap.TooltipOptions().mode(geomap_models.TooltipMode.DETAILS))
        .basemap(common_builders.MapLayerOptions().type("default").name("Basemap"))
        .layers([_layer("A", AIR_INDEX, Text("Không khí", "Air"), language), _layer("B", WATER_INDEX, Text("Nước", "Water"), language)])
    )
    for index in (AIR_INDEX, WATER_INDEX):
        _index_columns(panel, index, language, cells=False)
    board.add(
        panel,
        Text("Bản đồ VN_AQI và VN_WQI", "Map of VN_AQI and VN_WQI"),
        Text(
            "Từ `index`: chỉ số mới nhất của mỗi trạm trong khoảng thời gian đã chọn, tô màu theo mức; tròn = không khí, vuông = nước, "
            "xám = chưa tính được (bảng bên cạnh nói vì sao). Vị trí được gateway ghi cùng chỉ số.",
            "From `index`: the newest index of each station in the time range, coloured by category; circle = air, square = water, "
            "grey = none could be computed (the tables beside say why). The gateway writes the place with the index.",
        ),
        _index_query(AIR_INDEX, language, place=True),
        _index_query(WATER_INDEX, language, place=True),
        width=12,
        height=16,
    )


def _layer(ref: str, index: str, name: Text, language: Language) -> common_builders.MapLayerOptions:
    symbol = "circle" if index == AIR_INDEX else "square"
    style = {
        "color": {"field": _TITLE[index], "fixed": "gray"},
        "opacity": 0.85,
        "size": {"fixed": 11, "min": 8, "max": 15},
        "symbol": {"fixed": f"img/icons/marker/{symbol}.svg", "mode": "fixed"},
        "text": {"field": _TITLE[index], "fixed": "", "mode": "field"},
        "textConfig": {"fontSize": 12, "offsetX": 0, "offsetY": -16, "textAlign": "center", "textBaseline": "middle"},
    }
    return (
        common_builders.MapLayerOptions()
        .type("markers")
        .name(name.of(language))
        .config({"showLegend": True, "style": style})
        .location(
            common_builders.FrameGeometrySource().mode(common.FrameGeometrySourceMode.COORDS).latitude("latitude").longitude("longitude")
        )
        .filter_data({"id": "byRefId", "options": ref})
        .tooltip(True)
    )


def _worst(board: Board, index: str, station_board: str, title: Text, *, lowest: bool) -> None:
    language = board.language
    panel = panels.table(sort=_TITLE[index], descending=not lowest)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(language)}, drop=["Time"]))
    panels.column(panel, words.STATION.of(language), link=path(station_board, language))
    _index_columns(panel, index, language)
    board.add(
        panel,
        title,
        Text(
            f"Từ `index`: {_TITLE[index]} mới nhất của mỗi trạm, xấu nhất ở trên, với mức và thông số quyết định; nếu chưa có thì vì sao.",
            f"From `index`: newest {_TITLE[index]} of each station, worst first, with category and deciding parameter, or why it has none.",
        ),
        _index_query(index, language),
        width=12,
        height=8,
        below=lowest,  # the worst water stands under the worst air, both beside the map
    )


def _changes(board: Board) -> None:
    """How far the hourly index moved from the hour before: of air only, which has one everywhere."""
    language = board.language
    change = Text("Thay đổi", "Change").of(language)
    steps = f'(SELECT difference("{AIR_INDEX}") AS "step" FROM "index" WHERE {influxql.SELECTED} AND $timeFilter GROUP BY "station")'
    query = influxql.select({change: 'last("step")'}, steps, where=influxql.AT_STATION, by=["station"])
    panel = panels.table(sort=change)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(language), change: change}, drop=["Time"]))
    panels.column(panel, words.STATION.of(language), link=path("air-station", language))
    worse: list[scales.Step] = [(None, "text"), (-500, "green"), (10, "orange"), (50, "red")]
    panels.column(panel, change, steps=worse, decimals=0, more=panels.COLOURED_TEXT)
    board.add(
        panel,
        Text("VN_AQI thay đổi so với giờ trước", "VN_AQI: change from the hour before"),
        Text(
            "Từ `index`: VN_AQI của giờ mới nhất trừ giờ trước đó; số dương là xấu đi. Cam từ 10, đỏ từ 50 điểm.",
            "From `index`: VN_AQI of the newest hour minus that of the hour before; positive is worse. Orange from 10, red from 50 points.",
        ),
        influxql.Query(query, table=True),
        width=10,
        since="4h",
    )
