"""What all dashboards say, in Vietnamese and English: a text that lacks a language does not load. What one dashboard says stands in it."""

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


def named(parameter: Parameter) -> Text:
    """The parameter's name as a title."""
    return Text(parameter.name["vi"], parameter.name["en"])


def label(parameter: Parameter, language: Language) -> str:
    """Name and unit: the head of a column."""
    said = name(parameter, language)
    return f"{said} ({parameter.display})" if parameter.display not in ("", said) else said


NO_DATA = Text("không có dữ liệu", "no data")
NO_ALERTS = Text("không có cảnh báo trong khoảng thời gian này", "no alerts in this time range")
SOURCE = Text("Nguồn dữ liệu", "Data source")
AREA = Text("Phường", "Ward")
STATION = Text("Trạm", "Station")
DEVICE = Text("Thiết bị", "Device")
PARAMETER = Text("Thông số", "Parameter")
OTHER_LANGUAGE = Text("English", "Tiếng Việt")
OTHER_BOARDS = Text("Bảng khác", "Other dashboards")
ALERTS = Text("Cảnh báo", "Alerts")

TIME = Text("Thời điểm", "Time")
SINCE = Text("Từ lúc", "Since")
CHANGED = Text("Thay đổi lúc", "Changed")
RULE = Text("Quy tắc", "Rule")
SEVERITY = Text("Mức độ", "Severity")
STATE = Text("Trạng thái", "State")
REASON = Text("Lý do", "Reason")
VALUE = Text("Giá trị", "Value")
DURATION = Text("Kéo dài", "Open for")
CATEGORY = Text("Mức", "Category")
DOMINANT = Text("Do thông số", "Because of")
WHY_NOT = Text("Vì sao chưa có", "Why there is none")
HOURS = Text("Số giờ", "Hours")

USABLE = Text(
    "Chỉ gồm giá trị có cờ tốt (1) hoặc chưa đánh giá (2).",
    "Only values flagged good (1) or not evaluated (2).",
)

FLAG_NAMES = {
    1: Text("tốt", "good"),
    2: Text("chưa đánh giá", "not evaluated"),
    3: Text("nghi ngờ", "suspect"),
    4: Text("hỏng", "fail"),
    9: Text("thiếu", "missing"),
}
STATES = {
    "firing": (Text("đang báo động", "firing"), "red"),
    "unknown": (Text("mất tín hiệu", "data stopped"), "orange"),
    "resolved": (Text("đã kết thúc", "resolved"), "green"),
}
SEVERITIES = {
    "info": (Text("thông tin", "info"), "blue"),
    "warning": (Text("cảnh báo", "warning"), "orange"),
    "critical": (Text("nghiêm trọng", "critical"), "red"),
}
