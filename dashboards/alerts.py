"""*Alerts*: what is open, what was, how soon somebody took care, which rules speak most, and which cannot make up their mind."""

from __future__ import annotations

from typing import Any

from dashboards import influxql, panels, shared, words
from dashboards.board import Board
from dashboards.words import STATES, Language, Text

NAME = "alerts"
_LAST = "lastNotNull"
_RULE = f"rule ({_LAST})"


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        words.ALERTS,
        Text(
            "Cảnh báo đang mở và đã qua, thời gian xác nhận, quy tắc báo nhiều nhất, cảnh báo chập chờn.",
            "Open and past alerts, time to acknowledge, most frequent rules, flapping.",
        ),
        since="now-7d",
    )
    board.wards()
    board.stations()
    _numbers(board)
    shared.open_alerts(board, width=panels.COLUMNS)
    _over_time(board)
    _frequent(board)
    _flapping(board)
    _acknowledged(board)
    shared.alert_history(board, Text("Lịch sử cảnh báo", "History of alerts"), width=panels.COLUMNS, height=12)
    return board.build()


def _numbers(board: Board) -> None:
    shared.open_count(
        board,
        Text("Đang mở", "Open"),
        Text(
            "Từ `alert`: số đợt cảnh báo chưa kết thúc, bắt đầu trong 30 ngày qua.",
            "From `alert`: episodes that are not over and began in the last 30 days.",
        ),
        width=4,
    )
    for title, about, steps, calc, field, unit in (
        (
            Text("Số đợt", "Episodes"),
            Text("số đợt cảnh báo có thay đổi trong khoảng thời gian đã chọn", "episodes that changed in the time range"),
            [panels.grouped(["episode"], {"state": [_LAST]})], "count", "episode", "none",
        ),
        (
            Text("Xác nhận sau (trung bình)", "Time to acknowledge (mean)"),
            Text("từ lúc bắt đầu đến lúc có người xác nhận, trung bình", "from an episode's begin until somebody acknowledged it, mean"),
            [panels.only("reason", "acknowledged")], "mean", "open_s", "s",
        ),
        (
            Text("Xác nhận sau (lâu nhất)", "Time to acknowledge (longest)"),
            Text("từ lúc bắt đầu đến lúc có người xác nhận, lâu nhất", "from an episode's begin until somebody acknowledged it, longest"),
            [panels.only("reason", "acknowledged")], "max", "open_s", "s",
        ),
        (
            Text("Kéo dài (trung bình)", "Open for (mean)"),
            Text("từ bắt đầu đến kết thúc, trung bình của các đợt đã kết thúc", "from begin to end, mean of episodes that are over"),
            [panels.only("state", "resolved")], "mean", "open_s", "s",
        ),
        (
            Text("Kéo dài (lâu nhất)", "Open for (longest)"),
            Text("từ bắt đầu đến kết thúc, lâu nhất của các đợt đã kết thúc", "from begin to end, longest of episodes that are over"),
            [panels.only("state", "resolved")], "max", "open_s", "s",
        ),
    ):  # fmt: skip
        panel = panels.number(calc=calc, field=field)
        panels.transformed(panel, *steps)
        board.add(
            panel,
            title,
            Text(f"Từ `alert`: {about.vi}.", f"From `alert`: {about.en}."),
            influxql.alert_steps(),
            width=4,
            height=4,
            unit=unit,
            nothing=Text("0", "0") if calc == "count" else Text("chưa có", "none yet"),
        )


def _over_time(board: Board) -> None:
    names = {state: text.of(board.language) for state, (text, _) in STATES.items()}
    panel = panels.bars(interval="1h")
    for state, name in names.items():
        panels.column(panel, name, colour=STATES[state][1])
    board.add(
        panel,
        Text("Thay đổi theo thời gian", "Changes over time"),
        Text(
            "Từ `alert`: số lần chuyển sang mỗi trạng thái trong từng khoảng của biểu đồ, gộp các trạm đã chọn.",
            "From `alert`: how often each state was entered, in each interval of the chart, over the chosen stations.",
        ),
        influxql.counts({name: ("episode", f"\"state\" = '{state}'") for state, name in names.items()}, "alert", every="$__interval"),
        width=panels.COLUMNS,
        height=6,
        unit="none",
    )


def _frequent(board: Board) -> None:
    of = board.language
    count, longest = Text("Số đợt", "Episodes").of(of), Text("Tổng thời gian", "In all").of(of)
    panel = panels.table(sort=count)
    panels.transformed(
        panel,
        panels.grouped(["episode"], {"rule": [_LAST], "open_s": ["max"]}),
        panels.grouped([_RULE], {"episode": ["count"], "open_s (max)": ["sum"]}),
        panels.arranged({_RULE: words.RULE.of(of), "episode (count)": count, "open_s (max) (sum)": longest}),
    )
    panels.column(panel, longest, unit="s", decimals=0)
    board.add(
        panel,
        Text("Quy tắc báo nhiều nhất", "Most frequent rules"),
        Text(
            "Từ `alert`: số đợt cảnh báo và tổng thời gian mở của mỗi quy tắc trong khoảng thời gian đã chọn.",
            "From `alert`: episodes of each rule in the time range, and how long they were open in all.",
        ),
        influxql.alert_steps(),
        width=8,
        nothing=words.NO_ALERTS,
    )


def _flapping(board: Board) -> None:
    of = board.language
    count, changes = Text("Số đợt", "Episodes").of(of), Text("Số lần đổi", "Changes").of(of)
    panel = panels.table(sort=changes)
    panels.transformed(
        panel,
        panels.grouped(["episode", "station"], {"rule": [_LAST], "state": ["count"]}),
        panels.grouped(["station", _RULE], {"episode": ["count"], "state (count)": ["sum"]}),
        panels.arranged(
            {"station": words.STATION.of(of), _RULE: words.RULE.of(of), "episode (count)": count, "state (count) (sum)": changes}
        ),
    )
    panels.column(panel, changes, steps=[(None, "text"), (8, "orange"), (20, "red")], more=panels.COLOURED_TEXT)
    board.add(
        panel,
        Text("Chập chờn", "Flapping"),
        Text(
            "Từ `alert`: quy tắc nào tại trạm nào đổi trạng thái nhiều nhất trong khoảng thời gian đã chọn; cam từ 8, đỏ từ 20 lần. "
            "Nhiều lần đổi: xem lại ngưỡng xóa, `for`, hoặc chính cảm biến.",
            "From `alert`: which rule at which station changed most often in the time range; orange from 8, red from 20. Many changes: "
            "look at its clearing limit, its `for`, or the sensor.",
        ),
        influxql.alert_steps(),
        width=8,
        nothing=words.NO_ALERTS,
    )


def _acknowledged(board: Board) -> None:
    of = board.language
    panel = panels.table(sort=words.TIME.of(of))
    names = {
        "Time": words.TIME.of(of),
        "station": words.STATION.of(of),
        "rule": words.RULE.of(of),
        "open_s": Text("Xác nhận sau", "Acknowledged after").of(of),
    }
    panels.transformed(
        panel,
        panels.only("reason", "acknowledged"),
        panels.arranged(names, drop=["device", "severity", "state", "reason", "parameter", "value", "episode"]),
    )
    panels.column(panel, names["open_s"], unit="s", decimals=0)
    board.add(
        panel,
        Text("Đã xác nhận", "Acknowledged"),
        Text(
            "Từ `alert`: các lần xác nhận (`envgw alerts ack`) và sau bao lâu kể từ khi đợt cảnh báo bắt đầu.",
            "From `alert`: acknowledgements (`envgw alerts ack`) and how long after the episode's begin they came.",
        ),
        influxql.alert_steps(),
        width=8,
        nothing=Text("chưa có ai xác nhận cảnh báo nào", "nobody has acknowledged any"),
    )
