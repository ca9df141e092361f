"""Panels that several dashboards have."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards import influxql, panels, scales, words
from dashboards.board import Board
from dashboards.words import FLAG_NAMES, Text
from devices.parameters import Parameter

SILENT = "^(device-silent|never-spoke|area-silent|broker-lost)$"
CLOCKS = "^(clock-fault|clock-jump)$"
"""Built-in alerts about silence and about clocks."""
LOOK_BACK = "30d"
"""So old an open alert may be and still be listed, whatever the page's time range."""


def open_alerts(board: Board, *, width: int, height: int = 8, kind: str = "", title: Text | None = None, about: Text | None = None) -> None:
    """Episodes whose newest step is not `resolved`; `kind`: only of rules whose id fits this regular expression."""
    of = board.language
    newest = "lastNotNull"
    names = {
        "station": words.STATION.of(of),
        "device (lastNotNull)": words.DEVICE.of(of),
        "rule (lastNotNull)": words.RULE.of(of),
        "severity (lastNotNull)": words.SEVERITY.of(of),
        "state (lastNotNull)": words.STATE.of(of),
        "reason (lastNotNull)": words.REASON.of(of),
        "parameter (lastNotNull)": words.PARAMETER.of(of),
        "value (lastNotNull)": words.VALUE.of(of),
        "Time (first)": words.SINCE.of(of),
        "Time (last)": words.CHANGED.of(of),
    }
    panel = panels.table(sort=words.CHANGED.of(of))
    panels.transformed(
        panel,
        *([panels.only("rule", kind, regex=True)] if kind else []),
        panels.grouped(
            ["episode", "station"],
            {
                "Time": ["first", "last"],
                **{name: [newest] for name in ("device", "rule", "severity", "state", "reason", "parameter", "value")},
            },
        ),
        panels.only("state (lastNotNull)", "resolved", include=False),
        panels.arranged(names, drop=["episode"]),
    )
    panels.alert_columns(panel, of, severity=words.SEVERITY.of(of), state=words.STATE.of(of), parameter=words.PARAMETER.of(of))
    for column in (words.SINCE, words.CHANGED):
        panels.column(panel, column.of(of), unit="dateTimeFromNow")
    board.add(
        panel,
        title or Text("Cảnh báo đang mở", "Open alerts"),
        about
        or Text(
            "Từ `alert`: các đợt cảnh báo chưa kết thúc, bắt đầu trong 30 ngày qua; mất tín hiệu = trạm ngừng gửi khi đang báo động. "
            "Cảnh báo do gateway xét, không phải Grafana.",
            "From `alert`: episodes that are not over and began in the last 30 days; data stopped = the station went quiet while the alarm "
            "was on. The gateway raises alerts, not Grafana.",
        ),
        influxql.alert_steps(),
        width=width,
        height=height,
        since=LOOK_BACK,
        nothing=Text("không có cảnh báo nào đang mở", "no open alerts"),
    )


def open_count(board: Board, title: Text, about: Text, *, width: int, height: int = 4, kind: str = "") -> None:
    """How many episodes are open; `kind`: only of rules whose id fits this regular expression."""
    panel = panels.number(calc="count", field="episode")
    panels.transformed(
        panel,
        *([panels.only("rule", kind, regex=True)] if kind else []),
        panels.grouped(["episode"], {"state": ["lastNotNull"]}),
        panels.only("state (lastNotNull)", "resolved", include=False),
    )
    board.add(panel, title, about, influxql.alert_steps(), width=width, height=height, unit="none", since=LOOK_BACK, nothing=Text("0", "0"))


def alert_history(board: Board, title: Text, *, width: int, height: int = 8, since: str = "") -> None:
    """Every step of every alert, newest first."""
    of = board.language
    names = {
        "Time": words.TIME.of(of),
        "station": words.STATION.of(of),
        "device": words.DEVICE.of(of),
        "rule": words.RULE.of(of),
        "severity": words.SEVERITY.of(of),
        "state": words.STATE.of(of),
        "reason": words.REASON.of(of),
        "parameter": words.PARAMETER.of(of),
        "value": words.VALUE.of(of),
        "open_s": words.DURATION.of(of),
    }
    panel = panels.table(sort=words.TIME.of(of))
    panels.transformed(panel, panels.arranged(names, drop=["episode"]))
    panels.alert_columns(panel, of, severity=words.SEVERITY.of(of), state=words.STATE.of(of), parameter=words.PARAMETER.of(of))
    panels.column(panel, words.DURATION.of(of), unit="s", decimals=0)
    board.add(
        panel,
        title,
        Text(
            "Từ `alert`: mỗi dòng là một lần đổi trạng thái (hoặc xác nhận), mới nhất ở trên, nhiều nhất 500 dòng.",
            "From `alert`: each line is a change of state (or an acknowledgement), newest first, at most 500.",
        ),
        influxql.alert_steps(newest_first=True),
        width=width,
        height=height,
        since=since,
        nothing=words.NO_ALERTS,
    )


def course(board: Board, parameter: Parameter, *, width: int = 12) -> None:
    """A parameter over time as it was read, a line per station."""
    board.add(
        panels.lines(),
        words.named(parameter),
        Text(
            f"Từ `{parameter.medium}`: trung bình theo khoảng của biểu đồ, mỗi trạm một đường. {words.USABLE.vi}",
            f"From `{parameter.medium}`: means over the chart's interval, a line per station. {words.USABLE.en}",
        ),
        influxql.course(parameter),
        width=width,
        unit=panels.unit(parameter),
    )


def hourly_course(board: Board, parameter: Parameter, *, width: int = 12) -> None:
    """A parameter over time, a line per station, from hourly means: of a whole city they cost a twentieth of the readings."""
    source = f"{parameter.medium}_1h"
    mean = influxql.select({"mean": f'mean("{parameter.id}")'}, source, by=["station"], every="$__interval")
    board.add(
        panels.lines(interval="1h", gap_h=2),
        words.named(parameter),
        Text(
            f"Từ `{source}`: trung bình giờ, mỗi trạm một đường (từng số đo: bảng của trạm). {words.USABLE.vi}",
            f"From `{source}`: hourly means, a line per station (each reading: the station's dashboard). {words.USABLE.en}",
        ),
        influxql.Query(mean, alias="[[tag_station]]"),
        width=width,
        unit=panels.unit(parameter),
    )


def completeness(board: Board, medium: str, parameter: Parameter, *, width: int = 12) -> None:
    """How much of what was due came and was believed, of one parameter that all stations of the medium measure."""
    part = influxql.select({"complete": f'mean("{parameter.id}_complete")'}, f"{medium}_1h", by=["station"], every="$__interval")
    board.add(
        panels.lines([(None, "transparent"), (0.75, "orange")], interval="1h", gap_h=2).min(0).max(1),
        Text(f"Độ đầy đủ: {parameter.name['vi']}", f"Completeness: {parameter.name['en']}"),
        Text(
            f"Từ `{medium}_1h`: phần số đo dùng được so với số phải có; dưới 75 % (đường gạch) giờ đó không có trung bình.",
            f"From `{medium}_1h`: usable readings as a share of those due, a line per station; below 75 % (dashed) an hour has no mean.",
        ),
        influxql.Query(part, alias="[[tag_station]]"),
        width=width,
        unit="percentunit",
    )


def last_hour(board: Board, title: Text, medium: str, parameters: Sequence[Parameter], *, link: str, height: int = 8) -> None:
    """A table: a row per device, a column per parameter."""
    of = board.language
    columns = {words.label(parameter, of): parameter for parameter in parameters}
    panel = panels.table(sort=words.STATION.of(of), descending=False)
    names = {"station": words.STATION.of(of), "device": words.DEVICE.of(of)}
    panels.transformed(panel, panels.arranged(names, drop=["Time"]))
    panels.column(panel, words.STATION.of(of), link=link)
    for name, parameter in columns.items():
        panels.column(panel, name, unit=panels.unit(parameter), decimals=1)
    board.add(
        panel,
        title,
        Text(
            f"Từ `{medium}_1h`: trung bình của giờ trọn vẹn mới nhất. Ô không có số: thiết bị không đo, hoặc không có giá trị dùng được. "
            f"{words.USABLE.vi}",
            f"From `{medium}_1h`: mean of the newest whole hour. A cell without a number: the device does not measure it, or had no "
            f"usable value. {words.USABLE.en}",
        ),
        influxql.last_hour(columns, medium),
        width=panels.COLUMNS,
        height=height,
    )


def flag_shares(board: Board, *, width: int = panels.COLUMNS) -> None:
    """The share of each flag over time, for the parameter chosen on the page."""
    panel = panels.bars(percent=True)
    names = {flag: text.of(board.language) for flag, text in FLAG_NAMES.items()}
    for flag, name in names.items():
        panels.column(panel, name, colour=scales.FLAG_COLOURS[flag])
    board.add(
        panel,
        Text("Tỷ lệ cờ chất lượng: ${parameter:text}", "Share of quality flags: ${parameter:text}"),
        Text(
            "Từ `air`, `water`, `device`: tỷ lệ giá trị theo cờ QARTOD của thông số đã chọn ở đầu trang, gộp các trạm đã chọn.",
            "From `air`, `water`, `device`: share of values by QARTOD flag, of the parameter chosen at the top, over the chosen stations.",
        ),
        influxql.flag_counts("${parameter}", names),
        width=width,
        unit="percent",
    )
