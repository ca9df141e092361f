"""Every text of the dashboards, in Vietnamese and English, from one place: a text that lacks a language does not load."""

from __future__ import annotations

from typing import Literal, NamedTuple

from devices.parameters import Parameter

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")


class Text(NamedTuple):
    """One text in both languages."""

    vi: str
    en: str

    def of(self, language: Language) -> str:
        """The text in one language."""
        return self.vi if language == "vi" else self.en


def name(parameter: Parameter, language: Language) -> str:
    """The parameter's name as people say it."""
    return parameter.name[language]


def label(parameter: Parameter, language: Language) -> str:
    """Name and unit: the head of a column."""
    said = name(parameter, language)
    return f"{said} ({parameter.display})" if parameter.display not in ("", said) else said


CITY_NOW = Text("Thành phố lúc này", "City now")
CITY_NOW_ABOUT = Text(
    "Giá trị mới nhất và diễn biến không khí, nước của các trạm; cảnh báo; chất lượng dữ liệu.",
    "Newest values and course of air and water at the stations; alerts; quality of the data.",
)
NO_DATA = Text("không có dữ liệu", "no data")
SOURCE = Text("Nguồn dữ liệu", "Data source")
AREA = Text("Khu vực", "Area")
STATION = Text("Trạm", "Station")
PARAMETER = Text("Thông số", "Parameter")
OTHER_LANGUAGE = Text("English", "Tiếng Việt")

ALERTS_ROW = Text("Cảnh báo", "Alerts")
ALERTS = Text("Diễn biến cảnh báo", "What happened to alerts")
ALERTS_ABOUT = Text(
    "Mỗi dòng là một lần đổi trạng thái, mới nhất ở trên: firing = đang báo động, unknown = trạm mất tín hiệu khi đang báo động, "
    "resolved = đã kết thúc. Cảnh báo còn mở nếu dòng mới nhất của quy tắc đó tại trạm không phải là resolved.",
    "Each line is a change of state, newest first: firing = alarm on, unknown = the station went quiet while the alarm was on, "
    "resolved = over. An alert is open if the newest line of its rule at the station is not resolved.",
)
NO_ALERTS = Text("không có cảnh báo trong khoảng thời gian này", "no alerts in this time range")
AIR_ROW = Text("Không khí", "Air")
WATER_ROW = Text("Nước", "Water")
QUALITY_ROW = Text("Chất lượng dữ liệu và thiết bị", "Quality of data and devices")
NEWEST_AIR = Text("Không khí: giá trị mới nhất theo trạm", "Air: newest value per station")
NEWEST_WATER = Text("Nước: giá trị mới nhất theo trạm", "Water: newest value per station")
NEWEST_DEVICE = Text("Thiết bị: giá trị mới nhất theo trạm", "Devices: newest value per station")
NEWEST_ABOUT = Text(
    "Giá trị dùng được mới nhất trong khoảng thời gian đã chọn. Ô trống: trạm không đo, hoặc không có giá trị nào dùng được.",
    "The newest usable value in the time range. An empty cell: the station does not measure it, or had no usable value.",
)
COURSE_ABOUT = Text(
    "Trung bình theo khoảng của biểu đồ, mỗi trạm một đường. Chỉ gồm giá trị có cờ tốt (1) hoặc chưa đánh giá (2).",
    "Means over the chart's interval, a line per station. Only values flagged good (1) or not evaluated (2).",
)
FLAGS = Text("Tỷ lệ cờ chất lượng: ${parameter:text}", "Share of quality flags: ${parameter:text}")
FLAGS_ABOUT = Text(
    "Tỷ lệ giá trị theo cờ QARTOD của thông số đã chọn ở đầu trang, gộp các trạm đã chọn.",
    "Share of values by QARTOD flag, of the parameter chosen at the top, over the chosen stations.",
)
FLAG_NAMES = {
    1: Text("tốt", "good"),
    2: Text("chưa đánh giá", "not evaluated"),
    3: Text("nghi ngờ", "suspect"),
    4: Text("hỏng", "fail"),
    9: Text("thiếu", "missing"),
}
