"""*Data quality*: how much of what should have come did, what was believed, who is silent, whose clock is wrong, whose battery is low."""

from __future__ import annotations

from typing import Any

from dashboards import influxql, panels, scales, shared, words
from dashboards.board import Board
from dashboards.words import FLAG_NAMES, Language, Text
from devices import loader

NAME = "quality"
TESTS = {
    "gross_range": Text("ngoài khoảng hợp lý", "out of range"),
    "step": Text("nhảy bậc", "step"),
    "spike": Text("đột biến", "spike"),
    "flat_line": Text("không đổi", "flat line"),
    "climatology": Text("trái mùa", "season"),
    "attenuated": Text("ít dao động", "hardly moves"),
    "multivariate": Text("lệch thông số liên quan", "related"),
    "neighbour": Text("lệch trạm lân cận", "neighbours"),
    "consistency": Text("mâu thuẫn", "contradiction"),
    "health": Text("tình trạng cảm biến", "health"),
    "density": Text("phân tầng", "density"),
    "timing": Text("đồng hồ", "clock"),
    "location": Text("vị trí", "location"),
    "warm_up": Text("khởi động", "warm-up"),
}
"""Tests that doubt a reading, by the name in its field `<parameter>_by_<test>` (gateway.core.judging); from `climatology` on: if asked."""
_COMPLETE: list[scales.Step] = [(None, scales.NOTHING), (0, "dark-red"), (0.01, "red"), (0.5, "orange"), (0.75, "yellow"), (0.9, "green")]
"""Of an hour; from 0.75 on it has a mean that counts (devices.indices.averages)."""
_BATTERY: list[scales.Step] = [(None, "text"), (0, "red"), (20, "orange"), (40, "green")]
_CLOCK: list[scales.Step] = [(None, "text"), (-1e10, "red"), (-60, "green"), (60, "red")]


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Chất lượng dữ liệu", "Data quality"),
        Text(
            "Độ đầy đủ theo giờ và ngày, cờ theo trạm, thiết bị im lặng, đồng hồ lệch, pin yếu.",
            "Completeness by hour and day, flags by station, overdue sensors, clocks, batteries.",
        ),
        since="now-2d",
        refresh="5m",  # flags are counted among the readings themselves
    )
    catalogue = loader.catalogue()
    board.wards()
    board.stations()
    board.parameters([parameter for parameter in catalogue.values() if parameter.medium != "device"], "pm25")
    _calendar(board)
    board.row(Text("Cờ chất lượng: ${parameter:text}", "Quality flags: ${parameter:text}"))
    shared.flag_shares(board, width=12)
    _flags_by_station(board)
    _flags_by_test(board)
    board.row(Text("Thiết bị", "Devices"))
    shared.open_alerts(
        board,
        width=12,
        kind=shared.SILENT,
        title=Text("Đang im lặng", "Silent now"),
        about=Text(
            "Từ `alert`: thiết bị quá hạn gửi, trạm chưa từng gửi, khu vực hoặc broker mất kết nối, chưa kết thúc.",
            "From `alert`: devices overdue, stations that never spoke, areas or brokers lost, not over yet.",
        ),
    )
    _last_heard(board)
    _devices(board)
    _batteries(board)
    shared.open_alerts(
        board,
        width=12,
        kind=shared.CLOCKS,
        title=Text("Đồng hồ sai", "Wrong clocks"),
        about=Text(
            "Từ `alert`: thiết bị có đồng hồ sai (số đo lấy theo lúc nhận), chưa kết thúc; giá trị là độ lệch tính bằng giây.",
            "From `alert`: devices whose clock is wrong (their readings go by receipt), not over yet; the value is the offset in seconds.",
        ),
    )
    return board.build()


def _calendar(board: Board) -> None:
    complete = {"complete": 'mean("${parameter}_complete")'}
    board.add(
        panels.cells(_COMPLETE, interval="1h"),
        Text("Độ đầy đủ theo giờ: ${parameter:text}", "Completeness by hour: ${parameter:text}"),
        Text(
            "Từ `air_1h`, `water_1h`: phần số đo dùng được so với số phải có, của thông số đã chọn ở đầu trang; xanh từ 90 %, vàng từ "
            "75 % (đủ để tính trung bình), đỏ dưới 50 %.",
            "From `air_1h`, `water_1h`: usable readings as a share of those due, of the parameter chosen at the top; green from 90 %, "
            "yellow from 75 % (enough for a mean), red below 50 %.",
        ),
        influxql.Query(
            influxql.select(complete, "/^(air|water)_1h$/", by=["station"], every="$__interval"),
            alias="[[tag_station]]",
        ),
        width=panels.COLUMNS,
        height=11,
        unit="percentunit",
    )
    board.add(
        panels.cells(_COMPLETE, interval="1d"),
        Text("Lịch độ đầy đủ theo ngày: ${parameter:text}", "Calendar of completeness by day: ${parameter:text}"),
        Text(
            "Từ `air_1d`, `water_1d`: như trên, mỗi ngày một ô trong 31 ngày qua; ngày theo múi giờ của thành phố.",
            "From `air_1d`, `water_1d`: the same, a cell a day over the last 31 days; days go by the city's zone.",
        ),
        influxql.Query(
            influxql.select({"complete": '"${parameter}_complete"'}, "/^(air|water)_1d$/", by=["station", "device"]),
            alias="[[tag_station]] [[tag_device]]",
        ),
        width=panels.COLUMNS,
        height=11,
        unit="percentunit",
        since="31d",
    )


def _flags_by_station(board: Board) -> None:
    of = board.language
    names = {flag: text.of(of) for flag, text in FLAG_NAMES.items()}
    panel = panels.table(sort=names[4])
    panels.transformed(
        panel,
        panels.arranged({"station": words.STATION.of(of), "device": words.DEVICE.of(of)}, drop=["Time"]),
    )
    for flag in (3, 4, 9):
        steps: list[scales.Step] = [(None, "text"), (1, scales.FLAG_COLOURS[flag] if flag != 9 else "orange")]
        panels.column(panel, names[flag], steps=steps, more=panels.COLOURED_TEXT)
    board.add(
        panel,
        Text("Cờ theo trạm: ${parameter:text}", "Flags by station: ${parameter:text}"),
        Text(
            "Từ `air`, `water`, `device`: số giá trị theo cờ QARTOD của mỗi thiết bị trong khoảng thời gian đã chọn.",
            "From `air`, `water`, `device`: values by QARTOD flag of each device in the time range.",
        ),
        influxql.flag_counts("${parameter}", names, by=["station", "device"], every=""),
        unit="none",
    )


def _flags_by_test(board: Board) -> None:
    of = board.language
    total = Text("Tất cả giá trị", "All values").of(of)
    doubted = '("${parameter}_qc" = 3 OR "${parameter}_qc" = 4)'  # a doubt that was taken back later is none
    cases = {total: ("${parameter}_qc", '"${parameter}_qc" >= 1')}
    for name, text in TESTS.items():
        field = f"${{parameter}}_by_{name}"
        cases[text.of(of)] = (field, f'"{field}" >= 3 AND {doubted}')
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(of), "device": words.DEVICE.of(of)}, drop=["Time"]))
    for text in TESTS.values():
        panels.column(panel, text.of(of), steps=[(None, "text"), (1, "orange")], more=panels.COLOURED_TEXT)
    board.add(
        panel,
        Text("Kiểm tra nào nghi ngờ: ${parameter:text}", "Which test doubts: ${parameter:text}"),
        Text(
            "Từ `air`, `water`, `device`: số giá trị bị nghi ngờ (3) hoặc hỏng (4) theo kiểm tra đã gắn cờ, mỗi thiết bị một dòng. "
            "Một giá trị có thể bị nhiều kiểm tra nghi ngờ. Từng giá trị: `envgw quality --station`.",
            "From `air`, `water`, `device`: suspect (3) and failed (4) values by the test that doubts them, a line per device. "
            "Several tests may doubt one value. Value by value: `envgw quality --station`.",
        ),
        influxql.counts(cases, "/^(air|water|device)$/", by=["station", "device"]),
        unit="none",
        width=panels.COLUMNS,
    )


def _last_heard(board: Board) -> None:
    of = board.language
    panel = panels.table(sort=words.TIME.of(of), descending=False)
    names = {"station": words.STATION.of(of), "device": words.DEVICE.of(of), "Time": words.TIME.of(of)}
    panels.transformed(
        panel,
        ("filterFieldsByName", {"include": {"names": list(names)}}),
        panels.arranged(names),
    )
    panels.column(panel, words.TIME.of(of), unit="dateTimeFromNow")
    panels.column(panel, words.STATION.of(of), width=220)
    board.add(
        panel,
        Text("Số đo cuối cùng", "Last heard"),
        Text(
            "Từ `air`, `water`: lúc có số đo mới nhất của mỗi thiết bị trong 7 ngày qua, lâu nhất ở trên.",
            "From `air`, `water`: when each device's newest reading was taken, within the last 7 days, the longest ago first.",
        ),
        influxql.Query(
            f"SELECT /_qc$/ FROM /^(air|water)$/ WHERE {influxql.SELECTED} AND $timeFilter "
            'GROUP BY "station", "device" ORDER BY time DESC LIMIT 1',
            table=True,
        ),
        since="7d",
    )


def _devices(board: Board) -> None:
    of = board.language
    columns = {words.label(parameter, of): parameter for parameter in loader.catalogue().of("device")}
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    panels.transformed(panel, panels.arranged({"station": words.STATION.of(of), "device": words.DEVICE.of(of)}, drop=["Time"]))
    for name, parameter in columns.items():
        steps = {"battery": _BATTERY, "clock_skew": _CLOCK}.get(parameter.id, [])
        more = panels.COLOURED_TEXT if steps else None
        panels.column(panel, name, unit="s" if parameter.unit == "s" else panels.unit(parameter), decimals=1, steps=steps, more=more)
    board.add(
        panel,
        Text("Tình trạng thiết bị", "State of the devices"),
        Text(
            "Từ `device`: giá trị mới nhất của pin, tín hiệu, nhiệt độ và đồng hồ của mỗi thiết bị; pin đỏ dưới 20 %, đồng hồ đỏ khi lệch "
            "quá một phút. Ô không có số: thiết bị không báo.",
            "From `device`: newest battery, signal, temperature and clock of each device; battery red below 20 %, clock red beyond a "
            "minute. A cell without a number: the device does not say.",
        ),
        influxql.Query(
            influxql.select({name: f'last("{parameter.id}")' for name, parameter in columns.items()}, "device", by=["station", "device"]),
            table=True,
        ),
        width=panels.COLUMNS,
        height=9,
    )


def _batteries(board: Board) -> None:
    battery = loader.catalogue()["battery"]
    board.add(
        panels.lines([(None, "transparent"), (20, "red")], interval="10m", gap_h=1).min(0).max(100),
        words.named(battery),
        Text(
            "Từ `device`: mức pin của mỗi thiết bị, trung bình theo khoảng của biểu đồ; đường gạch ở 20 %.",
            "From `device`: battery charge of each device, means over the chart's interval; dashed line at 20 %.",
        ),
        influxql.course(battery, by="device"),
        unit=panels.unit(battery),
    )
