"""*Gateway (Prometheus)*: the same from the gateway's /metrics, for cities that run a Prometheus. More often, and with quantiles."""

from __future__ import annotations

from typing import Any

from dashboards import panels, promql, scales
from dashboards.board import Board
from dashboards.gateway_board import TOTALS, health_names
from dashboards.words import Language, Text

NAME = "gateway-prometheus"


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Gateway (Prometheus)", "The gateway (Prometheus)"),
        Text(
            "Như bảng Gateway, nhưng từ /metrics qua Prometheus: tốc độ, hàng chờ, từ chối theo lý do, độ trễ, bộ nhớ.",
            "As the Gateway dashboard, from /metrics by way of Prometheus: rates, backlog, rejections by reason, latency, memory.",
        ),
        since="now-6h",
        source=promql.SOURCE,
    )
    board.labels("instance", Text("Gateway", "Gateway"), "envgw_health")

    def add(panel: Any, title: Text, about: Text, *queries: promql.Query, unit: str, width: int = 12) -> None:
        about = Text(f"Từ Prometheus (`envgw_…`): {about.vi}.", f"From Prometheus (`envgw_…`): {about.en}.")
        board.add(panel, title, about, *queries, unit=unit, width=width)

    add(
        panels.number([(None, scales.NOTHING), (0, "green"), (1, "yellow"), (2, "red")]).mappings(health_names(language)),  # type: ignore[arg-type]
        Text("Sức khỏe", "Health"),
        Text("như /readyz: tốt, chú ý, hỏng", "as /readyz says it: green, yellow, red"),
        promql.Query(promql.gauge("envgw_health"), legend="{{instance}}"),
        unit="none",
        width=6,
    )
    add(
        panels.lines(interval="15s"),
        Text("Cảnh báo đang mở", "Open alerts"),
        Text("cảnh báo đang mở theo mức độ", "open alerts by severity"),
        promql.Query(promql.gauge("envgw_alerts_firing"), legend="{{severity}} ({{instance}})"),
        unit="none",
        width=6,
    )
    add(
        panels.lines(interval="15s"),
        Text("Thông điệp mỗi giây", "Messages a second"),
        Text("tốc độ nhận, lưu, từ chối, trùng và bỏ", "rates of messages received, stored, rejected, duplicate and shed"),
        *[
            promql.Query(promql.rate(f"envgw_messages_{name}_total"), legend=f"{text.of(language)} ({{{{instance}}}})")
            for name, (text, _) in TOTALS.items()
        ],
        unit="suffix: /s",
    )
    add(
        panels.lines(interval="15s"),
        Text("Hàng chờ của các kênh", "Backlog of the lanes"),
        Text("dòng và tin đang chờ ở mỗi kênh", "lines and messages that wait in each lane"),
        promql.Query(promql.gauge("envgw_lane_backlog_lines"), legend="{{lane}} ({{instance}})"),
        promql.Query(promql.gauge("envgw_receiver_backlog_messages"), legend="{{receiver}} ({{instance}})"),
        unit="none",
    )
    add(
        panels.bars(interval="1m"),
        Text("Từ chối theo lý do", "Rejections by reason"),
        Text("thông điệp bị từ chối mỗi giây, theo lý do", "messages rejected a second, by reason"),
        promql.Query(promql.rate("envgw_messages_rejected_total", by="reason"), legend="{{reason}} ({{instance}})"),
        unit="suffix: /s",
    )
    add(
        panels.lines(interval="15s"),
        Text("Độ trễ: thời gian một lần ghi", "Latency: time of a commit"),
        Text("trung vị và phân vị 99 % của một lần ghi sổ cái, gồm cả fsync", "median and 99th percentile of one commit, fsync included"),
        promql.Query(promql.quantile("envgw_commit_seconds", 0.5), legend="p50 ({{instance}})"),
        promql.Query(promql.quantile("envgw_commit_seconds", 0.99), legend="p99 ({{instance}})"),
        unit="s",
    )
    add(
        panels.lines(interval="15s"),
        Text("Cảnh báo đến người nhận sau", "Alerts reach receivers after"),
        Text("phân vị 99 % từ lúc ghi cảnh báo đến lúc giao", "99th percentile from an alert's commit to its delivery"),
        promql.Query(promql.quantile("envgw_receiver_delay_seconds", 0.99), legend="p99 ({{instance}})"),
        unit="s",
    )
    add(
        panels.lines(interval="15s"),
        Text("Bộ nhớ", "Memory"),
        Text("bộ nhớ thường trú của tiến trình gateway", "resident memory of the gateway's process"),
        promql.Query(promql.gauge("process_resident_memory_bytes"), legend="{{instance}}"),
        unit="bytes",
    )
    return board.build()
