"""*Ward report*: a month of the wards chosen, from daily summaries, made to be printed."""

from __future__ import annotations

from typing import Any

from dashboards import influxql, panels, scales, words
from dashboards.board import Board
from dashboards.words import Language, Text
from devices import loader
from devices.parameters import Parameter

NAME = "ward-report"
AIR = ("pm25", "pm10", "o3", "no2", "so2", "co")
WATER = ("do", "ph", "ec", "turbidity", "level", "nh4_n")
STANDARD = "qcvn-05-2023"
_LAST = "lastNotNull"


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Báo cáo phường", "Ward report"),
        Text(
            "Báo cáo tháng của các phường đã chọn: chỉ số theo ngày, số ngày vượt giới hạn, trung bình tháng, cảnh báo. Để in.",
            "Monthly report of the wards chosen: daily index, days above the limit, monthly means, alerts. To be printed.",
        ),
        since="now-1M/M",
        until="now-1M/M",
        refresh="",
    )
    catalogue = loader.catalogue()
    board.wards()
    board.stations()
    _head(board)
    _index_days(board)
    _days_above(board, [catalogue[name] for name in AIR])
    _month(board, "air", [catalogue[name] for name in AIR], Text("Không khí: trung bình tháng", "Air: means of the month"))
    _daily(board, catalogue["pm25"])
    _daily(board, catalogue["pm10"])
    _month(board, "water", [catalogue[name] for name in WATER], Text("Nước: trung bình tháng", "Water: means of the month"))
    _alerts(board)
    _completeness(board)
    return board.build()


def _head(board: Board) -> None:
    text = Text(
        "## Chất lượng môi trường: ${area:text}\n"
        "Từ ${__from:date:DD/MM/YYYY} đến ${__to:date:DD/MM/YYYY}. Trạm: ${station:text}. Số liệu của gateway, giá trị ngày từ các giờ "
        "có ít nhất 75 % số đo dùng được; cảm biến tự động, không thay thế quan trắc pháp định.\n\n"
        "In: thêm `&kiosk&theme=light` vào địa chỉ rồi dùng lệnh in của trình duyệt (A4 ngang).",
        "## State of the environment: ${area:text}\n"
        "From ${__from:date:DD/MM/YYYY} to ${__to:date:DD/MM/YYYY}. Stations: ${station:text}. The gateway's data, daily values from "
        "hours with at least 75 % usable readings; automatic sensors, no substitute for statutory monitoring.\n\n"
        "To print: add `&kiosk&theme=light` to the address, then print with the browser (A4 landscape).",
    )
    board.add(
        panels.prose(text.of(board.language)),
        Text("Báo cáo", "Report"),
        Text(
            "Nơi, khoảng thời gian và nguồn số liệu của báo cáo, lấy từ lựa chọn ở đầu trang.",
            "Place, time and source of what is reported, from what is chosen at the top.",
        ),
        width=panels.COLUMNS,
        height=5,
    )


def _index_days(board: Board) -> None:
    of = board.language
    cases = {
        category.name[of]: ("vn_aqi_day", f'"vn_aqi_day" >= {category.least} AND "vn_aqi_day" <= {category.most}')
        for category in scales.categories("vn_aqi")
    }
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(of)}, drop=["Time"]))
    for category in scales.categories("vn_aqi"):
        panels.column(panel, category.name[of], steps=[(None, "transparent"), (1, category.colour)], more=panels.COLOURED)
    board.add(
        panel,
        Text("VN_AQI: số ngày theo mức", "VN_AQI: days by category"),
        Text(
            "Từ `index`: số ngày mà VN_AQI ngày của trạm thuộc mỗi mức.",
            "From `index`: on how many days the station's daily VN_AQI was in each category.",
        ),
        influxql.counts(cases, "index", by=["station"]),
        unit="none",
        height=9,
    )


def _days_above(board: Board, parameters: list[Parameter]) -> None:
    of = board.language
    measured = Text("Ngày có số liệu", "Days with data").of(of)
    cases = {measured: ("final", '"final" >= 0')}
    said = []
    for parameter in parameters:
        for limit in scales.limits(parameter.id, STANDARD, ["24h"]):
            condition = f'"{parameter.id}" > {limit.value:g} AND "{parameter.id}_qc" = 1'
            cases[f"{words.name(parameter, of)} > {limit.value:g}"] = (parameter.id, condition)
            said.append(limit.standard_name)
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    names = {"station": words.STATION.of(of), "device": words.DEVICE.of(of)}
    panels.transformed(panel, panels.arranged(names, drop=["Time"]))
    for name in cases:
        if name != measured:
            panels.column(panel, name, steps=[(None, "text"), (1, "red")], more=panels.COLOURED_TEXT)
    board.add(
        panel,
        Text("Số ngày vượt giới hạn 24 giờ", "Days above the 24-hour limit"),
        Text(
            f"Từ `air_1d`: số ngày có trung bình ngày (ít nhất 75 % số giờ) vượt giới hạn 24 giờ của {said[0]}, µg/m³.",
            f"From `air_1d`: days whose mean (of at least 75 % of the hours) was above the 24-hour limit of {said[0]}, µg/m³.",
        ),
        influxql.counts(cases, "air_1d", by=["station", "device"]),
        unit="none",
        height=9,
    )


def _month(board: Board, medium: str, parameters: list[Parameter], title: Text) -> None:
    of = board.language
    mean, most = Text("TB", "mean").of(of), Text("ngày cao nhất", "highest day").of(of)
    columns: dict[str, str] = {}
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    for parameter in parameters:
        for name, function in ((mean, "mean"), (most, "max")):
            column = f"{words.label(parameter, of)}, {name}"
            columns[column] = f'{function}("{parameter.id}")'
            panels.column(panel, column, decimals=1)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(of), "device": words.DEVICE.of(of)}, drop=["Time"]))
    board.add(
        panel,
        title,
        Text(
            f"Từ `{medium}_1d`: trung bình và giá trị ngày cao nhất trong khoảng thời gian đã chọn. {words.USABLE.vi}",
            f"From `{medium}_1d`: mean and highest daily value in the time range. {words.USABLE.en}",
        ),
        influxql.Query(influxql.select(columns, f"{medium}_1d", by=["station", "device"]), table=True),
        width=panels.COLUMNS,
        height=8,
    )


def _daily(board: Board, parameter: Parameter) -> None:
    limits = scales.limits(parameter.id, STANDARD, ["24h"])
    texts = {language: scales.limit_text(limits, parameter.display, language) for language in words.LANGUAGES}
    board.add(
        panels.lines(scales.limit_steps(limits), interval="1d", gap_h=36).show_points(panels.ALWAYS),
        Text(f"{parameter.name['vi']}: trung bình ngày", f"{parameter.name['en']}: daily means"),
        Text(
            f"Từ `{parameter.medium}_1d`: trung bình mỗi ngày, mỗi thiết bị một đường. Đường gạch: {texts['vi']}.",
            f"From `{parameter.medium}_1d`: the mean of each day, a line per device. Dashed line: {texts['en']}.",
        ),
        influxql.Query(
            influxql.select({"mean": f'"{parameter.id}"'}, f"{parameter.medium}_1d", by=["station", "device"]),
            alias="[[tag_station]] [[tag_device]]",
        ),
        unit=panels.unit(parameter),
    )


def _alerts(board: Board) -> None:
    of = board.language
    count, total, longest = Text("Số đợt", "Episodes"), Text("Tổng thời gian", "In all"), Text("Lâu nhất", "Longest")
    rule = f"rule ({_LAST})"
    panel = panels.table(sort=count.of(of))
    panels.transformed(
        panel,
        panels.grouped(["episode", "station"], {"rule": [_LAST], "open_s": ["max"]}),
        panels.grouped([rule, "station"], {"episode": ["count"], "open_s (max)": ["sum", "max"]}),
        panels.arranged(
            {
                "station": words.STATION.of(of),
                rule: words.RULE.of(of),
                "episode (count)": count.of(of),
                "open_s (max) (sum)": total.of(of),
                "open_s (max) (max)": longest.of(of),
            }
        ),
    )
    for column in (total, longest):
        panels.column(panel, column.of(of), unit="s", decimals=0)
    board.add(
        panel,
        Text("Cảnh báo trong tháng", "Alerts of the month"),
        Text(
            "Từ `alert`: số đợt cảnh báo theo trạm và quy tắc, tổng thời gian và đợt lâu nhất.",
            "From `alert`: episodes by station and rule, their time in all and the longest.",
        ),
        influxql.alert_steps(),
        nothing=words.NO_ALERTS,
    )


def _completeness(board: Board) -> None:
    steps: list[scales.Step] = [(None, scales.NOTHING), (0, "red"), (0.5, "orange"), (0.75, "yellow"), (0.9, "green")]
    queries = [
        influxql.Query(influxql.select({"complete": f'mean("{name}_complete")'}, f"{medium}_1d", by=["station"]), alias="[[tag_station]]")
        for medium, name in (("air", "pm25"), ("water", "ph"))
    ]
    board.add(
        panels.gauges(steps, calc="mean").min(0).max(1),
        Text("Độ đầy đủ của số liệu", "Completeness of the data"),
        Text(
            "Từ `air_1d` (PM2,5) và `water_1d` (pH): phần số đo dùng được so với số phải có, trung bình của tháng.",
            "From `air_1d` (PM2.5) and `water_1d` (pH): usable readings as a share of those due, mean of the month.",
        ),
        *queries,
        unit="percentunit",
    )
