"""*Gateway*: what it takes in and gives away, what waits, what it refuses and why, how fast it commits and how much memory it holds."""

from __future__ import annotations

from typing import Any

from dashboards import influxql, panels, scales
from dashboards.board import Board
from dashboards.words import Language, Text
from devices.rejection import Reason

NAME = "gateway"
HERE = '"station" =~ /^${gateway:regex}$/'
_NAMED = "[[col]] ([[tag_station]])"
HEALTH = {"0": (Text("tốt", "green"), "green"), "1": (Text("chú ý", "yellow"), "yellow"), "2": (Text("hỏng", "red"), "red")}
TOTALS = {
    "received": (Text("nhận", "received"), "blue"),
    "stored": (Text("lưu", "stored"), "green"),
    "rejected": (Text("từ chối", "rejected"), "red"),
    "duplicate": (Text("trùng", "duplicate"), "purple"),
    "shed": (Text("bỏ", "shed"), "dark-red"),
}


def health_names(language: Language) -> list[dict[str, Any]]:
    """0, 1, 2 → names and colours."""
    options = {key: {"text": text.of(language), "color": colour, "index": at} for at, (key, (text, colour)) in enumerate(HEALTH.items())}
    return [{"type": "value", "options": options}]


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Gateway", "The gateway"),
        Text(
            "Gateway: tốc độ nhận và lưu, hàng chờ của các kênh ghi, thông điệp bị từ chối theo lý do, độ trễ ghi, bộ nhớ.",
            "The gateway: rates, backlog of its lanes, rejections by reason, latency of commits, memory.",
        ),
        since="now-6h",
    )
    board.tags("gateway", Text("Gateway", "Gateway"), "station", "gateway")
    _numbers(board)
    _rates(board)
    _lanes(board)
    _rejections(board)
    _resources(board)
    return board.build()


def _query(
    columns: dict[str, str], *, by: tuple[str, ...] = ("station",), every: str = "$__interval", alias: str = _NAMED
) -> influxql.Query:
    return influxql.Query(influxql.select(columns, "gateway", where=HERE, by=by, every=every), alias=alias)


def _numbers(board: Board) -> None:
    of = board.language
    health: Any = panels.number([(None, scales.NOTHING), (0, "green"), (1, "yellow"), (2, "red")])
    board.add(
        health.mappings(health_names(of)),
        Text("Sức khỏe", "Health"),
        Text(
            "Từ `gateway`: như /readyz: tốt, chú ý, hỏng (hỏng = 503).",
            "From `gateway`: as /readyz says it: green, yellow, red (red is 503).",
        ),
        _query({"health": 'last("health")'}),
        width=4,
        height=4,
    )
    unaccounted = 'last("received") - last("stored") - last("rejected") - last("duplicate") - last("shed")'
    for title, about, columns, steps, unit in (
        (
            Text("Cảnh báo đang mở", "Open alerts"),
            Text("số cảnh báo đang mở, kể cả khi trạm mất tín hiệu", "open alerts, those whose data stopped included"),
            {"alerts": 'last("alerts_firing")'}, [(None, scales.NOTHING), (0, "green"), (1, "orange")], "none",
        ),
        (
            Text("Không khớp sổ", "Unaccounted"),
            Text("nhận − lưu − từ chối − trùng − bỏ: phải là 0", "received − stored − rejected − duplicate − shed: must be 0"),
            {"unaccounted": unaccounted}, [(None, scales.NOTHING), (-1e12, "red"), (0, "green"), (1, "red")], "none",
        ),
        (
            Text("Bỏ vì quá tải", "Shed"),
            Text("thông điệp QoS 0 phải bỏ vì hàng nhận đầy: phải là 0", "QoS 0 messages dropped at the inbox limit: must be 0"),
            {"shed": 'last("shed")'}, [(None, scales.NOTHING), (0, "green"), (1, "red")], "none",
        ),
        (
            Text("Thời gian ghi", "Commit"),
            Text("thời gian một lần ghi sổ cái, gồm cả fsync", "time of one commit of the ledger, fsync included"),
            {"commit": 'last("commit_ms")'}, [(None, scales.NOTHING), (0, "green"), (50, "orange"), (500, "red")], "ms",
        ),
        (
            Text("Bộ nhớ lúc này", "Memory now"),
            Text("bộ nhớ của tiến trình gateway", "memory of the gateway's process"),
            {"memory": 'last("memory_mb")'}, [(None, scales.NOTHING), (0, "green"), (400, "orange"), (500, "red")], "decmbytes",
        ),
    ):  # fmt: skip
        board.add(
            panels.number(steps),
            title,
            Text(f"Từ `gateway`: {about.vi}.", f"From `gateway`: {about.en}."),
            _query(columns),
            width=4,
            height=4,
            unit=unit,
        )


def _rates(board: Board) -> None:
    of = board.language
    panel = panels.lines()
    columns = {text.of(of): f'non_negative_derivative(last("{name}"), 1s)' for name, (text, _) in TOTALS.items()}
    for text, colour in TOTALS.values():
        panel.override_by_regexp(f"/^{text.of(of)} /", [panels.value("color", {"mode": "fixed", "fixedColor": colour})])
    board.add(
        panel,
        Text("Thông điệp mỗi giây", "Messages a second"),
        Text(
            "Từ `gateway`: tốc độ nhận, lưu, từ chối, trùng và bỏ, tính từ các tổng ghi mỗi phút.",
            "From `gateway`: rates of messages received, stored, rejected, duplicate and shed, from totals written once a minute.",
        ),
        _query(columns),
        unit="suffix: /s",
    )


def _lanes(board: Board) -> None:
    board.add(
        panels.lines(),
        Text("Hàng chờ của các kênh", "Backlog of the lanes"),
        Text(
            "Từ `gateway`: số dòng (lịch sử) hoặc tin (người nhận) đang chờ ở mỗi kênh. Tăng đều: nơi nhận bị ngắt hoặc quá chậm; "
            "không mất gì, sổ cái giữ lại.",
            "From `gateway`: lines (histories) or messages (receivers) that wait in each lane. A steady rise: the other side is down or "
            "too slow; nothing is lost, the ledger keeps it.",
        ),
        _query({"pending": 'last("pending")'}, by=("station", "device"), alias="[[tag_device]] ([[tag_station]])"),
    )


def _rejections(board: Board) -> None:
    total = Text("tất cả", "all").of(board.language)
    columns = {total: 'non_negative_difference(last("rejected"))'}
    columns |= {reason.value: f'non_negative_difference(last("rejected_{reason.value}"))' for reason in Reason}
    panel = panels.bars()
    panel.override_by_regexp(f"/^{total} /", [panels.value("custom.hideFrom", {"viz": True, "legend": False, "tooltip": False})])
    board.add(
        panel,
        Text("Từ chối theo lý do", "Rejections by reason"),
        Text(
            "Từ `gateway`: thông điệp bị từ chối trong từng khoảng, theo lý do (docs/reference/rejections.md). Xem bằng "
            "`envgw rejections`, nhận lại sau khi sửa bằng `envgw replay`.",
            "From `gateway`: messages rejected in each interval, by reason (docs/reference/rejections.md). Look at them with "
            "`envgw rejections`, take them in after a mend with `envgw replay`.",
        ),
        _query(columns),
        unit="none",
    )


def _resources(board: Board) -> None:
    of = board.language
    board.add(
        panels.lines([(None, "transparent"), (100, "orange")]),
        Text("Độ trễ: thời gian một lần ghi", "Latency: time of a commit"),
        Text(
            "Từ `gateway`: thời gian một lần ghi sổ cái. Cảnh báo được gửi sau lần ghi, nên chậm hơn bằng chừng ấy; đường gạch ở 100 ms.",
            "From `gateway`: time of one commit of the ledger. Alerts go out after it, and so are later by as much; dashed line at 100 ms.",
        ),
        _query({"commit": 'mean("commit_ms")', "max": 'max("commit_ms")'}),
        unit="ms",
    )
    board.add(
        panels.lines(),
        Text("Bộ nhớ", "Memory"),
        Text(
            "Từ `gateway`: bộ nhớ thường trú của tiến trình gateway, lớn nhất trong từng khoảng.",
            "From `gateway`: resident memory of the gateway's process, the largest in each interval.",
        ),
        _query({"memory": 'max("memory_mb")'}),
        unit="decmbytes",
    )
    board.add(
        panels.states(health_names(of)),
        Text("Sức khỏe theo thời gian", "Health over time"),
        Text(
            "Từ `gateway`: mức xấu nhất trong từng khoảng; khoảng trống là lúc gateway không chạy hoặc không ghi được.",
            "From `gateway`: the worst in each interval; gaps are when it did not run or could not write.",
        ),
        influxql.Query(
            influxql.select({"health": 'max("health")'}, "gateway", where=HERE, by=["station"], every="$__interval"),
            alias="[[tag_station]]",
        ),
        height=5,
        width=panels.COLUMNS,
    )
