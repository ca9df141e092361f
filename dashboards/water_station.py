"""*Water station*: one station's water, with the classes of QCVN 08:2023 and the categories of VN_WQI."""

from __future__ import annotations

from typing import Any

from dashboards import station
from dashboards.board import Board
from dashboards.scales import SURFACE_WATER, limits
from dashboards.words import Language, Text
from devices import loader
from devices.indices.limits import SAMPLE

NAME = "water-station"
STATION = "thu-bon-01"
"""The demo's with the most to see; in another city Grafana begins with the first it finds."""
PARAMETERS = ("level", "do", "ph", "ec", "turbidity", "water_temp")
"""Those that are rarer can be chosen at the top of the page."""
STANDARD = "qcvn-08-2023"


def build(language: Language) -> dict[str, Any]:
    """The dashboard in one language."""
    board = Board(
        NAME,
        language,
        Text("Trạm nước", "Water station"),
        Text(
            "Một trạm nước: VN_WQI, từng thông số với các mức của QCVN 08:2023, cờ chất lượng, cảnh báo, so với tuần trước và năm trước.",
            "One water station: VN_WQI, each parameter with the classes of QCVN 08:2023, flags, alerts, compared with last week and year.",
        ),
        since="now-3d",
    )
    catalogue = loader.catalogue()
    station.variables(board, "water", STATION, "do")
    station.index(board, "vn_wqi", "VN_WQI")
    board.row(Text("Thông số", "Parameters"))
    for name in PARAMETERS:
        station.parameter(board, catalogue[name], limits(name, STANDARD, [SAMPLE], list(SURFACE_WATER)))
    board.row(Text("Cờ và cảnh báo", "Flags and alerts"))
    station.flags(board, "water", [catalogue[name] for name in PARAMETERS])
    station.alerts(board)
    board.row(Text("So sánh: ${parameter:text}", "Comparison: ${parameter:text}"))
    station.comparison(board, "water")
    station.further(board, "water")
    station.limits_table(board, [STANDARD, "qcvn-10-2023"])
    return board.build()
