"""*Air station*: one station's air, with the limits of QCVN 05:2023 and the categories of VN_AQI."""

from __future__ import annotations

from typing import Any

from dashboards import station
from dashboards.board import Board
from dashboards.scales import limits
from dashboards.words import Language, Text
from devices import loader

NAME = "air-station"
STATION = "hai-chau-01"
"""The demo's with the most to see; in another city Grafana begins with the first it finds."""
POLLUTANTS = ("pm25", "pm10", "o3", "no2", "co", "pm1")
WEATHER = ("air_temp", "rh", "pressure", "wind_speed", "wind_dir", "rain", "solar")
"""Those that are rarer can be chosen at the top of the page."""
STANDARD = "qcvn-05-2023"


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Trạm không khí", "Air station"),
        Text(
            "Một trạm không khí: VN_AQI, từng thông số với giới hạn QCVN 05:2023, cờ chất lượng, cảnh báo, so với tuần trước và năm trước.",
            "One air station: VN_AQI, each parameter with the limits of QCVN 05:2023, flags, alerts, compared with last week and year.",
        ),
        since="now-3d",
    )
    catalogue = loader.catalogue()
    station.variables(board, "air", STATION, "pm25")
    station.index(board, "vn_aqi", "VN_AQI", beside="us_aqi", beside_title="US AQI")
    board.row(Text("Chất ô nhiễm", "Pollutants"))
    for name in POLLUTANTS:
        station.parameter(board, catalogue[name], limits(name, STANDARD, ["1h", "8h", "24h"]))
    board.row(Text("Cờ và cảnh báo", "Flags and alerts"))
    station.flags(board, "air", [catalogue[name] for name in (*POLLUTANTS, *WEATHER)])
    station.alerts(board)
    board.row(Text("So sánh: ${parameter:text}", "Comparison: ${parameter:text}"))
    station.comparison(board, "air")
    station.further(board, "air")
    board.row(Text("Thời tiết và giới hạn", "Weather and limits"))
    station.by_hour(board, Text("Thời tiết theo giờ", "Weather by hour"), "air", [catalogue[name] for name in WEATHER])
    station.limits_table(board, [STANDARD, "who-2021"])
    return board.build()
